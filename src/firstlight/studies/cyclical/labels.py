"""What the figures of the cyclical study share: names, colours, marks, numbers, smoothing."""

import math
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from firstlight import stats
from firstlight.plotting.style import COLOURS
from firstlight.record import Fact, Record

Floats = NDArray[np.float64]

LABEL = {
    "fixed_low": "Fixed rate lr_min",
    "fixed_high": "Fixed rate lr_max",
    "cyclical_rate": "Cyclical rate",
    "growing_batch": "Growing batch",
    "shrinking_batch": "Shrinking batch",
}
"""Policy → its short name in figures."""

COLOUR = {
    "fixed_low": COLOURS[5],
    "fixed_high": COLOURS[4],
    "cyclical_rate": COLOURS[0],
    "growing_batch": COLOURS[2],
    "shrinking_batch": COLOURS[1],
}
"""Policy → its colour in every figure."""

MARKER = {
    "fixed_low": "s",
    "fixed_high": "^",
    "cyclical_rate": "o",
    "growing_batch": "D",
    "shrinking_batch": "v",
}
"""Policy → its mark, so that colour is never the only difference."""

MOST = 1500
"""Points of a line that are drawn at most."""


def policies(record: Record) -> list[str]:
    """Return the policies of a record, in the order of its config."""
    return [p for p in record.config["policies"] if f"test_accuracy.{p}" in record.facts]


def counted(n: int, noun: str) -> str:
    """Return ``"1 seed"`` or ``"3 seeds"``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def per_seed(record: Record) -> str:
    """Return the number of seeds in words."""
    return counted(int(record.config["seeds"]), "seed")


def told(value: Any) -> str:
    """Return a rate or a size in three digits, "not told" for None.

    Example:
        >>> told(0.00123), told(1.3e-7), told(8192), told(None)
        ('0.00123', '1.3 × 10⁻⁷', '8,192', 'not told')
    """
    if value is None:
        return "not told"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 1e-4 or value <= 0:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa.rstrip('0').rstrip('.')} × 10{raised}"


def place(record: Record, name: str) -> float | None:
    """Return a fact that is a place on an axis; None where it is not told or not there."""
    value = record.facts[name].value if name in record.facts else None
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def thinned(n: int) -> NDArray[np.intp]:
    """Return the indices of at most ``MOST`` of ``n`` points, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(np.intp))


def smoothed(values: Floats) -> Floats:
    """Return a weighted mean over neighbours on both sides, for the eye.

    The weights are a Gaussian whose standard deviation is 2 % of the curve; at the ends they are
    those of the neighbours that there are.

    Args:
        values: shape (k,), finite.

    Example:
        >>> smoothed(np.full(7, 2.0)).tolist()
        [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    """
    width = max(0.02 * len(values), 0.5)
    reach = min(len(values) - 1, math.ceil(4 * width))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    inside = slice(reach, reach + len(values))
    total = np.convolve(np.ones(len(values)), weights)[inside]
    return np.asarray(np.convolve(values, weights)[inside] / total)


def means(losses: Floats) -> list[Fact]:
    """Return the mean of each column with its interval; None where a loss is not finite.

    Args:
        losses: shape (repeat, value).
    """
    return [stats.mean(x) if np.isfinite(x).all() else Fact(None, n=len(x)) for x in losses.T]


def rate_axis(ax: Any) -> None:
    """Make the x axis logarithmic, with powers of ten for a learning rate."""
    ax.set_xscale("log")
    ax.set_xlabel("Learning rate")
    ax.xaxis.set_major_locator(LogLocator(numticks=7))
    ax.xaxis.set_minor_locator(NullLocator())


def size_axis(axis: Any, ticks: Any) -> None:
    """Label a logarithmic axis with batch sizes."""
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def doublings(low: float, high: float) -> list[int]:
    """Return the powers of two that cover a range of sizes, thinned to at most nine."""
    first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
    step = math.ceil((last - first + 1) / 9)
    return [2**p for p in range(first, last + 1, step)]
