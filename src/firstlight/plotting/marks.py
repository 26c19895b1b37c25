"""What all figures draw alike: intervals, rows, violins, bands, and logarithmic and percent axes."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.ticker import PercentFormatter

from firstlight import text
from firstlight.plotting.style import INK, MUTED
from firstlight.record import Fact
from firstlight.types import Floats

MOST = 1500
"""Points of a line that are drawn at most."""


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
    look = {"markersize": 5.5, "capsize": 2.5, "fmt": "o", **style}
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
        rows: for each, from the top: its label, the fact, and colours and the like.
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


def band(ax: Any, x: Any, low: Any, high: Any, colour: str, alpha: float = 0.2) -> None:
    """Shade the interval around a curve."""
    ax.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0)


def violin(ax: Any, values: Floats, place: float, colour: str, *, dots: int = 0) -> None:
    """Draw one violin: equal widths, a bar at the median, a line over the middle 90 %.

    Args:
        ax: the panel.
        values: shape (n,); what is not finite is left out, a dash stands for fewer than two values.
        place: where on the x axis.
        colour: of the body.
        dots: up to so many values are drawn singly; where there are fewer than eight, without a body.
    """
    found = np.asarray(values)[np.isfinite(values)]
    if found.size < 2:
        ax.text(place, 0.5, text.NONE, transform=ax.get_xaxis_transform(), ha="center")
        return
    if np.ptp(found) > 0 and (dots == 0 or found.size >= 8):
        parts = ax.violinplot([found], [place], widths=0.85, showextrema=False, points=80)
        for body in parts["bodies"]:
            body.set(facecolor=colour, edgecolor=colour, alpha=0.4, linewidth=0.6)
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    if found.size <= dots:
        spread = np.linspace(-0.12, 0.12, found.size)
        ax.plot(place + spread, found, "o", color=colour, markersize=2, alpha=0.6)
    else:
        ax.plot([place, place], [low, high], color=colour, lw=1.1, solid_capstyle="butt")
    ax.plot([place - 0.16, place + 0.16], [middle, middle], color=INK, lw=1.2)


def violins(ax: Any, rows: Iterable[Floats], colour: str, *, first: int = 1, dots: int = 0) -> None:
    """Draw one violin for each row, at ``first``, ``first`` + 1, …; see ``violin``."""
    places = []
    for place, row in enumerate(rows, first):
        violin(ax, row, place, colour, dots=dots)
        places.append(place)
    ax.set_xticks(places)
    ax.grid(axis="x", visible=False)


def percent_axis(axis: Any, decimals: int | None = 0) -> None:
    """Write an axis of shares in per cent."""
    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals, symbol="\u202f%"))


def ticks_at(
    axis: Any, places: Iterable[float], write: Callable[[float], str] = text.number
) -> None:
    """Put the ticks of an axis at these places, without smaller ones, written by ``write``."""
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: write(v)))
    axis.set_minor_formatter(NullFormatter())


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
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: text.number(v)))
    axis.set_minor_formatter(NullFormatter())


def exponent_axis(axis: Any, span: float = 16) -> None:
    """Label an axis of exponents with the powers of ten; it spans at most ``span`` of them."""
    low, high = axis.get_view_interval()
    low = max(low, high - span)
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    ticks_at(axis, exponents(low, high), text.power_of_ten)


def log_sizes(values: Floats) -> Floats:
    """Return log₁₀ of the absolute value of each number; NaN where it is zero or not finite."""
    size = np.abs(values)
    usable = np.isfinite(size) & (size > 0)
    return np.asarray(np.where(usable, np.log10(np.where(usable, size, 1.0)), np.nan))


def legend_above(figure: Any, handles: Any, labels: Any, columns: int = 3) -> None:
    """Put one legend for all panels above them."""
    figure.legend(handles, list(labels), loc="outside upper center", ncols=columns)


def legend_below(ax: Any, columns: int = 2, gap: float = 0.19) -> None:
    """Put a panel's legend below it, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, -gap), ncols=columns,
            columnspacing=1.2, handlelength=1.8,
        )  # fmt: skip


def thinned(n: int) -> Any:
    """Return the indices of at most ``MOST`` of ``n`` points, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(np.intp))
