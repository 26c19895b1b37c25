"""Shuffle and gather in one sweep: the place that a shuffle has just settled is the next sample."""

from typing import Any

from llvmlite import ir

from firstlight.ensemble.shuffle import INCREMENT, MULTIPLIER
from firstlight.ensemble.codegen.vector import I32, I64, Vector, Writer, lanewise, whole


def read_lanes(w: Writer, data: Any, offsets: Any, index: Any) -> Vector:
    """Return ``data[offsets[lane] + index]`` in every lane."""
    b, result = w.builder, ir.Constant(w.kind.vector, ir.Undefined)
    for lane in range(w.kind.lanes):
        offset = b.load(b.gep(offsets, [whole(lane)]))
        number = b.load(b.gep(data, [b.add(offset, index)]), align=w.kind.size)
        result = b.insert_element(result, number, ir.Constant(I32, lane))
    return Vector(w, result)


class Shuffle:
    """Writes the shuffle of every lane's samples and the gathering of the next one.

    The same as ``firstlight.ensemble.shuffle``: place ``last`` swaps with a random place up to
    ``last``, from the last place down, and the sample that comes to ``last`` is the next to be seen.
    The samples themselves are swapped, not their numbers: half the memory is touched.
    """

    def __init__(self, w: Writer, given: dict[str, Any], width: int) -> None:
        self._w, self._given, self._width = w, given, width
        b, lanes = w.builder, w.kind.lanes
        self._wide = ir.VectorType(I64, lanes)
        self._stored = b.bitcast(given["states"], self._wide.as_pointer())
        self._state = b.alloca(self._wide)
        b.store(b.load(self._stored, align=64), self._state)

    def finish(self) -> None:
        """Write the generators' states back, for the next call."""
        b = self._w.builder
        b.store(b.load(self._state), self._stored, align=64)

    def _same(self, number: int) -> Any:
        return ir.Constant(self._wide, [number] * self._w.kind.lanes)

    def _bits(self) -> Any:
        """Return 32 random bits in every lane (as 64-bit numbers), and move the generators on."""
        b, lanes = self._w.builder, self._w.kind.lanes
        narrow = ir.VectorType(I32, lanes)
        state = b.load(self._state)
        moved = b.add(b.mul(state, self._same(MULTIPLIER)), self._same(INCREMENT))
        b.store(moved, self._state)
        mixed = b.lshr(b.xor(b.lshr(state, self._same(18)), state), self._same(27))
        shifted = b.trunc(mixed, narrow)
        turn = b.trunc(b.lshr(state, self._same(59)), narrow)
        return b.zext(lanewise(b, "llvm.fshr", shifted, shifted, turn), self._wide)

    def gather(self, seen: Any, row: Any) -> None:
        """Write: every lane's sample number ``seen`` of this epoch goes to ``row`` of the batch."""
        w, b, given = self._w, self._w.builder, self._given
        lanes, size = w.kind.lanes, w.kind.size
        sample = ir.VectorType(w.kind.scalar, self._width)
        last = b.sub(b.sub(given["samples"], seen), whole(1))
        bound = w.spread(b.add(last, whole(1)))
        place = b.lshr(b.mul(self._bits(), bound), self._same(32))
        target = b.mul(row, whole(self._width * lanes))
        for lane in range(lanes):
            start = b.mul(given["samples"], whole(lane))
            other = b.add(start, b.extract_element(place, ir.Constant(I32, lane)))
            here, there = (
                b.bitcast(
                    b.gep(given["data"], [b.mul(index, whole(self._width))]), sample.as_pointer()
                )
                for index in (b.add(start, last), other)
            )
            mine, chosen = b.load(here, align=size), b.load(there, align=size)
            b.store(mine, there, align=size)
            b.store(chosen, here, align=size)
            for k in range(self._width):
                number = b.extract_element(chosen, ir.Constant(I32, k))
                cell = b.add(target, whole(k * lanes + lane))
                b.store(number, b.gep(given["batch"], [cell]), align=size)
