"""Train networks in blocks of one vector's width, one block a thread, in machine code."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.ensemble.codegen.jit import Code
from firstlight.ensemble.codegen.network import sign_known
from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.codegen.program import build
from firstlight.ensemble.shuffle import initial_state
from firstlight.types import Floats, Numbers

LARGEST = 600
"""Parameters of the largest network for which code is written out, weight by weight."""


def refusal(plan: Plan) -> str | None:
    """Return why the kernel cannot train such networks, or None where it can."""
    count = plan.network.parameters
    if count > LARGEST:
        return f"the kernel trains networks of at most {LARGEST} parameters, these have {count}"
    if not sign_known(plan.network):
        return f"the kernel needs a slope of at least 0, got {plan.network.slope}"
    return None


def aligned(*shape: int, dtype: Any) -> Numbers:
    """Return zeros that begin at a multiple of 64 bytes, as the code's vectors must."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    zeros: Numbers = raw[start : start + size].view(dtype).reshape(shape)
    return zeros


@lru_cache(maxsize=64)
def code_of(plan: Plan, folder: Path | None) -> Code:
    """Return the plan's machine code: written once in a process, from the cache or compiled now."""
    return Code(build(plan), folder)


@dataclass(frozen=True)
class Chunk:
    """Some networks of an ensemble, and their data.

    Args:
        plan: the networks' shape and training.
        parameters: shape (R, P), changed in place by ``train``.
        samples: shape (R, n, inputs + outputs) or, for the same samples in all networks,
            (1, n, inputs + outputs).
        seeds: shape (R,), of the shuffles.
        rates: shape (R,), learning rates.
    """

    plan: Plan
    parameters: Numbers
    samples: Numbers
    seeds: NDArray[np.uint64]
    rates: Floats

    @property
    def count(self) -> int:
        """Samples of each network."""
        return int(self.samples.shape[1])

    def blocks(self, networks: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return the networks in groups of one vector; the last group repeats its last network."""
        lanes = self.plan.kind.lanes
        padding = -len(networks) % lanes
        padded = np.concatenate([networks, np.repeat(networks[-1:], padding)])
        return list(padded.reshape(-1, lanes))


class Block:
    """The state of one block of networks between calls of its code."""

    def __init__(self, chunk: Chunk, networks: NDArray[np.intp]) -> None:
        plan, lanes, dtype = chunk.plan, chunk.plan.kind.lanes, chunk.plan.dtype
        size, batch = plan.network.parameters, plan.training.batch_size
        self.networks, self._chunk = networks, chunk
        self.parameters = aligned(size, lanes, dtype=dtype)
        self.parameters[:] = chunk.parameters[networks].T
        self._first, self._second = (aligned(size, lanes, dtype=dtype) for _ in range(2))
        self._data = aligned(lanes, chunk.count, plan.width, dtype=dtype)
        self._data[:] = chunk.samples[networks if len(chunk.samples) > 1 else [0]]
        self._states = aligned(lanes, dtype=np.uint64)
        self._states[:] = [initial_state(int(chunk.seeds[r])) for r in networks]
        self._rate = aligned(lanes, dtype=dtype)
        self._rate[:] = chunk.rates[networks]
        self._batch = aligned(min(batch, chunk.count), plan.width, lanes, dtype=dtype)
        self._powers = aligned(2, dtype=np.float64)
        self._powers[:] = 1.0

    def advance(self, code: Code, epochs: int) -> None:
        """Train all networks of the block for some more epochs."""
        arrays = (
            *(self.parameters, self._first, self._second, self._data),
            *(self._states, self._rate, self._batch, self._powers),
        )
        batch_size = min(self._chunk.plan.training.batch_size, self._chunk.count)
        values = (*(a.ctypes.data for a in arrays), self._chunk.count, batch_size, epochs)
        code.function("train", len(values))(*values)


def alive(chunk: Chunk, code: Code) -> NDArray[np.bool_]:
    """Return which networks have a last hidden unit that is not zero on some sample.

    Where none has, the output is its bias alone, and only that bias has a gradient: the network is
    born dead.
    """
    plan, living = chunk.plan, np.zeros(len(chunk.parameters), dtype=bool)
    lanes, dtype = plan.kind.lanes, plan.dtype
    look = code.function("alive", 5)
    largest = aligned(lanes, dtype=dtype)
    for networks in chunk.blocks(np.arange(len(chunk.parameters))):
        parameters = aligned(plan.network.parameters, lanes, dtype=dtype)
        parameters[:] = chunk.parameters[networks].T
        offsets = aligned(lanes, dtype=np.int64)
        offsets[:] = networks * (0 if len(chunk.samples) == 1 else chunk.samples[0].size)
        arrays = (parameters, chunk.samples, offsets, largest)
        look(*(array.ctypes.data for array in arrays), chunk.count)
        # NaN counts as alive: such a network must not be taken for a quiet one.
        living[networks] = ~(largest == 0)
    return living


def train(
    chunk: Chunk,
    *,
    checkpoints: Sequence[int],
    threads: int,
    skip_dead: bool,
    folder: Path | None,
    progress: Callable[[int], None],
) -> tuple[Numbers, int, float]:
    """Train a chunk in place.

    Args:
        chunk: the networks; its ``parameters`` are the trained ones afterwards.
        checkpoints: epochs after which the parameters are kept, ascending, at most the last epoch.
        threads: blocks that are trained at the same time.
        skip_dead: train only the output's biases of networks that are born dead.
        folder: where compiled code is kept.
        progress: called with the number of networks in each finished block.

    Returns:
        Snapshots of shape (C, R, P); how many networks were born dead; seconds of training.
    """
    code = code_of(chunk.plan, folder)
    everyone = np.arange(len(chunk.parameters))
    living = alive(chunk, code) if skip_dead else np.ones(len(everyone), dtype=bool)
    jobs = [(code, block) for block in chunk.blocks(everyone[living])] if living.any() else []
    if not living.all():
        bias_code = code_of(replace(chunk.plan, only_bias=True), folder)
        jobs += [(bias_code, block) for block in chunk.blocks(everyone[~living])]
    snapshots = np.empty((len(checkpoints), *chunk.parameters.shape), dtype=chunk.plan.dtype)

    def work(job: tuple[Code, NDArray[np.intp]]) -> NDArray[np.intp]:
        machine_code, networks = job
        block, done = Block(chunk, networks), 0
        for number, epoch in enumerate(checkpoints):
            block.advance(machine_code, epoch - done)
            snapshots[number, networks], done = block.parameters.T, epoch
        block.advance(machine_code, chunk.plan.training.epochs - done)
        chunk.parameters[networks] = block.parameters.T
        return networks

    started = perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for networks in pool.map(work, jobs):
            progress(len(np.unique(networks)))
    return snapshots, int((~living).sum()), perf_counter() - started
