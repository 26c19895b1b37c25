"""Architectures of every kind, with a step of use for each, for the tests of the probe."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.b(torch.relu(self.norm(self.a(x)))))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn, self.head = kind(4, 5, batch_first=True, num_layers=2), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.attention(x, x, x)
        return self.head(F.gelu(y))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(6, 6), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.layer(self.act(self.layer(x))))


class Dictionaries(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        y = torch.sigmoid(self.one(inputs["x"])) + self.two(inputs["pair"][0])
        return {"y": y, "parts": (y.sum(1), [y * 2])}


class Inplace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)
        self.act, self.silu = nn.ReLU(inplace=True), nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.silu(self.b(self.act(self.a(x)))).relu_()


class Branches(nn.Module):
    """Control flow that hangs on the data, a caught exception, and a list of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        self.wrong = nn.Linear(9, 1)

    def forward(self, x: Tensor) -> Tensor:
        for i, step in enumerate(self.steps):
            if i % 2 == 0 or float(x.detach().sum()) > 0:
                x = F.elu(step(x))
        try:
            x = self.wrong(x)
        except RuntimeError:
            x = F.leaky_relu(x, 0.2)
        return x


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.middle = nn.Embedding(7, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.middle(self.embedding(x))))


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first, self.reentrant = nn.Linear(4, 4), reentrant
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if not torch.is_grad_enabled():
            return self.body(x)
        return checkpoint(self.body, x, use_reentrant=self.reentrant)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)
        self.norm = nn.GroupNorm(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(self.norm(self.up(x))).flatten(1)


class OwnFunction(nn.Module):
    """A module with parameters of its own and no module inside."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * self.scale)


def _normed() -> nn.Module:
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 5)),
        nn.ELU(),
        parametrizations.spectral_norm(nn.Linear(5, 3)),
    )


def _nested() -> nn.Module:
    inner = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.GELU(), nn.MaxPool1d(2))
    return nn.Sequential(inner, nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(12, 3)))


def _float(*shape: int) -> Callable[[], Any]:
    return lambda: torch.randn(*shape)


def _mapping() -> dict[str, Any]:
    return {"x": torch.randn(6, 3), "pair": (torch.randn(6, 2), None)}


def _encoder() -> nn.Module:
    return nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
    )


ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), _float(5, 4)),
    "unbatched": (lambda: nn.Sequential(nn.Linear(4, 8), nn.Mish()), _float(4)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        _float(3, 1, 8, 8),
    ),
    "channels last": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(memory_format=torch.channels_last),
        lambda: torch.randn(2, 3, 6, 6).to(memory_format=torch.channels_last),
    ),
    "residual": (Residual, _float(2, 3, 6, 6)),
    "rnn": (lambda: Recurrent(nn.RNN), _float(3, 4, 4)),
    "lstm": (lambda: Recurrent(nn.LSTM), _float(3, 4, 4)),
    "gru": (lambda: Recurrent(nn.GRU), _float(3, 4, 4)),
    "attention": (Attention, _float(2, 5, 8)),
    "transformer": (_encoder, _float(2, 5, 8)),
    "transformer in evaluation": (lambda: _encoder().eval(), _float(2, 5, 8)),
    "shared": (Shared, _float(5, 6)),
    "dictionaries": (Dictionaries, _mapping),
    "in place": (Inplace, _float(5, 4)),
    "branches": (Branches, _float(5, 4)),
    "tied embedding": (Tied, lambda: torch.randint(0, 7, (3, 5))),
    "checkpoint": (lambda: Checkpointed(False), _float(5, 4)),
    "reentrant checkpoint": (lambda: Checkpointed(True), _float(5, 4)),
    "transposed": (Decoder, _float(2, 2, 3, 3)),
    "parametrized": (_normed, _float(5, 4)),
    "nested, norm, dropout": (_nested, _float(4, 2, 8)),
    "own parameter": (OwnFunction, _float(5, 4)),
    "bfloat16": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 2)).bfloat16(),
        lambda: torch.randn(5, 4).bfloat16(),
    ),
    "double": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Softplus()).double(), lambda: torch.randn(5, 4).double()),
    "empty batch": (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU()), _float(0, 4)),
}  # fmt: skip
"""Name → the model, and a batch for it."""


def tensors(value: Any) -> list[Tensor]:
    """Return every tensor in a nest of tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in tensors(part)] if isinstance(value, list | tuple) else []


def loss_of(output: Any) -> Tensor:
    """Return a loss that depends on every output."""
    return torch.stack([t.float().square().sum() for t in tensors(output)]).sum()


def rows_of(p: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a probe's table by the name of the layer."""
    return {row["layer"]: row for row in p.table()}
