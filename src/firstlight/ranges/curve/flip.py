"""Read a curve from its largest value down."""

import numpy as np
from numpy.typing import NDArray

from firstlight.ranges.curve.read import Bounds, read_curve
from firstlight.record import Fact

Array = NDArray[np.float64]

_TURNED = {
    "the loss falls from the first value to the last; take a wider range": "the loss falls from the largest value to the smallest; take a wider range",
    "the loss already falls at the first value; start lower": "the loss already falls at the largest value; start higher",
    "the loss still falls at the last value; go higher": "the loss still falls at the smallest value; go lower",
}
"""Reasons that speak of directions, as they read from the largest value down."""


def read_straight(values: Array, losses: Array, seed: int) -> Bounds:
    """Return the bounds of a curve that falls with its value."""
    return read_curve(values, losses, seed=seed)


def read_flipped(values: Array, losses: Array, seed: int) -> Bounds:
    """Return the bounds of a curve that rises with its value, read from the largest value down.

    The rule reads the losses over c / value; each place is turned back, and since the descent
    begins at large values, its beginning is ``high`` and its end ``low``.

    Args:
        values: shape (k,), above 0, strictly increasing.
        losses: shape (repeats, k).
        seed: of the bootstrap.
    """
    scale = float(values[0] * values[-1])
    read = read_curve(scale / values[::-1], losses[:, ::-1], seed=seed)
    turned = {name: _turned(fact, scale) for name, fact in vars(read).items() if _is_place(fact)}
    turned["low"], turned["high"] = turned["high"], turned["low"]
    return Bounds(**turned, verdict=read.verdict, reason=_TURNED.get(read.reason, read.reason))


def _is_place(fact: object) -> bool:
    return isinstance(fact, Fact)


def _turned(fact: Fact, scale: float) -> Fact:
    def back(place: float | None) -> float | None:
        return None if place is None else scale / place

    value = None if fact.value is None else float(fact.value)
    return Fact(back(value), back(fact.high), back(fact.low), fact.n)
