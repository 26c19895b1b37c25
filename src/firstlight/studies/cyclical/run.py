"""Range tests and cyclical policies on MiniGoogLeNet and Fashion-MNIST, one record.

Three stages, each resting on what the one before has read off its curves: the learning rate's range
test, the batch-size test at the rate found, and the policies between the bounds found. Every stage
is stored trial by trial. Nothing is chosen on the test set.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from firstlight import stats
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data.split import sizes
from firstlight.models.minigooglenet import SIDE, scaled
from firstlight.ranges import algorithm
from firstlight.ranges.curve.read import Bounds, read_curve
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import trials
from firstlight.studies.cyclical.bounds import (
    choose_rates,
    choose_sizes,
    put_ends,
    sizes_to_try,
    two_digits,
)
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.cyclical.labels import BATCH_TESTS, LITERAL, MEASURES, RANGES
from firstlight.studies.study import Results
from firstlight.sweep import run_trials
from firstlight.types import Floats

SHOWN = 3
"""Classes of which examples are shown, and examples of each."""


def run(config: CyclicalConfig, context: Context) -> Results:
    """Run the range tests, then train under every policy between the bounds that they show.

    Facts: ``lr_min``, ``lr_max``, ``lr_source``, ``policy_rate`` and what was read off each curve,
    by ``place`` (``choose_rates``); ``batch_min``, ``batch_max``, ``batch_used`` (``choose_sizes``);
    ``auto_…`` and ``trace``, of the search for a batch size (``put_search``); scores by ``policy``
    and paired differences (``compare``).

    Args:
        config: the parameters.
        context: run folder, data set, device and progress.
    """
    facts, arrays = Facts(), Arrays()
    describe(context.images(), config, facts, arrays)
    low, high, fixed = map(two_digits, _rates(config, context, facts, arrays))
    bounds = _sizes(config, context, (low, fixed), facts, arrays)
    facts.put("algorithm", Fact(algorithm.to_json()))
    specs = {
        f"{policy}-{index}": trials.PolicyTrial(config, policy, index, (low, high), fixed, bounds)
        for index in range(config.seeds)  # the outer loop, so that pairs are whole early on
        for policy in config.policies
        if index < seeds_of(config, policy)
    }
    results = run_trials(trials.policy_trial, specs, context, label="cyclical: policies")
    by_policy: dict[str, list[TrialResult]] = {policy: [] for policy in config.policies}
    for name, spec in specs.items():
        by_policy[spec.policy].append(results[name])
    compare(by_policy, facts, arrays)
    return Results(facts, arrays)


def seeds_of(config: CyclicalConfig, policy: str) -> int:
    """Return how many trainings there are under a policy.

    Example:
        >>> seeds_of(CyclicalConfig(seeds=4, literal_seeds=2), "growing_literal")
        2
    """
    few = policy in ("fixed_low", *LITERAL)
    return min(config.seeds, config.literal_seeds) if few else config.seeds


def describe(dataset: Dataset, config: CyclicalConfig, facts: Facts, arrays: Arrays) -> None:
    """Add the size of the official set and of the parts used, and for some classes typical images.

    An image is typical of its class if it lies close to the mean of the class.
    """
    classes, train, test = dataset.classes, dataset.train_labels, dataset.test_labels
    used, held_out = sizes(config.train_images, config.validation_share, len(train))
    per_class = np.array([dataset.official_sizes[part] for part in ("train", "test")])
    each = per_class.sum(axis=0)
    facts.put("data", Fact(dataset.name))
    facts.put("image_side", Fact(scaled(SIDE, config.resolution)))
    parameters = sum(p.numel() for p in trials.network(config, 0).parameters())
    facts.put("parameters", Fact(parameters))
    for row, name in enumerate(classes):
        facts.put("class_name", Fact(name), row=row)
    for part, number in {
        "total": int(per_class.sum()),
        "official_train": int(per_class[0].sum()),
        "official_test": int(per_class[1].sum()),
        "train": used,
        "validation": held_out,
        "test": min(config.test_images, len(test)),
        "classes": len(classes),
        "least_per_class": int(each.min()),
        "most_per_class": int(each.max()),
    }.items():
        facts.put("images", Fact(number), part=part)
    rows = []
    for row, which in enumerate(unlike(dataset)):
        facts.put("example", Fact(classes[which]), row=row)
        images = dataset.train_images[train == which]
        gap = ((images - images.mean(axis=0)) ** 2).sum(axis=(1, 2))
        rows.append(images[np.argsort(gap, kind="stable")[:SHOWN]])
    arrays.put("examples", Array(np.stack(rows), ("row", "image", "y", "x")))
    labels = {"part": ("train", "test"), "class": classes}
    arrays.put("per_class", Array(per_class, ("part", "class"), labels))


def unlike(dataset: Dataset) -> tuple[int, ...]:
    """Return the classes to show: those of which even the two most alike have unlike mean images."""
    labels = dataset.train_labels
    means = [dataset.train_images[labels == which].mean(axis=0) for which in np.unique(labels)]

    def least(some: tuple[int, ...]) -> float:
        return min(float(((means[a] - means[b]) ** 2).sum()) for a, b in combinations(some, 2))

    return max(combinations(range(len(means)), SHOWN), key=least)


def _put_curve(
    arrays: Arrays, name: str, axis: str, values: Floats, losses: Floats, repeat: str = "repeat"
) -> None:
    """Add a range test's values and its losses, shape (repeat, value); a ramp's have no labels."""
    labels = {} if axis == "ramp_step" else {axis: values.tolist()}
    arrays.put(f"{name}_values", Array(values, (axis,), labels))
    arrays.put(f"{name}_losses", Array(losses, (repeat, axis), labels))


def _rates(
    config: CyclicalConfig, context: Context, facts: Facts, arrays: Arrays
) -> tuple[float, float, float]:
    """Run the range tests of the learning rate; note what they show; return what is chosen."""
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
    _put_curve(arrays, "ramp", "ramp_step", *curves["ramp"])
    read = {test: read_curve(*curve, seed=config.seed) for test, curve in curves.items()}
    values, measured = curves["candidates"]
    return choose_rates(read, values, measured, facts)


def _sizes(
    config: CyclicalConfig,
    context: Context,
    rates: tuple[float, float],
    facts: Facts,
    arrays: Arrays,
) -> tuple[int, int]:
    """Run the batch-size tests and the search for a size; note what they show; return the bounds.

    Args:
        config: the parameters.
        context: run folder, data set, device and progress.
        rates: the lower bound of the learning rate, and the rate of the batch-size policies.
        facts: takes what was read.
        arrays: takes the curves.
    """
    images = int(facts.value("images", part="train"))
    tried = sizes_to_try(config, images, facts)
    low, fixed = rates
    specs: dict[str, trials.BatchTrial | trials.SearchTrial] = {
        "search": trials.SearchTrial(config, fixed, (tried[0], tried[-1]))
    }  # the longest first
    for repeat, test, size in product(range(config.batch_repeats), config.batch_tests, tried):
        rate = low if test == "batch_epochs" else fixed
        specs[f"{test}-{repeat}-{size}"] = trials.BatchTrial(config, test, size, rate, repeat)
    results = run_trials(trials.size_trial, specs, context, label="cyclical: batch sizes")
    put_search(results["search"], fixed, facts, arrays)
    values, read = np.array(tried, dtype=np.float64), dict[str, Bounds]()
    for test in config.batch_tests:
        rows = [
            [results[f"{test}-{repeat}-{size}"].facts.get("loss") for size in tried]
            for repeat in range(config.batch_repeats)
        ]
        losses = np.array(rows, dtype=np.float64)
        read[test] = read_curve(values, losses, direction=BATCH_TESTS[test][1], seed=config.seed)
        _put_curve(arrays, test, "batch_size", values, losses, "batch_repeat")
        put_ends(facts, test, losses)
    return choose_sizes(read, tried, images, config.micro_batch, facts)


def put_search(found: TrialResult, rate: float, facts: Facts, arrays: Arrays) -> None:
    """Add what the search for a batch size has found, the steps that it took, and its curve."""
    for part in found.facts.labels("search", "part"):
        fact = Fact(**json.loads(str(found.facts.get("search", part=part))))
        if fact.high == math.inf:  # no end that could be written down
            fact = Fact(fact.value, n=fact.n)
        facts.put(f"auto_{part}", fact)
    facts.put("auto_rate", Fact(rate))
    facts.put("trace", Fact(str(found.facts.get("trace"))))
    values, losses = (found.arrays.get(name) for name in ("values", "losses"))
    _put_curve(arrays, "auto", "auto_size", values, losses, "batch_repeat")


def compare(trained: Mapping[str, Sequence[TrialResult]], facts: Facts, arrays: Arrays) -> None:
    """Add the scores of every policy over seeds, and the paired differences of every two.

    Intervals of the test accuracy are for new seeds and new images, all others for new seeds.

    Args:
        trained: policy → what its trainings left, in the order of the seeds.
        facts: takes the scores.
        arrays: takes the curves.
    """
    for policy, results in trained.items():
        _put_policy(policy, results, facts, arrays)
    for first, second in combinations(trained, 2):
        _put_difference({p: trained[p] for p in (first, second)}, facts)
    if "cyclical_rate" in trained:
        _put_noise(trained["cyclical_rate"], facts)
        _put_peaks(trained["cyclical_rate"][0], facts)
    results = [result for some in trained.values() for result in some]
    speeds = [float(result.facts.get("images_per_second")) for result in results]
    facts.put("images_per_second", stats.mean(speeds))
    facts.put("fast_path", Fact(results[0].facts.get("fast_path")))


def _put_policy(policy: str, results: Sequence[TrialResult], facts: Facts, arrays: Arrays) -> None:
    """Add a policy's scores and curves; schedules and losses of updates are the first seed's."""
    curves = np.stack([result.arrays.get("curve") for result in results])
    end = dict(zip(MEASURES, curves[:, -1].T, strict=True))
    shares = {
        "best_accuracy": _best(results),
        "final_accuracy": end["validation_accuracy"],
        "train_accuracy": end["train_accuracy"],
    }
    losses = {
        "train_loss": end["train_loss"],
        "final_loss": end["validation_loss"],
        "test_loss": [float(result.facts.get("test_loss")) for result in results],
    }
    for names, most in ((shares, 1.0), (losses, math.inf)):
        for name, values in names.items():
            facts.put(name, stats.mean(values, within=(0.0, most)), policy=policy)
    correct = _correct(results)
    accuracy = stats.two_level(correct)
    classes = int(facts.value("images", part="classes"))
    learned = stats.learned(accuracy, facts.get("train_loss", policy=policy), classes)
    first = results[0].arrays
    facts.put("test_accuracy", accuracy, policy=policy)
    facts.put("learned", Fact(learned), policy=policy)
    facts.put("policy_seeds", Fact(len(results)), policy=policy)
    facts.put("updates", Fact(len(first.get("sizes"))), policy=policy)
    for name, array in {
        "curve": Array(curves, ("seed", "point", "measure"), {"measure": MEASURES}),
        "test_accuracy": Array(correct.mean(axis=1), ("seed",)),
        "test_correct": Array(correct, ("seed", "test_image")),
        "points": Array(first.get("points"), ("point",)),
        **{n: Array(first.get(n), ("step",)) for n in ("samples", "sizes", "rates", "step_losses")},
    }.items():
        arrays.put(name, array, policy=policy)


def _best(results: Sequence[TrialResult]) -> Floats:
    """Return the best validation accuracy along each training, shape (seed,)."""
    at = MEASURES.index("validation_accuracy")
    return np.array([result.arrays.get("curve")[:, at].max() for result in results])


def _correct(results: Sequence[TrialResult]) -> np.ndarray:
    """Return which test images are classified correctly, shape (seed, image)."""
    return np.stack([result.arrays.get("test_correct") for result in results])


def _put_difference(pair: Mapping[str, Sequence[TrialResult]], facts: Facts) -> None:
    """Add what two policies differ by, first − second, over the seeds that both have."""
    names = dict(zip(("first", "second"), pair, strict=True))
    seeds_of_both = min(map(len, pair.values()))
    one, other = (_correct(results[:seeds_of_both]).astype(int) for results in pair.values())
    facts.put("difference", stats.two_level_difference(one, other), **names)
    best = (_best(results[:seeds_of_both]) for results in pair.values())
    facts.put("best_difference", stats.paired_difference(*best), **names)
    p = [
        stats.mcnemar(int((a > b).sum()), int((b > a).sum()))
        for a, b in zip(one, other, strict=True)
    ]
    facts.put("mcnemar", Fact(stats.combined_p(p), n=seeds_of_both), **names)


def _put_noise(results: Sequence[TrialResult], facts: Facts) -> None:
    """Add the gradient noise scale: geometric means over seeds, as it is a ratio."""
    scales = {
        when: np.array([float(r.facts.get("noise_scale", when=when)) for r in results])
        for when in ("before", "after")
    }
    for when, values in scales.items():
        facts.put("noise_scale", _geometric_mean(values), when=when)
    facts.put("noise_growth", _geometric_mean(scales["after"] / scales["before"]))


def _geometric_mean(values: Floats) -> Fact:
    """Return the geometric mean of those that were determined."""
    known = values[np.isfinite(values)]
    return stats.geometric_mean(known) if known.size else Fact(None, n=0)


def _put_peaks(first: TrialResult, facts: Facts) -> None:
    """Add the highest rate that was used in each cycle: the maxima of the rates."""
    rates = first.arrays.get("rates")
    inner = (rates[1:-1] >= rates[:-2]) & (rates[1:-1] > rates[2:])
    for cycle, rate in enumerate(rates[1:-1][inner].tolist() or [float(rates.max())], 1):
        facts.put("peak_rate", Fact(rate), cycle=cycle)
