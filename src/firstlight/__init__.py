"""The first look at a neural network before you train it."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Fact": "record",
    "MarginClassifier": "linear",
    "Record": "record",
    "initialize": "init",
    "load": "record",
    "probe": "probe",
    "save": "record",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that ``import firstlight`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}")
    return getattr(import_module(f"firstlight.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
