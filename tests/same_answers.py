"""Compare the facts and arrays of a lab's folder with those of another, name by name.

    python tests/same_answers.py FOLDER --with OTHER_FOLDER

For a change that must not change an answer: run the quick lab before and after it on one machine.
The same seed gives the same bits on the same processor with the same libraries only.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

LEFT_OUT = (r"fact network_steps_per_second", r"fact images_per_second.*")  # speeds


def content(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield a name and a hash for every fact and array of a record."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    for name, fact in record["facts"].items():
        values = [fact.get(key) for key in ("value", "low", "high", "n")]
        yield f"fact {name}", _hash(json.dumps(values).encode())
    for name, array in load_file(folder / "arrays.safetensors").items():
        about = f"{array.dtype} {array.shape}".encode()
        yield f"array {name}", _hash(about, np.ascontiguousarray(array).tobytes())


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
            for name, found in content(place.parent)
            if not any(re.fullmatch(pattern, name) for pattern in LEFT_OUT)
        }
        for place in sorted(folder.glob("*/record.json"))
    }


def main() -> int:
    """Print what differs, and return 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="other", type=Path, required=True)
    options = parser.parse_args()
    new, old = hashes(options.folder), hashes(options.other)
    bad = 0
    for study in sorted({*new, *old}):
        a, b = new.get(study, {}), old.get(study, {})
        odd = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
        bad += len(odd)
        print(f"{study}: {len({*a, *b})} compared, {len(odd)} differ", *odd[:40])
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
