"""Predicted sizes of signals and gradients, against closed forms and against random networks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from firstlight.meanfield import Prediction, propagate
from firstlight.meanfield.moments import moments
from firstlight.types import Floats

CLOSE = 4.0  # standard errors; a correct prediction is farther in fewer than 1 of 10,000 cases

FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": expit,
    "relu": lambda z: np.maximum(z, 0),
    "leaky-relu": lambda z: np.maximum(z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, 0.01 * np.expm1(np.minimum(z, 0))),
}
DERIVATIVES: dict[str, Callable[[Floats], Floats]] = {
    "linear": np.ones_like,
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: expit(z) * expit(-z),
    "relu": lambda z: (z > 0).astype(float),
    "leaky-relu": lambda z: np.where(z > 0, 1, 0.01),
    "elu": lambda z: np.where(z > 0, 1, 0.01 * np.exp(np.minimum(z, 0))),
}


@dataclass
class Measured:
    """Each of shape (networks, layers): over the units and inputs of one network."""

    z_square: Floats
    activation_square: Floats
    activation_mean: Floats
    activation_variance: Floats
    gradient_square: Floats
    saturated: Floats


def measure(
    widths: Sequence[int],
    std: Sequence[float],
    names: Sequence[str],
    inputs: Floats,
    networks: int,
    bias: float = 0.0,
) -> Measured:
    """Draw networks one by one in plain NumPy; inputs have shape (inputs, units)."""
    source = np.random.default_rng(0)
    found = np.zeros((6, networks, len(names)))
    for at in range(networks):
        a, weights, signals = inputs, [], []
        for layer, name in enumerate(names):
            w = source.normal(0, std[layer], (widths[layer + 1], widths[layer]))
            z = a @ w.T + bias * source.standard_normal(widths[layer + 1])
            a = FUNCTIONS[name](z)
            weights.append(w)
            signals.append(z)
            low = np.abs(DERIVATIVES[name](z)) < 0.05 * (0.25 if name == "sigmoid" else 1)
            found[:4, at, layer] = (z**2).mean(), (a**2).mean(), a.mean(), a.var()
            found[5, at, layer] = low.mean()
        delta = source.standard_normal(signals[-1].shape)
        delta /= math.sqrt((delta**2).mean())
        for layer in range(len(names) - 1, -1, -1):
            found[4, at, layer] = (delta**2).mean()
            if layer:
                delta = (delta @ weights[layer]) * DERIVATIVES[names[layer - 1]](signals[layer - 1])
    return Measured(*found)


def assert_agrees(measured: Floats, predicted: Floats) -> None:
    error = measured.std(axis=0, ddof=1) / math.sqrt(len(measured))
    far = np.abs(measured.mean(axis=0) - predicted) / np.maximum(error, 1e-12)
    assert (far < CLOSE).all(), f"standard errors: {far.round(1)}"


def images(count: int, size: int) -> Floats:
    """Return non-negative, correlated inputs of unequal norms."""
    source = np.random.default_rng(1)
    raw = np.maximum(source.normal(0.2, 1, (count, size)) + source.normal(0, 0.5, size), 0)
    return raw * source.uniform(0.3, 1.5, (count, 1))


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("linear", 0.1),
        ("tanh", 0.01),
        ("tanh", 0.1),
        ("tanh", 0.3),
        ("sigmoid", 0.1),
        ("relu", 0.1414),
        ("leaky-relu", 0.1414),
        ("elu", 0.14),
    ],
)
def test_five_layers_of_100_on_images(name: str, std: float) -> None:
    widths, names = (200, *(100,) * 6), ["linear", *[name] * 5]
    x = images(12, 200)
    measured = measure(widths, [0.07, *[std] * 5], names, x, 150)
    predicted = propagate(widths, [0.07, *[std] * 5], names, input_square=(x**2).mean(axis=1))
    assert_agrees(measured.z_square, predicted.z_square)
    assert_agrees(measured.activation_square, predicted.activation_square)
    assert_agrees(measured.activation_mean, predicted.activation_mean)
    assert_agrees(measured.gradient_square, predicted.gradient_ratio)
    often = predicted.saturated > 1e-3  # rarer events have no normal mean in 150 networks
    assert_agrees(measured.saturated[:, often], predicted.saturated[often])
    assert (measured.saturated[:, ~often].mean(axis=0) < 3e-3).all()
    # The mean of 100 units is not exactly the expected one: up to 1/100 of the square.
    variance = measured.activation_variance.mean(axis=0)
    error = measured.activation_variance.std(axis=0) / math.sqrt(150)
    distance = np.abs(variance - predicted.activation_variance)
    assert (distance < CLOSE * error + 0.01 * predicted.activation_square).all()


@pytest.mark.parametrize(("name", "std"), [("linear", 0.1), ("tanh", 0.1), ("relu", 0.1414)])
def test_fifty_layers_of_100(name: str, std: float) -> None:
    x = np.ones((1, 100))
    measured = measure((100,) * 51, [std] * 50, [name] * 50, x, 60)
    predicted = propagate((100,) * 51, std, name)
    # Logarithms, because mean squares of single networks differ by factors.
    logs = np.log(measured.z_square)
    assert_agrees(logs, 2 * np.log(predicted.z_std_median))
    spread = logs.std(axis=0, ddof=1)
    assert np.abs(spread / predicted.spread - 1).max() < CLOSE / math.sqrt(2 * 60)


def many(
    name: str, std: float, bias: float, depth: int = 10, width: int = 20, count: int = 4000
) -> Measured:
    """Draw networks side by side, with one input each."""
    source, f, derivative = np.random.default_rng(2), FUNCTIONS[name], DERIVATIVES[name]
    a, weights, signals = np.ones((count, width, 1)), [], []
    for _ in range(depth):
        w = source.normal(0, std, (count, width, width))
        z = w @ a + bias * source.standard_normal((count, width, 1))
        a = f(z)
        weights.append(w)
        signals.append(z)
    delta = source.standard_normal((count, width, 1))
    delta /= np.sqrt((delta**2).mean(axis=1, keepdims=True))
    sizes = [np.ones(count)]
    for w, z in zip(weights[:0:-1], signals[-2::-1], strict=True):
        delta = w.transpose(0, 2, 1) @ delta * derivative(z)
        sizes.append((delta**2).mean(axis=(1, 2)))
    z = np.stack(signals)[..., 0].transpose(1, 0, 2)
    square, mean = (f(z) ** 2).mean(axis=2), f(z).mean(axis=2)
    gradient, share = np.stack(sizes[::-1], axis=1), np.zeros_like(square)
    return Measured((z**2).mean(axis=2), square, mean, square - mean**2, gradient, share)


@pytest.mark.parametrize(
    ("name", "std", "bias", "matters"),
    [
        ("tanh", 0.22, 0.0, "z_square"),
        ("tanh", 0.35, 0.3, "gradient_square"),
        ("sigmoid", 0.3, 0.0, "gradient_square"),
        ("sigmoid", 1.0, 0.2, "gradient_square"),
        ("elu", 0.3, 0.1, ""),
        ("relu", 0.316, 0.0, ""),
    ],
)
def test_ten_layers_of_20_need_their_width(
    name: str, std: float, bias: float, matters: str
) -> None:
    """At 20 units the width matters: without it the prediction is off by about a tenth."""
    measured = many(name, std, bias)
    predicted, wide = (
        propagate((20,) * 11, std, name, bias_std=bias, finite=f) for f in (True, False)
    )
    for quantity, ours, theirs in (
        ("z_square", predicted.z_square, wide.z_square),
        ("gradient_square", predicted.gradient_ratio, wide.gradient_ratio),
    ):
        found = getattr(measured, quantity)
        mean = found.mean(axis=0)
        error = found.std(axis=0) / math.sqrt(len(found))
        off = np.abs(ours - mean)
        assert (off < CLOSE * error + 0.03 * mean).all()
        if quantity == matters:
            assert np.abs(theirs / mean - 1).max() > 0.07


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_gradients_through_ten_units(bias: float) -> None:
    """So narrow that each of the width's effects alone is several standard errors."""
    measured = many("tanh", 0.4, bias, depth=8, width=10, count=60_000).gradient_square
    predicted = propagate((10,) * 9, 0.4, "tanh", bias_std=bias).gradient_ratio
    mean, error = measured.mean(axis=0), measured.std(axis=0) / math.sqrt(len(measured))
    assert (np.abs(predicted - mean) < 2 * error + 0.02 * mean).all()


