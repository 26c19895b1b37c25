"""Batch normalization, dropout and both on LeNet-5: every arm, every seed, one record.

All arms of a seed share the initial weights, the batches and, where they drop, the masks; so every
comparison is paired over seeds. Nothing is chosen on the test set.
"""

import math
import time
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import data, stats
from firstlight.studies.regularization.config import Arm, RegularizationConfig
from firstlight.context import Context
from firstlight.record.provenance import collect
from firstlight.record import Array, Fact, Record
from firstlight.record.store import TrialResult
from firstlight.studies.regularization.answers import answers
from firstlight.sweep import run_trials

WORK = "firstlight.studies.regularization.trials:train_arm"

SCORES = tuple(
    f"{part}_{what}" for part in ("train", "validation", "test") for what in ("accuracy", "loss")
)
CHANNEL_ARRAYS = ("gamma", "beta", "running_mean", "running_var")

CHANGES: tuple[tuple[str, Arm, Arm], ...] = (
    ("removal", "dropout", "plain"),
    ("coadaptation.fc1", "dropout", "plain"),
    ("coadaptation.fc2", "dropout", "plain"),
    ("covariate_shift", "norm_hidden", "plain"),
)
"""Measures of which the paired change from the third to the second entry is a fact, ``change.…``."""

Trials = Mapping[Arm, list[TrialResult]]


def run(config: RegularizationConfig, context: Context) -> Record:
    """Train every arm with every seed and return the record.

    Facts (mean over seeds, t interval, n = seeds): ``test_accuracy.ARM`` and likewise for
    train, validation and loss; ``difference.ARM.ARM`` (test accuracy, first minus second, paired)
    and ``loss_difference.ARM.ARM``; ``mcnemar.ARM.ARM`` (p-value over test images, see
    ``combined_p``); ``coadaptation.ARM.LAYER``, ``removal.ARM``; ``covariate_shift.ARM[.LAYER]``;
    ``variance_shift.ARM.LAYER`` (variance without dropout, as at test time, over running variance)
    and its control ``variance_training.ARM.LAYER`` (variance in training over running variance);
    ``gamma_mean.ARM.LAYER``, and the lowest and highest of all channels and seeds as ``gamma_low``
    and ``gamma_high``; likewise for β; ``change.MEASURE.ARM.ARM`` (paired, see ``CHANGES``).

    Args:
        config: the study's parameters.
        context: run folder, data, device and progress.
    """
    started = time.perf_counter()
    dataset = data.load("mnist", folder=context.data, download=context.download)
    trials = _train_all(config, context, dataset.fingerprint)
    facts = all_facts(trials)
    facts["data"] = Fact(dataset.name)
    return Record(
        study=config.study,
        config=config.as_dict(),
        facts=facts,
        verdicts=answers(facts, config.arms, None if dataset.notice is None else dataset.name),
        arrays=all_arrays(trials),
        provenance=collect(
            seed=config.seed, started=started, device=context.device, data=dataset.sha256
        ),
        notices=() if dataset.notice is None else (dataset.notice,),
    )


def _train_all(
    config: RegularizationConfig, context: Context, fingerprint: str
) -> dict[Arm, list[TrialResult]]:
    """Run the trials; seeds are the outer loop, so that a run cut short has whole pairs."""
    folder = None if context.data is None else str(context.data)
    same = {
        "config": config.as_dict(), "data": fingerprint, "device": context.device, "_data": folder,
    }  # fmt: skip
    specs: dict[str, dict[str, Any]] = {
        f"{arm}-{index}": {"arm": arm, "index": index, **same}
        for index in range(config.seeds)
        for arm in config.arms
    }
    results = run_trials(WORK, specs, context, label="regularization")
    return {arm: [results[f"{arm}-{i}"] for i in range(config.seeds)] for arm in config.arms}


def _values(trials: list[TrialResult], name: str) -> NDArray[np.float64]:
    return np.array([float(trial.facts[name]) for trial in trials])


def _mean_over_layers(trials: list[TrialResult], prefix: str) -> NDArray[np.float64]:
    names = [name for name in trials[0].facts if name.startswith(f"{prefix}.")]
    means: NDArray[np.float64] = np.stack([_values(trials, name) for name in names]).mean(axis=0)
    return means


