"""Where a smooth curve falls, how much, and where it rises again."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from firstlight.ranges.curve.points import Points, pilot, pilot_reach
from firstlight.ranges.curve.spline import Fit, Smoother
from firstlight.types import Floats, Numbers

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
