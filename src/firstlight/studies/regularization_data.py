"""The images of the regularization study: training, validation and test, as tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import data, seeds
from firstlight.configs import Config, RegularizationConfig


@dataclass(frozen=True)
class Split:
    """Images as tensors: pixels from 0 to 1, not yet standardized; labels as int64.

    Args:
        train: images and labels to learn from.
        validation: held-out images and labels; everything but the final score is measured here.
        test: the test set, used once.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def sizes(config: RegularizationConfig, available: int) -> tuple[int, int]:
    """Return how many images are trained on and held out, of the ``available`` ones.

    Example:
        >>> sizes(RegularizationConfig(train_images=60_000), 60_000)
        (55000, 5000)
    """
    n = min(config.train_images, available)
    held_out = max(1, round(n * config.validation_share))
    return n - held_out, held_out


def split(dataset: data.Dataset, config: RegularizationConfig, device: str = "cpu") -> Split:
    """Return the run's images: a random choice that depends on the run's seed alone."""

    def take(images: NDArray[np.uint8], labels: NDArray[np.uint8], which: Any) -> Any:
        x = torch.from_numpy(images[which]).to(device).float().div_(255)
        return x, torch.from_numpy(labels[which].astype(np.int64)).to(device)

    n, held_out = sizes(config, len(dataset.train_images))
    order = seeds.generator(config.seed, "images").permutation(len(dataset.train_images))
    tests = seeds.generator(config.seed, "test images").permutation(len(dataset.test_images))
    return Split(
        train=take(dataset.train_images, dataset.train_labels, order[:n]),
        validation=take(dataset.train_images, dataset.train_labels, order[n : n + held_out]),
        test=take(dataset.test_images, dataset.test_labels, np.sort(tests[: config.test_images])),
    )


@lru_cache(maxsize=1)
def _loaded(folder: str | None, values: str, device: str) -> Split:
    place = None if folder is None else Path(folder)
    config = RegularizationConfig.from_dict(json.loads(values))
    return split(data.load("mnist", folder=place, download=False), checked(config), device)


def loaded(folder: str | None, values: Mapping[str, Any], device: str) -> Split:
    """Return the run's images, read once in each process, however many trials it runs.

    Args:
        folder: the folder with the data, or None for the known places.
        values: the config's values.
        device: where the tensors shall lie.
    """
    return _loaded(folder, json.dumps(dict(values), sort_keys=True), device)


def checked(config: Config) -> RegularizationConfig:
    """Return the config as this study's own kind, or raise ``TypeError``."""
    if not isinstance(config, RegularizationConfig):
        raise TypeError(f"config: expected a RegularizationConfig, got {type(config).__name__}")
    return config


def standardized(parts: Split) -> Split:
    """Return the images minus the training images' mean, over their standard deviation."""
    images = parts.train[0]
    mean, deviation = images.mean(), images.std(correction=0)
    train, validation, test = (
        ((x - mean) / deviation, y) for x, y in (parts.train, parts.validation, parts.test)
    )
    return Split(train, validation, test)
