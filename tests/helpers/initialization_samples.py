"""A small configuration of the initialization study, images for it, and its networks in PyTorch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.data import Dataset
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.data import Images, images
from firstlight.studies.initialization.networks import standard, weight_stds

CONFIG = InitializationConfig(
    seeds=12, images=32, width=20, layers=3, depth=6, training_seeds=2, steps=3, batch_size=8,
    sigmas=(0.01, 1.0),
)  # fmt: skip
INITS = ("normal_0.01", "normal_1", "xavier", "he")
MODULES: dict[str, type[nn.Module]] = {
    "linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU,
}  # fmt: skip


def bars() -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = np.arange(n, dtype=np.uint8) % 10
        shown = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(shown, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return shown, labels

    (a, b), (c, d) = some(60), some(50)
    return Dataset("bars", a, b, c, d, tuple("0123456789"), "made up", {"bars": "0" * 64})


def seen() -> Images:
    """Return the images of a run with ``CONFIG``."""
    return images(bars(), CONFIG)


def network(
    activation: str, init: str, index: int, inputs: int, hidden: int, outputs: int
) -> nn.Sequential:
    """Return one network as anybody would write it, with the study's numbers in its weights.

    Args:
        activation: of the hidden layers.
        init: the initialization.
        index: of the network.
        inputs: of the first layer.
        hidden: layers between the first and the last.
        outputs: of the last layer.
    """
    width = CONFIG.width
    shapes: list[tuple[str | int, int, int]] = [("first", width, inputs)]
    shapes += [(place, width, width) for place in range(1, hidden + 1)]
    model = nn.Sequential()
    for name, out, fan_in in [*shapes, ("last", outputs, width)]:
        linear = nn.Linear(fan_in, out, bias=False)
        std = weight_stds(CONFIG.sigmas, fan_in, out)[init]
        with torch.no_grad():
            linear.weight.copy_(std * standard(CONFIG.seed, index, name, out, fan_in))
        model.append(linear)
        if isinstance(name, int):
            model.append(MODULES[activation]())
    return model


def plain(activation: str, init: str, index: int) -> nn.Sequential:
    """Return a network on the images."""
    return network(activation, init, index, 784, CONFIG.layers, 10)


def traced(model: nn.Sequential, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return Z-values and the gradients of the summed loss with respect to them, by autograd."""
    z, h = [], x
    for place, module in enumerate(model):
        h = module(h)
        if isinstance(module, nn.Linear) and 0 < place < len(model) - 1:
            h.retain_grad()
            z.append(h)
    torch.autograd.backward(functional.cross_entropy(h, y, reduction="sum"))
    return z, [v.grad for v in z if v.grad is not None]
