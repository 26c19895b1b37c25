"""Learning rate from batch size, and the reverse, by the scale of the noise in the updates."""

import math
from dataclasses import dataclass

from firstlight.schedules.shapes import Schedule, check_count, check_positive


@dataclass(frozen=True)
class Coupled:
    """A multiple of another schedule, clipped to bounds; see ``coupled_batch_size``.

    Args:
        schedule: what is followed.
        factor: what its values are multiplied by, above 0.
        low: smallest value, at least 0.
        high: largest value, at least ``low``; may be infinite.
    """

    schedule: Schedule
    factor: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"bounds: expected 0 <= low <= high, got {self.low} and {self.high}")

    def __call__(self, samples: float) -> float:
        """Return the value after so many samples."""
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
