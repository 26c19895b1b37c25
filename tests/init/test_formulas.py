"""The formulas of initial scales against PyTorch's own initializers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from firstlight.init import formulas


@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (3, 700), (4096, 16)])
def test_formulas_are_those_of_torch(fan_in: int, fan_out: int) -> None:
    """A single seeded normal number, drawn by torch with its own scale, shows that scale."""
    draws = {
        nn.init.xavier_normal_: formulas.xavier_std(fan_in, fan_out),
        nn.init.kaiming_normal_: formulas.he_std(fan_in),
    }
    z = torch.randn(fan_out, fan_in, generator=torch.Generator().manual_seed(0))
    for initializer, std in draws.items():
        theirs = initializer(torch.empty_like(z), generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(theirs, z * std)


def test_the_uniform_bounds_belong_to_their_standard_deviations() -> None:
    assert formulas.uniform_bound(1.0) ** 2 / 3 == pytest.approx(1.0)
    bound = formulas.uniform_bound(formulas.xavier_std(5, 9))
    assert formulas.xavier_bound(5, 9) == pytest.approx(bound, rel=1e-15)
    layer = nn.Linear(10_000, 3)
    assert layer.weight.abs().max().item() == pytest.approx(formulas.torch_bound(10_000), rel=1e-3)


def test_gain_and_slope_make_up_for_the_activation() -> None:
    z = np.random.default_rng(0).normal(size=1_000_000)
    assert (
        pytest.approx(1 / math.sqrt((np.maximum(z, 0) ** 2).mean()), rel=5e-3) == formulas.RELU_GAIN
    )
    leaky = 1 / math.sqrt((np.where(z > 0, z, 0.3 * z) ** 2).mean())
    assert formulas.he_std(1, 0.3) == pytest.approx(leaky, rel=5e-3)
    assert formulas.he_std(7) * math.sqrt(7) == pytest.approx(formulas.RELU_GAIN)


def test_rai_has_its_papers_scale() -> None:
    assert formulas.rai_std(9) == pytest.approx(0.6007 / 3)
