"""Short trainings from every initialization: all networks of a seed at once, by hand.

All networks of a seed have the same standard normal numbers behind their weights and see the same
batches, so that any two are compared in pairs.
"""

from collections.abc import Iterator
from itertools import chain, islice, repeat

import numpy as np
import torch
from torch import Tensor

from firstlight.data.batches import Loader
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.data import Images
from firstlight.studies.initialization.labels import LARGEST_LOSS, inits, trained
from firstlight.studies.initialization.measures import measured, places
from firstlight.studies.initialization.networks import ACTIVATIONS, Layer, draw, softmax_head, trace
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

    Each layer has the shape (networks, outputs, inputs); training changes them in place.
    """
    layers = draw(config, inits(config.sigmas), index, seen.ends, config.layers, seen.x)
    return [layer.scale * layer.weights for layer in layers]


def step(activation: str, nets: list[Tensor], x: Tensor, y: Tensor, rate: float) -> None:
    """Make one update of plain gradient descent on the mean cross-entropy, in place.

    ``nets`` are those of ``stack``; x has the shape (batch, pixels) and y (batch,).
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
    stream = (config.seed, config.study, "batches", index)
    loader = Loader(seen.train_x, seen.train_y, config.batch_size, *stream)
    for x, y in islice(chain.from_iterable(repeat(loader)), config.steps):
        yield x.float() / 255, y


def learn(config: InitializationConfig, seen: Images, index: int) -> dict[str, Numbers]:
    """Train network ``index`` from every initialization and with every activation.

    Beside what ``measured`` returns, ``loss`` has the shape (activations, inits, checkpoints).
    """
    points, losses, traces = checkpoints(config.steps), [], {}
    for activation in trained(config.activations):
        nets = stack(config, index, seen)
        curve = [loss(activation, nets, seen)]
        for number, (x, y) in enumerate(batches(config, seen, index), 1):
            step(activation, nets, x, y, config.learning_rate)
            if number in points:
                curve.append(loss(activation, nets, seen))
        losses.append(np.stack(curve, axis=-1))
        first, *hidden, last = (Layer(weights) for weights in nets)
        head = softmax_head(last, seen.y)
        traces[activation] = trace(activation, first.forward(seen.x), hidden, head)
    where = places(config, index, len(seen.x) * config.width)
    return {"loss": np.stack(losses), **measured(traces, where)}
