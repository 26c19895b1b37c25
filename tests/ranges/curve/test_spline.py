"""The smoother against the restricted likelihood, and what it keeps of few points."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from firstlight.ranges.curve.spline import smoother, valley_residual
from firstlight.seeds import generator


def restricted_likelihood(places: np.ndarray, y: np.ndarray, strength: float) -> float:
    """Return the criterion from the marginal covariance I + Z Zᵀ/λ, without any rotation.

    The spline's penalised part is random and its null space fixed: minus twice the logarithm of
    the restricted likelihood, with the noise's variance profiled out.
    """
    smooth = smoother(places)
    curved = smooth.penalties > 0
    fixed = smooth.basis[:, ~curved]
    random = smooth.basis[:, curved] / np.sqrt(smooth.penalties[curved])
    covariance = np.eye(y.size) + random @ random.T / strength
    inverse = np.linalg.inv(covariance)
    inner = fixed.T @ inverse @ fixed
    left = y - fixed @ np.linalg.solve(inner, fixed.T @ inverse @ y)
    free = y.size - fixed.shape[1]
    return float(
        free * np.log(left @ inverse @ left)
        + np.linalg.slogdet(covariance)[1]
        + np.linalg.slogdet(inner)[1]
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_strength_maximizes_the_restricted_likelihood(seed: int) -> None:
    places = np.sort(generator(seed, "places").random(50))
    y = np.sin(6 * places) + 0.2 * generator(seed, "noise").normal(size=50)
    smooth = smoother(places)
    shrinkage = smooth.fit(y[None])[1][0]
    curved = smooth.penalties > 0
    strength = float(np.median((1 / shrinkage[curved] - 1) / smooth.penalties[curved]))
    best = minimize_scalar(
        lambda log: restricted_likelihood(places, y, float(np.exp(log))), bounds=(-14, 18)
    )
    # strengths lie on a grid of steps of 0.77 in the logarithm
    assert np.log(strength) == pytest.approx(best.x, abs=0.8)


def test_curves_are_smoothed_as_one_by_one_and_lines_are_kept() -> None:
    places = np.linspace(-3, 4, 30)
    smooth = smoother(places)
    rows = generator(0, "rows").normal(size=(5, 30))
    together = smooth.fit(rows)[0]
    assert np.allclose(together, np.concatenate([smooth.fit(row[None])[0] for row in rows]))
    line = 2 - 0.5 * places
    fit = smooth.fit(line[None])[0][0]
    assert np.allclose(smooth.level @ fit, 2 - 0.5 * smooth.grid, atol=1e-6)
    assert np.allclose(smooth.slope @ fit, -0.5, atol=1e-5)


def test_few_points_of_a_sudden_fall_are_no_straight_line() -> None:
    y = np.array([2.30, 2.31, 2.30, 2.29, 2.27, 0.44, 0.40, 0.40, 0.41])
    smooth = smoother(np.arange(9.0))
    coefficients, _ = smooth.fit(y[None])
    assert np.abs(smooth.basis @ coefficients[0] - y).max() < 0.25


@pytest.mark.parametrize("seed", range(10))
def test_the_nearest_curve_that_falls_then_rises(seed: int) -> None:
    """Against all such curves with levels among the means of runs, for four points."""
    y = generator(seed, "valley rest").normal(size=4)
    means = [y[a:b].mean() for a in range(4) for b in range(a + 1, 5)]
    valleys = [
        v
        for v in product(means, repeat=4)
        if any(all(np.diff(v[: m + 1]) <= 0) and all(np.diff(v[m:]) >= 0) for m in range(4))
    ]
    assert valley_residual(y) == pytest.approx(
        min(((y - v) ** 2).sum() for v in valleys), abs=1e-12
    )
