"""Figures of the range tests: loss over learning rate, loss over batch size."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight.studies.cyclical.labels import Floats, means, place, rate_axis, size_axis, smoothed, thinned, told
from firstlight.studies.cyclical.captions import (
    below,
    frame,
    measured,
    rates_alt,
    rates_caption,
    sizes_alt,
    sizes_caption,
)
from firstlight.plotting.style import COLOURS, INK, Plot, new_figure
from firstlight.plotting.marks import whisker
from firstlight.record import Fact, Record

CURVE = COLOURS[5]
"""Colour of what was measured."""

BOUNDS = (("low", COLOURS[0], "-"), ("high", COLOURS[1], (0, (5, 2))))
"""Both bounds: colour and dashes."""

PLACES = (
    ("steepest", "steepest", COLOURS[3], "v", 12),
    ("minimum", "minimum", COLOURS[2], "D", 7),
    ("valley", "fastai’s valley", COLOURS[4], "P", 7),
)
"""Other places on a curve of the learning rate: how they are called and marked, the largest first,
since steepest and valley may lie on each other."""


def draw_rates(record: Record) -> Figure:
    """Loss over learning rate: the candidates, and beside them the ramp."""
    figure, axes = new_figure("full", 4.1, 1, 2, record=record, sharey=True)
    bottom, top = frame(record)
    for ax, kind in zip(axes, ("candidates", "ramp"), strict=True):
        values, losses = measured(record, kind)
        _draw_bounds(ax, record, _rate_names(record, kind))
        draw = _draw_ramp if kind == "ramp" else _draw_points
        _draw_places(ax, record, kind, values, np.minimum(draw(ax, values, losses, top), top))
        _draw_lost(ax, values, losses)
        rate_axis(ax)
        _legend(ax, 2)
    axes[0].set(title=_candidates_title(record), ylabel="Training loss (nats)")
    axes[1].set_title("Ramp: the rate grows at every update")
    axes[0].set_ylim(bottom, top)
    return figure


def _draw_points(ax: Any, values: Floats, losses: Floats, top: float = np.inf) -> Floats:
    """Draw mean and interval at each value, joined by a line; return the means."""
    facts = means(losses)
    mean: Floats = losses.mean(axis=0)
    ax.plot(values, mean, color=CURVE, linewidth=1, alpha=0.6)
    high = np.isfinite(mean) & (mean > top)
    ax.plot(values[high], np.full(high.sum(), 0.975), "^", transform=ax.get_xaxis_transform(),
            color=CURVE, markerfacecolor="white", markersize=6, zorder=3)  # fmt: skip
    for value, fact in zip(values, facts, strict=True):
        if below(fact.value, top):
            whisker(ax, fact, value, vertical=True, color=CURVE)
    return mean


def _draw_ramp(ax: Any, values: Floats, losses: Floats, top: float) -> Floats:
    """Draw every step thinly and the smoothed line; return the latter, not finite at the end."""
    mean = losses.mean(axis=0)
    known = _finite(losses)
    curve = np.full(len(values), np.nan)
    shown = thinned(known)
    if known:
        curve[:known] = smoothed(np.minimum(mean[:known], 2 * abs(top)))
        ax.plot(values[shown], mean[shown], color=CURVE, lw=0.5, alpha=0.55)
        ax.plot(values[shown], curve[shown], color=INK, linewidth=1.8)
    return curve


def _finite(losses: Floats) -> int:
    """Return how many values there are before the first at which a repeat diverged."""
    lost = ~np.isfinite(losses).all(axis=0)
    return int(np.argmax(lost)) if lost.any() else losses.shape[1]


def _draw_lost(ax: Any, values: Floats, losses: Floats) -> None:
    """Mark the values at which a loss is not finite; of a ramp, the first of them."""
    lost = values[~np.isfinite(losses).all(axis=0)][: None if len(values) <= 100 else 1]
    ax.plot(lost, np.full(len(lost), 0.975), "X", transform=ax.get_xaxis_transform(),
            color=COLOURS[1], markersize=7, zorder=3)  # fmt: skip


def _draw_places(ax: Any, record: Record, kind: str, values: Floats, curve: Floats) -> None:
    """Mark steepest, minimum and valley on the curve."""
    known = np.isfinite(curve)
    for name, label, colour, marker, size in PLACES:
        at = place(record, f"{kind}.{name}")
        if at is None or not known.any():
            continue
        y = np.interp(np.log(at), np.log(values[known]), curve[known])
        ax.plot(at, y, marker, color=colour, markersize=size, markeredgecolor="white", zorder=4,
                linestyle="none", label=f"{label}: {told(at)}")  # fmt: skip


def _rate_names(record: Record, kind: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return name and fact of both bounds, as this panel has them."""
    source = record.facts["lr_source"].value
    if source == kind or (source == "lowest loss" and kind == "candidates"):
        return ("lr_min", "lr_min"), ("lr_max", "lr_max")
    return ("starts to fall", f"{kind}.low"), ("slows", f"{kind}.high")


def _draw_bounds(ax: Any, record: Record, names: Any) -> None:
    """Draw both bounds as upright lines, and shade their intervals."""
    for (name, fact), (_, colour, dashes) in zip(names, BOUNDS, strict=True):
        at = place(record, fact)
        if at is None:
            continue
        found: Fact = record.facts[fact]
        if found.low is not None and found.high is not None:
            ax.axvspan(found.low, found.high, color=colour, alpha=0.13, linewidth=0)
        ax.axvline(at, color=colour, linestyle=dashes, linewidth=1.4, label=f"{name}: {told(at)}")


def _legend(ax: Any, columns: int) -> None:
    """Put the legend below the panel, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.19), ncols=columns,
                  columnspacing=1.2, handlelength=1.8)  # fmt: skip


def _candidates_title(record: Record) -> str:
    how = "a run each" if record.config["range_mode"] == "runs" else "plateaus of one run"
    return f"{len(record.arrays['candidates.values'].values)} candidates: {how}"


def draw_sizes(record: Record) -> Figure:
    """Loss over batch size: at equal epochs, and at equal updates."""
    figure, axes = new_figure("full", 3.9, 1, 2, record=record)
    for ax, kind in zip(axes, ("epochs", "updates"), strict=True):
        values, losses = measured(record, f"batch_{kind}")
        ax.set_xscale("log", base=2)
        _draw_bounds(ax, record, _size_names(record) if kind == "epochs" else _FALL)
        _draw_points(ax, values, losses)
        _draw_lost(ax, values, losses)
        size_axis(ax.xaxis, values)
        ax.tick_params(axis="x", labelrotation=90 if len(values) > 9 else 0)
        ax.set(xlabel="Batch size (images)", ylabel="Training loss (nats)")
        _legend(ax, 1)
    axes[0].set_title(f"Equal epochs: {record.config['batch_epochs']:g} for each size")
    axes[1].set_title(f"Equal updates: {record.config['batch_updates']:,} for each size")
    return figure


_FALL = (("starts to fall", "batch_updates.low"), ("slows", "batch_updates.high"))


def _size_names(record: Record) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return label and fact of b_min and b_max."""

    def label(name: str) -> str:
        edge = record.facts[f"batch_{name}_source"].value == "edge"
        return f"b_{name} (edge of the sizes tried)" if edge else f"b_{name}"

    return (label("min"), "batch_min"), (label("max"), "batch_max")


RATES = Plot("rate_range", draw_rates, rates_caption, rates_alt)
SIZES = Plot("batch_range", draw_sizes, sizes_caption, sizes_alt)
