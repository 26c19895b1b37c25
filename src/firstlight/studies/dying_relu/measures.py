"""What is measured on a trained network: dead layer, range of the output, and fit.

The words of the study. *Born dead*: at initialization some hidden layer is zero on the whole
domain. *Dead layer*: some hidden layer is exactly zero on every point of the grid. *Died in
training*: a dead layer, but not born dead. *Trained*: neither. *Collapsed*: the output is constant,
its range on the grid is below 10⁻⁶. *Flat*: that range is below 1 % of the target's. *Fitted*:
R² > 0.9. *Diverged*: the output is not finite. Leaky ReLU has no exact zero, so it has no dead
layer; it can still collapse or be flat.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight import stats
from firstlight.ensemble.spec import Network
from firstlight.record import Fact
from firstlight.record.provenance import cores
from firstlight.studies.dying_relu.labels import CONSTANT, FLAT, GOOD
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


def outputs(network: Network, parameters: ArrayLike, x: ArrayLike) -> tuple[Floats, Flags]:
    """Return what each network computes in float64, and whether a hidden layer is all zero.

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
    relu = network.activation == "relu"
    p, points = np.asarray(parameters, dtype=np.float64), np.asarray(x, dtype=np.float64)
    h = np.broadcast_to(points, (len(p), 1, points.size))
    dead = np.zeros(len(p), dtype=bool)
    *hidden, (last_weights, last_biases) = network.unpack(p)
    with np.errstate(over="ignore", invalid="ignore"):
        for weights, biases in hidden:
            z = weights @ h
            z += biases[:, :, None]
            h = np.maximum(z, 0.0, out=z) if relu else np.where(z > 0, z, network.slope * z)
            # Most have some unit that is not zero at the first point: only the others are searched.
            rows = np.flatnonzero(~dead & ~h[:, :, 0].any(axis=1))
            dead[rows[~h[rows].any(axis=(1, 2))]] = True
        return (last_weights @ h)[:, 0] + last_biases, dead


def measure(
    network: Network, parameters: ArrayLike, x: Floats, target: Floats
) -> dict[str, Numbers]:
    """Return what is measured on each of R networks, by name, each of shape (R,).

    Flags are ``labels.TRACED``. ``span`` is the range of the output on the grid, infinite if it is
    not finite; ``r2`` is 1 − mean squared error / variance of the target.

    Args:
        network: one input, one output, ReLU or leaky ReLU.
        parameters: shape (R, P).
        x: shape (G,), a grid of the domain.
        target: shape (G,), the function to be learned, not constant.
    """
    p, flat = np.asarray(parameters), FLAT * span_of(target)

    def block(first: int) -> dict[str, Numbers]:
        out, dead = outputs(network, p[first : first + BLOCK], x)
        with np.errstate(over="ignore", invalid="ignore"):
            r2 = 1 - np.mean((out - target) ** 2, axis=-1) / np.mean((target - target.mean()) ** 2)
            r2 = np.maximum(np.where(np.isfinite(r2), r2, LOWEST_R2), LOWEST_R2)
        span = span_of(out)
        flags = {"dead_layer": dead, "collapsed": span < CONSTANT, "flat": span < flat}
        return {**flags, "fitted": r2 > GOOD, "span": span, "r2": r2}

    with ThreadPoolExecutor(cores()) as pool:
        blocks = list(pool.map(block, range(0, len(p), BLOCK)))
    return {name: np.concatenate([part[name] for part in blocks]) for name in blocks[0]}


def share(flags: Flags) -> Fact:
    """Return the share of networks for which a flag is set, with its Wilson interval."""
    return stats.proportion(int(flags.sum()), flags.size)


def changed(leaky: Flags, relu: Flags) -> tuple[Fact, Fact]:
    """Return leaky − ReLU, the paired difference of their shares, and McNemar's exact p-value.

    The flags say, for example, whether each of the same R networks collapsed.
    """
    p = stats.mcnemar(int((leaky & ~relu).sum()), int((relu & ~leaky).sum()))
    return stats.paired_difference(leaky, relu), Fact(p, n=leaky.size)


def helps_from(leaky: Flags, relu: Flags, epochs: Sequence[int]) -> int | None:
    """Return the epoch from which on leaky ReLU has significantly fewer, to the end; or None.

    The flags of the same R networks are given at each of the C epochs, shape (C, R).
    """
    since = None
    for epoch, a, b in zip(reversed(epochs), leaky[::-1], relu[::-1], strict=True):
        if float(changed(a, b)[1]) >= 1 - stats.CONFIDENCE or a.sum() >= b.sum():
            break
        since = epoch
    return since
