"""P(born dead): drawn, exact and bounded."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from firstlight.ensemble import theory
from firstlight.ensemble.initial import Init
from firstlight.ensemble.spec import Network

QUIET = settings(deadline=None, derandomize=True, max_examples=100)
PEER = {  # drawn by another program, 200,000 networks each: width → depth → share
    2: {3: 0.157, 5: 0.498, 10: 0.880, 20: 0.993},
    3: {3: 0.044, 5: 0.207, 10: 0.578, 20: 0.890},
    4: {3: 0.011, 5: 0.072, 10: 0.292, 20: 0.629},
    5: {3: 0.003, 5: 0.024, 10: 0.129, 20: 0.356},
}
CASES = [(width, depth) for width, row in PEER.items() for depth in row]


def constant(width: int, depth: int, inputs: int = 1) -> Network:
    return Network((inputs, *[width] * (depth - 1), 1))


def z_score(share: float, truth: float, networks: int) -> float:
    """Return how many standard errors a drawn share lies from the truth."""
    return abs(share - truth) / math.sqrt(truth * (1 - truth) / networks)


@pytest.mark.parametrize(("width", "depth"), CASES)
def test_drawn_share_agrees_with_another_program(width: int, depth: int) -> None:
    n, other = 10_000, PEER[width][depth]
    share = float(theory.probability(constant(width, depth), "he", n).value or 0)
    error = math.sqrt(other * (1 - other) * (1 / n + 1 / 200_000))
    assert abs(share - other) < 4 * error + 0.0005  # the peer's figures have three decimals


@pytest.mark.parametrize("depth", PEER[2])
def test_exact_value_of_width_two_agrees_with_another_program(depth: int) -> None:
    value = theory.exact(2, depth)
    assert value is not None
    assert abs(value - PEER[2][depth]) < 4 * math.sqrt(value * (1 - value) / 200_000) + 0.0005


def test_exact_value_of_width_two_in_closed_form() -> None:
    """Depth 4 is rational: from a right angle the next angle's density is linear."""
    assert theory.two_wide(3) == pytest.approx(5 / 32, abs=1e-14)
    # With x = φ/π: density 3/4 − x/2 on (0, 1/2), death in the next layer ((1 − x)/2)².
    coefficients = [Fraction(3, 4), Fraction(-2), Fraction(7, 4), Fraction(-1, 2)]
    smooth = sum(c / (k + 1) * Fraction(1, 2) ** (k + 1) for k, c in enumerate(coefficients)) / 4
    right, single = Fraction(1, 16), Fraction(1, 4)
    two_rays = right + Fraction(1, 8) * right + smooth + Fraction(1, 2) * single
    one_ray = 1 - (1 - single) ** 2
    assert theory.two_wide(4) == pytest.approx(float((one_ray + two_rays) / 2), abs=1e-13)


@pytest.mark.parametrize("depth", [5, 10, 30, 100])
def test_the_quadrature_has_converged(depth: int) -> None:
    assert theory.two_wide(depth, 30, 8) == pytest.approx(theory.two_wide(depth, 60, 24), abs=1e-10)


@pytest.mark.parametrize("theta", [1e-3, 0.4, 1.2, math.pi / 2])
def test_the_angles_density_has_the_right_mass(theta: float) -> None:
    """All (+,+) pairs: both rays keep more than one direction between them."""
    both, one = (math.pi - theta) / (2 * math.pi), theta / (2 * math.pi)
    mass, _ = integrate.quad(
        lambda phi: float(theory.density(np.array(theta), np.array(phi))),
        0,
        math.pi / 2,
        points=[theta / 2, theta],
        epsabs=1e-11,
        limit=400,
    )
    assert mass == pytest.approx(both**2 + 4 * both * one, abs=1e-9)


@pytest.mark.parametrize("theta", [0.2, 0.9, 1.5])
def test_the_angles_density_is_that_of_drawn_layers(theta: float) -> None:
    rng, n = np.random.default_rng(0), 400_000
    rays = np.array([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])
    images = np.maximum(np.einsum("noi,ki->nko", rng.standard_normal((n, 2, 2)), rays), 0)
    alive = images.any(axis=2).all(axis=1) & images.any(axis=1).all(axis=1)
    first, second = np.arctan2(images[alive, :, 1], images[alive, :, 0]).T
    turn = np.abs(first - second)
    edges = np.array([0.0, 0.1, 0.3, 0.7, 1.1, math.pi / 2 - 1e-9])
    for low, high in pairwise(edges):
        chance, _ = integrate.quad(
            lambda phi: float(theory.density(np.array(theta), np.array(phi))), low, high
        )
        share = float(((turn > low) & (turn < high)).sum()) / n
        assert z_score(share, chance, n) < 4


