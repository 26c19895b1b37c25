"""How others train many small networks, each in the way that is quickest for it.

Every peer trains the same networks with PyTorch's Adam on the squared error, each network on its
own points and in the order it is given; picking a batch's points is part of its work. It
returns its weights in the end, so that a test can check that all of them do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from firstlight.ensemble.reference import layers, outputs
from firstlight.ensemble.spec import Network, Training

Order = NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """ReLU networks with one input and one output, and the points of each.

    Args:
        network: the shape, with one input, one output and ReLU.
        training: squared error and Adam.
        parameters: shape (R, P), float32.
        x: shape (R, n), float32.
        y: shape (R, n), float32.
        rate: the learning rate of all networks.
    """

    network: Network
    training: Training
    parameters: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    rate: float = 1e-3

    def first(self, count: int) -> "Problem":
        """Return the same problem with the first ``count`` networks."""
        rows = (self.parameters[:count], self.x[:count], self.y[:count])
        return Problem(self.network, self.training, *rows, self.rate)

    @property
    def adam(self) -> dict[str, Any]:
        """Return Adam's settings as PyTorch names them."""
        return {"lr": self.rate, "betas": self.training.betas, "eps": self.training.eps}

    def batches(self) -> list[slice]:
        """Return the places of each batch of an epoch; the last may be shorter."""
        size, samples = self.training.batch_size, self.x.shape[1]
        return [slice(at, min(at + size, samples)) for at in range(0, samples, size)]


class Peer(Protocol):
    """A way to train all networks of a problem."""

    def __init__(self, problem: Problem) -> None: ...

    def epoch(self, order: Order) -> None:
        """Train for one epoch; network r sees its points in the order ``order[r]``."""

    def weights(self) -> NDArray[Any]:
        """Return the parameters as they are now, shape (R, P)."""


def modules(problem: Problem) -> list[nn.Sequential]:
    """Return every network as PyTorch's own module."""
    networks = []
    for row in problem.parameters:
        steps: list[nn.Module] = []
        for weight, bias in problem.network.unpack(row):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(weight))
                layer.bias.copy_(torch.tensor(bias))
            steps += [layer, nn.ReLU()]
        networks.append(nn.Sequential(*steps[:-1]))
    return networks


def _flat(parts: list[Tensor]) -> NDArray[Any]:
    return torch.cat([part.detach().flatten(1) for part in parts], dim=1).numpy()


class Loop:
    """One ``nn.Module`` after another, with ``torch.optim.Adam`` as it comes."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.models = problem, modules(problem)
        self.optimizers = [torch.optim.Adam(m.parameters(), **problem.adam) for m in self.models]
        self.x, self.y = (torch.tensor(d[..., None]) for d in (problem.x, problem.y))
        self.criterion = nn.MSELoss()

    def epoch(self, order: Order) -> None:
        """Train each network for one epoch before the next one has its turn."""
        whole = zip(self.models, self.optimizers, self.x, self.y, torch.tensor(order), strict=True)
        for model, optimizer, x, y, places in whole:
            for batch in self.problem.batches():
                picks = places[batch]
                optimizer.zero_grad()
                self.criterion(model(x[picks]), y[picks]).backward()
                optimizer.step()

    def weights(self) -> NDArray[Any]:
        """Return all modules' parameters."""
        rows = [[part[None] for part in model.parameters()] for model in self.models]
        return np.concatenate([_flat(row) for row in rows])


