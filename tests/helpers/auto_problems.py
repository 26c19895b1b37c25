"""Steps, models and curves whose best batch sizes are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.ranges import BatchSizes, ModelStep, auto_batch_size

N, D = 8192, 8
SIZES = 2.0 ** np.arange(3, 14)
Shape = Callable[[float], float]


def hill(b: float) -> float:
    """Rise from 0.3 to 1.3 in the middle of the sizes."""
    return 0.3 + 1 / (1 + (300 / b) ** 2)


def simulated(shape: Shape, noise: float = 0.0, seed: int = 0) -> Callable[[Any, float], float]:
    """Return a step whose loss is a known function of the batch size, and noise."""
    rng = np.random.default_rng(seed)

    def step(batch: tuple[Tensor, Tensor], lr: float) -> float:
        return shape(len(batch[0])) + noise * float(rng.normal())

    return step


def run(step: Any, n: int = N, **settings: Any) -> BatchSizes:
    """Run the algorithm on a simulated step."""
    data = torch.zeros(n, 1), torch.zeros(n, 1)
    return auto_batch_size(step, data, lr=0.1, reset=lambda: None, **settings)


def crossings(shape: Shape) -> tuple[float, float]:
    """Return where a noiseless rising curve has done a tenth and nine tenths of its rise."""
    b = 2 ** np.linspace(3, 13, 20_001)
    y = np.array([shape(v) for v in b])
    low, high = y[0] + 0.1 * (y[-1] - y[0]), y[0] + 0.9 * (y[-1] - y[0])
    return float(b[np.argmax(y >= low)]), float(b[np.argmax(y >= high)])


def quadratic(n: int = N, noise: float = 0.1) -> tuple[ModelStep, tuple[Tensor, Tensor]]:
    """Return a mean to be learnt: loss d/2 (θ − x)² on x ~ N(0, noise²), from θ = 1."""
    x = noise * torch.randn(n, D, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(1, D, bias=False)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * ((outputs - targets) ** 2).sum(dim=1).mean()

    return ModelStep(model, optimizer, loss), (torch.ones(n, 1), x)


def network(n: int = 512) -> tuple[ModelStep, tuple[Tensor, Tensor]]:
    """Return a network with batch normalization and dropout, and an optimizer with a state."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.randn(n, D)
    y = (x[:, 0] > 0).long()
    step = ModelStep(model, optimizer, nn.functional.cross_entropy)
    step((x[:64], y[:64]), 0.01)
    model.eval()
    return step, (x, y)


class Hungry(nn.Module):
    """A model that has no memory for more than ``most`` samples."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        out: Tensor = self.inner(x)
        return out
