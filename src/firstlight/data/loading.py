"""One call that always ends with data: found, fetched, or the stand-in that says so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstlight.data import digits, sources
from firstlight.data.dataset import Dataset
from firstlight.data.download import UnreachableError, fetch
from firstlight.data.official import OfficialSet, official


def read_set(which: OfficialSet, found: sources.Found, origin: str | None = None) -> Dataset:
    """Return the data set whose files were found, every one verified.

    Args:
        which: the data set.
        found: its files.
        origin: where they come from, in words; the place where they were found by default.

    Raises:
        DataError: a file cannot be read, is damaged, or is not the official one.
    """
    arrays: dict[str, NDArray[np.uint8]] = {}
    hashes: dict[str, str] = {}
    for file in which.files:
        path = found.files[file.name]
        arrays[file.part], hashes[path.name] = sources.read_official(path, file)
    return Dataset(
        name=which.title,
        train_images=arrays["train_images"],
        train_labels=arrays["train_labels"],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"],
        classes=which.classes,
        origin=origin or found.place,
        sha256=hashes,
    )


def _absence(tried: bool) -> str:
    """Return why the set is not here, in words that follow "was"."""
    root = sources.environment_folder()
    where = "" if root is None or root.is_dir() else " (FIRSTLIGHT_DATA names no folder)"
    why = "could not be fetched" if tried else "downloads are switched off"
    return f"not found{where} and {why}"


def load(
    name: str,
    *,
    folder: Path | None = None,
    download: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Return a data set in memory: found on this machine, fetched, or the stand-in.

    The places are, in this order: ``folder`` (and then no other), the folder in FIRSTLIGHT_DATA,
    the cache, Debian's folder, the public mirrors. Where none has it, scikit-learn's digits stand
    in and ``notice`` says so. A file that is there but damaged is never passed over.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        folder: the folder that the user named, if any.
        download: whether a missing data set may be fetched.
        progress: called as ``progress(label, done, total)``, in bytes, during a download.

    Raises:
        DataError: the name is unknown; the folder does not exist or lacks files; a file is
            damaged or not the official one; or the cache cannot be written.

    Example:
        >>> data = load("mnist", download=False)
        >>> data.train_images.shape[1:]
        (28, 28)
    """
    which = official(name)
    found = sources.find(which, folder)
    if found is not None:
        return read_set(which, found)
    if download:
        try:
            fetched = fetch(name, progress)
            files = sources.files_in(which, fetched.parent)
            return read_set(which, sources.Found(sources.CACHE, files), origin="downloaded")
        except UnreachableError:
            pass
    return digits.stand_in(which.title, _absence(tried=download))
