"""Initial weights for a whole model, by the kind of each layer and the activation after it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight.init.schemes import SCHEMES as SCHEMES
    from firstlight.init.schemes import initialize as initialize


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that the formulas can be had without torch."""
    if name not in ("SCHEMES", "initialize"):
        raise AttributeError(f"module 'firstlight.init' has no attribute {name!r}")
    from firstlight.init import schemes

    return getattr(schemes, name)
