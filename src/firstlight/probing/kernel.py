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
"""So many neighbours are added in the numbers' own precision, before double precision takes over.

Counts up to it are exact in single precision; chunks never span two samples, so that sums do not
hang on how samples are cut into batches.
"""

_FAST = {"reassoc", "contract", "nsz"}
"""Sums may be reordered; not-a-number and infinity stay what they are."""


@register_jitable(fastmath=_FAST)
def _units_inside(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up ``x`` of shape (outer, units, inner): a unit's numbers lie side by side."""
    outer, units, inner = x.shape
    nothing, one = x.dtype.type(0), x.dtype.type(1)
    if low is not None:  # decided when the code is compiled
        lower = x.dtype.type(low)
    if high is not None:
        upper = x.dtype.type(high)
    for o in range(rows[0], outer, rows[1]):
        for u in range(units):
            centre = x.dtype.type(pivot[u])
            for start in range(0, inner, CHUNK):
                chunk = x[o, u, start : start + CHUNK]
                first, second, zero, flat = nothing, nothing, nothing, nothing
                for i in range(chunk.size):
                    value = chunk[i]
                    gap = value - centre
                    first += gap
                    second += gap * gap
                    zero += one if value == nothing else nothing
                    if low is not None:
                        flat += one if (value <= lower) or (value >= upper) else nothing
                    elif high is not None:
                        flat += one if abs(value) >= upper else nothing
                sums[0, u] += first
                sums[1, u] += second
                sums[2, u] += zero
                sums[3, u] += flat


@register_jitable(fastmath=_FAST)
def _units_last(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up ``x`` of shape (outer, units), eight rows to one visit of the running sums."""
    outer, units = x.shape
    begin, step = rows
    tile = 8 * step
    while begin + tile <= outer + step - 1:
        for u in range(units):
            centre = pivot[u]
            first, second, zero, flat = 0.0, 0.0, 0.0, 0.0
            for k in range(8):
                value = np.float64(x[begin + k * step, u])
                gap = value - centre
                first += gap
                second += gap * gap
                zero += 1.0 if value == 0.0 else 0.0
                if low is not None:
                    flat += 1.0 if (value <= low) or (value >= high) else 0.0
                elif high is not None:
                    flat += 1.0 if abs(value) >= high else 0.0
            sums[0, u] += first
            sums[1, u] += second
            sums[2, u] += zero
            sums[3, u] += flat
        begin += tile
    for r in range(begin, outer, step):
        for u in range(units):
            value = np.float64(x[r, u])
            gap = value - pivot[u]
            sums[0, u] += gap
            sums[1, u] += gap * gap
            sums[2, u] += 1.0 if value == 0.0 else 0.0
            if low is not None:
                sums[3, u] += 1.0 if (value <= low) or (value >= high) else 0.0
            elif high is not None:
                sums[3, u] += 1.0 if abs(value) >= high else 0.0


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


ROWS, SEEN, TAKEN, STEP, STRIDE, OUTER, UNITS, INNER, BOUNDED, LOW, HIGH = range(11)
"""Places of a layer's counters in its state; ``LOW`` and ``HIGH`` hold the bits of a float64."""

PIVOT, SUMS, SKETCH = 11, 12, 13
"""Places of the addresses of its arrays: pivot (units,), sums (4, units), sketch (BINS,)."""

PLACES = 14
"""Length of a layer's state, all int64."""


@register_jitable
def _stream(x: Any, state: Any) -> None:
    """Add ``x``, arranged as its state says, to the sums and to the sketch."""
    outer, units, inner = state[OUTER], state[UNITS], state[INNER]
    step, stride = state[STEP], state[STRIDE]
    rows = (-state[ROWS] % step, step)
    pivot = _array(_address(state[PIVOT]), (units,), np.float64)
    sums = _array(_address(state[SUMS]), (4, units), np.float64)
    sketch = _array(_address(state[SKETCH]), (BINS,), np.int64)
    if state[BOUNDED]:
        low, high = state[LOW : HIGH + 1].view(np.float64)
        if low == -high:  # one comparison instead of two
            _sweep(x, pivot, sums, None, high, rows)
        else:
            _sweep(x, pivot, sums, low, high, rows)
    else:
        _sweep(x, pivot, sums, None, None, rows)
    lines, cells = x.reshape(outer, units * inner), units * inner
    place, taken = -state[SEEN] % stride, 0
    for o in range(rows[0], outer, step):
        taken += 1
        while place < cells:
            bits = np.float32(lines[o, place]).view(np.int32)
            sketch[(bits >> SHIFT) & (BINS - 1)] += 1
            place += stride
        place -= cells
    state[ROWS] += outer
    state[SEEN] += taken * cells
    state[TAKEN] += taken * inner


def stream_single(at: int, state_at: int) -> None:
    """Add a batch of float32 numbers to a layer's running sums and to its sketch.

    Addresses are passed, because to make an array of a tensor takes longer than to add up a small
    one, and one state, because each argument more takes its time as well.

    Args:
        at: address of the numbers, C-contiguous, of shape (outer, units, inner) by the state.
        state_at: address of the state: ``PLACES`` int64. Rows before the next that is due are
            left out, and numbers before the next that goes into the sketch.
    """
    state = _array(_address(state_at), (PLACES,), np.int64)
    shape = (state[OUTER], state[UNITS], state[INNER])
    _stream(_array(_address(at), shape, np.float32), state)


def stream_double(at: int, state_at: int) -> None:
    """Do what ``stream_single`` does with float64 numbers."""
    state = _array(_address(state_at), (PLACES,), np.int64)
    shape = (state[OUTER], state[UNITS], state[INNER])
    _stream(_array(_address(at), shape, np.float64), state)


def count_inside(x: Any, counts: Any, bands: Any) -> None:
    """Count each unit's values that lie in any of some closed bands.

    Args:
        x: shape (outer, units, inner), float32 or float64, C-contiguous.
        counts: shape (units,), float64, added to.
        bands: shape (bands, 2), lower and upper ends; the bands do not overlap.
    """
    outer, units, inner = x.shape
    for o in range(outer):
        for u in range(units):
            found = 0.0
            for i in range(inner):
                value = np.float64(x[o, u, i])
                for b in range(len(bands)):
                    found += 1.0 if (value >= bands[b, 0]) and (value <= bands[b, 1]) else 0.0
            counts[u] += found


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
