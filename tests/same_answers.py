"""Compare the facts and arrays of a lab's folder with those of another, or with reference hashes.

    python tests/same_answers.py FOLDER                       # with tests/same_answers.json
    python tests/same_answers.py FOLDER --with OTHER_FOLDER   # with another folder, name by name
    python tests/same_answers.py --write NAME=FOLDER …        # make the reference hashes

The same seed gives the same bits on the same processor with the same libraries only, so the
reference says what it was made on; elsewhere, compare with a folder made by the former version.
Records of formats 1 and 2 are read. What differs from run to run, or was put right on purpose, is in
``LEFT_OUT``.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

REFERENCE = Path(__file__).with_suffix(".json")
LEFT_OUT = (
    r"fact network_steps_per_second",  # speeds
    r"fact images_per_second",
    r"array (gamma|beta)_(input|conv1|conv2|fc1|fc2)",  # the same numbers stood there twice
)


def machine() -> dict[str, str]:
    """Return what bits depend on: the processor's abilities and the libraries."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    able = hashlib.sha256((flags.group(1) if flags else "").encode()).hexdigest()[:12]
    return {"processor": able} | {n: version(n) for n in ("torch", "numpy", "numba", "scipy")}


def content(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield a name and a hash for every fact and array of a record."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    for name, fact in record["facts"].items():
        values = [fact.get(key) for key in ("value", "low", "high", "n")]
        yield f"fact {name.replace('.', '_')}", _hash(json.dumps(values).encode())
    for name, array in load_file(folder / "arrays.safetensors").items():
        about = f"{array.dtype} {array.shape}".encode()
        yield f"array {name.replace('.', '_')}", _hash(about, np.ascontiguousarray(array).tobytes())


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:12]


def hashes(folder: Path) -> dict[str, dict[str, str]]:
    """Return study → name → hash, without what is left out."""
    return {
        place.parent.name: {
            name: found
            for name, found in sorted(content(place.parent))
            if not any(re.fullmatch(pattern, name) for pattern in LEFT_OUT)
        }
        for place in sorted(folder.glob("*/record.json"))
    }


def groups(names: dict[str, str]) -> dict[str, str]:
    """Return one hash for all facts, or arrays, whose names begin with the same word."""
    parts: dict[str, list[str]] = defaultdict(list)
    for name, found in sorted(names.items()):
        parts[name.split("_")[0]].append(f"{name} {found}")
    return {head: f"{len(p)} {_hash(*(x.encode() for x in p))}" for head, p in parts.items()}


def differences(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """Return the names in which two studies differ."""
    return [name for name in sorted({*new, *old}) if new.get(name) != old.get(name)]


def main() -> int:
    """Print what differs, and return 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--with", dest="other", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        runs = dict(text.split("=", 1) for text in options.folders)
        made = {
            name: {study: groups(names) for study, names in hashes(Path(place)).items()}
            for name, place in runs.items()
        }
        text = json.dumps({"machine": machine(), "runs": made}, indent=1)
        REFERENCE.write_text(text + "\n", encoding="utf-8")
        return 0
    bad = 0
    for folder in map(Path, options.folders):
        found = hashes(folder)
        if options.other is not None:
            old = hashes(options.other)
        else:
            reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
            if reference["machine"] != machine():
                print(f"made on another machine, nothing compared: {reference['machine']}")
                return 2
            found = {study: groups(names) for study, names in found.items()}
            old = min(
                reference["runs"].values(),
                key=lambda run: sum(len(differences(found[s], run[s])) for s in found),
            )
        for study, names in found.items():
            odd = differences(names, old[study])
            bad += len(odd)
            print(f"{folder} {study}: {len(names)} compared, {len(odd)} differ", *odd[:40])
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
