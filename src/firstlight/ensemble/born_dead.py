"""Which ReLU networks have a hidden layer that is zero on the whole domain.

A ReLU network maps a path of straight pieces to a path of straight pieces: following its corners
through the layers, with a new corner wherever a unit crosses zero, decides the question exactly.
"""

import math
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from firstlight import seeds
from firstlight.ensemble.spec import Network
from firstlight.types import Floats, Numbers

Owner = NDArray[np.int64]
"""The network that each point belongs to."""
Layers = list[tuple[Numbers, Numbers]]

HALF_WIDTH = math.sqrt(7)
"""Half the width of the usual domain, [−√7, √7]."""
POINTS = 256
"""Points of the domain that stand for it where it cannot be followed exactly."""
FEW = 8
"""The first of them, with which most networks already show that they are alive."""
_NUMBERS = 2**18  # weights gathered at once, one set for each point: few enough for the cache


def _with_crossings(z: Floats, owner: Owner) -> tuple[Floats, Owner]:
    """Return the corners with a new one wherever a unit crosses zero between two of them."""
    a, b = z[:-1], z[1:]
    opposite = ((a > 0) & (b < 0)) | ((a < 0) & (b > 0))
    piece, unit = np.nonzero(opposite & (owner[:-1] == owner[1:])[:, None])
    if piece.size == 0:
        return z, owner
    start, end = a[piece], b[piece]
    each = np.arange(piece.size)
    share = start[each, unit] / (start[each, unit] - end[each, unit])
    corners = start + share[:, None] * (end - start)
    corners[each, unit] = 0.0
    order = np.lexsort((np.append(np.zeros(len(z)), share), np.append(np.arange(len(z)), piece)))
    return np.concatenate([z, corners])[order], np.append(owner, owner[piece])[order]


def _largest(points: Floats) -> Floats:
    """Return each point's largest coordinate; NumPy's own is slow where these are few."""
    return reduce(np.maximum, points.T)


def _follow(layers: Layers, start: Floats, *, path: bool, rays: bool) -> NDArray[np.bool_]:
    """Return which networks have a hidden layer that is zero on all points (or the whole path).

    Args:
        layers: weights (R, outputs, inputs) and biases (R, outputs) of the hidden layers.
        start: shape (K, inputs), the points, the same for every network.
        path: the points are the corners of a path of straight pieces.
        rays: all biases are zero, so that a point stands for its ray.
    """
    count = len(layers[0][0])
    points, owner = np.tile(start, (count, 1)), np.repeat(np.arange(count), len(start))
    for weight, bias in layers:
        # Summed row by row: a matrix product may round two equal points differently, according to
        # their places, and so make corners out of nothing.
        sums = np.einsum("moi,mi->mo", weight.take(owner, axis=0), points)
        z = sums + bias.take(owner, axis=0)
        alive = np.bincount(owner[_largest(z) > 0], minlength=count) > 0
        z, owner = z[alive[owner]], owner[alive[owner]]
        if path:
            z, owner = _with_crossings(z, owner)
        points = np.maximum(z, 0)
        if path:  # the second corner of a piece without length adds nothing
            new = (points[1:] != points[:-1]).any(axis=1) | (owner[1:] != owner[:-1])
            keep = np.append(True, new)[: len(points)]
            points, owner = points[keep], owner[keep]
        if rays:  # scaled to 1, so that no depth shrinks them out of the numbers' range
            size = _largest(points)
            if not path:  # where a ray that is zero may join two pieces
                points, owner, size = points[size > 0], owner[size > 0], size[size > 0]
            points = points / np.where(size > 0, size, 1.0)[:, None]
    dead: NDArray[np.bool_] = np.bincount(owner, minlength=count) == 0
    return dead


def _decide(layers: Layers, low: float, high: float) -> NDArray[np.bool_]:
    inputs = layers[0][0].shape[2]
    rays = not any(bias.any() for _, bias in layers)
    if inputs == 1 and rays:
        ends = [end for end in (min(low, 0.0), max(high, 0.0)) if end != 0]
        return _follow(layers, np.array(ends)[:, None], path=False, rays=True)
    points = seeds.generator(0, "born dead", "points").uniform(low, high, (POINTS, inputs))
    start, path = points, False
    if inputs == 1:
        start, path = np.array([[low], [high]]), True
    elif inputs == 2 and rays:  # the border as a closed path: a ray into the square leaves there
        corners = [[low, low], [low, high], [high, high], [high, low], [low, low]]
        start, path = np.array(corners), True
    dead = _follow(layers, points[:FEW], path=False, rays=rays)
    if dead.any():
        rest = [(weight[dead], bias[dead]) for weight, bias in layers]
        dead[dead] = _follow(rest, start, path=path, rays=rays)
    return dead


def is_exact(network: Network, *, zero_bias: bool) -> bool:
    """Say whether ``born_dead`` follows the whole domain, or a sample of its points."""
    return network.widths[0] == 1 or (network.widths[0] == 2 and zero_bias)


def born_dead(
    network: Network, parameters: Numbers, low: float = -HALF_WIDTH, high: float = HALF_WIDTH
) -> NDArray[np.bool_]:
    """Say of each network whether some hidden layer is zero on the whole domain [low, high]^D.

    Exact (up to rounding) for one input, and for two without biases. Otherwise 256 fixed points,
    uniform on the cube, stand for the domain: a network found alive is alive, but one that lives
    only in a corner that no point hits is called dead.

    Args:
        network: the networks' shape; its activation must be ReLU.
        parameters: shape (R, P), finite, in the layout of ``Network.unpack``.
        low: lower end of every input.
        high: upper end of every input, above ``low``.

    Returns:
        Shape (R,).

    Raises:
        ValueError: another activation, shape or domain, or a parameter that is not finite.

    Example:
        >>> born_dead(Network((1, 1, 1)), np.array([[1.0, -9.0, 1, 0], [1.0, 0, 1, 0]])).tolist()
        [True, False]

    Source: L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization" (2020).
    """
    if network.activation != "relu":
        raise ValueError(
            f"activation: expected relu, got {network.activation}; no other is born dead"
        )
    values = np.asarray(parameters, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != network.parameters:
        raise ValueError(
            f"parameters: expected shape (R, {network.parameters}), got {values.shape}"
        )
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"domain: expected finite low < high, got {low} and {high}")
    if not np.isfinite(values).all():
        offending = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"parameters[{offending}]: expected finite numbers")
    dead = np.zeros(len(values), dtype=bool)
    if len(network.layers) == 1:
        return dead
    step = max(1, _NUMBERS // (FEW * max(network.widths) ** 2))
    for first in range(0, len(values), step):
        layers = network.unpack(values[first : first + step])[:-1]
        dead[first : first + step] = _decide(layers, low, high)
    return dead
