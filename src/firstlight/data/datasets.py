"""Data sets in memory: one call that always ends with data, or with the stand-in that says so."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.data import sources
from firstlight.data.download import UnreachableError, fetch
from firstlight.data.official import OfficialSet, official

SIDE = 28
SMALL_SIDE = 8
SMALL_MAX = 16
NAME = "scikit-learn digits"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in memory, with their provenance.

    Args:
        name: what the arrays hold: ``"MNIST"``, ``"Fashion-MNIST"`` or ``"scikit-learn digits"``.
        train_images: shape (n, 28, 28), unsigned bytes, 0 is the background.
        train_labels: shape (n,), unsigned bytes, the index of the class.
        test_images: shape (m, 28, 28).
        test_labels: shape (m,).
        classes: the name of each class, in the order of the labels.
        origin: where the data were found, in words.
        sha256: file name → hash of the file as it was read.
        notice: one sentence where other data stand in for the set that was asked for, else None.

    Example:
        >>> images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
        >>> blank = Dataset("blank", images, labels, images, labels, ("0",), "made up", {})
        >>> blank.train_images.shape
        (2, 28, 28)
    """

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    origin: str
    sha256: Mapping[str, str]
    notice: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that name the content.

        The same images and labels have the same fingerprint wherever they were found, packed or
        not; it tells whether a run folder belongs to these data.
        """
        digest = hashlib.sha256(self.name.encode())
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
        return digest.hexdigest()[:16]


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
    return stand_in(which.title, _absence(tried=download))


def _weights() -> NDArray[np.int64]:
    """Return linear interpolation from 8 to 28 pixel centres, in fourteenths.

    The centre of pixel i lies at (i + 1/2)·8/28 − 1/2 = (4i − 5)/14 of the small image; beyond its
    outermost centres the border pixel is repeated. Whole numbers keep every image the same, bit
    for bit, on every machine.
    """
    whole, part = np.divmod(4 * np.arange(SIDE) - 5, 14)
    weights = np.zeros((SIDE, SMALL_SIDE), dtype=np.int64)
    for low, share, row in zip(whole, part, weights, strict=True):
        row[max(low, 0)] += 14 - share
        row[min(low + 1, SMALL_SIDE - 1)] += share
    return weights


def enlarge(images: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return 8×8 images as 28×28 ones, by bilinear interpolation between pixel centres.

    out = round(255/16 · W·image·Wᵀ), where each row of W holds the two weights of one pixel.

    Args:
        images: shape (n, 8, 8), whole numbers from 0 to 16.

    Returns:
        Shape (n, 28, 28), from 0 to 255.

    Raises:
        ValueError: another shape, or values outside 0 to 16.

    Example:
        >>> enlarge(np.full((1, 8, 8), 16)).min()
        np.uint8(255)
    """
    if images.ndim != 3 or images.shape[1:] != (SMALL_SIDE, SMALL_SIDE):
        raise ValueError(f"images: expected shape (n, 8, 8), got {images.shape}; pass 8×8 images")
    if images.size and not (images.min() >= 0 and images.max() <= SMALL_MAX):
        raise ValueError(
            f"images: expected values from 0 to 16, got {images.min()} to {images.max()}; "
            "rescale them"
        )
    weights = _weights()
    full = SMALL_MAX * 14**2
    scaled = weights @ images.astype(np.int64) @ weights.T
    return ((2 * 255 * scaled + full) // (2 * full)).astype(np.uint8)


def is_test(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which images are for testing: every fifth of each class, in the order of the data.

    Args:
        labels: shape (n,), the class of each image.

    Example:
        >>> is_test(np.array([0, 0, 0, 0, 0, 1])).tolist()
        [False, False, False, False, True, False]
    """
    mask = np.zeros(labels.shape, dtype=np.bool_)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[4::5]] = True
    return mask


def stand_in(wanted: str, reason: str) -> Dataset:
    """Return scikit-learn's digits in the shape of MNIST, with a notice that says so.

    Args:
        wanted: the data set that was asked for, e.g. ``"MNIST"``.
        reason: why it is not here, to follow "was", e.g. ``"not found"``.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998; the copy that scikit-learn carries.
    """
    from sklearn.datasets import load_digits  # slow to import, and rarely needed

    source: Any = load_digits()
    images = enlarge(source.images.astype(np.int64))
    labels = source.target.astype(np.uint8)
    test = is_test(labels)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    stand = f"scikit-learn's {len(labels):,} digits, scaled to 28×28, stand in for it"
    return Dataset(
        name=NAME,
        train_images=images[~test],
        train_labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=tuple(str(digit) for digit in range(10)),
        origin="scikit-learn",
        sha256={"digits, scaled to 28×28": digest},
        notice=f"{wanted} was {reason}: {stand}.",
    )
