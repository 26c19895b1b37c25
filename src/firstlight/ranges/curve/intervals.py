"""Intervals for what is read off a curve, by repeating the noise that was seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.ranges.curve.features import Features, features
from firstlight.ranges.curve.spline import Smoother
from firstlight.seeds import generator
from firstlight.stats import CONFIDENCE

Array = NDArray[np.float64]

_RUN = 3  # neighbouring points whose noise keeps its signs together


@dataclass(frozen=True)
class Fit:
    """One smooth curve and the points that it goes through.

    Args:
        smooth: the smoother.
        losses: shape (points,), the mean over repeats.
        coefficients: shape (functions,).
        kept: shape (functions,), what each function keeps of itself.
        apart: shape (repeats, points), each repeat's difference from the mean.
    """

    smooth: Smoother
    losses: Array
    coefficients: Array
    kept: Array
    apart: Array


def noise(fit: Fit) -> float:
    """Return the standard deviation of losses about their smooth curve."""
    rest = fit.losses - fit.smooth.basis @ fit.coefficients
    return float(np.sqrt((rest**2).sum() / max(1.0, rest.size - float(fit.kept.sum()))))


def redrawn(fit: Fit, count: int, seed: int) -> Features:
    """Return the features of ``count`` curves with the noise of this one drawn anew.

    Each is f + ε r + Σ wⱼ dⱼ: the smooth curve; its residuals with signs drawn for runs of
    neighbours, so that noise keeps its size along the axis and some of its memory; and, with
    several repeats, the smoothed differences of repeats drawn with replacement.

    Args:
        fit: the curve.
        count: number of curves, at least 1.
        seed: of the draws.

    Source: C. F. J. Wu, "Jackknife, bootstrap and other resampling methods" (1986), section 7.
    """
    rng = generator(seed, "ranges", "bootstrap")
    smooth = fit.smooth
    mean = smooth.basis @ fit.coefficients
    free = max(1.0, mean.size - float(fit.kept.sum()))
    rest = (fit.losses - mean) * np.sqrt(mean.size / free)
    runs = -(-(mean.size + _RUN) // _RUN)
    signs = np.repeat(rng.choice([-1.0, 1.0], size=(count, runs)), _RUN, axis=1)
    start = rng.integers(_RUN, size=count)[:, None] + np.arange(mean.size)
    drawn = mean + rest * np.take_along_axis(signs, start, axis=1)
    repeats = len(fit.apart)
    if repeats > 1:
        weight = rng.multinomial(repeats, np.full(repeats, 1 / repeats), size=count) / repeats
        shift = ((fit.apart @ smooth.basis) * fit.kept) @ smooth.basis.T
        drawn = drawn + np.sqrt(repeats / (repeats - 1)) * (weight @ shift)
    return features(smooth, smooth.fit(drawn)[0])


def interval(value: float, draws: Array) -> tuple[float, float] | None:
    """Return the interval of a place from its redrawn places, None where most have none.

    A smooth curve is flatter than the truth, and redrawn ones flatter again. So their distances from
    ``value`` are mirrored, [2v − q₊, 2v − q₋]; the interval also holds the unmirrored one.

    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997), 5.2
    and 5.3.
    """
    told = draws[np.isfinite(draws)]
    if told.size < max(2, draws.size // 2):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(told, [tail, 1 - tail])
    reach = low, high, 2 * value - high, 2 * value - low
    return float(min(reach)), float(max(reach))
