"""Which learning rates a range test tries, and for how many updates each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["ramp", "plateaus", "runs"]
MODES = ("ramp", "plateaus", "runs")

_PLATEAUS, _RUNS, _PLATEAU_STEPS = 20, 10, 10


@dataclass(frozen=True)
class Plan:
    """The candidates of a range test.

    Args:
        values: shape (k,), strictly increasing.
        steps: updates at each value.
        first: number of the first of them whose loss counts, from 0.
        afresh: whether each value starts from the same weights.
    """

    values: NDArray[np.float64]
    steps: int
    first: int
    afresh: bool


def plan(
    mode: str,
    low: float,
    high: float,
    candidates: int | Sequence[float] | None,
    steps: int | None,
    one_pass: int,
) -> Plan:
    """Return the plan of a learning-rate test; see ``ranges.learning_rate`` for the arguments.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> plan("plateaus", 0.01, 1.0, 3, 4, 100)
        Plan(values=array([0.01, 0.1 , 1.  ]), steps=4, first=2, afresh=False)
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if steps is not None and (isinstance(steps, bool) or steps < 1):
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if mode == "ramp":
        if candidates is not None and steps is not None:
            raise ValueError(
                "steps: in a ramp every step has its own rate; give candidates or steps, not both"
            )
        wanted = candidates if candidates is not None else steps or one_pass
        return Plan(_values(low, high, wanted), 1, 0, False)
    if mode == "plateaus":
        each, wanted = steps or _PLATEAU_STEPS, _PLATEAUS if candidates is None else candidates
        return Plan(_values(low, high, wanted), each, each // 2, False)
    each, wanted = steps or one_pass, _RUNS if candidates is None else candidates
    return Plan(_values(low, high, wanted), each, each - max(1, each // 4), True)


def _values(low: float, high: float, candidates: int | Sequence[float]) -> NDArray[np.float64]:
    if isinstance(candidates, int):
        if candidates < 2:
            raise ValueError(f"candidates: expected at least 2 learning rates, got {candidates}")
        if not (0 < low < high and math.isfinite(high)):
            raise ValueError(f"low, high: expected 0 < low < high, got {low} and {high}")
        return np.geomspace(low, high, candidates, dtype=np.float64)
    values = np.asarray(candidates, dtype=np.float64)
    if values.ndim != 1 or values.size < 1 or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"candidates: expected finite rates above 0, got {candidates}")
    if (np.diff(values) <= 0).any():
        raise ValueError(f"candidates: expected strictly increasing rates, got {candidates}")
    return values
