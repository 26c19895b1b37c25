"""Where a smooth curve falls, how much, and where it rises again; for many curves at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.ranges.curve.spline import Smoother

Array = NDArray[np.float64]

FIRST, LAST = 0.1, 0.9  # shares of the descent at `low` and `high`
_NEAR = 0.04  # share of the descent within which the curve counts as not yet, or no longer, falling
_CREST = 0.95  # share of the steepest slope that counts as nearly as steep
_ROUNDS = 6


@dataclass(frozen=True)
class Features:
    """Places on the log axis, one entry for each curve; NaN for what the curve does not show.

    Args:
        low: where a tenth of the descent has happened.
        high: where nine tenths have.
        steepest: where the curve falls fastest.
        minimum: where it is lowest.
        top: the loss before the descent.
        bottom: the lowest loss.
    """

    low: Array
    high: Array
    steepest: Array
    minimum: Array
    top: Array
    bottom: Array


def _crossing(grid: Array, level: Array, target: Array, near: NDArray[np.int64], way: int) -> Array:
    """Return where each curve, walked from ``near`` to the left or right, first reaches ``target``."""
    columns = np.arange(grid.size)
    passed = level >= target[:, None] if way < 0 else level <= target[:, None]
    side = columns <= near[:, None] if way < 0 else columns >= near[:, None]
    hit = passed & side
    found = hit.any(axis=1)
    at = grid.size - 1 - hit[:, ::-1].argmax(axis=1) if way < 0 else hit.argmax(axis=1)
    other = np.clip(at - way, 0, grid.size - 1)
    rows = np.arange(len(level))
    here, there = level[rows, at], level[rows, other]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(here == there, 0.0, (target - here) / (there - here))
    place = grid[at] + np.clip(share, 0, 1) * (grid[other] - grid[at])
    return np.where(found, place, np.nan)


def features(smooth: Smoother, coefficients: Array) -> Features:
    """Return the features of each curve, for coefficients of shape (curves, functions)."""
    grid = smooth.grid
    level = coefficients @ smooth.level.T
    slope = coefficients @ smooth.slope.T
    columns = np.arange(grid.size)
    lowest = level.argmin(axis=1)
    middle, top, bottom = _ends(level, lowest)
    fall = top - bottom
    low = _crossing(grid, level, top - FIRST * fall, middle, -1)
    high = _crossing(grid, level, top - LAST * fall, middle, +1)
    first = np.where(np.isnan(low), grid[0], low)[:, None]
    last = np.where(np.isnan(high), grid[lowest], high)[:, None]
    within = (grid >= first) & (grid <= last) | (columns == middle[:, None])
    steepest = _steepest(grid, np.where(within, -slope, -np.inf))
    return Features(low, high, steepest, grid[lowest], top, bottom)


def _steepest(grid: Array, fall: Array) -> Array:
    """Return the centre of the stretch about the fastest fall that is nearly as fast."""
    peak = fall.argmax(axis=1)[:, None]
    columns = np.arange(grid.size)
    slow = fall < _CREST * np.take_along_axis(fall, peak, axis=1)
    start = np.where(slow & (columns < peak), columns, -1).max(axis=1)
    stop = np.where(slow & (columns > peak), columns, grid.size).min(axis=1)
    out: Array = (grid[start + 1] + grid[stop - 1]) / 2
    return out


def _ends(level: Array, lowest: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array, Array]:
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


def _last(hit: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the last column of each row that is hit, the first column where none is."""
    out: NDArray[np.int64] = np.where(hit, np.arange(hit.shape[1]), 0).max(axis=1)
    return out


def _mean(level: Array, inside: NDArray[np.bool_]) -> Array:
    out: Array = (level * inside).sum(axis=1) / inside.sum(axis=1)
    return out
