"""What lies in a run folder: the claim that says whose it is, and each finished trial."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as tensors_to_bytes

from firstlight.errors import FolderError
from firstlight.record.files import to_json, write_atomically
from firstlight.record.table import Entry, Table, dotted

Scalar = float | int | str

CLAIM_FILE = "run.json"


@dataclass(frozen=True)
class TrialResult:
    """What one trial leaves.

    Args:
        facts: scalars by measure and coordinates.
        arrays: arrays by measure and coordinates.
        seconds: how long it took; the runner fills it in.
    """

    facts: Table[Scalar] = field(default_factory=Table)
    arrays: Table[np.ndarray] = field(default_factory=Table)
    seconds: float = 0.0


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return ``name: old → new`` for every value in which two nested mappings differ."""
    found = []
    for name in sorted({*old, *new}):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}: {json.dumps(a)} there, {json.dumps(b)} here")
    return found


def claim(folder: Path, identity: Mapping[str, Any]) -> None:
    """Mark ``folder`` as the place of this run, or raise ``FolderError`` if it is another's.

    Args:
        folder: made if it does not exist.
        identity: JSON-ready; everything that the answer depends on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CLAIM_FILE
    if not path.exists():
        write_atomically(path, to_json(identity).encode())
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise FolderError(
            f"{path}: expected the description of a run, got something else; delete it"
        )
    odd = _differences(found, json.loads(to_json(identity)))
    if odd:
        what = f"holds another run ({'; '.join(odd)})"
        raise FolderError(f"{folder}: {what}; choose another --out or delete that folder")


def identity(spec: Any, data: str | None, device: str) -> dict[str, Any]:
    """Return what a trial is: its spec, the data and the device, JSON-ready.

    Args:
        spec: a dataclass; a config in it counts with all its values.
        data: the fingerprint of the data set.
        device: torch's name of the device.
    """
    return {**_plain(spec), "data": data, "device": device}


def _plain(value: Any) -> Any:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return list(value) if isinstance(value, tuple) else value


def write_trial(path: Path, identity: Mapping[str, Any], result: TrialResult) -> None:
    """Store a finished trial: under a temporary name first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in result.arrays.items()}
    about = {
        "spec": json.dumps(identity, sort_keys=True),
        "facts": json.dumps([[*entry] for entry in result.facts.entries()]),
        "arrays": json.dumps([[entry.measure, entry.coords] for entry in result.arrays.entries()]),
        "seconds": json.dumps(result.seconds),
    }
    write_atomically(path, tensors_to_bytes(arrays, metadata=about))


def read_trial(path: Path, identity: Mapping[str, Any]) -> TrialResult | None:
    """Return the trial that lies at ``path``, or None where there is none yet.

    Raises:
        FolderError: the file is no whole trial, or another one.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            about = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
        result = TrialResult(
            Table(Entry(*entry) for entry in about["facts"]),
            Table(Entry(m, coords, arrays[dotted(m, coords)]) for m, coords in about["arrays"]),
            about["seconds"],
        )
        odd = _differences(about["spec"], json.loads(json.dumps(identity)))
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FolderError(
            f"{path}: not a whole trial ({error}); delete it to run it again"
        ) from None
    if odd:
        raise FolderError(f"{path}: is another trial ({'; '.join(odd)}); choose another --out")
    return result
