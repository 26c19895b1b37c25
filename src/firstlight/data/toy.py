"""The three functions of one variable on which dying ReLU networks are shown.

Source: L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization: theory and
numerical examples", arXiv 1903.06733 (2019), section 2.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from firstlight.types import Floats

HIGH = math.sqrt(7)
LOW = -HIGH
"""The domain of all three functions is [−√7, √7]."""

FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "xsin": lambda x: x * np.sin(5 * x),
    "step": lambda x: (x > 0) + 0.2 * np.sin(5 * x),
}
"""Each function by the name it has on the command line."""


def target(name: str, x: ArrayLike) -> Floats:
    """Return the function at each point: |x|, x·sin(5x), or 1{x>0} + 0.2·sin(5x).

    Args:
        name: ``abs``, ``xsin`` or ``step``.
        x: any shape.

    Raises:
        ValueError: there is no such function.

    Example:
        >>> target("abs", [-2.0, 0.5]).tolist()
        [2.0, 0.5]
    """
    if name not in FUNCTIONS:
        raise ValueError(f"function: expected one of {', '.join(FUNCTIONS)}, got {name!r}")
    return FUNCTIONS[name](np.asarray(x, dtype=np.float64))


def points(rng: np.random.Generator, *shape: int) -> Floats:
    """Return independent points, uniform on [−√7, √7)."""
    return rng.uniform(LOW, HIGH, shape)


def grid(count: int) -> Floats:
    """Return ``count`` evenly spaced points from −√7 to √7, both ends included.

    Args:
        count: at least 2.
    """
    if count < 2:
        raise ValueError(f"count: expected at least 2 points, got {count}")
    return np.linspace(LOW, HIGH, count)