def all_facts(trials: Trials) -> dict[str, Fact]:
    """Return every fact of the study from its trials.

    Args:
        trials: arm → one result for each seed, in the order of the seeds.
    """
    facts: dict[str, Fact] = {}
    for arm, results in trials.items():
        for name in results[0].facts:
            head, _, layer = name.partition(".")
            full = f"{head}.{arm}.{layer}" if layer else f"{head}.{arm}"
            share = head.endswith("_accuracy") or head == "coadaptation"
            limits = (0.0, 1.0) if share else (-math.inf, math.inf)
            facts[full] = stats.mean(_values(results, name), within=limits)
        facts |= _learned(arm, results)
        facts[f"covariate_shift.{arm}"] = stats.mean(_mean_over_layers(results, "covariate_shift"))
    for first, second in combinations(trials, 2):
        facts |= _pair(first, second, trials)
    for name, first, second in CHANGES:
        if first in trials and second in trials:
            facts[f"change.{name}.{first}.{second}"] = _change(name, trials[first], trials[second])
    return facts


def _learned(arm: Arm, results: list[TrialResult]) -> dict[str, Fact]:
    """Return the mean and the range of γ and β over channels, for each normalized layer."""
    facts = {}
    for name in results[0].arrays:
        head, _, layer = name.partition(".")
        if head in ("gamma", "beta"):
            values = np.stack([result.arrays[name] for result in results])
            facts[f"{head}_mean.{arm}.{layer}"] = stats.mean(values.mean(axis=1))
            facts[f"{head}_low.{arm}.{layer}"] = Fact(float(values.min()))
            facts[f"{head}_high.{arm}.{layer}"] = Fact(float(values.max()))
    return facts


def _change(name: str, first: list[TrialResult], second: list[TrialResult]) -> Fact:
    if name in first[0].facts:
        return stats.paired_difference(_values(first, name), _values(second, name))
    return stats.paired_difference(_mean_over_layers(first, name), _mean_over_layers(second, name))


def _pair(first: Arm, second: Arm, trials: Trials) -> dict[str, Fact]:
    a, b = trials[first], trials[second]
    pair = f"{first}.{second}"
    tests = [_mcnemar(x, y) for x, y in zip(a, b, strict=True)]
    accuracy, loss = "test_accuracy", "test_loss"
    return {
        f"difference.{pair}": stats.paired_difference(_values(a, accuracy), _values(b, accuracy)),
        f"loss_difference.{pair}": stats.paired_difference(_values(a, loss), _values(b, loss)),
        f"mcnemar.{pair}": Fact(combined_p(tests), n=len(tests)),
    }


def _mcnemar(a: TrialResult, b: TrialResult) -> float:
    x, y = a.arrays["test_correct"].astype(bool), b.arrays["test_correct"].astype(bool)
    return stats.mcnemar(int((x & ~y).sum()), int((~x & y).sum()))


def combined_p(values: list[float]) -> float:
    """Return one valid p-value from several that may depend on each other in any way.

    The tests of all seeds share the test images, so neither may their counts be summed nor their
    p-values multiplied. With k values and r = ⌈k/2⌉ the result is min(1, k/r · p₍ᵣ₎), p₍ᵣ₎ being
    the r-th smallest: about twice the median; for one value it is that value.

    Args:
        values: p-values, at least one.

    Example:
        >>> combined_p([0.01]), combined_p([0.01, 0.5])
        (0.01, 0.02)

    Source: B. Rüger, "Das maximale Signifikanzniveau des Tests: Lehne H₀ ab, wenn k unter n
    gegebenen Tests zur Ablehnung führen", Metrika 25 (1978).
    """
    if not values:
        raise ValueError("values: expected at least one p-value, got none")
    k = len(values)
    r = (k + 1) // 2
    return min(1.0, k / r * sorted(values)[r - 1])


def all_arrays(trials: Trials) -> dict[str, Array]:
    """Return every array of the study: stacked over seeds, which are the first axis.

    ``gamma.LAYER`` and ``beta.LAYER`` are those of ``norm_input``, which normalizes all five
    layers, or of the first arm with batch normalization where that one was not trained.
    """
    arrays: dict[str, Array] = {}
    for arm, results in trials.items():
        for name in results[0].arrays:
            head, _, tail = name.partition(".")
            values = np.stack([result.arrays[name] for result in results])
            full = f"{head}.{arm}.{tail}" if tail else f"{head}.{arm}"
            arrays[full] = Array(values, ("seed", *_axes(head)))
    normalised = [arm for arm in trials if any(k.startswith(f"gamma.{arm}.") for k in arrays)]
    if normalised:
        chosen = "norm_input" if "norm_input" in normalised else normalised[0]
        for head in ("gamma", "beta"):
            prefix = f"{head}.{chosen}."
            found = {k: a for k, a in arrays.items() if k.startswith(prefix)}
            arrays |= {f"{head}.{k.removeprefix(prefix)}": a for k, a in found.items()}
    return arrays


def _axes(head: str) -> tuple[str, ...]:
    if head in CHANNEL_ARRAYS:
        return ("channel",)
    return {"curve": ("epoch",), "movement": ("part", "layer"), "test_correct": ("image",)}[head]
