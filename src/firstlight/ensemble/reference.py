"""Many small networks as stacked tensors in PyTorch: the slow reference, and the way onto a GPU.

The weights of a layer are one tensor (R, outputs, inputs) and a layer is one ``torch.baddbmm``;
autograd differentiates the sum of all networks' losses, in which each network's gradient is its
own; the optimizer acts on all parameters as one (R, P) tensor. On a GPU one step is captured as a
CUDA graph and replayed; that path has not been run on a GPU yet.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from firstlight.ensemble.codegen.plan import Chunk
from firstlight.ensemble.shuffle import orders
from firstlight.ensemble.spec import Network, Training, per_network
from firstlight.types import Numbers

WARM_UP_STEPS = 3
"""Steps before a capture, in which CUDA's libraries set themselves up; they are undone."""


def layers(network: Network, parameters: Tensor) -> list[Tensor]:
    """Return views of an (R, P) tensor: for each layer (R, outputs, inputs) and (R, outputs)."""
    return [view for pair in network.unpack(parameters) for view in pair]


def activate(network: Network, z: Tensor) -> Tensor:
    """Return φ(z); the derivative of ReLU at 0 is 0, of leaky ReLU its slope, as in PyTorch."""
    match network.activation:
        case "leaky-relu":
            return functional.leaky_relu(z, network.slope)
        case "elu":
            return functional.elu(z, network.slope)
        case "identity":
            return z
        case "relu":
            return z.relu()
        case "tanh":
            return z.tanh()
        case "sigmoid":
            return z.sigmoid()


def outputs(network: Network, stacked: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return every network's outputs, z = W·φ(…φ(W·x + b)…) + b.

    Args:
        network: the shape that all networks share.
        stacked: weights and biases in turn, as ``layers`` returns them.
        x: shape (R, inputs, B): the samples lie along the last axis.

    Returns:
        Shape (R, outputs, B).
    """
    z = torch.baddbmm(stacked[1].unsqueeze(2), stacked[0], x)
    for weight, bias in zip(stacked[2::2], stacked[3::2], strict=True):
        z = torch.baddbmm(bias.unsqueeze(2), weight, activate(network, z))
    return z


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


class Stack:
    """All networks in training, with their data and the state of their optimizer.

    Args:
        network: the shape that all networks share.
        training: how they are trained; ``epochs`` is not used here.
        parameters: shape (R, P).
        x: shape (n, inputs) for all networks or (R, n, inputs).
        y: shape (n, outputs) for all networks or (R, n, outputs).
        learning_rate: one number or shape (R,).
        dtype: ``"float32"`` or ``"float64"``.
        device: ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        network: Network,
        training: Training,
        parameters: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        *,
        learning_rate: ArrayLike,
        dtype: str,
        device: str = "cpu",
    ) -> None:
        def tensor(value: ArrayLike) -> Tensor:
            # A copy, because training changes the parameters in place.
            return torch.tensor(np.asarray(value, dtype=dtype), device=device)

        self.network, self.training = network, training
        self.parameters, self.x, self.y = tensor(parameters), tensor(x), tensor(y)
        # One set of samples for all networks may also come as a stack of one.
        self.x, self.y = (d[0] if d.ndim == 3 and len(d) == 1 else d for d in (self.x, self.y))
        count = len(self.parameters)
        self.rates = tensor(per_network("learning_rate", learning_rate, count)[:, None])
        self.rows = torch.arange(count, device=device)[:, None]
        self.first = torch.zeros_like(self.parameters)
        self.second = torch.zeros_like(self.parameters)
        # A tensor, because a CUDA graph would freeze a Python number.
        self.steps = torch.zeros((), dtype=torch.float64, device=device)
        self.graphs: dict[int, tuple[Any, Tensor]] = {}

    def numbers(self) -> Numbers:
        """Return a copy of all parameters, shape (R, P)."""
        return self.parameters.cpu().numpy().copy()

    def _batch(self, data: Tensor, picks: Tensor) -> Tensor:
        """Return the picked samples, shape (R, width, B)."""
        batch = data[picks] if data.ndim == 2 else data[self.rows, picks]
        return batch.transpose(1, 2)

    def gradient(self, picks: Tensor) -> Tensor:
        """Return each network's gradient on its samples ``picks`` (R, B), shape (R, P)."""
        leaves = [view.detach().requires_grad_() for view in layers(self.network, self.parameters)]
        z = outputs(self.network, leaves, self._batch(self.x, picks))
        total = losses(self.training, z, self._batch(self.y, picks)).sum()
        gradients = torch.autograd.grad(total, leaves)
        return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)

    def step(self, picks: Tensor) -> None:
        """Update every network once on its samples ``picks``, shape (R, B)."""
        gradient = self.gradient(picks)
        self.steps += 1
        if self.training.optimizer == "sgd":
            self.first.mul_(self.training.momentum).add_(gradient)
            self.parameters -= self.rates * self.first
            return
        one, two = self.training.betas
        self.first.lerp_(gradient, 1 - one)
        self.second.mul_(two).addcmul_(gradient, gradient, value=1 - two)
        rates = self.rates / (1 - torch.pow(one, self.steps)).to(self.rates.dtype)
        root = (1 - torch.pow(two, self.steps)).sqrt().to(self.rates.dtype)
        self.parameters -= rates * self.first / (self.second.sqrt() / root + self.training.eps)

    def epoch(self, order: Tensor | NDArray[np.int64]) -> None:
        """Train for one epoch in which network r sees its samples in the order ``order[r]``."""
        picks = torch.as_tensor(order).to(self.parameters.device)
        step = self._replay if self.parameters.is_cuda else self.step
        for batch in torch.split(picks, self.training.batch_size, dim=1):
            step(batch)

    def _replay(self, picks: Tensor) -> None:
        """Do what ``step`` does by replaying its CUDA graph; not run on a GPU yet."""
        size = picks.shape[1]
        if size not in self.graphs:
            self.graphs[size] = self._capture(torch.zeros_like(picks))
        graph, static = self.graphs[size]
        static.copy_(picks)
        graph.replay()

    def _capture(self, static: Tensor) -> tuple[Any, Tensor]:
        """Return a CUDA graph of one step on the samples that ``static`` will hold."""
        state = (self.parameters, self.first, self.second, self.steps)
        before = [tensor.clone() for tensor in state]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # PyTorch leaves it untyped
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self.step(static)
        torch.cuda.current_stream().wait_stream(side)
        for tensor, values in zip(state, before, strict=True):
            tensor.copy_(values)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(static)
        return graph, static


def train(chunk: Chunk, finished: Callable[[int], None], *, device: str) -> tuple[int, float]:
    """Train a chunk in place, as ``nn.Module`` and ``torch.optim`` would, and fill its snapshots.

    Args:
        chunk: the networks; their parameters are the trained ones afterwards.
        finished: called with the number of networks in the end.
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        0, as no network is skipped; seconds of training.
    """
    started, plan = perf_counter(), chunk.plan
    x, y = np.split(chunk.samples, [plan.network.widths[0]], axis=2)
    stack = Stack(
        plan.network,
        plan.training,
        chunk.parameters,
        x,
        y,
        learning_rate=chunk.rates,
        dtype=plan.dtype,
        device=device,
    )
    shuffles = orders(chunk.seeds, chunk.count)
    for epoch in range(plan.training.epochs + 1):
        if epoch > 0:
            stack.epoch(next(shuffles))
        chunk.snapshots[np.equal(chunk.checkpoints, epoch)] = stack.numbers()
    chunk.parameters[:] = stack.numbers()
    finished(len(chunk.parameters))
    return 0, perf_counter() - started
