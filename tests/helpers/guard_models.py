"""Models with everything that is hard to put back, and a fingerprint of all that must be."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Counting(nn.Module):
    """Replaces a buffer instead of writing it, counts in Python and draws from its own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.seen: list[int] = []
        self.generator = torch.Generator().manual_seed(5)
        self.hidden: Tensor | None = None
        self.register_buffer("count", torch.zeros(()), persistent=False)
        self.register_buffer("row", torch.zeros(1).expand(3))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(self.calls)
        self.count = self.count + 1
        self.hidden = x.detach()
        return x + 0.01 * torch.randn(x.shape, generator=self.generator)


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 12), nn.Linear(12, 12)
        self.second.weight = self.first.weight
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.second(torch.tanh(self.first(x.flatten(1))))))


def normalized() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    return model.to(memory_format=torch.channels_last)


def frozen() -> nn.Module:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), Counting(), nn.Linear(8, 3)
    )
    model[1].requires_grad_(False)
    model[2].eval()
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": normalized,
    "tied": Tied,
    "frozen": frozen,
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=torch.tensor(1e-3), amsgrad=True),
}


def loader(samples: int = 37, **kwargs: Any) -> DataLoader[Any]:
    """Return five shuffled batches, the last of them short."""
    draws = torch.Generator().manual_seed(1)
    x, y = torch.randn(samples, 3, 2, 2, generator=draws), torch.arange(samples) % 3
    shuffles = torch.Generator().manual_seed(2)
    return DataLoader(TensorDataset(x, y), 8, shuffle=True, generator=shuffles, **kwargs)


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the trained parameters in two groups."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [{"params": trained[:1]}, {"params": trained[1:], "weight_decay": 0.01}]


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Take some steps, and leave gradients behind."""
    draws = torch.Generator().manual_seed(3)
    for _ in range(steps):
        optimizer.zero_grad()
        x = torch.randn(8, 3, 2, 2, generator=draws)
        nn.functional.cross_entropy(model(x), torch.arange(8) % 3).backward()
        optimizer.step()


def raw(value: Any) -> Any:
    """Return the bytes and the place of whatever can change, in plain Python."""
    if isinstance(value, Tensor):
        held = value.detach()
        content = held.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
        gradient = raw(value.grad) if value.is_leaf else None
        place = (id(value), held.data_ptr(), held.stride(), held.dtype, value.requires_grad)
        return place, tuple(held.shape), content, gradient
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return [(id(key) if isinstance(key, Tensor) else key, raw(v)) for key, v in value.items()]
    if isinstance(value, list | tuple):
        return [raw(part) for part in value]
    return value if isinstance(value, int | float | bool | str | None) else id(value)


def _module(model: nn.Module) -> Iterator[Any]:
    for name, module in model.named_modules(remove_duplicate=False):
        plain = {k: v for k, v in vars(module).items() if "hook" not in k and k != "_modules"}
        yield name, id(module), module.training, sorted((k, raw(v)) for k, v in plain.items())


def fingerprint(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler | None = None,
    batches: DataLoader[Any] | None = None,
) -> dict[str, Any]:
    """Return everything that must be put back."""
    found: dict[str, Any] = {f"module {name}": rest for name, *rest in _module(model)}
    found["state"] = id(optimizer.state), raw(dict(optimizer.state))
    found["groups"] = id(optimizer.param_groups), raw(optimizer.param_groups)
    found["scaler"] = None if scaler is None else raw(vars(scaler))
    if batches is not None:
        found["loader"] = raw(batches.generator), raw(vars(batches.sampler))
    found["torch"] = torch.get_rng_state().numpy().tobytes()
    found["numpy"] = raw(np.random.get_state())
    found["python"] = random.getstate()
    return found


def assert_same(after: dict[str, Any], before: dict[str, Any]) -> None:
    """Fail with the names of what differs."""
    assert [name for name in before if after[name] != before[name]] == []
    assert after.keys() == before.keys()


def made(model: str, optimizer: str, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a model and optimizer, after some steps of training or fresh."""
    torch.manual_seed(0)
    network = MODELS[model]()
    updates = OPTIMIZERS[optimizer](groups(network))
    train(network, updates, steps)
    return network, updates


def havoc(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Change everything, in place and by replacement."""
    train(model, optimizer, 2)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(model, optimizer, 1)
    model.zero_grad(set_to_none=True)
    for module in model.modules():
        module.training = not module.training
    for parameter in model.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    optimizer.param_groups[0]["lr"] = 7.0
    optimizer.param_groups[1]["weight_decay"] = 1.0
    optimizer.param_groups[0]["extra"] = 1
    model.register_buffer("more", torch.ones(1))
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
