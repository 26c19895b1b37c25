"""Make the images that come with firstlight from the official files.

    python tools/embed_images.py FOLDER [--out PLACE]

FOLDER holds ``mnist/`` and ``fashion-mnist/``, the official files. Written are, packed with xz, the
IDX files of a part of each set, and ``embedded.toml`` with the hash of each file's content.

The rule: an image's rank is the SHA-256 hash of "<set>/<file>/<index in the file>". Of each class
the 600 training images and the 200 test images of the lowest rank are taken. They lie in the order
of their hashes read backwards; in that of their ranks, the classes with most images would come
first. So the choice depends neither on a random number generator nor on the images.
"""

import argparse
import hashlib
import lzma
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstlight.data import embedded, idx, sources
from firstlight.data.official import SETS, OfficialFile, OfficialSet
from firstlight.errors import FirstlightError

PER_CLASS = {"train": 600, "test": 200}
XZ = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]
"""Pixels are bytes without alignment, each best foretold by its left neighbor."""
PLACE = Path(__file__).resolve().parents[1] / "src" / "firstlight" / "data"


def choose(labels: Sequence[int], per_class: int, text: str) -> list[int]:
    """Return the indices of the images that are taken, in their new order.

    Args:
        labels: the class of each image.
        per_class: images of each class.
        text: what stands before the index in the text that is hashed.
    """
    ranks = [hashlib.sha256(f"{text}/{index}".encode()).digest() for index in range(len(labels))]
    taken: Counter[int] = Counter()
    chosen = []
    for index in sorted(range(len(labels)), key=ranks.__getitem__):
        taken[labels[index]] += 1
        if taken[labels[index]] <= per_class:
            chosen.append(index)
    return sorted(chosen, key=lambda index: ranks[index][::-1])


def subset(which: OfficialSet, folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Return the part of a set that comes with firstlight: array by name."""
    found = sources.find(which, folder)
    whole = {f.part: sources.read_official(found.files[f.name], f)[0] for f in which.files}
    names = {file.part: file.name for file in which.files}
    parts = {}
    for part, per_class in PER_CLASS.items():
        images, labels = f"{part}_images", f"{part}_labels"
        text = f"{which.key}/{names[images]}"
        chosen = choose(whole[labels].tolist(), per_class, text)
        parts |= {name: whole[name][chosen] for name in (images, labels)}
    return parts


def content(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an array."""
    return idx.header(array.shape) + array.tobytes()


def packed(raw: bytes) -> bytes:
    """Return the bytes packed; the same bytes give the same file with the same liblzma."""
    return lzma.compress(raw, format=lzma.FORMAT_XZ, filters=XZ)


def described(file: OfficialFile, array: NDArray[np.uint8]) -> str:
    """Return the line of ``embedded.toml`` for a file."""
    digest = hashlib.sha256(content(array)).hexdigest()
    return f'{file.part} = "{digest}"'


def write(folder: Path, place: Path) -> int:
    """Write all files below ``place`` and return their bytes."""
    lines = ["# Written by tools/embed_images.py: the SHA-256 hash of each unpacked IDX file."]
    written = 0
    for which in SETS.values():
        parts = subset(which, folder)
        (place / embedded.FOLDER / which.key).mkdir(parents=True, exist_ok=True)
        lines += ["", f"[{which.key}]"]
        for file in which.files:
            raw = packed(content(parts[file.part]))
            (place / embedded.FOLDER / which.key / f"{file.name}.xz").write_bytes(raw)
            lines.append(described(file, parts[file.part]))
            written += len(raw)
    (place / embedded.DESCRIPTION).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds the official files")
    parser.add_argument("--out", type=Path, default=PLACE, help="instead of the package's folder")
    options = parser.parse_args(arguments)
    try:
        written = write(options.folder, options.out)
    except FirstlightError as error:
        print(f"embed_images: {error}", file=sys.stderr)
        return 2
    print(f"{written:,} bytes in {options.out / embedded.FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
