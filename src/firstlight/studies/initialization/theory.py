"""What theory expects of the networks of problem 2.1, and how far the measurements agree."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy import stats as scipy_stats

from firstlight import stats
from firstlight.meanfield.theory import Prediction, propagate
from firstlight.record import Fact, Facts
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.networks import weight_stds
from firstlight.types import Floats

CHECKED = ("linear", "tanh", "relu")
"""Activations for which the prediction is held against the measurement, layer by layer."""

Pair = tuple[str, str]
"""An activation and an initialization."""
Predictions = Mapping[Pair, Prediction]


def grouped(squares: Floats, count: int) -> Floats:
    """Return the means of ``count`` groups of similar values, all of the same weight.

    A value on the border of two groups belongs to both in part, so that the mean of the result is
    that of all values; what is linear in the mean square stays exact.

    Example:
        >>> grouped(np.array([4.0, 1.0, 2.0, 3.0]), 2).tolist()
        [1.5, 3.5]
    """
    n, k = len(squares), min(count, len(squares))
    total = np.concatenate([[0.0], np.cumsum(np.sort(squares))])
    borders = np.interp(np.linspace(0, n, k + 1), np.arange(n + 1), total)
    return np.asarray(np.diff(borders) * k / n)


def predicted(
    config: InitializationConfig, squares: Floats, pixels: int, layers: int
) -> dict[Pair, Prediction]:
    """Return what is expected in each hidden layer, behind the linear first one.

    ``squares`` are mean squares of the pixels of each image, or of groups of images.
    """
    widths = (pixels, *[config.width] * (layers + 1))
    stds = [weight_stds(config.sigmas, *fans) for fans in pairwise(widths)]
    expected: dict[Pair, Prediction] = {}
    for activation in config.activations:
        functions = ["linear", *[activation] * layers]
        for init in labels.inits(config.sigmas):
            every = propagate(
                widths, [std[init] for std in stds], functions,
                input_square=squares, threshold=labels.SATURATED,
            )  # fmt: skip
            hidden = {name: values[1:] for name, values in vars(every).items()}
            expected[activation, init] = Prediction(**hidden)
    return expected


def expectations(
    facts: Facts, config: InitializationConfig, before: xr.DataArray, expected: Predictions
) -> None:
    """Add what is expected of each network: scales by layer, and the ratios of their ends."""
    gradients = before.sel(measure="gradient_square", layer=config.layers)
    for (activation, init), p in expected.items():
        network = {"activation": activation, "init": init}
        last = float(gradients.sel(network).values.mean())
        by_layer = {
            "prediction": p.activation_std,
            "predicted_square": p.activation_square,
            "predicted_saturated": p.saturated,
            "prediction_gradient": np.sqrt(last * p.gradient_ratio),
        }
        for name, values in by_layer.items():
            for layer, value in enumerate(values, 1):
                facts.put(name, Fact(float(value)), **network, layer=layer)
        ends = p.activation_std[-1] / p.activation_std[0], p.gradient_std_ratio[0]
        for direction, ratio in zip(labels.DIRECTIONS, ends, strict=True):
            facts.put("predicted_ratio", Fact(float(ratio)), direction=direction, **network)


@np.errstate(divide="ignore", invalid="ignore")
def agreement(measured: Sequence[Floats], expected: Sequence[Floats]) -> dict[str, int]:
    """Count how many intervals around means over seeds (Student's t) hold the prediction.

    Args:
        measured: for each kind of network, shape (seeds, layers), at least two seeds.
        expected: for the same networks, shape (layers,).

    Returns:
        ``checked``: intervals in all; ``within``: those that hold it when all of them shall hold
        together with 95 % (Bonferroni); ``within_single``: when each shall hold with 95 %.
    """
    distances, n = [], 0
    for values, prediction in zip(measured, expected, strict=True):
        n = len(values)
        error = values.std(axis=0, ddof=1) / np.sqrt(n)
        gap = np.abs(values.mean(axis=0) - prediction)
        distances.append(np.where(gap > 0, gap / error, 0.0))
    t = np.concatenate([[], *distances])
    alpha = 1 - stats.CONFIDENCE
    levels = {"within": alpha / max(1, t.size), "within_single": alpha}
    limits = {name: float(scipy_stats.t.isf(a / 2, n - 1)) for name, a in levels.items()}
    return {"checked": t.size} | {name: int((t <= end).sum()) for name, end in limits.items()}


@np.errstate(divide="ignore", invalid="ignore")
def agreements(
    facts: Facts, measured: xr.Dataset, expected: Predictions, deep: Predictions
) -> None:
    """Add how many measured means have the prediction within their intervals."""
    before, far = measured["before_measured"], measured["deep_measured"]
    for quantity, array, predictions, backward in (
        ("activation", before.sel(measure="activation_square"), expected, False),
        ("gradient", before.sel(measure="gradient_square"), expected, True),
        ("deep_activation", far.sel(direction="activation"), deep, False),
        ("deep_gradient", far.sel(direction="gradient"), deep, True),
    ):
        squares, wanted = [], []
        for (activation, init), p in predictions.items():
            if activation in CHECKED:
                values = array.sel(activation=activation, init=init).values
                squares.append(values[:, :-1] / values[:, -1:] if backward else values)
                wanted.append(p.gradient_ratio[:-1] if backward else p.activation_square)
        for count, number in agreement(squares, wanted).items():
            facts.put("agreement", Fact(number), quantity=quantity, count=count)
        facts.put("deviation", Fact(deviation(squares, wanted)), quantity=quantity)


def deviation(measured: Sequence[Floats], expected: Sequence[Floats]) -> float:
    """Return the largest deviation of a root mean square from its prediction, as a share of it.

    The arguments are those of ``agreement``.

    Example:
        >>> deviation([np.array([[1.0, 4.0], [1.0, 4.0]])], [np.array([1.0, 1.0])])
        1.0
    """
    pairs = zip(measured, expected, strict=True)
    shares = [np.abs(np.sqrt(values.mean(axis=0) / p) - 1) for values, p in pairs]
    return float(np.max(np.concatenate([[0.0], *shares])))
