from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from firstlight import studies
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.models.lenet5 import LAYERS, LeNet5
from firstlight.record import Record
from firstlight.studies.regularization import run
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.sweep import run_trials

Runner = Callable[..., Record]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, as the sweep's processes do; tiny batches are slow with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with _one_thread():
        yield


@pytest.fixture(scope="session")
def config() -> RegularizationConfig:
    """The study, small."""
    return RegularizationConfig(seeds=2, train_images=130, test_images=100, epochs=2, batch_size=16)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def bars(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return images, labels

    names = tuple("0123456789")
    return Dataset("bars", *bars(140), *bars(120), names, "made up", {"bars": "0" * 64})


@pytest.fixture(scope="session")
def run_small(config: RegularizationConfig, dataset: Dataset) -> Runner:
    """Runs the small study in this process, with other parameters if wanted."""

    def record(**changes: Any) -> Record:
        with pytest.MonkeyPatch.context() as patch, _one_thread():
            here = partial(run_trials, executor="threads", workers=1)
            patch.setattr(run, "run_trials", here)
            context = Context(dataset=dataset)
            return studies.run(replace(config, **changes), context)

    return record


@pytest.fixture(scope="session")
def record(run_small: Runner) -> Record:
    """The small study's record."""
    return run_small()


@pytest.fixture
def model_and_images() -> tuple[LeNet5, torch.Tensor]:
    """A network with everything on, and 64 random images."""
    draw = torch.Generator().manual_seed(0)
    model = LeNet5(draw, norm=LAYERS, hidden_dropout=0.5, input_dropout=0.2, masks=draw)
    return model, torch.rand(64, 28, 28, generator=draw)
