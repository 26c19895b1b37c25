"""The experiments of the study, cut into trials: before training, in training, deep, on the ball.

A trial is a block of seeds whose size does not depend on the machine, and one thread computes it; so
neither the number of threads nor an interruption changes a bit of the answer. Each experiment is a
function of the config, the images and a network's seed, and returns arrays.
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
from firstlight.studies.initialization.measures import measure, measured, places
from firstlight.studies.initialization.training import learn
from firstlight.types import Numbers, Tick

DEEP_IMAGES = 4
"""Images that are passed through the deep networks."""


def before(config: InitializationConfig, seen: Images, index: int) -> dict[str, Numbers]:
    """Measure networks on the images, before any training; see ``measured``."""
    inits = labels.inits(config.sigmas)
    first, *hidden, last = networks.draw(config, inits, index, seen.ends, config.layers, seen.x)
    start, head = first.forward(seen.x), networks.softmax_head(last, seen.y)
    names: Sequence[str] = config.activations
    traces = {name: networks.trace(name, start, hidden, head) for name in names}
    return measured(traces, places(config, index, len(seen.x) * config.width))


def deep(config: InitializationConfig, seen: Images, index: int) -> dict[str, Numbers]:
    """Measure deep networks in double precision, with a random gradient at the end.

    ``square``, shape (activations, inits, layers, directions), are mean squares of activations and
    of gradients with respect to Z-values.
    """
    x, inits = seen.x[:DEEP_IMAGES].double(), labels.inits(config.sigmas)
    first, *hidden, _ = networks.draw(config, inits, index, seen.ends, config.depth, x)
    stream = seeds.torch_generator(config.seed, config.study, "gradient", index)
    gradient = torch.randn(config.width, generator=stream).to(x)

    def head(h: Tensor) -> Tensor:
        return gradient.repeat(*h.shape[:-1], 1)

    start, squares = first.forward(x), []
    for activation in config.activations:
        passed = networks.trace(activation, start, hidden, head)
        ways = [torch.stack([_square(h) for h in way], 1) for way in (passed.a, passed.delta)]
        squares.append(torch.stack(ways, dim=-1))
    return {"square": np.asarray(torch.stack(squares).cpu().numpy())}


def _square(x: Tensor) -> Tensor:
    """Return each network's mean square, summed without overflow."""
    values = x.flatten(1)
    norm: Tensor = torch.linalg.vector_norm(values, dim=1)
    return norm.square() / values.shape[1]


def on_ball(config: InitializationConfig, seen: Images, index: int) -> dict[str, Numbers]:
    """Measure networks on the ball, before training; the first hidden layer sees the points.

    ``measured`` has the shape (pairs, layers, measures), ``sample`` (pairs, layers, kinds, values),
    where gradients are those of the mean loss with respect to the weights.
    """
    x, y = (part.to(seen.x.device) for part in ball(config.seed))
    at = places(config, index, len(x) * config.width).to(x.device)
    ends, rows, samples = (BALL_DIMENSIONS, 1), [], []
    for activation, init in labels.ball_inits(config.activations, config.sigmas).items():
        *layers, last = networks.draw(config, [init], index, ends, config.layers - 1, x)
        head = networks.logistic_head(last, y)
        passed = networks.trace(activation, x[None], layers, head)
        rows.append(measure(activation, passed)[0])
        samples.append(_ball_sample(layers, x, passed, at))
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
    needed = EXPERIMENTS if labels.trained(config.activations) else ("before", "deep")
    found = {}
    for name in needed:
        learning = name == "learning"
        count, block = (config.training_seeds, 1) if learning else (config.seeds, BLOCK)
        for first in range(0, count, block):
            found[f"{name}-{first}"] = Trial(config, name, first, min(first + block, count))
    return found


def perform(trial: Trial, context: Context, tick: Tick) -> TrialResult:
    """Measure one trial's networks, seeds first; single values are kept of the first seeds only."""
    seen = images(context.images(), trial.config, context.device)
    measure_one = EXPERIMENTS[trial.experiment]
    runs = [measure_one(trial.config, seen, index) for index in range(trial.first, trial.last)]
    arrays = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    if "sample" in arrays:
        arrays["sample"] = arrays["sample"][: max(0, labels.SAMPLED_SEEDS - trial.first)]
    return TrialResult(arrays=Table(Entry(name, {}, array) for name, array in arrays.items()))
