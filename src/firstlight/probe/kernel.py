"""One pass over a tensor's numbers: what the probe adds up for each unit, in machine code."""

from typing import Any

import numba
import numpy as np

BINS = 2**13
"""Bins of the sketch: sign, exponent and the first four bits of the fraction of a float32."""

SHIFT = 19
"""Bits of a float32's fraction that the sketch leaves out."""

CHUNK = 512
"""So many neighbours are added in the numbers' own precision, before double precision takes over.

Counts up to it are exact in single precision; chunks never span two samples, so that sums do not
hang on how samples are cut into batches.
"""

_FAST = {"reassoc", "contract", "nsz"}
"""Sums may be reordered; not-a-number and infinity stay what they are."""


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _units_inside(x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any) -> None:
    """Add up ``x`` of shape (outer, units, inner): a unit's numbers lie side by side."""
    outer, units, inner = x.shape
    nothing, one = x.dtype.type(0), x.dtype.type(1)
    if low is not None:
        lower, upper = x.dtype.type(low), x.dtype.type(high)
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
                    if low is not None:  # decided when the code is compiled
                        flat += one if (value <= lower) or (value >= upper) else nothing
                sums[0, u] += first
                sums[1, u] += second
                sums[2, u] += zero
                sums[3, u] += flat


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
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


@numba.njit(cache=True, nogil=True)
def stream(
    x: Any, pivot: Any, sums: Any, low: Any, high: Any, rows: Any, sketch: Any, places: Any
) -> None:
    """Add a batch to a layer's running sums and to its sketch.

    Args:
        x: shape (outer, units, inner), float32 or float64, C-contiguous.
        pivot: shape (units,), float64; the sums are about it.
        sums: shape (4, units), float64: Σ(x − pivot), Σ(x − pivot)², zeros, values outside
            (low, high).
        low: values at or below it are counted as saturated; None to count none.
        high: values at or above it are counted as saturated.
        rows: first row (on the outer axis) to be added, and the step from there.
        sketch: shape (BINS,), int64.
        places: of the numbers in these rows, the first that goes into the sketch, and the step.
    """
    outer, units, inner = x.shape
    if inner == 1:
        _units_last(x.reshape(outer, units), pivot, sums, low, high, rows)
    else:
        _units_inside(x, pivot, sums, low, high, rows)
    lines = x.reshape(outer, units * inner)
    place, stride = places
    for o in range(rows[0], outer, rows[1]):
        while place < units * inner:
            bits = np.float32(lines[o, place]).view(np.int32)
            sketch[(bits >> SHIFT) & (BINS - 1)] += 1
            place += stride
        place -= units * inner


@numba.njit(cache=True, nogil=True)
def count_inside(x: Any, counts: Any, bands: Any) -> None:
    """Count each unit's values that lie in any of some closed bands.

    Args:
        x: shape (outer, units, inner), float32 or float64.
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


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def square_sum(x: Any) -> float:
    """Return the sum of squares of a vector, in double precision."""
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        total += value * value
    return total
