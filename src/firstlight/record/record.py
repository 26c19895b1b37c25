"""Record: what a run leaves behind, saved as JSON and safetensors, readable without torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as tensors_to_bytes

from firstlight.errors import RecordError
from firstlight.record.arrays import Array, Arrays
from firstlight.record.facts import Fact, Facts, Reference, Verdict
from firstlight.record.files import to_json, write_atomically
from firstlight.record.table import Label, dotted, parted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FORMAT = 2
RECORD_FILE = "record.json"
ARRAYS_FILE = "arrays.safetensors"


@dataclass(frozen=True)
class Record:
    """What one run of a study leaves.

    Args:
        study: the study's name.
        config: the parameters, JSON-ready.
        facts: numbers with their intervals.
        verdicts: question of the assignment (``"1.3"``) → Verdict.
        arrays: numbers with axes.
        provenance: versions, machine, seed, hashes of the data, duration.
        notices: what a reader must know first, e.g. that there were fewer images than asked for.

    Example:
        >>> record = Record("perceptron", {"seed": 0})
        >>> record.facts.put("accuracy", Fact(0.9), criterion="hinge")
        >>> record.facts.value("accuracy", criterion="hinge")
        0.9
    """

    study: str
    config: Mapping[str, Any]
    facts: Facts = field(default_factory=Facts)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=Arrays)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @cached_property
    def data(self) -> "xr.Dataset":
        """The arrays as an ``xarray.Dataset``: ``record.data["test_accuracy"].sel(arm="dropout")``.

        Arrays of one measure that differ in a coordinate are stacked along it; where one is shorter
        than another, the rest is NaN.
        """
        return self.arrays.dataset()

    def to_frame(self) -> "pd.DataFrame":
        """Return every fact as a row of a frame: name, measure, coordinates, value, interval, n."""
        return self.facts.to_frame()

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the numbers of the arrays, JSON-ready."""
        return {
            "format": FORMAT,
            "study": self.study,
            "config": _jsonable(self.config),
            "facts": {
                dotted(e.measure, e.coords): _fact(e.value, e.coords) for e in self.facts.entries()
            },
            "verdicts": {name: _verdict(verdict) for name, verdict in self.verdicts.items()},
            "notices": list(self.notices),
            "arrays": {
                dotted(e.measure, e.coords): _array(e.value, e.coords)
                for e in self.arrays.entries()
            },
            "provenance": _jsonable(self.provenance),
        }


def _fact(fact: Fact, coords: Mapping[str, Label]) -> dict[str, Any]:
    """Return a fact's JSON form: an exact value without coordinates has the key ``value`` alone."""
    parts = {"low": fact.low, "high": fact.high, "n": fact.n, "coords": dict(coords) or None}
    there = {name: _jsonable(part) for name, part in parts.items() if part is not None}
    return {"value": _jsonable(fact.value), **there}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    names = [dotted(r.measure, dict(r.coords)) for r in verdict.evidence]
    decided = {"decision": verdict.decision} if verdict.decision else {}
    return {
        "outcome": verdict.outcome, "headline": verdict.headline, "evidence": names, **decided,
    }  # fmt: skip


def _array(array: Array, coords: Mapping[str, Label]) -> dict[str, Any]:
    return {
        "axes": list(array.axes), "shape": list(array.values.shape),
        "labels": _jsonable(array.labels), "coords": dict(coords),
    }  # fmt: skip


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

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(sorted(path.name for path in save(Record("perceptron", {}), folder).iterdir()))
        ['arrays.safetensors', 'record.json']
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
        got = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise RecordError(
            f"{path}: expected a record of format {FORMAT}, got {got!r}; delete its folder and run "
            "the study again, or read it with the version of firstlight that wrote it"
        )
    return content


def _read_arrays(path: Path, described: Mapping[str, Any]) -> Arrays:
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise RecordError(f"{path}: expected the record's arrays, found no such file") from None
    except SafetensorError as error:
        raise RecordError(f"{path}: expected safetensors, got {error}; run it again") from None
    if set(tensors) != set(described):
        odd = ", ".join(sorted(set(tensors) ^ set(described)))
        raise RecordError(f"{path}: arrays differ from those in {RECORD_FILE}: {odd}; run it again")
    arrays = Arrays()
    for name, about in described.items():
        array = Array(tensors[name], tuple(about["axes"]), about["labels"])
        arrays.put(parted(name, about["coords"]), array, **about["coords"])
    return arrays


def _read_facts(described: Mapping[str, Any]) -> Facts:
    facts = Facts()
    for name, parts in described.items():
        coords = parts.get("coords", {})
        fact = Fact(**{key: part for key, part in parts.items() if key != "coords"})
        facts.put(parted(name, coords), fact, **coords)
    return facts


def _read_verdicts(described: Mapping[str, Any], facts: Facts) -> dict[str, Verdict]:
    known = {dotted(e.measure, e.coords): e for e in facts.entries()}
    return {
        question: Verdict(
            question,
            parts["outcome"],
            parts["headline"],
            [
                Reference(known[n].measure, tuple(known[n].coords.items()))
                for n in parts["evidence"]
            ],
            parts.get("decision", ""),
        )
        for question, parts in described.items()
    }


def load(folder: str | Path) -> Record:
    """Read the record that ``save`` left in ``folder``; raise ``RecordError`` for anything else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load(save(Record("perceptron", {"seed": 3}), folder)).config
        {'seed': 3}
    """
    folder = Path(folder)
    return _read(folder / RECORD_FILE, folder / ARRAYS_FILE)


def load_facts(path: str | Path) -> Record:
    """Read a record's JSON file alone: all but its arrays; raise ``RecordError`` as ``load``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load_facts(save(Record("perceptron", {"seed": 3}), folder) / RECORD_FILE).config
        {'seed': 3}
    """
    return _read(Path(path), None)


def _read(path: Path, arrays: Path | None) -> Record:
    content = _read_json(path)
    try:
        facts = _read_facts(content["facts"])
        return Record(
            study=content["study"],
            config=content["config"],
            facts=facts,
            verdicts=_read_verdicts(content["verdicts"], facts),
            arrays=Arrays() if arrays is None else _read_arrays(arrays, content["arrays"]),
            provenance=content["provenance"],
            notices=tuple(content["notices"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: not a whole record ({error!r}); run it again") from None
