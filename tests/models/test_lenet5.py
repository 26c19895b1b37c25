"""LeNet-5 and its parts, against PyTorch's own layers."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from firstlight.models.lenet5 import LAYERS, LeNet5, at_corners, convolve, gather


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reference(model: LeNet5) -> nn.Sequential:
    """Return the same network from PyTorch's own layers, with the same weights, in float64."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for name, width in (("input", 1), ("conv1", 6), ("conv2", 16), ("fc1", 120), ("fc2", 84)):
        if name == "fc1":
            parts["flatten"] = nn.Flatten()
        if name != "input":
            layer = getattr(model, name)
            if name == "conv1":
                layer = nn.Conv2d(1, 6, 5, padding=2)
                layer.load_state_dict(model.conv1.state_dict())
            parts[name] = layer
        if name in model.norms:
            kind = nn.BatchNorm1d if name.startswith("fc") else nn.BatchNorm2d
            norm = kind(width).double()
            norm.load_state_dict(model.norms[name].state_dict())
            parts[f"{name}-norm"] = norm
        if name != "input":
            parts[f"{name}-tanh"] = nn.Tanh()
        if name.startswith("conv"):
            parts[f"{name}-pool"] = nn.AvgPool2d(2)
    parts["out"] = model.out
    return nn.Sequential(parts)


@pytest.mark.parametrize(("norm", "extra"), [((), 0), (LAYERS[1:], 2 * 226), (LAYERS, 2 * 227)])
def test_parameter_count(norm: tuple[str, ...], extra: int) -> None:
    assert sum(p.numel() for p in LeNet5(generator(), norm=norm).parameters()) == 61_706 + extra


@pytest.mark.parametrize("norm", [(), LAYERS[1:], LAYERS])
@pytest.mark.parametrize("training", [True, False])
def test_equals_pytorchs_own_layers(norm: tuple[str, ...], training: bool) -> None:
    """Logits, gradients and moving statistics are those of Conv2d, BatchNorm, AvgPool2d."""
    model = LeNet5(generator(), norm=norm).double().train(training)
    for module in model.norms.values():
        module.running_var.fill_(1.7)  # type: ignore[operator, union-attr]
        module.running_mean.fill_(0.2)  # type: ignore[operator, union-attr]
    x = torch.rand(9, 28, 28, generator=generator(1), dtype=torch.float64)
    same = reference(model).double().train(training)
    ours, theirs = model(x), same(x[:, None])
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-11)
    weight, kernel = model.conv1.weight, same.get_submodule("conv1").weight
    (a,) = torch.autograd.grad(ours.square().sum(), [weight])
    (b,) = torch.autograd.grad(theirs.square().sum(), [kernel])  # type: ignore[list-item]
    assert torch.allclose(a, b, rtol=0, atol=1e-9)
    for name in norm:
        twin = same.get_submodule(f"{name}-norm")
        for buffer in ("running_mean", "running_var"):
            assert torch.allclose(getattr(model.norms[name], buffer), getattr(twin, buffer))


def test_arms_start_from_the_same_weights() -> None:
    plain = LeNet5(generator(3))
    full = LeNet5(generator(3), norm=LAYERS, hidden_dropout=0.5, masks=generator())
    other = LeNet5(generator(4))
    for name, value in plain.named_parameters():
        assert torch.equal(value, full.get_parameter(name))
    assert not torch.equal(plain.conv1.weight, other.conv1.weight)


def test_glorot_bound_and_zero_bias() -> None:
    model = LeNet5(generator())
    bound = (6 / (400 + 120)) ** 0.5
    assert bound * 0.99 < float(model.fc1.weight.detach().abs().max()) <= bound
    assert not model.fc1.bias.any()


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 1, 28, 28), (3, 32, 32)])
def test_shapes(shape: tuple[int, ...]) -> None:
    assert LeNet5(generator())(torch.rand(shape)).shape == (3, 10)


def test_padding_is_the_original_32_by_32() -> None:
    x = torch.rand(2, 28, 28, generator=generator())
    model = LeNet5(generator()).eval()
    assert torch.equal(model(x), model(nn.functional.pad(x, (2, 2, 2, 2))))


