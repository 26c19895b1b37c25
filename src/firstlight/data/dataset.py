"""What a loaded data set is: arrays in memory, and where they come from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


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
