"""Images as tensors: training, validation and test."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import seeds
from firstlight.data.datasets import Dataset


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


def sizes(wanted: int, validation_share: float, available: int) -> tuple[int, int]:
    """Return how many images are trained on and held out, of the ``available`` ones.

    Example:
        >>> sizes(60_000, 1 / 12, 60_000)
        (55000, 5000)
    """
    n = min(wanted, available)
    held_out = max(1, round(n * validation_share))
    return n - held_out, held_out


def split(
    dataset: Dataset,
    *,
    seed: int,
    images: int,
    validation_share: float,
    test_images: int,
    device: str = "cpu",
) -> Split:
    """Return a run's images: a random choice that depends on the run's seed alone.

    Args:
        dataset: where they are taken from.
        seed: the run's seed.
        images: training and validation images together; all there are if there are fewer.
        validation_share: share of them that is held out.
        test_images: images of the test set.
        device: where the tensors shall lie.
    """

    def take(images: NDArray[np.uint8], labels: NDArray[np.uint8], which: Any) -> Any:
        x = torch.from_numpy(images[which]).to(device).float().div_(255)
        return x, torch.from_numpy(labels[which].astype(np.int64)).to(device)

    n, held_out = sizes(images, validation_share, len(dataset.train_images))
    order = seeds.generator(seed, "images").permutation(len(dataset.train_images))
    tests = seeds.generator(seed, "test images").permutation(len(dataset.test_images))
    return Split(
        train=take(dataset.train_images, dataset.train_labels, order[:n]),
        validation=take(dataset.train_images, dataset.train_labels, order[n : n + held_out]),
        test=take(dataset.test_images, dataset.test_labels, np.sort(tests[:test_images])),
    )


split_of = lru_cache(maxsize=1)(split)
"""Does what ``split`` does, once in each process: trials of one data set object share the tensors."""


def standardized(parts: Split) -> Split:
    """Return the images minus the training images' mean, over their standard deviation."""
    images = parts.train[0]
    mean, deviation = images.mean(), images.std(correction=0)
    train, validation, test = (
        ((x - mean) / deviation, y) for x, y in (parts.train, parts.validation, parts.test)
    )
    return Split(train, validation, test)