@pytest.mark.parametrize("shape", [(3, 27, 27), (784,), (3, 3, 28, 28), (3, 28, 32)])
def test_other_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images: expected shape"):
        LeNet5(generator())(torch.rand(shape))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="norm: expected any of input, conv1"):
        LeNet5(generator(), norm=("fc3",))
    with pytest.raises(ValueError, match="masks: expected a generator"):
        LeNet5(generator(), hidden_dropout=0.5)
    with pytest.raises(ValueError, match="drop: expected any of input, conv1"):
        LeNet5(generator(), drop=("fc3",))


def test_watch_sees_every_layer() -> None:
    seen: dict[tuple[str, str], tuple[int, ...]] = {}
    model = LeNet5(generator(), norm=LAYERS).eval()

    def watch(layer: str, what: str, values: Tensor) -> None:
        seen[layer, what] = tuple(values.shape)

    model(torch.rand(5, 28, 28), watch)
    sums = {"input": (1, 3920), "conv1": (6, 3920), "conv2": (16, 500), "fc1": (120, 5)}
    outputs = {"conv1": (6, 980), "conv2": (16, 125), "fc1": (120, 5), "fc2": (84, 5)}
    assert {k: seen[k, "sum"] for k in sums} == sums
    assert {k: seen[k, "output"] for k in outputs} == outputs


@pytest.mark.parametrize(("channels", "out", "side", "batch"), [(1, 6, 32, 3), (6, 16, 14, 1)])
def test_convolve_is_convolution_and_average_pool(
    channels: int, out: int, side: int, batch: int
) -> None:
    draw = {"generator": generator(), "dtype": torch.float64}
    x = torch.randn(channels, side, side, batch, **draw).requires_grad_()  # type: ignore[call-overload]
    w = torch.randn(out, channels, 5, 5, **draw).requires_grad_()  # type: ignore[call-overload]
    b = torch.randn(out, **draw).requires_grad_()  # type: ignore[call-overload]
    ours = convolve(x, w, b).mean(0).permute(3, 0, 1, 2)
    theirs = nn.functional.avg_pool2d(nn.functional.conv2d(x.permute(3, 0, 1, 2), w, b), 2)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    weights = torch.randn(theirs.shape, **draw)  # type: ignore[call-overload]
    for mine, its in zip(
        torch.autograd.grad((ours * weights).sum(), (x, w, b)),
        torch.autograd.grad((theirs * weights).sum(), (x, w, b)),
        strict=True,
    ):
        assert torch.allclose(mine, its, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(1, 4, 6, 2), (1, 7, 8, 2), (6, 6, 6)])
def test_gather_refuses_what_it_cannot_cut(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x: expected \(channels, height, width, batch\)"):
        gather(torch.zeros(shape), 6, shape)


def test_corners_sum_to_four_kernels() -> None:
    weight = torch.randn(3, 2, 5, 5, generator=generator())
    placed = at_corners(weight).view(4, 3, 2, 6, 6)
    assert torch.allclose(placed.sum((3, 4)), weight.sum((2, 3)).expand(4, 3, 2), atol=1e-5)


def test_dropout_acts_in_training_only() -> None:
    model = LeNet5(generator(), input_dropout=0.2, hidden_dropout=0.5, masks=generator(1))
    plain = LeNet5(generator())
    x = torch.rand(4, 28, 28, generator=generator(2))
    assert torch.equal(model.eval()(x), plain.eval()(x))
    assert not torch.equal(model.train()(x), model(x))


def test_dropout_behind_some_layers_only() -> None:
    """Without dropout behind it, a layer hands on the same in training as in evaluation."""
    dropped = {"hidden_dropout": 0.5, "input_dropout": 0.2, "masks": generator(1)}
    model = LeNet5(generator(), drop=("fc2",), **dropped)  # type: ignore[arg-type]  # of many types
    x = torch.rand(4, 28, 28, generator=generator(2))
    seen: list[Tensor] = []

    def watch(layer: str, what: str, values: Tensor) -> None:
        if (layer, what) == ("fc2", "output"):
            seen.append(values)

    outputs = [model.train(training)(x, watch) for training in (True, False)]
    assert torch.equal(*seen)
    assert not torch.equal(*outputs)
    assert LeNet5(generator(), drop=(), hidden_dropout=0.5).train()(x).shape == (4, 10)
