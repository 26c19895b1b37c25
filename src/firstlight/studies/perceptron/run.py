"""Problem 1: the perceptron criterion against the hinge loss on 20 points of the unit square."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from firstlight import stats
from firstlight.context import Context, Work
from firstlight.margin.lanes import Trained, train
from firstlight.record import Array, Arrays, Fact, Facts, Label
from firstlight.record.provenance import cores
from firstlight.seeds import generator
from firstlight.studies.perceptron.areas import (
    accuracy_on,
    between,
    disagreements,
    exact_accuracy,
    off_center,
    pair_mean,
)
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, STATISTICS
from firstlight.studies.study import Results, checkpoints
from firstlight.types import Floats, Numbers

EARLY_EPOCHS = 100
"""Epochs of the hinge loss stopped early."""
EARLY_RATE = 0.01
"""Its learning rate, as a share of the study's own."""
ARMS = (*CRITERIA, "hinge_slow")
"""Ways of training: the criteria, then the hinge loss at a small rate, which is slow to converge."""


@dataclass(frozen=True)
class _Sets:
    """What became of R training sets.

    Args:
        fits: arm → its classifiers.
        places: how far each criterion's lines lie from the middles of their gaps, (criteria, R).
        moved: area between the lines of a set's points in their order and in reverse, (criteria, R).
        single: which sets have one class only, (R,).
    """

    fits: dict[str, Trained]
    places: Floats
    moved: Floats
    single: Numbers


def draw(rng: np.random.Generator, *shape: int) -> tuple[Floats, Numbers]:
    """Return uniform points of the unit square, shape (*shape, 2), and labels 1 where x1 > x2."""
    X = rng.random((*shape, 2))
    return X, np.where(X[..., 0] > X[..., 1], 1, -1)


