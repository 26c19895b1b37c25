"""The gradient noise scale: against formulas, per-sample gradients, and what it must leave alone."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from firstlight.ranges.noise_scale import estimate, gradient_noise_scale

N, D = 4096, 6


def data(n: int = N, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return normal inputs and targets of a linear rule with noise of deviation 0.5."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, D, generator=g, dtype=torch.float64)
    rule = torch.arange(1.0, D + 1, dtype=torch.float64)[:, None] / D
    return x, x @ rule + 0.5 * torch.randn(n, 1, generator=g, dtype=torch.float64)


def linear() -> nn.Linear:
    model = nn.Linear(D, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    return model


def output_mean(outputs: Tensor, targets: Tensor) -> Tensor:
    """A loss whose gradient is the mean input of a linear model."""
    return outputs.mean()


def per_sample(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradients of single samples, shape (samples, parameters)."""
    params = {name: p.detach() for name, p in model.named_parameters()}

    def single(values: dict[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
        return nn.functional.mse_loss(functional_call(model, values, (a[None],)), b[None])

    found = vmap(grad(single), in_dims=(None, 0, 0))(params, x, y)
    return torch.cat([g.flatten(1) for g in found.values()], dim=1)


def test_gaussian_gradients_with_known_mean_and_covariance() -> None:
    """With gradients N(μ, diag s²) the scale is Σ s² / |μ|²."""
    mu = torch.linspace(-0.5, 1.0, D, dtype=torch.float64)
    s = torch.linspace(0.5, 3.0, D, dtype=torch.float64)
    g = torch.Generator().manual_seed(1)
    x = mu + s * torch.randn(64_000, D, generator=g, dtype=torch.float64)
    found = gradient_noise_scale(
        linear(), output_mean, (x, torch.zeros(len(x))), small=32, big=1280, draws=50
    )
    wanted = float((s**2).sum() / (mu**2).sum())
    assert found.scale.low is not None
    assert found.scale.high is not None
    assert found.scale.low < wanted < found.scale.high
    assert found.scale.value == pytest.approx(wanted, rel=0.1)
    assert found.variance.value == pytest.approx(float((s**2).sum()), rel=0.02)
    assert found.gradient_square.value == pytest.approx(float((mu**2).sum()), rel=0.1)


def test_squared_error_of_a_linear_model() -> None:
    """For x ~ N(0, I) and noise σ at distance Δ: tr Σ / |G|² = d + 1 + d σ² / |Δ|²."""
    x, y = data(60_000)
    found = gradient_noise_scale(
        linear(), nn.functional.mse_loss, (x, y), small=30, big=1200, draws=50
    )
    rule = np.arange(1.0, D + 1) / D
    wanted = D + 1 + D * 0.25 / float(rule @ rule)
    assert found.scale.value == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("small", [1, 2, 16])
def test_one_draw_of_all_samples_equals_per_sample_gradients(small: int) -> None:
    """In parts of 1, tr Σ is the sample variance, and |G|² the squared mean less its own noise."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(D, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    x, y = data(512)
    found = gradient_noise_scale(
        model, nn.functional.mse_loss, (x, y), small=small, big=512, draws=1
    )
    grads = per_sample(model, x, y)
    variance = float(grads.var(dim=0).sum())
    square = float((grads.mean(dim=0) ** 2).sum()) - variance / len(x)
    exact = small == 1
    rel = 1e-9 if exact else 0.5
    assert found.variance.value == pytest.approx(variance, rel=rel)
    assert found.scale.value == pytest.approx(variance / square, rel=rel)
    assert found.scale.low is None


def test_every_part_size_estimates_the_same_numbers() -> None:
    """Averaged over all draws of a data set the estimates do not depend on the batch sizes."""
    x, y = data(4096)
    grads = per_sample(linear(), x, y)
    wanted = float(grads.var(dim=0).sum())
    for small, big in ((2, 32), (8, 128), (32, 1024)):
        found = gradient_noise_scale(
            linear(), nn.functional.mse_loss, (x, y), small=small, big=big, draws=60
        )
        value, low = found.variance.value, found.variance.low
        assert isinstance(value, float)
        assert low is not None
        assert abs(value - wanted) < 2.5 * (value - low)


def test_the_interval_covers() -> None:
    """Of 300 measurements of 20 draws each, about 95 % hold the truth; at least 88 % must."""
    rng = np.random.default_rng(0)
    d, small, big, mu = 40, 8, 64, 0.6
    hits = 0
    for trial in range(300):
        parts = mu / math.sqrt(d) + rng.normal(size=(20, big // small, d)) / math.sqrt(small)
        squares = (parts**2).sum(axis=2).mean(axis=1), (parts.mean(axis=1) ** 2).sum(axis=1)
        found = estimate(*squares, small=small, big=big, seed=trial).scale
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= d / mu**2 <= found.high
    assert hits >= 264


def test_a_draw_sees_no_sample_twice_and_a_pass_uses_all() -> None:
    seen: list[int] = []

    class Spy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.extend(x[:, 0].long().tolist())
            return super().forward(x)

    x = torch.arange(64.0)[:, None].repeat(1, D)
    gradient_noise_scale(Spy(D, 1), output_mean, (x, torch.zeros(64)), small=4, big=16, draws=6)
    assert len(seen) == 6 * 16
    assert sorted(seen[:64]) == list(range(64))
    assert len(set(seen[64:])) == 32
    assert seen[:32] != seen[64:]


def test_everything_is_put_back() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    model.eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    luck = torch.get_rng_state()
    x, y = (part.float() for part in data(512))
    found = gradient_noise_scale(model, nn.functional.mse_loss, (x, y), draws=3, small=8, big=64)
    assert found.variance.value is not None
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), luck)
    assert not model.training
    assert not model[1].training
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert model[3].weight.grad is None


def test_no_signal_is_said() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2048, D, generator=g, dtype=torch.float64)
    x = torch.cat([x, -x])[torch.randperm(4096, generator=g)]
    found = gradient_noise_scale(
        linear(), output_mean, (x, torch.zeros(4096)), small=2, big=1024, draws=4
    )
    assert found.scale.value is None
    assert "does not stand out" in found.reason
    assert found.variance.value == pytest.approx(D, rel=0.1)


def test_gradients_that_are_not_finite_are_said() -> None:
    found = estimate(np.array([1.0, np.nan]), np.array([0.5, 0.5]), small=1, big=4)
    assert found.scale.value is None
    assert "not finite" in found.reason


def test_frozen_and_unused_parameters_do_not_count() -> None:
    model = nn.Sequential(linear())
    model.register_parameter("unused", nn.Parameter(torch.ones(3)))
    model.register_parameter("frozen", nn.Parameter(torch.ones(3), requires_grad=False))
    loss, both = nn.functional.mse_loss, data(256)
    found = gradient_noise_scale(model, loss, both, small=4, big=64, draws=4)
    assert found == gradient_noise_scale(linear(), loss, both, small=4, big=64, draws=4)


def test_named_inputs_and_a_function_of_the_batch_size() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear()

        def forward(self, *, x: Tensor) -> Tensor:
            out: Tensor = self.inner(x)
            return out

    x, y = data(256)
    found = gradient_noise_scale(
        Named(),
        nn.functional.mse_loss,
        lambda b: [({"x": x[i : i + b]}, y[i : i + b]) for i in range(0, 256, b)],
        small=8,
        big=256,
        draws=1,
    )
    plain = gradient_noise_scale(
        linear(), nn.functional.mse_loss, (x, y), small=1, big=256, draws=1
    )
    value, same = found.gradient_square.value, plain.gradient_square.value
    assert isinstance(value, float)
    assert isinstance(same, float)
    assert value == pytest.approx(same, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"small": 0}, "small"),
        ({"draws": 0}, "draws"),
        ({"small": 16, "big": 16}, "multiple"),
        ({"small": 16, "big": 40}, "multiple"),
        ({"small": 16, "big": 8192}, "at most 4096"),
    ],
)
def test_arguments_out_of_range(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient_noise_scale(linear(), nn.functional.mse_loss, data(), **settings)


def test_nothing_to_train_and_short_batches() -> None:
    with pytest.raises(ValueError, match="require gradients"):
        gradient_noise_scale(nn.Tanh(), nn.functional.mse_loss, data())
    x, y = data(20)
    with pytest.raises(ValueError, match="got one of 4"):
        gradient_noise_scale(
            linear(),
            nn.functional.mse_loss,
            lambda b: [(x[i : i + b], y[i : i + b]) for i in range(0, 20, b)],
            small=16,
            big=32,
        )
