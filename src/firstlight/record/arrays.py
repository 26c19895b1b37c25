"""Arrays with named axes and labels, and all of a record's as one ``xarray.Dataset``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.record.table import Label, Table

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Array:
    """Numbers with named axes and, along them, labels.

    Args:
        values: the numbers, any shape.
        axes: one name for each axis, e.g. ``("seed", "epoch")``.
        labels: axis → one label for each place along it; an axis without labels is counted.

    Raises:
        ValueError: names or labels do not fit the shape.

    Example:
        >>> Array(np.zeros((2, 3)), ("seed", "arm"), {"arm": ["a", "b", "c"]}).axes
        ('seed', 'arm')
    """

    values: np.ndarray
    axes: tuple[str, ...]
    labels: Mapping[str, Sequence[Label]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.axes) != self.values.ndim:
            raise ValueError(f"axes: expected {self.values.ndim} names, got {self.axes}")
        for axis, labels in self.labels.items():
            if axis not in self.axes or len(labels) != self.values.shape[self.axes.index(axis)]:
                raise ValueError(
                    f"labels: expected one for each place along an axis of {self.axes} and "
                    f"{self.values.shape}, got {len(labels)} along {axis!r}"
                )


class Arrays(Table[Array]):
    """The arrays of a record, by measure and the coordinates that they have as a whole.

    Example:
        >>> arrays = Arrays()
        >>> arrays.put("rate", Array(np.array([1.0, 2.0]), ("step",)), policy="fixed")
        >>> arrays.put("rate", Array(np.array([3.0]), ("step",)), policy="cyclical")
        >>> arrays.dataset()["rate"].sel(policy="cyclical").values.tolist()
        [3.0, nan]
    """

    def dataset(self) -> "xr.Dataset":
        """Return one variable for each measure; see ``Record.data``."""
        import xarray as xr

        parts = (self._variable(measure) for measure in self.measures())
        return xr.merge(parts, join="outer", compat="no_conflicts")

    def _variable(self, measure: str) -> "xr.DataArray":
        """Return all arrays of a measure, stacked along the coordinates in which they differ."""
        import xarray as xr

        entries = list(self.select(measure).entries())
        longest = max((entry.value for entry in entries), key=lambda array: array.values.size)
        labels = {d: self.labels(measure, d) for d in entries[0].coords}
        shape = tuple(len(found) for found in labels.values())
        inner = np.max([entry.value.values.shape for entry in entries], axis=0).astype(int)
        same = all(entry.value.values.shape == tuple(inner) for entry in entries)
        whole = same and len(entries) == np.prod(shape)
        values = np.full((*shape, *inner), np.nan if not whole else 0, dtype=float)
        values = values.astype(longest.values.dtype) if whole else values
        for entry in entries:
            place: list[Any] = [labels[d].index(entry.coords[d]) for d in labels]
            place += [slice(n) for n in entry.value.values.shape]
            values[tuple(place)] = entry.value.values
        inside = {axis: list(found) for axis, found in longest.labels.items()}
        dims = (*labels, *longest.axes)
        return xr.DataArray(values, dims=dims, coords={**labels, **inside}, name=measure)
