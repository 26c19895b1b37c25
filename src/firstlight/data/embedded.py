"""The images that come with firstlight: a part of each official set, verified when it is read.

``tools/embed_images.py`` chose them: 600 training images and 200 test images of each class. They
are the official bytes, in IDX files packed with xz; their licenses lie beside them.
"""

import hashlib
import lzma
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstlight.data import idx
from firstlight.data.official import OfficialFile, OfficialSet
from firstlight.errors import DataError

FOLDER = "embedded"
DESCRIPTION = "embedded.toml"
ROOT = Path(str(resources.files("firstlight.data")))


@dataclass(frozen=True)
class Embedded:
    """One file that comes with firstlight, as it was read.

    Args:
        path: the packed file.
        sha256: its hash.
        content: the unpacked IDX file.
    """

    path: Path
    sha256: str
    content: bytes

    def array(self) -> NDArray[np.uint8]:
        """Return a new array with the content."""
        return idx.parse_idx(self.content, str(self.path))


def path_of(which: OfficialSet, file: OfficialFile) -> Path:
    """Return where the embedded part of an official file lies."""
    return ROOT / FOLDER / which.key / f"{file.name}.xz"


def read_file(which: OfficialSet, file: OfficialFile) -> Embedded:
    """Return the embedded part of an official file, verified.

    Raises:
        DataError: it is missing or damaged.
    """
    about = tomllib.loads((ROOT / DESCRIPTION).read_text(encoding="utf-8"))
    path, expected = path_of(which, file), about[which.key][file.part]
    try:
        raw = path.read_bytes()
        content = lzma.decompress(raw, format=lzma.FORMAT_XZ)
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise _damaged(path, getattr(error, "strerror", None) or str(error)) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise _damaged(path, f"content with sha256 {digest[:16]}… instead of {expected[:16]}…")
    return Embedded(path, hashlib.sha256(raw).hexdigest(), content)


def _damaged(path: Path, got: str) -> DataError:
    return DataError(
        f"{path}: expected the images that come with firstlight, got {got!r}; install firstlight again"
    )


@cache
def read(which: OfficialSet) -> dict[str, Embedded]:
    """Return the embedded part of a set, each file verified: array's name → file.

    A process unpacks it once.

    Raises:
        DataError: a file is missing or damaged.
    """
    return {file.part: read_file(which, file) for file in which.files}
