"""Range tests and cyclical policies on MiniGoogLeNet and Fashion-MNIST, one record.

Three stages, each resting on what the one before has read off its curves: the learning rate's range
test, the batch-size test at the rate found, and the policies between the bounds found. Every stage
is stored trial by trial. Nothing is chosen on the test set.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from firstlight import seeds, stats
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data.split import sizes
from firstlight.ranges import algorithm
from firstlight.ranges.curve.read import Bounds, read_curve
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import trials
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.cyclical.labels import (
    BUDGETS,
    DIFFERENCES,
    LOWEST,
    MEASURES,
    PLACES,
    RANGES,
)
from firstlight.studies.study import Results
from firstlight.sweep import run_trials
from firstlight.types import Floats

SHOWN = 3
"""Classes of which examples are shown, and examples of each."""


def run(config: CyclicalConfig, context: Context) -> Results:
    """Run the range tests, then train under every policy between the bounds that they show.

    Facts: ``lr_min``, ``lr_max`` and ``lr_source``; ``candidates``, ``ramp``, ``batch_epochs`` and
    ``batch_updates``: what was read off each curve, by ``place``; ``batch_min``, ``batch_max``,
    ``batch_used``; ``noise_scale``; scores by ``policy``; ``difference`` (test accuracy) and
    ``best_difference`` (validation accuracy): first minus second, paired over seeds.

    Args:
        config: the parameters.
        context: run folder, data set, device and progress.
    """
    facts, arrays = Facts(), Arrays()
    describe(context.images(), config, facts, arrays)
    rates = _rates(config, context, facts, arrays)
    bounds = _sizes(config, context, rates[0], facts, arrays)
    facts.put("algorithm", Fact(algorithm.to_json()))
    specs = {
        f"{policy}-{index}": trials.PolicyTrial(config, policy, index, rates, bounds)
        for index in range(config.seeds)  # the outer loop, so that pairs are whole early on
        for policy in config.policies
    }
    results = run_trials(trials.policy_trial, specs, context, label="cyclical: policies")
    by_policy: dict[str, list[TrialResult]] = {policy: [] for policy in config.policies}
    for name, spec in specs.items():
        by_policy[spec.policy].append(results[name])
    compare(by_policy, facts, arrays)
    return Results(facts, arrays)


def describe(dataset: Dataset, config: CyclicalConfig, facts: Facts, arrays: Arrays) -> None:
    """Add the size of the data set and of the parts used, and for some classes typical images.

    An image is typical of its class if it lies close to the mean of the class.
    """
    classes, train, test = dataset.classes, dataset.train_labels, dataset.test_labels
    used, held_out = sizes(config.train_images, config.validation_share, len(train))
    per_class = np.stack([np.bincount(part, minlength=len(classes)) for part in (train, test)])
    each = per_class.sum(axis=0)
    facts.put("data", Fact(dataset.name))
    for part, number in {
        "total": len(train) + len(test),
        "official_train": len(train),
        "official_test": len(test),
        "train": used,
        "validation": held_out,
        "test": min(config.test_images, len(test)),
        "classes": len(classes),
        "least_per_class": int(each.min()),
        "most_per_class": int(each.max()),
    }.items():
        facts.put("images", Fact(number), part=part)
    draw = seeds.generator(config.seed, "shown classes")
    shown, rows = sorted(draw.choice(len(classes), SHOWN, replace=False).tolist()), []
    for row, which in enumerate(shown):
        facts.put("example", Fact(classes[which]), row=row)
        images = dataset.train_images[train == which]
        gap = ((images - images.mean(axis=0)) ** 2).sum(axis=(1, 2))
        rows.append(images[np.argsort(gap, kind="stable")[:SHOWN]])
    arrays.put("examples", Array(np.stack(rows), ("row", "image", "y", "x")))
    labels = {"part": ("train", "test"), "class": classes}
    arrays.put("per_class", Array(per_class, ("part", "class"), labels))


def _put_curve(
    arrays: Arrays, name: str, axis: str, values: Floats, losses: Floats, labeled: bool = True
) -> None:
    """Add a range test's values and its losses, shape (repeat, value)."""
    labels = {axis: values.tolist()} if labeled else {}
    arrays.put(f"{name}_values", Array(values, (axis,), labels))
    arrays.put(f"{name}_losses", Array(losses, ("repeat", axis), labels))


