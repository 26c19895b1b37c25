"""The experiments of the study, cut into trials: before training, in training, deep, on the ball.

A trial is a block of seeds whose size does not depend on the machine, and one thread computes it; so
neither the number of threads nor an interruption changes a bit of the answer. Each experiment is a
function of the config, the images and a range of seeds that returns arrays, seeds first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firstlight import seeds
from firstlight.context import Context
from firstlight.record.store import TrialResult
from firstlight.record.table import Entry, Table
from firstlight.studies.initialization import labels, networks
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.data import BALL_DIMENSIONS, Images, ball, images
from firstlight.studies.initialization.measures import measure, places, sample
from firstlight.studies.initialization.training import learn
from firstlight.types import Numbers, Tick

DEEP_IMAGES = 4
"""Images that are passed through the deep networks."""


def before(config: InitializationConfig, seen: Images, indices: range) -> dict[str, Numbers]:
    """Measure networks on the images, before any training.

    Returns:
        ``measured``, shape (seeds, activations, inits, layers, measures), and ``sample``, shape
        (seeds, activations, inits, layers, kinds, values).
    """
    rows, samples, inits = [], [], list(labels.inits(config.sigmas))
    for index in indices:
        source = networks.Source(config, inits, index, str(seen.x.device))
        start = source.layer("first", config.width, seen.x.shape[1]).forward(seen.x)
        head = networks.softmax_head(source.layer("last", seen.classes, config.width), seen.y)
        layers = source.hidden(config.layers)
        where = places(config.seed, index, len(seen.x) * config.width)
        passed = {name: networks.trace(name, start, layers, head) for name in config.activations}
        rows.append(np.stack([measure(name, one) for name, one in passed.items()]))
        samples.append(np.stack([sample(one, where) for one in passed.values()]))
    return {"measured": np.stack(rows), "sample": np.stack(samples)}


def deep(config: InitializationConfig, seen: Images, indices: range) -> dict[str, Numbers]:
    """Measure deep networks in double precision, with a random gradient at the end.

    Returns:
        The mean squares of each of ``DIRECTIONS``, ``activation`` and ``gradient`` (with respect to
        Z-values), shape (seeds, activations, inits, layers).
    """
    rows, inits = [], list(labels.inits(config.sigmas))
    for index in indices:
        source = networks.Source(config, inits, index, str(seen.x.device), torch.float64)
        layers, x = source.hidden(config.depth), seen.x[:DEEP_IMAGES].double()
        start = source.layer("first", config.width, x.shape[1]).forward(x)
        stream = seeds.torch_generator(config.seed, config.study, "gradient", index)
        numbers = torch.randn(config.width, generator=stream)

        def head(h: Tensor, numbers: Tensor = numbers) -> Tensor:
            return numbers.to(h).repeat(*h.shape[:-1], 1)

        squares = []
        for activation in config.activations:
            passed = networks.trace(activation, start, layers, head)
            pairs = zip(passed.a, passed.delta, strict=True)
            each = [torch.stack([_square(a), _square(d)], dim=-1) for a, d in pairs]
            squares.append(torch.stack(each, dim=1))
        rows.append(torch.stack(squares).cpu().numpy())
    return dict(zip(labels.DIRECTIONS, np.moveaxis(np.stack(rows), -1, 0), strict=True))


def _square(x: Tensor) -> Tensor:
    """Return each network's mean square, summed without overflow."""
    values = x.flatten(1)
    norm: Tensor = torch.linalg.vector_norm(values, dim=1)
    return norm.square() / values.shape[1]


def on_ball(config: InitializationConfig, seen: Images, indices: range) -> dict[str, Numbers]:
    """Measure networks on the ball, before training; the first hidden layer sees the points.

    Returns:
        ``measured``, shape (seeds, pairs, layers, measures), and ``sample``, shape (seeds, pairs,
        layers, 4, values): Z-values, activations, weights and the gradients of the mean loss with
        respect to the weights.
    """
    device, pairs = str(seen.x.device), labels.ball_inits(config.activations, config.sigmas)
    x, y = (part.to(device) for part in ball(config.seed))
    rows, samples = [], []
    for index in indices:
        at = places(config.seed, index, len(x) * config.width).to(device)
        row, values = [], []
        for activation, init in pairs.items():
            source = networks.Source(config, [init], index, device)
            first = source.layer("first", config.width, BALL_DIMENSIONS)
            layers = [first, *source.hidden(config.layers - 1)]
            head = networks.logistic_head(source.layer("last", 1, config.width), y)
            passed = networks.trace(activation, x[None], layers, head)
            row.append(measure(activation, passed)[0])
            values.append(_ball_sample(layers, x, passed, at))
        rows.append(np.stack(row))
        samples.append(np.stack(values))
    return {"measured": np.stack(rows), "sample": np.stack(samples)}


def _ball_sample(
    layers: Sequence[networks.Layer], x: Tensor, passed: networks.Trace, at: Tensor
) -> Numbers:
    """Return single values of each of ``BALL_KINDS`` of one network."""
    rows, h = [], x
    for layer, z, a, delta in zip(layers, passed.z, passed.a, passed.delta, strict=True):
        weights = (layer.weights * layer.scale).flatten()
        gradient = (delta[0].mT @ h).flatten() / len(x)
        own = at % len(weights)
        values = {"z": z.flatten()[at], "activation": a.flatten()[at]}
        values |= {"weight": weights[own], "weight_gradient": gradient[own]}
        rows.append(torch.stack([values[kind] for kind in labels.BALL_KINDS]))
        h = a[0]
    return np.asarray(torch.stack(rows).float().cpu().numpy())


EXPERIMENTS = {"learning": learn, "before": before, "deep": deep, "ball": on_ball}
"""Every experiment, the longest first."""
BLOCK = 10
"""Seeds that make a trial, but for a training, which is one of its own."""


@dataclass(frozen=True)
class Trial:
    """Some seeds, ``first`` to ``last`` − 1, of one of the ``EXPERIMENTS``."""

    config: InitializationConfig
    experiment: str
    first: int
    last: int


def trials(config: InitializationConfig) -> dict[str, Trial]:
    """Return every trial of a run by its name; linear networks alone need no training."""
    needed = list(EXPERIMENTS) if labels.trained(config.activations) else ["before", "deep"]
    found = {}
    for name in needed:
        learning = name == "learning"
        count, block = (config.training_seeds, 1) if learning else (config.seeds, BLOCK)
        for first in range(0, count, block):
            found[f"{name}-{first}"] = Trial(config, name, first, min(first + block, count))
    return found


def perform(trial: Trial, context: Context, tick: Tick) -> TrialResult:
    """Measure one trial's networks; single values are kept of the first seeds only."""
    seen = images(context.images(), trial.config, context.device)
    measure_all = EXPERIMENTS[trial.experiment]
    arrays = measure_all(trial.config, seen, range(trial.first, trial.last))
    if "sample" in arrays:
        arrays["sample"] = arrays["sample"][: max(0, labels.SAMPLED_SEEDS - trial.first)]
    return TrialResult(arrays=Table(Entry(name, {}, array) for name, array in arrays.items()))
