"""The facts of the study, from what was measured on every seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight import stats
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.meanfield import Prediction
from firstlight.record import Fact
from firstlight.studies.initialization.training import diverged, trained_activations
from firstlight.studies.initialization.measures import MEASURES
from firstlight.studies.initialization.networks import names
from firstlight.studies.initialization.theory import CHECKED, agreement
from firstlight.studies.initialization.experiments import Arrays, ball_pairs

Facts = dict[str, Fact]
Values = NDArray[np.float64]
Predictions = Mapping[tuple[str, str], Prediction]

BY_LAYER = {
    "activation_mean": "activation_mean",
    "activation_std": "activation_std",
    "activation_square": "mean_square",
    "z_std": "z_std",
    "gradient_std": "gradient_std",
    "saturated": "saturated",
}
"""Measure → the fact that it becomes in each layer."""


@dataclass(frozen=True)
class Measured:
    """The results of a run with the names of their axes.

    Args:
        config: the parameters.
        results: kind of work → arrays, seeds first.
    """

    config: InitializationConfig
    results: Mapping[str, Arrays]

    @property
    def inits(self) -> tuple[str, ...]:
        """Return the initializations in the order of the arrays."""
        return names(self.config.sigmas)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield every activation with every initialization."""
        for activation in self.config.activations:
            for init in self.inits:
                yield activation, init

    def before(self, activation: str, init: str, measure: str) -> Values:
        """Return a measure before training, shape (seeds, layers)."""
        i, j = self.config.activations.index(activation), self.inits.index(init)
        values = self.results["before"]["measured"][:, i, j, :, MEASURES.index(measure)]
        return np.asarray(values, dtype=np.float64)

    def deep(self, activation: str, init: str) -> Values:
        """Return mean squares in the deep networks, shape (seeds, layers, 2)."""
        i, j = self.config.activations.index(activation), self.inits.index(init)
        return np.asarray(self.results["deep"]["square"][:, i, j], dtype=np.float64)

    def loss(self, activation: str, init: str) -> Values:
        """Return the loss at every checkpoint, shape (seeds, checkpoints)."""
        i, j = trained_activations(self.config).index(activation), self.inits.index(init)
        return np.asarray(self.results["learning"]["loss"][:, i, j], dtype=np.float64)


def geometric_mean(values: Values) -> Fact:
    """Return exp of the mean logarithm, with the interval of that mean.

    Where a value is not a positive number, the plain median is returned without an interval.

    Args:
        values: shape (n,), ratios of independent networks.
    """
    if not bool(np.all(np.isfinite(values) & (values > 0))):
        return Fact(float(np.median(values)), n=len(values))
    fact = stats.mean(np.log(values))
    value, low, high = (
        None if v is None else float(np.exp(float(v))) for v in (fact.value, fact.low, fact.high)
    )
    return Fact(value, low, high, fact.n)


