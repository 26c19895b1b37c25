"""The batch size found by itself: curves with known answers, every block, and nothing left behind."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.ranges import ModelStep, batch_size
from firstlight.ranges.algorithm import BLOCKS, Block, check, from_json, to_json, walk
from firstlight.ranges.auto import BatchSizes, auto_batch_size
from firstlight.ranges.sizes import read_sizes

N, D = 8192, 8
SIZES = 2.0 ** np.arange(3, 14)
Shape = Callable[[float], float]


def hill(b: float) -> float:
    """Rise from 0.3 to 1.3 in the middle of the sizes."""
    return 0.3 + 1 / (1 + (300 / b) ** 2)


def simulated(shape: Shape, noise: float = 0.0, seed: int = 0) -> Callable[[Any, float], float]:
    """Return a step whose loss is a known function of the batch size, and noise."""
    rng = np.random.default_rng(seed)

    def step(batch: tuple[Tensor, Tensor], lr: float) -> float:
        return shape(len(batch[0])) + noise * float(rng.normal())

    return step


def run(step: Any, n: int = N, **settings: Any) -> BatchSizes:
    """Run the algorithm on a simulated step."""
    data = torch.zeros(n, 1), torch.zeros(n, 1)
    return auto_batch_size(step, data, lr=0.1, reset=lambda: None, **settings)


# ---- reading b_min and b_max


def crossings(shape: Shape) -> tuple[float, float]:
    """Return where a noiseless rising curve has done a tenth and nine tenths of its rise."""
    b = 2 ** np.linspace(3, 13, 20_001)
    y = np.array([shape(v) for v in b])
    low, high = y[0] + 0.1 * (y[-1] - y[0]), y[0] + 0.9 * (y[-1] - y[0])
    return float(b[np.argmax(y >= low)]), float(b[np.argmax(y >= high)])


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("centre", [120.0, 300.0, 700.0])
def test_bounds_of_a_curve_that_rises_with_the_size(centre: float, noise: float) -> None:
    def shape(b: float) -> float:
        return 0.3 + 1 / (1 + (centre / b) ** 2.5)

    rng = np.random.default_rng(1)
    losses = np.array([shape(b) for b in SIZES]) + noise * rng.normal(size=(3, SIZES.size))
    found = read_sizes(SIZES, losses, bootstrap=20)
    low, high = crossings(shape)
    assert found.verdict == "read"
    assert found.reason == ""
    assert isinstance(found.low.value, float)
    assert isinstance(found.high.value, float)
    assert low / 1.6 < found.low.value < low * 1.6
    assert high / 1.6 < found.high.value < high * 1.6
    assert found.low.low is not None
    assert found.low.high is not None
    assert found.low.low <= found.low.value <= found.low.high


def test_edges_are_said() -> None:
    line = np.log2(SIZES)
    found = read_sizes(SIZES, line, bootstrap=0)
    assert (found.low.value, found.high.value) == (8, 8192)
    assert (found.verdict, found.low_told, found.high_told) == ("at the edge", False, False)
    assert "falls at 8, the smallest" in found.reason
    assert "rises at 8192, the largest" in found.reason


def test_flat_means_all_are_equally_good() -> None:
    rng = np.random.default_rng(0)
    for losses in (np.full((3, 11), 0.5), rng.normal(1, 0.05, (3, 11)), np.ones(11)):
        found = read_sizes(SIZES, losses, bootstrap=0)
        assert (found.low.value, found.high.value, found.verdict) == (8, 8192, "flat")
        assert "equally good" in found.reason
        assert ("More than one repeat" in found.reason) == (np.ndim(losses) == 1)


def test_flat_is_seldom_missed_and_never_claimed_of_sizes_that_differ() -> None:
    rng = np.random.default_rng(2)
    flat = [read_sizes(SIZES, y, bootstrap=0).verdict for y in rng.normal(1, 0.1, (40, 3, 11))]
    assert flat.count("flat") >= 36
    u = (np.log2(SIZES) - 8) ** 2
    assert read_sizes(SIZES, u + rng.normal(0, 0.1, (3, 11)), bootstrap=0).verdict != "flat"


def test_larger_is_better() -> None:
    found = read_sizes(SIZES, 1 / (1 + (SIZES / 100) ** 2), bootstrap=0)
    assert (found.verdict, found.high.value) == ("larger is better", 8192)
    assert isinstance(found.low.value, float)
    assert 150 < found.low.value < 600
    assert "learning rate is too high" in found.reason


def test_a_best_size_in_the_middle_is_not_larger_is_better() -> None:
    """Small batches lose a little, at a rate too high for them; large ones lose everything."""
    losses = [0.319, 0.284, 0.27, 0.263, 0.258, 0.256, 0.305, 1.167, 5.159]
    found = read_sizes(SIZES[:9], losses, bootstrap=0)
    assert found.verdict not in ("larger is better", "flat")


def test_losses_that_are_not_finite() -> None:
    losses = np.array([hill(b) for b in SIZES])
    losses[:2], losses[-1] = np.nan, np.inf
    found = read_sizes(SIZES, losses, bootstrap=0)
    assert isinstance(found.low.value, float)
    assert 60 < found.low.value < 200
    assert read_sizes(SIZES, np.full(11, np.nan)).verdict == "cannot tell"
    few = read_sizes(SIZES[:4], losses[3:7])
    assert (few.verdict, few.low.value, few.high.value) == ("cannot tell", None, None)
    assert "Only 4" in few.reason


def test_the_unit_of_the_size_does_not_matter() -> None:
    losses = np.array([hill(b) for b in SIZES])
    one, ten = (read_sizes(SIZES * k, losses, bootstrap=0) for k in (1, 10))
    assert isinstance(one.low.value, float)
    assert ten.low.value == pytest.approx(10 * one.low.value)


@pytest.mark.parametrize(
    ("sizes", "losses"), [([8, 4], [1, 2]), ([0, 4], [1, 2]), ([4, 8], [1, 2, 3]), ([], [])]
)
def test_shapes_that_do_not_fit(sizes: list[float], losses: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_sizes(sizes, losses)


# ---- the algorithm and its description

SCENES: dict[str, Callable[[], BatchSizes]] = {
    "hill": lambda: run(simulated(hill, 0.02)),
    "plateau": lambda: run(simulated(lambda b: 0.3 + (b > 100), 0.02), limit=8192),
    "flat": lambda: run(simulated(lambda b: 1.0, 0.1), limit=4096),
    "few": lambda: run(simulated(lambda b: 1.0, 0.1), n=640),
    "steep": lambda: run(simulated(lambda b: float(np.log2(b)), 0.02), n=2048),
    "falls": lambda: run(simulated(lambda b: 1 / (1 + (b / 100) ** 2), 0.01), limit=8192),
    "diverges": lambda: run(simulated(lambda b: np.nan if b < 64 else hill(b), 0.01), limit=1024),
}


@lru_cache
def scene(name: str) -> BatchSizes:
    return SCENES[name]()


def arrows(blocks: tuple[Block, ...] = BLOCKS) -> set[tuple[str, str]]:
    found = {(block.name, end) for block in blocks for end in (block.next, block.otherwise)}
    return {(name, end) for name, end in found if end is not None}


@pytest.mark.parametrize("name", SCENES)
def test_every_way_follows_the_arrows(name: str) -> None:
    trace = scene(name).trace
    assert (trace[0], trace[-1]) == ("set_aside", "put_back")
    assert set(pairwise(trace)) <= arrows()


def test_every_block_and_every_arrow_is_walked() -> None:
    walked = {pair for name in SCENES for pair in pairwise(scene(name).trace)}
    assert walked == arrows()


def test_the_number_of_trainings_is_that_of_the_trace() -> None:
    for name in SCENES:
        found = scene(name)
        trained = found.trace.count("train") + found.trace.count("train_smaller")
        assert found.curve.values.size == trained
        assert found.curve.losses.shape == (3, trained)
        assert np.all(np.diff(np.log2(found.curve.values)) == 1)


def test_a_walk_needs_one_action_for_each_block() -> None:
    with pytest.raises(ValueError, match="put_back"):
        walk({block.name: lambda: None for block in BLOCKS[:-1]})


@pytest.mark.parametrize(
    "blocks",
    [
        (),
        (Block("a", "step", "", "", "b"), Block("b", "end", "", "")),
        (Block("a", "start", "", "", "c"), Block("b", "end", "", "")),
        (Block("a", "start", "", "", "a"), Block("a", "end", "", "")),
        (Block("a", "start", "", "", "b", "b"), Block("b", "end", "", "")),
        (Block("a", "start", "", "", "b"), Block("b", "decision", "", "", "a")),
        (Block("a", "start", "", "", "b"), Block("b", "end", "", "", "a")),
    ],
)
def test_a_broken_description_is_refused(blocks: tuple[Block, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        check(blocks)


def test_the_description_survives_as_text() -> None:
    assert from_json(to_json()) == BLOCKS
    with pytest.raises(ValueError, match="blocks"):
        from_json('[{"name": "a"}]')


# ---- what it finds


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


def test_an_open_end_is_said() -> None:
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


# ---- with a model


def quadratic(n: int = N, noise: float = 0.1) -> tuple[ModelStep, tuple[Tensor, Tensor]]:
    """Return a mean to be learnt: loss d/2 (θ − x)² on x ~ N(0, noise²), from θ = 1."""
    x = noise * torch.randn(n, D, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(1, D, bias=False)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * ((outputs - targets) ** 2).sum(dim=1).mean()

    return ModelStep(model, optimizer, loss), (torch.ones(n, 1), x)


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


def network(n: int = 512) -> tuple[ModelStep, tuple[Tensor, Tensor]]:
    """Return a network with batch normalization and dropout, and an optimizer with a state."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.randn(n, D)
    y = (x[:, 0] > 0).long()
    step = ModelStep(model, optimizer, nn.functional.cross_entropy)
    step((x[:64], y[:64]), 0.01)
    model.eval()
    return step, (x, y)


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


# ---- memory


class Hungry(nn.Module):
    """A model that has no memory for more than ``most`` samples."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        out: Tensor = self.inner(x)
        return out


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
