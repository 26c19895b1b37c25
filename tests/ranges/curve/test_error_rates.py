"""The rule on twenty curves with known bounds, and on curves that have none."""

import numpy as np
import pytest

from benchmarks.ranges_shapes import FLAT, NOISES, RISING, SHAPES, WANDERING, Shape, sample, truth
from firstlight.ranges import read_curve
from firstlight.seeds import generator

pytestmark = pytest.mark.slow  # thousands of curves

CURVES = {0.01: 40, 0.05: 40, 0.1: 40, 0.2: 200}
"""Curves of each shape by noise: at the largest noise some medians lie near their limits."""

# Least share of curves that are read. The smallest is that of 10 candidates, whose first two may fall
# by chance as clearly as the curve itself does.
READ = {0.01: 0.95, 0.05: 0.9, 0.1: 0.8, 0.2: 0.5}
LIMITS = {"low": 2.0, "high": 2.0, "steepest": 1.3}


def ratios(shape: Shape, noise: float, kind: str, seeds: int) -> dict[str, np.ndarray]:
    """Return each curve's bounds over the true ones, NaN for those not read."""
    values, curves = sample(shape, noise, seeds, kind=kind)
    answers = [read_curve(values, losses, bootstrap=0) for losses in curves]
    return {
        name: np.array([getattr(b, name).value or np.nan for b in answers])
        / getattr(truth(shape), name)
        for name in LIMITS
    }


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
@pytest.mark.parametrize("noise", NOISES)
def test_medians_lie_within_their_limits(shape: Shape, noise: float) -> None:
    for name, ratio in ratios(shape, noise, "level", CURVES[noise]).items():
        assert np.isfinite(ratio).mean() >= READ[noise], name
        assert 1 / LIMITS[name] < np.nanmedian(ratio) < LIMITS[name], name


@pytest.mark.parametrize("shape", SHAPES[:18:3], ids=lambda s: s.name)
def test_medians_hold_for_noise_measured_against_the_descent(shape: Shape) -> None:
    for name, ratio in ratios(shape, 0.1, "fall", 40).items():
        assert np.isfinite(ratio).mean() > 0.5, name
        assert 1 / LIMITS[name] < np.nanmedian(ratio) < LIMITS[name], name


def read_share(curves: np.ndarray) -> float:
    values = np.logspace(-6, 0, curves.shape[-1])
    return float(np.mean([read_curve(values, y, bootstrap=0).verdict == "read" for y in curves]))


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", FLAT)
def test_flat_noise_cannot_be_read(name: str, steps: int) -> None:
    curves = FLAT[name](generator(0, "flat", name, steps), (100, steps))
    assert read_share(2.3 + 0.2 * curves) <= 0.05


@pytest.mark.parametrize("steps", [10, 100])
@pytest.mark.parametrize("noise", FLAT)
@pytest.mark.parametrize("name", RISING)
def test_a_rise_cannot_be_read(name: str, noise: str, steps: int) -> None:
    draws = FLAT[noise](generator(0, "rise", name, noise, steps), (40, steps))
    assert read_share(2.3 + RISING[name](np.linspace(0, 1, steps)) + 0.2 * draws) <= 0.05


def test_noise_with_a_memory_of_some_steps_cannot_be_read_from_a_long_curve() -> None:
    for name, draw in WANDERING.items():
        curves = draw(generator(0, "wander", name), (60, 1000))
        assert read_share(2.3 + 0.2 * curves) <= 0.05, name


def hill(u: np.ndarray, center: float, power: float) -> np.ndarray:
    return 1 / (1 + 10 ** (power * (u - center)))


TEN_DECADES = {
    "gentle": lambda u: 0.5 + 1.8 * hill(u, -3, 1) + 2 * np.maximum(u + 0.5, 0) ** 2,
    "sudden": lambda u: 0.4 + 1.9 * hill(u, -4, 3) + np.maximum(u + 0.5, 0) ** 2,
    "diverging": lambda u: 0.5 + 1.8 * hill(u, -3, 1) + np.where(u > 0.5, 1e3, 0),
    "steepening": lambda u: 2.3 - 1.9 * (1 - np.exp(-(10 ** (u + 3)))) + 2 * np.maximum(u + 0.8, 0) ** 2,
}  # fmt: skip
"""Losses over the base-10 logarithm of rates from 1e-9 to 10."""


@pytest.mark.parametrize(("name", "low", "high"), [
    ("gentle", 1.1e-4, 8.5e-3), ("sudden", 4.8e-5, 2.1e-4),
    ("diverging", 1.1e-4, 9e-3), ("steepening", 1.05e-4, 2.3e-3),
])  # fmt: skip
@pytest.mark.parametrize("noise", [0.003, 0.01, 0.05])
def test_ten_candidates_over_ten_decades_are_read(
    name: str, low: float, high: float, noise: float
) -> None:
    """Neighbours lie 13 times apart: the bounds lie within two thirds of that."""
    rng = generator(0, "ten decades", name, str(noise))
    u = np.linspace(-9, 1, 10)
    curves = TEN_DECADES[name](u) * (1 + noise * rng.normal(size=(40, 10)))
    answers = [read_curve(10**u, losses, bootstrap=0) for losses in curves]
    assert np.mean([bounds.verdict == "read" for bounds in answers]) >= 0.9
    for bound, right in (("low", low), ("high", high)):
        places = [getattr(bounds, bound).value for bounds in answers if bounds.verdict == "read"]
        assert right / 8 < np.median(places) < right * 8, bound


@pytest.mark.parametrize("name", TEN_DECADES)
def test_repeats_show_the_fall_of_five_candidates(name: str) -> None:
    rng = generator(0, "five candidates", name)
    u = np.linspace(-6, 0, 5)
    curves = TEN_DECADES[name](u) * (1 + 0.03 * rng.normal(size=(40, 3, 5)))
    assert np.mean([read_curve(10**u, y, bootstrap=0).verdict == "read" for y in curves]) >= 0.95


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("name", FLAT)
def test_flat_noise_of_repeats_cannot_be_read(name: str, count: int) -> None:
    curves = FLAT[name](generator(0, "flat repeats", name, count), (300, count))
    assert read_share(2.3 + 0.2 * curves.reshape(100, 3, count)) <= 0.05


def test_repeats_that_are_one_sweep_seen_again_are_no_evidence() -> None:
    curves = generator(0, "the same sweep").normal(size=(100, 1, 8))
    assert read_share(2.3 + 0.2 * np.repeat(curves, 3, axis=1)) <= 0.05
