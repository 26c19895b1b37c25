"""The sample study's config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from firstlight.config import Config, bounded


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """Throw coins instead of training networks."""

    study: ClassVar[str] = "sample"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {}, "class": {"repeats": 5_000}, "full": {"repeats": 9_000},
    }  # fmt: skip

    train_points: int = bounded(20, 2, 100, "points")
    """Points in each set."""
    repeats: int = bounded(2_000, 2, 10_000, "training sets")
    """Independent sets."""
