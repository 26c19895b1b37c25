"""The plainest way to train an ensemble: one ``nn.Module`` after another with ``torch.optim``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from firstlight.ensemble import Network, Training
from firstlight.ensemble.shuffle import INCREMENT, initial_state

ACTIVATIONS = {
    "relu": lambda slope: nn.ReLU(),
    "leaky-relu": nn.LeakyReLU,
    "tanh": lambda slope: nn.Tanh(),
    "sigmoid": lambda slope: nn.Sigmoid(),
    "elu": nn.ELU,
    "identity": lambda slope: nn.Identity(),
}


class PCG32:
    """PCG-XSH-RR 64/32, written from O'Neill's minimal C code."""

    def __init__(self, state: int, increment: int = INCREMENT) -> None:
        self.state, self.increment = state, increment

    def next(self) -> int:
        old = self.state
        self.state = (old * 6364136223846793005 + self.increment) % 2**64
        word = f"{((old >> 18) ^ old) >> 27:064b}"[-32:]
        turn = old >> 59
        return int(word[len(word) - turn :] + word[: len(word) - turn], 2)


def permutations(seed: int, samples: int, epochs: int) -> Any:
    """Return the order of one network's samples in each epoch, shape (epochs, samples).

    Fisher and Yates's shuffle of the last epoch's order; the place settled first is seen first.
    """
    generator, order = PCG32(int(initial_state(seed))), list(range(samples))
    seen = []
    for _ in range(epochs):
        for last in range(samples - 1, -1, -1):
            place = generator.next() * (last + 1) // 2**32
            order[last], order[place] = order[place], order[last]
            seen.append(order[last])
    return np.array(seen).reshape(epochs, samples)


def module(network: Network, parameters: Any) -> nn.Sequential:
    """Return one network as a module in float64 with these parameters."""
    layers: list[nn.Module] = []
    for weights, biases in network.unpack(np.asarray(parameters, dtype=np.float64)):
        linear = nn.Linear(weights.shape[1], weights.shape[0], dtype=torch.float64)
        linear.weight.data = torch.tensor(weights)
        linear.bias.data = torch.tensor(biases)
        layers += [linear, ACTIVATIONS[network.activation](network.slope)]
    return nn.Sequential(*layers[:-1])


def flat(net: nn.Module) -> Any:
    """Return a module's parameters as one vector."""
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()]).numpy()


def loss_of(training: Training, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the batch's loss."""
    if training.loss == "squared-error":
        return nn.functional.mse_loss(z, y)
    if training.loss == "cross-entropy":
        return nn.functional.cross_entropy(z, y)
    # Unlike clamp's, this derivative is 0 where y·z is exactly 1.
    return torch.where(y * z < 1, 1 - y * z, torch.zeros_like(z)).mean()


def train_loop(
    network: Network,
    training: Training,
    parameters: Any,
    x: Any,
    y: Any,
    *,
    seeds: Sequence[int],
    rates: Sequence[float],
) -> Any:
    """Return the parameters after every epoch, shape (E, R, P), of a loop over networks in float64.

    Args:
        network: the shape.
        training: how each network is trained.
        parameters: shape (R, P).
        x: shape (R, n, inputs), or (n, inputs) for all networks.
        y: likewise with the outputs.
        seeds: of the shuffles.
        rates: learning rates.
    """
    trained = np.empty((training.epochs, *np.shape(parameters)))
    for r, start in enumerate(parameters):
        net = module(network, start)
        if training.optimizer == "adam":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(
                net.parameters(), lr=rates[r], betas=training.betas, eps=training.eps
            )
        else:
            optimizer = torch.optim.SGD(net.parameters(), lr=rates[r], momentum=training.momentum)
        inputs, targets = (torch.tensor(d if d.ndim == 2 else d[r]).double() for d in (x, y))
        orders = torch.tensor(permutations(int(seeds[r]), len(inputs), training.epochs))
        for epoch, order in enumerate(orders):
            for batch in order.split(training.batch_size):
                optimizer.zero_grad()
                loss_of(training, net(inputs[batch]), targets[batch]).backward()
                optimizer.step()
            trained[epoch, r] = flat(net)
    return trained
