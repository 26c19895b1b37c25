"""Train thousands of independent small networks as one program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.record.provenance import cores
from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.spec import Network, Training, per_network

CHUNK = 1024
"""Networks whose data are in memory at the same time."""

Samples = tuple[NDArray[Any], NDArray[Any]]
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
    """

    parameters: NDArray[Any]
    snapshots: NDArray[Any]
    steps: int
    skipped: int
    seconds: float
    backend: str
    remark: str | None = None


def _silent(done: int, total: int) -> None:
    """Report progress to nobody."""


def _checkpoints(checkpoints: Sequence[int], epochs: int) -> list[int]:
    marks = [int(epoch) for epoch in checkpoints]
    if marks != sorted(set(marks)) or (marks and not 0 <= marks[0] <= marks[-1] <= epochs):
        raise ValueError(f"checkpoints: expected ascending epochs from 0 to {epochs}, got {marks}")
    return marks


def _samples(plan: Plan, data: Data, first: int, last: int, total: int) -> NDArray[Any]:
    """Return the samples of networks first … last − 1, inputs and targets side by side."""
    if callable(data):
        parts, count = data(first, last), last - first
    else:
        parts, count = data, total
    widths = (plan.network.widths[0], plan.network.widths[-1])
    arrays = []
    for name, array, width in zip("xy", parts, widths, strict=True):
        array = np.asarray(array)
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[2] != width or array.shape[0] not in (1, count):
            raise ValueError(
                f"{name}: expected shape (samples, {width}) or ({count}, samples, {width}), "
                f"got {array.shape}"
            )
        whole_ensemble = not callable(data) and array.shape[0] == total
        arrays.append(array[first:last] if whole_ensemble and total > 1 else array)
    return _joined(arrays, plan)


def _joined(arrays: list[NDArray[Any]], plan: Plan) -> NDArray[Any]:
    x, y = arrays
    if x.shape[1] != y.shape[1] or x.shape[1] < 1:
        raise ValueError(
            f"data: expected as many targets as inputs, at least 1, got {x.shape[1]} inputs "
            f"and {y.shape[1]} targets"
        )
    rows, inputs = max(len(x), len(y)), x.shape[2]
    joined = np.empty((rows, x.shape[1], inputs + y.shape[2]), dtype=plan.dtype)
    joined[..., :inputs], joined[..., inputs:] = x, y
    odd = np.argwhere(~np.isfinite(joined))
    if len(odd):
        network, sample, _ = odd[0]
        raise ValueError(
            f"data: expected finite numbers, got none in network {network}, sample {sample}"
        )
    return joined


def cache_folder() -> Path | None:
    """Return where compiled code is kept between runs, or None where there is no such place."""
    from firstlight.data import cache_folder as data_cache

    try:
        return data_cache() / "kernels"
    except (OSError, RuntimeError):
        return None


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
    progress: Callable[[int, int], None] = _silent,
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
    job = _Job(
        Plan(network, training, dtype), start.astype(dtype), data, _seeds(seeds, len(start)),
        per_network("learning_rate", learning_rate, len(start)),
        _checkpoints(checkpoints, training.epochs), progress,
    )  # fmt: skip
    from firstlight.ensemble.codegen.blocks import refusal

    remark = refusal(job.plan) if device == "cpu" else f"the kernel runs on the cpu, not {device}"
    if backend == "kernel" and remark is not None:
        raise ValueError(f"backend: {remark}; use backend='torch'")
    if backend != "torch" and remark is None:
        return _by_kernel(job, threads or cores(), skip_dead)
    return _by_torch(job, device, remark if backend == "auto" else None)


def _seeds(seeds: ArrayLike, count: int) -> NDArray[np.uint64]:
    array = np.asarray(seeds)
    if array.shape != (count,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"seeds: expected {count} whole numbers from 0, got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.uint64)


@dataclass(frozen=True)
class _Job:
    plan: Plan
    parameters: NDArray[Any]
    data: Data
    seeds: NDArray[np.uint64]
    rates: NDArray[np.float64]
    checkpoints: list[int]
    progress: Callable[[int, int], None]

    @property
    def size(self) -> int:
        return len(self.parameters)

    def trained(self, snapshots: NDArray[Any], samples: int, **more: Any) -> Trained:
        steps = self.plan.training.steps(samples)
        return Trained(self.parameters, snapshots, steps, **more)


def _by_kernel(job: _Job, threads: int, skip_dead: bool) -> Trained:
    from firstlight.ensemble.codegen import blocks as kernel

    shape = (len(job.checkpoints), *job.parameters.shape)
    snapshots = np.empty(shape, dtype=job.plan.dtype)
    done, skipped, seconds, samples, folder = 0, 0, 0.0, 0, cache_folder()

    def finished(count: int) -> None:
        nonlocal done
        done += count
        job.progress(done, job.size)

    for first in range(0, job.size, CHUNK):
        part = slice(first, min(first + CHUNK, job.size))
        rows = _samples(job.plan, job.data, part.start, part.stop, job.size)
        chunk = kernel.Chunk(job.plan, job.parameters[part], rows, job.seeds[part], job.rates[part])
        kept, dead, spent = kernel.train(
            chunk, checkpoints=job.checkpoints, threads=threads, skip_dead=skip_dead,
            folder=folder, progress=finished,
        )  # fmt: skip
        snapshots[:, part], samples = kept, chunk.count
        skipped, seconds = skipped + dead, seconds + spent
    return job.trained(snapshots, samples, skipped=skipped, seconds=seconds, backend="kernel")


def _by_torch(job: _Job, device: str, remark: str | None) -> Trained:
    from time import perf_counter

    from firstlight.ensemble.reference import train_stacked

    shape = (len(job.checkpoints), *job.parameters.shape)
    snapshots, samples, seconds = np.empty(shape, dtype=job.plan.dtype), 0, 0.0
    for first in range(0, job.size, CHUNK):
        part = slice(first, min(first + CHUNK, job.size))
        rows = _samples(job.plan, job.data, part.start, part.stop, job.size)
        samples, inputs = rows.shape[1], job.plan.network.widths[0]
        started = perf_counter()
        job.parameters[part], snapshots[:, part] = train_stacked(
            job.plan.network, job.plan.training, job.parameters[part],
            rows[..., :inputs], rows[..., inputs:], seeds=job.seeds[part],
            learning_rate=job.rates[part], checkpoints=job.checkpoints, dtype=job.plan.dtype,
            device=device, progress=lambda *_: None,
        )  # fmt: skip
        seconds += perf_counter() - started
        job.progress(part.stop, job.size)
    return job.trained(
        snapshots, samples, skipped=0, seconds=seconds, backend="torch", remark=remark
    )
