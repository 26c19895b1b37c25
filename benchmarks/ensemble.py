"""Time the ensemble engine against other ways of training 1,000 small networks.

All train networks of 10 layers × 2 with Adam on the squared error, in float32, each network on its
own points. Everyone's clock covers the shuffle of each network's points before every epoch, the
picking of the batches and all updates; it covers no compilation. The engine trains every network
in full: born-dead ones are not skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np
import torch

from benchmarks import ensemble_numba
from benchmarks.ensemble_jax import Jax, JaxPlain
from benchmarks.ensemble_peers import Baddbmm, Compiled, Loop, Peer, Problem, Vmap
from benchmarks.ensemble_scale import arithmetic, gpu_lines, matrix_rate, scale_rows, scale_table
from firstlight.ensemble import Network, Training, train
from firstlight.ensemble.initial import initial
from firstlight.record.provenance import cores
from firstlight.seeds import generator

NETWORK = Network((1, *[2] * 9, 1))
PEERS: dict[str, Callable[[Problem], Peer]] = {
    "nn.Module, one by one": Loop,
    "torch.func.vmap": Vmap,
    "torch.baddbmm, stacked": Baddbmm,
    "torch.compile, elementwise": Compiled,
    "JAX jit(vmap(scan))": JaxPlain,
    "JAX, units written out": Jax,
}
Reasons = dict[str, str]
PAUSE = 0.3
"""Seconds between two ways, in which the last one's waiting threads go to sleep."""


@dataclass
class Contender:
    """One way that is ready to be timed: ``turn`` trains for a while and returns updates done."""

    name: str
    networks: int
    turn: Callable[[], int]
    threads: int
    rates: list[float] = field(default_factory=list)

    def time(self, seconds: float) -> float:
        """Return network-steps per second over at least ``seconds``."""
        sleep(PAUSE)
        torch.set_num_threads(self.threads)
        done, started = 0, perf_counter()
        while (spent := perf_counter() - started) < seconds or not done:
            done += self.turn()
        return done / spent


def problem(networks: int, points: int, seed: int = 0, batch_size: int = 64) -> Problem:
    """Return networks with He's weights, and for each its own points of |x| on [−√7, √7]."""
    x = generator(seed, "bench", "ensemble").uniform(-1, 1, (networks, points)) * np.sqrt(7)
    start = initial(NETWORK, "he", networks, seed).astype(np.float32)
    x = x.astype(np.float32)
    return Problem(NETWORK, Training(batch_size=batch_size), start, x, np.abs(x))


def peer_turn(peer: Peer, task: Problem, seed: int = 0) -> Callable[[], int]:
    """Return a function that draws each network's order, trains for one epoch, and counts."""
    rng = generator(seed, "bench", "orders")
    order = np.tile(np.arange(task.x.shape[1]), (len(task.x), 1))

    own = getattr(peer, "own_epoch", None)

    def turn() -> int:
        if own is not None:  # it shuffles for itself
            own()
            return len(task.x) * len(task.batches())
        # The quickest of six ways to shuffle many rows that were tried, here for every peer.
        rng.permuted(order, axis=1, out=order)
        peer.epoch(order)
        return len(task.x) * len(task.batches())

    return turn


def our_turn(task: Problem, epochs: int, threads: int) -> Callable[[], int]:
    """Return a function that trains with the engine, from the start, in one whole call."""
    training = replace(task.training, epochs=epochs)
    data, seeds = (task.x[..., None], task.y[..., None]), np.arange(len(task.x))
    options: dict[str, Any] = {"learning_rate": task.rate, "backend": "kernel", "skip_dead": False}

    def turn() -> int:
        trained = train(
            task.network, training, task.parameters, data, seeds=seeds, threads=threads, **options
        )
        return trained.steps * len(task.x)

    return turn


def numba_turn(task: Problem, epochs: int, threads: int) -> Callable[[], int]:
    """Return a function that trains with numba, from the start, in one whole call."""
    seeds = np.arange(len(task.x))

    def turn() -> int:
        ensemble_numba.train(task, seeds, epochs, threads)
        return len(task.x) * epochs * len(task.batches())

    return turn


OURS, NUMBA = "firstlight, kernel", "numba, units written out"
WHOLE: dict[str, Callable[[Problem, int, int], Callable[[], int]]] = {
    NUMBA: numba_turn,
    OURS: our_turn,
}
"""Ways that shuffle for themselves and train for many epochs in one call; the last one is ours."""


def warm(make: Callable[[int], Contender], threads: Sequence[int]) -> list[Contender]:
    """Return a way with each number of threads, after two untimed turns; the first may compile."""
    ways = [make(count) for count in threads]
    for way in ways:
        way.time(0.0)
        way.time(0.0)
    return ways


def quickest(ways: Sequence[Contender]) -> list[Contender]:
    """Return each way once, with the number of threads whose median is the highest."""
    best: dict[str, Contender] = {}
    for way in ways:
        if way.name not in best or median(way.rates) > median(best[way.name].rates):
            best[way.name] = way
    return list(best.values())


def contenders(task: Problem, loop_networks: int, epochs: int) -> tuple[list[Contender], Reasons]:
    """Return every way with each number of threads, ours last, and why others are missing."""
    ways: list[Contender] = []
    reasons, counts = {}, sorted({1, cores()})

    def peer(threads: int, name: str, kind: Callable[[Problem], Peer]) -> Contender:
        own = task.first(loop_networks) if kind is Loop else task
        torch.set_num_threads(threads)
        return Contender(name, len(own.x), peer_turn(kind(own), own), threads)

    def whole(threads: int, name: str) -> Contender:
        return Contender(name, len(task.x), WHOLE[name](task, epochs, threads), threads)

    makers = {name: partial(peer, name=name, kind=kind) for name, kind in PEERS.items()}
    makers |= {name: partial(whole, name=name) for name in WHOLE}
    for name, make in makers.items():
        try:
            # JAX has one pool of threads, as large as the machine, once and for all.
            ways += warm(make, [cores()] if PEERS.get(name) in (Jax, JaxPlain) else counts)
        # Whatever a peer lacks, a compiler or a package, is no reason to lose the other rows.
        except Exception as error:
            if name == OURS:
                raise
            reasons[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:110]}"
    return ways, reasons


