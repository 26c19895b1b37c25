"""Problem 1: the perceptron criterion against the hinge loss on 20 points of the unit square.

All areas are exact. Without a bias, a point matters only through the ray from the origin on which it
lies. Let u be the share of the square below that ray. For a uniform point u is uniform on [0, 1], the
true class is positive where u < 1/2, and a classifier is a threshold on u: every area is a length.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as scipy_stats

from firstlight import stats
from firstlight.context import Context, Work
from firstlight.margin.lanes import Trained, train
from firstlight.record import Array, Arrays, Fact, Facts, Label
from firstlight.record.provenance import cores
from firstlight.seeds import generator
from firstlight.stats import CONFIDENCE
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, STATISTICS
from firstlight.studies.study import Results, checkpoints
from firstlight.types import Floats, Numbers


def _two_columns(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim < 1 or array.shape[-1] != 2:
        raise ValueError(f"{name}: expected shape (..., 2), got {array.shape}")
    return array


def share_below(points: ArrayLike) -> Floats:
    """Return the share u of the unit square that lies below the ray through each point.

    u = t/2 for t = x2/x1 <= 1, else 1 − 1/(2t).

    Args:
        points: shape (..., 2), coordinates at least 0; the origin counts as u = 1.

    Example:
        >>> share_below([[1.0, 1.0], [1.0, 0.5]]).tolist()
        [0.5, 0.25]
    """
    x = _two_columns("points", points)
    if not (x >= 0).all():
        raise ValueError("points: expected coordinates of at least 0, got a negative one or NaN")
    low, high = x.min(axis=-1), x.max(axis=-1)
    half = np.divide(low, 2 * high, out=np.zeros_like(low), where=high > 0)
    u: Floats = np.where(x[..., 0] > x[..., 1], half, 1 - half)
    return u


def thresholds(weights: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each classifier as a threshold p on u and whether u < p is its positive side.

    Nothing is positive for w = 0 and w1, w2 <= 0, since sign(0) counts as the negative class; then
    p = 0 with the positive side below.
    """
    w = _two_columns("weights", weights)
    first, second = w[..., 0], w[..., 1]
    under = second <= 0
    # The line w·x = 0 runs along the direction (−w2, w1) or (w2, −w1).
    along = np.stack([np.abs(second), np.where(second > 0, -first, first)], axis=-1)
    p = share_below(np.maximum(along, 0.0))
    p = np.where((second == 0) & (first <= 0), 0.0, p)
    return p, under


def exact_accuracy(weights: ArrayLike) -> Floats:
    """Return the share of the unit square that each classifier puts into its true class.

    For w1 > 0 > w2 and t = −w1/w2 the error is (1 − t)/2 where t <= 1, else (1 − 1/t)/2.

    Example:
        >>> exact_accuracy([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]).tolist()
        [1.0, 0.0, 0.5]
    """
    p, under = thresholds(weights)
    error = np.abs(p - 0.5)
    return np.where(under, 1 - error, error)


def accuracy_on(weights: ArrayLike, points: ArrayLike) -> Floats:
    """Return the share of points of the unit square, (T, 2), that each puts into its true class."""
    x = _two_columns("points", points)
    u, truth = share_below(x), x[:, 0] > x[:, 1]
    positive, negative = np.sort(u[truth]), np.sort(u[~truth])
    p, under = thresholds(weights)
    if_under = np.searchsorted(positive, p) + len(negative) - np.searchsorted(negative, p)
    last = [np.searchsorted(values, p, "right") for values in (positive, negative)]
    share: Floats = np.where(under, if_under, len(positive) - last[0] + last[1]) / len(u)
    return share


def _distances(p: Floats, q: Floats) -> Floats:
    """Return Σ_j |p_i − q_j| for every i, by sorting q."""
    ordered = np.sort(q)
    sums = np.cumsum(np.append(0.0, ordered))
    k = np.searchsorted(ordered, p)
    out: Floats = p * k - sums[k] + (sums[-1] - sums[k]) - p * (len(q) - k)
    return out


