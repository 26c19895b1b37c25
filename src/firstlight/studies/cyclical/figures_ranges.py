"""Figures of the range tests: loss over learning rate, loss over batch size."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight import stats
from firstlight.plotting.marks import legend_below, log_axis, thinned, ticks_at, whisker
from firstlight.plotting.style import COLORS, INK, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.cyclical.labels import BUDGETS, LOWEST, PLACES, RANGES
from firstlight.text import counted, digits, estimate, listed, number
from firstlight.types import Floats

CURVE = COLORS[5]
"""Color of what was measured."""

MARKED = {
    "steepest": (COLORS[3], "v", 12),
    "minimum": (COLORS[2], "D", 7),
    "valley": (COLORS[4], "P", 7),
}
"""Places marked on a curve of the learning rate, the largest mark first, since steepest and valley may
lie on each other: color, mark, size."""

Bound = tuple[str, Fact]
"""A bound's name and place."""


def losses_of(record: Record, name: str) -> tuple[Floats, Floats]:
    """Return values and losses, shape (repeat, value), of one range test."""
    return record.data[f"{name}_values"].values, record.data[f"{name}_losses"].values


def _means(losses: Floats) -> list[Fact]:
    """Return the mean of each column with its interval; None where a loss is not finite."""
    return [stats.mean(x) if np.isfinite(x).all() else Fact(None, n=len(x)) for x in losses.T]


