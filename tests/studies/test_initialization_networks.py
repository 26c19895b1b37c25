"""The stacked networks of the initialization study against plain PyTorch, one network at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization import training as learning
from firstlight.studies.initialization import measures
from firstlight.studies.initialization import networks
from firstlight.studies.initialization import experiments as work
from firstlight.studies.initialization.data import Images, ball, images
from firstlight.studies.initialization.theory import agreement, grouped, predicted
from test_initialization import CONFIG, bars

MODULES = {"linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
INITS = networks.names(CONFIG.sigmas)


def seen() -> Images:
    return images(bars(), CONFIG)


def plain(activation: str, init: str, index: int, config: InitializationConfig) -> nn.Sequential:
    """Return one network as anybody would write it, with the study's numbers in its weights."""
    width, layers = config.width, config.layers
    shapes: list[tuple[str | int, int, int]] = [
        ("first", width, 784),
        *[(k, width, width) for k in range(1, layers + 1)],
    ]
    model = nn.Sequential()
    for name, out, fan_in in [*shapes, ("last", 10, width)]:
        linear = nn.Linear(fan_in, out, bias=False)
        std = networks.weight_std(init, fan_in, out)
        with torch.no_grad():
            linear.weight.copy_(std * networks.standard(config.seed, index, name, out, fan_in))
        model.append(linear)
        if name not in ("first", "last"):
            model.append(MODULES[activation]())
    return model


