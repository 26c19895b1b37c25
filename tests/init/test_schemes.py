"""Schemes: their distributions, what they share with PyTorch's own, and what they leave."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import firstlight
from firstlight.init import SCHEMES, initialize
from firstlight.init.layers import layer_weights
from init_models import Net, draw, mlp, same, source, state

RARE = 1e-3  # the chance that a correct rule fails one of the seeded distribution tests


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
    part = layer_weights(layer)[0]
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


# What is touched, and what is not


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
