"""Whether a curve descends at all: tests against noise and against rising curves."""

from functools import lru_cache

import numpy as np
from scipy.stats import studentized_range

from firstlight.ranges.curve.points import Points, binned
from firstlight.ranges.curve.spline import FEW
from firstlight.seeds import generator
from firstlight.types import Floats, Numbers

_ALPHA = 0.02  # largest p at which a fall is claimed; correlated noise needs the margin
_ALPHA_NEARLY, _ALPHA_MONOTONE = 0.04, 0.05  # levels that together are as good, of few values
_ALPHA_REPEATS = 0.002  # for noise known from repeats: a second test, and the noise may be uneven
_MOST_BLOCKS, _FEWEST_BLOCKS = 24, 10  # stretches of a curve that are shuffled
_SHUFFLES = 99
_CLEAR = 15.0  # a fall above this many standard deviations of a step's noise is no random walk
_ALIKE = 1e-6  # of the range of losses: repeats that differ less are one sweep seen again
_SLACK = 0.01  # of the whole fall: rises that differ by less count as equal
_SMALLER_HALF = 0.1426  # mean square of the smaller half of normal numbers of variance 1


_pairs = lru_cache(maxsize=256)(np.triu_indices)  # of a window and a later one, a distance apart


def has_descent(points: Points) -> bool:
    """Return whether a fall of the losses is significant; three tests for few values, one for many."""
    p = permutation_p(points.clipped)
    if p <= _ALPHA or points.places.size > FEW:
        return p <= _ALPHA
    if p <= _ALPHA_NEARLY and monotone_p(points.clipped) <= _ALPHA_MONOTONE:
        return True
    return len(points.deviations) > 1 and repeats_p(points.runs) <= _ALPHA_REPEATS


def permutation_p(y: Floats) -> float:
    """Return the share of shuffled curves that descend as clearly as this one.

    Under any noise whose order means nothing, at most a share p of curves has a value up to p;
    for curves that rise it is larger. Losses are finite, shape (points,), ordered by their values.

    Source: B. Phipson and G. K. Smyth, "Permutation p-values should never be zero" (2010).
    """
    blocks = _block_means(y)
    size = float(np.ptp(blocks))
    if size == 0:
        return 1.0
    blocks = (blocks - blocks.min()) / size
    observed = float(_largest_fall(blocks[None])[0])
    shuffled = _largest_fall(blocks[_permutations(blocks.size)])
    return float((1 + (shuffled >= observed * (1 - 1e-12)).sum()) / (1 + _SHUFFLES))


def monotone_p(y: Floats) -> float:
    """Return the share of shuffled curves that fall as straight to their minimum as this one.

    What is shuffled are the values before the minimum, so a rise after it counts for nothing. A
    curve falls straight where what it rises on its way is small against the whole fall.
    """
    before = y[: int(y.argmin()) + 1]
    size = float(np.ptp(before))
    if size == 0:
        return 1.0
    orders = _permutations(before.size - 1)
    rows = np.vstack([before, np.column_stack([before[orders], np.full(len(orders), before[-1])])])
    rises = np.maximum(np.diff(rows, axis=1), 0).sum(axis=1) / size
    return float((1 + (rises[1:] <= rises[0] + _SLACK).sum()) / (1 + _SHUFFLES))


def repeats_p(runs: Floats) -> float:
    """Return the p-value of the mean's largest fall under the noise seen between repeats.

    It is that of the studentized range, so it holds for the largest of all falls, and rises count
    for nothing. Noise is assumed normal and independent in each repeat; repeats that are all the
    same, as those of a deterministic step, know nothing of it. Two or more are needed.

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


@lru_cache(maxsize=64)
def _permutations(count: int) -> Numbers:
    rng = generator(0, "ranges", "shuffles", count)
    return np.argsort(rng.random((_SHUFFLES, count)), axis=1)


def _block_means(y: Floats) -> Floats:
    """Return the means of stretches long enough that their noise is nearly independent."""
    count = y.size
    if y.size > FEW:
        rho = _autocorrelation(y)
        count = min(_MOST_BLOCKS, max(_FEWEST_BLOCKS, int(y.size * (1 - rho) / (1 + rho))))
    return binned(y, count)


def _autocorrelation(y: Floats) -> float:
    """Return the correlation ρ of neighboring noise that must be allowed for, 0 to 0.95.

    Noise of correlation ρ at distance 1 and ρ² at 2 gives differences whose mean squares have the
    ratio 1 + ρ. A fall of more than ``_CLEAR`` times a step's noise needs no allowance: noise that
    wanders so far in small steps has a correlation beyond 0.95.
    """

    def noise(differences: Floats) -> float:  # of the smaller half, where the curve is not steep
        return float(np.sort(differences**2)[: max(1, differences.size // 2)].mean())

    near, far = noise(np.diff(y)), noise(y[2:] - y[:-2])
    drop = float((np.maximum.accumulate(y) - y).max())
    if drop**2 * _SMALLER_HALF > _CLEAR**2 * near:
        return 0.0
    return float(np.clip(far / near - 1, 0, 0.95)) if near > 0 else 0.0


def _largest_fall(y: Floats) -> Floats:
    """Return the largest fall of each row in units of its noise, for shape (rows, blocks).

    The fall is that of running means of 1, 2, 4 and 7 blocks.
    """
    total, spread = _cumulative(y), _cumulative(_noise_variance(y))
    best = np.full(len(y), -np.inf)
    for width in (1, 2, 4, 7):
        if 2 * width > y.shape[1]:
            break
        means = (total[:, width:] - total[:, :-width]) / width
        errors = (spread[:, width:] - spread[:, :-width]) / width**2
        before, after = _pairs(means.shape[1], width)
        fall = (means[:, before] - means[:, after]) / np.sqrt(errors[:, before] + errors[:, after])
        best = np.maximum(best, fall.max(axis=1))
    return best


def _noise_variance(y: Floats) -> Floats:
    """Return the noise variance about each block, from its distance to its neighbors' middle."""
    count = y.shape[1]
    half = max(3, count // 6)
    distances = np.sqrt(np.abs(y[:, 1:-1] - (y[:, 2:] + y[:, :-2]) / 2) / np.sqrt(1.5))
    total = _cumulative(distances)
    left = np.clip(np.arange(count) - 1 - half, 0, count - 3)
    right = np.clip(np.arange(count) + half, 1, count - 2)
    local = ((total[:, right] - total[:, left]) / (right - left)) ** 4
    variance: Floats = local + 0.05 * local.mean(axis=1, keepdims=True) + 1e-24
    return variance


def _cumulative(rows: Floats) -> Floats:
    """Return the sums of each row's first 0, 1, 2 … entries."""
    return np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1)
