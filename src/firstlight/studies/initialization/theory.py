"""What theory predicts for the networks of the study, and how often measurement agrees."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from firstlight import stats
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.meanfield import Prediction, propagate
from firstlight.record import Fact
from firstlight.studies.initialization.networks import SATURATED, weight_std

CHECKED = ("linear", "tanh", "relu")
"""Activations for which the prediction is held against the measurement, layer by layer."""

Values = NDArray[np.float64]


def grouped(squares: Values, count: int) -> Values:
    """Return the means of ``count`` groups of similar values, all of the same weight.

    A value on the border of two groups belongs to both in part, so that the mean of the result is
    that of all values; what is linear in the mean square stays exact.

    Example:
        >>> grouped(np.array([4.0, 1.0, 2.0, 3.0]), 2).tolist()
        [1.5, 3.5]
    """
    n, k = len(squares), min(count, len(squares))
    total = np.concatenate([[0.0], np.cumsum(np.sort(squares))])
    borders = np.interp(np.linspace(0, n, k + 1), np.arange(n + 1), total)
    return np.asarray(np.diff(borders) * k / n)


def predicted(
    config: InitializationConfig, activation: str, init: str, squares: Values, layers: int
) -> Prediction:
    """Return what is expected in each hidden layer, behind the linear first one.

    Args:
        config: the parameters.
        activation: of the hidden layers.
        init: the initialization.
        squares: mean square of each image's pixels, or of groups of images.
        layers: hidden layers.
    """
    pixels, width = 784, config.width
    widths = (pixels, *[width] * (layers + 1))
    std = [weight_std(init, a, b) for a, b in pairwise(widths)]
    found = propagate(
        widths,
        std,
        ["linear", *[activation] * layers],
        input_square=squares,
        threshold=SATURATED,
    )
    fields = {name: values[1:] for name, values in vars(found).items()}
    return Prediction(**fields)


@dataclass(frozen=True)
class Agreement:
    """How many intervals around measured means hold the prediction.

    Args:
        checked: intervals in all.
        simultaneous: those that hold it when all of them shall hold together with 95 %
            (Bonferroni).
        single: those that hold it when each shall hold with 95 %; some miss by chance.
    """

    checked: int
    simultaneous: int
    single: int

    @property
    def all(self) -> bool:
        """Return whether measurement and theory agree: all simultaneous intervals hold."""
        return self.simultaneous == self.checked

    def facts(self, name: str) -> dict[str, Fact]:
        """Return the counts as facts."""
        return {
            f"{name}.checked": Fact(self.checked),
            f"{name}.within": Fact(self.simultaneous),
            f"{name}.within_single": Fact(self.single),
        }


def agreement(measured: Mapping[str, Values], expected: Mapping[str, Values]) -> Agreement:
    """Compare means over seeds with predictions, by Student's t intervals.

    Args:
        measured: name → shape (seeds, layers), at least two seeds.
        expected: the same names → shape (layers,).
    """
    distances, n = [], 0
    for name, values in measured.items():
        n = len(values)
        error = values.std(axis=0, ddof=1) / np.sqrt(n)
        gap = np.abs(values.mean(axis=0) - expected[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            distances.append(np.where(gap > 0, gap / error, 0.0))
    if not distances:
        return Agreement(0, 0, 0)
    t = np.concatenate(distances)
    alpha = 1 - stats.CONFIDENCE
    single, together = (float(scipy_stats.t.isf(a / 2, n - 1)) for a in (alpha, alpha / t.size))
    return Agreement(int(t.size), int((t <= together).sum()), int((t <= single).sum()))
