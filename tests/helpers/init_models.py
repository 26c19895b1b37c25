"""Models for the tests of initialization, and what is compared before and after it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.init import initialize


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(model: nn.Module, scheme: str, seed: int = 0, **rest: Any) -> nn.Module:
    if scheme == "normal":
        rest.setdefault("std", 0.1)
    initialize(model, scheme, generator=source(seed), **rest)
    return model


def mlp(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(300, 200), activation(), nn.Linear(200, 200), activation(), nn.Linear(200, 50)
    )


class Net(nn.Module):
    """Convolution, batch norm, functional activations; keeps what it saw and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.hidden = nn.Linear(8, 20)
        self.table = nn.Embedding(5, 20)
        self.out = nn.Linear(20, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.last: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x
        x = functional.leaky_relu(self.norm(self.conv(x)), 0.2).mean((2, 3))
        return self.out(functional.dropout(torch.tanh(self.hidden(x)), 0.5, self.training))


def state(model: nn.Module) -> dict[str, Any]:
    values = {name: value.clone() for name, value in model.state_dict().items()}
    values |= {f"{n}.grad": p.grad for n, p in model.named_parameters()}
    values |= {f"{n} mode": m.training for n, m in model.named_modules()}
    values |= {f"{n} hooks": len(m._forward_hooks) for n, m in model.named_modules()}
    return values | {"random": torch.get_rng_state(), "last": getattr(model, "last", None)}


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return one.keys() == two.keys() and all(
        torch.equal(a, two[k]) if isinstance(a, Tensor) else a is two[k] or a == two[k]
        for k, a in one.items()
    )
