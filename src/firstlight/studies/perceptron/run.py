"""Problem 1: the perceptron criterion against the hinge loss on 20 points of the unit square."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import stats
from firstlight.context import Context, Work
from firstlight.margin.lanes import Trained, train
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.record.provenance import cores
from firstlight.seeds import generator
from firstlight.studies.perceptron import areas
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, STATISTICS
from firstlight.studies.study import Results

EARLY_EPOCHS = 100
"""Epochs of the hinge loss stopped early."""
EARLY_RATE = 0.01
"""Its learning rate, as a share of the study's own."""


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


def _first(config: PerceptronConfig, facts: Facts, arrays: Arrays) -> NDArray[np.float64]:
    """Answer for one draw of training points, the assignment's own experiment.

    Returns:
        The test points, shape (test_points, 2).
    """
    X, y = draw(generator(config.seed, "perceptron", "first"), config.train_points)
    T, truth = draw(generator(config.seed, "perceptron", "test"), config.test_points)
    weights, right = [], []
    for arm in arms(config)[:2]:
        fit = train(
            X[None], y[None], margin=arm.margin, learning_rate=arm.rate,
            max_epochs=config.max_epochs,
        )  # fmt: skip
        right.append(np.where(T @ fit.weights[0] > 0, 1, -1) == truth)
        found = {
            "accuracy": stats.proportion(int(right[-1].sum()), len(T)),
            "area": Fact(float(areas.accuracy(fit.weights)[0])),
            "epochs": Fact(int(fit.epochs[0])),
            "converged": Fact(bool(fit.converged[0])),
        }
        for quantity, fact in found.items():
            facts.put("first", fact, quantity=quantity, criterion=arm.name)
        weights.append(fit.weights[0])
    only = [int((right[i] & ~right[1 - i]).sum()) for i in (0, 1)]
    for name, count in zip(CRITERIA, only, strict=True):
        facts.put("first", Fact(count), quantity="only_right", criterion=name)
    facts.put("first", Fact(stats.mcnemar(*only), n=len(T)), quantity="mcnemar")
    arrays.put("first_points", Array(X, ("point", "coordinate")))
    arrays.put("first_labels", Array(y, ("point",)))
    arrays.put("first_weights", _by_criterion(weights, "coordinate"))
    arrays.put("test_points", Array(T, ("test_point", "coordinate")))
    return T


def _by_criterion(values: Any, *axes: str) -> Array:
    return Array(np.array(values), ("criterion", *axes), {"criterion": list(CRITERIA)})


def _pair(facts: Facts, measure: str, perceptron: Any, hinge: Any, **where: str) -> None:
    """Add a mean for each criterion and the paired difference, hinge − perceptron."""
    facts.put(measure, stats.mean(perceptron), **where, criterion="perceptron")
    facts.put(measure, stats.mean(hinge), **where, criterion="hinge")
    facts.put(measure, stats.paired_difference(hinge, perceptron), **where, criterion=DIFFERENCE)


def _disagreement(facts: Facts, measure: str, perceptron: Any, hinge: Any, **where: str) -> None:
    """Add the disagreement among training sets, and its difference, hinge − perceptron."""
    p, h = areas.disagreements(perceptron), areas.disagreements(hinge)
    for name, values in (("perceptron", p), ("hinge", h), (DIFFERENCE, h - p)):
        facts.put(measure, areas.pair_mean(values), **where, criterion=name)


def _over_sets(
    config: PerceptronConfig, fits: Mapping[str, Trained], T: Any, facts: Facts, arrays: Arrays
) -> None:
    """Answer over many training sets, where every criterion has run to its end."""
    W = [fits[name].weights for name in CRITERIA]
    exact = [areas.accuracy(w) for w in W]
    _pair(facts, "accuracy", *exact)
    _pair(facts, "test_accuracy", *(areas.accuracy_on(w, T) for w in W))
    _disagreement(facts, "disagreement", *W)
    for name in CRITERIA:
        fit = fits[name]
        share = stats.proportion(int(fit.converged.sum()), config.repeats)
        facts.put("converged", share, criterion=name)
        facts.put("epochs", stats.quantile(fit.epochs, 0.5), criterion=name)
    arrays.put("accuracy", _by_criterion(exact, "set"))
    arrays.put("epochs", _by_criterion([fits[name].epochs for name in CRITERIA], "set"))
    arrays.put("converged", _by_criterion([fits[name].converged for name in CRITERIA], "set"))


