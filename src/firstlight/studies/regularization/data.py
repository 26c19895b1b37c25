"""The images of the regularization study: training, validation and test, as tensors."""

from collections.abc import Mapping
from typing import Any

from firstlight import data
from firstlight.config import Config
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.data.split import Split
from firstlight.data.split import loaded as _loaded
from firstlight.data.split import split as _split


def _choice(config: RegularizationConfig) -> dict[str, Any]:
    return {
        "seed": config.seed, "images": config.train_images, "test_images": config.test_images,
        "validation_share": config.validation_share,
    }  # fmt: skip


def split(dataset: data.Dataset, config: RegularizationConfig, device: str = "cpu") -> Split:
    """Return the run's images: a random choice that depends on the run's seed alone."""
    return _split(dataset, device=device, **_choice(config))


def loaded(folder: str | None, values: Mapping[str, Any], device: str) -> Split:
    """Return the run's images, read once in each process, however many trials it runs.

    Args:
        folder: the folder with the data, or None for the known places.
        values: the config's values.
        device: where the tensors shall lie.
    """
    config = checked(RegularizationConfig.from_dict(values))
    return _loaded("mnist", folder, device=device, **_choice(config))


def checked(config: Config) -> RegularizationConfig:
    """Return the config as this study's own kind, or raise ``TypeError``."""
    if not isinstance(config, RegularizationConfig):
        raise TypeError(f"config: expected a RegularizationConfig, got {type(config).__name__}")
    return config