def _chunks(config: PerceptronConfig) -> Iterator[int]:
    """Yield how many sets to draw at a time, so that memory stays bounded and progress shows."""
    size = max(64, min(5_000, 2_000_000 // config.train_points))
    for first in range(0, config.repeats, size):
        yield min(size, config.repeats - first)


def _train(
    config: PerceptronConfig, X: Floats, y: Numbers, arm: str, marks: Sequence[int] = ()
) -> Trained:
    a = 0.0 if arm == "perceptron" else 1.0  # in max{0, a − y(w·x)}: all that differs
    rate = config.learning_rate * (EARLY_RATE if arm == "hinge_slow" else 1.0)
    limit = config.max_epochs
    return train(X, y, margin=a, learning_rate=rate, max_epochs=limit, checkpoints=marks)


def _train_all(config: PerceptronConfig, context: Context) -> _Sets:
    """Train every arm on the same sets, and both criteria on their points in reverse order too."""
    rng, marks = generator(config.seed, "perceptron", "sets"), checkpoints(config.max_epochs)
    parts: list[dict[str, Trained]] = []
    places, moved, single, done = [], [], [], 0
    for count in _chunks(config):
        X, y = draw(rng, count, config.train_points)
        fits = {arm: _train(config, X, y, arm, marks) for arm in ARMS}
        back = {name: _train(config, X[:, ::-1], y[:, ::-1], name) for name in CRITERIA}
        parts.append(fits)
        places.append([off_center(fits[name].weights, X, y) for name in CRITERIA])
        moved.append([between(fits[name].weights, back[name].weights) for name in CRITERIA])
        single.append((y == y[:, :1]).all(axis=1))
        done += count
        context.progress("training sets", done, config.repeats)
    fields = [field.name for field in dataclasses.fields(Trained)]
    whole = {
        arm: Trained(*(np.concatenate([getattr(part[arm], f) for part in parts]) for f in fields))
        for arm in ARMS
    }
    where, apart = (np.concatenate(values, axis=1) for values in (places, moved))
    return _Sets(whole, where, apart, np.concatenate(single))


def _first(config: PerceptronConfig, facts: Facts, arrays: Arrays) -> Floats:
    """Answer for one draw of training points, the assignment's own experiment; return test points."""
    X, y = draw(generator(config.seed, "perceptron", "first"), config.train_points)
    T, truth = draw(generator(config.seed, "perceptron", "test"), config.test_points)
    fits = [_train(config, X[None], y[None], criterion) for criterion in CRITERIA]
    areas = [float(exact_accuracy(fit.weights)[0]) for fit in fits]
    for criterion, fit, area in zip(CRITERIA, fits, areas, strict=True):
        right = (np.where(T @ fit.weights[0] > 0, 1, -1) == truth).sum()
        found = {
            "accuracy": stats.proportion(int(right), len(T)),
            "area": Fact(area),
            "epochs": Fact(int(fit.epochs[0])),
            "converged": Fact(bool(fit.converged[0])),
        }
        for quantity, fact in found.items():
            facts.put("first", fact, quantity=quantity, criterion=criterion)
    facts.put("first", Fact(areas[1] - areas[0]), quantity="area", criterion=DIFFERENCE)
    arrays.put("first_points", Array(X, ("point", "coordinate")))
    arrays.put("first_labels", Array(y, ("point",)))
    arrays.put("first_weights", _by_criterion([fit.weights[0] for fit in fits], "coordinate"))
    arrays.put("test_points", Array(T, ("test_point", "coordinate")))
    return T


def _by_criterion(values: Any, *axes: str) -> Array:
    return Array(np.array(values), ("criterion", *axes), {"criterion": list(CRITERIA)})


def _pair(facts: Facts, measure: str, perceptron: Any, hinge: Any, **where: str) -> None:
    """Add a mean for each criterion and the paired difference, hinge − perceptron."""
    facts.put(measure, stats.mean(perceptron), **where, criterion="perceptron")
    facts.put(measure, stats.mean(hinge), **where, criterion="hinge")
    facts.put(measure, stats.paired_difference(hinge, perceptron), **where, criterion=DIFFERENCE)


def _disagreement(
    facts: Facts, measure: str, both: Sequence[Floats], T: Floats | None = None, **where: str
) -> None:
    """Add the disagreement among training sets, and its difference, hinge − perceptron."""
    p, h = (disagreements(weights, T) for weights in both)
    for name, values in (("perceptron", p), ("hinge", h), (DIFFERENCE, h - p)):
        facts.put(measure, pair_mean(values), **where, criterion=name)


def _over_sets(
    config: PerceptronConfig, sets: _Sets, T: Floats, facts: Facts, arrays: Arrays
) -> None:
    """Answer over many training sets, where every criterion has run to its end."""
    fits = [sets.fits[name] for name in CRITERIA]
    W = [fit.weights for fit in fits]
    exact = [exact_accuracy(w) for w in W]
    _pair(facts, "accuracy", *exact)
    both = fits[0].converged & fits[1].converged
    if both.any():
        _pair(facts, "accuracy_converged", *(values[both] for values in exact))
    _pair(facts, "test_accuracy", *(accuracy_on(w, T) for w in W))
    _disagreement(facts, "disagreement", W)
    _disagreement(facts, "test_disagreement", W, T)
    _pair(facts, "reordered", *sets.moved)
    separated = np.isfinite(sets.places).all(axis=0)
    if separated.any():
        _pair(facts, "offcentre", *sets.places[:, separated])
    for name, fit in zip(CRITERIA, fits, strict=True):
        share = stats.proportion(int(fit.converged.sum()), config.repeats)
        facts.put("converged", share, criterion=name)
        facts.put("epochs", stats.quantile(fit.epochs, 0.5), criterion=name)
    arrays.put("accuracy", _by_criterion(exact, "set"))
    arrays.put("offcentre", _by_criterion(sets.places, "set"))
    arrays.put("epochs", _by_criterion([fit.epochs for fit in fits], "set"))
    arrays.put("converged", _by_criterion([fit.converged for fit in fits], "set"))


def _early(
    config: PerceptronConfig, fits: Mapping[str, Trained], facts: Facts, arrays: Arrays
) -> None:
    """Answer for the hinge loss at a small rate, stopped early, and trace all arms by epoch."""
    marks = checkpoints(config.max_epochs)
    stop = max(i for i, epoch in enumerate(marks) if epoch <= EARLY_EPOCHS)
    p, h = (fits[name].checkpoints[:, stop] for name in ("perceptron", "hinge_slow"))
    facts.put("early", Fact(marks[stop]), quantity="epochs")
    facts.put("early", Fact(EARLY_RATE * config.learning_rate), quantity="learning_rate")
    accuracy = exact_accuracy(p), exact_accuracy(h)
    for name, values in zip(CRITERIA, accuracy, strict=True):
        facts.put("early", stats.mean(values), quantity="accuracy", criterion=name)
    facts.put("early", stats.paired_difference(*accuracy[::-1]), quantity=DIFFERENCE)
    _disagreement(facts, "early", (p, h), quantity="disagreement")
    labels: dict[str, Sequence[Label]] = {"arm": [*ARMS], "epoch": marks, "statistic": STATISTICS}
    arrays.put("curve_epochs", Array(np.array(marks), ("epoch",)))
    curves: dict[str, Callable[[Floats], Fact]] = {
        "curve_accuracy": lambda weights: stats.mean(exact_accuracy(weights)),
        "curve_disagreement": lambda weights: pair_mean(disagreements(weights)),
    }
    for curve, estimate in curves.items():
        found = [[estimate(fits[arm].checkpoints[:, i]) for i in range(len(marks))] for arm in ARMS]
        # A missing interval becomes NaN.
        values = np.array([[[f.value, f.low, f.high] for f in row] for row in found], np.float64)
        arrays.put(curve, Array(values, tuple(labels), labels))


def run(config: PerceptronConfig, context: Context) -> Results:
    """Train both criteria on one training set and on many.

    Differences are hinge − perceptron on the same sets. Accuracies and disagreements are exact
    areas of the unit square, except ``test_accuracy``, the first set's ``accuracy``, which
    count the test points, and ``test_disagreement``; their intervals are over training sets with the
    test points held fixed. ``accuracy_converged`` leaves out the sets on which a criterion did not
    converge. ``reordered`` is the area between the lines of the same points in their order and in
    reverse. A classifier with w·x = 0 chooses the negative class. A set that has not
    converged after ``max_epochs`` counts with the weights that it has.

    Args:
        config: the parameters.
        context: only its progress is used.
    """
    facts, arrays, started = Facts(), Arrays(), perf_counter()
    test_points = _first(config, facts, arrays)
    sets = _train_all(config, context)
    seconds = round(perf_counter() - started, 3)
    context.done.append(Work("training sets", config.repeats, seconds, cores(), "threads"))
    _over_sets(config, sets, test_points, facts, arrays)
    _early(config, sets.fits, facts, arrays)
    facts.put("one_class", stats.proportion(int(sets.single.sum()), sets.single.size))
    return Results(facts, arrays)
