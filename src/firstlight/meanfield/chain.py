"""The forward signal: the mean square of a layer's inputs as a Markov chain along the depth.

Given the mean square q of a layer's inputs, every Z-value of that layer is normal with variance
v = fan_in · σ_w² · q + σ_b². In the next layer q is the mean of φ(z)² over the n units, with
expectation E φ(z)² and variance Var φ(z)² / n. The first two moments of q are followed, with a
log-normal distribution in between.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.meanfield.moments import Moments, moments

Array = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
"""Quadrature of the standard normal distribution that log q has, up to place and scale."""


@dataclass(frozen=True)
class Layer:
    """What is given of one layer.

    Args:
        activation: its name.
        gain: fan_in · σ_w².
        bias: σ_b².
        units: width n, perhaps infinite.
        slope: of the activation.
        threshold: of saturation.
    """

    activation: str
    gain: float
    bias: float
    units: float
    slope: float
    threshold: float


@dataclass(frozen=True)
class Step:
    """One layer's part of the chain.

    Args:
        found: moments at the nodes of q, each of shape (groups, nodes).
        grown: E φ(z)² at each node over its mean, shape (groups, nodes).
        carried: share of v that comes through the weights and not from the bias, likewise.
        log_std: standard deviation of log q, shape (groups, 1).
        units: width of the layer.
        shown: what ``Prediction`` shows of the layer, by name.
    """

    found: Moments
    grown: Array
    carried: Array
    log_std: Array
    units: float
    shown: dict[str, Array]


class Chain:
    """The distribution of q for each group of inputs.

    Args:
        square: shape (groups,), mean square of the inputs.
        share: shape (groups,), the groups' shares of all inputs.
    """

    def __init__(self, square: Array, share: Array) -> None:
        self.mean = square
        self.relative = np.ones_like(square)  # E q² / (E q)²
        self.share = share

    def step(self, layer: Layer) -> Step:
        """Move q through one layer."""
        log_std = np.sqrt(np.log(np.maximum(self.relative, 1)))[:, None]
        through = layer.gain * self.mean[:, None] * np.exp(log_std * NODES - log_std**2 / 2)
        v, z = through + layer.bias, layer.gain * self.mean + layer.bias
        found = moments(layer.activation, v, slope=layer.slope, threshold=layer.threshold)
        self.mean = found.square @ WEIGHTS
        grown = ratio(found.square, self.mean[:, None])
        self.relative = grown**2 * (1 + (found.kurtosis - 1) / layer.units) @ WEIGHTS
        of_z = ratio(v, z[:, None]) ** 2 @ WEIGHTS * (1 + 2 / layer.units)
        shown = {"z_square": self.share @ z, "spread": np.sqrt(np.log(self.share @ of_z))}
        shown |= self._activations(found)
        return Step(found, grown, ratio(through, v), log_std, layer.units, shown)

    def _activations(self, found: Moments) -> dict[str, Array]:
        square = self.share @ self.mean
        common = self.share @ found.mean  # one network's fluctuation is shared by its inputs
        return {
            "activation_square": square,
            "activation_mean": common @ WEIGHTS,
            "activation_variance": np.maximum(square - common**2 @ WEIGHTS, 0),
            "saturated": self.share @ found.saturated @ WEIGHTS,
        }


def ratio(top: Array, bottom: Array) -> Array:
    """Return top / bottom, and 1 where both have vanished."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 1.0)
