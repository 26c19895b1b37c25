"""Problem 2.1: why signals and gradients vanish or explode, and what Xavier and He do about it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats as scipy_stats

from firstlight import stats
from firstlight.context import Context
from firstlight.meanfield.theory import Prediction, propagate
from firstlight.record import Array, Arrays, Fact, Facts, Label
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.data import images
from firstlight.studies.initialization.networks import weight_stds
from firstlight.studies.initialization.training import checkpoints
from firstlight.studies.initialization.trials import DEEP_IMAGES, perform, trials
from firstlight.studies.study import Results
from firstlight.sweep import run_trials
from firstlight.types import Floats, Numbers

BY_LAYER = {
    "activation_mean": "activation_mean",
    "activation_std": "activation_std",
    "activation_square": "mean_square",
    "z_std": "z_std",
    "gradient_std": "gradient_std",
    "gradient_open": "gradient_open",
    "saturated": "saturated",
}
"""Measure → the fact that it becomes in each layer."""
SHARES = ("saturated", "gradient_open")
ANYWHERE = (-np.inf, np.inf)
GROUPS, DEEP_GROUPS = 16, 2
"""Groups of images of similar size for which a prediction is made."""
ROUNDING = 1e-6
"""Values that differ by less than this share of them are one value, computed in single precision."""
CHECKED = ("linear", "tanh", "relu")
"""Activations for which the prediction is held against the measurement, layer by layer."""

Pair = tuple[str, str]
"""An activation and an initialization."""
Predictions = Mapping[Pair, Prediction]


def run(config: InitializationConfig, context: Context) -> Results:
    """Measure every network before training, train each for some steps, and answer question 2.1.

    Facts for each activation, init and layer before training (mean over seeds with t interval, n =
    seeds): ``activation_std``, ``activation_mean``, ``z_std`` and ``gradient_std`` (of the gradient
    of each image's loss with respect to the layer's Z-values), over units and images;
    ``gradient_open``, the share of the gradient's sum of squares on units that are not saturated;
    ``saturated`` (share with |φ′| below 5 % of its largest value; for ReLU, of zeros); ``mean_square`` of
    activations; and what theory expects: ``prediction`` (of ``activation_std``),
    ``predicted_square``, ``predicted_saturated``, ``prediction_gradient`` (root mean square, from
    the last layer's measured one).

    For each activation and init: ``ratio`` of the direction ``activation`` (last hidden layer over
    first) and ``gradient`` (first over last), geometric means over networks, with
    ``predicted_ratio``; ``median_ratio`` of tanh's and the sigmoid's gradients; ``deep_ratio``, of
    roots of mean squares in the deep networks; ``loss_before``, ``loss_after`` and ``diverged``
    (share of losses cut at 100 nats) of the short trainings. For pairs of initializations, paired over seeds: ``closer``
    (|log₁₀ ratio| of the first minus that of the second; negative where the first is closer to one)
    and ``difference`` of the loss; a difference that is an exact factor has no interval, for it is
    no measurement. ``agreement`` counts the layers ``checked`` and those where the
    prediction lies in the interval of the measured mean square, ``within`` simultaneous intervals
    and ``within_single`` ones; ``deviation`` is the largest of a root mean square from its
    prediction, as a share. ``ball`` facts are those of Godoy's network.

    Args:
        config: the study's parameters.
        context: run folder, data set, device and progress.
    """
    seen = images(context.images(), config, context.device)
    specs = trials(config)
    done = run_trials(perform, specs, context, label=config.study, executor="threads")
    found: dict[str, dict[str, Numbers]] = {}
    for experiment in dict.fromkeys(spec.experiment for spec in specs.values()):
        parts = [done[name].arrays for name, spec in specs.items() if spec.experiment == experiment]
        found[experiment] = {m: np.concatenate([p.get(m) for p in parts]) for m in parts[0]}
    squares, pixels = np.asarray(seen.x.double().square().mean(1).cpu().numpy()), seen.x.shape[1]
    expected = predicted(config, grouped(squares, GROUPS), pixels, config.layers)
    few = grouped(squares[:DEEP_IMAGES], DEEP_GROUPS)
    deep = predicted(config, few, pixels, config.depth)
    arrays = _arrays(config, found, deep)
    measured, facts = arrays.dataset(), Facts()
    before = measured["before_measured"]
    for network in labels.networks(config.activations, config.sigmas):
        for name, layer, mean in _means(before.sel(network), shares=(0.0, 1.0)):
            facts.put(name, mean, **network, layer=layer)
    _expectations(facts, config, before, expected)
    _ratios(facts, config, before)
    _medians(facts, config, found["before"]["sample"])
    _deep_ratios(facts, config, measured["deep_measured"])
    if "loss_curve" in measured:
        _learning(facts, config, measured["loss_curve"].rename(trained_activation="activation"))
        for activation, init in labels.ball_inits(config.activations, config.sigmas).items():
            for name, layer, mean in _means(
                measured["ball_measured"].sel(ball_activation=activation)
            ):
                place: dict[str, Label] = {"activation": activation, "init": init, "layer": layer}
                facts.put("ball", mean, measure=name, **place)
    _agreements(facts, measured, expected, deep)
    facts.put("data", Fact(context.images().name))
    facts.put("images", Fact(len(seen.x)))
    return Results(facts, Arrays(e for e in arrays.entries() if e.measure != "ball_measured"))


@np.errstate(divide="ignore", invalid="ignore")
def _arrays(
    config: InitializationConfig, found: Mapping[str, Mapping[str, Numbers]], deep: Predictions
) -> Arrays:
    """Return every array of the study, and ``ball_measured``, which the record does without.

    ``before_measured`` and ``after_measured``: each network in each layer; ``before_sample`` and
    ``after_sample``: single values of Z, activation and gradient; ``loss_curve`` at ``loss_steps``;
    ``deep_measured`` and ``deep_predicted``: mean squares, of gradients over that of the last layer;
    ``ball_sample``: Z-values, activations, weights, gradients of weights.
    """
    known: dict[str, list[Label]] = {
        "activation": list(config.activations),
        "trained_activation": list(labels.trained(config.activations)),
        "ball_activation": list(labels.ball_inits(config.activations, config.sigmas)),
        "init": list(labels.inits(config.sigmas)),
        "layer": list(range(1, config.layers + 1)),
        "deep_layer": list(range(1, config.depth + 1)),
        "measure": list(labels.MEASURES),
        "kind": list(labels.KINDS),
        "ball_kind": list(labels.BALL_KINDS),
        "direction": list(labels.DIRECTIONS),
        "step": list(checkpoints(config.steps)),
    }
    arrays = Arrays()

    def put(name: str, values: Any, *axes: str) -> None:
        own = {axis: known[axis] for axis in axes if axis in known}
        arrays.put(name, Array(np.asarray(values), axes, own))

    networks = ("activation", "init")
    put("before_measured", found["before"]["measured"], "seed", *networks, "layer", "measure")
    put("before_sample", _pooled(found["before"]["sample"]), *networks, "layer", "kind", "value")
    forward, backward = np.moveaxis(found["deep"]["square"], -1, 0)
    squares = np.stack([forward, backward / backward[..., -1:]], axis=-1)
    put("deep_measured", squares, "seed", *networks, "deep_layer", "direction")
    each = [np.stack([p.activation_square, p.gradient_ratio], axis=-1) for p in deep.values()]
    expected = np.stack(each).reshape(squares.shape[1:])
    put("deep_predicted", expected, *networks, "deep_layer", "direction")
    if "learning" in found:
        learned, networks = found["learning"], ("trained_activation", "init")
        sample = _pooled(learned["sample"])
        put("after_measured", learned["measured"], "training_seed", *networks, "layer", "measure")
        put("after_sample", sample, *networks, "layer", "kind", "training_value")
        put("loss_curve", learned["loss"], "training_seed", *networks, "step")
        put("loss_steps", known["step"], "step")
        ball, network = found["ball"], "ball_activation"
        put("ball_sample", _pooled(ball["sample"]), network, "layer", "ball_kind", "value")
        put("ball_measured", ball["measured"], "seed", network, "layer", "measure")
    return arrays


def _pooled(samples: Numbers) -> Numbers:
    """Return the sampled values of all networks together: seeds first → values last."""
    moved = np.moveaxis(samples, 0, -2)
    return np.ascontiguousarray(moved.reshape(*moved.shape[:-2], -1))


def _means(
    measured: xr.DataArray, shares: tuple[float, float] = ANYWHERE
) -> Iterator[tuple[str, int, Fact]]:
    """Yield every fact of ``BY_LAYER`` with its layer: a mean over seeds, shares within limits."""
    for measure, name in BY_LAYER.items():
        limits = shares if name in SHARES else ANYWHERE
        for layer, values in enumerate(measured.sel(measure=measure).values.T, 1):
            yield name, layer, stats.mean(values, within=limits)


@np.errstate(divide="ignore", invalid="ignore")
def _ratios(facts: Facts, config: InitializationConfig, before: xr.DataArray) -> None:
    """Add ratios, and for each pair of initializations which ratio is closer to one."""
    for direction, measure in labels.DIRECTIONS.items():
        scale = before.sel(measure=measure)
        start, end = scale.sel(layer=1), scale.sel(layer=config.layers)
        ratio = end / start if direction == "activation" else start / end
        for network in labels.networks(config.activations, config.sigmas):
            mean = stats.geometric_mean(ratio.sel(network).values)
            facts.put("ratio", mean, direction=direction, **network)
        away = ratio.copy(data=np.abs(np.log10(ratio)))
        _compare(facts, "closer", config, away, direction=direction)


@np.errstate(divide="ignore", invalid="ignore")
def _medians(facts: Facts, config: InitializationConfig, samples: Numbers) -> None:
    """Add how the median size of gradients changes, where units saturate, from the sampled values."""
    sizes = np.median(np.abs(samples[..., labels.KINDS.index("gradient"), :]), axis=-1)
    ratios = sizes[..., 0] / sizes[..., -1]
    for a, activation in enumerate(config.activations):
        for i, init in enumerate(labels.inits(config.sigmas)):
            if activation in labels.SATURATING:
                mean = stats.geometric_mean(ratios[:, a, i])
                facts.put("median_ratio", mean, activation=activation, init=init)


@np.errstate(divide="ignore", invalid="ignore")
def _deep_ratios(facts: Facts, config: InitializationConfig, squares: xr.DataArray) -> None:
    """Add the ratios of the deep networks' ends, where a gradient's last layer is 1."""
    start, end = (squares.sel(deep_layer=layer) for layer in (1, config.depth))
    ratios = {"activation": end / start, "gradient": start}
    for direction, ratio in ratios.items():
        for network in labels.networks(config.activations, config.sigmas):
            values = ratio.sel(direction=direction, **network).values
            facts.put(
                "deep_ratio", stats.geometric_mean(np.sqrt(values)), direction=direction, **network
            )


def _learning(facts: Facts, config: InitializationConfig, curve: xr.DataArray) -> None:
    end = curve.isel(step=-1)
    for network in labels.networks(labels.trained(config.activations), config.sigmas):
        before, after = curve.isel(step=0).sel(network).values, end.sel(network).values
        limits = (0.0, labels.LARGEST_LOSS)
        facts.put("loss_before", stats.mean(before, within=limits), **network)
        facts.put("loss_after", stats.mean(after, within=limits), **network)
        diverged = int((after >= labels.LARGEST_LOSS).sum())
        facts.put("diverged", stats.proportion(diverged, len(after)), **network)
    _compare(facts, "difference", config, end, quantity="loss")


def _compare(
    facts: Facts, measure: str, config: InitializationConfig, values: xr.DataArray, **where: str
) -> None:
    """Add the paired difference of initializations that are compared, for each activation."""
    for activation in values["activation"].values.tolist():
        for first, second in labels.compared(config.sigmas):
            both = (values.sel(activation=activation, init=init).values for init in (first, second))
            pair = {"activation": activation, "first": first, "second": second}
            facts.put(measure, _difference(*both), **where, **pair)


def _difference(first: Floats, second: Floats) -> Fact:
    """Return the mean of first − second; without an interval where only rounding makes it vary."""
    fact, spread = stats.paired_difference(first, second), float(np.ptp(first - second))
    if spread <= ROUNDING * float(np.abs(first).max() + np.abs(second).max()):
        return Fact(fact.value, n=fact.n)
    return fact


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


def _expectations(
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
def _agreements(
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
