"""Whether a curve falls beyond its noise, and where it starts to, is steepest, slows and rises."""

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import studentized_range

from firstlight.ranges.curve.points import Points, binned, pilot, pilot_reach
from firstlight.ranges.curve.spline import FEW, Fit, Smoother
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


_FIRST, _LAST = 0.1, 0.9  # shares of the descent at ``low`` and ``high``
_NEAR = 0.04  # share of the descent within which the curve counts as not yet, or no longer, falling
_CREST = 0.95  # share of the steepest slope that counts as nearly as steep
_ROUNDS = 6  # of finding the levels before and after the descent
_WINDOW = 0.1  # share of the axis at either end over which the slope is judged
_STEEP = 1 / 3  # of the steepest slope: an end that falls as fast lies inside the descent
_CLEAR = 3.0  # standard errors by which a fall at an end, or a rise, must exceed the noise
_SAME = 2.0  # standard errors within which the curve cannot be distinguished from its minimum


@dataclass(frozen=True)
class Features:
    """Places on the log axis, one entry for each curve; NaN for what the curve does not show."""

    low: Floats  # where a tenth of the descent has happened
    high: Floats  # where nine tenths have
    steepest: Floats  # where the curve falls fastest
    minimum: Floats  # where it is lowest
    top: Floats  # the loss before the descent
    bottom: Floats  # the lowest loss


def features(smoother: Smoother, coefficients: Floats) -> Features:
    """Return the features of each curve, for coefficients of shape (curves, functions)."""
    grid = smoother.grid
    level = coefficients @ smoother.level.T
    slope = coefficients @ smoother.slope.T
    lowest = level.argmin(axis=1)
    middle, top, bottom = _levels(level, lowest)
    fall = top - bottom
    low = _crossing(grid, level, top - _FIRST * fall, middle, -1)
    high = _crossing(grid, level, top - _LAST * fall, middle, +1)
    first = np.where(np.isnan(low), grid[0], low)[:, None]
    last = np.where(np.isnan(high), grid[lowest], high)[:, None]
    within = (grid >= first) & (grid <= last) | (np.arange(grid.size) == middle[:, None])
    steepest = _steepest(grid, np.where(within, -slope, -np.inf))
    return Features(low, high, steepest, grid[lowest], top, bottom)


def _levels(level: Floats, lowest: Numbers) -> tuple[Numbers, Floats, Floats]:
    """Return the middle of the descent, and the losses before and after it.

    The middle is the last point before the minimum that lies above the mean of both losses. Each
    loss is a mean over what lies within ``_NEAR`` of the descent from it, up to where the curve
    leaves it for good: a single highest or lowest point would follow the noise.
    """
    columns = np.arange(level.shape[1])
    before = columns <= lowest[:, None]
    top = np.where(before, level, -np.inf).max(axis=1)
    least = bottom = level[np.arange(len(level)), lowest]
    for _ in range(_ROUNDS):
        middle = _last(before & (level >= ((top + bottom) / 2)[:, None]))
        margin = _NEAR * (top - bottom)
        high = (columns <= middle[:, None]) & (level >= (top - margin)[:, None])
        top = _mean(level, columns <= _last(high)[:, None])
        near = level <= (least + margin)[:, None]
        start = np.where(~near & before, columns, -1).max(axis=1)
        stop = np.where(near | before, columns.size, columns).min(axis=1)
        bottom = _mean(level, (columns > start[:, None]) & (columns < stop[:, None]))
    return middle, top, bottom


def _last(hit: Numbers) -> Numbers:
    """Return the last column of each row that is hit, the first column where none is."""
    columns: Numbers = np.where(hit, np.arange(hit.shape[1]), 0).max(axis=1)
    return columns


def _mean(level: Floats, inside: Numbers) -> Floats:
    means: Floats = (level * inside).sum(axis=1) / inside.sum(axis=1)
    return means


def _crossing(grid: Floats, level: Floats, target: Floats, start: Numbers, way: int) -> Floats:
    """Return where each curve, walked from ``start`` to the left or right, first reaches ``target``."""
    columns, rows = np.arange(grid.size), np.arange(len(level))
    passed = level >= target[:, None] if way < 0 else level <= target[:, None]
    hit = passed & (columns <= start[:, None] if way < 0 else columns >= start[:, None])
    at = grid.size - 1 - hit[:, ::-1].argmax(axis=1) if way < 0 else hit.argmax(axis=1)
    other = np.clip(at - way, 0, grid.size - 1)
    here, there = level[rows, at], level[rows, other]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(here == there, 0.0, (target - here) / (there - here))
    place = grid[at] + np.clip(share, 0, 1) * (grid[other] - grid[at])
    return np.where(hit.any(axis=1), place, np.nan)