def test_biases_of_a_network_enter_forward() -> None:
    measured = measure((60,) * 5, [0.2] * 4, ["relu"] * 4, np.ones((1, 60)), 400, bias=0.5)
    predicted = propagate((60,) * 5, 0.2, "relu", bias_std=0.5)
    assert_agrees(measured.z_square, predicted.z_square)


# Closed forms and invariants


def test_linear_and_relu_multiply() -> None:
    widths = (20, 50, 30, 10)
    linear = propagate(widths, 0.2, "linear", input_square=3.0)
    assert linear.z_square == pytest.approx([0.8 * 3, 0.8 * 2 * 3, 0.8 * 2 * 1.2 * 3])
    assert linear.gradient_ratio == pytest.approx([10 * 30 * 0.04**2, 10 * 0.04, 1])
    relu = propagate(widths, 0.2, "relu", input_square=3.0)
    assert relu.z_square == pytest.approx(linear.z_square / [1, 2, 4])
    assert relu.activation_square == pytest.approx(relu.z_square / 2)
    assert relu.gradient_ratio == pytest.approx(linear.gradient_ratio / [4, 2, 1])


def test_xavier_halves_the_square_of_relu_and_he_keeps_it() -> None:
    xavier = propagate((100,) * 7, math.sqrt(2 / 200), ["linear", *["relu"] * 5])
    he = propagate((100,) * 7, math.sqrt(2 / 100), ["linear", *["relu"] * 5])
    assert xavier.activation_std[5] / xavier.activation_std[1] == pytest.approx(0.25, rel=0.03)
    assert math.sqrt(xavier.z_square[5] / xavier.z_square[1]) == pytest.approx(0.25)
    assert he.z_square[1:] == pytest.approx(he.z_square[1])


