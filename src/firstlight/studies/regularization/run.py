"""Problem 3: batch normalization, dropout and both on LeNet-5, every arm with every seed.

All arms of a seed share the initial weights, the batches and, where they drop, the masks; so every
comparison is paired over seeds. Nothing is chosen on the test set.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import torch

from firstlight import seeds, stats
from firstlight.context import Context
from firstlight.data.batches import count, shuffled
from firstlight.data.split import Split, split_of, standardized
from firstlight.models.lenet5 import LeNet5
from firstlight.record import Array, Arrays, Fact, Facts, Label
from firstlight.record.store import TrialResult
from firstlight.schedules.shapes import one_cycle
from firstlight.studies.regularization import labels, measures
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.study import Results
from firstlight.sweep import run_trials
from firstlight.train.acceleration import PLAIN
from firstlight.train.evaluation import evaluate
from firstlight.train.loop import fit
from firstlight.types import Floats, Tick

CHECKPOINTS = 8
"""Parts of the first epoch between which the movement of a layer's inputs is measured."""

PROBE_IMAGES = 512
"""Validation images on which that movement is measured."""

VARIANCE_IMAGES = 2_048
"""Training images on which the variance at each batch normalization is measured."""

STATE = {"gamma": "weight", "beta": "bias"} | {k: k for k in ("running_mean", "running_var")}
"""What is recorded of a batch normalization → its name in PyTorch."""

AXES = {
    "curve": ("epoch",),
    "movement": ("checkpoint", "receiver"),
    "test_correct": ("image",),
    **dict.fromkeys(STATE, ("channel",)),
}
"""Array → its axes after that of the seeds."""

Trials = Mapping[str, list[TrialResult]]


@dataclass(frozen=True)
class Trial:
    """What one training depends on besides the data; seeds are numbered from 0."""

    config: RegularizationConfig
    arm: str
    index: int


def run(config: RegularizationConfig, context: Context) -> Results:
    """Train every arm with every seed.

    Facts are means over seeds with t intervals: accuracy and loss of each arm on the training,
    validation and test images; ``difference`` and ``loss_difference`` of each pair of arms on the
    test images, first − second, paired; ``mcnemar``, its p-value over test images (see
    ``stats.combined_p``); ``removal``, ``coadaptation`` and ``covariate_shift`` as in ``measures``;
    ``variance_shift``, the variance without dropout, as at test time, over the running variance,
    and its control ``variance_training``, the variance in training over the same; mean, lowest and
    highest γ and β over channels and seeds; and ``change``, see ``labels.CHANGES``.

    Args:
        config: the parameters.
        context: run folder, device, data set and progress.
    """
    # Seeds are the outer loop, so that a run cut short leaves whole pairs.
    specs = {f"{a}-{i}": Trial(config, a, i) for i in range(config.seeds) for a in config.arms}
    results = run_trials(train_arm, specs, context, label=config.study)
    trials: Trials = {
        arm: [results[f"{arm}-{i}"] for i in range(config.seeds)] for arm in config.arms
    }
    arrays = all_arrays(trials)
    facts = all_facts(trials, arrays)
    facts.put("data", Fact(context.images().name))
    return Results(facts, arrays)


def images_of(config: RegularizationConfig, context: Context) -> Split:
    """Return the run's images, made once in each process."""
    return split_of(
        context.images(),
        seed=config.seed,
        images=config.train_images,
        validation_share=config.validation_share,
        test_images=config.test_images,
        device=context.device,
    )


def network(trial: Trial, device: str = "cpu") -> LeNet5:
    """Return the trial's untrained network; networks of one seed start from the same weights."""
    config, variant = trial.config, labels.VARIANTS[trial.arm]
    model = LeNet5(
        seeds.torch_generator(config.seed, "weights", trial.index),
        norm=variant.norms,
        input_dropout=config.input_dropout if variant.drops else 0.0,
        hidden_dropout=config.hidden_dropout if variant.drops else 0.0,
        masks=seeds.torch_generator(config.seed, "masks", trial.index, device=device),
    )
    return model.to(device)


def train_arm(trial: Trial, context: Context, tick: Tick) -> TrialResult:
    """Train one arm with one seed and return what was measured: the work of a sweep's trial."""
    return train_on(images_of(trial.config, context), trial, tick)


def train_on(images: Split, trial: Trial, tick: Tick) -> TrialResult:
    """Train one arm on these images, measure it, and use the test images at the end."""
    if "input" not in labels.VARIANTS[trial.arm].norms:
        images = standardized(images)
    result = TrialResult()
    model = network(trial, str(images.train[0].device))
    _train(model, images, trial, tick, result)
    _put_coadaptation(model, images, trial, result)
    _put_norms(model, images, trial.config, result)
    for name in labels.ACCURACY:
        score = evaluate(model, *getattr(images, name))
        result.facts.put(labels.ACCURACY[name], score.accuracy)
        result.facts.put(labels.LOSS[name], score.loss)
    result.arrays.put("test_correct", score.correct.astype(np.uint8))
    return result


