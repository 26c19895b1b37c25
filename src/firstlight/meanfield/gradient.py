"""The gradient on its way back, through weights that have also carried the signal forward.

With δ the gradient with respect to Z-values, primes for the next layer, a = φ(z) and weights W,
δ = φ′(z) Wᵀδ′. Given the Z-values, W is fixed along a, for W a = z′, and normal elsewhere. So
E |δ|² = σ² |δ′|² (Σ φ′² + (T′ − 1) B) with B = Σ φ′² a² / |a|² and T = (z·δ)² / (v |δ|²), where
T = E z²φ′² / (v E φ′²) + (T′ − 1) (E z φ φ′)² / (v E φ² E φ′²). For linear layers and ReLU T = 1,
and W acts as if it were new; in general the difference is a share of order 1/width in each layer.

Of the same order is what the widths add through q (see ``chain``): where it is high, φ′ may be low
in many layers at once. Hence the expected gradient is followed as a function of q, a power of it.
"""

import numpy as np
from numpy.typing import NDArray

from firstlight.meanfield.chain import NODES, WEIGHTS, Step

Array = NDArray[np.float64]


def ratios(steps: list[Step], back: Array, share: Array) -> Array:
    """Return E δ² of each layer over that of the last, averaged over the groups of inputs.

    Args:
        steps: the chain's layers.
        back: shape (layers − 1,), fan_out · σ_w² of the weights after each layer.
        share: shape (groups,), the groups' shares of all inputs.
    """
    one = np.ones((share.size, 1))
    # log E δ² ≈ log_size + power · (log q − log E q), given the mean square q of the layer's inputs
    log_size, power, aligned = 0 * one, 0 * one, one
    found = [1.0]
    for step, after, factor in zip(steps[-2::-1], steps[:0:-1], back[::-1], strict=True):
        m, excess = step.found, _mean(after.carried) * (aligned - 1)
        small = m.joint * excess + power * (m.joint - 1)
        small = small + power * (power - 1) / 2 * (m.kurtosis - 1)
        log_now = _log(factor * m.slope_square, -1e4) + power * _log(step.grown, 0.0)
        log_now = log_now + log_size + small / step.units
        largest = log_now.max(axis=1, keepdims=True)
        log_mean = largest + np.log(_mean(np.exp(log_now - largest)))
        found.append(float(share @ np.exp(log_mean[:, 0])))
        power = _mean(log_now * NODES) / np.where(step.log_std > 0, step.log_std, np.inf)
        log_size = log_mean - power * (power - 1) / 2 * step.log_std**2
        aligned = _mean(m.steep + m.along * excess)
    return np.array(found[::-1])


def _log(values: Array, vanished: float) -> Array:
    """Return the logarithm, and ``vanished`` where there is none."""
    return np.where(values > 0, np.log(np.where(values > 0, values, 1.0)), vanished)


def _mean(values: Array) -> Array:
    """Average over the nodes and keep the axis."""
    return np.asarray(values @ WEIGHTS)[:, None]