def _early(
    config: PerceptronConfig, fits: Mapping[str, Trained], facts: Facts, arrays: Arrays
) -> None:
    """Answer for the hinge loss at a small rate, stopped early, and trace all arms by epoch."""
    marks = checkpoints(config.max_epochs)
    stop = max(i for i, epoch in enumerate(marks) if epoch <= EARLY_EPOCHS)
    p, h = (fits[name].checkpoints[:, stop] for name in ("perceptron", "hinge_slow"))
    facts.put("early", Fact(marks[stop]), quantity="epochs")
    facts.put("early", Fact(EARLY_RATE * config.learning_rate), quantity="learning_rate")
    accuracy = areas.accuracy(p), areas.accuracy(h)
    for name, values in zip(CRITERIA, accuracy, strict=True):
        facts.put("early", stats.mean(values), quantity="accuracy", criterion=name)
    facts.put("early", stats.paired_difference(*accuracy[::-1]), quantity=DIFFERENCE)
    _disagreement(facts, "early", p, h, quantity="disagreement")
    W = np.array([fits[arm.name].checkpoints for arm in arms(config)])
    labels = {"arm": [arm.name for arm in arms(config)], "epoch": marks, "statistic": STATISTICS}
    arrays.put("curve_epochs", Array(np.array(marks), ("epoch",)))
    for name, estimate in (("accuracy", _mean_accuracy), ("disagreement", _mean_disagreement)):
        arrays.put(f"curve_{name}", Array(_curve(W, estimate), tuple(labels), labels))


def _mean_accuracy(weights: Any) -> Fact:
    return stats.mean(areas.accuracy(weights))


def _mean_disagreement(weights: Any) -> Fact:
    return areas.pair_mean(areas.disagreements(weights))


def _curve(weights: Any, estimate: Callable[[Any], Fact]) -> NDArray[np.float64]:
    """Return value, low and high at each checkpoint; a missing interval becomes NaN.

    Args:
        weights: shape (arms, R, checkpoints, 2).
        estimate: weights of shape (R, 2) → Fact.
    """
    found = [[estimate(arm[:, i]) for i in range(arm.shape[1])] for arm in weights]
    return np.array([[[f.value, f.low, f.high] for f in row] for row in found], np.float64)


def _places(
    facts: Facts, places: Mapping[str, NDArray[np.float64]], single: NDArray[np.bool_]
) -> None:
    """Say where in its gap each criterion puts its line, on the sets that both separate."""
    p, h = places["perceptron"], places["hinge"]
    both = np.isfinite(p) & np.isfinite(h)
    facts.put("one_class", stats.proportion(int(single.sum()), single.size))
    if both.any():
        _pair(facts, "offcentre", p[both], h[both])


def run(config: PerceptronConfig, context: Context) -> Results:
    """Train both criteria on one training set and on many.

    Differences are hinge − perceptron on the same sets. Accuracies and disagreements are exact
    areas of the unit square, except ``test_accuracy`` and the first set's ``accuracy``, which
    count the test points; the interval of ``test_accuracy`` is over training sets with the test
    points held fixed. A classifier with w·x = 0 chooses the negative class. A set that has not
    converged after ``max_epochs`` counts with the weights that it has.

    Args:
        config: the parameters.
        context: only its progress is used.
    """
    facts, arrays, started = Facts(), Arrays(), perf_counter()
    test_points = _first(config, facts, arrays)
    fits, places, single = _train_all(config, context)
    seconds = round(perf_counter() - started, 3)
    context.done.append(Work("training sets", config.repeats, seconds, cores(), "threads"))
    _over_sets(config, fits, test_points, facts, arrays)
    _early(config, fits, facts, arrays)
    _places(facts, places, single)
    return Results(facts, arrays)