def smoothed(values: Floats) -> Floats:
    """Return a weighted mean over neighbors on both sides, for the eye.

    The weights are a Gaussian whose standard deviation is 2 % of the curve; at the ends they are
    those of the neighbors that there are.

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


def frame(record: Record) -> tuple[float, float]:
    """Return the ends of the loss axis, from the descent: a diverging loss may be astronomic."""
    curves = [losses_of(record, test)[1].mean(axis=0) for test in RANGES]
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    if not known.size:
        return 0.0, 1.0
    first = [curve[: max(1, len(curve) // 4)] for curve in curves]
    levels = [float(np.median(level)) for level in first if np.isfinite(level).all()]
    start, least = max(levels, default=float(known.max())), float(known.min())
    room = max(0.4 * (start - least), 0.1 * abs(start))
    shown = [f for f in _means(losses_of(record, "candidates")[1]) if _below(f, start + room)]
    ends = [end for f in shown for end in (f.low, f.high) if end is not None]
    bottom, top = min([least, *ends]), max([float(known.max()), *ends])
    return max(bottom - 0.1 * room, least - room), min(top + 0.1 * room, start + room)


def _below(mean: Fact, top: float) -> bool:
    return mean.value is not None and float(mean) <= top


def draw_rates(record: Record) -> Figure:
    """Draw the loss over the learning rate: the candidates, and beside them the ramp."""
    figure, axes = new_figure("full", 4.1, 1, 2, record=record, sharey=True)
    bottom, top = frame(record)
    for ax, test in zip(axes, RANGES, strict=True):
        values, losses = losses_of(record, test)
        _draw_bounds(ax, _rate_bounds(record, test))
        draw = _draw_ramp if test == "ramp" else _draw_points
        _draw_places(ax, record, test, values, np.minimum(draw(ax, values, losses, top), top))
        _draw_lost(ax, values, losses)
        log_axis(ax.xaxis)
        ax.set_xlabel("Learning rate")
        legend_below(ax)
    count = len(losses_of(record, "candidates")[0])
    how = "a run each" if record.config["range_mode"] == "runs" else "plateaus of one run"
    axes[0].set(title=f"{count} candidates: {how}", ylabel="Training loss (nats)")
    axes[0].set_ylim(bottom, top)
    axes[1].set_title("Ramp: the rate grows at every update")
    return figure


def _draw_points(ax: Any, values: Floats, losses: Floats, top: float = np.inf) -> Floats:
    """Draw mean and interval at each value, joined by a line; return the means."""
    mean: Floats = losses.mean(axis=0)
    ax.plot(values, mean, color=CURVE, linewidth=1, alpha=0.6)
    high = np.isfinite(mean) & (mean > top)
    _draw_above(ax, values[high], marker="^", color=CURVE, markerfacecolor="white", markersize=6)
    for value, fact in zip(values, _means(losses), strict=True):
        if _below(fact, top):
            whisker(ax, fact, value, vertical=True, color=CURVE)
    return mean


def _draw_above(ax: Any, values: Floats, **style: Any) -> None:
    """Draw marks at the upper edge of a panel."""
    height = np.full(len(values), 0.975)
    ax.plot(values, height, transform=ax.get_xaxis_transform(), ls="none", zorder=3, **style)


def _draw_ramp(ax: Any, values: Floats, losses: Floats, top: float) -> Floats:
    """Draw every step thinly and the smoothed line; return the latter, not finite at the end."""
    mean, lost = losses.mean(axis=0), ~np.isfinite(losses).all(axis=0)
    known = int(np.argmax(lost)) if lost.any() else len(values)  # before a repeat diverges
    curve = np.full(len(values), np.nan)
    if known:
        curve[:known] = smoothed(np.minimum(mean[:known], 2 * abs(top)))
        shown = thinned(known)
        ax.plot(values[shown], mean[shown], color=CURVE, lw=0.5, alpha=0.55)
        ax.plot(values[shown], curve[shown], color=INK, linewidth=1.8)
    return curve


def _draw_lost(ax: Any, values: Floats, losses: Floats) -> None:
    """Mark the values at which a loss is not finite; of a ramp, the first of them."""
    lost = values[~np.isfinite(losses).all(axis=0)][: None if len(values) <= 100 else 1]
    _draw_above(ax, lost, marker="X", color=COLORS[1], markersize=7)


def _draw_places(ax: Any, record: Record, test: str, values: Floats, curve: Floats) -> None:
    """Mark steepest, minimum and valley on the curve."""
    known = np.isfinite(curve)
    for place, (color, marker, size) in MARKED.items():
        fact = record.facts.get(test, place=place)
        if fact.value is None or not known.any():
            continue
        at = float(fact)
        y = np.interp(np.log(at), np.log(values[known]), curve[known])
        ax.plot(at, y, marker, color=color, markersize=size, markeredgecolor="white", zorder=4,
                linestyle="none", label=f"{PLACES[place]}: {digits(at)}")  # fmt: skip


def _rate_bounds(record: Record, test: str) -> tuple[Bound, Bound]:
    """Return both bounds as this panel has them: those that are used, or what was read here."""
    facts, source = record.facts, record.facts.get("lr_source").value
    if source == test or (source == LOWEST and test == "candidates"):
        return ("lr_min", facts.get("lr_min")), ("lr_max", facts.get("lr_max"))
    return _read(record, test)


def _read(record: Record, name: str) -> tuple[Bound, Bound]:
    low, high = (record.facts.get(name, place=place) for place in ("low", "high"))
    return (PLACES["low"], low), (PLACES["high"], high)


def _draw_bounds(ax: Any, bounds: tuple[Bound, Bound]) -> None:
    """Draw both bounds as upright lines, and shade their intervals."""
    for (name, fact), color, dashes in zip(bounds, COLORS, ("-", (0, (5, 2))), strict=False):
        if fact.value is None:
            continue
        if fact.low is not None and fact.high is not None:
            ax.axvspan(fact.low, fact.high, color=color, alpha=0.13, linewidth=0)
        label = f"{name}: {digits(float(fact))}"
        ax.axvline(float(fact), color=color, linestyle=dashes, linewidth=1.4, label=label)


def draw_sizes(record: Record) -> Figure:
    """Draw the loss over the batch size: at equal epochs, and at equal updates."""
    figure, axes = new_figure("full", 3.9, 1, 2, record=record)
    for ax, budget in zip(axes, BUDGETS, strict=True):
        values, losses = losses_of(record, f"batch_{budget}")
        ax.set_xscale("log", base=2)
        epochs = budget == "epochs"
        _draw_bounds(ax, _size_bounds(record) if epochs else _read(record, "batch_updates"))
        _draw_points(ax, values, losses)
        _draw_lost(ax, values, losses)
        ticks_at(ax.xaxis, values)
        ax.tick_params(axis="x", labelrotation=90 if len(values) > 7 else 0)
        each = number(record.config[f"batch_{budget}"])
        ax.set(xlabel="Batch size (images)", ylabel="Training loss (nats)")
        ax.set_title(f"Equal {budget}: {each} for each size")
        legend_below(ax, 1, gap=0.25)
    return figure


def _size_bounds(record: Record) -> tuple[Bound, Bound]:
    """Return b_min and b_max, and whether they are an edge only."""

    def bound(end: str) -> Bound:
        edge = record.facts.get(f"batch_{end}_source").value == "edge"
        return f"b_{end}" + " (edge of the sizes tried)" * edge, record.facts.get(f"batch_{end}")

    return bound("min"), bound("max")


def _repeats(record: Record) -> str:
    n = int(record.config["range_repeats"])
    if n == 1:
        return "One repeat, so no interval."
    return f"Mean over {counted(n, 'repeat')} with 95 % interval (Student’s t)."


def _lost(record: Record, names: dict[str, str]) -> str:
    """Return a sentence on the values at which a loss is not finite; "" if there are none.

    Args:
        record: the record.
        names: range test → how the sentence calls it.
    """
    parts = []
    for test, name in names.items():
        values, losses = losses_of(record, test)
        lost = values[~np.isfinite(losses).all(axis=0)]
        if lost.size:
            parts.append(f"{name} at {digits(lost[0])}" + " and above" * (lost.size > 1))
    return f" Crosses: a loss is not finite {listed(parts)}." if parts else ""


def _rates_caption(record: Record) -> str:
    runs = record.config["range_mode"] == "runs"
    part = "last quarter of a run" if runs else "second half of a plateau"
    mean = losses_of(record, "candidates")[1].mean(axis=0)
    above = (mean[np.isfinite(mean)] > frame(record)[1]).any()
    return (
        f"Training loss over the learning rate, batches of {number(record.config['batch_size'])}. "
        f"Left: the mean loss over the {part}. {_repeats(record)} Right: thin, the loss of each "
        "batch before its update; thick, smoothed to both sides for the eye (Gaussian, 2 % of the "
        "steps). Shaded: 95 % intervals of the bounds."
        + " Arrows: losses above the frame." * bool(above)
        + _lost(record, {test: f"with {name}" for test, name in RANGES.items()})
    )


def _rates_alt(record: Record) -> str:
    bounds = [f"{n} {estimate(record.facts.get(n), 'log')}" for n in ("lr_min", "lr_max")]
    return f"Training loss over learning rates on a logarithmic axis, two panels; {listed(bounds)}."


def _sizes_caption(record: Record) -> str:
    return (
        "Training loss over the batch size at the fixed rate lr_min = "
        f"{digits(record.facts.value('lr_min'))}: mean over the last quarter of a training’s updates. "
        f"{_repeats(record)} The axes of the loss differ. Shaded: 95 % intervals of bounds that were read."
        + _lost(record, {f"batch_{budget}": f"at equal {budget}" for budget in BUDGETS})
    )


def _sizes_alt(record: Record) -> str:
    ends = []
    for budget in BUDGETS:
        values, losses = losses_of(record, f"batch_{budget}")
        first, last = (
            f"{number(losses[:, i].mean(), 3)} with {digits(values[i])}" for i in (0, -1)
        )
        ends.append(f"at equal {budget} {first} images, {last}")
    return "Training loss over the batch size: " + "; ".join(ends) + "."


RATES = Plot("rate_range", draw_rates, _rates_caption, _rates_alt)
SIZES = Plot("batch_range", draw_sizes, _sizes_caption, _sizes_alt)