class _Stacked:
    """What the peers with stacked tensors share: fused Adam over all networks, and the batches."""

    def __init__(self, problem: Problem, parts: list[Tensor]) -> None:
        self.problem = problem
        self.parts = [part.detach().clone().requires_grad_() for part in parts]
        # Adam treats every number alone, so one over the stack is one over each network.
        self.optimizer = torch.optim.Adam(self.parts, fused=True, **problem.adam)
        self.x, self.y = torch.tensor(problem.x), torch.tensor(problem.y)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient of each part on a batch, x and y of shape (R, B)."""
        raise NotImplementedError

    def epoch(self, order: Order) -> None:
        """Train all networks for one epoch, a batch of each at a time."""
        places = torch.tensor(order)
        for batch in self.problem.batches():
            picks = places[:, batch]
            gradients = self.gradients(self.x.gather(1, picks), self.y.gather(1, picks))
            for part, gradient in zip(self.parts, gradients, strict=True):
                part.grad = gradient
            self.optimizer.step()

    def weights(self) -> NDArray[Any]:
        """Return all parts side by side."""
        return _flat(self.parts)


class Vmap(_Stacked):
    """``torch.func.vmap`` of ``grad`` over one module's stacked parameters."""

    def __init__(self, problem: Problem) -> None:
        models = modules(problem)
        named = stack_module_state(models)[0]
        super().__init__(problem, list(named.values()))
        base = models[0].to("meta")

        def loss(parts: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
            z = functional_call(base, dict(zip(named, parts, strict=True)), (x[:, None],))
            return nn.functional.mse_loss(z[:, 0], y)

        self.gradient = vmap(grad(loss))

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Return the mapped gradient."""
        return tuple(self.gradient([part.detach() for part in self.parts], x, y))


class Baddbmm(_Stacked):
    """``torch.baddbmm`` over stacked weights, as firstlight's torch backend, with autograd."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, layers(problem.network, torch.tensor(problem.parameters)))

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient of the sum of all networks' losses."""
        z = outputs(self.problem.network, self.parts, x[:, None])
        return torch.autograd.grad((z[:, 0] - y).square().mean(1).sum(), self.parts)


def unit_by_unit(network: Network, parameters: Any, x: Any, relu: Callable[[Any], Any]) -> Any:
    """Return the output with each unit written out as elementwise arithmetic.

    Args:
        network: the shape.
        parameters: P arrays that broadcast against ``x``.
        x: any shape.
        relu: of the library that the arrays are of.
    """
    h, at = [x], 0
    for layer, (inputs, units) in enumerate(network.layers):
        sums = []
        for unit in range(units):
            z = parameters[at + inputs * units + unit]
            for k in range(inputs):
                z = z + parameters[at + unit * inputs + k] * h[k]
            sums.append(z)
        h = sums if layer == len(network.layers) - 1 else [relu(z) for z in sums]
        at += (inputs + 1) * units
    return h[0]


class Compiled:
    """``torch.compile`` of a whole step, batch, gradient and Adam, on an elementwise layout.

    Parameters lie as (P, R), activations as (R, B), and units are written out one by one, which
    the compiler fuses; matrix products of two by two it would not.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.x, self.y = torch.tensor(problem.x), torch.tensor(problem.y)
        w = torch.tensor(problem.parameters.T.copy())
        self.state = (w, torch.zeros_like(w), torch.zeros_like(w))
        self.steps = torch.zeros(())
        self.step = torch.compile(self._step, fullgraph=True, dynamic=False)

    def _step(self, w: Tensor, m: Tensor, v: Tensor, t: Tensor, picks: Tensor) -> Any:
        x, y = self.x.gather(1, picks), self.y.gather(1, picks)

        def loss(w: Tensor) -> Tensor:
            rows = [row[:, None] for row in w.unbind()]
            z: Tensor = unit_by_unit(self.problem.network, rows, x, torch.relu)
            return (z - y).square().mean(1).sum()

        gradient = grad(loss)(w)
        one, two = self.problem.training.betas
        m = m + (1 - one) * (gradient - m)
        v = two * v + (1 - two) * gradient * gradient
        root = (v / (1 - torch.pow(two, t))).sqrt() + self.problem.training.eps
        return w - self.problem.rate / (1 - torch.pow(one, t)) * m / root, m, v

    def epoch(self, order: Order) -> None:
        """Train all networks for one epoch, a batch of each at a time."""
        places = torch.tensor(order)
        with torch.no_grad():
            for batch in self.problem.batches():
                self.steps += 1
                self.state = self.step(*self.state, self.steps, places[:, batch].contiguous())

    def weights(self) -> NDArray[Any]:
        """Return the parameters, networks first."""
        return self.state[0].T.numpy().copy()
