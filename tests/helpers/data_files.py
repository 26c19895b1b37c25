"""Tiny data sets in the form of the official ones, written byte by byte."""

import gzip
import hashlib
import io
from pathlib import Path

import numpy as np

from firstlight.data.official import SETS, OfficialFile, OfficialSet

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


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


def tiny_set(mirrors: tuple[str, ...] = ()) -> tuple[OfficialSet, dict[str, bytes]]:
    """Return a description of a tiny MNIST, and its packed files by name."""
    files, contents = [], {}
    for real, (part, array) in zip(SETS["mnist"].files, tiny_arrays().items(), strict=True):
        plain = idx_bytes(array)
        packed = pack(plain)
        contents[real.packed_name] = packed
        hashes = (hashlib.sha256(packed).hexdigest(), hashlib.sha256(plain).hexdigest())
        files.append(OfficialFile(part, real.name, array.shape, len(packed), *hashes))
    which = OfficialSet("mnist", "MNIST", "MNIST", SETS["mnist"].classes, tuple(files), mirrors)
    return which, contents


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder
