"""The networks' weights, activations and slopes against PyTorch's own."""

import math

import pytest
import torch
from torch import Tensor, nn

from firstlight.studies.initialization.networks import ACTIVATIONS, draw, standard, weight_stds
from initialization_samples import CONFIG, MODULES


def test_initializations_share_numbers_and_layers_differ() -> None:
    a, b = (standard(0, 0, layer, 20, 20) for layer in (1, 2))
    assert not torch.equal(a, b)
    _, layer, _ = draw(CONFIG, ("normal_1", "he"), 0, (1, 1), hidden=1, like=torch.empty(0))
    assert torch.equal(layer.weights, a)
    assert isinstance(layer.scale, Tensor)
    assert layer.scale.flatten().tolist() == pytest.approx([1.0, math.sqrt(0.1)])
    assert not torch.equal(standard(0, 1, 1, 20, 20), a)
    assert not torch.equal(standard(1, 0, 1, 20, 20), a)


def test_scales_are_torchs_own() -> None:
    weights, stds = torch.empty(400, 700), weight_stds((0.28,), 700, 400)
    generator = torch.Generator().manual_seed(0)
    nn.init.xavier_normal_(weights, generator=generator)
    assert stds["xavier"] == pytest.approx(float(weights.std()), rel=0.01)
    nn.init.kaiming_normal_(weights, nonlinearity="relu", generator=generator)
    assert stds["he"] == pytest.approx(float(weights.std()), rel=0.01)
    assert stds["normal_0.28"] == 0.28


@pytest.mark.parametrize("activation", MODULES)
def test_the_slope_is_the_derivative(activation: str) -> None:
    z = torch.linspace(-4, 4, 41, dtype=torch.float64, requires_grad=True)
    phi, slope, largest = ACTIVATIONS[activation]
    a = phi(z)
    assert torch.equal(a, MODULES[activation]()(z))
    (expected,) = torch.autograd.grad(a.sum(), z)
    found = slope(a.detach())
    assert torch.allclose(found, expected)
    assert float(found.max()) == pytest.approx(largest)
