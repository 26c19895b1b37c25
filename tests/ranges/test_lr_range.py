"""The learning-rate range test: against formulas and plain training, and its errors."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.ranges import Curve, ModelStep, learning_rate, read_curve
from guard_models import loader

mse = nn.functional.mse_loss


class Parabola:
    """Gradient descent on θ²/2, written out: θ ← (1 − η) θ."""

    def __init__(self) -> None:
        self.theta = 1.0

    def reset(self) -> None:
        self.theta = 1.0

    def __call__(self, batch: Any, lr: float) -> float:
        loss = self.theta**2 / 2
        self.theta *= 1 - lr
        return loss


def linear() -> tuple[nn.Module, torch.optim.Optimizer, list[tuple[Tensor, Tensor]]]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    batches = [(torch.randn(6, 4), torch.randn(6, 2)) for _ in range(3)]
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), batches


def plain_losses(rates: Any, batches: Any, model: nn.Module, optimizer: Any) -> list[float]:
    """Train in the plain way, one batch for each rate, the batches taken in turn."""
    losses = []
    for at, rate in enumerate(rates):
        x, y = batches[at % len(batches)]
        optimizer.param_groups[0]["lr"] = float(rate)
        optimizer.zero_grad()
        loss = mse(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("k", [2, 5, 10, 20, 137])
@pytest.mark.parametrize("mode", ["ramp", "plateaus", "runs"])
def test_rates_are_geometric_with_both_ends(mode: Any, k: int) -> None:
    step = Parabola()
    curve = learning_rate(
        step, [0], low=1e-4, high=0.5, mode=mode, candidates=k, reset=step.reset,
        steps=None if mode == "ramp" else 3,
    )  # fmt: skip
    assert (curve.values[0], curve.values[-1], curve.values.size) == (1e-4, 0.5, k)
    assert np.diff(np.log(curve.values)) == pytest.approx([math.log(5_000) / (k - 1)] * (k - 1))
    assert curve.losses.shape == (1, k)
    assert np.isfinite(curve.losses).all()
    assert curve.stopped is None
    assert curve.bounds.verdict in ("read", "cannot tell")


def test_a_ramp_takes_each_loss_before_its_update() -> None:
    step = Parabola()
    curve = learning_rate(step, [0], low=0.01, high=1.5, candidates=9)
    theta = np.cumprod([1.0, *(1 - curve.values[:-1])])
    assert curve.losses[0] == pytest.approx(theta**2 / 2, rel=1e-12)


def test_plateaus_take_the_mean_of_the_second_half_and_go_on() -> None:
    step = Parabola()
    curve = learning_rate(step, [0], low=0.01, high=0.5, mode="plateaus", candidates=4, steps=5)
    rates = np.repeat(curve.values, 5)
    losses = (np.cumprod([1.0, *(1 - rates[:-1])]) ** 2 / 2).reshape(4, 5)
    assert curve.losses[0] == pytest.approx(losses[:, 2:].mean(axis=1), rel=1e-12)


def test_runs_take_the_mean_of_the_last_quarter_and_start_afresh() -> None:
    step = Parabola()
    curve = learning_rate(
        step, [0], low=0.01, high=0.5, mode="runs", candidates=4, steps=9, reset=step.reset
    )
    losses = (1 - curve.values[:, None]) ** (2 * np.arange(9)) / 2
    assert curve.losses[0] == pytest.approx(losses[:, 7:].mean(axis=1), rel=1e-12)


def test_a_models_ramp_equals_plain_training() -> None:
    model, optimizer, batches = linear()
    twin = copy.deepcopy(model)
    curve = learning_rate(ModelStep(model, optimizer, mse), batches, low=1e-4, high=0.3, steps=20)
    other = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    assert curve.losses[0].tolist() == plain_losses(curve.values, batches, twin, other)


def test_a_models_runs_equal_plain_training_from_the_same_weights() -> None:
    model, optimizer, batches = linear()
    twin = copy.deepcopy(model)
    curve = learning_rate(
        ModelStep(model, optimizer, mse),
        batches,
        low=0.01,
        high=0.3,
        mode="runs",
        candidates=5,
        steps=8,
    )
    for at, rate in enumerate(curve.values):
        fresh = copy.deepcopy(twin)
        other = torch.optim.SGD(fresh.parameters(), lr=0.1, momentum=0.9)
        losses = plain_losses([rate] * 8, batches, fresh, other)
        assert curve.losses[0, at] == pytest.approx(np.mean(losses[6:]), rel=1e-12)


def test_runs_of_a_random_model_see_the_same_randomness() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    step = ModelStep(model, optimizer, nn.functional.cross_entropy)
    curve = learning_rate(
        step, loader(), mode="runs", candidates=[1e-30, 2e-30], steps=4, repeats=3
    )
    assert (curve.losses[:, 0] == curve.losses[:, 1]).all()
    assert len(set(curve.losses[:, 0])) == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["ramp", "plateaus", "runs"])
def test_a_sweep_ends_at_the_first_loss_that_is_not_finite(mode: Any, bad: float) -> None:
    model, optimizer, batches = linear()
    calls, updates = [0], [0]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[0] += 1
        return mse(outputs, targets) * (bad if calls[0] == 8 else 1)

    optimizer.register_step_post_hook(lambda *_: updates.__setitem__(0, updates[0] + 1))
    curve = learning_rate(
        ModelStep(model, optimizer, loss), batches, low=1e-3, high=0.1, mode=mode, candidates=10,
        steps=None if mode == "ramp" else 3,
    )  # fmt: skip
    at = 7 if mode == "ramp" else 2
    assert np.isfinite(curve.losses[0, :at]).all()
    assert not np.isfinite(curve.losses[0, at:]).any()
    assert str(curve.losses[0, at]) == str(bad)
    assert (calls, updates) == ([8], [7])
    assert curve.stopped == (
        f"The loss became {bad} at learning rate {curve.values[at]:.3g}, number {at + 1} of 10."
    )


@pytest.mark.parametrize("losses", ["negative", "zero", "mixed"])
@pytest.mark.parametrize("k", [5, 10, 20])
def test_losses_of_any_sign_do_not_end_a_sweep(losses: str, k: int) -> None:
    scale = {"negative": -1.0, "zero": 0.0, "mixed": 1.0}[losses]
    seen = iter(range(k))
    curve = learning_rate(
        lambda *_: scale * (next(seen) - (0.0 if scale < 0 else 3.0)), [0], candidates=k
    )
    assert curve.stopped is None
    assert np.isfinite(curve.losses).all()
    assert curve.losses[0, -1] == scale * (k - 1 - (0.0 if scale < 0 else 3.0))


class Exploding(torch.autograd.Function):
    """The identity with an infinite gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * math.inf


