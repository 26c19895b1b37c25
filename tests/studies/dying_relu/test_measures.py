"""What is measured on a network: outputs, definitions of collapse, paired comparisons."""

from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from firstlight.data import toy
from firstlight.ensemble.spec import Network
from firstlight.studies.dying_relu import measures
from firstlight.studies.dying_relu.labels import TRACED
from firstlight.studies.dying_relu.measures import measure, outputs

X = toy.grid(101)
Y = toy.target("abs", X)


def pack(network: Network, layers: list[tuple[list[list[float]], list[float]]]) -> Any:
    """Return parameters of one network from weights and biases written out."""
    parameters = np.zeros((1, network.parameters))
    for (weight, bias), (w, b) in zip(network.unpack(parameters), layers, strict=True):
        weight[...], bias[...] = w, b
    return parameters


def plainly(network: Network, row: Any, x: float) -> tuple[float, list[bool]]:
    """Return one output by plain loops, and whether no unit of each hidden layer is positive."""
    h, zero = [x], []
    layers = network.unpack(np.asarray(row, dtype=np.float64))
    for place, (weight, bias) in enumerate(layers):
        z = [
            sum(float(w) * v for w, v in zip(unit, h, strict=True)) + float(b)
            for unit, b in zip(weight, bias, strict=True)
        ]
        if place < len(layers) - 1:
            slope = 0.0 if network.activation == "relu" else network.slope
            h = [v if v > 0 else slope * v for v in z]
            zero.append(all(v <= 0 for v in z))
        else:
            h = z
    return h[0], zero


@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
@pytest.mark.parametrize("widths", [(1, 1), (1, 2, 1), (1, 3, 1, 2, 1), (1, *[2] * 9, 1)])
def test_outputs_equal_plain_loops(activation: Any, widths: tuple[int, ...]) -> None:
    network = Network(widths, activation, 0.05)
    rows = np.random.default_rng(len(widths)).normal(size=(150, network.parameters))
    rows[::2] *= 0.2  # small biases keep some layers alive, large ones kill some
    x = X[::20]
    out, silent = outputs(network, rows, x)
    for r in range(0, 150, 7):
        values, zeros = zip(*(plainly(network, rows[r], float(v)) for v in x), strict=True)
        np.testing.assert_allclose(out[r], values, rtol=1e-10, atol=1e-12)
        assert silent[r] == sum(all(layer) for layer in zip(*zeros, strict=True))


def test_blocks_change_nothing(monkeypatch: Any) -> None:
    network = Network((1, 2, 2, 1))
    rows = np.random.default_rng(0).normal(size=(130, network.parameters))
    whole = measure(network, rows, X, Y)
    monkeypatch.setattr(measures, "BLOCK", 7)
    parts = measure(network, rows, X, Y)
    assert list(parts) == list(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)


EXACT = [([[1.0], [-1.0]], [0, 0]), ([[1.0, 0], [0, 1.0]], [0, 0]), ([[1.0, 1.0]], [0.0])]
DEAD = [([[1.0], [-1.0]], [0, 0]), ([[-1.0, -1], [-1, -1]], [0, 0]), ([[1.0, 1.0]], [3.0])]
CONSTANT = [([[0.0], [0.0]], [1, 2]), ([[1.0, 0], [0, 1.0]], [0, 0]), ([[1.0, 1.0]], [0.0])]
FLAT = [([[1.0], [-1.0]], [0, 0]), ([[1.0, 0], [0, 1.0]], [0, 0]), ([[0.005, 0.005]], [1.3])]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (EXACT, {"fitted"}),
        (DEAD, {"dead_layer", "collapsed", "flat"}),
        (CONSTANT, {"collapsed", "flat"}),
        (FLAT, {"flat"}),
    ],
    ids=["exact", "dead", "constant", "flat"],
)
def test_definitions_on_networks_made_by_hand(layers: Any, expected: set[str]) -> None:
    network = Network((1, 2, 2, 1))
    found = measure(network, pack(network, layers), X, Y)
    assert {name for name in TRACED if found[name][0]} == expected
    values = [plainly(network, pack(network, layers)[0], float(v))[0] for v in X]
    assert found["span"][0] == pytest.approx(max(values) - min(values), abs=1e-12)
    r2 = 1 - sum((a - b) ** 2 for a, b in zip(values, Y, strict=True)) / sum((Y - Y.mean()) ** 2)
    assert found["r2"][0] == pytest.approx(r2, abs=1e-12)


