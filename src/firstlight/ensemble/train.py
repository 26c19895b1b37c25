"""Train thousands of independent small networks as one program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.ensemble.codegen.plan import Chunk, Plan
from firstlight.ensemble.spec import Network, Training, per_network
from firstlight.record.provenance import cores
from firstlight.types import Numbers, Tick

CHUNK = 1024
"""Networks whose data are in memory at the same time."""

Samples = tuple[Numbers, Numbers]
Data = Samples | Callable[[int, int], Samples]


@dataclass(frozen=True)
class Trained:
    """What an ensemble's training leaves.

    Args:
        parameters: shape (R, P), as ``Network.unpack`` reads them.
        snapshots: shape (C, R, P), after each epoch of ``checkpoints``; 0 is before training.
        steps: updates that each network made.
        skipped: networks that were born dead, so that only their output's biases were trained.
        seconds: of the training alone, without compilation.
        backend: ``kernel`` or ``torch``.
        remark: why the kernel was not used where it was wanted, else None.

    Example:
        >>> network, x = Network((1, 2, 1)), np.linspace(-1, 1, 8)[:, None]
        >>> result = train(network, Training(), np.ones((3, 7)), (x, abs(x)), seeds=[0, 1, 2])
        >>> result.parameters.shape, result.backend
        ((3, 7), 'kernel')
    """

    parameters: Numbers
    snapshots: Numbers
    steps: int
    skipped: int
    seconds: float
    backend: str
    remark: str | None = None


def train(
    network: Network,
    training: Training,
    parameters: ArrayLike,
    data: Data,
    *,
    seeds: ArrayLike,
    learning_rate: ArrayLike = 1e-3,
    checkpoints: Sequence[int] = (),
    backend: str = "auto",
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    skip_dead: bool = True,
    progress: Tick | None = None,
) -> Trained:
    """Train R independent networks of one shape, each on its own data, in its own order.

    The same arguments give the same bits, whatever the number of threads; a network's result does
    not depend on the others.

    Args:
        network: the shape.
        training: loss, optimizer, batch size, epochs.
        parameters: shape (R, P), initial, as ``Network.unpack`` reads them; left as they are.
        data: (x, y) with x of shape (n, inputs) or (R, n, inputs) and y likewise with the outputs;
            or a function ``data(first, last)`` that returns them for networks first … last − 1, so
            that never more than 1,024 networks' data are in memory.
        seeds: shape (R,), of each network's shuffles, whole numbers from 0 to 2⁶⁴ − 1.
        learning_rate: one number, or shape (R,).
        checkpoints: epochs after which the parameters are kept, ascending; 0 is before training.
        backend: ``kernel`` (machine code on the processor), ``torch`` (any device, the reference),
            or ``auto``: the kernel on the processor where the shape allows it.
        dtype: ``float32`` or ``float64``.
        device: torch's name of the device.
        threads: of the kernel; by default one for each core.
        skip_dead: train only the output's biases of networks that are born dead: the answer is the
            same, and it is found sooner.
        progress: called as ``progress(networks done, networks in all)``.

    Returns:
        The trained parameters, the snapshots and how they were made.

    Raises:
        ValueError: an argument has another shape or value than said here.

    Example:
        >>> line = Network((1, 2, 1))
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> start = np.random.default_rng(0).normal(size=(3, line.parameters))
        >>> train(line, Training(epochs=2), start, (x, abs(x)), seeds=[1, 2, 3]).steps
        2
    """
    start = np.asarray(parameters)
    if start.ndim != 2 or start.shape[1] != network.parameters or not len(start):
        raise ValueError(f"parameters: expected shape (R, {network.parameters}), got {start.shape}")
    if dtype not in ("float32", "float64") or backend not in ("auto", "kernel", "torch"):
        raise ValueError(
            "expected dtype float32 or float64 and backend auto, kernel or torch, "
            f"got {dtype!r} and {backend!r}"
        )
    plan, size = Plan(network, training, dtype), len(start)
    marks, orders = _checkpoints(checkpoints, training.epochs), _seeds(seeds, size)
    rates = per_network("learning_rate", learning_rate, size)
    work, used, remark = _backend(plan, backend, device, threads or cores(), skip_dead)
    trained, snapshots = start.astype(dtype), np.empty((len(marks), *start.shape), dtype)
    done, skipped, seconds, samples = 0, 0, 0.0, 0

    def finished(networks: int) -> None:
        nonlocal done
        done += networks
        if progress is not None:
            progress(done, size)

    for first in range(0, size, CHUNK):
        at = slice(first, min(first + CHUNK, size))
        rows = _samples(plan, data, at.start, at.stop, size)
        chunk = Chunk(plan, trained[at], rows, orders[at], rates[at], marks, snapshots[:, at])
        dead, spent = work(chunk, finished)
        samples, skipped, seconds = chunk.count, skipped + dead, seconds + spent
    return Trained(trained, snapshots, training.steps(samples), skipped, seconds, used, remark)


def _backend(
    plan: Plan, wanted: str, device: str, threads: int, skip_dead: bool
) -> tuple[Callable[[Chunk, Callable[[int], None]], tuple[int, float]], str, str | None]:
    """Return what trains a chunk, its name, and why it is not the kernel where that was wanted."""
    # LLVM's library is loaded where it is needed only, and so is PyTorch: they are large.
    from firstlight.ensemble.codegen import blocks, network

    elsewhere = None if device == "cpu" else f"the kernel runs on the cpu, not {device}"
    refusal = elsewhere or network.refusal(plan)
    if wanted == "kernel" and refusal is not None:
        raise ValueError(f"backend: {refusal}; use backend='torch'")
    if wanted != "torch" and refusal is None:
        folder = cache_folder()
        train_chunk = partial(blocks.train, threads=threads, skip_dead=skip_dead, folder=folder)
        return train_chunk, "kernel", None
    from firstlight.ensemble import reference

    remark = refusal if wanted == "auto" else None
    return partial(reference.train, device=device), "torch", remark


def cache_folder() -> Path | None:
    """Return where compiled code is kept between runs, or None where there is no such place."""
    from firstlight.data import cache_folder as data_cache

    try:
        return data_cache() / "kernels"
    except (OSError, RuntimeError):
        return None


def _seeds(seeds: ArrayLike, count: int) -> NDArray[np.uint64]:
    array = np.asarray(seeds)
    if array.shape != (count,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"seeds: expected {count} whole numbers from 0, got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.uint64)


def _checkpoints(checkpoints: Sequence[int], epochs: int) -> list[int]:
    marks = [int(epoch) for epoch in checkpoints]
    if marks != sorted(set(marks)) or (marks and not 0 <= marks[0] <= marks[-1] <= epochs):
        raise ValueError(f"checkpoints: expected ascending epochs from 0 to {epochs}, got {marks}")
    return marks


def _samples(plan: Plan, data: Data, first: int, last: int, total: int) -> Numbers:
    """Return the samples of networks first … last − 1, inputs and targets side by side."""
    given, count = (data(first, last), last - first) if callable(data) else (data, total)
    widths = (plan.network.widths[0], plan.network.widths[-1])
    arrays = []
    for name, array, width in zip("xy", given, widths, strict=True):
        array = np.asarray(array)
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[2] != width or array.shape[0] not in (1, count):
            raise ValueError(
                f"{name}: expected shape (samples, {width}) or ({count}, samples, {width}), "
                f"got {array.shape}"
            )
        whole_ensemble = not callable(data) and array.shape[0] == total
        arrays.append(array[first:last] if whole_ensemble and total > 1 else array)
    x, y = arrays
    if x.shape[1] != y.shape[1] or x.shape[1] < 1:
        raise ValueError(
            f"data: expected as many targets as inputs, at least 1, got {x.shape[1]} inputs "
            f"and {y.shape[1]} targets"
        )
    rows = np.empty((max(len(x), len(y)), x.shape[1], sum(widths)), dtype=plan.dtype)
    rows[..., : widths[0]], rows[..., widths[0] :] = x, y
    for network, sample, _ in np.argwhere(~np.isfinite(rows))[:1]:
        raise ValueError(
            f"data: expected finite numbers, got none in network {network}, sample {sample}"
        )
    return rows