def put_reading(facts: Facts, name: str, bounds: Bounds) -> None:
    """Add what was read off a curve, and if something could not be read, why."""
    for place in PLACES:
        facts.put(name, getattr(bounds, place), place=place)
    facts.put(name, Fact(bounds.verdict), about="verdict")
    facts.put(name, Fact(bounds.explanation), about="reason")


def _rates(
    config: CyclicalConfig, context: Context, facts: Facts, arrays: Arrays
) -> tuple[float, float]:
    """Run the range tests of the learning rate; note what they show; return both bounds rounded."""
    apart = range(config.candidates) if config.range_mode == "runs" else (None,)
    specs = {}
    for repeat in range(config.range_repeats):
        for at in apart:
            specs[f"candidates-{repeat}-{at or 0}"] = trials.RangeTrial(
                config, "candidates", repeat, at
            )
        specs[f"ramp-{repeat}"] = trials.RangeTrial(config, "ramp", repeat)
    results = run_trials(trials.range_trial, specs, context, label="cyclical: learning-rate range")
    curves = {}
    for test in RANGES:
        rows = [
            [results[n].arrays for n, s in specs.items() if (s.test, s.repeat) == (test, repeat)]
            for repeat in range(config.range_repeats)
        ]
        values = np.concatenate([part.get("values") for part in rows[0]])
        losses = [np.concatenate([part.get("losses") for part in row]) for row in rows]
        curves[test] = values, np.stack(losses)
    _put_curve(arrays, "candidates", "candidate", *curves["candidates"])
    _put_curve(arrays, "ramp", "ramp_step", *curves["ramp"], labeled=False)
    read = {test: read_curve(*curve, seed=config.seed) for test, curve in curves.items()}
    rates, measured = curves["candidates"]
    low, high = choose_rates(read, rates, measured, facts)
    return two_digits(low), two_digits(high)


def choose_rates(
    read: Mapping[str, Bounds], values: Floats, losses: Floats, facts: Facts
) -> tuple[float, float]:
    """Return the bounds between which the learning rate shall move, and note where they are from.

    They are those of the candidates' curve; if it could not be read, those of the ramp; if that
    could not either, the candidate with the lowest loss and the one below it.

    Args:
        read: ``"candidates"`` and ``"ramp"`` → what was read off this curve.
        values: shape (k,), the candidates.
        losses: shape (repeats, k).
        facts: takes what was read, the bounds and their source.
    """
    mean = losses.mean(axis=0)
    best = max(1, int(np.argmin(np.where(np.isfinite(mean), mean, np.inf))))
    low, high = (Fact(float(value)) for value in values[best - 1 : best + 1])
    source = LOWEST
    for test, bounds in read.items():
        put_reading(facts, test, bounds)
        known = bounds.low.value is not None and bounds.high.value is not None
        if source == LOWEST and known and float(bounds.low) < float(bounds.high):
            low, high, source = bounds.low, bounds.high, test
    facts.put("lr_source", Fact(source))
    facts.put("lr_min", low)
    facts.put("lr_max", high)
    return float(low), float(high)


def two_digits(value: float) -> float:
    """Return the value rounded to two significant digits, as one reads it off a figure.

    Trainings use bounds so rounded; no curve is more exact.

    Example:
        >>> two_digits(0.00766), two_digits(1234.0)
        (0.0077, 1200.0)
    """
    return float(f"{value:.2g}")


def _sizes(
    config: CyclicalConfig, context: Context, rate: float, facts: Facts, arrays: Arrays
) -> tuple[int, int]:
    """Run the batch-size tests at the lower rate; note what they show; return both bounds."""
    images = int(facts.value("images", part="train"))
    tried = [size for size in config.batch_sizes if size <= images]
    specs = {
        f"batch-{budget}-{repeat}-{size}": trials.BatchTrial(config, budget, size, rate, repeat)
        for repeat in range(config.range_repeats)
        for budget in BUDGETS
        for size in tried
    }
    results = run_trials(trials.batch_trial, specs, context, label="cyclical: batch-size range")
    values, read = np.array(tried, dtype=np.float64), {}
    for budget, direction in BUDGETS.items():
        found = [results[n].facts.get("loss") for n, s in specs.items() if s.budget == budget]
        losses = np.array(found, dtype=np.float64).reshape(config.range_repeats, len(tried))
        read[budget] = read_curve(values, losses, direction=direction, seed=config.seed)
        _put_curve(arrays, f"batch_{budget}", "batch_size", values, losses)
    return choose_sizes(read, tried, images, facts)