@pytest.mark.parametrize(("mode", "known"), [("ramp", 5), ("plateaus", 2)])
def test_a_sweep_ends_when_parameters_are_no_longer_finite(mode: Any, known: int) -> None:
    model, optimizer, batches = linear()
    calls = [0]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[0] += 1
        return mse(Exploding.apply(outputs) if calls[0] == 5 else outputs, targets)

    curve = learning_rate(
        ModelStep(model, optimizer, loss), batches, mode=mode, candidates=8,
        steps=None if mode == "ramp" else 2,
    )  # fmt: skip
    assert calls == [5]
    assert np.isfinite(curve.losses[0]).tolist() == [True] * known + [False] * (8 - known)
    assert curve.stopped is not None
    assert curve.stopped.startswith("The parameters were no longer finite after the update at")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_repeats_that_end_early_are_counted() -> None:
    step = Parabola()
    seen = [0]

    def failing(batch: Any, lr: float) -> float:
        seen[0] += 1
        return math.nan if seen[0] == 9 else step(batch, lr)

    curve = learning_rate(failing, [0], candidates=6, repeats=3, reset=step.reset)
    assert np.isnan(curve.losses).sum(axis=1).tolist() == [0, 4, 0]
    assert curve.stopped is not None
    assert curve.stopped.startswith(
        "1 of 3 repeats ended early; in repeat 2 the loss became nan at"
    )


def test_a_loader_shorter_than_the_sweep_is_started_again() -> None:
    seen: list[int] = []
    learning_rate(lambda batch, lr: float(seen.append(batch) or 1.0), [1, 2, 3], candidates=8)
    assert seen == [1, 2, 3, 1, 2, 3, 1, 2]
    passes = 0

    class Loader:
        def __iter__(self) -> Any:
            nonlocal passes
            passes += 1
            return iter([passes])

    seen.clear()
    learning_rate(lambda batch, lr: float(seen.append(batch) or 1.0), Loader(), candidates=4)
    assert seen == [1, 2, 3, 4]


def test_every_repeat_of_a_shuffling_loader_has_other_batches_and_the_first_is_the_same() -> None:
    step = Parabola()
    orders: list[list[int]] = []

    def run(repeats: int, batches: Any) -> list[Any]:
        seen: list[Any] = []

        def noted(batch: Any, lr: float) -> float:
            seen.append(int(batch))
            return step(batch, lr)

        learning_rate(noted, batches, candidates=6, repeats=repeats, reset=step.reset)
        return [seen[at : at + 6] for at in range(0, len(seen), 6)]

    torch.manual_seed(0)
    shuffled = torch.utils.data.DataLoader(range(6), batch_size=None, sampler=None, shuffle=False)
    shuffled = torch.utils.data.DataLoader(range(6), 1, shuffle=True)
    for batches in (shuffled, list(range(6))):
        once, orders = run(1, batches), run(4, batches)
        assert orders[0] == once[0]
        assert len({tuple(order) for order in orders}) == 4
        assert all(sorted(order) == list(range(6)) for order in orders)
    assert run(1, list(range(6))) == [list(range(6))]


