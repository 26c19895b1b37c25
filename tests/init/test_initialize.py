"""Initialisers: their distributions, what they share with PyTorch's own, and what they leave."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

import firstlight
from firstlight.init import SCHEMES, initialize
from firstlight.init.activations import DEFAULT, NOTHING, follows
from firstlight.init.layers import parts

RARE = 1e-3  # the chance that a correct rule fails one of the seeded distribution tests


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(model: nn.Module, scheme: str, seed: int = 0, **rest: Any) -> nn.Module:
    if scheme == "normal":
        rest.setdefault("std", 0.1)
    initialize(model, scheme, generator=source(seed), **rest)
    return model


def mlp(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(300, 200), activation(), nn.Linear(200, 200), activation(), nn.Linear(200, 50)
    )


class Net(nn.Module):
    """Convolution, batch norm, functional activations; keeps what it saw and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.hidden = nn.Linear(8, 20)
        self.table = nn.Embedding(5, 20)
        self.out = nn.Linear(20, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.last: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x
        x = functional.leaky_relu(self.norm(self.conv(x)), 0.2).mean((2, 3))
        return self.out(functional.dropout(torch.tanh(self.hidden(x)), 0.5, self.training))


# Distributions


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("normal", lambda i, o: 0.01),
        ("xavier", lambda i, o: 2 / (i + o)),
        ("xavier_uniform", lambda i, o: 2 / (i + o)),
        ("he", lambda i, o: 2 / i),
        ("he_uniform", lambda i, o: 2 / i),
        ("torch", lambda i, o: 1 / (3 * i)),
    ],
)
def test_weights_have_the_schemes_distribution(scheme: str, variance: Any) -> None:
    for layer in draw(mlp(), scheme):
        if isinstance(layer, nn.Linear):
            std = math.sqrt(variance(layer.in_features, layer.out_features))
            weights = layer.weight.detach().double().numpy().ravel() / std
            bounded = scheme.endswith("uniform") or scheme == "torch"
            side = math.sqrt(3)
            law = stats.uniform(-side, 2 * side) if bounded else stats.norm()
            assert stats.kstest(weights, law.cdf).pvalue > RARE
            assert bool(layer.bias.any()) == (scheme == "torch")


@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        ("xavier", nn.init.xavier_normal_),
        ("xavier_uniform", nn.init.xavier_uniform_),
        ("he", lambda w, generator: nn.init.kaiming_normal_(w, 0.2, generator=generator)),
        ("he_uniform", lambda w, generator: nn.init.kaiming_uniform_(w, 0.2, generator=generator)),
        ("orthogonal", lambda w, generator: nn.init.orthogonal_(w, 1 / 0.52**0.5, generator)),
        ("normal", lambda w, generator: nn.init.normal_(w, 0, 0.1, generator)),
    ],
)
@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 9), lambda: nn.Conv2d(4, 5, (3, 2))])
def test_the_same_generator_gives_torchs_weights(scheme: str, theirs: Any, make: Any) -> None:
    ours = make()
    draw(nn.Sequential(ours, nn.LeakyReLU(0.2)), scheme)
    expected = torch.empty_like(ours.weight)
    theirs(expected, generator=source())
    assert torch.allclose(ours.weight.detach(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(5, 3),
        lambda: nn.Conv1d(4, 6, 3, groups=2),
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
    ],
)
def test_torch_scheme_is_torchs_reset(make: Any) -> None:
    ours = make()
    draw(ours, "torch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = make()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(30, 40, 2, bidirectional=True, proj_size=20),
        lambda: nn.GRUCell(30, 40),
        lambda: nn.MultiheadAttention(40, 2),
        lambda: nn.MultiheadAttention(40, 2, kdim=24, vdim=30),
    ],
)
def test_torch_scheme_has_the_distribution_of_other_layers(make: Any) -> None:
    torch.manual_seed(0)
    ours, theirs = draw(make(), "torch"), [make() for _ in range(5)]
    for name, parameter in ours.named_parameters():
        peers = torch.cat([dict(peer.named_parameters())[name].detach() for peer in theirs])
        if not peers.any():
            assert not parameter.any()
            continue
        a, b = parameter.detach().numpy().ravel(), peers.numpy().ravel()
        assert stats.ks_2samp(a, b).pvalue > RARE, name


def test_rai_makes_one_entry_of_each_row_beta() -> None:
    layer = nn.Linear(9, 4000)
    draw(layer, "rai")
    entries = torch.cat([layer.weight, layer.bias[:, None]], 1).detach().numpy()
    scale = 0.6007 / 3
    # Beyond five standard deviations only Beta(2, 1) reaches: with probability 1 − (5 scale)².
    beyond = np.abs(entries) > 5 * scale * 0.9
    assert (beyond.sum(1) <= 1).all()
    share = 1 - (5 * scale * 0.9) ** 2
    assert beyond.any(1).mean() == pytest.approx(share, abs=0.03)
    assert stats.chisquare(beyond.sum(0)).pvalue > RARE
    rest = np.sort(np.abs(entries[~beyond]))
    assert np.median(rest[: 9 * 4000]) == pytest.approx(0.6745 * scale, rel=0.03)


