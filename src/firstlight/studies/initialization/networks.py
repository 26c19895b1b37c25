"""The networks of the study: standard normal numbers times a scale, forward and backward by hand.

Every initialization scales the same standard normal numbers, so that any two are compared on the
same draw. Layers are drawn one by one: layers of the same shape differ.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from firstlight import seeds
from firstlight.init.formulas import he_std, xavier_std
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.labels import normal

Head = Callable[[Tensor], Tensor]
"""From the last hidden activations to the gradient of each image's loss with respect to them."""


class Activation(NamedTuple):
    """φ(z), its slope φ′ as a function of a = φ(z), and the largest slope."""

    phi: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    largest: float


ACTIVATIONS = {
    "linear": Activation(lambda z: z, torch.ones_like, 1.0),
    "tanh": Activation(torch.tanh, lambda a: 1 - a * a, 1.0),
    "sigmoid": Activation(torch.sigmoid, lambda a: a - a * a, 0.25),
    "relu": Activation(torch.relu, lambda a: (a > 0).to(a.dtype), 1.0),
}


def weight_stds(sigmas: Iterable[float], fan_in: int, fan_out: int) -> dict[str, float]:
    """Return the standard deviation of a layer's weights under every initialization.

    Example:
        >>> weight_stds((0.5,), 100, 100)["xavier"]
        0.1
    """
    scaled = {"xavier": xavier_std(fan_in, fan_out), "he": he_std(fan_in)}
    return {normal(sigma): sigma for sigma in sigmas} | scaled


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
    stream = seeds.torch_generator(seed, InitializationConfig.study, "weights", index, layer)
    return torch.randn(out, fan_in, generator=stream)


def draw(
    config: InitializationConfig,
    inits: Collection[str],
    index: int,
    ends: tuple[int, int],
    hidden: int,
    like: Tensor,
) -> list[Layer]:
    """Draw the layers of network ``index`` from some initializations, all at once.

    Args:
        config: the run's parameters.
        inits: names of the initializations.
        index: of the network, which is its seed.
        ends: inputs of the first layer, and outputs of the last.
        hidden: layers between them.
        like: any tensor of the layers' device and precision; numbers are drawn in single precision.
    """
    names: list[str | int] = ["first", *range(1, hidden + 1), "last"]
    widths, layers = (ends[0], *[config.width] * (hidden + 1), ends[1]), []
    for name, (fan_in, out) in zip(names, pairwise(widths), strict=True):
        stds = weight_stds(config.sigmas, fan_in, out)
        scale = torch.tensor([stds[init] for init in inits])[:, None, None]
        numbers = standard(config.seed, index, name, out, fan_in)
        layers.append(Layer(numbers.to(like), scale.to(like)))
    return layers


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

    z_l = W_l a_{l−1}, a_l = φ(z_l), δ_l = φ′(z_l) · W_{l+1}ᵀ δ_{l+1}. The first layer receives h,
    shape (networks, images, inputs); what the head returns is overwritten.
    """
    phi, slope, _ = ACTIVATIONS[activation]
    z, a = [], []
    for layer in layers:
        z.append(layer.forward(h))
        h = phi(z[-1])
        a.append(h)
    slopes = [slope(h) for h in a]
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
