"""From raw losses to the few points that a curve is read from."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from firstlight.types import Floats

LARGEST = 1e150  # squares of losses stay finite
_BINS = 160  # points that are smoothed, at most
_REACH = 3.0  # interquartile ranges beyond which a loss is an outlier of the whole curve
_FENCE = 4.0  # median absolute deviations beyond which a loss is an outlier among its neighbors


@dataclass(frozen=True)
class Points:
    """What a curve is read from."""

    places: Floats  # shape (points,), logarithms of the values, increasing
    losses: Floats  # shape (points,), mean loss of each bin, after ``hampel_filter``
    deviations: Floats  # shape (repeats, points), each repeat's difference from the mean
    stop: int  # number of points up to which the curve has not yet risen half of its descent
    cap: float  # losses above it are divergence: the curve before its minimum never reached it
    height: float  # of the cap above the lowest loss
    raw_means: Floats  # shape (points,), of each bin, winsorized without regard to neighbors

    @property
    def capped(self) -> Floats:
        """Return the losses with divergence cut off."""
        return np.minimum(self.losses, self.cap)

    @property
    def runs(self) -> Floats:
        """Return the losses of each repeat, shape (repeats, points), with divergence cut off."""
        return np.minimum(self.losses + self.deviations, self.cap)

    @property
    def clipped(self) -> Floats:
        """Return the raw means; divergence is squeezed, in its order, into one more ``height``."""
        over = np.maximum(self.raw_means - self.cap, 0) / self.height
        return np.minimum(self.raw_means, self.cap) + self.height * over / (1 + over)


def points(places: Floats, losses: Floats) -> Points:
    """Return what remains of a curve after its outliers are moved, its steps binned, its end cut.

    Places are logarithms of the values, shape (k,); losses are finite, shape (repeats, k).
    """
    runs = np.clip(losses, -LARGEST, LARGEST)
    mean = runs.mean(axis=0)
    rows = (places, hampel_filter(mean), runs - mean, winsorized(mean))
    places, y, deviations, raw_means = (binned(row, _BINS) for row in rows)
    rough = pilot(y)
    trough = int(rough.argmin())
    top, bottom = float(rough[: trough + 1].max()), float(rough[trough])
    risen = np.flatnonzero(rough[trough:] > bottom + 0.5 * (top - bottom))
    stop = trough + int(risen[0]) if risen.size else y.size
    spread = 1.4826 * float(np.median(np.abs(y[:stop] - rough[:stop]))) if stop else 0.0
    cap = top + 3 * spread
    height = max(cap - bottom, 1e-12 * abs(cap), 1e-300)
    return Points(places, y, deviations, stop, cap, height, raw_means)


def _running_median(y: Floats, half: int) -> Floats:
    """Return the median of each value and ``half`` neighbors on both sides, mirrored at the ends."""
    medians: Floats = median_filter(y, 2 * half + 1, mode="reflect") if half else y
    return medians


def hampel_filter(y: Floats) -> Floats:
    """Return losses with outliers moved to a fence about their neighbors' median."""
    if y.size < 12:
        return y
    half = int(np.clip(y.size // 50, 2, 20))
    middle = _running_median(y, half)
    width = 1.4826 * _running_median(np.abs(y - middle), min(y.size // 2 - 1, 4 * half))
    fence = _FENCE * width + 1e-12 * np.abs(middle)
    # where the curve is steep, its neighbors lie far apart without being outliers
    step = np.abs(np.gradient(middle)) * half
    return np.clip(y, middle - fence - step, middle + fence + step)


def winsorized(y: Floats) -> Floats:
    """Return losses with outliers of the whole curve moved to its fence, in whatever order they come.

    A test that shuffles losses must not see them treated by their neighbors.
    """
    low, high = np.quantile(y, [0.25, 0.75])
    reach = _REACH * (high - low)
    return np.clip(y, low - reach, high + reach) if reach > 0 else y


def binned(rows: Floats, count: int) -> Floats:
    """Return the means of at most ``count`` groups of neighbors along the last axis."""
    size = rows.shape[-1]
    edges = np.linspace(0, size, min(count, size) + 1).astype(int)
    means: Floats = np.add.reduceat(rows, edges[:-1], axis=-1) / np.diff(edges)
    return means


def pilot(y: Floats) -> Floats:
    """Return a running median of the points, of 1 point where they are fewer than 8."""
    return _running_median(y, pilot_reach(y.size))


def pilot_reach(count: int) -> int:
    """Return how many neighbors on each side the running median of ``count`` points has."""
    return 0 if count < 8 else max(1, count // 40)
