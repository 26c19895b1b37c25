"""The perceptron criterion and the hinge loss: an estimator, and thousands of sets at once."""

from typing import TYPE_CHECKING, Any

from firstlight.margin.estimator import MarginClassifier as MarginClassifier

if TYPE_CHECKING:
    from firstlight.margin.lanes import Trained as Trained
    from firstlight.margin.lanes import train as train


def __getattr__(name: str) -> Any:
    """Load ``train`` and ``Trained`` on first use, so that the estimator needs no compiler."""
    if name not in ("train", "Trained"):
        raise AttributeError(f"module 'firstlight.margin' has no attribute {name!r}")
    from firstlight.margin import lanes

    return getattr(lanes, name)
