"""From raw losses to the few points that a curve is read from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Array = NDArray[np.float64]

CELLS = 160  # points that are smoothed, at most
_LARGEST = 1e150  # squares of losses stay finite
_REACH = 3.0  # interquartile ranges beyond which a loss is an outlier of the whole curve
_FENCE = 4.0  # median absolute deviations beyond which a loss counts as an outlier


@dataclass(frozen=True)
class Points:
    """What a curve is read from.

    Args:
        places: shape (points,), logarithms of the values, increasing.
        losses: shape (points,), mean loss of each cell, outliers drawn in.
        apart: shape (repeats, points), each repeat's difference from the mean.
        stop: the number of points up to which the curve has not yet risen half of its descent.
        cap: losses above it are divergence, as the curve before its minimum never reached it.
        size: how far the cap lies above the lowest loss.
        plain: shape (points,), mean loss of each cell, drawn in without regard to neighbours.
    """

    places: Array
    losses: Array
    apart: Array
    stop: int
    cap: float
    size: float
    plain: Array

    @property
    def capped(self) -> Array:
        """Return the losses with divergence cut off."""
        return np.minimum(self.losses, self.cap)

    @property
    def runs(self) -> Array:
        """Return the losses of each repeat, shape (repeats, points), with divergence cut off."""
        out: Array = np.minimum(self.losses + self.apart, self.cap)
        return out

    @property
    def tame(self) -> Array:
        """Return the plain losses, with divergence squeezed, in its order, into one more ``size``."""
        over = np.maximum(self.plain - self.cap, 0) / self.size
        out: Array = np.minimum(self.plain, self.cap) + self.size * over / (1 + over)
        return out


def finite(losses: Array) -> int:
    """Return how many values come before the first at which a repeat is not finite."""
    bad = ~np.isfinite(losses).all(axis=0)
    return int(bad.argmax()) if bad.any() else losses.shape[1]


def running_median(y: Array, half: int) -> Array:
    """Return the median of each value and ``half`` neighbours on both sides, mirrored at the ends."""
    out: Array = median_filter(y, 2 * half + 1, mode="reflect") if half else y
    return out


def drawn_in(y: Array) -> Array:
    """Return losses with outliers moved to the fence about their neighbours' median."""
    if y.size < 12:
        return y
    half = int(np.clip(y.size // 50, 2, 20))
    middle = running_median(y, half)
    width = 1.4826 * running_median(np.abs(y - middle), min(y.size // 2 - 1, 4 * half))
    fence = _FENCE * width + 1e-12 * np.abs(middle)
    # where the curve is steep, its neighbours lie far apart without being outliers
    step = np.abs(np.gradient(middle)) * half
    return np.clip(y, middle - fence - step, middle + fence + step)


def fenced(y: Array) -> Array:
    """Return losses with outliers of the whole curve moved to its fence, in whatever order they come.

    A test that shuffles losses must not see them treated by their neighbours.
    """
    low, high = np.quantile(y, [0.25, 0.75])
    reach = _REACH * (high - low)
    return np.clip(y, low - reach, high + reach) if reach > 0 else y


def cells(places: Array, losses: Array) -> tuple[Array, Array]:
    """Return the mean place and losses of at most ``CELLS`` groups of neighbouring points.

    Args:
        places: shape (k,).
        losses: shape (k,) or (repeats, k).
    """
    if places.size <= CELLS:
        return places, losses
    edges = np.linspace(0, places.size, CELLS + 1).astype(int)
    size, first = np.diff(edges), edges[:-1]
    return np.add.reduceat(places, first) / size, np.add.reduceat(losses, first, axis=-1) / size


def pilot(y: Array) -> Array:
    """Return a running median of the points, of 1 point where they are fewer than 8."""
    return running_median(y, 0 if y.size < 8 else max(1, y.size // 40))


def points(places: Array, losses: Array) -> Points:
    """Return what remains of a curve after thinning, taming and cutting.

    Args:
        places: shape (k,), logarithms of the values.
        losses: shape (repeats, k), finite.
    """
    runs = np.clip(losses, -_LARGEST, _LARGEST)
    mean = runs.mean(axis=0)
    y, plain = drawn_in(mean), cells(places, fenced(mean))[1]
    apart = cells(places, runs - mean)[1]
    places, y = cells(places, y)
    rough = pilot(y)
    trough = int(rough.argmin())
    top, bottom = float(rough[: trough + 1].max()), float(rough[trough])
    risen = np.flatnonzero(rough[trough:] > bottom + 0.5 * (top - bottom))
    stop = trough + int(risen[0]) if risen.size else y.size
    spread = 1.4826 * float(np.median(np.abs(y[:stop] - rough[:stop]))) if stop else 0.0
    cap = top + 3 * spread
    return Points(places, y, apart, stop, cap, max(cap - bottom, 1e-12 * abs(cap), 1e-300), plain)
