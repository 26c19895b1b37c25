"""The parts of a run that stand for themselves: blocks of seeds before training, deep, on the ball.

Each is a function of the config, the data and a range of seeds that returns arrays, seeds first.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight import seeds
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization import measures
from firstlight.studies.initialization.data import BALL_DIMENSIONS, Images, ball
from firstlight.studies.initialization.networks import (
    STUDY,
    Head,
    Layer,
    Trace,
    drawn,
    logistic_head,
    names,
    softmax_head,
    to,
    trace,
)

SAMPLED_SEEDS, SAMPLE = 10, 200
"""Networks of which single values are kept for the violins, and how many of each layer."""
DEEP_IMAGES = 4
"""Images that are passed through the deep networks."""

Arrays = dict[str, NDArray[np.generic]]


def hidden(
    config: InitializationConfig, inits: Sequence[str], index: int, layers: int, device: str
) -> list[Layer]:
    """Return the hidden layers of network ``index`` from every initialization."""
    width = config.width
    return [
        to(drawn(inits, config.seed, index, layer, width, width), device)
        for layer in range(1, layers + 1)
    ]


def outer(
    config: InitializationConfig, inits: Sequence[str], index: int, shape: tuple[int, int], at: str
) -> tuple[Layer, Layer]:
    """Return the first layer and the last; ``shape`` holds the inputs and the outputs."""
    width = config.width
    first = drawn(inits, config.seed, index, "first", width, shape[0])
    last = drawn(inits, config.seed, index, "last", shape[1], width)
    return to(first, at), to(last, at)


def before(config: InitializationConfig, data: Images, first: int, last: int) -> Arrays:
    """Measure the networks of some seeds on the images, before any training.

    Returns:
        ``measured``, shape (seeds, activations, inits, layers, measures), and ``sample`` of the
        first seeds, shape (seeds, activations, inits, layers, kinds, values).
    """
    device, inits = str(data.x.device), names(config.sigmas)
    rows, kept = [], []
    for index in range(first, last):
        shape = (data.x.shape[1], data.classes)
        entry, output = outer(config, inits, index, shape, device)
        layers = hidden(config, inits, index, config.layers, device)
        start, head = entry.forward(data.x), softmax_head(output, data.y)
        where = measures.places(config.seed, index, SAMPLE, len(data.x) * config.width)
        found = [trace(activation, start, layers, head) for activation in config.activations]
        pairs = list(zip(config.activations, found, strict=True))
        rows.append(np.stack([measures.measure(a, t) for a, t in pairs]))
        if index < SAMPLED_SEEDS:
            kept.append(np.stack([measures.sample(t, where) for t in found]))
    shape_kept = (0, len(config.activations), len(inits), config.layers, 3, SAMPLE)
    empty = np.zeros(shape_kept, dtype=np.float32)
    return {"measured": np.stack(rows), "sample": np.stack(kept) if kept else empty}


def deep(config: InitializationConfig, data: Images, first: int, last: int) -> Arrays:
    """Measure deep networks of some seeds in double precision, with a random gradient at the end.

    Returns:
        ``square``, shape (seeds, activations, inits, layers, 2): the mean squares of activations and
        of gradients with respect to Z-values.
    """
    device, inits = str(data.x.device), names(config.sigmas)
    x, rows = data.x[:DEEP_IMAGES].double(), []
    for index in range(first, last):
        shape = (data.x.shape[1], data.classes)
        entry = to(outer(config, inits, index, shape, device)[0], device, torch.float64)
        layers = [
            to(layer, device, torch.float64)
            for layer in hidden(config, inits, index, config.depth, device)
        ]
        start, head = entry.forward(x), _random_head(config, index)
        squares = []
        for activation in config.activations:
            found = trace(activation, start, layers, head)
            pairs = zip(found.a, found.delta, strict=True)
            each = [torch.stack([_square(a), _square(d)], dim=-1) for a, d in pairs]
            squares.append(torch.stack(each, dim=1))
        rows.append(torch.stack(squares).cpu().numpy())
    return {"square": np.stack(rows)}


def _square(x: Tensor) -> Tensor:
    values = x.flatten(1)
    norm: Tensor = torch.linalg.vector_norm(values, dim=1)
    return norm.square() / values.shape[1]


def _random_head(config: InitializationConfig, index: int) -> Head:
    """Return a head that sends back standard normal numbers, independent of the weights."""
    stream = seeds.torch_generator(config.seed, STUDY, "gradient", index)
    numbers = torch.randn(config.width, generator=stream)
    return lambda h: numbers.to(h).repeat(*h.shape[:-1], 1)


def ball_pairs(config: InitializationConfig) -> list[tuple[str, str]]:
    """Return the pairs (activation, init) of Godoy's network that the run's config allows."""
    pairs = [("sigmoid", f"normal_{min(config.sigmas):g}"), ("tanh", "xavier"), ("relu", "he")]
    return [pair for pair in pairs if pair[0] in config.activations]


def on_ball(config: InitializationConfig, first: int, last: int, device: str) -> Arrays:
    """Measure the networks on the ball, before training; the first hidden layer sees the points.

    Returns:
        ``measured``, shape (seeds, pairs, layers, measures), and of the first seeds ``sample``,
        shape (seeds, pairs, layers, 4, values): Z-values, activations, weights and the gradients of
        the mean loss with respect to the weights.
    """
    x, y = (part.to(device) for part in ball(config.seed))
    rows, kept = [], []
    for index in range(first, last):
        nets = [_ball_network(config, pair, index, device) for pair in ball_pairs(config)]
        heads = [logistic_head(output, y) for _, output in nets]
        found = [
            trace(pair[0], x[None], layers, head)
            for pair, (layers, _), head in zip(ball_pairs(config), nets, heads, strict=True)
        ]
        pairs = zip(ball_pairs(config), found, strict=True)
        rows.append(np.stack([measures.measure(pair[0], each)[0] for pair, each in pairs]))
        if index < SAMPLED_SEEDS:
            at = measures.places(config.seed, index, SAMPLE, len(x) * config.width).to(device)
            both = zip(nets, found, strict=True)
            kept.append(np.stack([_four_kinds(layers, x, each, at) for (layers, _), each in both]))
    empty = np.zeros((0, len(ball_pairs(config)), config.layers, 4, SAMPLE), dtype=np.float32)
    return {"measured": np.stack(rows), "sample": np.stack(kept) if kept else empty}


def _ball_network(
    config: InitializationConfig, pair: tuple[str, str], index: int, device: str
) -> tuple[list[Layer], Layer]:
    """Return the hidden layers, the first of which sees the points, and the output."""
    entry, output = outer(config, [pair[1]], index, (BALL_DIMENSIONS, 1), device)
    return [entry, *hidden(config, [pair[1]], index, config.layers - 1, device)], output


def _four_kinds(
    layers: Sequence[Layer], x: Tensor, found: Trace, at: Tensor
) -> NDArray[np.float32]:
    """Return single Z-values, activations, weights and their gradients of one network."""
    rows, h = [], x
    for layer, z, a, delta in zip(layers, found.z, found.a, found.delta, strict=True):
        weights = (layer.weights * layer.scale).flatten()
        gradient = (delta[0].mT @ h).flatten() / len(x)
        own = at % len(weights)
        rows.append(torch.stack([z.flatten()[at], a.flatten()[at], weights[own], gradient[own]]))
        h = a[0]
    return np.asarray(torch.stack(rows).float().cpu().numpy())
