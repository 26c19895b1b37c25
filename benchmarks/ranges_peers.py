"""What the learning-rate finders of other libraries suggest for given raw losses."""

import io
import math
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np

from firstlight.ranges import read_curve
from firstlight.ranges.curve.features import moving_average, valley_index
from firstlight.types import Floats

Rule = Callable[[Floats, Floats], float | None]


def ours(values: Floats, losses: Floats) -> float | None:
    """Return our steepest value where the verdict is "read"."""
    bounds = read_curve(values, losses, bootstrap=0)
    value = bounds.steepest.value
    return float(value) if bounds.verdict == "read" and value is not None else None


def _until(smooth: Floats, times: float, first: int) -> int:
    """Return how many steps run before a sweep stops: at a loss above ``times`` the best so far."""
    best = np.minimum.accumulate(np.where(np.isnan(smooth), np.inf, smooth))
    over = np.flatnonzero(smooth[first:] > times * best[first:])
    return first + int(over[0]) + 1 if over.size else smooth.size


def fastai(values: Floats, losses: Floats) -> float | None:
    """Return the valley as ``Learner.lr_find`` has it.

    Losses are smoothed with weight 0.98 on the past, the sweep stops above 4 × the best, and the
    first tenth and last 5 steps are left out.
    """
    smooth = moving_average(losses)
    end = _until(smooth, 4.0, 0)
    inner = slice(values.size // 10, max(0, end - 5))
    if smooth[inner].size < 1:
        return None
    return float(values[inner][valley_index(smooth[inner])])


def lightning() -> Rule:
    """Return Lightning's rule; raise ``ImportError`` where it is not installed.

    Its callback smooths with weight 0.98 on the past and stops above 4 × the best.
    """
    finder_class = import_module("lightning.pytorch.tuner.lr_finder")._LRFinder

    def rule(values: Floats, losses: Floats) -> float | None:
        smooth = moving_average(losses)
        end = _until(smooth, 4.0, 2)
        finder = finder_class("exponential", float(values[0]), float(values[-1]), values.size)
        finder.results = {"lr": values[:end].tolist(), "loss": smooth[:end].tolist()}
        rate = finder.suggestion()
        return None if rate is None else float(rate)

    return rule


class _NoAxes:
    """Takes what a plot draws and draws nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def torch_lr_finder() -> Rule:
    """Return pytorch-lr-finder's rule; raise ``ImportError`` where it is not installed.

    Its sweep keeps 0.05 of each new loss as smoothing asks (``smooth_f``) and stops above 5 × the
    best; the suggestion leaves out 10 steps at the start and 5 at the end.
    """
    finder_class = import_module("torch_lr_finder").LRFinder

    def rule(values: Floats, losses: Floats) -> float | None:
        smooth = losses.copy()
        for at in range(1, smooth.size):
            smooth[at] = 0.05 * losses[at] + 0.95 * smooth[at - 1]
        end = _until(smooth, 5.0, 1)
        finder: Any = finder_class.__new__(finder_class)
        finder.history = {"lr": values[:end].tolist(), "loss": smooth[:end].tolist()}
        try:
            with redirect_stdout(io.StringIO()):
                rate = float(finder.plot(ax=_NoAxes())[1])
        except RuntimeError:  # its answer to fewer than 17 steps
            return None
        return None if math.isnan(rate) else rate

    return rule


def rules() -> tuple[dict[str, Rule], list[str]]:
    """Return every rule that can be run here by name, and the names of the missing libraries."""
    here: dict[str, Rule] = {"firstlight": ours}
    missing = []
    for name, make in {"Lightning": lightning, "pytorch-lr-finder": torch_lr_finder}.items():
        try:
            here[name] = make()
        except ImportError:
            missing.append(name)
    return here | {"fastai's valley": fastai}, missing
