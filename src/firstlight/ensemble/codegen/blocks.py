"""Train networks in blocks, one network a lane and one block a thread, by one LLVM function.

Per update: the next places of every network's shuffle are drawn and their samples gathered; each
sample goes forward and back through code in which every weight has a name; then the optimizer. No
layer loop, no temporary array: activations stay in registers, weights in the first-level cache.
"""

import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from firstlight.ensemble.codegen.llvm import I32, I64, WIDTH, Code, Variable, Vector, Writer
from firstlight.ensemble.codegen.network import (
    Sample,
    backpropagate,
    forward,
    indices,
    update,
)
from firstlight.ensemble.codegen.plan import Chunk, Plan
from firstlight.ensemble.shuffle import INCREMENT, MULTIPLIER, initial_state
from firstlight.types import Numbers


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


SIDE_BY_SIDE = 2
"""Samples that go through the network together: they share the loads of the weights."""

_FLUSH = 0x8040
"""In x86's MXCSR register: results below the normal range become zero, and so do operands."""


def build(plan: Plan) -> str:
    """Return the LLVM text of a module with the functions ``train`` and ``alive`` of a plan."""
    module = ir.Module("ensemble")
    _train(module, plan)
    _alive(module, plan)
    return str(module)


def _train(module: ir.Module, plan: Plan) -> None:
    function, given = _function(module, plan)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    w = Writer(b, plan.kind)
    restore_rounding = _flush_denormals(b)
    shuffle = _Shuffle(w, given, plan.width)
    gradients = {index: w.variable() for index in plan.trained}
    with (
        w.loop(0, given["epochs"]),
        w.loop(0, given["samples"], given["batch_size"]) as start,
    ):
        left = b.sub(given["samples"], start)
        short = b.icmp_unsigned("<", left, given["batch_size"])
        count = b.select(short, left, given["batch_size"])
        with w.loop(0, count) as row:
            shuffle.gather(b.add(start, row), row)
        _gradients(w, plan, given, gradients, count)
        update(w, plan.training, given, gradients)
    shuffle.finish()
    restore_rounding()
    b.ret_void()


def _gradients(
    w: Writer, plan: Plan, given: dict[str, Any], gradients: dict[int, Variable], count: Any
) -> None:
    """Write the sum of every parameter's gradient over the batch that was gathered."""
    b = w.builder
    rows = b.bitcast(given["batch"], plan.kind.vector.as_pointer())
    terms = b.uitofp(count, plan.kind.scalar)
    if plan.training.loss != "cross-entropy":
        terms = b.fmul(terms, plan.kind.scalar(float(plan.network.widths[-1])))
    share = w.constant(1.0) / w.number(terms)
    for variable in gradients.values():
        variable.set(w.constant(0.0))
    paired = b.and_(count, I64(-SIDE_BY_SIDE))
    for start, stop, together in ((0, paired, SIDE_BY_SIDE), (paired, count, 1)):
        with w.loop(start, stop, together) as row:
            samples = [
                Sample(w, rows, b.mul(b.add(row, I64(k)), I64(plan.width))) for k in range(together)
            ]
            backpropagate(w, plan, given["parameters"], samples, share, gradients)


def _alive(module: ir.Module, plan: Plan) -> None:
    """Write ``alive``: the largest |last hidden activation| of each lane over all its samples."""
    vectors, numbers = plan.kind.vector.as_pointer(), plan.kind.scalar.as_pointer()
    types = [vectors, numbers, I64.as_pointer(), vectors, I64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), "alive")
    parameters, data, offsets, largest, samples = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    w = Writer(b, plan.kind)
    largest_yet = w.variable()
    with w.loop(0, samples) as row:
        inputs = [
            _read_lanes(w, data, offsets, b.add(b.mul(row, I64(plan.width)), I64(i)))
            for i in range(plan.network.widths[0])
        ]
        for unit in forward(w, plan.network, indices(plan.network), parameters, inputs)[-2]:
            size, top = unit.absolute(), largest_yet.get()
            largest_yet.set(top.where(top.compare(">", size), size))
    w.store(largest_yet.get(), largest, 0)
    b.ret_void()


def _function(module: ir.Module, plan: Plan) -> tuple[ir.Function, dict[str, Any]]:
    """Return the function ``train`` without a body, and its arguments by name."""
    vectors, numbers = plan.kind.vector.as_pointer(), plan.kind.scalar.as_pointer()
    types = {
        **dict.fromkeys(("parameters", "first", "second"), vectors),
        "data": numbers,
        "states": I64.as_pointer(),
        "rate": vectors,
        "batch": numbers,
        "powers": ir.DoubleType().as_pointer(),
        **dict.fromkeys(("samples", "batch_size", "epochs"), I64),
    }
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), types.values()), "train")
    for argument, name in zip(function.args, types, strict=True):
        argument.name = name
        if argument.type.is_pointer:
            argument.add_attribute("noalias")
    return function, dict(zip(types, function.args, strict=True))


