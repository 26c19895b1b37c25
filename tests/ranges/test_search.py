"""The batch size found by itself: every arrow of its diagram, and steps with known answers."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from auto_problems import crossings, hill, quadratic, run, simulated
from firstlight.ranges import BatchSizes, auto_batch_size
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
    assert digest == "64530fd6b59f4768f0e3b341ffe7c70a4c7f62bdd2c8504661bd5f4a84aae071"


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
