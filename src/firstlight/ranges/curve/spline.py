"""Two-sided smoothing of a noisy curve, with the amount of smoothing chosen by the data."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.optimize import isotonic_regression

Array = NDArray[np.float64]

GRID = 401  # points at which a smooth curve is looked at
_KNOTS = 40  # basis functions at most
_ORDER = 2  # order of the differences that the penalty holds small
FEW = 12  # points up to which the likelihood may take a sudden fall for a straight line with noise
_NEARLY, _LOOSE = 0.02, 3.0  # of few points: see ``_most``
_STRENGTHS = np.exp(np.linspace(np.log(1e-6), np.log(1e8), 43))


@dataclass(frozen=True)
class Smoother:
    """A penalised spline for fixed places, ready for any number of curves.

    Args:
        basis: shape (points, functions), orthonormal columns.
        rough: shape (functions,), the penalty of each column.
        grid: shape (GRID,), equally spaced places.
        level: shape (GRID, functions), the columns at the grid.
        slope: shape (GRID, functions), their derivatives.
    """

    basis: Array
    rough: Array
    grid: Array
    level: Array
    slope: Array

    def fit(self, losses: Array) -> tuple[Array, Array]:
        """Return each curve's coefficients and what each keeps of itself, from 0 to 1.

        The strength λ of the penalty minimises the restricted likelihood
        (n − d) log(|y − f|² + λ penalty) + Σ log(1 + λ s) − Σ log(λ s), over the functions with s > 0.
        Of few points it may take a sudden fall for a straight line with noise, so there λ stays
        small enough that f lies about as near to them as the nearest curve that falls, then rises.

        Args:
            losses: shape (curves, points).

        Returns:
            Two arrays of shape (curves, functions); the sum of the second is the number of free
            parameters that the curve spends.

        Source: S. N. Wood, "Generalized Additive Models" (2017), sections 6.2 and 6.5.
        """
        z = losses @ self.basis
        rest = np.maximum((losses**2).sum(axis=1) - (z**2).sum(axis=1), 0)
        curved = self.rough > 0
        scaled = _STRENGTHS[:, None] * self.rough[curved]
        lost = scaled / (1 + scaled)
        size = rest[:, None] + z[:, curved] ** 2 @ lost.T
        floor = 1e-20 * (losses**2).sum(axis=1)[:, None] + 1e-300
        free = losses.shape[1] - int((~curved).sum())
        cost = free * np.log(size + floor) - np.log(lost).sum(axis=1)
        if losses.shape[1] <= FEW:
            left = rest[:, None] + z[:, curved] ** 2 @ (lost**2).T
            far = left > np.array([_most(y) for y in losses])[:, None]
            far[:, 0] = False
            cost[far] = np.inf
        best = _STRENGTHS[cost.argmin(axis=1)]
        kept = 1 / (1 + best[:, None] * self.rough)
        return z * kept, kept


def valley_rest(y: Array) -> float:
    """Return the sum of squares about the nearest curve that falls, then rises.

    Args:
        y: shape (points,).

    Source: R. E. Barlow et al., "Statistical Inference under Order Restrictions" (1972), section 1.2.

    Example:
        >>> valley_rest(np.array([3.0, 1.0, 2.0])), valley_rest(np.array([1.0, 3.0, 2.0]))
        (0.0, 0.5)
    """
    cuts = range(y.size + 1)
    down = [_rest(y[:cut], increasing=False) for cut in cuts]
    up = [_rest(y[cut:], increasing=True) for cut in cuts]
    return float(min(a + b for a, b in zip(down, up, strict=True)))


def _rest(y: Array, *, increasing: bool) -> float:
    if y.size < 2:
        return 0.0
    return float(((y - isotonic_regression(y, increasing=increasing).x) ** 2).sum())


def _most(y: Array) -> float:
    """Return the largest sum of squared residuals that a smooth curve may leave of few points."""
    return _LOOSE * (valley_rest(y) + y.size * float(_NEARLY * np.ptp(y)) ** 2)


def smoother(places: Array) -> Smoother:
    """Return the smoother for ``places``, shape (points,), increasing, 4 or more."""
    return _smoother(places.tobytes())


@lru_cache(maxsize=512)
def _smoother(content: bytes) -> Smoother:
    places = np.frombuffer(content)
    count = min(places.size, _KNOTS)
    degree = 3
    inner = np.linspace(places[0], places[-1], count - degree + 1)
    step = inner[1] - inner[0]
    knots = np.concatenate(
        [
            inner[0] - step * np.arange(degree, 0, -1),
            inner,
            inner[-1] + step * np.arange(1, degree + 1),
        ]
    )
    spline = BSpline(knots, np.eye(count), degree)
    change = np.diff(np.eye(count), n=_ORDER, axis=0)
    penalty = change.T @ change
    design = spline(places)
    # a whisper of ridge: neighbouring values can leave a function of the basis without any point
    gram = design.T @ design
    gram += 1e-9 * np.trace(gram) / count * np.eye(count) + 1e-9 * penalty
    root = np.linalg.cholesky(gram)
    inverse = np.linalg.inv(root)
    rough, turn = np.linalg.eigh(inverse @ penalty @ inverse.T)
    rough[:_ORDER] = 0
    turn = inverse.T @ turn
    grid = np.linspace(places[0], places[-1], GRID)
    return Smoother(
        design @ turn, np.maximum(rough, 0), grid, spline(grid) @ turn, spline(grid, 1) @ turn
    )
