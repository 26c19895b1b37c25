"""Which networks are born dead: the corners followed exactly, against plain evaluation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from firstlight.ensemble import born_dead as dead
from firstlight.ensemble.born_dead import HALF_WIDTH, born_dead, is_exact
from firstlight.ensemble.initial import Init, initial
from firstlight.ensemble.spec import Network

Array = NDArray[np.float64]
SHAPES = [(1, 2, 2, 2, 2, 1), (1, 4, 1, 3, 2), (1, 3, 3, 3, 3, 3, 1)]


def dead_on(network: Network, parameters: Array, points: Array) -> bool:
    """Evaluate one network, layer by layer, on all points."""
    h = points
    for weight, bias in network.unpack(parameters)[:-1]:
        h = np.maximum(h @ weight.T + bias, 0)
        if not h.any():
            return True
    return False


@pytest.fixture(params=["first a few points", "corners alone"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide as always, or with so few points tried first that the corners decide nearly all."""
    if request.param == "corners alone":
        monkeypatch.setattr(dead, "FEW", 1)


def pack(network: Network, *layers: tuple[list[list[float]], list[float]]) -> Array:
    """Return the parameters of one network, shape (1, P), with an output layer of zeros."""
    parameters = np.zeros((1, network.parameters))
    for (weight, bias), given in zip(network.unpack(parameters), layers, strict=False):
        weight[0], bias[0] = given
    return parameters


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("init", ["he", "torch", "rai", "orthogonal"])
@pytest.mark.usefixtures("way")
def test_one_input_agrees_with_a_dense_grid(widths: tuple[int, ...], init: Init) -> None:
    network, grid = Network(widths), np.linspace(-HALF_WIDTH, HALF_WIDTH, 5001)[:, None]
    parameters = initial(network, init, 150, 0)
    expected = [dead_on(network, each, grid) for each in parameters]
    assert 0 < sum(expected) < 150
    np.testing.assert_array_equal(born_dead(network, parameters), expected)


def test_new_corners_lie_on_the_path_in_order_and_are_exactly_zero() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 4))
    place = np.concatenate([np.linspace(-1, 3, 12), np.linspace(-2, 1, 8)])
    z[:, 0], owner = place, np.repeat([0, 1], [12, 8])
    corners, whose = dead._with_crossings(z, owner)
    for network in (0, 1):
        before, after = z[owner == network], corners[whose == network]
        assert len(after) > len(before)
        assert (np.diff(after[:, 0]) > 0).all()
        for unit in range(4):
            line = np.interp(after[:, 0], before[:, 0], before[:, unit])
            np.testing.assert_allclose(after[:, unit], line, atol=1e-14)
        new = ~np.isin(after[:, 0], before[:, 0])
        assert (after[new] == 0).any(axis=1).all()
        assert not ((after[:-1] > 0) & (after[1:] < 0)).any()
        assert not ((after[:-1] < 0) & (after[1:] > 0)).any()


@pytest.mark.parametrize(("height", "expected"), [(2.0, False), (0.5, True)])
def test_life_on_a_billionth_of_the_domain_is_found(height: float, expected: bool) -> None:
    """The second layer is positive at most on (1 − 1e-9, 1 + 2e-9)."""
    network, gap = Network((1, 2, 1, 1)), 2.0**-30
    parameters = pack(
        network, ([[1.0], [-1.0]], [-1.0, 1.0 + gap]), ([[-1.0, -1.0]], [height * gap])
    )
    assert born_dead(network, parameters).tolist() == [expected]


def test_the_domain_decides() -> None:
    network = Network((1, 1, 1))
    parameters = pack(network, ([[1.0]], [-1.5]))  # positive beyond 1.5
    assert born_dead(network, parameters, -1, 1.5).tolist() == [True]
    assert born_dead(network, parameters, -1, 1.6).tolist() == [False]
    positive = pack(network, ([[1.0]], [0.0]))
    assert born_dead(network, positive, -2, -1).tolist() == [True]
    assert born_dead(network, positive, -2, 0).tolist() == [True]
    assert born_dead(network, positive, 0, 1).tolist() == [False]


