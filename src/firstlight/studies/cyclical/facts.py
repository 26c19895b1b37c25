"""What the trials of the cyclical study show: its facts and arrays."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import data, seeds, stats
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.data.split import sizes
from firstlight.ranges.curve.read import Bounds
from firstlight.record import Array, Fact
from firstlight.record.store import TrialResult

Facts = dict[str, Fact]
Arrays = dict[str, Array]
ByPolicy = Mapping[str, list[TrialResult]]

PLACES = ("low", "high", "steepest", "minimum", "rises_at", "diverges_at", "valley")
"""What is read off a curve."""

MEASURES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
"""The last axis of ``curve.POLICY``."""

SHOWN = 3
"""Classes of which examples are shown, and examples of each."""


def data_facts(dataset: data.Dataset, config: CyclicalConfig) -> Facts:
    """Return the size of the data set and of the parts that the run uses."""
    train, test = len(dataset.train_images), len(dataset.test_images)
    used, held_out = sizes(config.train_images, config.validation_share, train)
    counts = _per_class(dataset).sum(axis=0)
    facts = {
        "data": Fact(dataset.name),
        "images.total": Fact(train + test),
        "images.official_train": Fact(train),
        "images.official_test": Fact(test),
        "images.train": Fact(used),
        "images.validation": Fact(held_out),
        "images.test": Fact(min(config.test_images, test)),
        "images.classes": Fact(len(dataset.classes)),
        "images.least_per_class": Fact(int(counts.min())),
        "images.most_per_class": Fact(int(counts.max())),
    }
    shown = _shown(dataset, config)
    return facts | {f"example.{i}": Fact(dataset.classes[which]) for i, which in enumerate(shown)}


def _per_class(dataset: data.Dataset) -> NDArray[np.int64]:
    """Return the images of each class, shape (2, classes): training set and test set."""
    classes = len(dataset.classes)
    return np.stack(
        [
            np.bincount(labels, minlength=classes)
            for labels in (dataset.train_labels, dataset.test_labels)
        ]
    )


def _shown(dataset: data.Dataset, config: CyclicalConfig) -> list[int]:
    draw = seeds.generator(config.seed, "shown classes")
    return sorted(draw.choice(len(dataset.classes), SHOWN, replace=False).tolist())


def data_arrays(dataset: data.Dataset, config: CyclicalConfig) -> Arrays:
    """Return the images of each class, and for three classes the three most typical images.

    An image is typical of its class if it lies close to the mean of the class.
    """
    rows = []
    for which in _shown(dataset, config):
        images = dataset.train_images[dataset.train_labels == which]
        gap = ((images - images.mean(axis=0)) ** 2).sum(axis=(1, 2))
        rows.append(images[np.argsort(gap, kind="stable")[:SHOWN]])
    return {
        "examples": Array(np.stack(rows), ("class", "image", "y", "x")),
        "per_class": Array(_per_class(dataset), ("part", "class")),
    }


def chosen_rates(
    candidates: Bounds, ramp: Bounds, values: NDArray[Any], losses: NDArray[Any]
) -> tuple[float, float, str]:
    """Return the bounds between which the learning rate shall move, and where they come from.

    They are those of the candidates' curve; if it cannot tell, those of the ramp; if that cannot
    either, the candidate with the lowest loss and the one below it.

    Args:
        candidates: what was read off the candidates' curve.
        ramp: what was read off the ramp.
        values: shape (k,), the candidates.
        losses: shape (repeats, k).
    """
    for read, source in ((candidates, "candidates"), (ramp, "ramp")):
        low, high = read.low.value, read.high.value
        if isinstance(low, float) and isinstance(high, float) and low < high:
            return low, high, source
    mean = losses.mean(axis=0)
    best = int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))
    best = max(1, best)
    return float(values[best - 1]), float(values[best]), "lowest loss"


def two_digits(value: float) -> float:
    """Return the value rounded to two significant digits, as one reads it off a figure.

    Trainings use bounds so rounded; no curve tells more.

    Example:
        >>> two_digits(0.00765), two_digits(1234.0)
        (0.0077, 1200.0)
    """
    return float(f"{value:.2g}")


def rate_facts(read: Mapping[str, Bounds], low: float, high: float, source: str) -> Facts:
    """Return what was read off both curves and the bounds that the policies move between."""
    facts: Facts = {"lr_source": Fact(source)}
    told = read.get(source)
    facts["lr_min"] = Fact(low) if told is None else told.low
    facts["lr_max"] = Fact(high) if told is None else told.high
    for kind, bounds in read.items():
        facts |= {f"{kind}.{place}": getattr(bounds, place) for place in PLACES}
        facts[f"{kind}.verdict"] = Fact(bounds.verdict)
        facts[f"{kind}.reason"] = Fact(bounds.reason)
    return facts


def batch_facts(
    read: Mapping[str, Bounds], tried: list[int], images: int
) -> tuple[Facts, tuple[int, int]]:
    """Return what was read off the batch-size curves, and the bounds for the policies.

    A bound that the curve at equal epochs cannot tell is the smallest or the largest size tried;
    so is every bound outside them. The policies move up to a tenth of the training images
    (``batch_used``), or twice the lower bound if that is more: beyond that a batch is no small part of a cycle any more (S. L. Smith et al.
    2018 grow it so far).

    Args:
        read: ``"epochs"`` and ``"updates"`` → what was read off the curve at equal …
        tried: the batch sizes, in rising order.
        images: training images.
    """
    facts: Facts = {}
    for kind, bounds in read.items():
        facts |= {f"batch_{kind}.{place}": getattr(bounds, place) for place in PLACES}
        facts[f"batch_{kind}.verdict"] = Fact(bounds.verdict)
        facts[f"batch_{kind}.reason"] = Fact(bounds.reason)
    chosen, sources = [], []
    for place, edge in (("low", tried[0]), ("high", tried[-1])):
        value = getattr(read["epochs"], place).value
        told = isinstance(value, float)
        sources.append("read" if told else "edge")
        size = round(two_digits(value)) if told else edge
        chosen.append(min(tried[-1], max(tried[0], size)))
    if chosen[0] >= chosen[1]:
        chosen, sources = [tried[0], tried[-1]], ["edge", "edge"]
    for name, size, source, place in zip(
        ("batch_min", "batch_max"), chosen, sources, ("low", "high"), strict=True
    ):
        whole = getattr(read["epochs"], place)
        facts[name] = Fact(size, whole.low, whole.high, whole.n) if source == "read" else Fact(size)
        facts[f"{name}_source"] = Fact(source)
    used = min(chosen[1], max(2 * chosen[0], images // 10))
    facts["batch_used"] = Fact(used)
    return facts, (chosen[0], used)


def _values(trials: list[TrialResult], name: str) -> NDArray[np.float64]:
    return np.array([float(trial.facts[name]) for trial in trials])


def policy_facts(trials: ByPolicy) -> Facts:
    """Return the scores of every policy over seeds, and the paired differences of every two."""
    facts: Facts = {}
    for policy, results in trials.items():
        for name in ("best_accuracy", "final_accuracy", "test_accuracy"):
            facts[f"{name}.{policy}"] = stats.mean(_values(results, name), within=(0.0, 1.0))
        for name in ("final_loss", "test_loss"):
            facts[f"{name}.{policy}"] = stats.mean(_values(results, name), within=(0.0, math.inf))
        facts[f"updates.{policy}"] = Fact(int(_values(results, "updates")[0]))
    for first, second in combinations(trials, 2):
        for name, head in (("test_accuracy", "difference"), ("best_accuracy", "best_difference")):
            a, b = _values(trials[first], name), _values(trials[second], name)
            facts[f"{head}.{first}.{second}"] = stats.paired_difference(a, b)
    for when in ("before", "after"):
        found = np.concatenate([_values(t, f"noise_{when}") for t in trials.values()])
        found = found[np.isfinite(found)]
        facts[f"noise_scale.{when}"] = stats.quantile(found, 0.5) if found.size else Fact(None)
    every = [trial for results in trials.values() for trial in results]
    speeds = _values(every, "images") / _values(every, "seconds")
    facts["images_per_second"] = stats.mean(speeds)
    facts["fast_path"] = Fact(str(every[0].facts["path"]))
    return facts


def policy_arrays(trials: ByPolicy) -> Arrays:
    """Return curves and schedules of every policy; schedules are those of the first seed."""
    arrays: Arrays = {}
    for policy, results in trials.items():
        curves = np.stack([result.arrays["curve"] for result in results])
        arrays[f"curve.{policy}"] = Array(curves, ("seed", "point", "measure"))
        scores = _values(results, "test_accuracy")
        arrays[f"test_accuracy.{policy}"] = Array(scores, ("seed",))
        arrays[f"points.{policy}"] = Array(results[0].arrays["points"], ("point",))
        for name in ("samples", "sizes", "rates", "step_losses"):
            arrays[f"{name}.{policy}"] = Array(results[0].arrays[name], ("step",))
    return arrays
