"""The first look at a neural network before you train it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight import ensemble as ensemble
    from firstlight import ranges as ranges
    from firstlight import schedules as schedules
    from firstlight.guard.snapshot import restored as restored
    from firstlight.init.schemes import initialize as initialize
    from firstlight.margin.estimator import MarginClassifier as MarginClassifier
    from firstlight.probing.probe import probe as probe
    from firstlight.record import Fact as Fact
    from firstlight.record import Record as Record
    from firstlight.record import Verdict as Verdict
    from firstlight.record import load as load
    from firstlight.record import save as save
    from firstlight.studies import run as run

__version__ = "0.1.0"

__all__ = [
    "Fact",
    "MarginClassifier",
    "Record",
    "Verdict",
    "ensemble",
    "initialize",
    "load",
    "probe",
    "ranges",
    "restored",
    "run",
    "save",
    "schedules",
]

_HOMES = {
    "Fact": "record",
    "MarginClassifier": "margin",
    "Record": "record",
    "Verdict": "record",
    "initialize": "init",
    "load": "record",
    "probe": "probing",
    "restored": "guard",
    "run": "studies",
    "save": "record",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that ``import firstlight`` stays instant."""
    if name in _HOMES:
        return getattr(import_module(f"firstlight.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"firstlight.{name}")
    raise AttributeError(f"module 'firstlight' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
