"""The config of problem 4: range tests and cyclical policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from firstlight.config import Config, bounded
from firstlight.errors import ConfigError

RangeMode = Literal["runs", "plateaus"]
RANGE_MODES: tuple[RangeMode, ...] = get_args(RangeMode)
Policy = Literal[
    "fixed_low", "fixed_high", "cyclical_rate", "growing_batch", "shrinking_batch",
    "growing_literal", "shrinking_literal",
]  # fmt: skip  # the names in two lines
POLICIES: tuple[Policy, ...] = get_args(Policy)
BatchTest = Literal["batch_epochs", "batch_learning", "batch_updates"]
BATCH_TESTS: tuple[BatchTest, ...] = get_args(BatchTest)


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
        "class": {
            "width": 0.125, "train_images": 36_000, "test_images": 10_000, "range_epochs": 2.0,
            "batch_repeats": 3, "literal_seeds": 3,
        },
        "full": {
            "width": 1.0, "resolution": 1.0, "train_images": 60_000, "test_images": 10_000,
            "range_mode": "runs", "range_epochs": 5.0, "ramp_epochs": 5.0, "batch_epochs": 5.0,
            "batch_sizes": (64, 128, 256, 512, 1024, 2048, 4096, 8192), "batch_tests": BATCH_TESTS,
            "batch_updates": 35, "batch_repeats": 3, "range_repeats": 3, "epochs": 48, "cycles": 3,
            "seeds": 3, "literal_seeds": 3,
        },
    }  # fmt: skip

    width: float = bounded(0.0625, 0.01, 4.0)
    """Factor on the channels of every layer of MiniGoogLeNet."""
    resolution: float = bounded(0.5, 7 / 32, 4.0)
    """Factor on the pixels of a side of its images, 32 at resolution 1."""
    train_images: int = bounded(4_500, 200, 60_000, "images")
    """Images used for training and validation together."""
    test_images: int = bounded(2_000, 100, 10_000, "images")
    """Images of the test set that are used."""
    validation_share: float = bounded(1 / 12, 0.01, 0.5)
    """Share of the training images held out for validation."""
    calibration_images: int = bounded(1_000, 2, 60_000, "images")
    """Training images on which batch normalization measures its statistics before each scoring."""
    batch_size: int = bounded(64, 2, 8_192, "images")
    """Images per update, wherever the batch size is not what varies."""
    micro_batch: int = bounded(64, 2, 8_192, "images")
    """Images in one forward pass; batch normalization sees so many, whatever the batch size."""
    momentum: float = bounded(0.9, 0.0, 0.999)
    """Momentum of stochastic gradient descent."""
    range_mode: RangeMode = field(default="plateaus", metadata={"options": RANGE_MODES})
    """How the candidate rates are tried: runs trains a new network at each rate, from the same initial
    weights; plateaus trains one network, at one rate after the other, in a fraction of the time."""
    rate_low: float = bounded(1e-9, 1e-12, 1.0)
    """Smallest learning rate of the range test."""
    rate_high: float = bounded(10.0, 1e-6, 1e3)
    """Largest learning rate of the range test."""
    candidates: int = bounded(10, 5, 100, "rates")
    """Candidate rates, evenly spaced on a logarithmic scale."""
    range_epochs: float = bounded(4.0, 0.05, 1_000.0, "epochs")
    """Length of each run, or of all plateaus together."""
    ramp_epochs: float = bounded(2.0, 0.05, 1_000.0, "epochs")
    """Length of the ramp, the range test in which the rate grows at every update."""
    range_repeats: int = bounded(2, 1, 100, "repeats")
    """Independent repeats of every range test of the learning rate."""
    batch_sizes: tuple[int, ...] = bounded(
        (64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192), 2, 65_536, "images"
    )
    """Batch sizes to try, in rising order; a size of fewer than 4 updates is left out."""
    batch_tests: tuple[BatchTest, ...] = field(
        default=("batch_epochs",), metadata={"choices": BATCH_TESTS}
    )
    """What is equal for every size: epochs at lr_min, or epochs or updates at a rate that learns."""
    batch_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Passes over the images for each batch size, in the tests at equal epochs."""
    batch_updates: int = bounded(100, 4, 100_000, "updates")
    """Updates for each batch size, in the test at equal updates."""
    batch_repeats: int = bounded(2, 1, 100, "repeats")
    """Independent repeats of every training at a batch size; of the search for one, too."""
    policies: tuple[Policy, ...] = field(default=POLICIES, metadata={"choices": POLICIES})
    """What is compared; the literal ones move the batch size at lr_min, as the assignment says."""
    epochs: int = bounded(4, 1, 1_000, "epochs")
    """Passes over the images under each policy."""
    cycles: int = bounded(2, 1, 100, "cycles")
    """Cycles in the whole training; it ends at the end of one."""
    final_amplitude: float = bounded(0.1, 1e-6, 1.0)
    """Amplitude at the end of the training, of 1 at its beginning."""
    seeds: int = bounded(5, 1, 1_000, "seeds")
    """Independent trainings under each policy, but for those at lr_min."""
    literal_seeds: int = bounded(2, 1, 1_000, "seeds")
    """Independent trainings under each policy at lr_min, at most as many as seeds."""

    @property
    def images_trained(self) -> int:
        """Return about how many images pass through training, the search for a batch size aside.

        Example:
            >>> CyclicalConfig.preset("full").images_trained > 50_000_000
            True
        """
        literal = sum(name.endswith("literal") for name in self.policies)
        seeds = (len(self.policies) - literal) * self.seeds + literal * self.literal_seeds
        trainings = self.candidates if self.range_mode == "runs" else 1
        ranges = self.range_repeats * (trainings * self.range_epochs + self.ramp_epochs)
        timed = len(self.batch_sizes) * self.batch_epochs
        epochs = sum(test != "batch_updates" for test in self.batch_tests) * timed
        updates = self.batch_updates * sum(self.batch_sizes) * ("batch_updates" in self.batch_tests)
        passes = seeds * self.epochs + ranges + self.batch_repeats * epochs
        images = self.train_images * (1 - self.validation_share)
        return round(passes * images + self.batch_repeats * updates)

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
