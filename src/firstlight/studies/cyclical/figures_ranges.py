"""Figures of the range tests: loss over learning rate, loss over batch size."""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight.plotting.marks import legend_above, log_axis, reference, thinned, ticks_at
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.cyclical.labels import BATCH_TESTS, LOWEST, PLACES, RANGES
from firstlight.studies.cyclical.words import loss_of_guessing
from firstlight.text import counted, digits, estimate, listed, number, sentence
from firstlight.types import Floats

CURVE = COLORS[5]
"""Color of what was measured."""
STEEPEST = {"color": COLORS[3], "marker": "v", "markersize": 9, "markeredgecolor": "white"}
BEST = {"color": COLORS[2], "marker": "*", "markersize": 12, "markeredgecolor": "white"}

Bounds = tuple[Fact, Fact]
"""The lower and the upper bound, as far as they are known."""


def losses_of(record: Record, name: str) -> tuple[Floats, Floats]:
    """Return values and losses, shape (repeat, value), of one range test."""
    values, losses = (record.arrays.get(f"{name}_{what}").values for what in ("values", "losses"))
    return values, losses


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
    points = losses_of(record, "candidates")[1]
    shown = points[np.isfinite(points) & (points <= start + room)]
    bottom, top = min([least, *shown]), max([float(known.max()), *shown])
    return max(bottom - 0.1 * room, least - room), min(top + 0.1 * room, start + room)


def draw_rates(record: Record) -> Figure:
    """Draw the loss over the learning rate: the candidates, and beside them the ramp."""
    figure, axes = new_figure("full", 2.8, 1, 2, record=record, sharey=True)
    bottom, top = frame(record)
    for ax, test in zip(axes, RANGES, strict=True):
        values, losses = losses_of(record, test)
        _draw_bounds(ax, _rate_bounds(record, test), (PLACES["low"], PLACES["high"]))
        draw = _draw_ramp if test == "ramp" else _draw_points
        _draw_steepest(
            ax, record.facts.get(test, place="steepest"), values, draw(ax, values, losses, top)
        )
        _draw_lost(ax, values, losses)
        log_axis(ax.xaxis)
        ax.set_xlabel("Learning rate")
    count = len(losses_of(record, "candidates")[0])
    how = "a run each" if record.config["range_mode"] == "runs" else "plateaus of one run"
    axes[0].set_title(f"{count} candidates: {how}", pad=20)
    axes[0].set(ylabel="Training loss (nats)", ylim=(bottom, top))
    axes[1].set_title("Ramp: the rate grows at every update", pad=20)
    legend_above(figure, *_once(axes), columns=6)
    return figure


