"""Which activations there are, where their own derivative is small, and who calls them as functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from firstlight.types import Floats

KINDS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.LeakyReLU: "leaky_relu", nn.PReLU: "prelu",
    nn.RReLU: "rrelu", nn.ELU: "elu", nn.SELU: "selu", nn.CELU: "celu", nn.GELU: "gelu",
    nn.SiLU: "silu", nn.Mish: "mish", nn.Hardswish: "hardswish", nn.Softplus: "softplus",
    nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.Hardtanh: "hardtanh",
    nn.Hardsigmoid: "hardsigmoid", nn.LogSigmoid: "logsigmoid", nn.Softsign: "softsign",
}  # fmt: skip  # a table of names, read better several to a line
"""PyTorch's elementwise activations, as modules."""

DYING = ("relu", "relu6", "hardswish", "hardsigmoid")
"""Activations that are exactly zero on a whole half-line: their units can be dead."""

FUNCTIONS: dict[Any, str] = {
    getattr(place, name): kind
    for kind in KINDS.values()
    for place in (torch, torch.Tensor, functional)
    for name in (kind, kind + "_")
    if callable(getattr(place, name, None))
} | {torch.special.expit: "sigmoid"}
"""PyTorch's elementwise activations, as functions: function → kind."""

PARAMETERS = {
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "softplus": ("beta",),
    "hardtanh": ("min_val", "max_val"),
}
"""Parameters that an activation's saturation depends on, by PyTorch's names, in their order."""


@dataclass(frozen=True)
class Saturation:
    """Where |φ′| is at most the threshold.

    Args:
        low: outputs at or below it are saturated.
        high: outputs at or above it are saturated.
        bands: closed bands of *inputs*, shape (b, 2), for activations that are not monotone;
            then ``low`` and ``high`` are infinite.
    """

    low: float = -inf
    high: float = inf
    bands: Floats = field(default_factory=lambda: np.empty((0, 2)))


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
    return Saturation(*_MONOTONE[kind](threshold, own)) if kind in _MONOTONE else None


def _sigmoid(t: float, own: dict[str, float]) -> tuple[float, float]:
    high = (1 + math.sqrt(1 - 4 * t)) / 2
    return t / high, high


_SELU = 1.0507009873554805 * 1.6732632423543772
"""Scale times α of the SELU (Klambauer and others 2017, section 2)."""

_MONOTONE: dict[str, Callable[[float, dict[str, float]], tuple[float, float]]] = {
    "relu": lambda t, own: (0.0, inf),
    "relu6": lambda t, own: (0.0, 6.0),
    "leaky_relu": lambda t, own: (0.0 if abs(own.get("negative_slope", 0.01)) <= t else -inf, inf),
    "elu": lambda t, own: (min(t - own.get("alpha", 1.0), 0.0), inf),
    "selu": lambda t, own: (min(t - _SELU, 0.0), inf),
    "celu": lambda t, own: (own.get("alpha", 1.0) * (t - 1), inf),
    "softplus": lambda t, own: (-math.log1p(-t) / own.get("beta", 1.0), inf),
    "tanh": lambda t, own: (-math.sqrt(1 - t), math.sqrt(1 - t)),
    "sigmoid": _sigmoid,
    "hardtanh": lambda t, own: (own.get("min_val", -1.0), own.get("max_val", 1.0)),
    "hardsigmoid": lambda t, own: (0.0, 1.0) if t < 1 / 6 else (inf, -inf),
    "logsigmoid": lambda t, own: (-inf, math.log1p(-t)),
    "softsign": lambda t, own: (math.sqrt(t) - 1, 1 - math.sqrt(t)),
}
"""Kind → lowest and highest output at which |φ′| is at most t, by the activation's parameters."""


def _gelu_slope(z: Floats) -> Floats:
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    return cdf + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


_SLOPES: dict[str, Callable[[Floats], Floats]] = {
    "gelu": _gelu_slope,
    "silu": lambda z: (s := 1 / (1 + np.exp(-z))) * (1 + z * (1 - s)),
    "mish": lambda z: (t := np.tanh(np.logaddexp(0, z))) + z * (1 - t**2) / (1 + np.exp(-z)),
    "hardswish": lambda z: np.where(z <= -3, 0.0, np.where(z >= 3, 1.0, (2 * z + 3) / 6)),
}


def _bands(slope: Callable[[Floats], Floats], threshold: float) -> Floats:
    """Return the closed bands of inputs in [−∞, 20] where |φ′| <= threshold, edges to 1e-9."""
    grid = np.linspace(-40.0, 20.0, 6001)
    small = np.abs(slope(grid)) <= threshold
    edges = [-inf] if small[0] else []
    for i in np.flatnonzero(small[1:] != small[:-1]):
        a, b, before = grid[i], grid[i + 1], small[i]
        while b - a > 1e-9:
            middle = (a + b) / 2
            inside = abs(float(slope(np.array([middle]))[0])) <= threshold
            a, b = (middle, b) if inside == before else (a, middle)
        edges.append(float(a if before else b))
    return np.array(edges).reshape(-1, 2)


class FunctionMode(TorchFunctionMode):
    """Calls ``called(kind, function, args, kwargs)`` in place of each activation function."""

    def __init__(self, called: Callable[[str, Any, Any, dict[str, Any]], Any]) -> None:
        super().__init__()
        self._called = called

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Every operation of the model comes through here, so nothing is done twice.
        if func in FUNCTIONS:
            return self._called(FUNCTIONS[func], func, args, kwargs or {})
        return func(*args, **kwargs) if kwargs else func(*args)


def may_call_functions(module: nn.Module) -> bool:
    """Say whether a module may call activation functions: PyTorch's own do not, but for a few."""
    calls = isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer)
    return calls or not type(module).__module__.startswith("torch.nn.modules.")