def disagreements(weights: ArrayLike) -> Floats:
    """Return, for each classifier, the mean area on which one of the others decides differently.

    The mean of the result, shape (R,), is that over all pairs, exact, in O(R log R).

    Example:
        >>> disagreements([[1.0, -1.0], [0.5, -1.0]]).tolist()
        [0.25, 0.25]
    """
    p, under = thresholds(weights)
    if p.ndim != 1 or len(p) < 2:
        raise ValueError(f"weights: expected shape (R, 2) with R >= 2, got {(*p.shape, 2)}")
    total = np.zeros(len(p))
    for side in (under, ~under):
        total[side] += _distances(p[side], p[side])
        total[side] += (~side).sum() - _distances(p[side], p[~side])
    return np.maximum(total, 0.0) / (len(p) - 1)


def pair_mean(projections: ArrayLike) -> Fact:
    """Return the mean over all pairs of R units with the interval of the delete-one jackknife.

    Args:
        projections: shape (R,), for each unit the mean over its pairs with the others, or the
            difference of two such means.

    Source: B. Efron and C. Stein, "The jackknife estimate of variance", Ann. Stat. 9 (1981);
    W. Hoeffding, Ann. Math. Stat. 19 (1948), on means over pairs.
    """
    h = np.asarray(projections, np.float64)
    count, value = h.size, float(h.mean())
    if count < 3:
        return Fact(value, n=count)
    # Without unit i the mean over pairs is (R·U − 2·h_i)/(R − 2).
    error = 2 / (count - 2) * math.sqrt((count - 1) / count * float(((h - value) ** 2).sum()))
    half = float(scipy_stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Fact(value, value - half, value + half, count)


def off_center(weights: ArrayLike, X: ArrayLike, y: Any) -> Floats:
    """Return how far each separating line is from the middle of its gap: 0 middle, 1 edge.

    The gap is the range of u between the outermost training points of the two classes; every line
    in it makes no training error. NaN where a class is absent or the line does not separate. The
    training points X have the shape (R, n, 2), their labels y, −1 and 1, (R, n).
    """
    u, labels = share_below(X), np.asarray(y)
    low = np.where(labels > 0, u, -np.inf).max(axis=1)
    high = np.where(labels < 0, u, np.inf).min(axis=1)
    p, under = thresholds(weights)
    good = np.isfinite(low) & np.isfinite(high) & under & (low <= p) & (p <= high) & (low < high)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(good, np.abs(p - (low + high) / 2) / ((high - low) / 2), np.nan)


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
        places.append([off_center(parts[-1][name].weights, X, y) for name in CRITERIA])
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
            "area": Fact(float(exact_accuracy(fit.weights)[0])),
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
    p, h = disagreements(perceptron), disagreements(hinge)
    for name, values in (("perceptron", p), ("hinge", h), (DIFFERENCE, h - p)):
        facts.put(measure, pair_mean(values), **where, criterion=name)


def _over_sets(
    config: PerceptronConfig, fits: Mapping[str, Trained], T: Floats, facts: Facts, arrays: Arrays
) -> None:
    """Answer over many training sets, where every criterion has run to its end."""
    W = [fits[name].weights for name in CRITERIA]
    exact = [exact_accuracy(w) for w in W]
    _pair(facts, "accuracy", *exact)
    _pair(facts, "test_accuracy", *(accuracy_on(w, T) for w in W))
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
    accuracy = exact_accuracy(p), exact_accuracy(h)
    for name, values in zip(CRITERIA, accuracy, strict=True):
        facts.put("early", stats.mean(values), quantity="accuracy", criterion=name)
    facts.put("early", stats.paired_difference(*accuracy[::-1]), quantity=DIFFERENCE)
    _disagreement(facts, "early", p, h, quantity="disagreement")
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
