"""What is measured on a trained network: silent layers, range of the output, and fit.

The words of the study. *Silent*: a hidden layer in which no unit is positive on any point of the
grid; with ReLU it is exactly zero there, which makes it a *dead layer*, and leaky ReLU multiplies all
that passes it by its slope. *Born dead*: at initialization some hidden layer is zero on the whole
domain. *Died in training*: a dead layer, but not born dead. *Collapsed*: the output is constant, its
range on the grid is below 10⁻⁶. *Flat*: that range is below 1 % of the target's. *Fitted*: R² > 0.9.
*Diverged*: the output is not finite. Leaky ReLU has no exact zero, so it has no dead layer; it can
still collapse or be flat.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight import stats
from firstlight.ensemble.spec import Network
from firstlight.record import Fact
from firstlight.record.provenance import cores
from firstlight.studies.dying_relu.labels import CONSTANT, FLAT, GOOD, MATTERS
from firstlight.types import Floats, Numbers

LOWEST_R2 = -1e6
"""R² is recorded as this where it is smaller still, or where the output is not finite."""
BLOCK = 64
"""Networks evaluated at a time, so that their values on the grid stay in the cache."""

Flags = NDArray[np.bool_]


def span_of(values: Floats) -> Floats:
    """Return largest minus smallest along the last axis; infinite where a value is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        span: Floats = values.max(axis=-1) - values.min(axis=-1)
    return np.where(np.isfinite(span), span, np.inf)


def outputs(network: Network, parameters: ArrayLike, x: ArrayLike) -> tuple[Floats, Numbers]:
    """Return what each network computes in float64, and how many hidden layers are silent.

    Args:
        network: one input, one output, ReLU or leaky ReLU.
        parameters: shape (R, P).
        x: shape (G,), the points.

    Returns:
        Shapes (R, G) and (R,).

    Raises:
        ValueError: the network has another number of inputs or outputs, or another activation.
    """
    if network.widths[0] != 1 or network.widths[-1] != 1:
        raise ValueError(f"widths: expected 1 input and 1 output, got {network.widths}")
    if network.activation not in ("relu", "leaky-relu"):
        raise ValueError(f"activation: expected relu or leaky-relu, got {network.activation!r}")
    p, points = np.asarray(parameters, dtype=np.float64), np.asarray(x, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return forward(network, p, np.broadcast_to(points, (len(p), 1, points.size)))


def forward(network: Network, parameters: Floats, x: Floats) -> tuple[Floats, Numbers]:
    """Return outputs and counts as ``outputs``, for points of shape (R, 1, G); nothing is checked."""
    h, relu = x, network.activation == "relu"
    silent = np.zeros(len(parameters), dtype=np.int64)
    *hidden, (last_weights, last_biases) = network.unpack(parameters)
    for weights, biases in hidden:
        z = weights @ h + biases[:, :, None]
        h = np.maximum(z, 0.0) if relu else np.where(z > 0, z, network.slope * z)
        # Where some unit is positive at the first point, no other point need be asked.
        at = np.flatnonzero((z[:, :, 0] <= 0).all(axis=1))
        silent[at] += (z[at] <= 0).all(axis=(1, 2))
    return (last_weights @ h)[:, 0] + last_biases, silent


def measure(
    network: Network, parameters: ArrayLike, x: Floats, target: Floats
) -> dict[str, Numbers]:
    """Return what is measured on each of R networks, by name, each of shape (R,).

    Flags are ``labels.TRACED``. ``silent`` counts silent layers; ``span`` is the range of the output
    on the grid, infinite if it is not finite; ``r2`` is 1 − mean squared error / variance of the
    target.

    Args:
        network: one input, one output, ReLU or leaky ReLU.
        parameters: shape (R, P).
        x: shape (G,), a grid of the domain.
        target: shape (G,), the function to be learned, not constant.
    """
    p = np.asarray(parameters)
    parts = [p[first : first + BLOCK] for first in range(0, len(p), BLOCK)]
    with ThreadPoolExecutor(cores()) as pool:
        blocks = list(pool.map(lambda part: measure_block(network, part, x, target), parts))
    return {name: np.concatenate([part[name] for part in blocks]) for name in blocks[0]}


def measure_block(
    network: Network, parameters: ArrayLike, x: Floats, target: Floats
) -> dict[str, Numbers]:
    """Return what ``measure`` does, for few networks."""
    out, silent = outputs(network, parameters, x)
    with np.errstate(over="ignore", invalid="ignore"):
        r2 = 1 - np.mean((out - target) ** 2, axis=-1) / np.var(target)
        r2 = np.maximum(np.where(np.isfinite(r2), r2, LOWEST_R2), LOWEST_R2)
    span = span_of(out)
    return {
        "dead_layer": (silent > 0) & (network.activation == "relu"),
        "collapsed": span < CONSTANT,
        "flat": span < FLAT * span_of(target),
        "fitted": r2 > GOOD,
        "span": span,
        "r2": r2,
        "silent": silent,
    }


def share(flags: Flags) -> Fact:
    """Return the share of networks for which a flag is set, with its Wilson interval."""
    return stats.proportion(int(flags.sum()), flags.size)


def changed(leaky: Flags, relu: Flags) -> Fact:
    """Return leaky − ReLU, the difference of their shares among the same R networks.

    Student's t interval over the pairs; where every pair says the same, Wilson's for a share of 0,
    to either side.
    """
    fact = stats.paired_difference(leaky, relu)
    if fact.low is not None:
        return fact
    value, half = float(fact), stats.proportion(0, leaky.size).high or 0.0
    return Fact(value, max(-1.0, value - half), min(1.0, value + half), leaky.size)


def without_biases(network: Network, parameters: ArrayLike) -> Floats:
    """Return the parameters, shape (R, P), with zero for every bias of a hidden layer."""
    bare = np.array(parameters, dtype=np.float64)
    for _, biases in network.unpack(bare)[:-1]:
        biases[...] = 0.0
    return bare


def helps_from(leaky: Flags, relu: Flags, epochs: Sequence[int]) -> int | None:
    """Return the epoch from which on leaky ReLU has fewer, as far as it matters, to the end; or None.

    The flags of the same R networks are given at each of the C epochs, shape (C, R).
    """
    since = None
    for epoch, a, b in zip(reversed(epochs), leaky[::-1], relu[::-1], strict=True):
        high = changed(a, b).high
        if high is None or high > -MATTERS["2.3"]:
            break
        since = epoch
    return since
