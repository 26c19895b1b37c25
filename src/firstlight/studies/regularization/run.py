"""Problem 3: batch normalization, dropout and both on LeNet-5, every arm with every seed.

All arms of a seed share the initial weights, the batches and, where they drop, the masks; so every
comparison is paired over seeds. Nothing is chosen on the test set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import torch
from torch import Tensor

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
from firstlight.train.evaluation import Evaluation, evaluate, recalibrated
from firstlight.train.loop import fit
from firstlight.types import Floats, Tick

CHECKPOINTS = 8
"""Parts of the first epoch between which the movement of a layer's inputs is measured."""

RECALIBRATION_IMAGES = 1_000
"""Training images from which the statistics of batch normalization are computed for an evaluation."""

REMOVAL_IMAGES = 2_000
"""Training images on which half of fc1 is silenced: it is to these that units can be co-adapted."""

PROBE_IMAGES = 512
"""Validation images on which that movement is measured."""

VARIANCE_IMAGES = 2_048
"""Training images on which the variance at each batch normalization is measured."""

STATE = {"gamma": "weight", "beta": "bias"} | {k: k for k in ("running_mean", "running_var")}
"""What is recorded of a batch normalization → its name in PyTorch."""


Trials = Mapping[str, list[TrialResult]]
"""Arm → one result for each seed, in the order of the seeds."""

AXES = {
    "curve": ("epoch",),
    "movement": ("checkpoint", "receiver"),
    labels.CORRECT["test"]: ("image",),
    **dict.fromkeys((*labels.LEARNED, *labels.MOVING), ("channel",)),
}
"""Array of a record → its axes after that of the seeds; a training's other arrays are not kept."""

LEVEL = 0.05
"""A p-value below it counts as a difference between two trained networks."""

Pair = tuple[Tensor, Tensor]
"""Images and labels."""


@dataclass(frozen=True)
class Trial:
    """What one training depends on besides the data; seeds are numbered from 0."""

    config: RegularizationConfig
    arm: str
    index: int


