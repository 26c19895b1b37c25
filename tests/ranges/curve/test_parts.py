"""The parts of the rule against references: smoother, valley, places, and the bench."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import ttest_ind

from benchmarks import ranges as bench
from benchmarks import ranges_peers as peers
from benchmarks.ranges_shapes import SHAPES
from firstlight.ranges.curve.significance import chance, chance_by_repeats, chance_of_order
from firstlight.ranges.curve.valley import valley, valley_index
from firstlight.ranges.curve.spline import smoother, valley_rest
from firstlight.seeds import generator


def fastai_reference(losses: np.ndarray) -> int:
    """Find the valley as its authors do, by comparing all pairs."""
    count = len(losses)
    length, end, start = [1] * count, 0, 0
    for i in range(1, count):
        for j in range(i):
            if losses[i] < losses[j] and length[i] < length[j] + 1:
                length[i] = length[j] + 1
            if length[end] < length[i]:
                end = i
                start = end - length[end]
    third = (end - start) / 3
    return start + int(third) + int(third / 2)


@pytest.mark.parametrize("seed", range(30))
def test_the_valley_is_that_of_all_pairs(seed: int) -> None:
    rng = generator(seed, "valley")
    losses = rng.integers(0, 12, size=int(rng.integers(1, 60))).astype(float)
    assert valley_index(losses) == fastai_reference(losses)
    losses[rng.random(losses.size) < 0.2] = np.nan
    assert valley_index(losses) == fastai_reference(losses)


def test_too_short_a_curve_has_no_valley() -> None:
    assert valley(np.arange(1.0, 6.0), np.arange(5.0)) is None


def restricted_likelihood(places: np.ndarray, y: np.ndarray, strength: float) -> float:
    """Return the criterion from the marginal covariance I + Z Zᵀ/λ, without any rotation.

    The spline's penalised part is random and its null space fixed: minus twice the logarithm of
    the restricted likelihood, with the noise's variance profiled out.
    """
    smooth = smoother(places)
    curved = smooth.rough > 0
    fixed = smooth.basis[:, ~curved]
    random = smooth.basis[:, curved] / np.sqrt(smooth.rough[curved])
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
def test_the_strength_maximises_the_restricted_likelihood(seed: int) -> None:
    places = np.sort(generator(seed, "places").random(50))
    y = np.sin(6 * places) + 0.2 * generator(seed, "noise").normal(size=50)
    smooth = smoother(places)
    kept = smooth.fit(y[None])[1][0]
    curved = smooth.rough > 0
    strength = float(np.median((1 / kept[curved] - 1) / smooth.rough[curved]))
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


def test_the_chance_is_uniform_for_flat_noise_and_large_for_a_rise() -> None:
    rng = generator(0, "chance")
    found = np.array([chance(rng.normal(size=30)) for _ in range(400)])
    for level in (0.05, 0.2, 0.5):
        # three standard errors of a share of 400
        assert (found <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level / 400) + 0.01)
    up = [chance(np.arange(30) / 5 + rng.normal(size=30)) for _ in range(50)]
    assert np.median(up) > 0.7


def test_the_bench_counts_answers_and_right_answers() -> None:
    values = np.logspace(-4, 0, 5)
    curves = np.zeros((4, 5))
    curves[:, 0] = [1, 2, 3, 4]
    told = {1.0: 1e-2, 2.0: 1.5e-2, 3.0: 1.0, 4.0: None}
    answered, right = bench.near(lambda _, y: told[float(y[0])], values, curves, 1e-2)
    assert (answered, right) == (0.75, 0.5)


def test_the_bench_reads_our_rule_and_names_what_is_missing() -> None:
    row = bench.accuracy("firstlight", peers.ours, 0.05, 3, SHAPES[:3])
    assert row.middle == pytest.approx(1, rel=0.2)
    assert row.answered == 1
    text = bench.table([row], {"flat": {"firstlight": (0.0, np.nan)}}, ["Lightning"])
    assert "Not installed, so not shown: Lightning." in text


def test_a_sweep_of_a_peer_stops_above_its_multiple_of_the_best() -> None:
    smooth = np.array([3.0, 2.0, 1.0, 3.9, 4.1, 1.0])
    assert peers._until(smooth, 4.0, 0) == 5
    assert peers._until(smooth[:4], 4.0, 0) == 4


@pytest.mark.parametrize("make", [peers.lightning, peers.torch_lr_finder])
def test_peers_answer_where_they_are_installed(make: object) -> None:
    pytest.importorskip("lightning" if make is peers.lightning else "torch_lr_finder")
    values = np.logspace(-6, 0, 100)
    found = make()(values, 2.3 - 1.9 / (1 + (values / 1e-3) ** -2))  # type: ignore[operator]
    assert values[0] <= found <= values[-1]


def test_the_chance_by_repeats_is_tukeys_for_two_values() -> None:
    """With two values the studentized range is a t-test of both sides."""
    runs = np.array([[2.0, 1.1], [2.2, 1.3], [1.9, 1.4]])
    expected = ttest_ind(runs[:, 0], runs[:, 1]).pvalue
    assert chance_by_repeats(runs) == pytest.approx(expected, rel=1e-6)
    assert chance_by_repeats(runs[:, ::-1]) == 1.0  # a rise is no fall
    assert chance_by_repeats(np.ones((2, 5))) == 1.0


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
    assert valley_rest(y) == pytest.approx(min(((y - v) ** 2).sum() for v in valleys), abs=1e-12)


def test_the_chance_of_order() -> None:
    falling = np.array([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 5, 7])
    assert chance_of_order(falling) == 0.01
    assert chance_of_order(np.array([4.0, 5, 6, 7, 8, 9, 3])) > 0.05
    assert chance_of_order(np.arange(8.0)) == 1.0  # it only rises
