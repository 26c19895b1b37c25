"""Whether a curve descends at all: tests against noise and against rising curves."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range

from firstlight.ranges.curve.spline import FEW
from firstlight.seeds import generator

Array = NDArray[np.float64]

_ALARM = 0.02  # largest chance at which a fall is claimed; correlated noise needs the margin
_NEARLY, _ORDERED = 0.04, 0.05  # chances that together are as good, of few values
_ALARM_REPEATS = 0.002  # for noise known from repeats: a second chance, and it may not be even
_BLOCKS, _FEWEST = 24, 10  # stretches of a curve that are shuffled, at most and at least
_SHUFFLES = 99
_PLAIN = 15.0  # falls so many times a step's noise are no wandering noise
_ALIKE = 1e-6  # of the range of losses: repeats that differ less are one sweep seen again
_SLACK = 0.01  # of the whole fall: rises so much smaller or larger are no difference
_HALF = 0.1426  # mean square of the smaller half of normal numbers of variance 1


def _small(differences: Array) -> float:
    """Return the mean square of the smaller half: the noise, where the curve is not steep."""
    return float(np.sort(differences**2)[: max(1, differences.size // 2)].mean())


def memory(y: Array) -> float:
    """Return the correlation ρ of neighbouring noise that must be allowed for, 0 to 0.95.

    Noise of correlation ρ at distance 1 and ρ² at 2 gives differences whose mean squares have the
    ratio 1 + ρ. A fall of more than ``_PLAIN`` times a step's noise needs no allowance: noise that
    wanders so far in small steps has a memory beyond 0.95.
    """
    near, far = _small(np.diff(y)), _small(y[2:] - y[:-2])
    drop = float((np.maximum.accumulate(y) - y).max())
    if drop**2 * _HALF > _PLAIN**2 * near:
        return 0.0
    return float(np.clip(far / near - 1, 0, 0.95)) if near > 0 else 0.0


def blocks(y: Array) -> Array:
    """Return means of so many stretches of the curve that their noise is nearly independent."""
    count = y.size
    if y.size > FEW:
        rho = memory(y)
        count = min(_BLOCKS, max(_FEWEST, int(y.size * (1 - rho) / (1 + rho))))
    edges = np.linspace(0, y.size, count + 1).astype(int)
    out: Array = np.add.reduceat(y, edges[:-1]) / np.diff(edges)
    return out


def _sums(rows: Array) -> Array:
    """Return the sums of each row's first 0, 1, 2 … entries."""
    out = np.zeros((len(rows), rows.shape[1] + 1))
    np.cumsum(rows, axis=1, out=out[:, 1:])
    return out


@lru_cache(maxsize=256)
def _pairs(count: int, apart: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of an earlier and a later window that do not overlap."""
    return np.triu_indices(count, k=apart)


def _noise(y: Array) -> Array:
    """Return the noise variance about each block, from its distance to its neighbours' middle."""
    count = y.shape[1]
    odd = np.sqrt(np.abs(y[:, 1:-1] - (y[:, 2:] + y[:, :-2]) / 2) / np.sqrt(1.5))
    half = max(3, count // 6)
    total = _sums(odd)
    centre = np.arange(count) - 1
    left = np.clip(centre - half, 0, count - 3)
    right = np.clip(centre + half + 1, 1, count - 2)
    local = ((total[:, right] - total[:, left]) / (right - left)) ** 4
    out: Array = local + 0.05 * local.mean(axis=1, keepdims=True) + 1e-24
    return out


def contrast(y: Array) -> Array:
    """Return the largest fall of each row in units of its noise, for shape (rows, blocks).

    The fall is that of running means of 1, 2, 4 and 7 blocks.
    """
    noise = _noise(y)
    total = _sums(y)
    spread = _sums(noise)
    best = np.full(len(y), -np.inf)
    for width in (1, 2, 4, 7):
        if 2 * width > y.shape[1]:
            break
        means = (total[:, width:] - total[:, :-width]) / width
        errors = (spread[:, width:] - spread[:, :-width]) / width**2
        early, late = _pairs(means.shape[1], width)
        fall = (means[:, early] - means[:, late]) / np.sqrt(errors[:, early] + errors[:, late])
        best = np.maximum(best, fall.max(axis=1))
    return best


@lru_cache(maxsize=64)
def _orders(count: int) -> NDArray[np.int64]:
    rng = generator(0, "ranges", "shuffles", count)
    return np.argsort(rng.random((_SHUFFLES, count)), axis=1)


def chance(y: Array) -> float:
    """Return the share of shuffled curves that descend as clearly as this one.

    Under any noise whose order means nothing, at most a share p of curves has a value up to p;
    for curves that rise it is larger.

    Args:
        y: shape (points,), finite losses in the order of the values.

    Source: B. Phipson and G. K. Smyth, "Permutation p-values should never be zero" (2010).
    """
    short = blocks(y)
    size = float(np.ptp(short))
    if size == 0:
        return 1.0
    short = (short - short.min()) / size
    seen = float(contrast(short[None])[0])
    shuffled = contrast(short[_orders(short.size)])
    return float((1 + (shuffled >= seen * (1 - 1e-12)).sum()) / (1 + _SHUFFLES))


def chance_of_order(y: Array) -> float:
    """Return the share of shuffled curves that fall as straight to their minimum as this one.

    What is shuffled are the values before the minimum, so a rise after it counts for nothing. A
    curve falls straight where what it rises on its way is small against the whole fall.

    Args:
        y: shape (points,), finite losses in the order of the values.
    """
    before = y[: int(y.argmin()) + 1]
    size = float(np.ptp(before))
    if size == 0:
        return 1.0
    orders = _orders(before.size - 1)
    rows = np.vstack([before, np.column_stack([before[orders], np.full(len(orders), before[-1])])])
    wrong = np.maximum(np.diff(rows, axis=1), 0).sum(axis=1) / size
    return float((1 + (wrong[1:] <= wrong[0] + _SLACK).sum()) / (1 + _SHUFFLES))


def chance_by_repeats(runs: Array) -> float:
    """Return the chance that the largest fall of the mean is the noise seen between repeats.

    It is that of the studentized range, so it holds for the largest of all falls, and rises count
    for nothing. Noise is taken for normal and each repeat's own; repeats that are all the same, as
    those of a step without chance, know nothing of it.

    Args:
        runs: shape (repeats, points), 2 repeats or more.

    Source: J. W. Tukey, "The problem of multiple comparisons" (1953).
    """
    repeats, count = runs.shape
    mean = runs.mean(axis=0)
    fall = float((np.maximum.accumulate(mean) - mean).max())
    free = count * (repeats - 1)
    variance = float(((runs - mean) ** 2).sum()) / free
    if variance <= (_ALIKE * float(np.ptp(mean))) ** 2:
        return 1.0
    return float(studentized_range.sf(fall / np.sqrt(variance / repeats), count, free))


def descends(tame: Array, runs: Array) -> bool:
    """Say whether a fall of the losses stands out of the noise.

    Args:
        tame: shape (points,), the mean losses, with divergence drawn in.
        runs: shape (repeats, points), the losses of each repeat, with divergence cut off.
    """
    if tame.size > FEW:
        return chance(tame) <= _ALARM
    seen = chance(tame)
    if seen <= _ALARM or (seen <= _NEARLY and chance_of_order(tame) <= _ORDERED):
        return True
    return len(runs) > 1 and chance_by_repeats(runs) <= _ALARM_REPEATS
