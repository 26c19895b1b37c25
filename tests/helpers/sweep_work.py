"""Trials for the sweep's tests; worker processes import them by name."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.errors import DataError
from firstlight.sweep import Tick


def square(spec: dict[str, Any], tick: Tick) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the square of ``x``, count the call in a file, and fail where the spec says so."""
    import torch

    tick(1, 2)
    if "log" in spec:
        with Path(spec["log"]).open("a") as log:
            log.write(f"{spec['x']}\n")
    if spec.get("fail") == "value":
        raise ValueError("the loss is not finite")
    if spec.get("fail") == "data":
        raise DataError("images: expected 10, got 9; fetch it again")
    if spec.get("fail") == "die":
        os._exit(9)
    time.sleep(spec.get("sleep", 0))
    facts = {"square": spec["x"] ** 2, "threads": torch.get_num_threads()}
    return facts, {"x": np.full(3, spec["x"], dtype=np.float32)}
