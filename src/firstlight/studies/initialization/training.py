"""Short trainings from every initialization: all networks of a seed at once, by hand.

All networks of a seed have the same standard normal numbers behind their weights and see the same
batches, so that any two are compared in pairs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import seeds
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.data.batches import shuffled
from firstlight.studies.initialization import measures
from firstlight.studies.initialization.data import Images
from firstlight.studies.initialization.networks import (
    STUDY,
    Layer,
    activate,
    names,
    slope,
    softmax_head,
    standard,
    trace,
    weight_std,
)
from firstlight.studies.initialization.experiments import SAMPLE, SAMPLED_SEEDS, Arrays

LARGEST_LOSS = 100.0
"""A loss that is larger or not finite is recorded as this, in nats; guessing costs ln 10 = 2.3."""
POINTS = 5
"""Points of a loss curve after its start."""


def checkpoints(steps: int) -> list[int]:
    """Return the steps after which the loss is measured, the first being 0.

    Example:
        >>> checkpoints(50)
        [0, 10, 20, 30, 40, 50]
    """
    return sorted({round(steps * k / POINTS) for k in range(POINTS + 1)})


def trained_activations(config: InitializationConfig) -> list[str]:
    """Return the activations that are trained: all but linear."""
    return [name for name in config.activations if name != "linear"]


@dataclass(frozen=True)
class Stack:
    """The weights of several networks; training changes them in place.

    Args:
        first: shape (networks, width, pixels); linear.
        hidden: each of shape (networks, width, width).
        last: shape (networks, classes, width).
    """

    first: Tensor
    hidden: list[Tensor]
    last: Tensor

    def layers(self) -> list[Layer]:
        """Return the hidden layers as a trace needs them."""
        return [Layer(weights) for weights in self.hidden]


def stack(config: InitializationConfig, index: int, pixels: int, classes: int) -> Stack:
    """Return network ``index`` from every initialization."""
    inits, width = names(config.sigmas), config.width

    def scaled(layer: str | int, out: int, fan_in: int) -> Tensor:
        scales = torch.tensor([weight_std(init, fan_in, out) for init in inits])
        return scales[:, None, None] * standard(config.seed, index, layer, out, fan_in)

    hidden = [scaled(layer, width, width) for layer in range(1, config.layers + 1)]
    return Stack(scaled("first", width, pixels), hidden, scaled("last", classes, width))


def step(activation: str, nets: Stack, x: Tensor, y: Tensor, rate: float) -> None:
    """Make one update of plain gradient descent on the mean cross-entropy, in place.

    Args:
        activation: of the hidden layers.
        nets: the networks.
        x: shape (batch, pixels).
        y: the labels, shape (batch,).
        rate: the step size.
    """
    count, width, pixels = nets.first.shape
    h = (nets.first.view(-1, pixels) @ x.mT).view(count, width, len(y))  # (networks, units, batch)
    inputs = [h]
    for weights in nets.hidden:
        inputs.append(activate(activation, torch.bmm(weights, inputs[-1])))
    delta = torch.softmax(torch.bmm(nets.last, inputs[-1]), dim=1)
    delta[:, y, torch.arange(len(y), device=y.device)] -= 1
    delta /= len(y)
    back = torch.bmm(nets.last.mT, delta)
    nets.last.baddbmm_(delta, inputs[-1].mT, alpha=-rate)
    for layer in reversed(range(len(nets.hidden))):
        delta = back * slope(activation, inputs[layer + 1])
        back = torch.bmm(nets.hidden[layer].mT, delta)
        nets.hidden[layer].baddbmm_(delta, inputs[layer].mT, alpha=-rate)
    nets.first.view(-1, pixels).addmm_(back.reshape(-1, len(y)), x, alpha=-rate)


def loss(activation: str, nets: Stack, data: Images) -> NDArray[np.float64]:
    """Return each network's mean cross-entropy on the test images, at most ``LARGEST_LOSS``."""
    h = torch.matmul(data.x, nets.first.mT)
    for layer in nets.layers():
        h = activate(activation, layer.forward(h))
    scores = torch.log_softmax(torch.matmul(h, nets.last.mT).double(), dim=-1)
    mean = -scores[:, torch.arange(len(data.y), device=h.device), data.y].mean(-1)
    large = torch.full_like(mean, LARGEST_LOSS)
    return np.asarray(torch.where(mean < LARGEST_LOSS, mean, large).cpu().numpy())


def batches(config: InitializationConfig, data: Images, index: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield images and labels of every step of training ``index``, epoch after epoch."""
    epoch, left = 0, config.steps
    while left > 0:
        stream = seeds.generator(config.seed, STUDY, "batches", index, epoch)
        where = shuffled(len(data.train_x), config.batch_size, stream, device=str(data.x.device))
        for at in where:
            yield data.train_x[at].float() / 255, data.train_y[at]
            left -= 1
            if left == 0:
                return
        epoch += 1


def learn(config: InitializationConfig, data: Images, index: int) -> Arrays:
    """Train network ``index`` from every initialization and with every activation.

    Returns:
        With a first axis of length 1, the seed: ``loss``, shape (1, activations, inits,
        checkpoints); ``measured`` and ``sample`` after training, as ``initialization_work.before``.
    """
    marks = checkpoints(config.steps)
    activations = trained_activations(config)
    losses, rows, kept = [], [], []
    where = measures.places(config.seed, index, SAMPLE, len(data.x) * config.width)
    for activation in activations:
        nets = stack(config, index, data.x.shape[1], data.classes)
        nets = _to(nets, str(data.x.device))
        curve = [loss(activation, nets, data)]
        for number, (x, y) in enumerate(batches(config, data, index), 1):
            step(activation, nets, x, y, config.learning_rate)
            if number in marks:
                curve.append(loss(activation, nets, data))
        losses.append(np.stack(curve, axis=-1))
        start, last = torch.matmul(data.x, nets.first.mT), Layer(nets.last)
        found = trace(activation, start, nets.layers(), softmax_head(last, data.y))
        rows.append(measures.measure(activation, found))
        kept.append(measures.sample(found, where))
    sample = np.stack(kept)[None] if index < SAMPLED_SEEDS else np.stack(kept)[None][:0]
    return {"loss": np.stack(losses)[None], "measured": np.stack(rows)[None], "sample": sample}


def _to(nets: Stack, device: str) -> Stack:
    hidden = [weights.to(device) for weights in nets.hidden]
    return Stack(nets.first.to(device), hidden, nets.last.to(device))


def diverged(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a loss was recorded as the largest."""
    return np.asarray(losses >= LARGEST_LOSS - math.ulp(LARGEST_LOSS))
