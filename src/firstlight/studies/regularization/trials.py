"""One trial of the regularization study: one arm, one seed, trained, measured, tested once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import seeds
from firstlight.studies.regularization.config import Arm, RegularizationConfig
from firstlight.data.batches import count, shuffled
from firstlight.data.split import Split, standardized
from firstlight.models.lenet5 import LAYERS, LeNet5
from firstlight.studies.regularization import measures
from firstlight.studies.regularization.data import checked, loaded
from firstlight.train import PLAIN, evaluate, fit, one_cycle

Tick = Callable[[int, int], None]
Facts = dict[str, float | int | str]
Arrays = dict[str, NDArray[Any]]

NORMS: dict[Arm, tuple[str, ...]] = {
    "plain": (),
    "norm_hidden": LAYERS[1:],
    "norm_input": LAYERS,
    "dropout": (),
    "norm_dropout": LAYERS[1:],
}
"""Where each arm has batch normalization."""

DROPS: tuple[Arm, ...] = ("dropout", "norm_dropout")
"""The arms with dropout."""

CHECKPOINTS = 8
"""Parts of the first epoch between which the movement of a layer's inputs is measured."""

PROBE_IMAGES = 512
"""Validation images on which that movement is measured."""

VARIANCE_IMAGES = 2_048
"""Training images on which the variance at each batch normalization is measured."""


def network(arm: Arm, config: RegularizationConfig, index: int, device: str = "cpu") -> LeNet5:
    """Return the arm's untrained network; networks of one seed start from the same weights.

    Args:
        arm: one of the study's arms.
        config: the study's parameters.
        index: number of the seed, from 0.
        device: where the network shall lie.
    """
    drops = arm in DROPS
    model = LeNet5(
        seeds.torch_generator(config.seed, "weights", index),
        norm=NORMS[arm],
        input_dropout=config.input_dropout if drops else 0.0,
        hidden_dropout=config.hidden_dropout if drops else 0.0,
        masks=seeds.torch_generator(config.seed, "masks", index, device=device),
    )
    return model.to(device)


def train_arm(spec: dict[str, Any], tick: Tick) -> tuple[Facts, Arrays]:
    """Train one arm with one seed and return what was measured: the work of a sweep's trial.

    Args:
        spec: ``arm``, ``index`` (of the seed), ``config`` (as from ``as_dict``), ``device``, and
            ``_data``, the folder with the data or None.
        tick: called as ``tick(steps done, steps in all)``.
    """
    config = checked(RegularizationConfig.from_dict(spec["config"]))
    parts = loaded(spec["_data"], spec["config"], spec["device"])
    return train_on(parts, spec["arm"], config, spec["index"], tick, device=spec["device"])


def train_on(
    parts: Split,
    arm: Arm,
    config: RegularizationConfig,
    index: int,
    tick: Tick,
    *,
    device: str = "cpu",
) -> tuple[Facts, Arrays]:
    """Train one arm on these images and return its facts and arrays; the test set comes last."""
    if "input" not in NORMS[arm]:
        parts = standardized(parts)
    model = network(arm, config, index, device)
    curves, moved = _train(model, parts, config, index, tick)
    facts: Facts = {}
    arrays: Arrays = {f"curve.{name}": np.array(values) for name, values in curves.items()}
    arrays["movement"] = moved
    for layer, value in zip(measures.RECEIVERS, moved.mean(0), strict=True):
        facts[f"covariate_shift.{layer}"] = float(value)
    facts |= _coadaptation(model, parts, config, index)
    more, tensors = _norm_state(model, parts, config)
    for name in ("train", "validation", "test"):
        score = evaluate(model, *getattr(parts, name))
        facts |= {f"{name}_accuracy": score.accuracy, f"{name}_loss": score.loss}
    arrays["test_correct"] = score.correct.astype(np.uint8)
    return facts | more, arrays | tensors


def _train(
    model: LeNet5, parts: Split, config: RegularizationConfig, index: int, tick: Tick
) -> tuple[dict[str, list[float]], NDArray[np.float64]]:
    """Train and return the curves by epoch, and the inputs' movement by part of the first epoch."""
    images, labels = parts.train
    each = count(len(images), config.batch_size)
    total = each * config.epochs
    rate = one_cycle(config.learning_rate, total)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate(0), fused=True)
    track = _Track(model, parts.validation[0][:PROBE_IMAGES], each)
    curves: dict[str, list[float]] = {}
    some = slice(len(parts.validation[0]))

    def after_step(step: int) -> None:
        track(step)
        if step % 50 == 0 or step == total:
            tick(step, total)

    for epoch in range(config.epochs):
        draw = seeds.generator(config.seed, "batches", index, epoch)
        order = shuffled(len(images), config.batch_size, draw, device=str(images.device))
        fit(
            model, images, labels, order, optimizer, rate,
            first_step=epoch * each, after_step=after_step, path=PLAIN,
        )  # fmt: skip
        for name, (x, y) in (
            ("train", (images[some], labels[some])),
            ("validation", parts.validation),
        ):
            score = evaluate(model, x, y)
            curves.setdefault(f"{name}_accuracy", []).append(score.accuracy)
            curves.setdefault(f"{name}_loss", []).append(score.loss)
    return curves, track.result()


class _Track:
    """Follows the layers' inputs on fixed images through the first epoch."""

    def __init__(self, model: LeNet5, images: Tensor, steps: int) -> None:
        self._model, self._images = model, images
        self._at = {round(part * steps / CHECKPOINTS) for part in range(1, CHECKPOINTS + 1)}
        self._last = measures.layer_inputs(model, images)
        self._moved: list[list[float]] = []

    def __call__(self, step: int) -> None:
        if step in self._at:
            now = measures.layer_inputs(self._model, self._images)
            self._moved.append(list(measures.movement(self._last, now).values()))
            self._last = now

    def result(self) -> NDArray[np.float64]:
        return np.array(self._moved)


def _coadaptation(model: LeNet5, parts: Split, config: RegularizationConfig, index: int) -> Facts:
    images, labels = parts.validation
    hidden = measures.outputs(model, images)
    halves = seeds.generator(config.seed, "halves", index)
    facts: Facts = {"removal": measures.removal(model, images, labels, halves)}
    for layer in ("fc1", "fc2"):
        facts[f"coadaptation.{layer}"] = measures.coadaptation(hidden[layer].cpu().numpy())
    return facts


def _norm_state(
    model: LeNet5, parts: Split, config: RegularizationConfig
) -> tuple[Facts, dict[str, NDArray[Any]]]:
    """Return the variance ratios and what every batch normalization has learned."""
    facts: Facts = {}
    arrays: Arrays = {}
    if not model.norms:
        return facts, arrays
    images = parts.train[0][:VARIANCE_IMAGES]
    at_test = measures.batch_variances(model, images, config.batch_size, training=False)
    training = measures.batch_variances(model, images, config.batch_size, training=True)
    for layer, norm in model.norms.items():
        state = {k: v.detach().cpu().numpy() for k, v in norm.state_dict().items()}
        running = state["running_var"].astype(np.float64)
        facts[f"variance_shift.{layer}"] = measures.geometric_mean(at_test[layer], running)
        facts[f"variance_training.{layer}"] = measures.geometric_mean(training[layer], running)
        arrays |= {
            f"gamma.{layer}": state["weight"], f"beta.{layer}": state["bias"],
            f"running_mean.{layer}": state["running_mean"],
            f"running_var.{layer}": state["running_var"],
        }  # fmt: skip
    return facts, arrays