@pytest.mark.parametrize("groups", [1, 2])
def test_rai_takes_the_rows_of_a_transposed_convolution_by_output(groups: int) -> None:
    layer = nn.ConvTranspose1d(400, 6, 5, groups=groups)
    draw(layer, "rai")
    inputs = 400 // groups
    by_output = layer.weight.detach().reshape(groups, inputs, 6 // groups, 5).transpose(1, 2)
    rows = torch.cat([by_output.reshape(6, -1), layer.bias.detach()[:, None]], 1)
    assert ((rows > 6 * 0.6007 / math.sqrt(inputs * 5)).sum(1) <= 1).all()
    assert (rows > 6 * 0.6007 / math.sqrt(inputs * 5)).any()
    median = 0.6745 * 0.6007 / math.sqrt(inputs * 5)
    assert rows.abs().median().item() == pytest.approx(median, rel=0.05)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(7, 12),
        nn.Linear(12, 7),
        nn.Conv2d(6, 8, 3, groups=2),
        nn.ConvTranspose2d(6, 8, 3, groups=2),
    ],
)
def test_orthogonal_blocks_have_orthonormal_rows_or_columns(layer: nn.Module) -> None:
    draw(layer, "orthogonal", activation="relu")
    part = parts(layer)[0]
    for block in part.weight.detach().double().chunk(part.blocks):
        matrix = block.flatten(1)
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        product = matrix @ matrix.T / 2
        assert torch.allclose(product, torch.eye(len(product), dtype=product.dtype), atol=1e-5)


def test_every_gate_is_a_matrix_of_its_own() -> None:
    lstm = nn.LSTM(5, 6)
    draw(lstm, "orthogonal")
    for gate in lstm.weight_hh_l0.detach().double().chunk(4):
        assert torch.allclose(gate @ gate.T, torch.eye(6, dtype=gate.dtype), atol=1e-5)
    wide = nn.GRU(500, 300)
    draw(wide, "xavier")
    assert wide.weight_ih_l0.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.01)
    assert not wide.bias_hh_l0.any()


@pytest.mark.parametrize("scheme", ["he", "orthogonal", "lsuv"])
def test_a_deep_relu_network_keeps_its_signal(scheme: str) -> None:
    layers = [module for _ in range(12) for module in (nn.Linear(256, 256), nn.ReLU())]
    model, x = nn.Sequential(*layers), torch.randn(64, 256, generator=source(1))
    draw(model, scheme, inputs=x)
    z = model[:-1](x).detach()
    assert 0.3 < float(z.square().mean()) < 5  # torch's own scheme: 1e-6


# Fans


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
    part = parts(layer)[0]
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
    part = parts(layer)[0]
    inside = outputs[:, 12:-12]
    assert inside[:, : inside.shape[1] // 4 * 4].mean().item() == pytest.approx(part.fan_in)
    assert inputs[:, 12:-12].mean().item() == pytest.approx(part.fan_out)


# The activation that follows


def gains(model: nn.Module) -> list[tuple[float, float]]:
    found = follows(model)
    return [(round(found[p.layer].gain, 4), found[p.layer].slope) for p in parts(model)]


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


def test_functions_are_found_through_normalisation_and_reshapes() -> None:
    assert gains(Net()) == [(1.3868, pytest.approx(0.2)), (1.5925, 0), (1.0, 0)]


def test_a_model_that_cannot_be_traced_goes_by_the_order_of_its_modules() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x if x.sum() > 0 else -x)

    model = Branching()
    found = follows(model)
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
    found = follows(model)
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
    found = follows(model)
    assert found[model[0].linear1] == DEFAULT
    assert found[model[1]] == NOTHING


def test_the_callers_activation_wins() -> None:
    model = mlp()
    draw(model, "orthogonal", activation="linear")
    w = model[2].weight.detach()
    assert torch.allclose(w @ w.T, torch.eye(200), atol=1e-5)
    draw(model, "he", activation="leaky-relu")
    first = model[0].weight.detach().clone()
    draw(model, "he", activation="relu")
    assert torch.allclose(first * math.sqrt(1 + 0.01**2), model[0].weight.detach())


# LSUV


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


# What is touched, and what is not