@pytest.mark.parametrize(("width", "depth", "inputs"), [(2, 7, 1), (1, 4, 1), (1, 4, 3), (3, 3, 1)])
def test_exact_value_agrees_with_drawn_networks(width: int, depth: int, inputs: int) -> None:
    value = theory.exact(width, depth, inputs)
    assert value is not None
    fact = theory.probability(constant(width, depth, inputs), "xavier", 40_000, 1)
    assert z_score(float(fact.value or 0), value, 40_000) < 4


def test_two_inputs_and_three_layers_in_closed_form() -> None:
    assert theory.exact(2, 3, 2) == 1 / 16
    assert theory.exact(3, 3, 2) is None
    fact = theory.probability(constant(2, 3, 2), "he", 20_000)
    assert z_score(float(fact.value or 0), 1 / 16, 20_000) < 4


def test_the_upper_bound_is_the_chance_at_one_point() -> None:
    """On a domain of one ray the bound is the exact value."""
    fact = theory.probability(constant(3, 6), "he", 20_000, low=0.5, high=1.0)
    assert z_score(float(fact.value or 0), theory.upper_bound(3, 6), 20_000) < 4


@QUIET
@given(st.integers(1, 12), st.integers(2, 200), st.integers(1, 4))
def test_bounds_are_in_order(width: int, depth: int, inputs: int) -> None:
    upper = theory.upper_bound(width, depth)
    value = theory.exact(width, depth, inputs)
    assert 0 < upper <= 1
    assert theory.upper_bound(width, depth + 1) >= upper >= theory.upper_bound(width + 1, depth)
    assert theory.lower_bound(width, depth) <= upper
    assert theory.lower_bound(width, depth + 1) >= theory.lower_bound(width, depth)
    if value is not None:
        assert value <= upper
        assert inputs > 1 or theory.lower_bound(width, depth) <= value


@pytest.mark.parametrize("width", range(1, 9))
def test_the_lower_bound_is_the_papers_formula(width: int) -> None:
    n, a = width, 1 - 2.0**-width
    b = 1 - 2.0 ** -(n - 1) - (n - 1) * 4.0**-n
    c = (1 - 2.0 ** (1 - n)) * (1 - 2.0**-n) / (1 + (n - 1) * 2.0**-n)
    for depth in (2, 3, 4, 10, 40):
        k = depth - 2
        formula = 1 - a**k + c * (b**k - a**k)
        assert theory.lower_bound(width, depth) == pytest.approx(formula, abs=1e-14)


@pytest.mark.parametrize("init", theory.SYMMETRIC)
@pytest.mark.parametrize("inputs", [1, 2, 4])
def test_the_upper_bound_holds_for_every_symmetric_rule(init: Init, inputs: int) -> None:
    fact = theory.probability(constant(2, 5, inputs), init, 4000)
    assert fact.low is not None
    assert fact.low < theory.upper_bound(2, 5)


def test_rai_is_born_dead_less_often_and_torch_is_not_he() -> None:
    facts = {
        init: theory.probability(constant(2, 10), init, 4000) for init in ("he", "rai", "torch")
    }
    assert (facts["rai"].high or 1) < 0.3 < 0.8 < (facts["he"].low or 0)
    assert facts["torch"].value != facts["he"].value


@QUIET
@given(st.integers(2, 1000), st.floats(1e-9, 0.999))
def test_the_safe_width_is_the_smallest(depth: int, risk: float) -> None:
    width = theory.safe_width(depth, risk)
    assert theory.upper_bound(width, depth) <= risk
    assert width == 1 or theory.upper_bound(width - 1, depth) > risk
    assert width <= max(1, math.ceil(math.log2((depth - 1) / risk)))


def test_the_draw_is_seeded_and_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []
    network = Network((1, 2, 2, 3, 2, 2, 2))
    whole = theory.probability(network, "rai", 500, 5)
    monkeypatch.setattr(theory, "_NUMBERS", 128 * network.parameters)
    parts = theory.probability(network, "rai", 500, 5, progress=lambda *now: told.append(now))
    assert parts == whole
    assert told == [("networks", done, 500) for done in (128, 256, 384, 500)]
    assert theory.probability(network, "rai", 500, 6) != whole


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.upper_bound(0, 3), "width: expected at least 1, got 0"),
        (lambda: theory.lower_bound(2, 1), "depth: expected at least 2"),
        (lambda: theory.exact(2, 3, 0), "inputs: expected at least 1, got 0"),
        (lambda: theory.two_wide(1), "depth: expected at least 2"),
        (lambda: theory.safe_width(10, 0.0), "risk: expected between 0 and 1, got 0.0"),
        (lambda: theory.safe_width(10, 1.0), "risk: expected between 0 and 1, got 1.0"),
        (lambda: theory.probability(Network((1, 1)), networks=0), "networks: expected at least 1"),
    ],
)
def test_bad_values_are_named(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
