"""Activations: where they saturate, against autograd, and where they are called as functions."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from firstlight.models.lenet5 import LeNet5
from firstlight.probing import probe
from firstlight.probing.activations import FUNCTIONS, KINDS, saturation
from probe_models import ARCHITECTURES, rows_of

ACTIVATIONS = [kind() for kind in KINDS if kind not in (nn.PReLU, nn.RReLU)]
ACTIVATIONS += [nn.ELU(0.03), nn.ELU(2.0), nn.CELU(0.5), nn.LeakyReLU(0.2), nn.Softplus(3.0)]
ACTIVATIONS += [nn.Hardtanh(-2, 0.5)]


@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_saturation_is_a_small_derivative(activation: nn.Module, threshold: float) -> None:
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)[::3].clone().requires_grad_()
    y = activation(z)
    (slope,) = torch.autograd.grad(y.sum(), z)
    names = ("alpha", "beta", "negative_slope", "min_val", "max_val")
    own = {n: getattr(activation, n) for n in names if hasattr(activation, n)}
    places = saturation(KINDS[type(activation)], threshold, **own)
    inside = [(z >= low) & (z <= high) for low, high in places.bands.tolist()]
    found = torch.stack([y <= places.low, y >= places.high, *inside]).any(0)
    # Not judged: kinks, where PyTorch picks one side, and slopes that equal the threshold.
    clear = ((slope.abs() - threshold).abs() > 1e-6) & ((z.abs() > 1e-9) & (z.abs() != 3))
    assert torch.equal(found[clear], (slope.abs() <= threshold)[clear])


def test_learned_slopes_have_no_saturation_and_thresholds_a_range() -> None:
    assert saturation("prelu", 0.05) is None
    with pytest.raises(ValueError, match=r"expected a threshold in \(0, 0.25\), got 0.3"):
        saturation("tanh", 0.3)


def test_functions_are_known_wherever_they_are_found() -> None:
    for function in (torch.relu, F.relu, Tensor.relu_, torch.tanh, Tensor.sigmoid, F.silu, F.gelu):
        assert FUNCTIONS[function] in KINDS.values()


def test_functions_are_named_after_their_module_and_not_counted_twice() -> None:
    make, draw = ARCHITECTURES["residual"]
    model = nn.Sequential(make(), nn.ReLU())
    with probe(model) as p:
        F.relu(model(draw()))  # outside the model: none of its layers
    assert list(rows_of(p)) == ["0.a", "0.norm", "0.relu#1", "0.b", "0.relu#2", "1"]
    with probe(model, functional=False) as p:
        model(draw())
    assert list(rows_of(p)) == ["0.a", "0.norm", "0.b", "1"]


def test_lenet5_of_functions_shows_its_activations() -> None:
    model = LeNet5(torch.Generator().manual_seed(0))
    with probe(model, axes={"tanh#3": 0, "tanh#4": 0}) as p:
        model(torch.randn(9, 28, 28)).sum().backward()
    rows = rows_of(p)
    assert [rows[f"tanh#{i}"]["units"] for i in (1, 2, 3, 4)] == [6, 16, 120, 84]
    assert rows["conv1"]["calls"] == 0
    assert rows["conv1"]["mean"] is None
    assert rows["conv1"]["gradient_norm"] > 0
