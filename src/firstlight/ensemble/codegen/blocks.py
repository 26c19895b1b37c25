"""Train networks in blocks of one vector's width, one block a thread, in machine code."""

import contextlib
import ctypes
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from firstlight.ensemble.codegen.network import sign_known
from firstlight.ensemble.codegen.plan import Chunk, Plan
from firstlight.ensemble.codegen.program import build
from firstlight.ensemble.shuffle import initial_state
from firstlight.record.files import write_atomically
from firstlight.types import Numbers

LARGEST = 600
"""Parameters of the largest network for which code is written out, weight by weight."""
VERSION = 1  # of the cached code; to be raised when the calling convention changes


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _attributes(text: str) -> str:
    """Return the module with every function allowed to use the widest registers.

    LLVM avoids 64-byte registers by default, because some processors lower their clock for them;
    here nearly every instruction uses them, so the program gains.
    """
    text = re.sub(r'^(define void @"\w+"\([^)]*\))', r"\1 #0", text, flags=re.MULTILINE)
    return f'{text}\nattributes #0 = {{ nounwind alignstack=64 "stackrealign" "prefer-vector-width"="512" }}\n'


class Code:
    """Compiled functions, alive as long as this object.

    Args:
        text: LLVM's text of a module.
        folder: where compiled code is kept between runs; a folder that cannot be written is no
            error, the code is then compiled in each run.
    """

    def __init__(self, text: str, folder: Path | None = None) -> None:
        _initialize()
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        # MCJIT takes ownership of the machine it is given, so each module has a new one.
        target = llvm.Target.from_triple(llvm.get_process_triple())
        machine = target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)
        text = _attributes(text)
        key = (text, llvmlite.__version__, cpu, VERSION, features)
        name = hashlib.sha256(repr(key).encode()).hexdigest()
        self._path = None if folder is None else folder / f"{name}.o"
        module = llvm.parse_assembly(text)
        module.verify()
        stored = self._stored()
        self.cached = stored is not None
        if stored is None:
            options = llvm.create_pipeline_tuning_options(speed_level=3)
            passes = llvm.create_pass_builder(machine, options)
            passes.getModulePassManager().run(module, passes)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.set_object_cache(self._keep, lambda _module: stored)
        self._engine.finalize_object()

    def _stored(self) -> bytes | None:
        """Return the code that is kept, if it is whole."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                raw = self._path.read_bytes()
                if hashlib.sha256(raw[32:]).digest() == raw[:32]:
                    return raw[32:]
        return None

    def _keep(self, _module: Any, content: bytes) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, hashlib.sha256(content).digest() + content)

    def function(self, name: str, arguments: int) -> Any:
        """Return a function of that many 64-bit arguments; calling it releases Python's lock."""
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))


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


def grouped(networks: NDArray[np.intp], lanes: int) -> list[NDArray[np.intp]]:
    """Return the networks in groups of one vector; the last group repeats its last network."""
    padding = np.repeat(networks[-1:], -len(networks) % lanes)
    return list(np.append(networks, padding).reshape(-1, lanes))


class Block:
    """The state of one block of networks between calls of its code."""

    def __init__(self, chunk: Chunk, networks: NDArray[np.intp]) -> None:
        plan, lanes = chunk.plan, chunk.plan.kind.lanes
        size, batch_size = plan.network.parameters, min(plan.training.batch_size, chunk.count)
        numbers = partial(aligned, dtype=plan.dtype)
        self.parameters = numbers(size, lanes)
        self.parameters[:] = chunk.parameters[networks].T
        moments = (numbers(size, lanes), numbers(size, lanes))
        data = numbers(lanes, chunk.count, plan.width)
        data[:] = chunk.samples[networks if len(chunk.samples) > 1 else [0]]
        states = aligned(lanes, dtype=np.uint64)
        states[:] = initial_state(chunk.seeds[networks])
        rate, batch = numbers(lanes), numbers(batch_size, plan.width, lanes)
        rate[:] = chunk.rates[networks]
        powers = aligned(2, dtype=np.float64)
        powers[:] = 1.0
        self._arrays = (self.parameters, *moments, data, states, rate, batch, powers)
        self._counts = (chunk.count, batch_size)

    def advance(self, code: Code, epochs: int) -> None:
        """Train all networks of the block for some more epochs."""
        values = (*(array.ctypes.data for array in self._arrays), *self._counts, epochs)
        code.function("train", len(values))(*values)


def alive(chunk: Chunk, code: Code) -> NDArray[np.bool_]:
    """Return which networks have a last hidden unit that is not zero on some sample.

    Where none has, the output is its bias alone, and only that bias has a gradient: the network is
    born dead.
    """
    plan, lanes = chunk.plan, chunk.plan.kind.lanes
    living = np.zeros(len(chunk.parameters), dtype=bool)
    parameters = aligned(plan.network.parameters, lanes, dtype=plan.dtype)
    largest, offsets = aligned(lanes, dtype=plan.dtype), aligned(lanes, dtype=np.int64)
    arrays = (parameters, chunk.samples, offsets, largest)
    for networks in grouped(np.arange(len(living)), lanes):
        parameters[:] = chunk.parameters[networks].T
        offsets[:] = networks * (0 if len(chunk.samples) == 1 else chunk.samples[0].size)
        code.function("alive", 5)(*(array.ctypes.data for array in arrays), chunk.count)
        # NaN counts as alive: such a network must not be taken for a quiet one.
        living[networks] = ~(largest == 0)
    return living


def train(
    chunk: Chunk,
    finished: Callable[[int], None],
    *,
    threads: int,
    skip_dead: bool,
    folder: Path | None,
) -> tuple[int, float]:
    """Train a chunk in place and fill its snapshots.

    Args:
        chunk: the networks; their parameters are the trained ones afterwards.
        finished: called with the number of networks in each finished block.
        threads: blocks that are trained at the same time.
        skip_dead: train only the output's biases of networks that are born dead.
        folder: where compiled code is kept.

    Returns:
        How many networks were born dead; seconds of training.
    """
    code, lanes = code_of(chunk.plan, folder), chunk.plan.kind.lanes
    living = alive(chunk, code) if skip_dead else np.ones(len(chunk.parameters), dtype=bool)
    jobs = [(code, block) for block in grouped(np.flatnonzero(living), lanes)]
    if not living.all():
        bias_code = code_of(replace(chunk.plan, only_bias=True), folder)
        jobs += [(bias_code, block) for block in grouped(np.flatnonzero(~living), lanes)]

    def work(job: tuple[Code, NDArray[np.intp]]) -> int:
        machine_code, networks = job
        block, done = Block(chunk, networks), 0
        for number, epoch in enumerate(chunk.checkpoints):
            block.advance(machine_code, epoch - done)
            chunk.snapshots[number, networks], done = block.parameters.T, epoch
        block.advance(machine_code, chunk.plan.training.epochs - done)
        chunk.parameters[networks] = block.parameters.T
        return len(np.unique(networks))

    started = perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for networks in pool.map(work, jobs):
            finished(networks)
    return int((~living).sum()), perf_counter() - started
