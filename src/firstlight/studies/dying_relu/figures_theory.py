"""Figures of the theory: P(born dead) by depth and width, and the shapes that are safe."""

from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from firstlight.plotting.style import COLOURS, INK, MUTED, Plot, new_figure
from firstlight.record import Record

SHOWN_WIDTHS = (2, 3, 4, 5)
SHOWN_DEPTHS = (3, 5, 10, 20)
MARKERS = ("o", "s", "^", "D")


def _grid(record: Record, name: str) -> Any:
    return record.arrays[f"theory.{name}"].values


def _rows(record: Record, width: int) -> Any:
    return int(np.flatnonzero(_grid(record, "width") == width)[0])


def _curve(ax: Any, x: Any, bounds: tuple[Any, Any], colour: str, label: str) -> None:
    """Shade the room between the bounds and draw both as lines."""
    lower, upper = bounds
    ax.fill_between(x, lower, upper, color=colour, alpha=0.18, lw=0, label=label)
    ax.plot(x, upper, color=colour, lw=0.9)
    ax.plot(x, lower, color=colour, lw=0.9, ls=(0, (4, 1.5)))


def _dots(ax: Any, x: Any, table: Any, colour: str, marker: str) -> None:
    value, low, high = table.T
    error = np.clip([value - low, high - value], 0, None)
    ax.errorbar(
        x, value, yerr=error, fmt=marker, ms=3.6, color=colour, capsize=2, elinewidth=1,
    )  # fmt: skip


def born_dead(record: Record) -> Figure:
    """Draw P(born dead) against depth and against width: bounds, exact value, simulation."""
    figure, (left, right) = new_figure("full", 3.9, cols=2, record=record, sharey=True)
    depths, widths = _grid(record, "depth"), _grid(record, "width")
    lower, upper = _grid(record, "lower"), _grid(record, "upper")
    simulated = _grid(record, "simulated")
    at_widths, at_depths = _grid(record, "simulated_width"), _grid(record, "simulated_depth")
    short = depths <= 30
    for colour, marker, width in zip(COLOURS, MARKERS, SHOWN_WIDTHS, strict=False):
        row = _rows(record, width)
        bounds = lower[row, short], upper[row, short]
        _curve(left, depths[short], bounds, colour, f"width {width}")
        _dots(left, at_depths, simulated[at_widths == width][0], colour, marker)
    left.plot(
        _grid(record, "exact_depth"), _grid(record, "exact"), color=INK, lw=1.3,
        label="width 2, exact",
    )  # fmt: skip
    for colour, marker, depth in zip(COLOURS, MARKERS, SHOWN_DEPTHS, strict=False):
        column = int(np.flatnonzero(depths == depth)[0])
        _curve(right, widths, (lower[:, column], upper[:, column]), colour, f"depth {depth}")
        _dots(right, at_widths, simulated[:, at_depths == depth][:, 0], colour, marker)
    left.set(xlabel="Depth (layers with weights)", ylabel="P(born dead)", title="By depth")
    right.set(xlabel="Width", title="By width", xlim=(0.7, 10.3))
    left.set_ylim(-0.03, 1.03)
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    right.xaxis.set_major_locator(FixedLocator(range(1, 11)))
    for ax in (left, right):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
    return figure


def safe_shapes(record: Record) -> Figure:
    """Draw the upper bound of P(born dead) over depth and width, and the safe widths."""
    figure, ax = new_figure("narrow", 3.7, record=record)
    depths, widths = _grid(record, "depth"), _grid(record, "width")
    levels = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
    filled = ax.contourf(
        depths, widths, _grid(record, "upper"), levels, cmap="Blues", norm=BoundaryNorm(levels, 256)
    )
    for risk, line, style in zip(
        _grid(record, "risk"), _grid(record, "safe_width"), ("-", (0, (4, 1.5))), strict=True
    ):
        ax.step(
            depths, line, where="mid", color=COLOURS[1], ls=style, lw=1.8,
            label=f"safe width at a risk of {100 * risk:g} %",
        )  # fmt: skip
    depth, width = int(record.config["depth"]), int(record.config["width"])
    if depths[0] <= depth <= depths[-1] and widths[0] <= width <= widths[-1]:
        ax.plot(depth, width, ls="none", marker="*", ms=11, color=COLOURS[4], label="this run")
    ax.set(xscale="log", xlabel="Depth (layers with weights)", ylabel="Width", ylim=(1, widths[-1]))
    ax.xaxis.set_major_locator(FixedLocator([2, 3, 5, 10, 20, 50, 100]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))
    ax.grid(False)
    bar = figure.colorbar(filled, ax=ax, label="P(born dead), upper bound", spacing="uniform")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    ax.legend(loc="upper left", labelcolor=INK, frameon=True, framealpha=0.85, edgecolor=MUTED)
    return figure


def _has_theory(record: Record) -> bool:
    return "theory.upper" in record.arrays


def _exact(record: Record, depth: int) -> str:
    column = int(np.flatnonzero(_grid(record, "exact_depth") == depth)[0])
    return f"{100 * float(_grid(record, 'exact')[column]):.1f} %"


def _safe(record: Record, depth: int) -> str:
    column = int(np.flatnonzero(_grid(record, "depth") == depth)[0])
    return ", ".join(
        f"{int(line[column])} at {100 * risk:g} %"
        for risk, line in zip(_grid(record, "risk"), _grid(record, "safe_width"), strict=True)
    )


SHAPES = (
    Plot(
        "born_dead",
        born_dead,
        lambda r: (
            "Probability that a network with one input, He initialization and zero biases is born "
            "dead. Shaded: between the lower bound (dashed) and the upper bound (line) of Lu et al.; "
            f"dots: {int(_grid(r, 'simulated_count')[0]):,} networks each, with 95 % intervals; black: "
            "the exact value for width 2."
        ),
        lambda r: (
            "P(born dead) rises with depth and falls with width; exact values at width 2: "
            f"{_exact(r, 3)} for 3 layers, {_exact(r, 10)} for 10, {_exact(r, 20)} for 20."
        ),
        when=_has_theory,
    ),
    Plot(
        "safe_shapes",
        safe_shapes,
        "Upper bound of P(born dead) by depth and width. On and above a red line the risk is at most "
        "the one named; the star is the shape of this run.",
        lambda r: (
            "Map of the upper bound over depth and width with two lines of safe width, which rise "
            f"with the logarithm of depth; for 10 layers: {_safe(r, 10)}."
        ),
        when=_has_theory,
    ),
)
