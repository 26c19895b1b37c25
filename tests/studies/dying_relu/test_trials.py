"""Pairs, streams of random numbers, chunks, resuming and progress."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight import studies
from firstlight.context import Context
from firstlight.errors import FolderError
from firstlight.record import Record
from firstlight.studies.dying_relu import trials
from firstlight.studies.dying_relu.config import FUNCTIONS, RECTIFIERS, DyingReluConfig
from firstlight.studies.dying_relu.trials import Chunk, Combination, chunks

RELU, LEAKY = Combination("abs", "relu", "he"), Combination("abs", "leaky-relu", "he")
EVERY = {Combination(*w) for w in product(FUNCTIONS, RECTIFIERS, ("he", "rai", "torch"))}
XSIN = Combination("xsin", "relu", "he")


@pytest.fixture(scope="module")
def config(small: dict[str, Any]) -> DyingReluConfig:
    return DyingReluConfig(**small)


def same(one: Record, two: Record) -> None:
    """Fail unless two records agree in every bit but for the speed."""
    facts = [dict(r.facts.items()) | {"network_steps_per_second": None} for r in (one, two)]
    assert facts[0] == facts[1]
    assert one.verdicts == two.verdicts
    assert list(one.arrays) == list(two.arrays)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array.values, two.arrays[name].values, err_msg=name)


def test_both_activations_see_the_same_draws(config: DyingReluConfig) -> None:
    relu, leaky = Chunk(config, RELU, 0, 9), Chunk(config, LEAKY, 0, 9)
    np.testing.assert_array_equal(relu.weights(), leaky.weights())
    np.testing.assert_array_equal(relu.orders(), leaky.orders())
    for a, b in zip(relu.data(0, 3), leaky.data(0, 3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_draws_differ_by_function_seed_and_simulation(config: DyingReluConfig) -> None:
    other = replace(config, seed=1)
    groups = [Chunk(*which, 0, 40) for which in ((config, RELU), (config, XSIN), (other, RELU))]
    for draws in ([g.weights() for g in groups], [g.data(0, 40)[0] for g in groups]):
        assert len({row.tobytes() for rows in draws for row in rows}) == 3 * 40
    assert len(np.unique(Chunk(config, RELU, 0, 1_000).orders())) == 1_000


def test_draws_belong_to_a_simulation_by_its_index(config: DyingReluConfig) -> None:
    whole = Chunk(config, RELU, 0, 50)
    np.testing.assert_array_equal(whole.weights()[21:37], Chunk(config, RELU, 21, 37).weights())
    np.testing.assert_array_equal(whole.orders()[4:9], Chunk(config, RELU, 4, 9).orders())
    x, y = whole.data(5, 8)
    again, _ = Chunk(config, RELU, 4, 9).data(1, 4)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, abs(x))
    assert x.shape == (3, 100, 1)


@pytest.mark.parametrize(
    "changes", [{}, {"simulations": 10_001}, {"width": 128, "depth": 100, "simulations": 40}]
)
def test_chunks_cover_every_simulation_and_bound_memory(changes: dict[str, Any]) -> None:
    config = DyingReluConfig(other_inits="all", **changes)
    every = chunks(config)
    assert {chunk.which for chunk in every.values()} == EVERY
    groups = [range(chunk.first, chunk.last) for chunk in every.values() if chunk.which == RELU]
    assert [place for group in groups for place in group] == list(range(config.simulations))
    assert max(map(len, groups)) <= trials.CHUNK
    if config.width == 128:
        assert groups == [range(16), range(16, 32), range(32, 40)]


def test_initializations_after_the_first_are_for_one_function_unless_asked_for() -> None:
    first = {chunk.which for chunk in chunks(DyingReluConfig()).values()}
    assert first < EVERY
    assert {w.function for w in first if w.init != "he"} == {"abs"}
    assert {w.function for w in first if w.init == "he"} == set(FUNCTIONS)


def test_chunks_and_resuming_change_no_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: DyingReluConfig
) -> None:
    config = replace(config, function=("abs",), init=("he", "rai"))
    whole, calls, real = studies.run(config), [], trials.train
    monkeypatch.setattr(trials, "CHUNK", 16)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(trials, "train", counted)
    context = Context(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        studies.run(config, context)
    assert len(list((tmp_path / "trials").iterdir())) == 5
    same(studies.run(config, context), whole)
    assert len(calls) == 1 + 4 * 3  # the one that was stopped is the only one begun twice
    again = studies.run(config, context)
    assert len(calls) == 1 + 4 * 3
    same(again, whole)
    assert again.facts.value("network_steps_per_second") > 0
    with pytest.raises(FolderError, match="is another trial"):
        studies.run(replace(config, epochs=1), context)


def test_progress_goes_to_the_end(config: DyingReluConfig) -> None:
    calls: list[tuple[str, int, int]] = []
    one = replace(config, function=("abs",), init=("he",))
    studies.run(one, Context(progress=lambda *call: calls.append(call)))
    shares = [done / total for _, done, total in calls]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len({label for label, _, _ in calls}) == 1
