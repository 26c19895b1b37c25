"""The batch size determined by itself: every arrow of its diagram, known answers, real models."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auto_problems import D, Hungry, N, crossings, hill, network, quadratic, run, simulated
from firstlight.ranges import BatchSizes, ModelStep, auto_batch_size, batch_size, read_sizes
from firstlight.ranges.algorithm import BLOCKS, to_json

SCENES: dict[str, Callable[[], BatchSizes]] = {
    "hill": lambda: run(simulated(hill, 0.02)),
    "plateau": lambda: run(simulated(lambda b: 0.3 + (b > 100), 0.02), limit=8192),
    "flat": lambda: run(simulated(lambda b: 1.0, 0.1), limit=4096),
    "few": lambda: run(simulated(lambda b: 1.0, 0.1), n=640),
    "steep": lambda: run(simulated(lambda b: float(np.log2(b)), 0.02), n=2048),
    "falls": lambda: run(simulated(lambda b: 1 / (1 + (b / 100) ** 2), 0.01), limit=8192),
    "diverges": lambda: run(
        simulated(lambda b: np.nan if b < 64 else np.log2(b), 0.01), limit=1024
    ),
}


@lru_cache
def scene(name: str) -> BatchSizes:
    return SCENES[name]()


def arrows() -> set[tuple[str, str]]:
    both = {(block.name, end) for block in BLOCKS for end in (block.next, block.otherwise)}
    return {(name, end) for name, end in both if end is not None}


@pytest.mark.parametrize("name", SCENES)
def test_every_step_that_follows_another_is_an_arrow(name: str) -> None:
    trace = scene(name).trace
    assert (trace[0], trace[-1]) == ("set_aside", "put_back")
    assert set(pairwise(trace)) <= arrows()


@pytest.mark.parametrize("seed", range(20))
def test_every_step_of_a_search_among_random_losses_is_an_arrow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    middle, slope, most = 2 ** rng.uniform(2, 9), rng.choice([-1, 0, 1, 4]), rng.integers(64, 512)
    diverges = 2 ** rng.uniform(0, 6)

    def step(batch: tuple[Tensor, Tensor], lr: float) -> float:
        size = len(batch[0])
        if size > most:
            raise MemoryError
        return np.nan if size < diverges else slope / (1 + middle / size) + 0.05 * rng.normal()

    sizes = run(step, n=1024, limit=1024, repeats=int(rng.integers(1, 4)))
    assert set(pairwise(sizes.trace)) <= arrows()
    assert (sizes.trace[0], sizes.trace[-1]) == ("set_aside", "put_back")


def test_every_block_and_every_arrow_is_walked() -> None:
    walked = {pair for name in SCENES for pair in pairwise(scene(name).trace)}
    assert walked == arrows()


def test_the_blocks_are_a_whole_diagram() -> None:
    names = [block.name for block in BLOCKS]
    assert len(set(names)) == len(names)
    for block in BLOCKS:
        assert (block.next is None) == (block.kind == "end")
        assert (block.otherwise is not None) == (block.kind == "decision")
        assert {block.next, block.otherwise} - {None} <= set(names)


def test_the_text_in_records_stays_the_same() -> None:
    """It is a fact of published records: a change must be made on purpose."""
    digest = hashlib.sha256(to_json().encode()).hexdigest()
    assert digest == "f3aa577fe52c612d52501e16395525dcce48b1a0cc82929556e75cb72608ca20"


def test_the_number_of_trainings_is_that_of_the_trace() -> None:
    for name in SCENES:
        found = scene(name)
        trained = found.trace.count("train") + found.trace.count("train_smaller")
        assert found.curve.values.size == trained
        assert found.curve.losses.shape == (3, trained)
        assert np.all(np.diff(np.log2(found.curve.values)) == 1)


def test_a_hill_is_read_and_the_search_reaches_down() -> None:
    found = scene("hill")
    low, _ = crossings(hill)
    assert isinstance(found.low.value, float)
    assert low / 2 < found.low.value < low * 2
    assert found.curve.values[0] < 64
    assert found.recommended in found.curve.values
    assert found.recommended is not None
    assert low / 4 < found.recommended <= found.low.value


def test_a_plateau_ends_the_search_early() -> None:
    found = scene("plateau")
    assert found.curve.values[-1] <= 1024
    assert found.recommended == 64


def test_flat_recommends_the_largest() -> None:
    found = scene("flat")
    assert (found.verdict, found.low.value, found.high.value) == ("flat", 64, 4096)
    assert found.recommended == 4096
    assert found.curve.values.size == 7


def test_few_samples_end_at_the_floor() -> None:
    assert scene("few").curve.values.tolist() == [4, 8, 16, 32, 64]


def test_an_open_end_has_a_reason() -> None:
    found = scene("steep")
    assert found.curve.values[0] == 4
    assert found.verdict in ("at the edge", "cannot tell")
    assert found.reason
    assert found.recommended == 4


def test_falling_losses_recommend_the_largest() -> None:
    found = scene("falls")
    assert (found.verdict, found.recommended) == ("larger is better", 8192)


def test_divergence_stops_the_way_down() -> None:
    found = scene("diverges")
    assert found.curve.values[0] == 32
    assert np.isnan(found.curve.losses[:, 0]).all()
    assert found.curve.stopped == "The loss was not finite with batch size 32."
    assert found.recommended is None or found.recommended >= 64


def test_the_same_seed_gives_the_same_answer() -> None:
    first, again = scene("hill"), SCENES["hill"]()
    assert (first.low, first.high, first.trace) == (again.low, again.high, again.trace)
    assert np.array_equal(first.curve.losses, again.curve.losses)


def test_a_step_without_memory_ends_the_way_up() -> None:
    def step(batch: tuple[Tensor, Tensor], lr: float) -> float:
        if len(batch[0]) > 256:
            raise MemoryError
        return float(np.log2(len(batch[0])))

    found = run(step, limit=4096)
    assert found.curve.values[-1] == 256
    assert "no memory for 512" in found.reason
    with pytest.raises(MemoryError):
        run(step, start=512, limit=4096)


def test_other_errors_pass() -> None:
    def step(batch: tuple[Tensor, Tensor], lr: float) -> float:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        run(step)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"floor": 1}, "floor"),
        ({"start": 2}, "floor"),
        ({"start": 10_000}, "at most 8192"),
        ({"limit": 10_000}, "at most 8192"),
        ({"limit": 32}, "at least start"),
        ({"repeats": 0}, "repeats"),
        ({"epochs": 1, "samples": 10}, "budget"),
    ],
)
def test_arguments_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(simulated(hill), **settings)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_out_of_range(lr: float) -> None:
    step, data = quadratic(64)
    with pytest.raises(ValueError, match="lr"):
        auto_batch_size(step, data, lr=lr)


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
