"""What all figures draw alike: intervals, rows, violins, bands, and logarithmic and percent axes."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker

from firstlight import text
from firstlight.plotting.style import INK, MUTED
from firstlight.record import Fact
from firstlight.types import Floats


def whisker(
    ax: Any, fact: Fact, at: float, *, scale: float = 1.0, vertical: bool = False, **style: Any
) -> None:
    """Draw a fact's value as a mark and its interval, if it has one, as a line."""
    if isinstance(fact.value, str) or fact.value is None:
        return
    value, error = scale * float(fact.value), None
    if fact.low is not None and fact.high is not None:
        error = [[value - scale * fact.low], [scale * fact.high - value]]
    place, axis = ((at, value), "yerr") if vertical else ((value, at), "xerr")
    look = {"markersize": 5.5, "capsize": 2.5, "marker": "o", "linestyle": "none", **style}
    ax.errorbar([place[0]], [place[1]], **{axis: error}, **look)


def interval_rows(
    ax: Any,
    rows: Sequence[tuple[str, Fact, dict[str, Any]]],
    *,
    scale: float = 1.0,
    zero: bool = False,
    dots: Sequence[Floats] = (),
) -> None:
    """Draw facts below each other, each a mark with its interval.

    Args:
        ax: the panel.
        rows: for each, from the top: its label, the fact, and colors and the like.
        scale: factor on all numbers, 100 for shares in per cent.
        zero: whether a dashed line marks zero.
        dots: for each row, single values that are drawn small below its mark; none where empty.
    """
    if zero:
        reference(ax, 0.0, vertical=True)
    for place, (_, fact, style) in enumerate(rows):
        whisker(ax, fact, place, scale=scale, **style)
    for place, values in enumerate(dots):
        small = scale * np.asarray(values)
        ax.plot(small, np.full(len(small), place + 0.25), "o", color=MUTED, markersize=2.5)
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)


def reference(ax: Any, at: float, *, vertical: bool = False) -> None:
    """Draw a dashed line at a value that readers compare with."""
    (ax.axvline if vertical else ax.axhline)(at, color=MUTED, linewidth=1, linestyle="--", zorder=0)


def band(ax: Any, x: Any, low: Any, high: Any, color: str, alpha: float = 0.2) -> None:
    """Shade the interval around a curve."""
    ax.fill_between(x, low, high, color=color, alpha=alpha, linewidth=0)


def violins(
    ax: Any,
    rows: Sequence[Floats] | Floats,
    color: str,
    *,
    dots: int = 0,
    offset: float = 0.0,
    width: float = 0.85,
    points: int = 80,
) -> None:
    """Draw violins at 1, 2, …: equal widths, a bar at the median, a line over the middle 90 %.

    Args:
        ax: the panel.
        rows: values of each violin; what is not finite is left out, a dash stands for fewer than two.
        color: of the bodies.
        dots: up to this many values are drawn singly; where they are fewer than eight, without a body.
        offset: how far from 1, 2, …, so that two sets may stand side by side.
        width: of a violin.
        points: heights at which a body's width is drawn; fewer make a smaller file.
    """
    for number, row in enumerate(rows, 1):
        place = number + offset
        x = np.asarray(row)[np.isfinite(row)]
        if x.size < 2:
            ax.text(place, 0.5, text.NONE, transform=ax.get_xaxis_transform(), ha="center")
            continue
        if np.ptp(x) > 0 and (dots == 0 or x.size >= 8):
            parts = ax.violinplot([x], [place], widths=width, showextrema=False, points=points)
            for body in parts["bodies"]:
                body.set(facecolor=color, edgecolor=color, alpha=0.4, linewidth=0.6)
        low, middle, high = np.quantile(x, [0.05, 0.5, 0.95])
        if x.size <= dots:
            spread = width * np.linspace(-0.14, 0.14, x.size)
            ax.plot(place + spread, x, "o", color=color, markersize=2, alpha=0.6)
        else:
            ax.plot([place, place], [low, high], color=color, lw=1.1, solid_capstyle="butt")
        half = 0.19 * width
        ax.plot([place - half, place + half], [middle, middle], color=INK, lw=1.2)
    ax.set_xticks(range(1, len(rows) + 1))
    ax.grid(axis="x", visible=False)


def percent_axis(axis: Any, decimals: int | None = 0) -> None:
    """Write an axis of shares in per cent."""
    axis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=decimals, symbol="\u202f%"))


def ticks_at(
    axis: Any, places: Iterable[float], write: Callable[[float], str] = text.number
) -> None:
    """Put the ticks of an axis at these places, without smaller ones, written by ``write``."""
    axis.set_major_locator(ticker.FixedLocator(list(places)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda v, _: write(v)))


def exponents(low: float, high: float) -> list[int]:
    """Return a few whole exponents between two; the steps are 1, 2, 3, …, or whole tens."""
    step = max(1, math.ceil((high - low) / 6))
    if step > 5:
        step = 10 * math.ceil(step / 10)
    return list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))


def log_axis(axis: Any) -> None:
    """Make an axis logarithmic, in powers of ten as far as it spans several."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = (math.log10(v) for v in axis.get_view_interval())
    marks = exponents(low, high)
    if len(marks) > 1:
        ticks_at(axis, [10.0**p for p in marks], lambda v: text.power_of_ten(math.log10(v)))
        return
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda v, _: text.number(v)))
    axis.set_minor_formatter(ticker.NullFormatter())


def exponent_axis(axis: Any, span: float = 16) -> None:
    """Label an axis of exponents with the powers of ten; it spans at most ``span`` of them."""
    low, high = axis.get_view_interval()
    low = max(low, high - span)
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    ticks_at(axis, exponents(low, high), text.power_of_ten)


def log_sizes(values: Floats) -> Floats:
    """Return log₁₀ of the absolute value of each number; NaN where it is zero or not finite."""
    size = np.abs(values)
    return np.log10(np.where(np.isfinite(size) & (size > 0), size, np.nan))


def legend_above(figure: Any, handles: Any, labels: Any, columns: int = 3) -> None:
    """Put one legend for all panels above them."""
    figure.legend(handles, list(labels), loc="outside upper center", ncols=columns)


def legend_below(ax: Any, columns: int = 2, gap: float = 0.19) -> None:
    """Put a panel's legend below it, where it covers nothing."""
    if ax.get_legend_handles_labels()[0]:
        look = {"ncols": columns, "columnspacing": 1.2, "handlelength": 1.8}
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -gap), **look)


def thinned(n: int, most: int = 1500) -> Any:
    """Return the indices of at most ``most`` of ``n`` points, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
