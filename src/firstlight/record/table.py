"""What is found by a measure and its coordinates, never by a name that is put together by hand."""

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

Label = str | int | float
"""A coordinate's value: ``"dropout"`` along ``arm``, ``3`` along ``layer``."""


class Entry(NamedTuple, Generic[T]):
    """One row of a table: what was measured, where, and what was found."""

    measure: str
    coords: dict[str, Label]
    value: T


def dotted(measure: str, coords: dict[str, Label]) -> str:
    """Return the name on disk: the measure and its coordinates' values, joined by dots."""
    return ".".join([measure, *(str(value) for value in coords.values())])


class Table(Generic[T]):
    """Values by measure and named coordinates, in the order in which they were put.

    Iterating yields the names on disk, such as ``test_accuracy.dropout``; ``table[name]`` takes one.

    Example:
        >>> table = Table[float]()
        >>> table.put("accuracy", 0.9, arm="dropout", layer=1)
        >>> table.get("accuracy", layer=1, arm="dropout")
        0.9
        >>> list(table)
        ['accuracy.dropout.1']
    """

    def __init__(self, entries: Iterable[Entry[T]] = ()) -> None:
        self._entries: dict[str, Entry[T]] = {}
        self._places: dict[tuple[str, frozenset[tuple[str, Label]]], Entry[T]] = {}
        for entry in entries:
            self.put(entry.measure, entry.value, **entry.coords)

    def put(self, measure: str, value: T, /, **coords: Label) -> None:
        """Add a value; the order of ``coords`` is that of its name on disk.

        Raises:
            ValueError: there is a value at this place already.
        """
        entry = Entry(measure, coords, value)
        name = dotted(measure, coords)
        if name in self._entries:
            raise ValueError(f"{name}: expected one value for each place, got a second one")
        self._entries[name] = entry
        self._places[measure, frozenset(coords.items())] = entry

    def update(self, other: "Table[T]", /, **coords: Label) -> None:
        """Add all of another table, ``coords`` put before its own coordinates."""
        for entry in other.entries():
            self.put(entry.measure, entry.value, **coords, **entry.coords)

    def find(self, measure: str, /, **coords: Label) -> T | None:
        """Return the value at these coordinates, or None where there is none."""
        entry = self._places.get((measure, frozenset(coords.items())))
        return None if entry is None else entry.value

    def get(self, measure: str, /, **coords: Label) -> T:
        """Return the value at these coordinates.

        Raises:
            KeyError: there is none; the message names those that there are of this measure.
        """
        entry = self._places.get((measure, frozenset(coords.items())))
        if entry is None:
            there = [e.coords for e in self._entries.values() if e.measure == measure]
            known = f"it has {there[:5]}" if there else "there is no such measure"
            raise KeyError(f"{measure}: expected a value at {coords}, got none; {known}")
        return entry.value

    def has(self, measure: str, /, **coords: Label) -> bool:
        """Return whether some value of this measure has all of these coordinates."""
        return any(True for _ in self._matching(measure, coords))

    def select(self, measure: str, /, **coords: Label) -> "Table[T]":
        """Return the values of a measure that have all of these coordinates."""
        return type(self)(self._matching(measure, coords))

    def labels(self, measure: str, dim: str, /, **coords: Label) -> list[Label]:
        """Return the different values of one coordinate, in order."""
        found = (e.coords[dim] for e in self._matching(measure, coords) if dim in e.coords)
        return list(dict.fromkeys(found))

    def _matching(self, measure: str, coords: dict[str, Label]) -> Iterator[Entry[T]]:
        for entry in self._entries.values():
            if entry.measure == measure and coords.items() <= entry.coords.items():
                yield entry

    def measures(self) -> list[str]:
        """Return every measure, in order."""
        return list(dict.fromkeys(entry.measure for entry in self._entries.values()))

    def entries(self) -> Iterator[Entry[T]]:
        """Yield every row."""
        yield from self._entries.values()

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield every name on disk with its value."""
        for name, entry in self._entries.items():
            yield name, entry.value

    def __getitem__(self, name: str) -> T:
        return self._entries[name].value

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and list(self.entries()) == list(other.entries())

    __hash__ = None  # type: ignore[assignment]  # it can be changed


def parted(name: str, coords: dict[str, Label]) -> str:
    """Return the measure of a name on disk, the inverse of ``dotted``.

    Raises:
        ValueError: the name does not end with the coordinates' values.
    """
    end = dotted("", coords)
    if coords and not name.endswith(end):
        raise ValueError(f"{name}: expected a name that ends with {end}")
    return name.removesuffix(end) if coords else name