def state(model: nn.Module) -> dict[str, Any]:
    values = {name: value.clone() for name, value in model.state_dict().items()}
    values |= {f"{n}.grad": p.grad for n, p in model.named_parameters()}
    values |= {f"{n} mode": m.training for n, m in model.named_modules()}
    values |= {f"{n} hooks": len(m._forward_hooks) for n, m in model.named_modules()}
    return values | {"random": torch.get_rng_state(), "last": getattr(model, "last", None)}


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return one.keys() == two.keys() and all(
        torch.equal(a, two[k]) if isinstance(a, Tensor) else a is two[k] or a == two[k]
        for k, a in one.items()
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_the_layers_weights_and_biases_change(scheme: str) -> None:
    model, x = Net(), torch.randn(6, 3, 8, 8, generator=source(1))
    model(x).sum().backward()
    model.norm.eval()
    model.hidden.register_forward_hook(lambda *_: None)
    before, gradient = state(model), model.conv.weight.grad
    draw(model, scheme, inputs=x)
    after = state(model)
    changed = {k for k in before if not same({k: before[k]}, {k: after[k]})}
    layers = {f"{layer}.{end}" for layer in ("conv", "hidden", "out") for end in ("weight", "bias")}
    assert changed - {"last"} == layers
    assert model.conv.weight.grad is gradient
    if scheme != "lsuv":  # which does run the model
        assert model.last is x
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_seed_decides_and_equal_shapes_differ(scheme: str) -> None:
    x = torch.randn(50, 300, generator=source(1))
    one, again, other = (draw(mlp(), scheme, seed, inputs=x) for seed in (0, 0, 1))
    for a, b, c in zip(one.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.ndim == 1 or not torch.equal(a, c)
    pair = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20))
    draw(pair, scheme, inputs=torch.randn(50, 20, generator=source(1)))
    correlation = np.corrcoef(
        [w.detach().numpy().ravel() for w in (pair[0].weight, pair[2].weight)]
    )
    assert abs(correlation[0, 1]) < 0.25


@pytest.mark.parametrize("scheme", SCHEMES)
def test_shared_parameters_are_drawn_once_and_frozen_ones_never(scheme: str) -> None:
    x = torch.randn(50, 20, generator=source(1))
    shared = nn.Sequential(*(nn.Linear(20, 20) for _ in range(3)))
    shared[1].weight = shared[0].weight
    alone = nn.Sequential(copy.deepcopy(shared[0]))
    draw(shared, scheme, inputs=x)
    draw(alone, scheme, inputs=x)
    assert torch.equal(shared[0].weight, alone[0].weight)
    frozen = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20))
    frozen[0].requires_grad_(False)
    frozen[1].bias.requires_grad_(False)
    before = copy.deepcopy(frozen)
    draw(frozen, scheme, inputs=x)
    assert torch.equal(frozen[0].weight, before[0].weight)
    assert torch.equal(frozen[0].bias, before[0].bias)
    assert torch.equal(frozen[1].bias, before[1].bias)
    assert not torch.equal(frozen[1].weight, before[1].weight)


def test_every_precision_gets_the_same_numbers() -> None:
    single, half = draw(mlp(), "he"), draw(mlp().bfloat16(), "he")
    assert half[0].weight.dtype == torch.bfloat16
    assert torch.equal(single[0].weight.bfloat16(), half[0].weight)


def test_the_package_offers_it_by_name() -> None:
    assert firstlight.initialize is initialize


# What is refused


@pytest.mark.parametrize(
    ("scheme", "rest", "message"),
    [
        ("best", {}, "scheme: expected one of normal, .*, got 'best'"),
        ("normal", {}, "std: expected a finite number of at least 0 for 'normal', got None"),
        ("normal", {"std": -1.0}, "std: expected a finite number"),
        ("normal", {"std": math.nan}, "std: expected a finite number"),
        ("he", {"std": 0.1}, "std: expected None for 'he'"),
        ("lsuv", {}, "inputs: expected a batch for 'lsuv', got None"),
        ("he", {"activation": "swish"}, "activation: expected one of linear"),
        ("normal", {"std": 0.1, "activation": "swish"}, "activation: expected one of linear"),
    ],
)
def test_bad_arguments_are_refused(scheme: str, rest: dict[str, Any], message: str) -> None:
    model = mlp()
    before = state(model)
    with pytest.raises(ValueError, match=message):
        initialize(model, scheme, generator=source(), **rest)
    assert same(before, state(model))


def test_models_without_drawable_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected at least 1 linear, .* got Sequential without"):
        draw(nn.Sequential(nn.ReLU()), "he")
    with pytest.raises(ValueError, match=r"0.weight: expected a parameter with values, got none"):
        draw(nn.Sequential(nn.LazyLinear(3)), "he")
    with pytest.raises(ValueError, match=r"1.weight: expected a plain parameter, got one computed"):
        draw(nn.Sequential(nn.ReLU(), nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))), "he")


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"model: expected a torch.nn.Module, got list"):
        initialize([nn.Linear(2, 2)], "he", generator=source())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"generator: expected a torch.Generator, got int"):
        initialize(nn.Linear(2, 2), "he", generator=0)  # type: ignore[arg-type]


def test_zero_standard_deviation_is_zero() -> None:
    assert not any(p.any() for p in draw(mlp(), "normal", std=0.0).parameters())
