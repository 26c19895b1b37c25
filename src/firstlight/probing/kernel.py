"""One pass over a tensor's numbers: what the probe adds up for each unit, in machine code."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

BINS = 2**13
"""Bins of the sketch: sign, exponent and the first four bits of the fraction of a float32."""

SHIFT = 19
"""Bits of a float32's fraction that the sketch leaves out."""

CHUNK = 1024
"""Neighbors added in the numbers' own precision before double precision takes over.

Counts up to it are exact in single precision. Chunks never span two samples, so that sums do not
depend on how samples are cut into batches.
"""

_FAST = {"reassoc", "contract", "nsz"}
"""Sums may be reordered; not-a-number and infinity stay what they are."""


@register_jitable
def _outside(value: Any, low: Any, high: Any) -> Any:
    """Say whether a value is saturated; which bounds are None is decided when the code is compiled."""
    if low is not None:
        return (value <= low) or (value >= high)
    if high is not None:
        return abs(value) >= high
    return False


@register_jitable(fastmath=_FAST)
def _units_inside(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up ``x`` of shape (outer, units, inner): a unit's numbers lie side by side."""
    outer, units, inner = x.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    lower = None if low is None else x.dtype.type(low)
    upper = None if high is None else x.dtype.type(high)
    for o in range(rows[0], outer, rows[1]):
        for u in range(units):
            center = x.dtype.type(pivot[u])
            for start in range(0, inner, CHUNK):
                chunk = x[o, u, start : start + CHUNK]
                first, second, zeros, saturated = zero, zero, zero, zero
                for i in range(chunk.size):
                    value = chunk[i]
                    gap = value - center
                    first += gap
                    second += gap * gap
                    zeros += one if value == zero else zero
                    saturated += one if _outside(value, lower, upper) else zero
                sums[0, u] += first
                sums[1, u] += second
                sums[2, u] += zeros
                sums[3, u] += saturated


@register_jitable(fastmath=_FAST)
def _units_last(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up ``x`` of shape (outer, units), eight rows to one visit of the running sums."""
    outer, units = x.shape
    begin, step = rows
    tile = 8 * step
    while begin + tile <= outer + step - 1:
        for u in range(units):
            center = pivot[u]
            first, second, zeros, saturated = 0.0, 0.0, 0.0, 0.0
            for k in range(8):
                value = np.float64(x[begin + k * step, u])
                gap = value - center
                first += gap
                second += gap * gap
                zeros += 1.0 if value == 0.0 else 0.0
                saturated += 1.0 if _outside(value, low, high) else 0.0
            sums[0, u] += first
            sums[1, u] += second
            sums[2, u] += zeros
            sums[3, u] += saturated
        begin += tile
    for r in range(begin, outer, step):
        for u in range(units):
            value = np.float64(x[r, u])
            gap = value - pivot[u]
            sums[0, u] += gap
            sums[1, u] += gap * gap
            sums[2, u] += 1.0 if value == 0.0 else 0.0
            sums[3, u] += 1.0 if _outside(value, low, high) else 0.0


@register_jitable(fastmath=_FAST)
def _sweep(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up the rows of ``x`` that are due: (outer, units, inner), from ``rows[0]``, each ``rows[1]``-th."""
    if x.shape[2] == 1:
        _units_last(x.reshape(x.shape[0], x.shape[1]), pivot, sums, low, high, rows)
    else:
        _units_inside(x, pivot, sums, low, high, rows)


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """Turn an address into a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return numba.types.voidptr(numba.types.intp), code


# Numba's types do not know what these two become in compiled code.
_address: Any = _pointer
_array: Any = numba.carray  # type: ignore[attr-defined]


STATE = np.dtype(
    [
        *((name, np.int64) for name in ("rows", "seen", "n", "step", "stride")),
        *((name, np.int64) for name in ("outer", "units", "inner", "pivot", "sums", "sketch")),
        *((name, np.float64) for name in ("low", "high")),
        ("bounded", np.bool_),
    ],
    align=True,
)
"""What the compiled code knows of a layer.

Counted over all batches: ``rows``, numbers ``seen`` by the sketch's stride, and ``n``, numbers a
unit. Of rows every ``step``-th is taken, of numbers the sketch takes every ``stride``-th. The shape
of the next batch: ``outer``, ``units``, ``inner``. Addresses of arrays: ``pivot`` (units,), ``sums``
(4, units), ``sketch`` (BINS,). Numbers outside ``low`` to ``high`` are saturated, if ``bounded``.
"""


@register_jitable
def _stream(at: Any, kind: Any, state_at: Any) -> None:
    """Add the numbers at an address, arranged as the state says, to the sums and to the sketch."""
    state = _array(_address(state_at), (1,), STATE)[0]
    outer, units, inner = state.outer, state.units, state.inner
    x = _array(_address(at), (outer, units, inner), kind)
    step, stride = state.step, state.stride
    rows = (-state.rows % step, step)
    pivot = _array(_address(state.pivot), (units,), np.float64)
    sums = _array(_address(state.sums), (4, units), np.float64)
    sketch = _array(_address(state.sketch), (BINS,), np.int64)
    if not state.bounded:
        _sweep(x, pivot, sums, None, None, rows)
    elif state.low == -state.high:  # one comparison instead of two
        _sweep(x, pivot, sums, None, state.high, rows)
    else:
        _sweep(x, pivot, sums, state.low, state.high, rows)
    lines, cells = x.reshape(outer, units * inner), units * inner
    place, taken = -state.seen % stride, 0
    for o in range(rows[0], outer, step):
        taken += 1
        while place < cells:
            bits = np.float32(lines[o, place]).view(np.int32)
            sketch[(bits >> SHIFT) & (BINS - 1)] += 1
            place += stride
        place -= cells
    state.rows += outer
    state.seen += taken * cells
    state.n += taken * inner


def stream_single(at: int, state_at: int) -> None:
    """Add a batch of float32 numbers to a layer's running sums and to its sketch.

    Addresses are passed, because to make an array of a tensor takes longer than to add up a small
    one, and one state, because each argument more takes its time as well.

    Args:
        at: address of the numbers, C-contiguous, of shape (outer, units, inner) by the state.
        state_at: address of a ``STATE``. Rows before the next that is due are left out, and numbers
            before the next that goes into the sketch.
    """
    _stream(at, np.float32, state_at)


def stream_double(at: int, state_at: int) -> None:
    """Do what ``stream_single`` does with float64 numbers."""
    _stream(at, np.float64, state_at)


def count_inside(x: Any, counts: Any, bands: Any) -> None:
    """Add to ``counts`` each unit's values of ``x`` (outer, units, inner) in closed, disjoint ``bands``."""
    outer, units, inner = x.shape
    for o in range(outer):
        for u in range(units):
            inside = 0.0
            for i in range(inner):
                value = np.float64(x[o, u, i])
                for b in range(len(bands)):
                    inside += 1.0 if (value >= bands[b, 0]) and (value <= bands[b, 1]) else 0.0
            counts[u] += inside


@register_jitable(fastmath=_FAST)
def _squares(x: Any) -> float:
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        total += value * value
    return total


def square_sum(at: int, size: int) -> float:
    """Return the sum of squares, in double precision, of float32 numbers in memory from ``at``."""
    return _squares(_array(_address(at), (size,), np.float32))


_WHOLE, _REAL = types.int64, types.float64
_SIGNATURES: dict[Callable[..., Any], Any] = {
    stream_single: types.void(_WHOLE, _WHOLE),
    stream_double: types.void(_WHOLE, _WHOLE),
    square_sum: _REAL(_WHOLE, _WHOLE),
    count_inside: [
        types.void(kind[:, :, ::1], _REAL[::1], _REAL[:, ::1]) for kind in (types.float32, _REAL)
    ],
}


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """Return one of the functions above as machine code, from the cache on disk if that can be used."""
    signature = _SIGNATURES[function]
    try:
        return numba.njit(signature, nogil=True, cache=True)(function)
    except Exception:  # a read-only home, a full disk, a damaged cache: none must stop a run
        return numba.njit(signature, nogil=True)(function)