def _train(model: LeNet5, images: Split, trial: Trial, tick: Tick, result: TrialResult) -> None:
    """Train, and add the curves by epoch and the movement of the inputs in the first epoch."""
    config, (x, y) = trial.config, images.train
    each = count(len(x), config.batch_size)
    total = each * config.epochs
    rate = one_cycle(config.learning_rate, total)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate(0), fused=True)
    checkpoints = {round(k * each / CHECKPOINTS) for k in range(1, CHECKPOINTS + 1)}
    probe = images.validation[0][:PROBE_IMAGES]
    inputs = [measures.layer_inputs(model, probe)]

    def after_step(step: int) -> None:
        if step in checkpoints:
            inputs.append(measures.layer_inputs(model, probe))
        if step % 50 == 0 or step == total:
            tick(step, total)

    curves: dict[str, list[float]] = {}
    seen = slice(len(images.validation[0]))  # as many training images as validation images
    for epoch in range(config.epochs):
        draw = seeds.generator(config.seed, "batches", trial.index, epoch)
        order = shuffled(len(x), config.batch_size, draw, device=str(x.device))
        step = epoch * each
        fit(model, x, y, order, optimizer, rate, first_step=step, after_step=after_step, path=PLAIN)
        for name, shown in (("train", (x[seen], y[seen])), ("validation", images.validation)):
            score = evaluate(model, *shown)
            curves.setdefault(labels.ACCURACY[name], []).append(score.accuracy)
            curves.setdefault(labels.LOSS[name], []).append(score.loss)
    for measure, values in curves.items():
        result.arrays.put("curve", np.array(values), measure=measure)
    moved = np.array([measures.movement(a, b) for a, b in pairwise(inputs)])
    result.arrays.put("movement", moved)
    for layer, value in zip(labels.SOURCES, moved.mean(0), strict=True):
        result.facts.put("covariate_shift", float(value), layer=layer)
    result.facts.put("covariate_shift", float(moved.mean(0).mean()))


def _put_coadaptation(model: LeNet5, images: Split, trial: Trial, result: TrialResult) -> None:
    hidden = measures.outputs(model, images.validation[0])
    halves = seeds.generator(trial.config.seed, "halves", trial.index)
    result.facts.put("removal", measures.removal(model, *images.validation, halves))
    for layer in ("fc1", "fc2"):
        value = measures.coadaptation(hidden[layer].cpu().numpy())
        result.facts.put("coadaptation", value, layer=layer)


def _put_norms(
    model: LeNet5, images: Split, config: RegularizationConfig, result: TrialResult
) -> None:
    """Add the variance ratios and what every batch normalization has learned."""
    if not model.norms:
        return
    x, batch = images.train[0][:VARIANCE_IMAGES], config.batch_size
    variances = {
        "variance_shift": measures.batch_variances(model, x, batch, training=False),
        "variance_training": measures.batch_variances(model, x, batch, training=True),
    }
    for layer, norm in model.norms.items():
        state = {name: value.detach().cpu().numpy() for name, value in norm.state_dict().items()}
        running = state["running_var"].astype(np.float64)
        for measure, by_layer in variances.items():
            ratio = measures.log_ratio_mean(by_layer[layer], running)
            result.facts.put(measure, ratio, layer=layer)
        for measure, name in STATE.items():
            result.arrays.put(measure, state[name], layer=layer)


def all_arrays(trials: Trials) -> Arrays:
    """Return every array of the study: stacked over seeds, which are the first axis."""
    arrays = Arrays()
    for arm, results in trials.items():
        for measure, coords, _ in results[0].arrays.entries():
            values = np.stack([result.arrays.get(measure, **coords) for result in results])
            receivers = {"receiver": list(labels.SOURCES)} if "receiver" in AXES[measure] else {}
            array = Array(values, ("seed", *AXES[measure]), receivers)
            arrays.put(measure, array, arm=arm, **coords)
    return arrays


def all_facts(trials: Trials, arrays: Arrays) -> Facts:
    """Return every fact of the study.

    Args:
        trials: arm → one result for each seed, in the order of the seeds.
        arrays: what ``all_arrays`` makes of them.
    """
    facts = Facts()
    for arm, results in trials.items():
        for measure, coords, _ in results[0].facts.entries():
            within = (0.0, 1.0) if measure in labels.SHARES else (-math.inf, math.inf)
            mean = stats.mean(_values(results, measure, **coords), within=within)
            facts.put(measure, mean, arm=arm, **coords)
    for measure in labels.LEARNED:
        for _, coords, array in arrays.select(measure).entries():
            facts.put(f"{measure}_mean", stats.mean(array.values.mean(axis=1)), **coords)
            facts.put(f"{measure}_low", Fact(float(array.values.min())), **coords)
            facts.put(f"{measure}_high", Fact(float(array.values.max())), **coords)
    for first, second in combinations(trials, 2):
        pair, both = {"first": first, "second": second}, (trials[first], trials[second])
        for name, scores in (("difference", labels.ACCURACY), ("loss_difference", labels.LOSS)):
            values = (_values(results, scores["test"]) for results in both)
            facts.put(name, stats.paired_difference(*values), **pair)
        chances = [_mcnemar(a, b) for a, b in zip(*both, strict=True)]
        facts.put("mcnemar", Fact(stats.combined_p(chances), n=len(chances)), **pair)
    for change in labels.CHANGES:
        arms = change["first"], change["second"]
        if trials.keys() >= {*arms}:
            at = {name: label for name, label in change.items() if name == "layer"}
            values = (_values(trials[arm], change["quantity"], **at) for arm in arms)
            facts.put("change", stats.paired_difference(*values), **change)
    return facts


def _values(trials: list[TrialResult], measure: str, **coords: Label) -> Floats:
    return np.array([float(trial.facts.get(measure, **coords)) for trial in trials])


def _mcnemar(a: TrialResult, b: TrialResult) -> float:
    x, y = (trial.arrays.get("test_correct").astype(bool) for trial in (a, b))
    return stats.mcnemar(int((x & ~y).sum()), int((~x & y).sum()))
