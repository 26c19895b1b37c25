"""Record: what a run leaves behind, saved as JSON and safetensors, readable without torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as tensors_to_bytes

from firstlight.errors import RecordError
from firstlight.files import to_json, write_atomically

FORMAT = 1
RECORD_FILE = "record.json"
ARRAYS_FILE = "arrays.safetensors"

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Fact:
    """One answer: a value and, where it is an estimate, its 95 % interval and sample size.

    Args:
        value: a number, text, truth value, or None where it cannot be told.
        low: lower end of the 95 % interval, in the value's unit.
        high: upper end.
        n: number of independent observations behind the estimate.
    """

    value: Value
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; an exact value has the key ``value`` alone."""
        out: dict[str, Any] = {"value": _jsonable(self.value)}
        for name in ("low", "high", "n"):
            if getattr(self, name) is not None:
                out[name] = _jsonable(getattr(self, name))
        return out


@dataclass(frozen=True)
class Array:
    """Numbers with named axes.

    Args:
        values: the numbers, any shape.
        axes: one name for each axis, e.g. ``("seed", "epoch")``.
    """

    values: np.ndarray
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.axes) != self.values.ndim:
            raise ValueError(f"axes: expected {self.values.ndim} names, got {self.axes}")


@dataclass(frozen=True)
class Record:
    """What one run of a study leaves.

    Args:
        study: the study's name.
        config: the parameters, JSON-ready.
        facts: name → Fact.
        verdicts: question of the assignment (``"1.3"``) → text computed from the facts.
        arrays: name → Array.
        provenance: versions, machine, seed, hashes of the data, duration.
        notices: what a reader must know first, e.g. that stand-in data were used.
    """

    study: str
    config: Mapping[str, Any]
    facts: Mapping[str, Fact]
    verdicts: Mapping[str, str]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """Return a fact's value as a float."""
        value = self.facts[name].value
        if isinstance(value, str) or value is None:
            raise TypeError(f"fact {name!r}: expected a number, got {value!r}")
        return float(value)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the numbers of the arrays, JSON-ready."""
        return {
            "format": FORMAT,
            "study": self.study,
            "config": _jsonable(self.config),
            "facts": {name: fact.as_dict() for name, fact in self.facts.items()},
            "verdicts": dict(self.verdicts),
            "notices": list(self.notices),
            "arrays": {
                name: {"axes": list(a.axes), "shape": list(a.values.shape)}
                for name, a in self.arrays.items()
            },
            "provenance": _jsonable(self.provenance),
        }


def _jsonable(value: Any) -> Any:
    """Return ``value`` in JSON's own types; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def save(record: Record, folder: str | Path) -> Path:
    """Write ``record.json`` and ``arrays.safetensors`` into ``folder`` and return the folder.

    The JSON is written last: where it stands, the record is whole.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(a.values) for name, a in record.arrays.items()}
    write_atomically(folder / ARRAYS_FILE, tensors_to_bytes(arrays))
    write_atomically(folder / RECORD_FILE, to_json(record.as_dict()).encode())
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(
            f"{path}: expected a record, found no such file; run the study first"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path}: expected JSON, got something else ({error}); run it again"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise RecordError(
            f"{path}: expected a record of format {FORMAT}, got {found!r}; run it again"
        )
    return content


def _read_arrays(path: Path, described: Mapping[str, Any]) -> dict[str, Array]:
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise RecordError(f"{path}: expected the record's arrays, found no such file") from None
    except SafetensorError as error:
        raise RecordError(f"{path}: expected safetensors, got {error}; run it again") from None
    if set(tensors) != set(described):
        odd = ", ".join(sorted(set(tensors) ^ set(described)))
        raise RecordError(f"{path}: arrays differ from those in {RECORD_FILE}: {odd}; run it again")
    return {name: Array(tensors[name], tuple(described[name]["axes"])) for name in described}


def load(folder: str | Path) -> Record:
    """Read the record that ``save`` left in ``folder``; raise ``RecordError`` for anything else."""
    folder = Path(folder)
    content = _read_json(folder / RECORD_FILE)
    try:
        return Record(
            study=content["study"],
            config=content["config"],
            facts={name: Fact(**fact) for name, fact in content["facts"].items()},
            verdicts=content["verdicts"],
            arrays=_read_arrays(folder / ARRAYS_FILE, content["arrays"]),
            provenance=content["provenance"],
            notices=tuple(content["notices"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(
            f"{folder / RECORD_FILE}: not a whole record ({error!r}); run it again"
        ) from None