def _once(axes: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Return the legend's entries of all panels, each name once."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    return list(entries.values()), list(entries)


def _draw_points(ax: Any, values: Floats, losses: Floats, top: float = np.inf) -> Floats:
    """Draw the mean at each value, joined as far as it is inside, and each repeat; return the means."""
    mean: Floats = losses.mean(axis=0)
    inside = np.isfinite(mean) & (mean <= top)
    for part in _runs(inside):
        look = {"color": CURVE, "linewidth": 1, "marker": "o", "markersize": 5}
        ax.plot(values[part], mean[part], label="mean", **look)
    if len(losses) > 1:
        each = np.where(losses <= top, losses, np.nan).T
        ax.plot(values, each, "_", color=MUTED, markersize=7, label="one repeat")
    high = np.isfinite(mean) & ~inside
    _draw_above(ax, values[high], marker="^", color=CURVE, markerfacecolor="white", markersize=6)
    return np.where(inside, mean, np.nan)


def _runs(inside: Any) -> Iterator[slice]:
    """Yield the stretches of neighbors that are all inside."""
    for key, group in groupby(range(len(inside)), lambda at: bool(inside[at])):
        places = list(group)
        if key:
            yield slice(places[0], places[-1] + 1)


def _draw_above(ax: Any, values: Floats, **style: Any) -> None:
    """Draw marks at the upper edge of a panel."""
    height = np.full(len(values), 0.97)
    ax.plot(values, height, transform=ax.get_xaxis_transform(), ls="none", zorder=3, **style)


def _draw_ramp(ax: Any, values: Floats, losses: Floats, top: float) -> Floats:
    """Draw every step thinly and the smoothed line, inside the frame; return the latter."""
    mean, lost = losses.mean(axis=0), ~np.isfinite(losses).all(axis=0)
    known = int(np.argmax(lost)) if lost.any() else len(values)  # before a repeat diverges
    curve = np.full(len(values), np.nan)
    if known:
        curve[:known] = smoothed(np.minimum(mean[:known], 2 * abs(top)))
        curve[curve > top] = np.nan
        shown = thinned(known)
        each = np.where(mean[shown] <= top, mean[shown], np.nan)
        ax.plot(values[shown], each, color=CURVE, lw=0.5, alpha=0.55)
        ax.plot(values[shown], curve[shown], color=INK, linewidth=1.8)
    return curve


def _draw_lost(ax: Any, values: Floats, losses: Floats) -> None:
    """Mark the values at which a loss is not finite; of a ramp, the first of them."""
    lost = values[~np.isfinite(losses).all(axis=0)][: None if len(values) <= 100 else 1]
    _draw_above(ax, lost, marker="X", color=COLORS[1], markersize=7)


def _draw_steepest(ax: Any, place: Fact, values: Floats, curve: Floats) -> None:
    """Mark where the curve falls fastest."""
    known = np.isfinite(curve)
    if place.value is not None and known.any():
        at = float(place)
        y = np.interp(np.log(at), np.log(values[known]), curve[known])
        name = PLACES["steepest"]
        ax.plot(at, y, linestyle="none", zorder=4, label=name, **STEEPEST)


def _rate_bounds(record: Record, test: str) -> Bounds:
    """Return both bounds as this panel has them: those that are used, or what was read here."""
    facts, source = record.facts, record.facts.get("lr_source").value
    if source == test or (source == LOWEST and test == "candidates"):
        return facts.get("lr_min"), facts.get("lr_max")
    return facts.get(test, place="low"), facts.get(test, place="high")


def _draw_bounds(ax: Any, bounds: Bounds, names: tuple[str, str]) -> None:
    """Draw both bounds as upright lines with their values above, and shade their intervals."""
    looks = zip(bounds, names, COLORS, ("-", (0, (5, 2))), ("right", "left"), strict=False)
    for fact, name, color, dashes, side in looks:
        if fact.value is None:
            continue
        if fact.low is not None and fact.high is not None:
            ax.axvspan(fact.low, fact.high, color=color, alpha=0.13, linewidth=0)
        ax.axvline(float(fact), color=color, linestyle=dashes, linewidth=1.4, label=name)
        above = {"transform": ax.get_xaxis_transform(), "ha": side, "va": "bottom", "size": 8}
        ax.text(float(fact), 1.01, digits(float(fact)), color=color, **above)


def tests_of(record: Record) -> list[str]:
    """Return the batch-size tests that were part of the run."""
    return [test for test in BATCH_TESTS if record.facts.has(test)]


def draw_sizes(record: Record) -> Figure:
    """Draw the loss over the batch size: a panel for each test, and one for the algorithm of 4.5."""
    tests, facts = [*tests_of(record), "auto"], record.facts
    figure, axes = new_figure("full", 2.75, 1, len(tests), record=record, sharey=True)
    guess, source = loss_of_guessing(facts), facts.get("batch_source").value
    for ax, test in zip(axes, tests, strict=True):
        values, losses = losses_of(record, test)
        ax.set_xscale("log", base=2)
        if test in ("auto", source):
            start = "auto" if test == "auto" else "batch"
            bounds = facts.get(f"{start}_min"), facts.get(f"{start}_max")
            _draw_bounds(ax, bounds, ("b_min", "b_max"))
        reference(ax, guess)
        means = _draw_points(ax, values, losses)
        _draw_lost(ax, values, losses)
        if test == "auto":
            _draw_recommended(ax, facts.get("auto_recommended"), values, means)
        ticks_at(ax.xaxis, values)
        ax.tick_params(axis="x", labelrotation=90 if len(tests) * len(values) > 10 else 0)
        ax.set_xlabel("Batch size (images)")
        ax.set_title(_sizes_title(record, test), pad=20)
    axes[0].text(0.98, guess, "guessing", transform=axes[0].get_yaxis_transform(), size=8,
                 va="bottom", ha="right", color=MUTED)  # fmt: skip
    axes[0].set_ylabel("Training loss (nats)")
    legend_above(figure, *_once(axes), columns=6)
    return figure


def _draw_recommended(ax: Any, best: Fact, values: Floats, means: Floats) -> None:
    """Mark the size that the algorithm recommends."""
    if best.value is not None:
        at = int(np.argmin(np.abs(values - float(best))))
        ax.plot(values[at], means[at], linestyle="none", zorder=4, label="recommended", **BEST)


def _sizes_title(record: Record, test: str) -> str:
    rate = record.facts.value("lr_min" if test == "batch_epochs" else "policy_rate")
    if test == "auto":
        return f"Algorithm of 4.5\nrate {digits(rate)}"
    unit = "update" if test == "batch_updates" else "epoch"
    return f"{counted(record.config[f'batch_{unit}s'], unit)} each\nrate {digits(rate)}"


def _repeats(record: Record, name: str) -> str:
    n = int(record.config[name])
    return "One repeat." if n == 1 else f"Dots: mean over {counted(n, 'repeat')}; dashes: each."


def _shaded(facts: Iterable[Fact]) -> str:
    """Return the caption's sentence on shading, where there is any."""
    return " Shaded: 95 % intervals." * any(fact.low is not None for fact in facts)


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
    bounds = [fact for test in RANGES for fact in _rate_bounds(record, test)]
    return (
        f"Left: loss over the {part}. {_repeats(record, 'range_repeats')} Right: thin, the loss "
        f"before each update; thick, smoothed (Gaussian, 2 % of the steps).{_shaded(bounds)}"
        + " Arrows: losses above the frame." * bool(above)
        + _lost(record, {test: f"with {name}" for test, name in RANGES.items()})
    )


def _rates_alt(record: Record) -> str:
    bounds = [f"{n} {estimate(record.facts.get(n), 'log')}" for n in ("lr_min", "lr_max")]
    return f"Training loss over learning rates on a logarithmic axis, two panels; {listed(bounds)}."


def _sizes_caption(record: Record) -> str:
    tests = tests_of(record)
    bounds = [record.facts.get(f"{of}_{end}") for of in ("batch", "auto") for end in ("min", "max")]
    return (
        f"{sentence(listed(BATCH_TESTS[test][0] for test in tests))}; last, the algorithm of 4.5. "
        "Loss over the last quarter of a training. "
        f"{_repeats(record, 'batch_repeats')}"
        f"{_shaded(bounds)}" + _lost(record, {test: BATCH_TESTS[test][0] for test in tests})
    )


def _sizes_alt(record: Record) -> str:
    ends = []
    for test in tests_of(record):
        values, losses = losses_of(record, test)
        first, last = (
            f"{number(losses[:, i].mean(), 3)} with {digits(values[i])}" for i in (0, -1)
        )
        ends.append(f"{BATCH_TESTS[test][0]}: {first} images, {last}")
    return f"Training loss over the batch size. {sentence('; '.join(ends))}."


RATES = Plot("rate_range", draw_rates, _rates_caption, _rates_alt)
SIZES = Plot("batch_range", draw_sizes, _sizes_caption, _sizes_alt)
