"""Fans: the connections that a layer has, counted by its own Jacobian."""

from typing import Any

import pytest
import torch
from torch import nn

from firstlight.init.layers import layer_weights


@pytest.mark.parametrize(
    ("layer", "fans"),
    [
        (nn.Linear(7, 3), (7, 3)),
        (nn.Conv2d(4, 6, (3, 5)), (60, 90)),
        (nn.Conv2d(4, 6, 3, groups=2), (18, 27)),
        (nn.Conv1d(4, 6, 4, stride=2), (16, 12)),
        (nn.Conv1d(4, 6, 1, stride=2), (4, 6)),
        (nn.ConvTranspose2d(4, 6, 3), (36, 54)),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), (18, 27)),
        (nn.ConvTranspose2d(4, 6, 4, stride=2), (16, 96)),
        (nn.ConvTranspose1d(4, 6, 2, stride=2), (4, 12)),
        (nn.ConvTranspose1d(4, 6, 1, stride=3), (4, 6)),
    ],
)
def test_fans_count_connections(layer: nn.Module, fans: tuple[float, float]) -> None:
    part = layer_weights(layer)[0]
    assert (part.fan_in, part.fan_out) == pytest.approx(fans)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 6, 5, groups=2, padding=2, padding_mode="circular"),
        nn.Conv1d(4, 6, 4, stride=2),
        nn.ConvTranspose1d(4, 6, 4, stride=2, groups=2),
        nn.ConvTranspose1d(4, 6, 3),
    ],
)
def test_fans_are_those_of_the_layers_own_jacobian(layer: Any) -> None:
    """Count the inputs of each output, and the reverse, where no edge is near."""
    x = torch.zeros(4, 60)
    jacobian = torch.autograd.functional.jacobian(layer, x)
    there = jacobian != 0
    outputs = there.sum((2, 3)).double()
    inputs = there.sum((0, 1)).double()
    part = layer_weights(layer)[0]
    inside = outputs[:, 12:-12]
    assert inside[:, : inside.shape[1] // 4 * 4].mean().item() == pytest.approx(part.fan_in)
    assert inputs[:, 12:-12].mean().item() == pytest.approx(part.fan_out)
