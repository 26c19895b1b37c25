"""The arrays of a record as one ``xarray.Dataset``."""

from typing import Any

import numpy as np
import xarray as xr

from firstlight.record.record import Array
from firstlight.record.table import Entry, Table


def dataset(arrays: Table[Array]) -> xr.Dataset:
    """Return one variable for each measure; see ``Record.data``."""
    parts = (_variable(arrays, measure) for measure in arrays.measures())
    return xr.merge(parts, join="outer", compat="no_conflicts")


def _variable(arrays: Table[Array], measure: str) -> xr.DataArray:
    """Return all arrays of a measure, stacked along the coordinates in which they differ."""
    entries = list(arrays.select(measure).entries())
    if len(entries) == 1 and not entries[0].coords:
        return _labelled(entries[0].value, measure)
    dims = list(entries[0].coords)
    labels = {d: list(dict.fromkeys(e.coords[d] for e in entries)) for d in dims}
    axes = entries[0].value.axes
    inner = np.max([e.value.values.shape for e in entries], axis=0)
    many = tuple(len(labels[d]) for d in dims)
    ragged = len(entries) < np.prod(many) or any((e.value.values.shape != inner).any() for e in entries)
    kind: Any = float if ragged else entries[0].value.values.dtype
    values = np.full((*many, *inner), np.nan if ragged else 0, dtype=kind)
    for entry in entries:
        where = tuple(labels[d].index(entry.coords[d]) for d in dims)
        values[(*where, *(slice(n) for n in entry.value.values.shape))] = entry.value.values
    longest: Entry[Array] = max(entries, key=lambda e: e.value.values.size)
    inside = {a: list(v) for a, v in longest.value.labels.items()}
    return xr.DataArray(values, dims=(*dims, *axes), coords={**labels, **inside}, name=measure)


def _labelled(array: Array, name: str) -> xr.DataArray:
    labels = {axis: list(labels) for axis, labels in array.labels.items()}
    return xr.DataArray(array.values, dims=array.axes, coords=labels, name=name)