def _steepest(grid: Floats, fall: Floats) -> Floats:
    """Return the center of the stretch about the fastest fall that is nearly as fast."""
    peak = fall.argmax(axis=1)[:, None]
    columns = np.arange(grid.size)
    slow = fall < _CREST * np.take_along_axis(fall, peak, axis=1)
    start = np.where(slow & (columns < peak), columns, -1).max(axis=1)
    stop = np.where(slow & (columns > peak), columns, grid.size).min(axis=1)
    centers: Floats = (grid[start + 1] + grid[stop - 1]) / 2
    return centers


def truncated_ends(fit: Fit) -> tuple[bool, bool]:
    """Return whether the smooth curve already falls at its first value, and still at its last.

    It does where its fall over a tenth of the axis is significant and not much smaller than the
    largest such fall.
    """
    width = max(1, int(_WINDOW * fit.smoother.grid.size))
    rows = fit.smoother.level[:-width] - fit.smoother.level[width:]
    drops = rows @ fit.coefficients
    ends = np.array([0, -1])
    falls = (drops[ends] > _STEEP * drops.max()) & (drops[ends] > _CLEAR * fit.errors(rows[ends]))
    return bool(falls[0]), bool(falls[1])


def minimum_region(fit: Fit) -> tuple[float, float]:
    """Return the stretch about the minimum that does not differ from it beyond the noise."""
    level, grid = fit.level, fit.smoother.grid
    lowest = int(level.argmin())
    errors = fit.errors(fit.smoother.level - fit.smoother.level[lowest])
    higher = np.flatnonzero(level - level[lowest] > _SAME * errors)
    start = higher[higher < lowest].max(initial=-1) + 1
    stop = higher[higher > lowest].min(initial=level.size) - 1
    return float(grid[start]), float(grid[stop])


def after_minimum(points: Points, fit: Fit, shown: Features) -> tuple[float | None, float | None]:
    """Return where the loss, after its minimum, rises beyond the noise, and is back at its top."""
    level, grid = fit.level, fit.smoother.grid
    risen = level > shown.bottom + _CLEAR * fit.errors(fit.smoother.level)
    risen[: level.argmin()] = False
    rises = float(grid[risen.argmax()]) if risen.any() else None
    if rises is None and points.stop < points.places.size:
        rises = float(points.places[points.stop])
    reach = pilot_reach(points.places.size)
    # by how much the running median of the points is quieter than one of them
    root = np.sqrt(2 * reach + 1) / 1.25 if reach else 1.0
    above = pilot(points.losses) > shown.top + 2 * fit.noise / root
    back = above & (points.places > shown.minimum)
    return rises, float(points.places[back.argmax()]) if back.any() else None


def valley(values: Floats, losses: Floats) -> float | None:
    """Return the value that fastai's ``lr_find`` suggests, None with fewer than 2 values left.

    As there, losses are smoothed with weight 0.98 on the past; the first tenth and the last 5 are
    left out. Values and losses have shape (k,) and are finite.
    """
    inner = slice(values.size // 10, -5)
    if values[inner].size < 2:
        return None
    return float(values[inner][valley_index(moving_average(losses)[inner])])


def valley_index(losses: Floats) -> int:
    """Return the place halfway along the longest falling subsequence, by fastai's rule.

    With e the first place at which a strictly falling subsequence of the largest length L ends, the
    rule takes the interval from e − L to e and goes a third and half a third into it.

    Source: fastai, ``callback/schedule.py``, ``valley``; here in n log n steps.

    Example:
        >>> valley_index(np.array([5.0, 4, 3, 2, 1, 0, 9, 9]))
        2
    """
    tails: list[float] = []
    last, longest = 0, 1
    for at, loss in enumerate(losses.tolist()):
        if loss != loss:  # not a number: below nothing, above nothing
            continue
        place = bisect_left(tails, -loss)
        tails[place : place + 1] = [-loss]
        if place + 1 > longest:
            last, longest = at, place + 1
    start = last - longest if last else 0
    third = (last - start) / 3
    return start + int(third) + int(third / 2)


def moving_average(losses: Floats, beta: float = 0.98) -> Floats:
    """Return fastai's smoothing: the exponential mean of past losses, corrected for its start."""
    smooth, mean = np.empty_like(losses), 0.0
    for at, loss in enumerate(losses.tolist()):
        mean = beta * mean + (1 - beta) * loss
        smooth[at] = mean / (1 - beta ** (at + 1))
    return smooth
