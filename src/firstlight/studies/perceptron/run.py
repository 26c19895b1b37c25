"""Problem 1: the perceptron criterion against the hinge loss on 20 points of the unit square."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from firstlight import stats
from firstlight.context import Context, Work
from firstlight.margin.lanes import Trained, train
from firstlight.record import Array, Arrays, Fact, Facts, Label
from firstlight.record.provenance import cores
from firstlight.seeds import generator
from firstlight.studies.perceptron import areas
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, STATISTICS
from firstlight.studies.study import Results, checkpoints
from firstlight.types import Floats, Numbers

EARLY_EPOCHS = 100
"""Epochs of the hinge loss stopped early."""
EARLY_RATE = 0.01
"""Its learning rate, as a share of the study's own."""
ARMS = {"perceptron": (0.0, 1.0), "hinge": (1.0, 1.0), "hinge_slow": (1.0, EARLY_RATE)}
"""Way of training → its margin, and its learning rate as a share of the study's own: the criteria,
then the hinge loss at a small rate, which is slow to converge."""


def draw(rng: np.random.Generator, *shape: int) -> tuple[Floats, Numbers]:
    """Return uniform points of the unit square, shape (*shape, 2), and labels 1 where x1 > x2."""
    X = rng.random((*shape, 2))
    return X, np.where(X[..., 0] > X[..., 1], 1, -1)


def _chunks(config: PerceptronConfig) -> Iterator[int]:
    """Yield how many sets to draw at a time, so that memory stays bounded and progress shows."""
    size = max(64, min(5_000, 2_000_000 // config.train_points))
    for first in range(0, config.repeats, size):
        yield min(size, config.repeats - first)


def _train(config: PerceptronConfig, X: Floats, y: Numbers, arm: str, marks: list[int]) -> Trained:
    margin, share = ARMS[arm]
    rate, limit = share * config.learning_rate, config.max_epochs
    return train(X, y, margin=margin, learning_rate=rate, max_epochs=limit, checkpoints=marks)


def _train_all(
    config: PerceptronConfig, context: Context
) -> tuple[dict[str, Trained], Floats, Numbers]:
    """Train every arm on the same sets.

    Beside the classifiers of each arm, return how far each criterion's lines lie from the middles of
    their gaps, shape (criteria, sets), and which sets have one class only, shape (sets,).
    """
    rng, marks = generator(config.seed, "perceptron", "sets"), checkpoints(config.max_epochs)
    parts: list[dict[str, Trained]] = []
    places, single, done = [], [], 0
    for count in _chunks(config):
        X, y = draw(rng, count, config.train_points)
        parts.append({arm: _train(config, X, y, arm, marks) for arm in ARMS})
        places.append([areas.off_center(parts[-1][name].weights, X, y) for name in CRITERIA])
        single.append((y == y[:, :1]).all(axis=1))
        done += count
        context.progress("training sets", done, config.repeats)
    fields = [field.name for field in dataclasses.fields(Trained)]
    fits = {
        arm: Trained(*(np.concatenate([getattr(part[arm], f) for part in parts]) for f in fields))
        for arm in ARMS
    }
    return fits, np.concatenate(places, axis=1), np.concatenate(single)


def _first(config: PerceptronConfig, facts: Facts, arrays: Arrays) -> Floats:
    """Answer for one draw of training points, the assignment's own experiment; return test points."""
    X, y = draw(generator(config.seed, "perceptron", "first"), config.train_points)
    T, truth = draw(generator(config.seed, "perceptron", "test"), config.test_points)
    weights, right = [], []
    for criterion in CRITERIA:
        fit = _train(config, X[None], y[None], criterion, [])
        right.append(np.where(T @ fit.weights[0] > 0, 1, -1) == truth)
        found = {
            "accuracy": stats.proportion(int(right[-1].sum()), len(T)),
            "area": Fact(float(areas.accuracy(fit.weights)[0])),
            "epochs": Fact(int(fit.epochs[0])),
            "converged": Fact(bool(fit.converged[0])),
        }
        for quantity, fact in found.items():
            facts.put("first", fact, quantity=quantity, criterion=criterion)
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
    config: PerceptronConfig, fits: Mapping[str, Trained], T: Floats, facts: Facts, arrays: Arrays
) -> None:
    """Answer over many training sets, where every criterion has run to its end."""
    W = [fits[name].weights for name in CRITERIA]
    exact = [areas.accuracy(w) for w in W]
    _pair(facts, "accuracy", *exact)
    _pair(facts, "test_accuracy", *(areas.accuracy_on(w, T) for w in W))
    _disagreement(facts, "disagreement", *W)
    for name in CRITERIA:
        share = stats.proportion(int(fits[name].converged.sum()), config.repeats)
        facts.put("converged", share, criterion=name)
        facts.put("epochs", stats.quantile(fits[name].epochs, 0.5), criterion=name)
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
    labels: dict[str, Sequence[Label]] = {"arm": [*ARMS], "epoch": marks, "statistic": STATISTICS}
    arrays.put("curve_epochs", Array(np.array(marks), ("epoch",)))
    curves: dict[str, Callable[[Floats], Fact]] = {
        "curve_accuracy": lambda weights: stats.mean(areas.accuracy(weights)),
        "curve_disagreement": lambda weights: areas.pair_mean(areas.disagreements(weights)),
    }
    for curve, estimate in curves.items():
        found = [[estimate(fits[arm].checkpoints[:, i]) for i in range(len(marks))] for arm in ARMS]
        # A missing interval becomes NaN.
        values = np.array([[[f.value, f.low, f.high] for f in row] for row in found], np.float64)
        arrays.put(curve, Array(values, tuple(labels), labels))


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
    facts.put("one_class", stats.proportion(int(single.sum()), single.size))
    both = np.isfinite(places).all(axis=0)
    if both.any():
        _pair(facts, "offcentre", *places[:, both])
    return Results(facts, arrays)
