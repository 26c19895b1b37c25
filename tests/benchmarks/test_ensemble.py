"""The ensemble benchmark: every peer trains what the reference trains, and the table is computed."""

import os
import re
import resource
import sys
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import ensemble as bench
from benchmarks import ensemble_numba
from benchmarks import ensemble_scale as scale
from benchmarks.ensemble_peers import Loop, Problem, Vmap, modules
from firstlight.ensemble import Network, Training, train
from firstlight.ensemble.initial import initial
from firstlight.ensemble.shuffle import orders

SEEDS = np.arange(5)
NETWORK = Network((1, 3, 2, 1))


def small() -> Problem:
    """Return 5 networks with 22 points each, in batches of 8: the last one is short."""
    x = np.random.default_rng(0).normal(size=(5, 22)).astype(np.float32)
    start = initial(NETWORK, "xavier", 5, 1).astype(np.float32)
    return Problem(NETWORK, Training(batch_size=8), start, x, np.abs(x), rate=0.01)


@pytest.mark.parametrize("name", bench.PEERS)
def test_every_peer_trains_what_the_reference_trains(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("JAX"):
        pytest.importorskip("jax")
    # The C++ compiler takes too long for a test; what it is given to compile is the same.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    task = small()
    peer = bench.PEERS[name](task)
    for order in islice(orders(SEEDS, 22), 3):
        peer.epoch(order)
    expected = train(
        NETWORK,
        Training(batch_size=8, epochs=3),
        task.parameters,
        (task.x[..., None], task.y[..., None]),
        seeds=SEEDS,
        learning_rate=task.rate,
        backend="torch",
        dtype="float64",
    ).parameters
    np.testing.assert_allclose(peer.weights(), expected, rtol=1e-4, atol=2e-5)
    assert np.abs(expected - task.parameters).max() > 0.05  # nine updates of about .01


@pytest.mark.slow
def test_numba_trains_what_the_reference_trains() -> None:
    """Batches of 7: the last is short and odd, and 5 networks leave lanes over."""
    task = replace(small(), training=Training(batch_size=7))
    expected = train(
        NETWORK,
        Training(batch_size=7, epochs=3),
        task.parameters,
        (task.x[..., None], task.y[..., None]),
        seeds=SEEDS,
        learning_rate=task.rate,
        backend="torch",
        dtype="float64",
    ).parameters
    for threads in (1, 2):
        trained = ensemble_numba.train(task, SEEDS, epochs=3, threads=threads)
        np.testing.assert_allclose(trained, expected, rtol=1e-4, atol=2e-5)
    assert np.abs(expected - task.parameters).max() > 0.05


def test_a_peers_turn_draws_new_orders_for_every_network() -> None:
    task, seen = small(), []

    class Watcher:
        def epoch(self, order: Any) -> None:
            seen.append(order.copy())

    turn = bench.peer_turn(Watcher(), task)  # type: ignore[arg-type]
    assert [turn(), turn()] == [15, 15]  # 5 networks × 3 batches
    rows = np.concatenate(seen)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.arange(22), (10, 1)))
    assert len(np.unique(rows, axis=0)) == 10


def test_our_turn_trains_every_network_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(*args: Any, **options: Any) -> Any:
        asked.append(options)
        return train(*args, **options)

    monkeypatch.setattr(bench, "train", spy)
    assert bench.our_turn(small(), epochs=4, threads=1)() == 5 * 3 * 4
    assert (asked[0]["backend"], asked[0]["skip_dead"]) == ("kernel", False)


@pytest.mark.parametrize("widths", [(1, 1), (1, 3, 1), (1, *[2] * 9, 1), (1, 5, 4, 1)])
def test_arithmetic_equals_pytorchs_own_count(widths: tuple[int, ...]) -> None:
    """PyTorch counts the matrix products; biases, loss and Adam are added by hand."""
    network, batch = Network(widths), 7
    start = np.ones((1, network.parameters), dtype=np.float32)
    data = np.ones((1, batch), dtype=np.float32)
    model = modules(Problem(network, Training(), start, data, data))[0]
    # The first layer's weights have a derivative, its input has none.
    with FlopCounterMode(display=False) as counter:
        nn.functional.mse_loss(model(torch.ones(batch, 1)), torch.ones(batch, 1)).backward()
    biases = sum(widths[1:])
    expected = counter.get_total_flops() + batch * (biases + 3) + 13 * network.parameters
    assert scale.arithmetic(network, batch) == expected


