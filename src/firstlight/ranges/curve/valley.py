"""fastai's valley rule, for comparison."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BETA = 0.98


def valley_index(losses: Array) -> int:
    """Return the place halfway along the longest falling subsequence, by fastai's rule.

    With e the first place at which a strictly falling subsequence of the largest length L ends, the
    rule takes the interval from e − L to e and goes a third and half a third into it.

    Source: fastai, ``callback/schedule.py``, ``valley``; here in n log n steps.

    Example:
        >>> valley_index(np.array([5.0, 4, 3, 2, 1, 0, 9, 9]))
        2
    """
    ends: list[float] = []
    last, longest = 0, 1
    for at, loss in enumerate(losses.tolist()):
        if loss != loss:  # not a number: below nothing, above nothing
            continue
        place = bisect_left(ends, -loss)
        ends[place : place + 1] = [-loss]
        if place + 1 > longest:
            last, longest = at, place + 1
    start = last - longest if last else 0
    third = (last - start) / 3
    return start + int(third) + int(third / 2)


def lagged(losses: Array, beta: float = _BETA) -> Array:
    """Return fastai's smoothing: the exponential mean of past losses, corrected for its start."""
    out, mean = np.empty_like(losses), 0.0
    for at, loss in enumerate(losses.tolist()):
        mean = beta * mean + (1 - beta) * loss
        out[at] = mean / (1 - beta ** (at + 1))
    return out


def valley(values: Array, losses: Array) -> float | None:
    """Return the value that fastai's ``lr_find`` suggests, None with fewer than 2 values left.

    As there, losses are smoothed with weight 0.98 on the past; the first tenth and the last 5 are
    left out.

    Args:
        values: shape (k,).
        losses: shape (k,), finite.
    """
    kept = slice(values.size // 10, -5)
    if values[kept].size < 2:
        return None
    return float(values[kept][valley_index(lagged(losses)[kept])])
