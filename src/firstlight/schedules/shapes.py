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
        """Return the value after this number of samples."""
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


@dataclass(frozen=True)
class Coupled:
    """A multiple of another schedule, cut to bounds; see ``coupled_batch_size``."""

    schedule: Schedule
    factor: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"bounds: expected 0 <= low <= high, got {self.low} and {self.high}")

    def __call__(self, samples: float) -> float:
        """Return the value after this number of samples."""
        value = self.schedule(samples) * self.factor
        return min(max(value, float(self.low)), float(self.high))


def sgd_noise_scale(lr: float, samples: float, batch_size: float, momentum: float = 0.0) -> float:
    """Return the noise scale of stochastic gradient descent, lr · N / (B · (1 − momentum)).

    Trainings with one noise scale behave alike as long as the rate is far below where they diverge
    and the batch far below the training set (Smith et al. let B grow to about N/10). It follows
    from the recipe; ``ranges.gradient_noise_scale`` measures another quantity, on a model.

    Args:
        lr: learning rate, at least 0.
        samples: samples in the training set, N, above 0.
        batch_size: samples in a batch, B, above 0.
        momentum: from 0 to below 1; Adam has no such factor.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> round(sgd_noise_scale(0.1, 50_000, 125, 0.9), 6)
        400.0

    Source: S. L. Smith and Q. V. Le, "A Bayesian perspective on generalization and stochastic
    gradient descent" (2018), section 4, for N ≫ B.
    """
    check_positive("batch_size", batch_size)
    return check_count("lr", lr) * samples / (batch_size * _per_noise(1.0, samples, momentum))


def coupled_batch_size(
    lr_schedule: Schedule,
    *,
    scale: float,
    samples: float,
    momentum: float = 0.0,
    low: float = 1,
    high: float = math.inf,
) -> Coupled:
    """Return the batch size that keeps the noise scale at ``scale`` under a learning rate.

    B = lr · N / (scale · (1 − momentum)), clipped to ``low`` and ``high``.

    Args:
        lr_schedule: learning rate by samples seen.
        scale: the noise scale wanted, above 0; see ``sgd_noise_scale``.
        samples: samples in the training set, N, above 0.
        momentum: from 0 to below 1.
        low: smallest batch size.
        high: largest batch size; a tenth of the training set is a sensible one.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> from firstlight.schedules import triangle
        >>> size = coupled_batch_size(triangle(0.1, 0.4, 2_000), scale=50, samples=50_000, high=250)
        >>> [round(size(seen), 6) for seen in (0, 500, 1_000)]
        [100.0, 250.0, 250.0]

    Source: S. L. Smith et al., "Don't decay the learning rate, increase the batch size" (2018),
    section 3.
    """
    return Coupled(lr_schedule, samples / _per_noise(scale, samples, momentum), low, high)


def coupled_learning_rate(
    batch_schedule: Schedule,
    *,
    scale: float,
    samples: float,
    momentum: float = 0.0,
    low: float = 0.0,
    high: float = math.inf,
) -> Coupled:
    """Return the learning rate that keeps the noise scale at ``scale`` under a batch size.

    lr = scale · B · (1 − momentum) / N, clipped to ``low`` and ``high``.

    Args:
        batch_schedule: batch size by samples seen.
        scale: the noise scale wanted, above 0; see ``sgd_noise_scale``.
        samples: samples in the training set, N, above 0.
        momentum: from 0 to below 1.
        low: smallest rate.
        high: largest rate; the upper bound that a range test finds is a sensible one.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> from firstlight.schedules import constant
        >>> rate = coupled_learning_rate(constant(125), scale=400, samples=50_000, momentum=0.9)
        >>> round(rate(0), 6)
        0.1

    Source: as ``coupled_batch_size``.
    """
    return Coupled(batch_schedule, _per_noise(scale, samples, momentum) / samples, low, high)


def _per_noise(scale: float, samples: float, momentum: float) -> float:
    """Return scale · (1 − momentum) after checking all three."""
    check_positive("scale", scale)
    check_positive("samples", samples)
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum: expected from 0 to below 1, got {momentum}")
    return scale * (1 - momentum)


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