def ratio(found: Measured, kind: str, activation: str, init: str) -> Values:
    """Return each network's ratio, shape (seeds,).

    Args:
        found: the results.
        kind: ``activation``: standard deviation in the last layer over that in the first;
            ``gradient``: in the first over that in the last, the direction in which it runs.
        activation: the activation.
        init: the initialization.
    """
    values = found.before(activation, init, f"{kind}_std")
    first, last = values[:, 0], values[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(last / first if kind == "activation" else first / last)


def _layers(found: Measured) -> Facts:
    facts: Facts = {}
    for activation, init in found.pairs():
        for measure, name in BY_LAYER.items():
            limits = (0.0, 1.0) if name == "saturated" else (-np.inf, np.inf)
            for layer, values in enumerate(found.before(activation, init, measure).T, 1):
                fact = stats.mean(values, within=limits)
                facts[f"{name}.{activation}.{init}.{layer}"] = fact
    return facts


def _predictions(found: Measured, expected: Predictions) -> Facts:
    facts: Facts = {}
    for (activation, init), p in expected.items():
        end = f"{activation}.{init}"
        last = float(found.before(activation, init, "gradient_square")[:, -1].mean())
        for k in range(found.config.layers):
            facts[f"prediction.{end}.{k + 1}"] = Fact(float(p.activation_std[k]))
            facts[f"predicted_square.{end}.{k + 1}"] = Fact(float(p.activation_square[k]))
            facts[f"predicted_saturated.{end}.{k + 1}"] = Fact(float(p.saturated[k]))
            gradient = np.sqrt(last * p.gradient_ratio[k])
            facts[f"prediction_gradient.{end}.{k + 1}"] = Fact(float(gradient))
        std = p.activation_std
        facts[f"predicted_ratio.activation.{end}"] = Fact(float(std[-1] / std[0]))
        facts[f"predicted_ratio.gradient.{end}"] = Fact(float(p.gradient_std_ratio[0]))
    return facts


def _comparisons(found: Measured) -> Facts:
    """Return ratios, and for each pair of initializations which ratio is closer to one."""
    facts: Facts = {}
    for kind in ("activation", "gradient"):
        for activation in found.config.activations:
            ratios = {init: ratio(found, kind, activation, init) for init in found.inits}
            for init, values in ratios.items():
                facts[f"ratio.{kind}.{activation}.{init}"] = geometric_mean(values)
            with np.errstate(divide="ignore", invalid="ignore"):
                away = {init: np.abs(np.log10(values)) for init, values in ratios.items()}
            for first, second in compared(found.inits):
                difference = stats.paired_difference(away[first], away[second])
                facts[f"closer.{kind}.{activation}.{first}.{second}"] = difference
    return facts


def compared(inits: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the pairs that are compared: Xavier and He with each normal, He with Xavier.

    Example:
        >>> compared(("normal_1", "xavier", "he"))
        [('xavier', 'normal_1'), ('he', 'normal_1'), ('he', 'xavier')]
    """
    normals = inits[:-2]
    pairs = [(first, second) for first in inits[-2:] for second in normals]
    return [*pairs, ("he", "xavier")]


def _learning(found: Measured) -> Facts:
    facts: Facts = {}
    for activation in trained_activations(found.config):
        after = {init: found.loss(activation, init) for init in found.inits}
        for init, losses in after.items():
            end = f"{activation}.{init}"
            facts[f"loss_before.{end}"] = stats.mean(losses[:, 0])
            facts[f"loss_after.{end}"] = stats.mean(losses[:, -1])
            lost = diverged(losses[:, -1])
            facts[f"diverged.{end}"] = stats.proportion(int(lost.sum()), len(lost))
        for first, second in compared(found.inits):
            difference = stats.paired_difference(after[first][:, -1], after[second][:, -1])
            facts[f"difference.loss.{activation}.{first}.{second}"] = difference
    return facts


def _agreement(found: Measured, expected: Predictions, deep: Predictions) -> Facts:
    """Return how many measured means lie within their intervals of the prediction."""
    pairs = [pair for pair in found.pairs() if pair[0] in CHECKED]
    forward = {f"{a}.{i}": found.before(a, i, "activation_square") for a, i in pairs}
    backward = {f"{a}.{i}": _against_last(found.before(a, i, "gradient_square")) for a, i in pairs}
    far = {f"{a}.{i}": found.deep(a, i) for a, i in pairs}
    square = {f"{a}.{i}": expected[a, i].activation_square for a, i in pairs}
    back = {f"{a}.{i}": expected[a, i].gradient_ratio[:-1] for a, i in pairs}
    deep_square = {f"{a}.{i}": deep[a, i].activation_square for a, i in pairs}
    deep_back = {f"{a}.{i}": deep[a, i].gradient_ratio[:-1] for a, i in pairs}
    squares = {name: values[..., 0] for name, values in far.items()}
    gradients = {name: _against_last(values[..., 1]) for name, values in far.items()}
    return (
        agreement(forward, square).facts("agreement.activation")
        | agreement(backward, back).facts("agreement.gradient")
        | agreement(squares, deep_square).facts("agreement.deep_activation")
        | agreement(gradients, deep_back).facts("agreement.deep_gradient")
    )


def _against_last(squares: Values) -> Values:
    """Return the squares of all layers but the last, over that of the last."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(squares[:, :-1] / squares[:, -1:])


def _ball(found: Measured) -> Facts:
    facts: Facts = {}
    measured = found.results["ball"]["measured"]
    for k, (activation, init) in enumerate(ball_pairs(found.config)):
        for measure, name in BY_LAYER.items():
            for layer in range(found.config.layers):
                values = measured[:, k, layer, MEASURES.index(measure)]
                facts[f"ball.{name}.{activation}.{init}.{layer + 1}"] = stats.mean(values)
    return facts


def all_facts(found: Measured, expected: Predictions, deep: Predictions) -> Facts:
    """Return every fact of the study.

    Args:
        found: the results.
        expected: the prediction for each activation and initialization, hidden layers only.
        deep: likewise for the deep networks.
    """
    facts = _layers(found) | _predictions(found, expected) | _comparisons(found)
    if "learning" in found.results:
        facts |= _learning(found) | _ball(found)
    return facts | _agreement(found, expected, deep)
