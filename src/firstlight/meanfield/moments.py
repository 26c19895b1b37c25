"""Moments of an activation function whose argument is normal, by quadrature or in closed form."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from firstlight.types import Floats, Numbers

ACTIVATIONS = ("linear", "identity", "tanh", "sigmoid", "relu", "leaky-relu", "elu")
"""Names of the activations; "identity" is "linear"."""

# Nodes ±e^u with equal steps of u: they resolve φ at every scale of its argument and meet its kink
# at 0 from either side; the integrand is analytic in u, so the sum converges exponentially.
_STEP = 0.125
_SIDE = np.exp(np.arange(-34.0, 2.4, _STEP))
_NODES = np.concatenate([-_SIDE[::-1], _SIDE])
_WEIGHTS = np.exp(-(_NODES**2) / 2) * np.abs(_NODES) * _STEP / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Moments:
    """Expectations over z ~ N(0, v), each of the shape of v.

    Args:
        mean: E φ(z).
        square: E φ(z)².
        kurtosis: E φ(z)⁴ / (E φ(z)²)², and 1 where φ(z) is always 0.
        slope_square: E φ′(z)².
        joint: E φ(z)² φ′(z)² / (E φ(z)² E φ′(z)²), and 1 where that is undefined.
        steep: E z² φ′(z)² / (v E φ′(z)²), and 1 where that is undefined.
        along: (E z φ(z) φ′(z))² / (v E φ(z)² E φ′(z)²), and 1 where that is undefined.
        saturated: P(|φ′(z)| < threshold · max |φ′|).
    """

    mean: Floats
    square: Floats
    kurtosis: Floats
    slope_square: Floats
    joint: Floats
    steep: Floats
    along: Floats
    saturated: Floats


def expectation(values: Numbers) -> Floats:
    """Return Σ w_k values_k, the quadrature of E f(z) for z ~ N(0, 1) over the last axis.

    Args:
        values: shape (…, nodes), f at ``nodes()``.

    Example:
        >>> round(float(expectation(nodes() ** 4)), 9)
        3.0
    """
    return np.asarray(values @ _WEIGHTS, dtype=np.float64)


def nodes() -> Floats:
    """Return the quadrature's nodes, shape (nodes,), symmetric about 0, which is not among them."""
    return _NODES.copy()


def moments(
    activation: str, variance: ArrayLike, *, slope: float = 0.01, threshold: float = 0.05
) -> Moments:
    """Return the moments of φ(z) and φ′(z) for z ~ N(0, v).

    Closed forms for linear, ReLU and leaky ReLU; otherwise E f(√v z) by a sum over 584 nodes, whose
    relative error is below 1e-9 for v up to 1e12.

    Args:
        activation: one of ``ACTIVATIONS``.
        variance: v, any shape, at least 0.
        slope: of leaky ReLU below zero; α of ELU.
        threshold: of saturation, above 0.

    Raises:
        ValueError: an unknown activation.

    Example:
        >>> float(moments("relu", 2.0).square)
        1.0
    """
    v = np.asarray(variance, dtype=np.float64)
    rectifiers = {"linear": 1.0, "identity": 1.0, "relu": 0.0, "leaky-relu": slope}
    if activation in rectifiers:
        return _rectifier(v, rectifiers[activation], threshold)
    z = np.sqrt(v)[..., None] * _NODES
    match activation:
        case "tanh":
            a = np.tanh(z)
            return _smooth(v, a, 1 - a * a, _bell(v, 1.0, threshold))
        case "sigmoid":
            a = expit(z)
            return _smooth(v, a, a * expit(-z), _bell(v, 2.0, threshold))
        case "elu":
            low = np.minimum(z, 0)
            a = np.where(z > 0, z, slope * np.expm1(low))
            rise = np.where(z > 0, 1.0, slope * np.exp(low))
            return _smooth(v, a, rise, _elu(v, slope, threshold))
    raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}")


def _rectifier(v: Floats, slope: float, threshold: float) -> Moments:
    """Return the moments of φ(z) = z above zero and slope · z below."""
    flat = [float(abs(s) < threshold * max(1.0, abs(slope))) for s in (slope, 1.0)]
    two = (1 + slope**2) / 2
    still = v == 0  # every z is 0, where the derivative is the lower one
    return Moments(
        mean=(1 - slope) * np.sqrt(v / (2 * math.pi)),
        square=two * v,
        kurtosis=np.where(still, 1.0, 1.5 * (1 + slope**4) / two**2),
        slope_square=np.where(still, slope**2, two),
        joint=np.where(still, 1.0, (1 + slope**4) / 2 / two**2),
        steep=np.ones_like(v),
        along=np.ones_like(v),
        saturated=np.where(still, flat[0], sum(flat) / 2),
    )


def _smooth(v: Floats, a: Floats, derivative: Floats, saturated: Floats) -> Moments:
    """Return the moments of values φ and φ′ at the nodes, shape (…, nodes)."""
    square, slope_square = expectation(a * a), expectation(derivative * derivative)
    # Scaled to mean square 1, so that powers of a tiny signal do not vanish.
    value, rise = _scaled(a, square), _scaled(derivative, slope_square)
    known = (square > 0) & (slope_square > 0) & (v > 0)
    return Moments(
        mean=expectation(a),
        square=square,
        kurtosis=np.where(square > 0, expectation((value * value) ** 2), 1.0),
        slope_square=slope_square,
        joint=np.where(known, expectation((value * rise) ** 2), 1.0),
        steep=np.where(known, expectation((_NODES * rise) ** 2), 1.0),
        along=np.where(known, expectation(_NODES * value * rise) ** 2, 1.0),
        saturated=saturated,
    )


def _scaled(values: Floats, square: Floats) -> Floats:
    return np.asarray(values / np.sqrt(np.where(square > 0, square, 1.0))[..., None])


def _beyond(limit: float, v: Floats) -> Floats:
    """Return P(z < −limit), limit at least 0; z = 0 is not below −0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(v > 0, ndtr(-limit / np.sqrt(v)), 0.0)


def _bell(v: Floats, width: float, threshold: float) -> Floats:
    """Return P(sech²(z / width) < threshold), for tanh (width 1) and the sigmoid (width 2)."""
    if threshold > 1:
        return np.ones_like(v)
    return 2 * _beyond(width * math.atanh(math.sqrt(1 - threshold)), v)


def _elu(v: Floats, alpha: float, threshold: float) -> Floats:
    limit = threshold * max(1.0, abs(alpha))
    ratio = limit / abs(alpha) if alpha else math.inf
    below = _beyond(max(0.0, -math.log(ratio)) if ratio < math.inf else 0.0, v)
    return below + 0.5 * float(limit > 1)
