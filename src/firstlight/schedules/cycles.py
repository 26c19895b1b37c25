"""Cyclical schedules: triangular waves of constant or decaying amplitude."""

import math
import sys
from dataclasses import dataclass
from typing import Literal

from firstlight.schedules.shapes import between, check_bounds, check_count, check_positive

Toward = Literal["low", "high"]

_NEAR = 4 * sys.float_info.epsilon  # a turn of the cycle computed in floating point is met exactly


@dataclass(frozen=True)
class Cycle:
    """A triangular wave of decaying amplitude; see ``triangle``, ``triangle2`` and ``exp_range``."""

    low: float
    high: float
    cycle_samples: float
    base: float = 1.0  # the amplitude is multiplied by this every ``per`` samples
    per: float = 1.0
    after: float = 0.0  # samples before the decay begins
    stepped: bool = False  # whether the amplitude changes only where a cycle begins
    both: bool = False  # whether both bounds are scaled, not only their distance
    toward: Toward = "low"  # where a cycle begins and ends, and the decay leads
    geometric: bool = False

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high, self.geometric)
        check_positive("cycle_samples", self.cycle_samples)
        check_count("after", self.after)
        check_positive("total_samples", self.per)
        if not 0 < self.base <= 1:
            raise ValueError(f"decay: expected above 0 and at most 1, got {self.base}")
        if self.toward not in ("low", "high"):
            raise ValueError(f"toward: expected 'low' or 'high', got {self.toward!r}")

    def __call__(self, samples: float) -> float:
        """Return the value after this number of samples."""
        samples = check_count("samples", samples)
        halves = 2 * samples / self.cycle_samples
        turn = round(halves)
        if abs(halves - turn) <= _NEAR * halves:
            halves = float(turn)
        phase = halves % 2
        height = min(phase, 2 - phase)
        decaying = max(0.0, samples - self.after) / self.per
        amplitude: float = self.base ** (halves // 2 if self.stepped else decaying)
        level = height if self.both else height * amplitude
        level = level if self.toward == "low" else 1 - level
        value = between(self.low, self.high, level, self.geometric)
        if not self.both:
            return value
        if self.toward == "low":
            return value * amplitude
        return min(value / max(amplitude, sys.float_info.min), sys.float_info.max)


def triangle(low: float, high: float, cycle_samples: float, *, geometric: bool = False) -> Cycle:
    """Return the schedule that rises from ``low`` to ``high`` and falls back, again and again.

    value = low + (high − low) · (1 − |2f − 1|), with f the share of the current cycle that is over.

    Args:
        low: lower bound, at least 0; above 0 where geometric.
        high: upper bound, at least ``low``.
        cycle_samples: samples in one cycle (twice Smith's step size), above 0.
        geometric: whether the sides are straight in the logarithm of the value.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> wave = triangle(1.0, 3.0, 400)
        >>> [wave(seen) for seen in (0, 100, 200, 300, 400)]
        [1.0, 2.0, 3.0, 2.0, 1.0]

    Source: L. N. Smith, "Cyclical learning rates" (2017), section 3.1, policy "triangular".
    """
    return Cycle(low, high, cycle_samples, geometric=geometric)


def triangle2(low: float, high: float, cycle_samples: float, *, geometric: bool = False) -> Cycle:
    """Return a triangular wave whose amplitude halves with each new cycle.

    value = low + (high − low) · (1 − |2f − 1|) / 2^c, with f the share of the current cycle that is
    over and c the number of cycles before it.

    Args:
        low: lower bound, at least 0; above 0 where geometric.
        high: peak of the first cycle, at least ``low``.
        cycle_samples: samples in one cycle, above 0.
        geometric: whether the wave, and its halving, are in the logarithm of the value.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> wave = triangle2(1.0, 3.0, 400)
        >>> [wave(seen) for seen in (0, 200, 400, 600, 800, 1_000)]
        [1.0, 3.0, 1.0, 2.0, 1.0, 1.5]

    Source: L. N. Smith, "Cyclical learning rates" (2017), section 3.1, policy "triangular2".
    """
    return Cycle(low, high, cycle_samples, 0.5, cycle_samples, stepped=True, geometric=geometric)


def exp_range(
    low: float,
    high: float,
    cycle_samples: float,
    *,
    total_samples: float | None = None,
    final: float | None = None,
    gamma: float | None = None,
    after: float = 0.0,
    decay: Literal["amplitude", "both"] = "amplitude",
    toward: Toward = "low",
    geometric: bool = False,
) -> Cycle:
    """Return a triangular wave whose amplitude decays with every sample.

    value = low + (high − low) · (1 − |2f − 1|) · a, with f the share of the current cycle that is
    over and a = final^(seen / total_samples), or a = gamma^seen. With ``after`` the decay begins
    later: seen − after takes the place of seen, 0 until then, and total_samples − after that of
    total_samples. At half a cycle the first peak reaches ``high``.

    The mirror image, ``toward="high"``, is high − (high − low) · (1 − |2f − 1|) · a: it begins at
    ``high``, and its dips to ``low`` become shallower. It is for a batch size what ``"low"`` is for
    a learning rate. Where ``geometric``, all this applies to the value's logarithm.

    Training should end where a cycle ends: let ``total_samples`` be a whole number of cycles (see
    ``whole_cycles``). The decay goes on beyond ``total_samples``.

    Args:
        low: lower bound, at least 0; above 0 where geometric.
        high: upper bound, at least ``low``.
        cycle_samples: samples in one cycle, above 0.
        total_samples: samples in the whole training; needed with ``final``.
        final: amplitude at ``total_samples`` as a share of the first, above 0 and at most 1.
        gamma: factor for each sample, above 0 and at most 1, instead of ``final``. A factor g for
            each update of B samples is g^(1/B). At 1 nothing decays.
        after: samples before the decay begins, at least 0 and below ``total_samples``.
        decay: ``"both"`` multiplies both bounds by a, so that values fall below ``low``; with
            ``toward="high"`` both are divided by it, so that values rise above ``high``.
        toward: the bound at which a cycle begins and ends.
        geometric: whether the wave is straight in the logarithm, as fits a batch size.

    Raises:
        ValueError: an argument is outside its range, or not exactly one of ``final`` (with
            ``total_samples``) and ``gamma`` is given.

    Example:
        >>> wave = exp_range(0.01, 0.09, 400, total_samples=800, final=0.25)
        >>> [round(wave(seen), 4) for seen in (0, 200, 400, 600, 800)]
        [0.01, 0.0666, 0.01, 0.0383, 0.01]

    Source: L. N. Smith, "Cyclical learning rates" (2017), section 3.1, policy "exp_range".
    """
    if final is not None and total_samples is not None and gamma is None:
        base, per = final, total_samples - after
    elif gamma is not None and final is None and total_samples is None:
        base, per = gamma, 1.0
    else:
        raise ValueError(
            f"exp_range: expected either final with total_samples, or gamma alone, "
            f"got final={final}, total_samples={total_samples}, gamma={gamma}"
        )
    if decay not in ("amplitude", "both"):
        raise ValueError(f"decay: expected 'amplitude' or 'both', got {decay!r}")
    both = decay == "both"
    return Cycle(
        low, high, cycle_samples, base, per, after, both=both, toward=toward, geometric=geometric
    )


def whole_cycles(total_samples: float, about: float) -> float:
    """Return the length of cycle nearest to ``about`` that fits the training a whole number of times.

    Args:
        total_samples: samples in the whole training, above 0.
        about: samples in a cycle as wished, above 0; at least one cycle is made.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> whole_cycles(10_000, 3_100)
        3333.3333333333335
    """
    check_positive("total_samples", total_samples)
    check_positive("about", about)
    fewer = max(1, math.floor(total_samples / about))
    return min((total_samples / n for n in (fewer, fewer + 1)), key=lambda one: abs(one - about))