def choose_sizes(
    read: Mapping[str, Bounds], tried: Sequence[int], images: int, facts: Facts
) -> tuple[int, int]:
    """Return the bounds of the batch size for the policies, and note where they are from.

    A bound that could not be read off the curve at equal epochs is the smallest or the largest size
    tried; so is every bound outside them. The policies move up to a tenth of the training images
    (``batch_used``), or twice the lower bound if that is more: beyond that a batch is no small part
    of a cycle any more (S. L. Smith et al. 2018 grow it so far).

    Args:
        read: ``"epochs"`` and ``"updates"`` → what was read off the curve at equal …
        tried: the batch sizes, in rising order.
        images: training images.
        facts: takes what was read, the bounds and their sources.
    """
    for budget, bounds in read.items():
        put_reading(facts, f"batch_{budget}", bounds)
    edges = {"batch_min": Fact(tried[0]), "batch_max": Fact(tried[-1])}
    chosen = dict(edges)
    for name, at in (("batch_min", read["epochs"].low), ("batch_max", read["epochs"].high)):
        if at.value is not None:
            size = min(tried[-1], max(tried[0], round(two_digits(float(at)))))
            chosen[name] = Fact(size, at.low, at.high, at.n)
    if float(chosen["batch_min"]) >= float(chosen["batch_max"]):
        chosen = edges
    for name, fact in chosen.items():
        facts.put(name, fact)
        facts.put(f"{name}_source", Fact("edge" if fact is edges[name] else "read"))
    low, high = (int(float(fact)) for fact in chosen.values())
    used = min(high, max(2 * low, images // 10))
    facts.put("batch_used", Fact(used))
    return low, used


def compare(trained: Mapping[str, Sequence[TrialResult]], facts: Facts, arrays: Arrays) -> None:
    """Add the scores of every policy over seeds, and the paired differences of every two.

    Schedules and the losses of single updates are those of the first seed.

    Args:
        trained: policy → what its trainings left, in the order of the seeds.
        facts: takes the scores.
        arrays: takes the curves.
    """

    def values(policy: str, measure: str, **coords: str) -> Floats:
        return np.array([float(trial.facts.get(measure, **coords)) for trial in trained[policy]])

    for policy, results in trained.items():
        for name in ("best_accuracy", "final_accuracy", "test_accuracy"):
            facts.put(name, stats.mean(values(policy, name), within=(0.0, 1.0)), policy=policy)
        for name in ("final_loss", "test_loss"):
            mean = stats.mean(values(policy, name), within=(0.0, math.inf))
            facts.put(name, mean, policy=policy)
        facts.put("updates", Fact(int(values(policy, "updates")[0])), policy=policy)
        curves = np.stack([result.arrays.get("curve") for result in results])
        labels = {"measure": MEASURES}
        arrays.put("curve", Array(curves, ("seed", "point", "measure"), labels), policy=policy)
        scores = Array(values(policy, "test_accuracy"), ("seed",))
        arrays.put("test_accuracy", scores, policy=policy)
        first = results[0].arrays
        arrays.put("points", Array(first.get("points"), ("point",)), policy=policy)
        for name in ("samples", "sizes", "rates", "step_losses"):
            arrays.put(name, Array(first.get(name), ("step",)), policy=policy)
    for one, other in combinations(trained, 2):
        for measure, difference in DIFFERENCES.items():
            gap = stats.paired_difference(values(one, measure), values(other, measure))
            facts.put(difference, gap, first=one, second=other)
    for when in ("before", "after"):
        scales = np.concatenate([values(policy, "noise_scale", when=when) for policy in trained])
        scales = scales[np.isfinite(scales)]
        median = stats.quantile(scales, 0.5) if scales.size else Fact(None)
        facts.put("noise_scale", median, when=when)
    speeds = np.concatenate([values(policy, "images_per_second") for policy in trained])
    facts.put("images_per_second", stats.mean(speeds))
    facts.put("fast_path", Fact(next(iter(trained.values()))[0].facts.get("fast_path")))
