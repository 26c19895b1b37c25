"""Data sets in memory: one call that always ends with official images, and says which they are."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firstlight.data import embedded, sources
from firstlight.data.download import fetch
from firstlight.data.official import OfficialSet, official

MIRRORS = "the public mirrors"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in memory, with their provenance.

    Args:
        name: whose images they are: ``"MNIST"`` or ``"Fashion-MNIST"``.
        train_images: shape (n, 28, 28), unsigned bytes, 0 is the background.
        train_labels: shape (n,), unsigned bytes, the index of the class.
        test_images: shape (m, 28, 28).
        test_labels: shape (m,).
        classes: the name of each class, in the order of the labels.
        origin: which images they are and where they were found, in words.
        sha256: file name → hash of the file as it was read.
        official: the set that they are all or a part of; None where the images were made up.

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
    official: OfficialSet | None = None

    @property
    def official_sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Return how many images of each class the whole set has: ``"train"`` and ``"test"``.

        Where the images were made up, there are no others.

        Example:
            >>> {part: sum(sizes) for part, sizes in load("mnist").official_sizes.items()}
            {'train': 60000, 'test': 10000}
        """
        if self.official is not None:
            return self.official.class_sizes
        parts = {"train": self.train_labels, "test": self.test_labels}
        return {
            part: tuple(np.bincount(labels, minlength=len(self.classes)).tolist())
            for part, labels in parts.items()
        }

    @property
    def whole(self) -> bool:
        """Return whether these are all images of the set.

        Example:
            >>> load("mnist", "embedded").whole
            False
        """
        return len(self.train_images) == sum(self.official_sizes["train"])

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


def read_set(which: OfficialSet, found: sources.Found) -> Dataset:
    """Return the data set whose files were found, every one verified.

    Args:
        which: the data set.
        found: its files.

    Raises:
        DataError: a file cannot be read, is damaged, or is not the official one.
    """
    arrays: dict[str, NDArray[np.uint8]] = {}
    hashes: dict[str, str] = {}
    for file in which.files:
        path = found.files[file.name]
        arrays[file.part], hashes[path.name] = sources.read_official(path, file)
    images = len(arrays["train_images"]) + len(arrays["test_images"])
    origin = f"all {images:,} images of {which.title}, from {found.place}"
    return _dataset(which, arrays, origin, hashes)


def read_embedded(which: OfficialSet) -> Dataset:
    """Return the part of a data set that comes with firstlight, verified.

    Args:
        which: the data set.

    Raises:
        DataError: a file is missing or damaged.
    """
    files = embedded.read(which)
    arrays = {part: file.array() for part, file in files.items()}
    train, test = len(arrays["train_images"]), len(arrays["test_images"])
    origin = (
        f"{train:,} training and {test:,} test images of {which.title} that come with firstlight"
    )
    return _dataset(which, arrays, origin, {f.path.name: f.sha256 for f in files.values()})


def _dataset(
    which: OfficialSet,
    arrays: Mapping[str, NDArray[np.uint8]],
    origin: str,
    hashes: Mapping[str, str],
) -> Dataset:
    return Dataset(
        name=which.title,
        train_images=arrays["train_images"],
        train_labels=arrays["train_labels"],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"],
        classes=which.classes,
        origin=origin,
        sha256=hashes,
        official=which,
    )


def load(
    name: str,
    source: str | os.PathLike[str] | None = None,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Return a data set in memory: all of it, or the part that comes with firstlight.

    A source that is named is the only one. Else FIRSTLIGHT_DATA may name one; a folder without the
    set is passed over there. Then the places are, in this order: the cache, Debian's folder, the
    images that come with firstlight. The network is used for ``"official"`` alone. A file that is
    there but damaged is never passed over.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        source: a folder that holds the official files; ``"official"``: all images, wherever they
            are found, else fetched into the cache; ``"embedded"``: the 6,000 training and 2,000
            test images that come with firstlight.
        progress: called as ``progress(label, done, total)``, in bytes, during a download.

    Raises:
        UnreachableError: all images are wanted, are not here and cannot be fetched.
        DataError: the name is unknown; a folder does not exist or lacks files; a file is damaged
            or not the official one; or the cache cannot be written.

    Example:
        >>> data = load("mnist", "embedded")
        >>> data.train_images.shape
        (6000, 28, 28)
        >>> data.origin
        '6,000 training and 2,000 test images of MNIST that come with firstlight'
    """
    which = official(name)
    named = sources.named(source)
    if named == "embedded":
        return read_embedded(which)
    found = sources.find(which, named)
    if found is not None:
        return read_set(which, found)
    if named == "official":
        folder = fetch(name, progress)
        return read_set(which, sources.Found(MIRRORS, sources.files_in(which, folder.parent)))
    return read_embedded(which)
