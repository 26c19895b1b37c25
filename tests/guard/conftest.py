"""Models with optimizers for the tests of the guard, and Ctrl-C that can be pressed."""

import itertools
import signal
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from guard_models import MODELS, OPTIMIZERS, made


@pytest.fixture(
    params=itertools.product(MODELS, OPTIMIZERS, [0, 3]), ids=lambda v: "-".join(map(str, v))
)
def parts(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return each model with each optimizer, fresh and after some steps of training."""
    return made(*request.param)


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt``, also where the tests were started to ignore it, as by nohup."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
