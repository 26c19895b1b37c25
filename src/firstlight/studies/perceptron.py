"""Problem 1: the perceptron criterion against the hinge loss on 20 points of the unit square."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import provenance, stats
from firstlight.configs import PerceptronConfig
from firstlight.context import Context
from firstlight.margin_kernel import Trained, train
from firstlight.record import Array, Fact, Record
from firstlight.seeds import generator
from firstlight.studies import perceptron_areas as areas
from firstlight.studies.perceptron_answers import verdicts

EARLY_EPOCHS = 100
"""Epochs of the hinge loss stopped early."""
EARLY_RATE = 0.01
"""Its learning rate, as a share of the study's own."""

Facts = dict[str, Fact]


@dataclass(frozen=True)
class Arm:
    """One way of training: name, margin, learning rate."""

    name: str
    margin: float
    rate: float


def arms(config: PerceptronConfig) -> tuple[Arm, ...]:
    """Return the two criteria, then the hinge loss at a small rate, which is slow to converge."""
    rate = config.learning_rate
    slow = Arm("hinge_slow", 1.0, EARLY_RATE * rate)
    return Arm("perceptron", 0.0, rate), Arm("hinge", 1.0, rate), slow


def checkpoints(max_epochs: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, … up to and with ``max_epochs``.

    Example:
        >>> checkpoints(12)
        [1, 2, 5, 10, 12]
    """
    series = (m * 10**e for e in range(8) for m in (1, 2, 5))
    return sorted({epoch for epoch in series if epoch <= max_epochs} | {max_epochs})


def draw(rng: np.random.Generator, *shape: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return uniform points of the unit square, shape (*shape, 2), and labels 1 where x1 > x2."""
    X = rng.random((*shape, 2))
    return X, np.where(X[..., 0] > X[..., 1], 1, -1)


def _chunks(config: PerceptronConfig) -> Iterator[int]:
    """Yield how many sets to draw at a time, so that memory stays bounded and progress shows."""
    size = max(64, min(5_000, 2_000_000 // config.train_points))
    for first in range(0, config.repeats, size):
        yield min(size, config.repeats - first)


def _join(parts: list[Trained]) -> Trained:
    fields = ("weights", "epochs", "converged", "checkpoints")
    return Trained(*(np.concatenate([getattr(part, f) for part in parts]) for f in fields))


def _train_all(
    config: PerceptronConfig, context: Context
) -> tuple[dict[str, Trained], dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Train every arm on the same sets; return them, the lines' places in their gaps, one-class."""
    rng, marks = generator(config.seed, "perceptron", "sets"), checkpoints(config.max_epochs)
    parts: dict[str, list[Trained]] = {arm.name: [] for arm in arms(config)}
    places: dict[str, list[NDArray[np.float64]]] = {arm.name: [] for arm in arms(config)}
    single, done = [], 0
    for count in _chunks(config):
        X, y = draw(rng, count, config.train_points)
        single.append((y == y[:, :1]).all(axis=1))
        for arm in arms(config):
            part = train(
                X, y, margin=arm.margin, learning_rate=arm.rate,
                max_epochs=config.max_epochs, checkpoints=marks,
            )  # fmt: skip
            parts[arm.name].append(part)
            places[arm.name].append(areas.off_centre(part.weights, X, y))
        done += count
        context.progress("training sets", done, config.repeats)
    joined = {name: np.concatenate(place) for name, place in places.items()}
    return {name: _join(part) for name, part in parts.items()}, joined, np.concatenate(single)


def _first(config: PerceptronConfig) -> tuple[Facts, dict[str, Array]]:
    """Answer for one draw of training points, the assignment's own experiment."""
    X, y = draw(generator(config.seed, "perceptron", "first"), config.train_points)
    T, truth = draw(generator(config.seed, "perceptron", "test"), config.test_points)
    facts: Facts = {}
    weights, right = [], []
    for arm in arms(config)[:2]:
        fit = train(
            X[None], y[None], margin=arm.margin, learning_rate=arm.rate,
            max_epochs=config.max_epochs,
        )  # fmt: skip
        right.append(np.where(T @ fit.weights[0] > 0, 1, -1) == truth)
        facts[f"first.accuracy.{arm.name}"] = stats.proportion(int(right[-1].sum()), len(T))
        facts[f"first.area.{arm.name}"] = Fact(float(areas.accuracy(fit.weights)[0]))
        facts[f"first.epochs.{arm.name}"] = Fact(int(fit.epochs[0]))
        facts[f"first.converged.{arm.name}"] = Fact(bool(fit.converged[0]))
        weights.append(fit.weights[0])
    only = [int((right[i] & ~right[1 - i]).sum()) for i in (0, 1)]
    facts["first.only_right.perceptron"], facts["first.only_right.hinge"] = map(Fact, only)
    facts["first.mcnemar"] = Fact(stats.mcnemar(*only), n=len(T))
    arrays = {
        "first.points": Array(X, ("point", "coordinate")),
        "first.labels": Array(y, ("point",)),
        "first.weights": Array(np.array(weights), ("criterion", "coordinate")),
        "test.points": Array(T, ("test_point", "coordinate")),
    }
    return facts, arrays


def _pair(facts: Facts, name: str, perceptron: Any, hinge: Any) -> None:
    """Add a mean for each criterion and the paired difference, hinge − perceptron."""
    facts[f"{name}.perceptron"] = stats.mean(perceptron)
    facts[f"{name}.hinge"] = stats.mean(hinge)
    facts[f"{name}.difference"] = stats.paired_difference(hinge, perceptron)


def _pairs(facts: Facts, name: str, perceptron: Any, hinge: Any) -> None:
    """Add the disagreement among training sets, and its difference, hinge − perceptron."""
    p, h = areas.disagreements(perceptron), areas.disagreements(hinge)
    facts[f"{name}.perceptron"], facts[f"{name}.hinge"] = areas.pair_mean(p), areas.pair_mean(h)
    facts[f"{name}.difference"] = areas.pair_mean(h - p)


def _over_sets(
    config: PerceptronConfig, fits: Mapping[str, Trained], test_points: Any
) -> tuple[Facts, dict[str, Array]]:
    """Answer over many training sets, where every criterion has run to its end."""
    names = [arm.name for arm in arms(config)[:2]]
    W = [fits[name].weights for name in names]
    exact = [areas.accuracy(w) for w in W]
    facts: Facts = {}
    _pair(facts, "accuracy", *exact)
    _pair(facts, "test_accuracy", *(areas.accuracy_on(w, test_points) for w in W))
    _pairs(facts, "disagreement", *W)
    for name in names:
        fit = fits[name]
        facts[f"converged.{name}"] = stats.proportion(int(fit.converged.sum()), config.repeats)
        facts[f"epochs.{name}"] = stats.quantile(fit.epochs, 0.5)
    return facts, {
        "accuracy": Array(np.array(exact), ("criterion", "set")),
        "epochs": Array(np.array([fits[n].epochs for n in names]), ("criterion", "set")),
        "converged": Array(np.array([fits[n].converged for n in names]), ("criterion", "set")),
    }


def _early(config: PerceptronConfig, fits: Mapping[str, Trained]) -> tuple[Facts, dict[str, Array]]:
    """Answer for the hinge loss at a small rate, stopped early, and trace all arms by epoch."""
    marks = checkpoints(config.max_epochs)
    stop = max(i for i, epoch in enumerate(marks) if epoch <= EARLY_EPOCHS)
    p, h = (fits[name].checkpoints[:, stop] for name in ("perceptron", "hinge_slow"))
    facts = {
        "early.epochs": Fact(marks[stop]),
        "early.learning_rate": Fact(EARLY_RATE * config.learning_rate),
    }
    _pair(facts, "early.accuracy", areas.accuracy(p), areas.accuracy(h))
    facts["early.difference"] = facts.pop("early.accuracy.difference")
    _pairs(facts, "early.disagreement", p, h)
    arrays = {"curve.epochs": Array(np.array(marks), ("epoch",))}
    W = np.array([fits[arm.name].checkpoints for arm in arms(config)])
    axes = ("criterion", "epoch", "value_low_high")
    arrays["curve.accuracy"] = Array(_curve(W, _mean_accuracy), axes)
    arrays["curve.disagreement"] = Array(_curve(W, _mean_disagreement), axes)
    return facts, arrays


def _mean_accuracy(weights: Any) -> Fact:
    return stats.mean(areas.accuracy(weights))


def _mean_disagreement(weights: Any) -> Fact:
    return areas.pair_mean(areas.disagreements(weights))


def _curve(weights: Any, estimate: Callable[[Any], Fact]) -> NDArray[np.float64]:
    """Return value, low and high at each checkpoint; a missing interval becomes NaN.

    Args:
        weights: shape (criteria, R, checkpoints, 2).
        estimate: weights of shape (R, 2) → Fact.
    """
    found = [[estimate(arm[:, i]) for i in range(arm.shape[1])] for arm in weights]
    return np.array([[[f.value, f.low, f.high] for f in row] for row in found], np.float64)


def _places(places: Mapping[str, NDArray[np.float64]], single: NDArray[np.bool_]) -> Facts:
    """Say where in its gap each criterion puts its line, on the sets that both separate."""
    p, h = places["perceptron"], places["hinge"]
    both = np.isfinite(p) & np.isfinite(h)
    facts: Facts = {"one_class": stats.proportion(int(single.sum()), single.size)}
    if both.any():
        _pair(facts, "offcentre", p[both], h[both])
    return facts


def run(config: PerceptronConfig, context: Context) -> Record:
    """Train both criteria on one training set and on many, and answer questions 1.1 to 1.4.

    Differences are hinge − perceptron on the same sets. Accuracies and disagreements are exact
    areas of the unit square, except those named ``test_accuracy`` and ``first.accuracy``, which
    count the test points; the interval of ``test_accuracy`` is over training sets with the test
    points held fixed. A classifier with w·x = 0 chooses the negative class. A set that has not
    converged after ``max_epochs`` counts with the weights that it has.

    Args:
        config: the parameters.
        context: only its progress is used.

    Example:
        >>> record = run(PerceptronConfig(repeats=50), Context())
        >>> record.facts["converged.perceptron"].n
        50
    """
    started = perf_counter()
    facts, arrays = _first(config)
    fits, places, single = _train_all(config, context)
    for more, drawn in (
        _over_sets(config, fits, arrays["test.points"].values),
        _early(config, fits),
    ):
        facts.update(more)
        arrays.update(drawn)
    facts.update(_places(places, single))
    return Record(
        study=config.study,
        config=config.as_dict(),
        facts=facts,
        verdicts=verdicts(facts, config),
        arrays=arrays,
        provenance=provenance.collect(seed=config.seed, started=started),
    )
