"""Training, validation and test images: drawn from a seed, apart from each other."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from firstlight.data import Dataset
from firstlight.data.split import split, split_of, standardized

CHOICE: dict[str, Any] = {"seed": 0, "images": 10_000, "validation_share": 1 / 12}


@pytest.fixture
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (260, 28, 28)), rng.integers(0, 10, 260)
    x, y = images.astype(np.uint8), labels.astype(np.uint8)
    return Dataset("noise", x[:140], y[:140], x[140:], y[140:], tuple("0123456789"), "made up", {})


def test_splits_do_not_overlap_and_take_what_there_is(dataset: Dataset) -> None:
    parts = split(dataset, **CHOICE, test_images=10_000)
    assert [len(y) for _, y in (parts.train, parts.validation, parts.test)] == [128, 12, 120]
    pixels = torch.cat([parts.train[0], parts.validation[0]]).flatten(1)
    assert len(torch.unique(pixels, dim=0)) == 140


def test_standardization_uses_the_training_images(dataset: Dataset) -> None:
    parts = split(dataset, **CHOICE, test_images=50)
    standard = standardized(parts)
    assert float(standard.train[0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(standard.train[0].std(correction=0)) == pytest.approx(1, abs=1e-5)
    expected = (parts.test[0] - parts.train[0].mean()) / parts.train[0].std(correction=0)
    assert torch.allclose(standard.test[0], expected, atol=1e-5)


def test_one_data_set_is_split_once(dataset: Dataset) -> None:
    first = split_of(dataset, **CHOICE, test_images=50)
    assert split_of(dataset, **CHOICE, test_images=50) is first
    assert len(split_of(dataset, **CHOICE, test_images=60).test[0]) == 60
    other = replace(dataset, train_images=255 - dataset.train_images)
    assert not torch.equal(split_of(other, **CHOICE, test_images=50).train[0], first.train[0])
