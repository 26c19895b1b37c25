"""Schedules: pure functions from the samples seen so far to a learning rate or a batch size.

Progress is counted in samples, not in updates, so that a schedule means the same at every batch
size, also while the batch size itself is what changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]
"""Samples seen so far → the value for the next batch."""

Rate = Callable[[int], float]
"""Step, from 0 → learning rate of that step."""


@dataclass(frozen=True)
class Ramp:
    """A rise to a plateau; see ``ramp`` and ``constant``."""

    low: float
    high: float
    samples: float
    geometric: bool

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high, self.geometric)
        check_positive("samples", self.samples)

    def __call__(self, samples: float) -> float:
        """Return the value after so many samples."""
        share = check_count("samples", samples) / self.samples
        return between(self.low, self.high, share, self.geometric)


def constant(value: float) -> Ramp:
    """Return the schedule that stays at one value.

    Args:
        value: finite, at least 0.

    Raises:
        ValueError: ``value`` is outside its range.

    Example:
        >>> constant(0.1)(5_000)
        0.1
    """
    return Ramp(check_count("constant", value), value, 1.0, geometric=False)


def ramp(low: float, high: float, samples: float, *, geometric: bool = True) -> Ramp:
    """Return the schedule that rises from ``low`` to ``high`` and remains there.

    value = low · (high / low)^(seen / samples), or low + (high − low) · seen / samples.

    Args:
        low: value at the beginning, at least 0; above 0 where geometric.
        high: value from ``samples`` on, at least ``low``.
        samples: length of the rise, above 0.
        geometric: whether equal stretches multiply the value, as in a range test, or add to it.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> rise = ramp(0.001, 0.1, 1_000)
        >>> rise(0), round(rise(500), 6), rise(1_000), rise(9_000)
        (0.001, 0.01, 0.1, 0.1)

    Source: L. N. Smith, "Cyclical learning rates" (2017), section 3.3, the range test.
    """
    return Ramp(low, high, samples, geometric)


def one_cycle(peak: float, steps: int, *, warm_up: float = 0.3) -> Rate:
    """Return the one-cycle schedule: a rise from peak / 25 to the peak, then a fall to almost zero.

    Both parts are half periods of a cosine; the last step has peak / 250,000. It counts steps, not
    samples, since its length is that of a training at one batch size.

    Args:
        peak: largest learning rate, above 0.
        steps: updates in the whole training, at least 1.
        warm_up: share of the steps spent rising, between 0 and 1.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> rate = one_cycle(0.1, 11, warm_up=0.5)
        >>> round(rate(0), 6), max(rate(step) for step in range(11)) <= 0.1
        (0.004, True)

    Source: L. N. Smith and N. Topin, "Super-convergence" (2018); as ``OneCycleLR`` in PyTorch.
    """
    if not (peak > 0 and steps >= 1 and 0 < warm_up < 1):
        raise ValueError(
            f"one_cycle: expected peak > 0, steps >= 1 and 0 < warm_up < 1, "
            f"got {peak}, {steps}, {warm_up}"
        )
    low, end, turn = peak / 25, peak / 25 / 1e4, warm_up * steps - 1

    def cosine(first: float, last: float, share: float) -> float:
        return last + (first - last) / 2 * (1 + math.cos(math.pi * min(1.0, share)))

    def rate(step: int) -> float:
        if step <= turn:
            return cosine(low, peak, step / turn if turn > 0 else 1.0)
        return cosine(peak, end, (step - turn) / max(steps - 1 - turn, 1e-12))

    return rate


def check_count(name: str, value: float) -> float:
    """Return a value as a float, or raise unless it is finite and at least 0."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value}")
    return float(value)


def check_positive(name: str, value: float) -> None:
    """Raise unless a value is finite and above 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")


def check_bounds(low: float, high: float, geometric: bool) -> None:
    """Raise unless the bounds are in order and, where geometric, above 0."""
    if not (0 <= low <= high < math.inf) or (geometric and low == 0):
        floor = "0 < low" if geometric else "0 <= low"
        raise ValueError(f"bounds: expected {floor} <= high, finite, got {low} and {high}")


def between(low: float, high: float, share: float, geometric: bool) -> float:
    """Return the value at a share of the way; exact at and beyond both ends, never outside."""
    if share <= 0 or share >= 1:
        return float(low if share <= 0 else high)
    if geometric:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return min(max(value, float(low)), float(high))
