"""The config of problem 4: range tests and cyclical policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from firstlight.config import Config, bounded
from firstlight.errors import ConfigError

RangeMode = Literal["runs", "plateaus"]
RANGE_MODES: tuple[RangeMode, ...] = get_args(RangeMode)
Policy = Literal["fixed_low", "fixed_high", "cyclical_rate", "growing_batch", "shrinking_batch"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True, kw_only=True)
class CyclicalConfig(Config):
    """Range tests of learning rate and batch size, and both cyclical policies, on MiniGoogLeNet.

    The range tests decide between which bounds the policies move; every policy sees the same number
    of images from the same initial weights. The test set is used once, at the end.
    """

    study: ClassVar[str] = "cyclical"
    data_set: ClassVar[str | None] = "fashion-mnist"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "full": {
            "width": 1.0, "train_images": 60_000, "test_images": 10_000, "range_mode": "runs",
            "range_epochs": 5.0, "ramp_epochs": 5.0, "batch_epochs": 5.0, "batch_updates": 35,
            "batch_sizes": (64, 128, 256, 512, 1024, 2048, 4096, 8192), "epochs": 48, "seeds": 3,
            "range_repeats": 3,
        },
    }  # fmt: skip

    width: float = bounded(0.125, 0.01, 4.0)
    """Factor on the channels of every layer of MiniGoogLeNet."""
    train_images: int = bounded(4_500, 200, 60_000, "images")
    """Images used for training and validation together."""
    test_images: int = bounded(1_000, 100, 10_000, "images")
    """Images of the test set that are used."""
    validation_share: float = bounded(1 / 12, 0.01, 0.5)
    """Share of the training images held out for validation."""
    batch_size: int = bounded(64, 2, 8_192, "images")
    """Images per update, wherever the batch size is not what varies."""
    micro_batch: int = bounded(64, 2, 8_192, "images")
    """Images in one forward pass; batch normalization sees so many, whatever the batch size."""
    momentum: float = bounded(0.9, 0.0, 0.999)
    """Momentum of stochastic gradient descent."""
    range_mode: RangeMode = field(default="plateaus", metadata={"options": RANGE_MODES})
    """How the candidate rates are tried: runs (each in a training of its own) or plateaus of one."""
    rate_low: float = bounded(1e-9, 1e-12, 1.0)
    """Smallest learning rate of the range test."""
    rate_high: float = bounded(10.0, 1e-6, 1e3)
    """Largest learning rate of the range test."""
    candidates: int = bounded(10, 5, 100, "rates")
    """Candidate rates, evenly spaced on a logarithmic scale."""
    range_epochs: float = bounded(2.0, 0.05, 1_000.0, "epochs")
    """Length of each run, or of all plateaus together."""
    ramp_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Length of the ramp, the range test in which the rate grows at every update."""
    range_repeats: int = bounded(1, 1, 100, "repeats")
    """Independent repeats of every range test."""
    batch_sizes: tuple[int, ...] = bounded(
        (64, 128, 256, 512, 1_024, 2_048, 4_096), 2, 65_536, "images"
    )
    """Batch sizes of the batch-size test, in rising order."""
    batch_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Passes over the images for each batch size, in the test at equal epochs."""
    batch_updates: int = bounded(2, 1, 100_000, "updates")
    """Updates for each batch size, in the test at equal updates."""
    policies: tuple[Policy, ...] = field(default=POLICIES, metadata={"choices": POLICIES})
    """What is compared: fixed_low, fixed_high, cyclical_rate, growing_batch, shrinking_batch."""
    epochs: int = bounded(1, 1, 1_000, "epochs")
    """Passes over the images under each policy."""
    cycles: int = bounded(2, 1, 100, "cycles")
    """Cycles in the whole training; it ends at the end of one."""
    final_amplitude: float = bounded(0.1, 1e-6, 1.0)
    """Amplitude at the end of the training, of 1 at its beginning."""
    seeds: int = bounded(2, 1, 1_000, "seeds")
    """Independent trainings under each policy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rate_low < self.rate_high:
            raise ConfigError(
                f"rate_low: expected below rate_high = {self.rate_high:g}, got {self.rate_low:g}"
            )
        if len(self.batch_sizes) < 5 or list(self.batch_sizes) != sorted(self.batch_sizes):
            sizes = ", ".join(map(str, self.batch_sizes))
            raise ConfigError(
                f"batch_sizes: expected at least 5 sizes in rising order, got {sizes}"
            )
