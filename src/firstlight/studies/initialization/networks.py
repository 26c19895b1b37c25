"""The networks of the study: standard normal numbers times a scale, forward and backward by hand.

Every initialization scales the same standard normal numbers, so that any two are compared on the
same draw. Layers are drawn one by one: layers of the same shape differ.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight import seeds

STUDY = "initialization"
SATURATED = 0.05
"""A unit is saturated on an image where |φ′| is below this share of its largest value."""

Head = Callable[[Tensor], Tensor]
"""From the last hidden activations to the gradient of each image's loss with respect to them."""


def names(sigmas: Sequence[float]) -> tuple[str, ...]:
    """Return the initializations of a run: one normal for each σ, Xavier, He.

    Example:
        >>> names((0.01, 1.0))
        ('normal_0.01', 'normal_1', 'xavier', 'he')
    """
    return (*(f"normal_{sigma:g}" for sigma in sigmas), "xavier", "he")


def weight_std(init: str, fan_in: int, fan_out: int) -> float:
    """Return the standard deviation of a layer's weights.

    σ for ``normal_σ``, √(2/(fan_in + fan_out)) for ``xavier``, √(2/fan_in) for ``he``.

    Example:
        >>> weight_std("xavier", 100, 100)
        0.1

    Source: X. Glorot and Y. Bengio (2010), equation 12; K. He et al. (2015), equation 10.
    """
    if init == "xavier":
        return math.sqrt(2 / (fan_in + fan_out))
    if init == "he":
        return math.sqrt(2 / fan_in)
    return float(init.removeprefix("normal_"))


@dataclass(frozen=True)
class Layer:
    """Weights without biases: of several networks, or the same times a scale for each.

    Args:
        weights: shape (out, in), shared by all networks, or (networks, out, in).
        scale: shape (networks, 1, 1), or 1.
    """

    weights: Tensor
    scale: Tensor | float = 1.0

    def forward(self, h: Tensor) -> Tensor:
        """Return the Z-values, shape (networks, images, out); ``h`` may be the same for all."""
        z = torch.matmul(h, self.weights.mT)
        return z.mul_(self.scale) if z.ndim == 3 else z * self.scale

    def backward(self, delta: Tensor) -> Tensor:
        """Return the gradient with respect to the layer's inputs."""
        return torch.matmul(delta, self.weights).mul_(self.scale)


def standard(seed: int, index: int, layer: str | int, out: int, fan_in: int) -> Tensor:
    """Return the standard normal numbers of one layer of network ``index``, shape (out, fan_in)."""
    stream = seeds.torch_generator(seed, STUDY, "weights", index, layer)
    return torch.randn(out, fan_in, generator=stream)


def drawn(
    inits: Sequence[str], seed: int, index: int, layer: str | int, out: int, fan_in: int
) -> Layer:
    """Return one layer of network ``index`` from every initialization."""
    scale = torch.tensor([weight_std(init, fan_in, out) for init in inits])
    return Layer(standard(seed, index, layer, out, fan_in), scale[:, None, None])


def to(layer: Layer, device: str, dtype: torch.dtype = torch.float32) -> Layer:
    """Return the layer on a device, in a precision."""
    scale = layer.scale
    if isinstance(scale, Tensor):
        scale = scale.to(device, dtype)
    return Layer(layer.weights.to(device, dtype), scale)


def activate(activation: str, z: Tensor) -> Tensor:
    """Return φ(z) for ``linear``, ``tanh``, ``sigmoid`` or ``relu``."""
    if activation == "linear":
        return z
    known: dict[str, Callable[[Tensor], Tensor]] = {
        "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu,
    }  # fmt: skip
    if activation not in known:
        raise ValueError(f"activation: expected linear, {', '.join(known)}, got {activation!r}")
    return known[activation](z)


def slope(activation: str, a: Tensor) -> Tensor:
    """Return φ′(z) from the activation a = φ(z): 1, 1 − a², a(1 − a), or 1{a > 0}."""
    if activation == "tanh":
        return 1 - a * a
    if activation == "sigmoid":
        return a - a * a
    if activation == "relu":
        return (a > 0).to(a.dtype)
    return torch.ones_like(a)


LARGEST_SLOPE = {"linear": 1.0, "tanh": 1.0, "sigmoid": 0.25, "relu": 1.0}


@dataclass(frozen=True)
class Trace:
    """What passed through the hidden layers; one tensor a layer, (networks, images, units).

    Args:
        z: Z-values, what the activation is applied to.
        a: activations.
        slope: φ′ at the Z-values.
        delta: gradient of each image's loss with respect to the Z-values.
    """

    z: list[Tensor]
    a: list[Tensor]
    slope: list[Tensor]
    delta: list[Tensor]


def trace(activation: str, h: Tensor, layers: Sequence[Layer], head: Head) -> Trace:
    """Pass ``h`` forward through the hidden layers and the gradient back, without autograd.

    z_l = W_l a_{l−1}, a_l = φ(z_l), δ_l = φ′(z_l) · W_{l+1}ᵀ δ_{l+1}.

    Args:
        activation: of every layer.
        h: what the first layer receives, shape (networks, images, inputs).
        layers: the hidden layers.
        head: what follows the last one; it returns a tensor of its own, which is overwritten.
    """
    z, a = [], []
    for layer in layers:
        z.append(layer.forward(h))
        h = activate(activation, z[-1])
        a.append(h)
    slopes = [slope(activation, h) for h in a]
    back, delta = head(h), []
    for layer, s in zip(reversed(layers), reversed(slopes), strict=True):
        delta.append(back.mul_(s))
        back = layer.backward(delta[-1])
    return Trace(z, a, slopes, delta[::-1])


def softmax_head(output: Layer, labels: Tensor) -> Head:
    """Return the head of a linear layer, softmax and cross-entropy; ``labels`` shape (images,)."""

    def head(h: Tensor) -> Tensor:
        p = torch.softmax(output.forward(h), dim=-1)
        p[:, torch.arange(len(labels), device=p.device), labels] -= 1
        return output.backward(p)

    return head


def logistic_head(output: Layer, labels: Tensor) -> Head:
    """Return the head of one sigmoid output and binary cross-entropy; ``labels`` are 0 or 1."""

    def head(h: Tensor) -> Tensor:
        return output.backward(torch.sigmoid(output.forward(h)) - labels[:, None])

    return head
