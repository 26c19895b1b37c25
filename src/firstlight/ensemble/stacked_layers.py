"""The arithmetic of many small networks as stacked tensors: their layers, outputs and losses."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from firstlight.ensemble.spec import Network, Training


def layers(network: Network, parameters: Tensor) -> list[Tensor]:
    """Return views of an (R, P) tensor: for each layer (R, outputs, inputs) and (R, outputs)."""
    found, at = [], 0
    for inputs, outputs in network.layers:
        size = inputs * outputs
        found.append(parameters[:, at : at + size].view(-1, outputs, inputs))
        found.append(parameters[:, at + size : at + size + outputs])
        at += size + outputs
    return found


def activate(network: Network, z: Tensor) -> Tensor:
    """Return φ(z); the derivative of ReLU at 0 is 0, of leaky ReLU its slope, as in PyTorch."""
    act: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "leaky-relu": lambda z: functional.leaky_relu(z, network.slope),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "elu": lambda z: functional.elu(z, network.slope),
        "identity": lambda z: z,
    }
    return act[network.activation](z)


def outputs(network: Network, stacked: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return every network's outputs, z = W·φ(…φ(W·x + b)…) + b.

    Args:
        network: the shape that all networks share.
        stacked: weights and biases in turn, as ``layers`` returns them.
        x: shape (R, inputs, B): the samples lie along the last axis.

    Returns:
        Shape (R, outputs, B).
    """
    h = x
    for layer in range(0, len(stacked), 2):
        h = h if layer == 0 else activate(network, h)
        h = torch.baddbmm(stacked[layer + 1].unsqueeze(2), stacked[layer], h)
    return h


def losses(training: Training, z: Tensor, y: Tensor) -> Tensor:
    """Return each network's loss over its own batch, shape (R,).

    Squared error: mean of (z − y)². Cross-entropy: mean over the samples of −Σ y·log softmax(z).
    Hinge: mean of max(0, 1 − y·z); only samples with y·z < 1 have a gradient, those at exactly 1
    have none.

    Args:
        training: names the loss.
        z: outputs, shape (R, outputs, B).
        y: targets of the same shape.

    Raises:
        ValueError: if the shapes differ.
    """
    if z.shape != y.shape:
        raise ValueError(
            f"y: expected the shape of the outputs, {tuple(z.shape)}, got {tuple(y.shape)}"
        )
    if training.loss == "squared-error":
        return (z - y).square().mean((1, 2))
    if training.loss == "cross-entropy":
        return -(y * functional.log_softmax(z, dim=1)).sum(1).mean(1)
    # The derivative of relu at 0 is 0, that of clamp at its limit is 1.
    return torch.relu(1 - y * z).mean((1, 2))
