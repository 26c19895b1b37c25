"""Where a data set's files lie on this machine, and whether they are the official ones."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firstlight.data import embedded, idx
from firstlight.data.official import OfficialFile, OfficialSet, official
from firstlight.errors import DataError

DEBIAN = Path("/usr/share/datasets")  # where the package dataset-fashion-mnist puts its files
GIVEN = "the folder given"
ENVIRONMENT = "the folder in FIRSTLIGHT_DATA"
CACHE = "the cache"
EMBEDDED = "firstlight itself"
TO_FETCH = "not here yet"

Source: TypeAlias = Path | Literal["official", "embedded"]
"""A folder with the official files; all images, fetched if need be; those that come with us."""


@dataclass(frozen=True)
class Location:
    """Where one file of a data set comes from.

    Args:
        dataset: the data set's name for people.
        file: the file's name, as found or as published.
        place: in which of the known places it was found.
        path: the file, or None where it must be fetched.
        verified: whether its content is the official one, or that part of it which it shall be.
        size: bytes, as found or as published.
        problem: why it was refused, in one line, else None.

    Example:
        >>> Location("MNIST", "t10k-labels-idx1-ubyte.gz", TO_FETCH, None, False, 4542).path is None
        True
    """

    dataset: str
    file: str
    place: str
    path: Path | None
    verified: bool
    size: int
    problem: str | None = None


@dataclass(frozen=True)
class Found:
    """The files of one data set in one place: file name without ``.gz`` → path."""

    place: str
    files: Mapping[str, Path]


def cache_folder() -> Path:
    """Return where downloads are kept: FIRSTLIGHT_CACHE, else the user's cache folder.

    Example:
        >>> isinstance(cache_folder(), Path)
        True
    """
    chosen = os.environ.get("FIRSTLIGHT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("firstlight", appauthor=False))


def source_of(text: str | os.PathLike[str]) -> Source:
    """Return what a person names: ``official``, ``embedded`` or a folder.

    A folder of such a name is ``./official`` or ``./embedded``.

    Example:
        >>> source_of("official"), source_of("./official") == Path("official")
        ('official', True)
    """
    words: dict[str, Source] = {"official": "official", "embedded": "embedded"}
    return words.get(os.fspath(text)) or Path(text).expanduser()


def from_environment() -> Source | None:
    """Return what FIRSTLIGHT_DATA names, or None where it is empty or not set.

    Raises:
        DataError: it names something that is no folder.
    """
    text = os.environ.get("FIRSTLIGHT_DATA")
    source = source_of(text) if text else None
    if isinstance(source, Path) and not source.is_dir():
        raise DataError(
            f"FIRSTLIGHT_DATA: expected a folder, official or embedded, got {text!r}; "
            "name an existing folder or leave it empty"
        )
    return source


def named(source: str | os.PathLike[str] | None) -> Source | None:
    """Return the source that is named, else the word that FIRSTLIGHT_DATA names, else None.

    A folder in FIRSTLIGHT_DATA is no more than the first place: what it lacks is searched further.
    """
    if source is not None:
        return source_of(source)
    chosen = from_environment()
    return None if isinstance(chosen, Path) else chosen


def _layouts(which: OfficialSet, root: Path) -> Iterator[Path]:
    """Yield the folders under ``root`` that may hold the set: ours first, then torchvision's."""
    yield root / which.key
    yield root / which.torchvision / "raw"
    own = root.absolute()
    if own.name.lower() in (which.key, which.torchvision.lower()):
        yield root
        yield root / "raw"
    elif own.name == "raw" and own.parent.name == which.torchvision:
        yield root


def files_in(which: OfficialSet, root: Path) -> dict[str, Path]:
    """Return the files of a set under a folder (packed before plain); empty where there are none.

    Args:
        which: the data set.
        root: a folder with a folder named for the set, or with torchvision's, or itself one of
            these.
    """
    for folder in _layouts(which, root):
        found: dict[str, Path] = {}
        for file in which.files:
            for path in (folder / file.packed_name, folder / file.name):
                if os.path.exists(path):  # unlike Path.exists, never raises
                    found[file.name] = path
                    break
        if found:
            return found
    return {}