def test_tanh_of_a_small_signal_is_linear_with_its_first_correction() -> None:
    predicted = propagate((100, 100, 100), 0.1, "tanh", input_square=1e-3, finite=False)
    assert predicted.activation_square[0] == pytest.approx(1e-3 - 2e-6 + 17 / 3 * 1e-9, rel=3e-8)


def test_infinite_width_is_the_plain_recursion() -> None:
    v, expected = 1.0, []
    for _ in range(20):
        expected.append(v)
        v = 100 * 0.13**2 * float(moments("tanh", v).square) + 0.2**2
    start = (1 - 0.2**2) / (100 * 0.13**2)
    predicted = propagate((100,) * 21, 0.13, "tanh", input_square=start, bias_std=0.2, finite=False)
    assert predicted.z_square == pytest.approx(expected)


def test_many_units_are_as_infinitely_many() -> None:
    wide = propagate((10**8,) * 8, 2e-4, "tanh")
    infinite = propagate((10**8,) * 8, 2e-4, "tanh", finite=False)
    assert wide.z_square == pytest.approx(infinite.z_square, rel=1e-6)
    assert infinite.spread.max() < 1e-7


def test_spread_of_relu_has_its_closed_form() -> None:
    spread = propagate((100,) * 51, 0.1414, "relu").spread
    factors = np.log(1 + 2 / 100) + np.arange(50) * np.log(1 + 5 / 100)
    assert spread == pytest.approx(np.sqrt(factors), rel=1e-6)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky-relu"])
