"""Short trainings from every initialization: all networks of a seed at once, by hand.

All networks of a seed have the same standard normal numbers behind their weights and see the same
batches, so that any two are compared in pairs.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from firstlight import seeds
from firstlight.data.batches import shuffled
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.data import Images
from firstlight.studies.initialization.labels import LARGEST_LOSS, inits, trained
from firstlight.studies.initialization.measures import measure, places, sample
from firstlight.studies.initialization.networks import (
    ACTIVATIONS,
    Layer,
    Source,
    softmax_head,
    trace,
)
from firstlight.types import Floats, Numbers

POINTS = 5
"""Points of a loss curve after its start."""


def checkpoints(steps: int) -> list[int]:
    """Return the steps after which the loss is measured, the first being 0.

    Example:
        >>> checkpoints(50)
        [0, 10, 20, 30, 40, 50]
    """
    return sorted({round(steps * k / POINTS) for k in range(POINTS + 1)})


def stack(config: InitializationConfig, index: int, seen: Images) -> list[Tensor]:
    """Return the weights of network ``index`` from every initialization, from the first layer on.

    Returns:
        The linear first layer, shape (networks, width, pixels); the hidden ones, (networks, width,
        width); and the last, (networks, classes, width). Training changes them in place.
    """
    source = Source(config, list(inits(config.sigmas)), index, str(seen.x.device))
    first = source.layer("first", config.width, seen.x.shape[1])
    last = source.layer("last", seen.classes, config.width)
    layers = (first, *source.hidden(config.layers), last)
    return [layer.scale * layer.weights for layer in layers]


def step(activation: str, nets: list[Tensor], x: Tensor, y: Tensor, rate: float) -> None:
    """Make one update of plain gradient descent on the mean cross-entropy, in place.

    Args:
        activation: of the hidden layers.
        nets: the networks, from ``stack``.
        x: shape (batch, pixels).
        y: the labels, shape (batch,).
        rate: the step size.
    """
    phi, slope, _ = ACTIVATIONS[activation]
    first, *hidden, last = nets
    count, width, pixels = first.shape
    h = (first.view(-1, pixels) @ x.mT).view(count, width, len(y))  # (networks, units, batch)
    inputs = [h]
    for weights in hidden:
        inputs.append(phi(torch.bmm(weights, inputs[-1])))
    delta = torch.softmax(torch.bmm(last, inputs[-1]), dim=1)
    delta[:, y, torch.arange(len(y), device=y.device)] -= 1
    delta /= len(y)
    back = torch.bmm(last.mT, delta)
    last.baddbmm_(delta, inputs[-1].mT, alpha=-rate)
    for layer in reversed(range(len(hidden))):
        delta = back * slope(inputs[layer + 1])
        back = torch.bmm(hidden[layer].mT, delta)
        hidden[layer].baddbmm_(delta, inputs[layer].mT, alpha=-rate)
    first.view(-1, pixels).addmm_(back.reshape(-1, len(y)), x, alpha=-rate)


def loss(activation: str, nets: list[Tensor], seen: Images) -> Floats:
    """Return each network's mean cross-entropy on the test images, at most ``LARGEST_LOSS``."""
    first, *hidden, last = nets
    h = torch.matmul(seen.x, first.mT)
    for weights in hidden:
        h = ACTIVATIONS[activation].phi(torch.matmul(h, weights.mT))
    scores = torch.log_softmax(torch.matmul(h, last.mT).double(), dim=-1)
    mean = -scores[:, torch.arange(len(seen.y), device=h.device), seen.y].mean(-1)
    large = torch.full_like(mean, LARGEST_LOSS)
    return np.asarray(torch.where(mean < LARGEST_LOSS, mean, large).cpu().numpy())


def batches(config: InitializationConfig, seen: Images, index: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield images and labels of every step of training ``index``, epoch after epoch."""
    epoch, left = 0, config.steps
    while left > 0:
        stream = seeds.generator(config.seed, config.study, "batches", index, epoch)
        where = shuffled(len(seen.train_x), config.batch_size, stream, device=str(seen.x.device))
        for at in where:
            yield seen.train_x[at].float() / 255, seen.train_y[at]
            left -= 1
            if left == 0:
                return
        epoch += 1


def learn(config: InitializationConfig, seen: Images, indices: range) -> dict[str, Numbers]:
    """Train the networks ``indices`` from every initialization and with every activation.

    Returns:
        ``loss``, shape (seeds, activations, inits, checkpoints); ``measured`` and ``sample`` after
        training, as ``trials.before`` returns them.
    """
    runs = [_learn_one(config, seen, index) for index in indices]
    return {name: np.stack([run[name] for run in runs]) for name in runs[0]}


def _learn_one(config: InitializationConfig, seen: Images, index: int) -> dict[str, Numbers]:
    points = checkpoints(config.steps)
    losses, rows, samples = [], [], []
    where = places(config.seed, index, len(seen.x) * config.width)
    for activation in trained(config.activations):
        nets = stack(config, index, seen)
        curve = [loss(activation, nets, seen)]
        for number, (x, y) in enumerate(batches(config, seen, index), 1):
            step(activation, nets, x, y, config.learning_rate)
            if number in points:
                curve.append(loss(activation, nets, seen))
        losses.append(np.stack(curve, axis=-1))
        first, *hidden, last = (Layer(weights) for weights in nets)
        passed = trace(activation, first.forward(seen.x), hidden, softmax_head(last, seen.y))
        rows.append(measure(activation, passed))
        samples.append(sample(passed, where))
    return {"loss": np.stack(losses), "measured": np.stack(rows), "sample": np.stack(samples)}
