"""The functions of one variable equal their formulas, and points and grid cover their domain."""

import math

import numpy as np
import pytest
from scipy import stats

from firstlight.data import toy


@pytest.mark.parametrize("x", [-math.sqrt(7), -1.0, -1e-9, 0.0, 1e-9, 0.7, math.sqrt(7)])
def test_functions_equal_their_formulas(x: float) -> None:
    assert toy.target("abs", x) == abs(x)
    assert toy.target("xsin", x) == pytest.approx(x * math.sin(5 * x), abs=1e-15)
    step = (1.0 if x > 0 else 0.0) + 0.2 * math.sin(5 * x)
    assert toy.target("step", x) == pytest.approx(step, abs=1e-15)


def test_points_and_grid_cover_the_domain() -> None:
    points = toy.points(np.random.default_rng(0), 20_000)
    assert np.abs(points).max() <= math.sqrt(7)
    assert stats.kstest(points, "uniform", (toy.LOW, toy.HIGH - toy.LOW)).pvalue > 1e-4
    assert toy.grid(3).tolist() == [-math.sqrt(7), 0.0, math.sqrt(7)]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="count: expected at least 2"):
        toy.grid(1)
    with pytest.raises(ValueError, match="function: expected one of abs, xsin, step, got 'sin'"):
        toy.target("sin", 0.0)