def test_homogeneous_activations_scale_with_the_input(name: str) -> None:
    one = propagate((10,) * 6, 0.3, name, input_square=[1.0, 5.0])
    two = propagate((10,) * 6, 0.3, name, input_square=[4.0, 20.0])
    assert two.z_square == pytest.approx(4 * one.z_square)
    assert two.activation_variance == pytest.approx(4 * one.activation_variance)
    assert two.gradient_ratio == pytest.approx(one.gradient_ratio)


def test_layers_to_come_do_not_change_those_before() -> None:
    short = propagate((30, 20, 10), [0.2, 0.4], ["tanh", "sigmoid"])
    long = propagate((30, 20, 10, 7), [0.2, 0.4, 0.9], ["tanh", "sigmoid", "relu"])
    for field in set(vars(short)) - {"gradient_ratio"}:
        assert getattr(long, field)[:2] == pytest.approx(getattr(short, field))


def test_order_and_repetition_of_inputs_do_not_matter() -> None:
    squares = np.random.default_rng(0).uniform(0.1, 4, 50)
    one = propagate((20,) * 5, 0.3, "tanh", input_square=squares)
    shuffled = propagate((20,) * 5, 0.3, "tanh", input_square=np.tile(squares[::-1], 2))
    assert shuffled.z_square == pytest.approx(one.z_square, rel=1e-5)


def test_groups_of_many_inputs_are_close_to_each_alone() -> None:
    squares = np.random.default_rng(0).gamma(2.0, 0.5, 300)
    together = propagate((20,) * 4, 0.3, "tanh", input_square=squares)
    some = np.array([propagate((20,) * 4, 0.3, "tanh", input_square=s).z_square for s in squares])
    assert together.z_square == pytest.approx(some.mean(axis=0), rel=1e-3)


def test_depth_without_weights_or_with_huge_ones() -> None:
    none = propagate((10,) * 4, 0.0, "sigmoid")
    assert not none.z_square.any()
    assert none.activation_mean == pytest.approx(0.5)
    assert none.activation_std.max() < 1e-5
    assert none.gradient_ratio.tolist() == [0, 0, 1]
    huge = propagate((10,) * 4, 1e6, "tanh")
    assert huge.activation_square == pytest.approx(1.0, rel=1e-5)
    assert huge.saturated == pytest.approx(1.0, rel=1e-5)


def test_a_vanished_signal_is_zero_and_nothing_else() -> None:
    gone = propagate((100,) * 400, 1e-3, "tanh")
    assert gone.z_square[-1] == 0
    for field in vars(gone).values():
        assert np.isfinite(field).all()


def test_one_layer_has_one_entry() -> None:
    one = propagate((3, 4), 2.0, "relu", input_square=0.5)
    assert one.z_std == pytest.approx([math.sqrt(6)])
    assert one.gradient_std_ratio.tolist() == [1.0]
    assert isinstance(one, Prediction)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (3,)}, "widths: expected 2 or more counts"),
        ({"widths": (3, 0, 2)}, "widths: expected 2 or more counts"),
        ({"activation": "swish"}, "activation: expected one of linear"),
        ({"activation": ["relu"]}, "activation: expected 1 or 2, one a layer, got 1"),
        ({"weight_std": [0.1] * 3}, "weight_std: expected 1 or 2, one a layer"),
        ({"weight_std": -1.0}, "weight_std: expected finite numbers of at least 0"),
        ({"bias_std": math.nan}, "bias_std: expected finite numbers of at least 0"),
        ({"input_square": []}, "input_square: expected 1 or more"),
        ({"input_square": [1.0, -1.0]}, "input_square: expected 1 or more"),
        ({"threshold": 0.0}, "threshold: expected above 0"),
        ({"widths": (100,) * 200, "weight_std": 100.0}, "exceeds the largest number of float64"),
    ],
)
def test_what_cannot_be_predicted_is_refused(change: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {"widths": (3, 4, 5), "weight_std": 0.1, "activation": "linear"}
    with pytest.raises(ValueError, match=message):
        propagate(**{**usual, **change})  # type: ignore[arg-type]  # wrong on purpose
