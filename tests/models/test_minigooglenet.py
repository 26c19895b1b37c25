"""MiniGoogLeNet: its size, its shapes, its weights, against the architecture as it is written."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from firstlight.models.minigooglenet import PLAN, Downsample, Inception, MiniGoogLeNet, resized


def make(width: float = 0.125, **more: object) -> MiniGoogLeNet:
    return MiniGoogLeNet(torch.Generator().manual_seed(0), width=width, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("channels", "parameters"), [(1, 1_651_098), (3, 1_652_826)])
def test_the_articles_number_of_parameters(channels: int, parameters: int) -> None:
    model = make(1.0, channels=channels)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_parameters_counted_layer_by_layer() -> None:
    """k² · in · out + out for a convolution, 2 · out for its normalization, summed by hand."""

    def module(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side**2 + outputs + 2 * outputs

    total, size = module(1, 96, 3), 96
    for plan in PLAN:
        if len(plan) == 2:
            total += module(size, plan[0], 1) + module(size, plan[1], 3)
            size = sum(plan)
        else:
            total += module(size, plan[0], 3)
            size += plan[0]
    assert total + size * 10 + 10 == sum(p.numel() for p in make(1.0).parameters())


def test_the_forward_pass_equals_plain_pytorch() -> None:
    model = make().eval()
    x = torch.rand(3, 1, 32, 32)
    y = x
    for layer in model.body:
        if isinstance(layer, Inception):
            y = torch.cat([layer.narrow(y), layer.wide(y)], 1)
        elif isinstance(layer, Downsample):
            y = torch.cat([layer.conv(y), nn.MaxPool2d(3, 2)(y)], 1)
        else:
            y = layer(y)
    assert y.shape[2:] == (7, 7)
    expected = model.out(nn.AvgPool2d(7)(y).flatten(1))
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_small_images_are_resized() -> None:
    model = make().eval()
    x = torch.rand(2, 28, 28)
    large = functional.interpolate(x[:, None], size=(32, 32), mode="bilinear")
    assert torch.allclose(model(x), model(large))


@pytest.mark.parametrize(("resolution", "side"), [(0.5, 16), (0.25, 8), (1.5, 48), (0.875, 28)])
def test_another_resolution_has_other_pixels_and_the_same_parameters(
    resolution: float, side: int
) -> None:
    model = make(resolution=resolution).eval()
    assert model.side == side
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in make().parameters())
    x = torch.rand(2, 28, 28)
    assert torch.allclose(model(x), model(resized(x[:, None], side)), atol=1e-6)
    with pytest.raises(ValueError, match=f"expected shape .n, 1, {side}, {side}."):
        model(torch.zeros(2, 1, 33, 33))


def test_shrinking_takes_every_pixel_into_account() -> None:
    """A single bright pixel keeps its light, wherever it is; without filtering some are skipped."""
    x = torch.zeros(100, 1, 28, 28)
    for index in range(100):
        x[index, 0, 9 + index // 10, 9 + index % 10] = 1.0
    light = resized(x, 16).sum((1, 2, 3))
    assert torch.allclose(light, torch.full((100,), (16 / 28) ** 2), rtol=0.3)
    assert torch.allclose(resized(torch.ones(1, 1, 28, 28), 16), torch.ones(16, 16))


@pytest.mark.parametrize("resolution", [0.0, 0.2, -1.0, float("nan")])
def test_resolutions_are_checked(resolution: float) -> None:
    with pytest.raises(ValueError, match="resolution: expected at least"):
        make(resolution=resolution)


@pytest.mark.parametrize("shape", [(2, 27, 28), (2, 3, 32, 32), (2, 784), (2, 1, 64, 64)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images: expected shape"):
        make()(torch.zeros(shape))


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_widths_are_checked(width: float) -> None:
    with pytest.raises(ValueError, match="width: expected above 0"):
        make(width)


def test_weights_and_masks_follow_from_their_generators() -> None:
    first, second = make().state_dict(), make().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = MiniGoogLeNet(torch.Generator().manual_seed(1), width=0.125)
    assert not torch.equal(first["out.weight"], other.out.weight)
    x = torch.rand(4, 32, 32)
    outputs = [make(masks=torch.Generator().manual_seed(seed)).train()(x) for seed in (5, 5, 6)]
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_weights_are_glorot_uniform() -> None:
    layer = make(1.0).body[1].wide[0]  # type: ignore[union-attr,index]
    limit = (6 / (9 * (96 + 32))) ** 0.5
    assert float(layer.weight.detach().abs().max()) == pytest.approx(limit, rel=1e-3)  # type: ignore[union-attr,operator]
    assert float(layer.weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.02)  # type: ignore[union-attr,operator]
    assert not layer.bias.any()  # type: ignore[union-attr,operator]
