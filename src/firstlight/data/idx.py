"""Read IDX files, the format of MNIST: a four-byte magic number, the sizes, then the bytes."""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from firstlight.errors import DataError

UINT8 = 0x08
TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
MAX_RANK = 64  # NumPy's own limit
MAX_RATIO = 1032  # deflate cannot expand a byte to more than this
CHUNK = 1 << 20
REMEDY = "replace the file with a complete copy"


def _refuse(name: str, expected: str, got: str) -> NoReturn:
    raise DataError(f"{name}: expected {expected}, got {got}; {REMEDY}")


def header(shape: tuple[int, ...]) -> bytes:
    """Return the IDX header of an array of unsigned bytes.

    Args:
        shape: the array's sizes, each below 2³².

    Example:
        >>> header((2, 3)).hex()
        '000008020000000200000003'
    """
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, UINT8, len(shape), *shape)


def _shape(stream: BinaryIO, name: str) -> tuple[int, ...]:
    """Read the magic number and the sizes."""
    magic = stream.read(4)
    if len(magic) < 4:
        _refuse(name, "the 4 bytes of an IDX magic number", f"{len(magic)} bytes")
    zeros, code, rank = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        _refuse(name, "an IDX file (first bytes 00 00 08) or gzip (1f 8b)", magic.hex(" "))
    if code != UINT8:
        kind = TYPES.get(code, "unknown")
        _refuse(name, "unsigned bytes (IDX type 08)", f"type {code:02x} ({kind})")
    if not 1 <= rank <= MAX_RANK:
        _refuse(name, f"1 to {MAX_RANK} dimensions", f"{rank}")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        _refuse(name, f"{4 * rank} bytes of sizes", f"{len(sizes)} (the file is truncated)")
    return struct.unpack(f">{rank}I", sizes)


def _parse(stream: BinaryIO, name: str, limit: int) -> NDArray[np.uint8]:
    """Read one array; ``limit`` is the most bytes that the stream can hold."""
    shape = _shape(stream, name)
    size = math.prod(shape)
    promised = f"{size:,} bytes of data (sizes {' × '.join(map(str, shape))})"
    if size > limit:  # refuse before a corrupt header makes us reserve terabytes
        _refuse(name, promised, f"a file that can hold at most {limit:,}")
    array = np.empty(size, dtype=np.uint8)
    filled = 0
    while filled < size:
        block = stream.read(min(CHUNK, size - filled))
        if not block:
            _refuse(name, promised, f"{filled:,} (the file is truncated)")
        array.data[filled : filled + len(block)] = block
        filled += len(block)
    if stream.read(1):  # reading on also makes gzip check its checksum
        _refuse(name, promised, "more (bytes follow the data)")
    return array.reshape(shape)


def parse_idx(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Return the array of an IDX file's bytes, packed with gzip or not.

    Args:
        raw: the whole file.
        name: what to call the file in an error.

    Returns:
        A writable array of unsigned bytes with the shape that the header states.

    Raises:
        DataError: the bytes are not one whole IDX file of unsigned bytes.

    Example:
        >>> parse_idx(header((2,)) + bytes([7, 9]), "labels")
        array([7, 9], dtype=uint8)

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998,
    section "File formats".
    """
    if not raw:
        _refuse(name, "an IDX file", "an empty file")
    if not raw.startswith(b"\x1f\x8b"):
        return _parse(io.BytesIO(raw), name, len(raw))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            return _parse(stream, name, MAX_RATIO * len(raw))  # type: ignore[arg-type] # typeshed: GzipFile is no BinaryIO
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _refuse(
            name, "a whole gzip file", f"a truncated or corrupt one ({error})".replace("\n", " ")
        )


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; a file that cannot be read raises ``DataError`` with its name."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{path}: expected a readable file, got {reason!r}; check the path and its permissions"
        ) from error


def read_idx(source: str | os.PathLike[str] | bytes) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes, of any rank, packed with gzip or not.

    Args:
        source: the file's path, or its bytes.

    Raises:
        DataError: the file cannot be read, or is not one whole IDX file of unsigned bytes.

    Example:
        >>> read_idx(header((1, 2)) + bytes([3, 4]))
        array([[3, 4]], dtype=uint8)
    """
    if isinstance(source, bytes):
        return parse_idx(source, "IDX bytes")
    return parse_idx(read_bytes(Path(source)), os.fspath(source))