def _missing(which: OfficialSet, root: Path, found: Mapping[str, Path]) -> DataError:
    names = [file.packed_name for file in which.files if file.name not in found]
    return DataError(
        f"{root}: expected {which.title} in {which.key}/ or {which.torchvision}/raw/, "
        f"got a folder without {', '.join(names)}; add them or name another folder"
    )


def _given(which: OfficialSet, folder: Path) -> Found:
    """Return the set in the folder that the user named; anything short of whole is an error."""
    try:
        os.listdir(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{folder}: expected a folder with {which.title}, got {reason!r}; "
            "name an existing folder"
        ) from error
    found = files_in(which, folder)
    if len(found) < len(which.files):
        raise _missing(which, folder, found)
    return Found(GIVEN, found)


def find(which: OfficialSet, source: Source | None = None) -> Found | None:
    """Return the first place that holds all of a data set, or None; reads no file.

    A folder that the caller names is the only place looked at. Else the order is: the folder in
    FIRSTLIGHT_DATA, the cache, Debian's folder. A set that lies in FIRSTLIGHT_DATA in part is an
    error; in the cache it only waits for the rest.

    Args:
        which: the data set.
        source: the folder that the user named, if any.

    Raises:
        DataError: the folder does not exist or lacks files.
    """
    if isinstance(source, Path):
        return _given(which, source)
    root = from_environment()
    if isinstance(root, Path):
        found = files_in(which, root)
        if 0 < len(found) < len(which.files):
            raise _missing(which, root, found)
        if found:
            return Found(ENVIRONMENT, found)
    debian = f"Debian's package dataset-{which.key}"
    for place, root in ((CACHE, cache_folder()), (debian, DEBIAN)):
        found = files_in(which, root)
        if len(found) == len(which.files):
            return Found(place, found)
    return None


def read_official(path: Path, file: OfficialFile) -> tuple[NDArray[np.uint8], str]:
    """Return the array of an official file, and the hash of the file as it lies on disk.

    The content must have the official hash, however the file is packed.

    Args:
        path: the file.
        file: what it must be.

    Raises:
        DataError: the file cannot be read, is damaged, or is not the official one.
    """
    raw = idx.read_bytes(path)
    array = idx.parse_idx(raw, str(path))
    if array.shape != file.shape:
        raise DataError(
            f"{path}: expected sizes {file.shape}, got {array.shape}; "
            f"{idx.REMEDY} of the official file"
        )
    content = hashlib.sha256(idx.header(array.shape))
    content.update(array.reshape(-1).data)
    if content.hexdigest() != file.sha256:
        raise DataError(
            f"{path}: expected the official content (sha256 {file.sha256[:16]}…), "
            f"got sha256 {content.hexdigest()[:16]}…; {idx.REMEDY} of the official file"
        )
    return array, hashlib.sha256(raw).hexdigest()


def _location(which: OfficialSet, path: Path, place: str, read: Callable[[], object]) -> Location:
    """Return the row of a file that is here; ``read`` raises where it is not what it shall be."""
    problem = None
    try:
        read()
    except DataError as error:
        problem = str(error)
    size = path.stat().st_size if path.exists() else 0
    return Location(which.title, path.name, place, path, problem is None, size, problem)


def locate(name: str, source: str | os.PathLike[str] | None = None) -> list[Location]:
    """Return where each file of a data set lies, without using the network.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        source: the folder that the user named, if any.

    Returns:
        One row for each official file, then one for each that comes with firstlight; a damaged file
        has its ``problem``, a missing one no ``path``.

    Raises:
        DataError: the name is unknown, or the folder does not exist or lacks files.

    Example:
        >>> [row.place for row in locate("mnist")][4:]
        ['firstlight itself', 'firstlight itself', 'firstlight itself', 'firstlight itself']
    """
    which = official(name)
    found = find(which, named(source)) or Found(CACHE, files_in(which, cache_folder()))
    rows = []
    for file in which.files:
        path = found.files.get(file.name)
        if path is None:
            rows.append(
                Location(which.title, file.packed_name, TO_FETCH, None, False, file.packed_bytes)
            )
        else:
            rows.append(_location(which, path, found.place, partial(read_official, path, file)))
    for file in which.files:
        path = embedded.path_of(which, file)
        rows.append(_location(which, path, EMBEDDED, partial(embedded.read_file, which, file)))
    return rows