def numba_share(
    networks: int = 1_000, points: int = 3_000, epochs: int = 100, rounds: int = 7
) -> str:
    """Return the rate of numba as a share of the engine's: once compiled, and over a whole study.

    The study is ``dying-relu`` in its quick preset: 10 trainings of two shapes in a new process, in
    which numba compiles each shape; the engine's code comes from its cache, or is compiled as well.
    """
    task, lines, compiling = problem(networks, points), [], dict[str, float]()
    for threads in sorted({1, cores()}):
        ways = [Contender(n, networks, t(task, epochs, threads), 1) for n, t in WHOLE.items()]
        for way in ways:
            started = perf_counter()
            way.time(0.0)
            compiling.setdefault(way.name, perf_counter() - started)  # and one training
        for _ in range(rounds):
            for way in ways:
                way.rates.append(way.time(0.0))
        numba, ours = (median(way.rates) for way in ways)
        lines.append(
            f"threads {threads}: numba {numba:,.0f} network-steps/s, engine {ours:,.0f}: "
            f"{numba / ours:.2f}"
        )
        if threads == 1:
            steps = networks * epochs * -(-points // 64)
            compiling = {w.name: max(0, compiling[w.name] - steps / median(w.rates)) for w in ways}
    rates = {way.name: median(way.rates) for way in ways}
    seconds = [10 * steps / rates[name] + 2 * compiling[name] for name in rates]
    words = ", ".join(f"{name} {s:.1f} s" for name, s in compiling.items())
    lines.append(f"compiling one shape: {words}; the whole study: {seconds[1] / seconds[0]:.2f}")
    return "\n".join(lines)


def measure(
    networks: int = 1_000,
    points: int = 3_000,
    *,
    loop_networks: int = 8,
    epochs: int = 100,
    seconds: float = 1.3,
    rounds: int = 3,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return network-steps per second of every way: the medians over rounds in turn.

    Every way is tried with one thread and with as many as there are cores; the warm-up is two
    epochs (of ours: two trainings) of each. Then all take turns, and of each way the number of
    threads with the higher median is kept.

    Args:
        networks: networks trained at once.
        points: of each network.
        loop_networks: networks that the loop trains, one by one.
        epochs: of one training with the engine, which is timed as a whole.
        seconds: at least, of one way in one round.
        rounds: rounds.
        seed: of points, weights and orders.
    """
    task = problem(networks, points, seed)
    ways, reasons = contenders(task, loop_networks, epochs)
    for _ in range(rounds):
        for way in ways:
            way.rates.append(way.time(seconds))
    ways = quickest(ways)
    ours = median(ways[-1].rates)
    torch.set_num_threads(cores())
    work = arithmetic(NETWORK, points / len(task.batches()))
    shared = {"flops": work * ours, "flops_per_step": work, "matrix_flops": matrix_rate()}
    rows = [_row(way, ours) for way in ways]
    rows[-1] |= {
        **shared,
        "epochs": epochs,
        "seconds": networks * epochs * len(task.batches()) / ours,
    }
    rows[-1:-1] = [{"way": name, "missing": reason} for name, reason in reasons.items()]
    return rows


def _row(way: Contender, ours: float) -> dict[str, Any]:
    return {
        "way": way.name,
        "networks": way.networks,
        "threads": way.threads,
        "steps_per_second": median(way.rates),
        "low": min(way.rates),
        "high": max(way.rates),
        "ours_is_times": ours / median(way.rates),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measurements as aligned text; the last row is ours."""
    head = f"{'way':<30}{'networks':>9}{'threads':>9}{'network-steps/s':>17}"
    lines = [f"{head}{'lowest':>12}{'highest':>12}{'ours is':>10}"]
    for row in rows:
        if "missing" in row:
            lines.append(f"{row['way']:<30}not available: {row['missing']}")
            continue
        lines.append(
            f"{row['way']:<30}{row['networks']:>9,}{row['threads']:>9}"
            f"{row['steps_per_second']:>17,.0f}{row['low']:>12,.0f}{row['high']:>12,.0f}"
            f"{row['ours_is_times']:>9,.1f}×"
        )
    ours = rows[-1]
    lines += [
        "",
        f"{ours['networks']:,} networks × {ours['epochs']} epochs: {ours['seconds']:.3f} s "
        "after compilation.",
        f"{ours['flops'] / 1e9:.1f} GFLOP/s at {ours['flops_per_step']:,.0f} operations a "
        f"network-step (forward, backward, Adam): {ours['flops'] / ours['matrix_flops']:.1%} of the "
        f"{ours['matrix_flops'] / 1e9:.0f} GFLOP/s of this machine's float32 matrix product.",
    ]
    return "\n".join(lines)


def run(data: Path | None = None) -> str:
    """Return the comparison as text; ``data`` is not used, the points are drawn."""
    depth, width = len(NETWORK.layers), NETWORK.widths[1]
    title = (
        f"ensemble: {depth} layers × {width}, Adam, batch 64, float32, {cores()} cores; "
        "medians of rounds in turn, warm-up and compilation apart, shuffle and gather included"
    )
    parts = [table(measure()), scale_table(scale_rows(NETWORK)), "\n".join(gpu_lines(NETWORK))]
    return title + "\n\n" + "\n\n".join(parts)