def test_default_lengths() -> None:
    step = Parabola()
    assert learning_rate(step, [0] * 3).values.size == 100
    assert learning_rate(step, [0] * 130).values.size == 130
    assert learning_rate(step, iter([0] * 100)).values.size == 100
    calls: list[tuple[float, float]] = []
    curve = learning_rate(
        step, [0], mode="plateaus", progress=lambda value, loss: calls.append((value, loss))
    )
    assert curve.values.size == 20
    assert [value for value, _ in calls] == np.repeat(curve.values, 10).tolist()


@pytest.mark.parametrize("mode", ["ramp", "plateaus", "runs"])
def test_bounds_are_read_off_the_measured_losses(mode: Any) -> None:
    model, optimizer, batches = linear()
    step = ModelStep(model, optimizer, mse)
    curve = learning_rate(step, batches, mode=mode, candidates=6, repeats=2, seed=3)
    assert curve.bounds == read_curve(curve.values, curve.losses, seed=3)


def test_given_rates_are_taken_as_they_are() -> None:
    assert learning_rate(Parabola(), [0], candidates=[0.1, 0.2, 0.7]).values.tolist() == [
        0.1,
        0.2,
        0.7,
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"low": 0.0}, "low, high: expected 0 < low < high, got 0.0 and 10.0"),
        ({"low": 1.0, "high": 0.1}, "low, high: expected 0 < low < high"),
        ({"high": math.inf}, "low, high"),
        ({"mode": "walk"}, "mode: expected one of ramp, plateaus, runs, got 'walk'"),
        ({"candidates": 1}, "candidates: expected at least 2"),
        ({"candidates": 0}, "candidates: expected at least 2"),
        ({"candidates": 0, "mode": "runs", "reset": int}, "candidates: expected at least 2"),
        ({"candidates": [0.2, 0.1]}, "candidates: expected strictly increasing"),
        ({"candidates": [0.0, 0.1]}, "candidates: expected finite rates above 0"),
        ({"candidates": []}, "candidates: expected finite rates above 0"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"steps": 5, "candidates": 5}, "give candidates or steps, not both"),
        ({"repeats": 0}, "repeats: expected at least 1, got 0"),
        ({"repeats": 2}, "reset: expected a function that starts afresh"),
        ({"mode": "runs"}, "reset: expected a function that starts afresh"),
        ({"batches": []}, "batches: expected at least 1 batch, got none"),
        ({"batches": iter([])}, "batches: expected at least 1 batch, got none"),
        (
            {"batches": iter([1, 2]), "steps": 5},
            "an iterator ended after 2 batches and cannot start",
        ),
        ({"batches": iter([1]), "repeats": 2, "reset": int}, "got an iterator; give a DataLoader"),
    ],
)
def test_values_out_of_range_are_named(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        learning_rate(**{"step": Parabola(), "batches": [0], **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", [None, "high", torch.ones(2), np.ones(3), [1.0]])
def test_a_step_must_return_one_number(loss: Any) -> None:
    with pytest.raises(TypeError, match="step: expected to return the loss, one number"):
        learning_rate(lambda *_: loss, [0])


def test_a_step_may_return_a_tensor_or_a_numpy_number() -> None:
    for one in (torch.tensor(2.0), np.float32(2), 2):
        assert learning_rate(lambda *_, one=one: one, [0], candidates=3).losses.tolist() == [
            [2.0] * 3
        ]


def test_wrong_steps_and_batches_are_named() -> None:
    model, optimizer, batches = linear()
    with pytest.raises(TypeError, match="step: expected a function or ModelStep, got int"):
        learning_rate(3, [0])  # type: ignore[arg-type]
    step = ModelStep(model, optimizer, mse)
    with pytest.raises(
        ValueError, match="reset: expected None, a ModelStep starts afresh by itself"
    ):
        learning_rate(step, batches, reset=int)
    with pytest.raises(
        ValueError, match="batches: expected pairs of \\(inputs, targets\\), got Tensor"
    ):
        learning_rate(step, [batches[0][0]])
    with pytest.raises(ValueError, match="got 3 parts; give a step of your own"):
        learning_rate(step, [(*batches[0], 1)])
    whole = ModelStep(model, optimizer, nn.MSELoss(reduction="none"))
    with pytest.raises(
        ValueError, match="loss: expected a tensor of one number, the mean loss, got"
    ):
        learning_rate(whole, batches)
    optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(
        ValueError, match="optimizer: expected a learning rate above 0 in its first"
    ):
        ModelStep(model, optimizer, mse)


def test_the_bounds_of_a_real_ramp_are_read() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(512, 10)
    y = x[:, :1] * 2
    data = torch.utils.data.TensorDataset(x, y)
    batches = torch.utils.data.DataLoader(data, 32, shuffle=True)
    curve: Curve = learning_rate(
        ModelStep(model, optimizer, mse), batches, low=1e-5, high=10, steps=200
    )
    assert curve.bounds.verdict == "read"
    low, high = curve.bounds.low.value, curve.bounds.high.value
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 1e-4 < low < high < 2
