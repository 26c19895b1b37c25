"""What is measured on a trained network: dead layer, range of the output, and fit.

The words of the study. *Born dead*: at initialization some hidden layer is zero on the whole
domain. *Dead layer*: some hidden layer is exactly zero on every point of the grid. *Collapsed*: the
output is constant, its range on the grid is below 10⁻⁶. *Flat*: that range is below 1 % of the
target's. Leaky ReLU has no exact zero, so it has no dead layer; it can still collapse or be flat.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import stats
from firstlight.record.provenance import cores
from firstlight.ensemble.spec import Network
from firstlight.record import Fact

CONSTANT = 1e-6
"""An output whose range is smaller is called constant."""
FLAT = 0.01
"""An output whose range is smaller than this share of the target's is called flat."""
GOOD = 0.9
"""A network whose R² is larger is called fitted."""
LOWEST_R2 = -1e6
"""R² is recorded as this where it is smaller still, or where the output is not finite."""
BLOCK = 64
"""Networks evaluated at a time, so that their values on the grid stay in the cache."""

MEASURES = ("dead_layer", "collapsed", "flat", "fitted")
"""What is traced against training time, each as a share of networks."""

FIELDS = ("dead_layer", "span", "r2")
"""The arrays of a ``Measured``."""

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """What was found on some networks; every array has the shape (…, R).

    Args:
        dead_layer: whether some hidden layer is exactly zero on the whole grid.
        span: range of the output on the grid, largest minus smallest; infinite if not finite.
        r2: 1 − mean squared error / variance of the target, on the grid.
    """

    dead_layer: Flags
    span: Values
    r2: Values

    def flags(self, target_span: float) -> dict[str, Flags]:
        """Return each of ``MEASURES`` by its name; ``target_span`` is the target's own range."""
        return {
            "dead_layer": self.dead_layer,
            "collapsed": self.span < CONSTANT,
            "flat": self.span < FLAT * target_span,
            "fitted": self.r2 > GOOD,
        }


def span_of(values: Values) -> Values:
    """Return largest minus smallest along the last axis; infinite where a value is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        span: Values = values.max(axis=-1) - values.min(axis=-1)
    return np.where(np.isfinite(span), span, np.inf)


def _activated(network: Network, z: Values) -> Values:
    if network.activation == "relu":
        return np.maximum(z, 0.0, out=z)
    if network.activation == "leaky-relu":
        return np.where(z > 0, z, network.slope * z)
    raise ValueError(
        f"activation: expected relu or leaky-relu, got {network.activation!r}; use one of them"
    )


def _zero(h: Values, among: Flags) -> NDArray[np.int64]:
    """Return which networks are zero on all units and points; NaN is not zero.

    Most have some unit that is not zero at the first point, so the others alone are looked through.
    """
    rows = np.flatnonzero(among & ~h[:, :, 0].any(axis=1))
    return rows[~h[rows].any(axis=(1, 2))]


def outputs(network: Network, parameters: Any, x: Any) -> tuple[Values, Flags]:
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
    p = np.asarray(parameters, dtype=np.float64)
    points = np.asarray(x, dtype=np.float64)
    h = np.broadcast_to(points, (len(p), 1, points.size))
    dead = np.zeros(len(p), dtype=bool)
    layers = network.unpack(p)
    with np.errstate(over="ignore", invalid="ignore"):
        for weights, biases in layers[:-1]:
            z = weights @ h
            z += biases[:, :, None]
            h = _activated(network, z)
            dead[_zero(h, ~dead)] = True
        weights, biases = layers[-1]
        out = (weights @ h)[:, 0] + biases
    return out, dead


def _fit(out: Values, target: Values) -> Values:
    """Return R² of each row, at least ``LOWEST_R2``."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.mean((out - target) ** 2, axis=-1)
        r2 = 1 - error / np.mean((target - target.mean()) ** 2)
    return np.maximum(np.where(np.isfinite(r2), r2, LOWEST_R2), LOWEST_R2)


def measure(network: Network, parameters: Any, x: Any, target: Any) -> Measured:
    """Return what is found on each network.

    Args:
        network: one input, one output, ReLU or leaky ReLU.
        parameters: shape (R, P).
        x: shape (G,), a grid of the domain.
        target: shape (G,), the function to be learned, not constant.
    """
    p, t = np.asarray(parameters), np.asarray(target, dtype=np.float64)

    def block(first: int) -> Measured:
        out, dead = outputs(network, p[first : first + BLOCK], x)
        return Measured(dead, span_of(out), _fit(out, t))

    with ThreadPoolExecutor(cores()) as pool:
        return joined(list(pool.map(block, range(0, len(p), BLOCK))))


def joined(parts: Sequence[Measured], axis: int = -1) -> Measured:
    """Return several measurements as one, one after the other along an axis that they have."""
    return Measured(*(np.concatenate([getattr(p, n) for p in parts], axis=axis) for n in FIELDS))


def share(flags: Flags) -> Fact:
    """Return the share of networks for which a flag is set, with its Wilson interval."""
    return stats.proportion(int(flags.sum()), flags.size)


def changed(leaky: Flags, relu: Flags) -> tuple[Fact, Fact]:
    """Return the paired difference of two shares, leaky − ReLU, and McNemar's exact p-value.

    Args:
        leaky: shape (R,), for example whether each network collapsed.
        relu: shape (R,), the same networks with ReLU.
    """
    p = stats.mcnemar(int((leaky & ~relu).sum()), int((relu & ~leaky).sum()))
    return stats.paired_difference(leaky, relu), Fact(p, n=leaky.size)


def helps_from(leaky: Flags, relu: Flags, epochs: Sequence[int]) -> int | None:
    """Return the epoch from which on leaky ReLU has significantly fewer, to the end; or None.

    Args:
        leaky: shape (C, R), at each checkpoint.
        relu: shape (C, R).
        epochs: the C checkpoints.
    """
    found = None
    for epoch, a, b in zip(reversed(epochs), leaky[::-1], relu[::-1], strict=True):
        p = float(changed(a, b)[1].value or 0.0)
        if not (p < 1 - stats.CONFIDENCE and a.sum() < b.sum()):
            break
        found = epoch
    return found