class Absent:
    """A peer that is not installed."""

    def __init__(self, problem: Problem) -> None:
        raise ImportError("No module named 'absent'")


def test_the_table_is_computed_and_says_who_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PEERS", {"loop": Loop, "absent": Absent, "vmap": Vmap})
    monkeypatch.setattr(bench, "WHOLE", {bench.OURS: bench.our_turn})  # numba compiles for long
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    monkeypatch.setattr(bench, "matrix_rate", lambda: 1e9)
    threads = torch.get_num_threads()
    rows = bench.measure(4, 70, loop_networks=2, epochs=2, seconds=0.01, rounds=3)
    torch.set_num_threads(threads)
    ways = {row["way"]: row for row in rows}
    assert list(ways) == ["loop", "vmap", "absent", bench.OURS]
    assert (ways["loop"]["networks"], ways["vmap"]["networks"]) == (2, 4)
    ours = ways[bench.OURS]
    for name in ("loop", "vmap", bench.OURS):
        row = ways[name]
        assert 0 < row["low"] <= row["steps_per_second"] <= row["high"]
        ratio = ours["steps_per_second"] / row["steps_per_second"]
        assert row["ours_is_times"] == pytest.approx(ratio)
    assert ours["seconds"] == pytest.approx(4 * 2 * 2 / ours["steps_per_second"])
    work = scale.arithmetic(bench.NETWORK, 35.0)
    assert ours["flops"] == pytest.approx(work * ours["steps_per_second"])
    text = bench.table(rows)
    assert "absent                        not available: ImportError: No module named" in text
    assert f"{ours['flops'] / 1e9:.1%} of the 1 GFLOP/s" in text


def test_a_contender_is_timed_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(bench, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    way = bench.Contender("way", 1, lambda: 50, torch.get_num_threads())
    assert way.time(3.0) == pytest.approx(100 / 3)  # two turns, a tick each, and one to look
    ticks = iter(range(100))
    assert way.time(0.0) == pytest.approx(50 / 2)  # one turn at least


def test_the_number_of_threads_that_is_quicker_is_kept() -> None:
    rates = {("a", 1): [1.0, 9.0, 2.0], ("a", 2): [1.0, 3.0, 4.0], ("b", 1): [1.0], ("b", 2): [0.5]}
    ways = [bench.Contender(name, 1, int, count, rates[name, count]) for name, count in rates]
    assert [(way.name, way.threads) for way in bench.quickest(ways)] == [("a", 2), ("b", 1)]


def test_the_warm_up_is_two_turns_with_each_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    threads, turns = torch.get_num_threads(), []

    def make(count: int) -> bench.Contender:
        return bench.Contender("way", 1, lambda: turns.append(count) or 1, count)  # type: ignore[func-returns-value]

    ways = bench.warm(make, [1, 2])
    torch.set_num_threads(threads)
    assert turns == [1, 1, 2, 2]
    assert [way.rates for way in ways] == [[], []]


def test_scale_rows_come_from_processes_of_their_own() -> None:
    rows = scale.scale_rows(NETWORK, sizes=((20, 1),), points=30)
    (row,) = rows
    assert row["networks"] == 20
    assert 0 < row["training_seconds"] <= row["wall_seconds"]
    steps = 20 * Training(epochs=row["epochs"]).steps(30)
    assert row["steps_per_second"] == pytest.approx(steps / row["training_seconds"])
    assert 2**24 < row["peak_bytes"] < 2**33
    assert re.search(r"20 +\d+ +\d", scale.scale_table(rows))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own figures are Linux's")
def test_peak_memory_lies_between_what_is_held_and_what_the_system_counted() -> None:
    held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = scale.peak_memory()
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0.9 * held <= peak <= 1.1 * counted


def test_without_a_gpu_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert scale.gpu_lines(NETWORK) == ["GPU: none at hand."]


def test_a_gpu_that_is_too_small_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(network: Network, networks: int, points: int) -> float:
        if networks > 1_000:
            raise torch.OutOfMemoryError("out of memory")
        return 1e6

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "X1")
    monkeypatch.setattr(scale, "gpu_rate", rate)
    first, second = scale.gpu_lines(NETWORK)
    assert first.endswith("1,000 networks: 1,000,000 network-steps per second")
    assert second.endswith("100,000 networks: not available: its memory is too small")


def test_the_matrix_rate_is_a_rate() -> None:
    assert 1e6 < scale.matrix_rate(size=128, rounds=3) < 1e15
