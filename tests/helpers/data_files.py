"""Tiny data sets in the form of the official ones, written byte by byte."""

import gzip
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest

from firstlight.data.official import SETS, OfficialFile, OfficialSet

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


def official_folder() -> Path | None:
    """Return the folder of the official files that FIRSTLIGHT_DATA named when the tests began."""
    folder = Path(os.environ.get("FIRSTLIGHT_TEST_OFFICIAL") or "nowhere")
    return folder if all((folder / name).is_dir() for name in SETS) else None


needs_official = pytest.mark.skipif(
    official_folder() is None, reason="FIRSTLIGHT_DATA names no folder with the official files"
)


def idx_bytes(array: np.ndarray) -> bytes:
    """Write the format by hand, without the package's own header."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def pack(content: bytes, level: int = 6) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0, compresslevel=level) as file:
        file.write(content)
    return stream.getvalue()


def tiny_arrays(train: int = 40, test: int = 20) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = ((train, 28, 28), (train,), (test, 28, 28), (test,))
    return {
        part: rng.integers(0, 10 if len(shape) == 1 else 256, shape, dtype=np.uint8)
        for part, shape in zip(PARTS, shapes, strict=True)
    }


def set_of(
    arrays: dict[str, np.ndarray], mirrors: tuple[str, ...] = ()
) -> tuple[OfficialSet, dict[str, bytes]]:
    """Return the description of an MNIST that is made of these arrays, and its packed files."""
    files, contents = [], {}
    for real in SETS["mnist"].files:
        array = arrays[real.part]
        plain = idx_bytes(array)
        packed = pack(plain)
        contents[real.packed_name] = packed
        hashes = (hashlib.sha256(packed).hexdigest(), hashlib.sha256(plain).hexdigest())
        files.append(OfficialFile(real.part, real.name, array.shape, len(packed), *hashes))
    sizes = {
        part: tuple(np.bincount(arrays[f"{part}_labels"], minlength=10).tolist())
        for part in ("train", "test")
    }
    classes = SETS["mnist"].classes
    which = OfficialSet("mnist", "MNIST", "MNIST", classes, sizes, tuple(files), mirrors)
    return which, contents


def tiny_set(mirrors: tuple[str, ...] = ()) -> tuple[OfficialSet, dict[str, bytes]]:
    """Return the description of a tiny MNIST, and its packed files by name."""
    return set_of(tiny_arrays(), mirrors)


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder
