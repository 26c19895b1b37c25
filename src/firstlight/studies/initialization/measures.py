"""What is measured on a trace: for each network and layer one row of numbers, and some values."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import seeds
from firstlight.studies.initialization.networks import LARGEST_SLOPE, SATURATED, STUDY, Trace

MEASURES = (
    "z_mean",
    "z_std",
    "activation_mean",
    "activation_std",
    "activation_square",
    "gradient_std",
    "gradient_square",
    "saturated",
)
"""The last axis of what ``measure`` returns; "square" is a mean square, about zero."""

KINDS = ("z", "activation", "gradient")
"""Of what single values are kept for the violins."""

Values = NDArray[np.float64]


def moments(x: Tensor, about: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, standard deviation and mean square of each network's values.

    Rows of units are summed in the tensor's own precision and rows in double precision.

    Args:
        x: shape (networks, images, units).
        about: a number near the mean, so that the deviation loses no digits.
    """
    shifted = x - about if about else x
    square = (torch.linalg.vector_norm(shifted, dim=-1).double() ** 2).mean(-1) / x.shape[-1]
    mean = shifted.mean(-1).double().mean(-1)
    deviation = (square - mean**2).clamp_min(0).sqrt()
    return mean + about, deviation, square + 2 * about * mean + about**2


def measure(activation: str, found: Trace) -> Values:
    """Return ``MEASURES`` of every network and layer, shape (networks, layers, measures)."""
    limit = SATURATED * LARGEST_SLOPE[activation]
    rows = []
    for z, a, s, delta in zip(found.z, found.a, found.slope, found.delta, strict=True):
        z_mean, z_std, _ = moments(z)
        a_mean, a_std, a_square = moments(a, 0.5 if activation == "sigmoid" else 0.0)
        _, d_std, d_square = moments(delta)
        flat = (s < limit).to(s.dtype).mean(-1).double().mean(-1)
        columns = [z_mean, z_std, a_mean, a_std, a_square, d_std, d_square, flat]
        rows.append(torch.stack(columns, dim=-1))
    return np.asarray(torch.stack(rows, dim=1).cpu().numpy())


def places(seed: int, index: int, count: int, size: int) -> Tensor:
    """Return ``count`` random places among ``size`` values, the same for every network of a seed."""
    return torch.from_numpy(seeds.generator(seed, STUDY, "places", index).integers(0, size, count))


def sample(found: Trace, where: Tensor) -> NDArray[np.float32]:
    """Return single values of Z, activation and gradient, (networks, layers, kinds, values)."""
    at = where.to(found.z[0].device)
    layers = [
        torch.stack([x.flatten(1)[:, at] for x in kinds], dim=1)
        for kinds in zip(found.z, found.a, found.delta, strict=True)
    ]
    return np.asarray(torch.stack(layers, dim=1).float().cpu().numpy())


def joined(parts: list[Mapping[str, NDArray[np.generic]]]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of several blocks of seeds as one, seeds first."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
