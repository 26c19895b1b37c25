"""Which activations there are, and where their own derivative is small."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

Array = NDArray[np.float64]

KINDS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.LeakyReLU: "leaky_relu", nn.PReLU: "prelu",
    nn.RReLU: "rrelu", nn.ELU: "elu", nn.SELU: "selu", nn.CELU: "celu", nn.GELU: "gelu",
    nn.SiLU: "silu", nn.Mish: "mish", nn.Hardswish: "hardswish", nn.Softplus: "softplus",
    nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.Hardtanh: "hardtanh",
    nn.Hardsigmoid: "hardsigmoid", nn.LogSigmoid: "logsigmoid", nn.Softsign: "softsign",
}  # fmt: skip
"""PyTorch's elementwise activations, as modules."""

DYING = ("relu", "relu6", "hardswish", "hardsigmoid")
"""Activations that are exactly zero on a whole half-line: their units can be dead."""

_PLACES = (torch, torch.Tensor, functional)


def _functions() -> dict[Any, str]:
    """Return PyTorch's functions that are activations, in all the places where they are found."""
    found: dict[Any, str] = {}
    for kind in dict.fromkeys(KINDS.values()):
        for place in _PLACES:
            for name in (kind, kind + "_"):
                function = getattr(place, name, None)
                if callable(function):
                    found[function] = kind
    found[torch.special.expit] = "sigmoid"
    return found


FUNCTIONS = _functions()
"""PyTorch's elementwise activations, as functions: function → kind."""


@dataclass(frozen=True)
class Saturation:
    """Where |φ′| is at most the threshold.

    Args:
        low: outputs at or below it are saturated.
        high: outputs at or above it are saturated.
        bands: closed bands of *inputs*, shape (b, 2), for activations that are not monotone;
            then ``low`` and ``high`` are infinite.
    """

    low: float = -math.inf
    high: float = math.inf
    bands: Array = field(default_factory=lambda: np.empty((0, 2)))


def saturation(kind: str, threshold: float, **own: float) -> Saturation | None:
    """Return where an activation's derivative is small: |φ′| <= threshold.

    Monotone activations are judged by their output, in which φ′ has a closed form: 1 − y² for tanh,
    y(1 − y) for the sigmoid, 0 at y <= 0 for ReLU (so there saturated and zero are the same),
    y + α below zero for ELU, 1 − exp(−βy) for softplus, and so on. GELU, SiLU, Mish and hardswish
    are judged by their input; the narrow band about their minimum, where the slope passes through
    zero, counts as well.

    Args:
        kind: one of the values of ``KINDS``.
        threshold: between 0 and 0.25, both excluded.
        own: the activation's parameters by PyTorch's names: ``alpha``, ``beta``,
            ``negative_slope``, ``min_val``, ``max_val``.

    Returns:
        The places, or None where the slope is itself learned or drawn (PReLU, RReLU).

    Raises:
        ValueError: the threshold is outside its range.

    Example:
        >>> saturation("tanh", 0.19).high
        0.9
    """
    if not 0 < threshold < 0.25:
        raise ValueError(f"saturation: expected a threshold in (0, 0.25), got {threshold}")
    if kind in _SLOPES:
        return Saturation(bands=_bands(_SLOPES[kind], threshold))
    if kind not in _MONOTONE:
        return None
    low, high = _MONOTONE[kind](threshold, own)
    return Saturation(low, high)


def _leaky(t: float, own: dict[str, float]) -> tuple[float, float]:
    return (0.0 if abs(own.get("negative_slope", 0.01)) <= t else -math.inf), math.inf


def _elu(t: float, own: dict[str, float], scale: float = 1.0) -> tuple[float, float]:
    return min(t - scale * own.get("alpha", 1.0), 0.0), math.inf


def _selu(t: float, own: dict[str, float]) -> tuple[float, float]:
    return min(t - 1.0507009873554805 * 1.6732632423543772, 0.0), math.inf


def _celu(t: float, own: dict[str, float]) -> tuple[float, float]:
    return own.get("alpha", 1.0) * (t - 1), math.inf


def _sigmoid(t: float, own: dict[str, float]) -> tuple[float, float]:
    high = (1 + math.sqrt(1 - 4 * t)) / 2
    return t / high, high


def _hardsigmoid(t: float, own: dict[str, float]) -> tuple[float, float]:
    return (0.0, 1.0) if t < 1 / 6 else (math.inf, -math.inf)


_MONOTONE: dict[str, Callable[[float, dict[str, float]], tuple[float, float]]] = {
    "relu": lambda t, own: (0.0, math.inf),
    "relu6": lambda t, own: (0.0, 6.0),
    "leaky_relu": _leaky,
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "softplus": lambda t, own: (-math.log1p(-t) / own.get("beta", 1.0), math.inf),
    "tanh": lambda t, own: (-math.sqrt(1 - t), math.sqrt(1 - t)),
    "sigmoid": _sigmoid,
    "hardtanh": lambda t, own: (own.get("min_val", -1.0), own.get("max_val", 1.0)),
    "hardsigmoid": _hardsigmoid,
    "logsigmoid": lambda t, own: (-math.inf, math.log1p(-t)),
    "softsign": lambda t, own: (math.sqrt(t) - 1, 1 - math.sqrt(t)),
}


def _gelu_slope(z: Array) -> Array:
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    return cdf + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _silu_slope(z: Array) -> Array:
    s = 1 / (1 + np.exp(-z))
    return np.asarray(s * (1 + z * (1 - s)))


def _mish_slope(z: Array) -> Array:
    t = np.tanh(np.logaddexp(0, z))
    return np.asarray(t + z * (1 - t**2) / (1 + np.exp(-z)))


def _hardswish_slope(z: Array) -> Array:
    return np.where(z <= -3, 0.0, np.where(z >= 3, 1.0, (2 * z + 3) / 6))


_SLOPES: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu_slope,
    "silu": _silu_slope,
    "mish": _mish_slope,
    "hardswish": _hardswish_slope,
}


def _bands(slope: Callable[[Array], Array], threshold: float) -> Array:
    """Return the closed bands of inputs in [−∞, 20] where |φ′| <= threshold, ends to 1e-9."""
    grid = np.linspace(-40.0, 20.0, 6001)
    small = np.abs(slope(grid)) <= threshold
    ends = [-math.inf] if small[0] else []
    for i in np.flatnonzero(small[1:] != small[:-1]):
        a, b, before = grid[i], grid[i + 1], small[i]
        while b - a > 1e-9:
            middle = (a + b) / 2
            inside = abs(float(slope(np.array([middle]))[0])) <= threshold
            a, b = (middle, b) if inside == before else (a, middle)
        ends.append(float(a if before else b))
    return np.array(ends).reshape(-1, 2)
