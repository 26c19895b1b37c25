"""How the engine's cost and memory grow with the networks, and what the machine could do at best."""

import multiprocessing
import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from firstlight.ensemble import Network, Training, train
from firstlight.ensemble.initial import initial
from firstlight.ensemble.reference import Stack
from firstlight.seeds import generator

SIZES = ((1_000, 9), (10_000, 3), (100_000, 1))
"""Networks, and how often each is timed: the shorter, the more often."""
EPOCHS = 3
GPU_SIZES = (1_000, 100_000)
MATRIX = 2_048
ADAM = 13
"""Operations of Adam on one parameter: 3 for the first moment, 4 for the second, 6 to update."""


def arithmetic(network: Network, batch: float) -> float:
    """Return the floating-point operations of one network-step.

    For each sample: 2 for each weight forward (multiply and add; the bias is where the sum
    starts), 2 for its derivative, 2 to send the error back through it except in the first layer,
    1 for each bias's derivative, 3 for the loss of each output. Once a step: 13 for each parameter
    by Adam, where a root or a division counts as one. Activations count as nothing.

    Args:
        network: the shape.
        batch: samples in a step, on average.

    Example:
        >>> arithmetic(Network((1, 1)), 10.0)
        106.0
    """
    sizes = [inputs * outputs for inputs, outputs in network.layers]
    weights, biases = sum(sizes), sum(network.widths[1:])
    sample = 4 * weights + 2 * (weights - sizes[0]) + biases + 3 * network.widths[-1]
    return batch * sample + ADAM * network.parameters


def matrix_rate(size: int = MATRIX, rounds: int = 9) -> float:
    """Return the operations a second of torch's float32 product of two square matrices.

    The warm-up is three products; then the median over ``rounds``, with PyTorch's threads as set.
    """
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=draw) for _ in range(2))
    seconds = []
    for turn in range(3 + rounds):
        started = perf_counter()
        torch.mm(a, b)
        if turn >= 3:
            seconds.append(perf_counter() - started)
    return 2 * size**3 / median(seconds)


def peak_memory() -> int:
    """Return the most memory that this process has had at once, in bytes."""
    try:
        # Unlike getrusage's, this mark does not begin at that of the process that started us.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def points_of(first: int, last: int, points: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the points of networks first … last − 1, drawn when they are asked for."""
    draw = generator(0, "bench", "scale", first)
    x = draw.random((last - first, points, 1), dtype=np.float32) * 2 - 1
    return x, np.abs(x)


def scaled(
    network: Network, networks: int, epochs: int, points: int, rounds: int
) -> dict[str, Any]:
    """Train ``networks`` networks in this process and return seconds and the peak of memory."""

    def once(networks: int) -> tuple[float, float, int]:
        start = initial(network, "he", networks, 0).astype(np.float32)
        started = perf_counter()
        trained = train(
            network,
            Training(epochs=epochs),
            start,
            lambda first, last: points_of(first, last, points),
            seeds=np.arange(networks),
            backend="kernel",
            skip_dead=False,
        )
        return perf_counter() - started, trained.seconds, trained.steps * networks

    once(16)  # compiles
    turns = [once(networks) for _ in range(rounds)]
    training = median(turn[1] for turn in turns)
    return {
        "networks": networks,
        "epochs": epochs,
        "wall_seconds": median(turn[0] for turn in turns),
        "training_seconds": training,
        "steps_per_second": turns[0][2] / training,
        "peak_bytes": peak_memory(),
    }


def scale_rows(
    network: Network, sizes: Sequence[tuple[int, int]] = SIZES, points: int = 3_000
) -> list[dict[str, Any]]:
    """Return one row for each number of networks, each from a process of its own."""
    rows = []
    for networks, rounds in sizes:
        # A fresh process, so that its peak of memory is its own.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            work = pool.submit(scaled, network, networks, EPOCHS, points, rounds)
            rows.append(work.result())
    return rows


def scale_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as aligned text."""
    head = f"{'networks':>12}{'epochs':>8}{'seconds':>10}{'training':>10}{'per second':>13}"
    lines = [head + f"{'peak memory':>14}"]
    lines += [
        f"{row['networks']:>12,}{row['epochs']:>8}{row['wall_seconds']:>10.3f}"
        f"{row['training_seconds']:>10.3f}{row['steps_per_second']:>13,.0f}"
        f"{row['peak_bytes'] / 2**20:>10,.0f} MiB"
        for row in rows
    ]
    return "\n".join(lines)


def gpu_rate(network: Network, networks: int, points: int, rounds: int = 3) -> float:
    """Return network-steps per second of the stacked layout under CUDA graphs.

    The orders are drawn on the GPU and within the time; the warm-up is one epoch, which captures
    the graphs.
    """
    x, y = points_of(0, networks, points)
    start = initial(network, "he", networks, 0)
    stack = Stack(
        network, Training(), start, x, y, learning_rate=1e-3, dtype="float32", device="cuda"
    )
    rates = []
    for turn in range(1 + rounds):
        torch.cuda.synchronize()
        started = perf_counter()
        stack.epoch(torch.rand(networks, points, device="cuda").argsort(dim=1))
        torch.cuda.synchronize()
        if turn:
            rates.append(networks * Training(epochs=1).steps(points) / (perf_counter() - started))
    return median(rates)


def gpu_lines(network: Network, points: int = 3_000) -> list[str]:
    """Return the GPU's lines of the table, or one that says that there is none."""
    if not torch.cuda.is_available():
        return ["GPU: none at hand."]
    name, lines = torch.cuda.get_device_name(), []
    for networks in GPU_SIZES:
        try:
            rate = f"{gpu_rate(network, networks, points):,.0f} network-steps per second"
        except torch.OutOfMemoryError:
            rate = "not available: its memory is too small"
        lines.append(f"GPU {name}, stacked under CUDA graphs, {networks:,} networks: {rate}")
    return lines
