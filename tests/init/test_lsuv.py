"""Layer-sequential unit variance reaches 1, and a failure leaves the model as it was."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from init_models import Net, draw, mlp, same, source, state


def variances(model: nn.Module, layers: list[nn.Module], inputs: Any) -> list[float]:
    seen: list[float] = []
    for layer in layers:
        layer.register_forward_hook(lambda _m, _i, out: seen.append(out.var(correction=0).item()))
    model.eval()
    with torch.no_grad():
        model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    return seen


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_lsuv_reaches_unit_variance_in_every_layer(activation: Any) -> None:
    model, x = mlp(activation), 30 * torch.randn(40, 300, generator=source(1)) + 7
    draw(model, "lsuv", inputs=x)
    assert variances(model, [model[0], model[2], model[4]], x) == pytest.approx([1] * 3, abs=2e-3)
    w = model[0].weight.detach().double()
    product = w @ w.T
    assert torch.allclose(product, product[0, 0] * torch.eye(200, dtype=w.dtype), atol=1e-5)


def test_lsuv_reaches_convolutions_and_follows_the_calls_not_the_registration() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(6, 2)
            self.first = nn.Conv2d(1, 6, 3)
            self.unused = nn.Linear(3, 3)

        def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
            return self.last(self.first(scale * x).relu().mean((2, 3)))

    x = torch.randn(30, 1, 8, 8, generator=source(1))
    for inputs in (x, (x,), [x], {"x": x, "scale": 5.0}):
        model = Backwards()
        draw(model, "lsuv", inputs=inputs)
        if isinstance(inputs, Tensor):
            assert variances(model, [model.first, model.last], x) == pytest.approx([1, 1], abs=2e-3)
        w = model.unused.weight.detach()
        assert torch.allclose(w @ w.T, torch.eye(3), atol=1e-5)


def test_lsuv_that_fails_leaves_the_model_as_it_was() -> None:
    class Plain(Net):  # which keeps nothing of what it sees
        last = property(lambda _: None, lambda *_: None)

    model = Plain()
    before = state(model)
    with pytest.raises(ValueError, match=r"conv.weight: expected Z-values that vary, got .* 0"):
        draw(model, "lsuv", inputs=torch.zeros(2, 3, 8, 8))
    assert same(before, state(model))
    with pytest.raises(RuntimeError):
        draw(model, "lsuv", inputs=torch.zeros(2, 4, 8, 8))
    assert same(before, state(model))
