"""What happens around the descent: whether it is whole, where the loss rises and diverges."""

import numpy as np
from numpy.typing import NDArray

from firstlight.ranges.curve.points import Points, pilot
from firstlight.ranges.curve.spline import Smoother

Array = NDArray[np.float64]

_WINDOW = 0.1  # share of the axis at either end over which the slope is judged
_STEEP = 1 / 3  # of the steepest slope: an end that falls so fast lies inside the descent
_CLEAR = 3.0  # standard errors by which the fall at an end must stand out
_SAME = 2.0  # standard errors within which the curve is not told from its minimum
_SURE = 3.0  # standard errors by which a rise must stand out


def cut_off(smooth: Smoother, coefficients: Array, kept: Array, sd: float) -> tuple[bool, bool]:
    """Return whether the smooth curve already falls at its first value, and still at its last.

    It does where its fall over a tenth of the axis stands out of the noise and is not much smaller
    than the largest such fall.
    """
    width = max(1, int(_WINDOW * smooth.grid.size))
    rows = smooth.level[:-width] - smooth.level[width:]
    drops = rows @ coefficients
    ends = np.array([0, -1])
    errors = sd * np.sqrt(((rows[ends] * kept) ** 2).sum(axis=1))
    falls = (drops[ends] > _STEEP * drops.max()) & (drops[ends] > _CLEAR * errors)
    return bool(falls[0]), bool(falls[1])


def basin(smooth: Smoother, level: Array, kept: Array, sd: float) -> tuple[float, float]:
    """Return the stretch about the minimum that the noise does not tell from it."""
    lowest = int(level.argmin())
    error = sd * np.sqrt((((smooth.level - smooth.level[lowest]) * kept) ** 2).sum(axis=1))
    apart = np.flatnonzero(level - level[lowest] > _SAME * error)
    start = apart[apart < lowest].max(initial=-1) + 1
    stop = apart[apart > lowest].min(initial=level.size) - 1
    return float(smooth.grid[start]), float(smooth.grid[stop])


def rise(smooth: Smoother, level: Array, kept: Array, bottom: float, sd: float) -> float | None:
    """Return the place from which the curve, after its minimum, lies beyond the noise above it.

    Args:
        smooth: the smoother.
        level: shape (grid,), the smooth curve.
        kept: shape (functions,), what each function keeps of itself.
        bottom: the loss at the minimum.
        sd: standard deviation of the losses about the curve.
    """
    error = sd * np.sqrt(((smooth.level * kept) ** 2).sum(axis=1))
    lowest = int(level.argmin())
    above = np.flatnonzero(level[lowest:] > bottom + _SURE * error[lowest:])
    return float(smooth.grid[lowest + above[0]]) if above.size else None


def divergence(part: Points, minimum: float, top: float, sd: float) -> float | None:
    """Return the place at which the loss, after its minimum, is back above its first level."""
    level = pilot(part.losses)
    back = np.flatnonzero((part.places > minimum) & (level > top + 2 * sd / _root(part)))
    return float(part.places[back[0]]) if back.size else None


def _root(part: Points) -> float:
    """Return by how much the running median of the points is quieter than one of them."""
    return 1.0 if part.places.size < 8 else np.sqrt(2 * max(1, part.places.size // 40) + 1) / 1.25
