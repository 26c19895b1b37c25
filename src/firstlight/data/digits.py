"""The stand-in where no data set can be had: scikit-learn's digits, scaled to 28×28."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from firstlight.data.dataset import Dataset

SIDE = 28
SMALL_SIDE = 8
SMALL_MAX = 16
NAME = "scikit-learn digits"


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
    from sklearn.datasets import load_digits  # loads slowly, and is rarely needed

    source = load_digits()
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
