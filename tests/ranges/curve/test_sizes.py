"""Bounds of the batch size, read off curves whose bounds are known."""

import numpy as np
import pytest

from auto_problems import SIZES, crossings, hill
from firstlight.ranges import read_sizes


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("center", [120.0, 300.0, 700.0])
def test_bounds_of_a_curve_that_rises_with_the_size(center: float, noise: float) -> None:
    def shape(b: float) -> float:
        return 0.3 + 1 / (1 + (center / b) ** 2.5)

    rng = np.random.default_rng(1)
    losses = np.array([shape(b) for b in SIZES]) + noise * rng.normal(size=(3, SIZES.size))
    bounds = read_sizes(SIZES, losses, bootstrap=20)
    low, high = crossings(shape)
    assert bounds.verdict == "read"
    assert bounds.reason == ""
    assert isinstance(bounds.low.value, float)
    assert isinstance(bounds.high.value, float)
    assert low / 1.6 < bounds.low.value < low * 1.6
    assert high / 1.6 < bounds.high.value < high * 1.6
    assert bounds.low.low is not None
    assert bounds.low.high is not None
    assert bounds.low.low <= bounds.low.value <= bounds.low.high


def test_a_bound_at_the_edge_is_not_claimed_to_be_read() -> None:
    line = np.log2(SIZES)
    bounds = read_sizes(SIZES, line, bootstrap=0)
    assert (bounds.low.value, bounds.high.value) == (8, 8192)
    assert (bounds.verdict, bounds.low_inside, bounds.high_inside) == ("at the edge", False, False)
    assert "falls at 8, the smallest" in bounds.reason
    assert "rises at 8192, the largest" in bounds.reason


def test_flat_means_all_are_equally_good() -> None:
    rng = np.random.default_rng(0)
    for losses in (np.full((3, 11), 0.5), rng.normal(1, 0.05, (3, 11)), np.ones(11)):
        bounds = read_sizes(SIZES, losses, bootstrap=0)
        assert (bounds.low.value, bounds.high.value, bounds.verdict) == (8, 8192, "flat")
        assert "equally good" in bounds.reason
        assert ("More than one repeat" in bounds.reason) == (np.ndim(losses) == 1)


@pytest.mark.slow
def test_flat_is_seldom_missed_and_never_claimed_of_sizes_that_differ() -> None:
    rng = np.random.default_rng(2)
    flat = [read_sizes(SIZES, y, bootstrap=0).verdict for y in rng.normal(1, 0.1, (40, 3, 11))]
    assert flat.count("flat") >= 36
    u = (np.log2(SIZES) - 8) ** 2
    assert read_sizes(SIZES, u + rng.normal(0, 0.1, (3, 11)), bootstrap=0).verdict != "flat"


def test_larger_is_better() -> None:
    bounds = read_sizes(SIZES, 1 / (1 + (SIZES / 100) ** 2), bootstrap=0)
    assert (bounds.verdict, bounds.high.value) == ("larger is better", 8192)
    assert isinstance(bounds.low.value, float)
    assert 150 < bounds.low.value < 600
    assert "learning rate is too high" in bounds.reason


def test_a_best_size_in_the_middle_is_not_larger_is_better() -> None:
    """Small batches lose a little, at a rate too high for them; large ones lose everything."""
    losses = [0.319, 0.284, 0.27, 0.263, 0.258, 0.256, 0.305, 1.167, 5.159]
    bounds = read_sizes(SIZES[:9], losses, bootstrap=0)
    assert bounds.verdict not in ("larger is better", "flat")


def test_losses_that_are_not_finite() -> None:
    losses = np.array([hill(b) for b in SIZES])
    losses[:2], losses[-1] = np.nan, np.inf
    bounds = read_sizes(SIZES, losses, bootstrap=0)
    assert isinstance(bounds.low.value, float)
    assert 60 < bounds.low.value < 200
    assert read_sizes(SIZES, np.full(11, np.nan)).verdict == "cannot tell"
    few = read_sizes(SIZES[:4], losses[3:7])
    assert (few.verdict, few.low.value, few.high.value) == ("cannot tell", None, None)
    assert "Only 4" in few.reason


def test_the_unit_of_the_size_does_not_matter() -> None:
    losses = np.array([hill(b) for b in SIZES])
    one, ten = (read_sizes(SIZES * k, losses, bootstrap=0) for k in (1, 10))
    assert isinstance(one.low.value, float)
    assert ten.low.value == pytest.approx(10 * one.low.value)


@pytest.mark.parametrize(
    ("sizes", "losses"), [([8, 4], [1, 2]), ([0, 4], [1, 2]), ([4, 8], [1, 2, 3]), ([], [])]
)
def test_shapes_that_do_not_fit(sizes: list[float], losses: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_sizes(sizes, losses)
