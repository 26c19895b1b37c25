"""Trials for the sweep's tests; worker processes import them by name."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from firstlight.context import Context
from firstlight.errors import DataError
from firstlight.record.store import TrialResult
from firstlight.types import Tick


@dataclass(frozen=True)
class Square:
    """A trial: a number, and how it shall end."""

    x: int
    log: str = ""
    fail: str = ""
    sleep: float = 0.0


def square(spec: Square, context: Context, tick: Tick) -> TrialResult:
    """Return the square of ``x``, count the call in a file, and fail where the spec says so."""
    tick(1, 2)
    if spec.log:
        with Path(spec.log).open("a") as log:
            log.write(f"{spec.x}\n")
    if spec.fail == "value":
        raise ValueError("the loss is not finite")
    if spec.fail == "data":
        raise DataError("images: expected 10, got 9; fetch it again")
    if spec.fail == "die":
        os._exit(9)
    time.sleep(spec.sleep)
    result = TrialResult()
    result.facts.put("square", spec.x**2)
    result.facts.put("threads", torch.get_num_threads())
    result.facts.put("images", 0 if context.dataset is None else len(context.dataset.train_images))
    result.arrays.put("x", np.full(3, spec.x, dtype=np.float32), kind="copy")
    return result