@pytest.mark.parametrize("init", ["he", "orthogonal"])
@pytest.mark.usefixtures("way")
def test_two_inputs_without_bias_agree_with_dense_directions(init: Init) -> None:
    network, turn = Network((2, 3, 2, 2, 2, 1)), np.linspace(0, 2 * math.pi, 5001)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    parameters = initial(network, init, 150, 0)
    expected = [dead_on(network, each, circle) for each in parameters]
    assert 0 < sum(expected) < 150
    np.testing.assert_array_equal(born_dead(network, parameters), expected)


def test_three_inputs_err_to_one_side_and_seldom() -> None:
    """The first layer reaches the whole quadrant, so the signs of the second decide."""
    network = Network((3, 2, 2, 1))
    parameters = initial(network, "he", 5000, 0)
    found = born_dead(network, parameters)
    truth = (network.unpack(parameters)[1][0] <= 0).all(axis=(1, 2))
    assert not (truth & ~found).any()
    assert (found & ~truth).sum() <= 2


def test_more_inputs_with_biases_agree_with_the_named_points() -> None:
    network = Network((2, 2, 2, 2, 1))
    parameters = initial(network, "torch", 300, 0)
    rng = np.random.default_rng(0)
    points = rng.uniform(-HALF_WIDTH, HALF_WIDTH, (4000, 2))
    found = born_dead(network, parameters)
    expected = np.array([dead_on(network, each, points) for each in parameters])
    assert (found != expected).mean() < 0.03
    assert 0 < found.sum() < 300


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("factor", [1e-100, 0.1, 3.0, 1e60])
def test_without_bias_neither_scale_nor_domain_matters(inputs: int, factor: float) -> None:
    network = Network((inputs, 2, 2, 2, 2, 1))
    parameters = initial(network, "he", 200, 0)
    found = born_dead(network, parameters)
    np.testing.assert_array_equal(born_dead(network, parameters * factor), found)
    np.testing.assert_array_equal(born_dead(network, parameters, -1, 1), found)


def test_the_order_of_units_and_networks_does_not_matter() -> None:
    network, order = Network((1, 3, 3, 3, 3, 3, 1)), [2, 0, 1]
    parameters = initial(network, "torch", 400, 0)
    found = born_dead(network, parameters)
    turned = parameters.copy()
    layers = network.unpack(turned)
    for (weight, bias), (after, _) in pairwise(layers):
        weight[...], bias[...], after[...] = weight[:, order], bias[:, order], after[:, :, order]
    np.testing.assert_array_equal(born_dead(network, turned), found)
    np.testing.assert_array_equal(born_dead(network, parameters[::-1]), found[::-1])


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network((1, 2, 2, 2, 2, 1))
    parameters = initial(network, "rai", 301, 0)
    found = born_dead(network, parameters)
    monkeypatch.setattr(dead, "_NUMBERS", 1)
    np.testing.assert_array_equal(born_dead(network, parameters), found)


def test_great_depth_does_not_underflow_to_death() -> None:
    network = Network((1,) * 500)
    parameters = np.zeros((1, network.parameters))
    for weight, _ in network.unpack(parameters):
        weight[...] = 1e-3
    assert not born_dead(network, parameters).any()


def test_edges() -> None:
    linear = Network((1, 1))
    assert born_dead(linear, np.zeros((2, 2))).tolist() == [False, False]
    assert born_dead(Network((1, 2, 1)), np.zeros((0, 7))).shape == (0,)
    assert born_dead(Network((1, 2, 1)), np.zeros((1, 7))).tolist() == [True]
    assert born_dead(Network((2, 2, 1)), np.zeros((1, 9))).tolist() == [True]


def test_what_is_exact_is_said() -> None:
    assert is_exact(Network((1, 2, 1)), zero_bias=False)
    assert is_exact(Network((2, 2, 1)), zero_bias=True)
    assert not is_exact(Network((2, 2, 1)), zero_bias=False)
    assert not is_exact(Network((3, 2, 1)), zero_bias=True)


def test_bad_input_is_named() -> None:
    network, good = Network((1, 2, 1)), np.ones((3, 7))
    with pytest.raises(ValueError, match="activation: expected relu, got leaky-relu"):
        born_dead(Network((1, 2, 1), "leaky-relu"), good)
    with pytest.raises(ValueError, match=r"parameters: expected shape \(R, 7\), got \(3, 6\)"):
        born_dead(network, good[:, :6])
    with pytest.raises(ValueError, match="low < high, got 1 and 1"):
        born_dead(network, good, 1, 1)
    good[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"parameters\[1\]: expected finite"):
        born_dead(network, good)
