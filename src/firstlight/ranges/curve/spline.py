"""A penalized spline through a noisy curve; its stiffness is chosen by the data."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import isotonic_regression

from firstlight.types import Floats

FEW = 12  # points up to which the likelihood may take a sudden fall for a straight line with noise
_GRID = 401  # points at which a smooth curve is evaluated
_KNOTS = 40  # basis functions at most
_ORDER = 2  # order of the differences that the penalty keeps small
_NEARLY = 0.02  # share of the range by which few points may miss a curve that falls, then rises
_LOOSE = 3.0  # times as far as from that curve, in squares, may few points lie from the smooth one
_STRENGTHS = np.exp(np.linspace(np.log(1e-6), np.log(1e8), 43))


@dataclass(frozen=True)
class Smoother:
    """A penalized spline for fixed places, ready for any number of curves."""

    basis: Floats  # shape (points, functions), orthonormal columns
    penalties: Floats  # shape (functions,), the penalty of each column
    grid: Floats  # shape (401,), equally spaced places
    level: Floats  # shape (401, functions), the columns at the grid
    slope: Floats  # shape (401, functions), their derivatives

    def fit(self, losses: Floats) -> tuple[Floats, Floats]:
        """Return each curve's coefficients, and by how much each is shrunk, from 0 (to nothing) to 1.

        The strength λ of the penalty minimizes the restricted likelihood
        (n − d) log(|y − f|² + λ penalty) + Σ log(1 + λ s) − Σ log(λ s), over the functions with s > 0.
        Of few points it may take a sudden fall for a straight line with noise, so there λ stays
        small enough that f lies about as near to them as the nearest curve that falls, then rises.
        Losses have shape (curves, points), the two results (curves, functions); the sum of the
        second is the number of free parameters that the curve spends.

        Source: S. N. Wood, "Generalized Additive Models" (2017), sections 6.2 and 6.5.
        """
        z = losses @ self.basis
        outside = np.maximum((losses**2).sum(axis=1) - (z**2).sum(axis=1), 0)
        curved = self.penalties > 0
        scaled = _STRENGTHS[:, None] * self.penalties[curved]
        lost = scaled / (1 + scaled)
        size = outside[:, None] + z[:, curved] ** 2 @ lost.T
        floor = 1e-20 * (losses**2).sum(axis=1)[:, None] + 1e-300
        free = losses.shape[1] - int((~curved).sum())
        cost = free * np.log(size + floor) - np.log(lost).sum(axis=1)
        if losses.shape[1] <= FEW:
            residual = outside[:, None] + z[:, curved] ** 2 @ (lost**2).T
            near = (valley_residual(y) + y.size * float(_NEARLY * np.ptp(y)) ** 2 for y in losses)
            far = residual > _LOOSE * np.array(list(near))[:, None]
            far[:, 0] = False
            cost[far] = np.inf
        best = _STRENGTHS[cost.argmin(axis=1)]
        shrinkage = 1 / (1 + best[:, None] * self.penalties)
        return z * shrinkage, shrinkage


def smoother(places: Floats) -> Smoother:
    """Return the smoother for ``places``, shape (points,), increasing, 4 or more."""
    return _smoother(places.tobytes())


@lru_cache(maxsize=512)
def _smoother(content: bytes) -> Smoother:
    places, degree = np.frombuffer(content), 3
    count = min(places.size, _KNOTS)
    inner = np.linspace(places[0], places[-1], count - degree + 1)
    step = inner[1] - inner[0]
    left = inner[0] - step * np.arange(degree, 0, -1)
    right = inner[-1] + step * np.arange(1, degree + 1)
    spline = BSpline(np.concatenate([left, inner, right]), np.eye(count), degree)
    change = np.diff(np.eye(count), n=_ORDER, axis=0)
    penalty = change.T @ change
    design = spline(places)
    # a trace of ridge: neighboring values can leave a function of the basis without any point
    gram = design.T @ design
    gram += 1e-9 * np.trace(gram) / count * np.eye(count) + 1e-9 * penalty
    inverse = np.linalg.inv(np.linalg.cholesky(gram))
    penalties, turn = np.linalg.eigh(inverse @ penalty @ inverse.T)
    penalties[:_ORDER] = 0
    turn = inverse.T @ turn
    grid = np.linspace(places[0], places[-1], _GRID)
    return Smoother(
        design @ turn, np.maximum(penalties, 0), grid, spline(grid) @ turn, spline(grid, 1) @ turn
    )


def valley_residual(y: Floats) -> float:
    """Return the sum of squares about the nearest curve that falls, then rises.

    Source: R. E. Barlow et al., "Statistical Inference under Order Restrictions" (1972), section 1.2.

    Example:
        >>> valley_residual(np.array([3.0, 1.0, 2.0])), valley_residual(np.array([1.0, 3.0, 2.0]))
        (0.0, 0.5)
    """

    def residual(part: Floats, increasing: bool) -> float:
        if part.size < 2:
            return 0.0
        return float(((part - isotonic_regression(part, increasing=increasing).x) ** 2).sum())

    return min(residual(y[:cut], False) + residual(y[cut:], True) for cut in range(y.size + 1))


@dataclass(frozen=True)
class Fit:
    """One smooth curve and the points that it goes through."""

    smoother: Smoother
    losses: Floats  # shape (points,), the mean over repeats
    coefficients: Floats  # shape (functions,)
    shrinkage: Floats  # shape (functions,), by how much each was shrunk
    deviations: Floats  # shape (repeats, points), each repeat's difference from the mean

    @property
    def level(self) -> Floats:
        """Return the smooth curve at the grid."""
        return self.smoother.level @ self.coefficients

    @property
    def mean(self) -> Floats:
        """Return the smooth curve at the points."""
        return self.smoother.basis @ self.coefficients

    @property
    def free(self) -> float:
        """Return the degrees of freedom that are left to the noise."""
        return max(1.0, self.losses.size - float(self.shrinkage.sum()))

    @property
    def noise(self) -> float:
        """Return the standard deviation of the losses about the smooth curve."""
        return float(np.sqrt(((self.losses - self.mean) ** 2).sum() / self.free))

    def errors(self, rows: Floats) -> Floats:
        """Return the standard errors of linear combinations of the coefficients, one for each row."""
        errors: Floats = self.noise * np.sqrt(((rows * self.shrinkage) ** 2).sum(axis=1))
        return errors
