"""The rule on twenty curves with known bounds, and on curves that have none."""

import numpy as np
import pytest

from firstlight.ranges import read_curve
from firstlight.seeds import generator
from synthetic_curves import FLAT, NOISES, RISING, SHAPES, WANDERING, Shape, sample, truth

SEEDS = 200
# Least share of curves that are read. The smallest is that of 10 candidates, whose first two may fall
# by chance as clearly as the curve itself does.
READ = {0.01: 0.95, 0.05: 0.9, 0.1: 0.7, 0.2: 0.4}
LIMITS = {"low": 2.0, "high": 2.0, "steepest": 1.3}


def ratios(shape: Shape, noise: float, kind: str, seeds: int) -> dict[str, np.ndarray]:
    """Return each curve's bounds over the true ones, NaN for those not told."""
    values, curves = sample(shape, noise, seeds, kind=kind)
    told = [read_curve(values, losses, bootstrap=0) for losses in curves]
    return {
        name: np.array([getattr(b, name).value or np.nan for b in told])
        / getattr(truth(shape), name)
        for name in LIMITS
    }


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
@pytest.mark.parametrize("noise", NOISES)
def test_medians_lie_within_their_limits(shape: Shape, noise: float) -> None:
    for name, found in ratios(shape, noise, "level", SEEDS).items():
        assert np.isfinite(found).mean() >= READ[noise], name
        assert 1 / LIMITS[name] < np.nanmedian(found) < LIMITS[name], name


@pytest.mark.parametrize("shape", SHAPES[:18:3], ids=lambda s: s.name)
def test_medians_hold_for_noise_measured_against_the_descent(shape: Shape) -> None:
    for name, found in ratios(shape, 0.1, "fall", 40).items():
        assert np.isfinite(found).mean() > 0.5, name
        assert 1 / LIMITS[name] < np.nanmedian(found) < LIMITS[name], name


def read_share(curves: np.ndarray) -> float:
    values = np.logspace(-6, 0, curves.shape[1])
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
