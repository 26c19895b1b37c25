"""Schedules: pure functions from the samples seen so far to a learning rate or a batch size.

Progress is counted in samples, not in updates, so that a schedule means the same at every batch
size, also while the batch size itself is what changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]
"""Samples seen so far, from 0 → the value for the next batch."""


@dataclass(frozen=True)
class Constant:
    """The same value for ever; see ``constant``."""

    value: float

    def __post_init__(self) -> None:
        if not 0 <= self.value < math.inf:
            raise ValueError(f"constant: expected a finite value of at least 0, got {self.value}")

    def __call__(self, samples: float) -> float:
        """Return the value after so many samples."""
        progress(samples)
        return float(self.value)


@dataclass(frozen=True)
class Ramp:
    """A rise to a plateau; see ``ramp``."""

    low: float
    high: float
    samples: float
    geometric: bool = True

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high, self.geometric)
        check_length("samples", self.samples)

    def __call__(self, samples: float) -> float:
        """Return the value after so many samples."""
        return between(self.low, self.high, progress(samples) / self.samples, self.geometric)


def constant(value: float) -> Constant:
    """Return the schedule that stays at one value.

    Args:
        value: finite, at least 0.

    Raises:
        ValueError: ``value`` is outside its range.

    Example:
        >>> constant(0.1)(5_000)
        0.1
    """
    return Constant(value)


def ramp(low: float, high: float, samples: float, *, geometric: bool = True) -> Ramp:
    """Return the schedule that rises from ``low`` to ``high`` and stays there.

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


def progress(samples: float) -> float:
    """Return the samples seen as a float, or raise."""
    if not 0 <= samples < math.inf:
        raise ValueError(f"samples: expected a finite count of at least 0, got {samples}")
    return float(samples)


def check_bounds(low: float, high: float, geometric: bool) -> None:
    """Raise unless the bounds are in order and, where geometric, above 0."""
    if not (0 <= low <= high < math.inf) or (geometric and low == 0):
        floor = "0 < low" if geometric else "0 <= low"
        raise ValueError(f"bounds: expected {floor} <= high, finite, got {low} and {high}")


def check_length(name: str, samples: float) -> None:
    """Raise unless a number of samples is finite and above 0."""
    if not 0 < samples < math.inf:
        raise ValueError(f"{name}: expected a finite count above 0, got {samples}")


def between(low: float, high: float, share: float, geometric: bool) -> float:
    """Return the value at a share of the way; exact at and beyond both ends, never outside."""
    if share <= 0 or share >= 1:
        return float(low if share <= 0 else high)
    if geometric:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return min(max(value, float(low)), float(high))
