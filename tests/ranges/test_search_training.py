"""The batch size of models: against a formula, without memory, and with nothing left behind."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auto_problems import D, Hungry, N, network, quadratic
from firstlight.ranges import BatchSizes, ModelStep, auto_batch_size, batch_size, read_sizes


def expected(b: float, lr: float, n: int = N, noise: float = 0.1) -> float:
    """Return the expected loss over the last quarter: E θ² = (1−η)²ᵗ + η σ² / (B (2 − η))."""
    updates = int(np.ceil(n / b))
    t = np.arange(updates - max(1, updates // 4), updates)
    wander = lr * noise**2 / (b * (2 - lr)) * (1 - (1 - lr) ** (2 * t))
    return float(np.mean(0.5 * D * ((1 - lr) ** (2 * t) + wander + noise**2)))


@lru_cache
def learnt() -> BatchSizes:
    step, data = quadratic()
    return auto_batch_size(step, data, lr=0.05, limit=8192, repeats=2)


def test_training_matches_the_formula() -> None:
    found = learnt()
    wanted = [expected(b, 0.05) for b in found.curve.values]
    assert found.curve.losses.mean(axis=0) == pytest.approx(wanted, rel=0.05)


def test_bounds_are_those_of_the_formula() -> None:
    found = learnt()
    sizes = 2 ** np.linspace(3, 13, 81)
    wanted = read_sizes(sizes, [expected(b, 0.05) for b in sizes], bootstrap=0)
    assert isinstance(found.low.value, float)
    assert isinstance(wanted.low.value, float)
    assert wanted.low.value / 1.5 < found.low.value < wanted.low.value * 1.5
    assert found.recommended is not None
    best, worst = expected(8, 0.05), expected(8192, 0.05)
    assert expected(found.recommended, 0.05) < best + 0.1 * (worst - best)
    assert expected(4 * found.recommended, 0.05) > best + 0.1 * (worst - best)


def test_the_noise_scale_is_that_of_the_formula_and_grows() -> None:
    """At θ the gradient is θ − x: the scale is σ² / θ², 0.01 at the start."""
    found = learnt()
    assert found.noise_at_start.value == pytest.approx(0.01, rel=0.05)
    assert found.recommended is not None
    after = 0.01 / (1 - 0.05) ** (2 * N / found.recommended)
    assert after > 0.1
    assert found.noise_scale.value == pytest.approx(after, rel=0.1)


def test_losses_are_those_of_the_range_test() -> None:
    found = learnt()
    step, data = quadratic()
    sizes = [int(b) for b in found.curve.values[:3]]
    curve = batch_size(step, data, lr=0.05, sizes=sizes, epochs=1, repeats=2)
    assert np.array_equal(curve.losses, found.curve.losses[:, :3])


def state(step: ModelStep) -> list[Any]:
    """Return everything that must be as before, as comparable values."""
    values = [*step.model.state_dict().values(), torch.get_rng_state()]
    values += [p.grad for p in step.model.parameters() if p.grad is not None]
    held = step.optimizer.state_dict()
    values += [v for s in held["state"].values() for v in s.values()]
    plain = [held["param_groups"], [m.training for m in step.model.modules()], step.micro_batch]
    return [v.clone().numpy().tobytes() for v in values] + [repr(plain)]


class InterruptError(Exception):
    """Raised in mid-search."""


@pytest.mark.parametrize("at", [None, 1, 7, 20, 33])
def test_everything_is_put_back(at: int | None) -> None:
    step, data = network()
    before, calls = state(step), 0

    def progress(size: float, loss: float) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise InterruptError if at % 2 else KeyboardInterrupt

    kind = InterruptError if at is not None and at % 2 else KeyboardInterrupt
    settings = {"lr": 0.02, "start": 32, "floor": 8, "micro_batch": 8, "repeats": 2}
    if at is None:
        found = auto_batch_size(step, data, **settings)
        assert found.noise_at_start.value is not None or found.noise_at_start.n == 20
    else:
        with pytest.raises(kind):
            auto_batch_size(step, data, progress=progress, **settings)
        assert calls == at
    assert state(step) == before


def test_batch_normalization_sees_equally_many_samples_at_every_size() -> None:
    step, data = network()
    seen: set[int] = set()
    step.model[1].register_forward_hook(lambda _, inputs, __: seen.add(len(inputs[0])))
    found = auto_batch_size(step, data, lr=0.02, start=32, limit=128, repeats=1)
    assert seen == {32}
    assert found.curve.values.tolist() == [32, 64, 128]
    assert "smaller micro_batch" in found.reason


def test_memory_shrinks_the_micro_batch_and_changes_no_loss() -> None:
    step, data = quadratic()
    hungry = ModelStep(Hungry(step.model, 100), step.optimizer, step.loss)
    settings = {"lr": 0.05, "limit": 1024, "repeats": 1}
    found, plain = (auto_batch_size(s, data, **settings) for s in (hungry, step))
    assert found.curve.values.tolist() == plain.curve.values.tolist()
    assert found.curve.losses == pytest.approx(plain.curve.losses, rel=1e-4)
    assert found.recommended == plain.recommended


def test_memory_with_batch_normalization_starts_the_curve_again() -> None:
    step, data = network()
    seen: list[int] = []
    step.model[1].register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    room = 10_000

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if len(outputs) > room:
            raise torch.OutOfMemoryError("out of memory")
        return nn.functional.cross_entropy(outputs, targets)

    def progress(size: float, loss: float) -> None:
        nonlocal room
        if size == 64:
            room = 16

    late = ModelStep(step.model, step.optimizer, loss)
    found = auto_batch_size(
        late,
        data,
        lr=0.02,
        start=32,
        limit=256,
        floor=16,
        repeats=1,
        samples=256,
        progress=progress,
    )
    assert {64, 128, 256} < set(found.curve.values)
    assert {16, 32} == set(seen)
    assert found.noise_scale.n == 20
    seen.clear()
    wanted = batch_size(
        step, data, lr=0.02, sizes=[int(b) for b in found.curve.values], samples=256, micro_batch=16
    )
    assert np.array_equal(found.curve.losses, wanted.losses)
    assert set(seen) == {16}


def test_no_memory_for_the_noise_scale_does_not_end_the_search() -> None:
    step, data = quadratic(2048)
    hungry = ModelStep(Hungry(step.model, 8), step.optimizer, step.loss)
    found = auto_batch_size(hungry, data, lr=0.05, limit=256, repeats=1)
    assert found.noise_at_start.value is None
    assert found.noise_scale.value is not None
