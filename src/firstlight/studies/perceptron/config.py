"""The config of problem 1: perceptron criterion against hinge loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from firstlight.config import Config, bounded


@dataclass(frozen=True, kw_only=True)
class PerceptronConfig(Config):
    """Perceptron criterion against hinge loss on two-dimensional points.

    Many training sets are drawn from the unit square, labeled by x1 > x2, and both criteria are
    trained on the same sets until they converge.
    """

    study: ClassVar[str] = "perceptron"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "class": {"repeats": 20_000},
        "full": {"repeats": 20_000},
    }

    train_points: int = bounded(20, 2, 10_000, "points")
    """Training points in each set."""
    test_points: int = bounded(1_000, 1, 1_000_000, "points")
    """Test points, the same for every training set."""
    repeats: int = bounded(2_000, 2, 1_000_000, "training sets")
    """Independent training sets."""
    learning_rate: float = bounded(1.0, 1e-12, 1e6)
    """Step size of each update; only margin / learning rate matters."""
    max_epochs: int = bounded(10_000, 1, 10_000_000, "epochs")
    """Passes over a training set after which an unconverged classifier is left as it is."""
