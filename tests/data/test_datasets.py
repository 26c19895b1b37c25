"""The stand-in: scikit-learn's digits, enlarged exactly, split by class, and announced."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from firstlight.data.datasets import enlarge, is_test, stand_in

DATA = stand_in("MNIST", "not found and could not be fetched")


def test_enlarging_is_scipys_linear_zoom_between_pixel_centres():
    small = load_digits().images[:50]
    zoom = (1, 28 / 8, 28 / 8)
    reference = ndimage.zoom(small, zoom, order=1, mode="nearest", grid_mode=True) * 255 / 16
    assert np.abs(enlarge(small.astype(np.int64)) - reference).max() <= 0.5 + 1e-9


def test_enlarging_keeps_constants_mirror_images_and_transposes():
    for value in (0, 7, 16):
        flat = enlarge(np.full((1, 8, 8), value))
        assert np.all(flat == round(value * 255 / 16))
    small = load_digits().images[:20].astype(np.int64)
    large = enlarge(small)
    np.testing.assert_array_equal(enlarge(small[:, ::-1, ::-1]), large[:, ::-1, ::-1])
    np.testing.assert_array_equal(enlarge(small.swapaxes(1, 2)), large.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8), dtype=int), r"expected shape \(n, 8, 8\), got \(8, 8\)"),
        (np.zeros((2, 8, 9), dtype=int), "8, 9"),
        (np.full((1, 8, 8), 17), "values from 0 to 16, got 17 to 17"),
        (np.full((1, 8, 8), -1), "got -1 to -1"),
    ],
)
def test_enlarging_refuses_what_is_not_a_small_digit(images, message):
    with pytest.raises(ValueError, match=message):
        enlarge(images)


def test_enlarging_nothing_gives_nothing():
    assert enlarge(np.zeros((0, 8, 8), dtype=int)).shape == (0, 28, 28)


def test_every_fifth_image_of_each_class_is_for_testing():
    labels = np.random.default_rng(3).integers(0, 4, 101)
    seen: dict[int, int] = {}
    expected = []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        expected.append(seen[label] % 5 == 0)
    assert is_test(labels).tolist() == expected


def test_the_parts_together_are_all_digits_once():
    source = load_digits()
    labels = np.concatenate([DATA.train_labels, DATA.test_labels])
    images = np.concatenate([DATA.train_images, DATA.test_images])
    assert images.shape == (1797, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    ours = sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))
    theirs = sorted(
        (image.tobytes(), label)
        for image, label in zip(
            enlarge(source.images.astype(int)), source.target.tolist(), strict=True
        )
    )
    assert ours == theirs


def test_the_split_is_stratified():
    for label in range(10):
        train = np.count_nonzero(DATA.train_labels == label)
        test = np.count_nonzero(DATA.test_labels == label)
        assert 0.18 < test / (train + test) <= 0.2


def test_a_plain_classifier_reads_them():
    """Images and labels still belong together: the nearest class mean is right most of the time."""
    flat = DATA.train_images.reshape(-1, 784).astype(float)
    means = np.stack([flat[DATA.train_labels == label].mean(0) for label in range(10)])
    test = DATA.test_images.reshape(-1, 1, 784).astype(float)
    guess = ((test - means) ** 2).sum(-1).argmin(-1)
    assert (guess == DATA.test_labels).mean() > 0.8


def test_it_says_what_it_is_and_is_always_the_same():
    again = stand_in("Fashion-MNIST", "not found and downloads are switched off")
    assert DATA.name == again.name == "scikit-learn digits"
    assert DATA.origin == "scikit-learn"
    assert DATA.classes == tuple("0123456789")
    assert DATA.notice == (
        "MNIST was not found and could not be fetched: scikit-learn's 1,797 digits, "
        "scaled to 28×28, stand in for it."
    )
    assert again.notice is not None
    assert again.notice.startswith("Fashion-MNIST was not found and downloads are switched off: ")
    assert DATA.sha256 == again.sha256
    assert DATA.fingerprint == again.fingerprint
