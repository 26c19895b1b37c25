"""The data of the study: some images of MNIST, and points of a ball in ten dimensions."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firstlight import seeds
from firstlight.data import Dataset
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.types import Numbers

BALL_POINTS, BALL_DIMENSIONS = 1_000, 10


@dataclass(frozen=True)
class Images:
    """What the networks see.

    Args:
        x: test images, shape (images, pixels), from 0 to 1.
        y: their labels, int64.
        train_x: training images, shape (n, pixels), unsigned bytes.
        train_y: their labels, int64.
    """

    x: Tensor
    y: Tensor
    train_x: Tensor
    train_y: Tensor

    @property
    def ends(self) -> tuple[int, int]:
        """Return how many inputs and outputs a network has: pixels and classes."""
        return self.x.shape[1], int(self.train_y.max()) + 1


def images(dataset: Dataset, config: InitializationConfig, device: str = "cpu") -> Images:
    """Return the run's images: the choice of test images depends on the run's seed alone."""

    def labels(values: Numbers) -> Tensor:
        return torch.from_numpy(values.astype(np.int64)).to(device)

    order = seeds.generator(config.seed, "test images").permutation(len(dataset.test_images))
    chosen = np.sort(order[: config.images])
    test = torch.from_numpy(dataset.test_images[chosen]).to(device).flatten(1)
    train = torch.from_numpy(dataset.train_images).to(device).flatten(1)
    return Images(
        test.float() / 255, labels(dataset.test_labels[chosen]), train, labels(dataset.train_labels)
    )


def ball(seed: int) -> tuple[Tensor, Tensor]:
    """Return points uniform in a ball, and whether |Σ x| exceeds half the radius, as 0 or 1.

    The radius is such that all coordinates together have standard deviation 1; both are float32, of
    shapes (1000, 10) and (1000,).

    Source: D. Godoy, "Hyper-parameters in action, part II: weight initializers" (2018), whose
    data set this is.
    """
    rng = seeds.generator(seed, InitializationConfig.study, "ball")
    direction = rng.standard_normal((BALL_POINTS, BALL_DIMENSIONS))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = direction * rng.random((BALL_POINTS, 1)) ** (1 / BALL_DIMENSIONS)
    radius = 1 / float(points.std())
    outside = np.abs(radius * points.sum(axis=1)) > radius / 2
    return torch.from_numpy(radius * points).float(), torch.from_numpy(outside).float()
