"""Exact areas, disagreements and places in the gap, against Monte Carlo, integration and loops."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate

from firstlight.record import Fact
from firstlight.studies.perceptron import areas

EDGES: list[list[float]] = [
    [0, 0],
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
    [1, 1],
    [-1, -1],
    [1, -1],
    [-1, 1],
    [1e-300, -1],
]
WEIGHTS = np.vstack([EDGES, np.random.default_rng(0).normal(size=(25, 2))])
POINTS = np.random.default_rng(1).random((200_000, 2))


def decides(weights: Any, points: Any) -> Any:
    return np.asarray(points @ np.asarray(weights).T > 0)


def test_area_equals_monte_carlo() -> None:
    truth = POINTS[:, 0] > POINTS[:, 1]
    shares = (decides(WEIGHTS, POINTS) == truth[:, None]).mean(axis=0)
    np.testing.assert_allclose(
        areas.exact_accuracy(WEIGHTS), shares, atol=5 * 0.5 / np.sqrt(len(POINTS))
    )


@pytest.mark.parametrize("w", WEIGHTS[:20].tolist(), ids=str)
def test_area_equals_numerical_integration(w: list[float]) -> None:
    def right(x1: float) -> float:
        """Return the length of x2 in [0, 1] where sign(w·x) is right."""
        cut = 0.0 if w[1] == 0 else min(1.0, max(0.0, -w[0] * x1 / w[1]))
        ends = sorted({0.0, cut, x1, 1.0})
        return sum(
            (high - low) * ((w[0] * x1 + w[1] * (low + high) / 2 > 0) == (x1 > (low + high) / 2))
            for low, high in pairwise(ends)
        )

    kink = -w[1] / w[0] if w[0] and 0 < -w[1] / w[0] < 1 else 0.5
    value = integrate.quad(right, 0, 1, points=[kink], epsabs=1e-9)[0]
    assert areas.exact_accuracy([w])[0] == pytest.approx(value, abs=1e-7)


def test_area_equals_the_closed_form() -> None:
    t = np.array([1e-9, 0.2, 1.0, 1.5, 40.0])
    error = np.where(t <= 1, (1 - t) / 2, (1 - 1 / t) / 2)
    weights = np.stack([t, -np.ones_like(t)], axis=1)
    np.testing.assert_allclose(areas.exact_accuracy(weights), 1 - error, rtol=1e-14)
    np.testing.assert_allclose(areas.exact_accuracy(-3 * weights), error, atol=1e-15)


def test_accuracy_on_points_counts_them() -> None:
    points = POINTS[:997]
    truth = points[:, 0] > points[:, 1]
    counted = (decides(WEIGHTS, points) == truth[:, None]).mean(axis=0)
    np.testing.assert_array_equal(areas.accuracy_on(WEIGHTS, points), counted)


def test_disagreement_equals_brute_force_over_pairs() -> None:
    p, under = areas.thresholds(WEIGHTS)
    gap = np.abs(p[:, None] - p)
    exact = np.where(under[:, None] == under, gap, 1 - gap)
    expected = exact.sum(axis=1) / (len(WEIGHTS) - 1)
    np.testing.assert_allclose(areas.disagreements(WEIGHTS), expected, atol=1e-13)
    sides = decides(WEIGHTS, POINTS[:20_000])
    counted = (sides[:, :, None] != sides[:, None, :]).mean(axis=0)
    np.testing.assert_allclose(exact, counted, atol=0.02)


def test_disagreement_on_points_counts_them() -> None:
    sides = decides(WEIGHTS, POINTS[:997])
    counted = (sides[:, :, None] != sides[:, None, :]).mean(axis=0).sum(axis=1) / (len(WEIGHTS) - 1)
    found = areas.disagreements(WEIGHTS, POINTS[:997])
    np.testing.assert_allclose(found, counted, atol=1e-13)


def test_the_area_between_two_lines_equals_monte_carlo() -> None:
    others = WEIGHTS[::-1]
    counted = (decides(WEIGHTS, POINTS) != decides(others, POINTS)).mean(axis=0)
    np.testing.assert_allclose(areas.between(WEIGHTS, others), counted, atol=0.006)


def test_jackknife_equals_leaving_each_out() -> None:
    weights = WEIGHTS[10:]
    n = len(weights)
    left = [areas.disagreements(np.delete(weights, i, axis=0)).mean() for i in range(n)]
    error = np.sqrt((n - 1) / n * ((left - np.mean(left)) ** 2).sum())
    fact = areas.pair_mean(areas.disagreements(weights))
    half = 2.063898561628021  # Student's t, 24 degrees of freedom, 97.5 %
    assert fact.low is not None
    assert float(fact.value or 0) - fact.low == pytest.approx(half * error, rel=1e-9)
    assert areas.pair_mean([0.1, 0.1]) == Fact(0.1, n=2)


def test_the_gap_lies_between_the_outermost_points() -> None:
    X = np.array([[1.0, 0.2], [1.0, 0.5], [0.4, 1.0]])  # u = 0.1, 0.25 and 0.8
    low, high = areas.gap(X, [1, 1, -1])
    assert (float(low), float(high)) == pytest.approx((0.25, 0.8))
    assert np.isinf(areas.gap(X, [1, 1, 1])[1])


def test_off_center_of_known_lines() -> None:
    X = np.array([[[1.0, 0.5], [0.5, 1.0]]])  # u = 1/4 and 3/4: the middle is the diagonal
    y = np.array([[1, -1]])
    assert areas.off_center([[1.0, -1.0]], X, y).tolist() == [0.0]
    assert areas.off_center([[0.75, -1.0]], X, y).tolist() == [0.5]
    assert np.isnan(areas.off_center([[0.25, -1.0]], X, y)).all()  # outside the gap
    assert np.isnan(areas.off_center([[1.0, -1.0]], X, np.ones((1, 2)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: areas.exact_accuracy([1.0, 2.0, 3.0]), r"expected shape \(\.\.\., 2\)"),
        (lambda: areas.share_below([-1.0, 0.5]), "coordinates of at least 0"),
        (lambda: areas.disagreements([[1.0, 1.0]]), "R >= 2"),
        (lambda: areas.disagreements(WEIGHTS, [1.0, 1.0, 1.0]), r"expected shape \(\.\.\., 2\)"),
    ],
)
def test_areas_refuse_bad_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