def run(config: RegularizationConfig, context: Context) -> Results:
    """Train every arm with every seed.

    Accuracies have intervals for new seeds and new images, ``stats.two_level``: of each arm on the
    training, validation and test images; ``difference`` of each pair of arms on the test images,
    first − second, paired over seeds and images; ``moving_accuracy``, on the test images with the
    moving averages of the training instead of fresh statistics, and ``recomputing``, what the fresh
    ones add. All others are means over seeds with t intervals: losses; ``loss_difference``; ``gap``,
    accuracy on training minus test images; ``removal``, ``coadaptation`` and ``covariate_shift`` as
    in ``measures``; ``variance_shift``, the variance without dropout, as at test time, over the
    moving average of the variance, and its control ``variance_training``, the variance in training
    over the same; mean, lowest and highest γ and β over channels and seeds; and ``change``, see
    ``labels.CHANGES``. ``mcnemar`` is the p-value over the test images, see ``stats.combined_p``, and
    ``mcnemar_seeds`` the number of seeds whose own is below 5 %.

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
    images = images_of(config, context)
    for role in labels.ACCURACY:
        facts.put("images", Fact(len(getattr(images, role)[1])), role=role)
    used = min(RECALIBRATION_IMAGES, len(images.train[1]))
    facts.put("images", Fact(used), role="recomputed")
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
        input_dropout=config.input_dropout,
        hidden_dropout=config.hidden_dropout,
        drop=variant.drops,
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
    _put_norms(model, images, trial.config, result)
    with recalibrated(model, images.train[0][:RECALIBRATION_IMAGES]):
        _put_coadaptation(model, images, trial, result)
    shown = {name: getattr(images, name) for name in labels.ACCURACY}
    for name, score in evaluated(model, images, shown).items():
        result.facts.put(labels.LOSS[name], score.loss)
        result.arrays.put(labels.CORRECT[name], score.correct.astype(np.uint8))
    return result


def evaluated(model: LeNet5, images: Split, shown: Mapping[str, Pair]) -> dict[str, Evaluation]:
    """Return what a network scores on some images: dropout off, statistics of training images."""
    with recalibrated(model, images.train[0][:RECALIBRATION_IMAGES]):
        return {name: evaluate(model, *pair) for name, pair in shown.items()}


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
        shown = {"train": (x[seen], y[seen]), "validation": images.validation}
        for name, score in evaluated(model, images, shown).items():
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
    x, y = images.train
    shown = {"train": (x[:REMOVAL_IMAGES], y[:REMOVAL_IMAGES]), "validation": images.validation}
    for name, pair in shown.items():
        result.facts.put("removal", measures.removal(model, *pair, halves), images=name)
    for layer in ("fc1", "fc2"):
        value = measures.coadaptation(hidden[layer].cpu().numpy())
        result.facts.put("coadaptation", value, layer=layer)


def _put_norms(
    model: LeNet5, images: Split, config: RegularizationConfig, result: TrialResult
) -> None:
    """Add what every batch normalization has learned, and what its moving averages are worth."""
    if not model.norms:
        return
    score = evaluate(model, *images.test)
    result.arrays.put(labels.CORRECT["moving"], score.correct.astype(np.uint8))
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
            if measure in AXES:
                values = _stacked(results, measure, **coords)
                labeled = {"receiver": list(labels.SOURCES)} if measure == "movement" else {}
                array = Array(values, ("seed", *AXES[measure]), labeled)
                arrays.put(measure, array, arm=arm, **coords)
    return arrays


def all_facts(trials: Trials, arrays: Arrays) -> Facts:
    """Return every fact of the study.

    Args:
        trials: what was measured in each training.
        arrays: what ``all_arrays`` makes of them.
    """
    facts = Facts()
    for arm, results in trials.items():
        _put_scores(facts, arm, results)
        for measure, coords, _ in results[0].facts.entries():
            values, within = _values(results, measure, **coords), labels.WITHIN[measure]
            facts.put(measure, stats.mean(values, within=within), arm=arm, **coords)
    for measure in labels.LEARNED:
        for _, coords, array in arrays.select(measure).entries():
            facts.put(f"{measure}_mean", stats.mean(array.values.mean(axis=1)), **coords)
            facts.put(f"{measure}_low", Fact(float(array.values.min())), **coords)
            facts.put(f"{measure}_high", Fact(float(array.values.max())), **coords)
    for first, second in combinations(trials, 2):
        _put_comparison(facts, {"first": first, "second": second}, trials)
    for change in labels.CHANGES:
        if trials.keys() >= {change["first"], change["second"]}:
            at = {name: label for name, label in change.items() if name in ("layer", "images")}
            pair = (trials[change[side]] for side in ("first", "second"))
            both = (_values(results, change["quantity"], **at) for results in pair)
            facts.put("change", stats.paired_difference(*both), **change)
    return facts


def _put_scores(facts: Facts, arm: str, results: list[TrialResult]) -> None:
    """Add the accuracies of an arm, what fresh statistics add to it, and train minus test."""
    correct = {
        images: _stacked(results, array)
        for images, array in labels.CORRECT.items()
        if results[0].arrays.has(array)
    }
    for images, table in correct.items():
        facts.put(f"{images}_accuracy", stats.two_level(table), arm=arm)
    if "moving" in correct:
        gain = stats.two_level_difference(correct["test"], correct["moving"])
        facts.put("recomputing", gain, arm=arm)
    train, test = (correct[images].mean(axis=1) for images in ("train", "test"))
    facts.put("gap", stats.mean(train - test, within=(-1.0, 1.0)), arm=arm)


def _put_comparison(facts: Facts, pair: dict[str, str], trials: Trials) -> None:
    """Add how two arms differ on the test images: first − second, paired by seed and image."""
    both = [trials[pair[side]] for side in ("first", "second")]
    correct = [_stacked(results, labels.CORRECT["test"]) for results in both]
    losses = (_values(results, labels.LOSS["test"]) for results in both)
    facts.put("difference", stats.two_level_difference(*correct), **pair)
    facts.put("loss_difference", stats.paired_difference(*losses), **pair)
    chances = [_mcnemar(*rows) for rows in zip(*correct, strict=True)]
    facts.put("mcnemar", Fact(stats.combined_p(chances), n=len(chances)), **pair)
    differ = sum(p < LEVEL for p in chances)
    facts.put("mcnemar_seeds", Fact(differ, n=len(chances)), **pair)


def _stacked(results: list[TrialResult], measure: str, /, **coords: Label) -> np.ndarray:
    return np.stack([result.arrays.get(measure, **coords) for result in results])


def _values(results: list[TrialResult], measure: str, /, **coords: Label) -> Floats:
    return np.array([float(result.facts.get(measure, **coords)) for result in results])


def _mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    return stats.mcnemar(int((first > second).sum()), int((first < second).sum()))
