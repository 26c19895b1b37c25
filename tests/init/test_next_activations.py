"""The activation after each layer is found, and its gain."""

import math

import pytest
import torch
from torch import Tensor, nn

from firstlight.init.layers import DEFAULT, NO_ACTIVATION, layer_weights, next_activations
from init_models import Net, draw, mlp, source


def gains(model: nn.Module) -> list[tuple[float, float]]:
    found = next_activations(model)
    return [(round(found[p.layer].gain, 4), found[p.layer].slope) for p in layer_weights(model)]


@pytest.mark.parametrize(
    ("activation", "gain", "slope"),
    [
        (nn.ReLU(), 1.4142, 0),
        (nn.LeakyReLU(0.5), 1.2649, 0.5),
        (nn.PReLU(init=0.5), 1.2649, 0.5),
        (nn.Tanh(), 1.5925, 0),
        (nn.GELU(), 1.5335, 0),
        (nn.Softmax(1), 1.0, 0),
        (nn.Identity(), 1.0, 0),
    ],
)
def test_gain_makes_up_for_the_activation(activation: nn.Module, gain: float, slope: float) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), activation, nn.Linear(3, 2))
    assert gains(model) == [(gain, pytest.approx(slope)), (1.0, 0)]
    z = torch.randn(400_000, 1, generator=source(1))
    if gain != 1:
        assert 1 / activation(z).square().mean().sqrt().item() == pytest.approx(gain, rel=0.01)


def test_functions_are_found_through_normalization_and_reshapes() -> None:
    assert gains(Net()) == [(1.3868, pytest.approx(0.2)), (1.5925, 0), (1.0, 0)]


def test_a_model_that_cannot_be_traced_goes_by_the_order_of_its_modules() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x if x.sum() > 0 else -x)

    model = Branching()
    found = next_activations(model)
    assert found[model.layers[0]].gain == pytest.approx(1.5925, abs=1e-4)
    assert found[model.layers[2]] == DEFAULT


def test_a_residual_sum_is_looked_through() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return (x + self.two(self.one(x).sigmoid())).relu()

    model = Block()
    found = next_activations(model)
    assert found[model.one].gain == pytest.approx(1.8461, abs=1e-3)
    assert found[model.two].gain == pytest.approx(math.sqrt(2))


def test_finding_the_activation_calls_no_hook() -> None:
    model, calls = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh())), []
    model[0].register_forward_hook(lambda *_: calls.append("after"))
    model[0].register_forward_pre_hook(lambda *_: calls.append("before"))
    assert gains(model) == [(1.5925, 0)]
    assert calls == []


def test_a_layer_inside_a_module_of_torch_is_taken_as_relu() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 2))
    found = next_activations(model)
    assert found[model[0].linear1] == DEFAULT
    assert found[model[1]] == NO_ACTIVATION


def test_the_callers_activation_wins() -> None:
    model = mlp()
    draw(model, "orthogonal", activation="linear")
    w = model[2].weight.detach()
    assert torch.allclose(w @ w.T, torch.eye(200), atol=1e-5)
    draw(model, "he", activation="leaky-relu")
    first = model[0].weight.detach().clone()
    draw(model, "he", activation="relu")
    assert torch.allclose(first * math.sqrt(1 + 0.01**2), model[0].weight.detach())
