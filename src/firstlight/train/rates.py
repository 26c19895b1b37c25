"""Learning rates by step."""

import math
from collections.abc import Callable

Rate = Callable[[int], float]
"""A schedule: step, from 0 → learning rate of that step."""


def one_cycle(peak: float, steps: int, *, warm_up: float = 0.3) -> Rate:
    """Return the one-cycle schedule: a rise from peak / 25 to the peak, then a fall to almost zero.

    Both parts are half periods of a cosine; the last step has peak / 250,000.

    Args:
        peak: largest learning rate, above 0.
        steps: updates in the whole training, at least 1.
        warm_up: share of the steps spent rising, between 0 and 1.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> rate = one_cycle(0.1, 11, warm_up=0.5)
        >>> rate(0), max(rate(step) for step in range(11)) <= 0.1
        (0.004, True)

    Source: L. N. Smith and N. Topin, "Super-convergence" (2018); as ``OneCycleLR`` in PyTorch.
    """
    if not (peak > 0 and steps >= 1 and 0 < warm_up < 1):
        raise ValueError(
            f"one_cycle: expected peak > 0, steps >= 1 and 0 < warm_up < 1, "
            f"got {peak}, {steps}, {warm_up}"
        )
    low, end, turn = peak / 25, peak / 25 / 1e4, warm_up * steps - 1

    def rate(step: int) -> float:
        if step <= turn:
            return _cosine(low, peak, step / turn if turn > 0 else 1.0)
        return _cosine(peak, end, (step - turn) / max(steps - 1 - turn, 1e-12))

    return rate


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))