def traced(model: nn.Sequential, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return Z-values and the gradients of the summed loss with respect to them, by autograd."""
    z, h = [], x
    for place, module in enumerate(model):
        h = module(h)
        if isinstance(module, nn.Linear) and 0 < place < len(model) - 1:
            h.retain_grad()
            z.append(h)
    torch.autograd.backward(functional.cross_entropy(h, y, reduction="sum"))
    return z, [v.grad for v in z if v.grad is not None]


@pytest.mark.parametrize("activation", MODULES)
def test_stacked_networks_are_plain_networks(activation: str) -> None:
    images_ = seen()
    result = work.before(CONFIG, images_, 1, 3)
    order = CONFIG.activations.index(activation)
    phi = MODULES[activation]()
    for seed, index in enumerate((1, 2)):
        for k, init in enumerate(INITS):
            z, gradients = traced(plain(activation, init, index, CONFIG), images_.x, images_.y)
            rows = result["measured"][seed, order, k]
            for layer in range(CONFIG.layers):
                v, g = z[layer].detach().double(), gradients[layer].double()
                a = phi(v)
                row = dict(zip(measures.MEASURES, rows[layer], strict=True))
                assert row["z_std"] == pytest.approx(float(v.std(correction=0)), rel=1e-4)
                assert row["activation_mean"] == pytest.approx(float(a.mean()), rel=1e-3, abs=1e-6)
                assert row["activation_std"] == pytest.approx(float(a.std(correction=0)), rel=1e-4)
                assert row["activation_square"] == pytest.approx(float((a**2).mean()), rel=1e-4)
                assert row["gradient_std"] == pytest.approx(float(g.std(correction=0)), rel=1e-3)


def test_more_seeds_do_not_change_the_first() -> None:
    images_ = seen()
    many, one = work.before(CONFIG, images_, 0, 3), work.before(CONFIG, images_, 2, 3)
    assert np.array_equal(many["measured"][2], one["measured"][0])
    other = work.before(replace(CONFIG, seed=1), images_, 2, 3)
    assert not np.allclose(other["measured"], one["measured"], rtol=1e-3)


def test_samples_are_values_of_the_network() -> None:
    images_ = seen()
    found = work.before(CONFIG, images_, 0, 1)["sample"][0, 1, 3]  # tanh, He
    z, gradients = traced(plain("tanh", "he", 0, CONFIG), images_.x, images_.y)
    for layer in range(CONFIG.layers):
        value, act, gradient = (torch.from_numpy(row) for row in found[layer])
        assert torch.allclose(act, torch.tanh(value), atol=1e-6)
        # Some unit and image has this Z-value and, at once, this gradient; others may lie close by.
        apart = (z[layer].detach().flatten()[None] - value[:, None]).abs()
        apart_too = (gradients[layer].flatten()[None] - gradient[:, None]).abs()
        assert float(torch.maximum(apart, apart_too).min(dim=1).values.max()) < 1e-5


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_a_step_is_a_step_of_sgd(activation: str) -> None:
    images_ = seen()
    x, y = images_.train_x[:8].float() / 255, images_.train_y[:8]
    nets = learning.stack(CONFIG, 0, 784, 10)
    for _ in range(2):
        learning.step(activation, nets, x, y, 0.05)
    losses = learning.loss(activation, nets, images_)
    for k, init in enumerate(INITS):
        model = plain(activation, init, 0, CONFIG)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(2):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(x), y))
            optimizer.step()
        expected = float(functional.cross_entropy(model(images_.x), images_.y).detach())
        assert losses[k] == pytest.approx(min(expected, 100.0), rel=1e-3)
        stacked = [nets.first, *nets.hidden, nets.last]
        for weights, parameter in zip(stacked, model.parameters(), strict=True):
            assert torch.allclose(weights[k], parameter.detach(), rtol=1e-3, atol=1e-4)


def test_a_lost_training_is_recorded_at_the_limit() -> None:
    nets = learning.stack(CONFIG, 0, 784, 10)
    nets.last[0] = math.nan
    nets.last[1] *= 1e6
    losses = learning.loss("tanh", nets, seen())
    assert losses[:2].tolist() == [100.0, 100.0]
    assert learning.diverged(losses).tolist()[:2] == [True, True]
    assert not learning.diverged(losses)[2:].any()


def test_batches_are_whole_epochs_and_pairs() -> None:
    """Every image once an epoch; the same batches whatever is trained, others for another seed."""
    images_, steps = seen(), replace(CONFIG, steps=15)
    once = list(learning.batches(steps, images_, 0))
    assert len(once) == 15
    first = torch.cat([y for _, y in once[:8]])
    assert torch.equal(first.sort().values, images_.train_y.sort().values)
    again, other = (
        list(learning.batches(steps, images_, 0)),
        list(learning.batches(steps, images_, 1)),
    )
    assert all(torch.equal(a[0], b[0]) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0][0], other[0][0])
    assert not torch.equal(once[0][0], once[8][0])


def test_initializations_share_numbers_and_layers_differ() -> None:
    a, b = (networks.standard(0, 0, layer, 20, 20) for layer in (1, 2))
    assert not torch.equal(a, b)
    layer = networks.drawn(("normal_0.5", "he"), 0, 0, 1, 20, 20)
    assert torch.equal(layer.weights, a)
    assert isinstance(layer.scale, Tensor)
    assert layer.scale.flatten().tolist() == pytest.approx([0.5, math.sqrt(0.1)])
    assert not torch.equal(networks.standard(0, 1, 1, 20, 20), a)
    assert not torch.equal(networks.standard(1, 0, 1, 20, 20), a)


def test_scales_are_torchs_own() -> None:
    weights = torch.empty(400, 700)
    torch.manual_seed(0)
    nn.init.xavier_normal_(weights)
    assert networks.weight_std("xavier", 700, 400) == pytest.approx(float(weights.std()), rel=0.01)
    nn.init.kaiming_normal_(weights, nonlinearity="relu")
    assert networks.weight_std("he", 700, 400) == pytest.approx(float(weights.std()), rel=0.01)
    assert networks.weight_std("normal_0.28", 700, 400) == 0.28
    with pytest.raises(ValueError, match="activation: expected linear"):
        networks.activate("swish", weights)


@pytest.mark.parametrize("activation", MODULES)
def test_the_slope_is_the_derivative(activation: str) -> None:
    z = torch.linspace(-4, 4, 41, dtype=torch.float64, requires_grad=True)
    a = networks.activate(activation, z)
    (expected,) = torch.autograd.grad(a.sum(), z)
    found = networks.slope(activation, a.detach())
    assert torch.allclose(found, expected)
    assert float(found.max()) == pytest.approx(networks.LARGEST_SLOPE[activation])


def test_saturation_is_counted_exactly() -> None:
    z = torch.tensor([0.0, 2.17, 2.19, -3.0, -2.0, 5.0, 0.1, 1.0])[None, :, None]
    a = torch.tanh(z)
    found = networks.Trace([z], [a], [networks.slope("tanh", a)], [z])
    share = measures.measure("tanh", found)[0, 0, measures.MEASURES.index("saturated")]
    assert share == 3 / 8  # |tanh z| above √0.95, that is |z| above 2.178


def test_moments_keep_small_deviations() -> None:
    """A sigmoid's values near ½, in single precision, against double precision."""
    x = 0.5 + 1e-4 * torch.randn(3, 40, 50, generator=torch.Generator().manual_seed(0))
    mean, deviation, square = measures.moments(x, about=0.5)
    assert np.allclose(mean, x.double().mean(dim=(1, 2)), rtol=1e-7)
    assert np.allclose(deviation, x.double().flatten(1).std(dim=1, correction=0), rtol=1e-4)
    assert np.allclose(square, x.double().square().mean(dim=(1, 2)), rtol=1e-6)


def test_deep_networks_begin_as_the_others() -> None:
    images_ = seen()
    found = work.deep(CONFIG, images_, 0, 1)["square"][0, 3, 3]  # ReLU, He
    few = Images(
        images_.x[: work.DEEP_IMAGES],
        images_.y[: work.DEEP_IMAGES],
        images_.train_x,
        images_.train_y,
    )
    z, _ = traced(plain("relu", "he", 0, CONFIG), few.x, few.y)
    for layer in range(CONFIG.layers):
        square = float(torch.relu(z[layer].detach()).double().square().mean())
        assert found[layer, 0] == pytest.approx(square, rel=1e-5)
    assert np.isfinite(found).all()


def test_the_ball_and_its_labels() -> None:
    x, y = ball(0)
    assert x.shape == (1_000, 10)
    assert float(x.std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    radius = float(x.norm(dim=1).max())
    assert radius == pytest.approx(math.sqrt(12), rel=0.05)  # E x² = r²/(d + 2)
    share = (x.norm(dim=1) < 0.9 * radius).double().mean()
    assert float(share) == pytest.approx(0.9**10, abs=0.06)  # uniform in the ball
    assert 0.2 < float(y.mean()) < 0.8
    sums = x.sum(dim=1).abs()
    border = (float(sums[y == 0].max()), float(sums[y == 1].min()))
    assert border[0] < border[1]
    assert sum(border) / 2 == pytest.approx(math.sqrt(12) / 2, rel=0.05)


def test_weight_gradients_on_the_ball_are_autograds() -> None:
    config = replace(CONFIG, layers=2)
    x, y = ball(config.seed)
    model = nn.Sequential()
    shapes: list[tuple[str | int, int, int]] = [("first", 20, 10), (1, 20, 20), ("last", 1, 20)]
    for name, out, fan_in in shapes:
        model.append(nn.Linear(fan_in, out, bias=False))
        std = networks.weight_std("xavier", fan_in, out)
        with torch.no_grad():
            numbers = networks.standard(config.seed, 0, name, out, fan_in)
            model[-1].weight.copy_(std * numbers)  # type: ignore[operator]
        if name != "last":
            model.append(nn.Tanh())
    torch.autograd.backward(functional.binary_cross_entropy_with_logits(model(x)[:, 0], y))
    found = work.on_ball(config, 0, 1, "cpu")["sample"][0, 1]  # tanh, Xavier
    for layer, place in enumerate((0, 2)):
        parameter = model[place].weight
        assert isinstance(parameter, Tensor)
        assert parameter.grad is not None
        weights, gradients = parameter.detach().flatten(), parameter.grad.flatten()
        at = measures.places(config.seed, 0, work.SAMPLE, 20_000) % len(weights)
        assert np.allclose(found[layer, 2], weights[at], atol=1e-6)
        assert np.allclose(found[layer, 3], gradients[at], atol=1e-6)


def test_predictions_are_of_the_hidden_layers() -> None:
    """By hand for linear: each layer multiplies the mean square by width · σ²."""
    squares = np.array([0.1, 0.2, 0.3])
    p = predicted(CONFIG, "linear", "normal_1", squares, 3)
    first = 784 * 0.2 * 20
    assert p.activation_square == pytest.approx([first, first * 20, first * 400])
    assert p.gradient_ratio == pytest.approx([400, 20, 1])


def test_groups_of_images_predict_as_all_of_them() -> None:
    squares = np.random.default_rng(0).uniform(0.02, 0.3, 101)
    few = grouped(squares, 16)
    assert few.shape == (16,)
    assert few.mean() == pytest.approx(squares.mean())
    a, b = (predicted(CONFIG, "tanh", "normal_1", s, 3) for s in (squares, few))
    assert np.allclose(a.activation_square, b.activation_square, rtol=1e-3)
    assert np.allclose(a.gradient_ratio, b.gradient_ratio, rtol=5e-3)


def test_agreement_counts_intervals() -> None:
    values = np.array([[1.0, 10.0], [2.0, 11.0], [3.0, 12.0], [2.0, 11.0]])
    # Each column: mean 2 or 11, standard error 0.408; t for 95 % is 3.18, for two at once 4.18.
    near = agreement({"a": values}, {"a": np.array([2.0, 12.2])})
    assert (near.checked, near.simultaneous, near.single, near.all) == (2, 2, 2, True)
    between = agreement({"a": values}, {"a": np.array([2.0, 12.5])})
    assert (between.simultaneous, between.single) == (2, 1)
    far = agreement({"a": values}, {"a": np.array([2.0, 14.0])})
    assert (far.simultaneous, far.single, far.all) == (1, 1, False)
    assert agreement({}, {}).checked == 0