def test_leaky_relu_has_no_dead_layer_but_can_collapse() -> None:
    network = Network((1, *[2] * 5, 1), "leaky-relu", 0.01)
    down = ([[-1.0, -1.0], [-1.0, -1.0]], [-1.0, -1.0])
    layers = [([[-1.0], [-1.0]], [-3.0, -3.0]), *[down] * 4, ([[1e-3, 1e-3]], [2.0])]
    found = measure(network, pack(network, layers), X, Y)
    assert (found["dead_layer"][0], found["collapsed"][0]) == (False, True)


def test_outputs_that_are_not_finite_count_as_nothing_good() -> None:
    network = Network((1, 2, 1))
    rows = np.full((3, network.parameters), np.nan)
    rows[1], rows[2] = np.inf, 1e200
    found = measure(network, rows, X, Y)
    assert not np.isfinite(found["span"][:2]).any()
    assert (found["r2"] == measures.LOWEST_R2).all()
    assert not any(found[name].any() for name in TRACED)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="expected relu or leaky-relu, got 'tanh'"):
        outputs(Network((1, 2, 1), "tanh"), np.zeros((1, 7)), X)
    with pytest.raises(ValueError, match="expected 1 input and 1 output"):
        outputs(Network((2, 2, 1)), np.zeros((1, 9)), X)


def test_silent_layers_vanish_with_their_biases() -> None:
    network = Network((1, *[2] * 3, 1), "leaky-relu", 0.01)
    down = ([[1.0, 0.0], [0.0, 1.0]], [-9.0, -9.0])
    layers = [([[1.0], [-1.0]], [0.0, 0.0]), down, down, ([[1.0, 1.0]], [2.0])]
    row = pack(network, layers)
    bare = measures.without_biases(network, row)
    assert outputs(network, row, X)[1].tolist() == [2]
    assert outputs(network, bare, X)[1].tolist() == [0]
    assert bare[0, -1] == 2.0  # the output's
    assert (row == -9.0).sum() == 4


def test_paired_comparison_equals_counting() -> None:
    counts = [5, 30, 4, 61]
    relu, leaky = np.repeat([1, 1, 0, 0], counts) > 0, np.repeat([1, 0, 1, 0], counts) > 0
    change = measures.changed(leaky, relu)
    spread = np.repeat([0, -1, 1, 0], counts).std(ddof=1) / 10
    assert change.value == pytest.approx((4 - 30) / 100)
    assert change.high == pytest.approx(-0.26 + scipy_stats.t.ppf(0.975, 99) * spread)
    assert measures.share(relu).value == 0.35


def test_pairs_that_all_say_the_same_still_have_an_interval() -> None:
    one, none = np.ones(100, bool), np.zeros(100, bool)
    change = measures.changed(none, one)
    assert (change.value, change.low) == (-1.0, -1.0)
    assert change.high == pytest.approx(-1 + 0.037, abs=1e-3)  # Wilson's for 0 of 100
    assert measures.changed(one, one).value == 0.0


def test_help_counts_only_to_the_end_and_only_if_it_matters() -> None:
    many, few = np.arange(1_000) < 800, np.arange(1_000) < 200
    slightly = np.arange(1_000) < 790
    relu = np.array([many] * 4)
    epochs = [0, 1, 10, 100]
    assert measures.helps_from(np.array([few] * 4), relu, epochs) == 0
    assert measures.helps_from(np.array([few, many, few, few]), relu, epochs) == 10
    assert measures.helps_from(np.array([few, slightly, few, few]), relu, epochs) == 10
    assert measures.helps_from(np.array([few, few, few, many]), relu, epochs) is None
    assert measures.helps_from(np.array([many] * 4), np.array([few] * 4), epochs) is None
