"""Moments of activations under a normal distribution, against integration and sampling."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from firstlight.meanfield.moments import ACTIVATIONS, expectation, moments, nodes

SLOPE = 0.3
Function = Callable[[float], float]
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "linear": (lambda z: z, lambda z: 1.0),
    "identity": (lambda z: z, lambda z: 1.0),
    "tanh": (math.tanh, lambda z: 1 - math.tanh(z) ** 2),
    "sigmoid": (lambda z: float(expit(z)), lambda z: float(expit(z) * expit(-z))),
    "relu": (lambda z: max(z, 0.0), lambda z: float(z > 0)),
    "leaky-relu": (lambda z: max(z, SLOPE * z), lambda z: 1.0 if z > 0 else SLOPE),
    "elu": (
        lambda z: z if z > 0 else SLOPE * math.expm1(z),
        lambda z: 1.0 if z > 0 else SLOPE * math.exp(z),
    ),
}


def integral(f: Function, variance: float) -> float:
    """Return E f(z) for z ~ N(0, variance) by adaptive integration."""
    scale = math.sqrt(variance)
    # tanh bends where z is about 1: there the pieces meet.
    ends = sorted({0.0, 12.0, *(x / scale for x in (0.3, 1.0, 3.0, 10.0, 30.0) if x / scale < 12)})
    return sum(
        integrate.quad(
            lambda x, s=sign: f(s * scale * x) * stats.norm.pdf(x),
            low,
            high,
            epsabs=0,
            epsrel=1e-11,
            limit=200,
        )[0]
        for sign in (-1, 1)
        for low, high in itertools.pairwise(ends)
    )


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu", "relu", "leaky-relu", "linear"])
@pytest.mark.parametrize("variance", [1e-4, 0.7, 30.0, 1e5])
@pytest.mark.filterwarnings(
    "ignore::scipy.integrate.IntegrationWarning"
)  # asked for more than 64 bits
def test_moments_are_those_of_adaptive_integration(name: str, variance: float) -> None:
    f, derivative = FUNCTIONS[name]
    found = moments(name, variance, slope=SLOPE)
    square = integral(lambda z: f(z) ** 2, variance)
    size = math.sqrt(square)
    assert found.square == pytest.approx(square, rel=1e-8)
    assert found.mean == pytest.approx(integral(f, variance), rel=1e-8, abs=1e-9 * size)
    fourth = integral(lambda z: (f(z) / size) ** 4, variance)
    assert found.kurtosis == pytest.approx(fourth, rel=1e-8)
    slopes = integral(lambda z: derivative(z) ** 2, variance)
    assert found.slope_square == pytest.approx(slopes, rel=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("threshold", [0.05, 0.5, 1.0, 1.5])
def test_saturated_share_is_that_of_a_sample(name: str, threshold: float) -> None:
    z = np.random.default_rng(0).normal(0, 3, 20_000)
    derivative = np.array([abs(FUNCTIONS[name][1](x)) for x in z])
    largest = 0.25 if name == "sigmoid" else 1.0
    share = (derivative < threshold * largest).mean()
    found = moments(name, 9.0, slope=SLOPE, threshold=threshold).saturated
    assert found == pytest.approx(share, abs=4 * math.sqrt(0.25 / z.size))
    if share in (0, 1):
        assert found == share


def test_elu_below_may_be_steeper_than_above() -> None:
    # |φ′| = 4 eᶻ below zero and 1 above, so 1 is under half of the largest.
    found = moments("elu", 1.0, slope=4.0, threshold=0.5).saturated
    assert found == pytest.approx(0.5 + stats.norm.cdf(math.log(0.5)))


@pytest.mark.parametrize("power", [0, 2, 4, 6])
def test_quadrature_of_even_powers(power: int) -> None:
    double_factorial = math.prod(range(power - 1, 0, -2))
    assert expectation(nodes() ** power) == pytest.approx(double_factorial, rel=1e-9)


def test_quadrature_nodes_cannot_be_changed_by_a_caller() -> None:
    nodes()[...] = 0.0
    assert expectation(nodes() ** 2) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_without_variance_every_value_is_that_at_zero(name: str) -> None:
    found = moments(name, 0.0, slope=SLOPE)
    at_zero = FUNCTIONS[name][0](0.0)
    assert found.mean == pytest.approx(at_zero, abs=1e-12)
    assert found.square == pytest.approx(at_zero**2)
    assert found.kurtosis == pytest.approx(1.0)
    assert found.saturated == (name == "relu")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_shape_is_kept_and_entries_do_not_mix(name: str) -> None:
    v = np.array([[0.0, 0.5, 2.0], [1e-8, 40.0, 3.0]])
    found = moments(name, v, slope=SLOPE)
    for field in vars(found).values():
        assert field.shape == v.shape
    assert found.square[1, 2] == pytest.approx(float(moments(name, 3.0, slope=SLOPE).square))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"activation: expected one of linear, .*, got 'swish'"):
        moments("swish", 1.0)