def _read_lanes(w: Writer, data: Any, offsets: Any, index: Any) -> Vector:
    """Return ``data[offsets[lane] + index]`` in every lane."""
    b, result = w.builder, w.kind.vector(ir.Undefined)
    for lane in range(w.kind.lanes):
        offset = b.load(b.gep(offsets, [I64(lane)]))
        number = b.load(b.gep(data, [b.add(offset, index)]), align=w.kind.size)
        result = b.insert_element(result, number, I32(lane))
    return Vector(w, result)


class _Shuffle:
    """Writes the shuffle of every lane's samples and the gathering of the next one.

    The same as ``firstlight.ensemble.shuffle``: place ``last`` swaps with a random place up to
    ``last``, from the last place down, and the sample that comes to ``last`` is the next to be seen.
    The samples themselves are swapped, not their numbers: half the memory is touched.
    """

    def __init__(self, w: Writer, given: dict[str, Any], width: int) -> None:
        self._w, self._given, self._width = w, given, width
        b, self._wide = w.builder, ir.VectorType(I64, w.kind.lanes)
        self._stored = b.bitcast(given["states"], self._wide.as_pointer())
        self._state = b.alloca(self._wide)
        b.store(b.load(self._stored, align=WIDTH), self._state)

    def finish(self) -> None:
        """Write the generators' states back, for the next call."""
        b = self._w.builder
        b.store(b.load(self._state), self._stored, align=WIDTH)

    def _bits(self) -> Any:
        """Return 32 random bits in every lane (as 64-bit numbers), and move the generators on."""
        w, b, narrow = self._w, self._w.builder, ir.VectorType(I32, self._w.kind.lanes)
        state = b.load(self._state)
        moved = b.add(b.mul(state, w.same(I64, MULTIPLIER)), w.same(I64, INCREMENT))
        b.store(moved, self._state)
        mixed = b.lshr(b.xor(b.lshr(state, w.same(I64, 18)), state), w.same(I64, 27))
        shifted = b.trunc(mixed, narrow)
        turn = b.trunc(b.lshr(state, w.same(I64, 59)), narrow)
        return b.zext(w.call("llvm.fshr", shifted, shifted, turn), self._wide)

    def gather(self, seen: Any, row: Any) -> None:
        """Write: every lane's sample number ``seen`` of this epoch goes to ``row`` of the batch."""
        w, b, given = self._w, self._w.builder, self._given
        lanes, size = w.kind.lanes, w.kind.size
        sample = ir.VectorType(w.kind.scalar, self._width)
        last = b.sub(b.sub(given["samples"], seen), I64(1))
        bound = w.spread(b.add(last, I64(1)))
        place = b.lshr(b.mul(self._bits(), bound), w.same(I64, 32))
        target = b.mul(row, I64(self._width * lanes))
        for lane in range(lanes):
            start = b.mul(given["samples"], I64(lane))
            other = b.add(start, b.extract_element(place, I32(lane)))
            here, there = (
                b.bitcast(b.gep(given["data"], [b.mul(at, I64(self._width))]), sample.as_pointer())
                for at in (b.add(start, last), other)
            )
            mine, chosen = b.load(here, align=size), b.load(there, align=size)
            b.store(mine, there, align=size)
            b.store(chosen, here, align=size)
            for k in range(self._width):
                number = b.extract_element(chosen, I32(k))
                cell = b.add(target, I64(k * lanes + lane))
                b.store(number, b.gep(given["batch"], [cell]), align=size)


def _flush_denormals(builder: ir.IRBuilder) -> Callable[[], None]:
    """Write: from here on denormal numbers are zero; return what writes the old state back.

    Denormal numbers are a hundred times slower than others on x86, and no network needs them; other
    processors have neither the cost nor the register, and nothing is written.

    Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, section 10.2.3.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return lambda: None
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    store, load = (
        ir.Function(builder.module, kind, f"llvm.x86.sse.{name}mxcsr") for name in ("st", "ld")
    )
    old, new = builder.alloca(I32), builder.alloca(I32)
    builder.call(store, [builder.bitcast(old, byte)])
    builder.store(builder.or_(builder.load(old), I32(_FLUSH)), new)
    builder.call(load, [builder.bitcast(new, byte)])

    def restore() -> None:
        builder.call(load, [builder.bitcast(old, byte)])

    return restore
