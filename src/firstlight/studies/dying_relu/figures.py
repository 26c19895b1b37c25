"""Figures of problems 2.2 and 2.3: trained networks, collapse against time, and the theory."""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from firstlight import stats, text
from firstlight.plotting.marks import (
    band,
    legend_above,
    legend_below,
    percent_axis,
    reference,
    ticks_at,
    whisker,
)
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.dying_relu import labels

COLLAPSED, ALIVE = COLORS[1], COLORS[0]
LOOKS: dict[str, dict[str, Any]] = {
    "collapsed": {"color": COLLAPSED, "marker": "o"},
    "flat": {"color": COLORS[4], "marker": "s"},
}
"""Colors and marks of the two definitions of collapse."""
NEAR = 0.05
"""How close to the target’s mean, as a share of its range, a constant network is called near it."""
DOTTED, DASHED = (0, (1.5, 1.5)), (0, (4, 1.5))
DASHES: dict[str, Any] = {"relu": "-", "leaky-relu": DASHED}


def _networks(ax: Any, record: Record, function: str, activation: str) -> None:
    """Draw the first trained networks of one function and activation over the target."""
    data, where = record.data, {"function": function, "activation": activation}
    x, target = data["sample_x"], data["sample_target"].sel(function=function)
    low, high = float(target.min()), float(target.max())
    lines = data["sample_output"].sel(where).values
    constant = data["sample_collapsed"].sel(where).values.astype(bool)
    ax.plot(x, lines[~constant].T, color=ALIVE, lw=0.9, alpha=0.5)
    ax.plot(x, lines[constant].T, color=COLLAPSED, lw=1.6, alpha=0.8)
    ax.plot(x, target, color=INK, lw=1.2, ls=DOTTED)
    ax.set(ylim=(low - 0.25 * (high - low), high + 0.45 * (high - low)), xlim=(-2.75, 2.75))
    words = f"{labels.ACTIVATIONS[activation]}: {constant.sum()} of {constant.size} constant"
    ax.text(0.03, 0.97, words, transform=ax.transAxes, va="top", size=8.5)


def _near(record: Record, function: str, activation: str) -> tuple[int, int]:
    """Return how many constant networks lie near the target’s mean, of how many that are drawn."""
    where = {"function": function, "activation": activation}
    target = record.data["sample_target"].sel(function=function).values
    flags = record.data["sample_collapsed"].sel(where).values.astype(bool)
    levels = record.data["sample_output"].sel(where).values[flags, 0]
    near = abs(levels - target.mean()) < NEAR * np.ptp(target)
    return int(near.sum()), int(flags.sum())


def draw_networks(record: Record) -> Figure:
    """Draw some trained networks, a column for each function, the same simulations in each row."""
    functions, activations = record.config["function"], record.config["activation"]
    rows, cols = len(activations), len(functions)
    width, height = "full" if cols > 1 else "narrow", 0.5 + 1.45 * rows
    panels: dict[str, Any] = {"sharex": True, "sharey": "col", "squeeze": False}
    figure, axes = new_figure(width, height, rows, cols, record=record, **panels)
    for row, activation in zip(axes, activations, strict=True):
        for ax, function in zip(row, functions, strict=True):
            _networks(ax, record, function, activation)
    for ax, function in zip(axes[0], functions, strict=True):
        ax.set_title(labels.FUNCTIONS[function])
    figure.supxlabel("x", size=9)
    looks = (INK, DOTTED), (COLLAPSED, "-"), (ALIVE, "-")
    handles = [axes[0, 0].plot([], [], color=color, ls=dashes)[0] for color, dashes in looks]
    counted = [_near(record, f, a) for f, a in product(functions, activations)]
    together = ", one on top of the other" if all(near == many for near, many in counted) else ""
    legend_above(figure, handles, ["target", f"constant networks{together}", "all others"])
    return figure


def _epochs(ax: Any, last: int) -> None:
    """Make the horizontal axis one of epochs: logarithmic, with a place for zero."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.35)
    ax.set_xlim(-0.12, last * 1.15)
    times = [epoch for epoch in (0, 1, 10, 100, 1_000, 10_000, 100_000) if epoch <= last]
    ticks_at(ax.xaxis, times + ([last] if last >= 2 * times[-1] else []))
    ax.set_xlabel("Epochs")


def draw_collapse(record: Record) -> Figure:
    """Draw the share of networks by both definitions against training time, for each function."""
    functions, activations = record.config["function"], record.config["activation"]
    width = "full" if len(functions) > 1 else "narrow"
    panels = {"sharey": True, "squeeze": False}
    figure, axes = new_figure(width, 2.9, 1, len(functions), record=record, **panels)
    shares = record.data["curve_share"].sel(init=record.config["init"][0])
    for ax, function in zip(axes[0], functions, strict=True):
        for activation, definition in product(activations, labels.DEFINITIONS):
            curve = shares.sel(function=function, activation=activation, measure=definition)
            value, low, high = (curve.sel(statistic=name) for name in labels.STATISTICS)
            label = f"{labels.ACTIVATIONS[activation]}, {labels.DEFINITIONS[definition]}"
            look = {**LOOKS[definition], "ls": DASHES[activation]}
            if activation == "leaky-relu":
                look["mfc"] = "white"
            ax.plot(curve.epoch, value, label=text.sentence(label), **look)
            band(ax, curve.epoch, low, high, look["color"])
        reference(ax, labels.REPORTED)
        ax.set(title=labels.FUNCTIONS[function], ylim=(-0.03, 1.03))
        _epochs(ax, record.config["epochs"])
        percent_axis(ax.yaxis)
    axes[0, 0].set_ylabel("Share of networks")
    handles, names = axes[0, 0].get_legend_handles_labels()
    legend_above(figure, handles, names, columns=4)
    return figure


def _chances(ax: Any, record: Record) -> None:
    """Draw P(born dead) against depth for some widths: bounds, exact value and simulation."""
    shown = ((2, "o"), (3, "s"), (4, "^"), (5, "D"))
    for color, (width, mark) in zip(COLORS, shown, strict=False):
        lower, upper = (record.data[f"theory_{n}"].sel(width=width) for n in ("lower", "upper"))
        ax.plot(upper.depth, upper, color=color, lw=1.0)
        ax.plot(lower.depth, lower, color=color, lw=1.0, ls=DASHED)
        for share in record.data["theory_simulated"].sel(simulated_width=width):
            value, low, high = (float(share.sel(statistic=name)) for name in labels.STATISTICS)
            fact, at = Fact(value, low, high), float(share.simulated_depth)
            whisker(ax, fact, at, vertical=True, marker=mark, color=color, markersize=3.6)
        ax.plot([], [], color=color, marker=mark, ms=3.6, lw=1.0, label=f"width {width}")
    exact = record.data["theory_exact"]
    ax.plot(exact.exact_depth, exact, color=INK, lw=1.2, ls=DOTTED, label="width 2, exact")
    ax.set(xlabel="Depth (layers with weights)", xlim=(0.6, 31.4), ylabel="P(born dead)")
    ax.set(ylim=(-0.03, 1.03), title="Theory and simulation")
    percent_axis(ax.yaxis)
    legend_below(ax, columns=3)


def draw_born_dead(record: Record) -> Figure:
    """Draw P(born dead) against depth, and over depth and width with the safe widths."""
    figure, (left, right) = new_figure("full", 3.3, cols=2, record=record)
    _chances(left, record)
    _safe_shapes(figure, right, record)
    return figure


def _safe_shapes(figure: Figure, ax: Any, record: Record) -> None:
    """Draw the upper bound of P(born dead) over depth and width, and the safe widths."""
    upper = record.data["theory_upper"]
    levels = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
    look = {"cmap": "Blues", "norm": BoundaryNorm(levels, 256)}
    filled = ax.contourf(upper.depth, upper.width, upper, levels, **look)
    for line, dashes in zip(record.data["theory_safe_width"], ("-", DASHED), strict=True):
        label = f"risk at most {100 * float(line.risk):g} %"
        ax.step(line.depth, line, where="mid", color=COLLAPSED, ls=dashes, lw=1.8, label=label)
    depth, width = record.config["depth"], record.config["width"]
    if depth in upper.depth and width in upper.width:
        ax.plot(depth, width, ls="none", marker="*", ms=11, color=COLORS[4], label="this run")
    ax.set(xscale="log", xlabel="Depth (layers with weights)", title="Upper bound, safe widths")
    ax.set(ylabel="Width", ylim=(1, int(upper.width[-1])))
    ticks_at(ax.xaxis, [2, 3, 5, 10, 20, 50, 100])
    ticks_at(ax.yaxis, range(2, int(upper.width[-1]) + 1, 2))
    ax.grid(False)
    bar = figure.colorbar(filled, ax=ax, spacing="uniform")
    ticks_at(bar.ax.yaxis, levels, lambda v: f"{100 * v:g}\u202f%")
    ax.legend(loc="upper left", labelcolor=INK, frameon=True, framealpha=0.85, edgecolor=MUTED)


def _every(record: Record, measure: str) -> str:
    """Return the shares of one measure at the end, for every function and activation."""
    get = partial(record.facts.get, measure, init=record.config["init"][0])
    return ", ".join(
        f"{labels.FUNCTIONS[f]} {labels.ACTIVATIONS[a]} "
        f"{text.value(get(function=f, activation=a), 'percent')}"
        for f, a in product(record.config["function"], record.config["activation"])
    )


def _init(record: Record) -> str:
    return f"{labels.INITS[record.config['init'][0]]} initialization"


def _coincide(record: Record) -> str:
    """Return a sentence that says how many constant ReLU networks lie on one line."""
    if "relu" not in record.config["activation"]:
        return ""
    counts = {f: _near(record, f, "relu") for f in record.config["function"]}
    words = (f"{near} of {many} on {labels.FUNCTIONS[f]}" for f, (near, many) in counts.items())
    return (
        f" Of the constant ReLU networks {text.listed(words)} lie at the target’s mean, to "
        f"{100 * NEAR:g} % of its range, one on top of the other."
    )


def _above(first: Fact, second: Fact) -> bool:
    """Return whether one interval lies wholly above another."""
    low, high = first.low, second.high
    return low is not None and high is not None and low > high


def _rise(record: Record) -> str:
    """Say why more leaky networks are constant after the first epoch, where the record shows it."""
    at, get = {"init": record.config["init"][0]}, record.facts.get
    if not record.facts.has("silent_layers", **at):
        return ""
    change = get("first_epoch", **at)
    before, after, bare = (get("silent_layers", at=moment, **at) for moment in labels.MOMENTS)
    if stats.direction(change) <= 0 or not _above(after, before):
        return ""
    words = (
        f" In the first epoch the share of constant leaky networks rises by {text.value(change, 'gap')}: "
        f"those that turn constant had {text.value(before)} silent layers (no unit positive anywhere) "
        f"before it and {text.value(after)} after"
    )
    if _above(after, bare):
        words += (
            f"; with all biases set back to zero {text.value(bare)}, so the biases silence them"
        )
    return words + "."


def _born_dead_alt(record: Record) -> str:
    exact = record.data["theory_exact"].sel(exact_depth=[3, 10, 20])
    chances = text.listed(f"{100 * float(p):.1f} % for {int(p.exact_depth)}" for p in exact)
    safe = record.data["theory_safe_width"].sel(depth=10)
    widths = text.listed(f"{int(width)} at {100 * float(width.risk):g} %" for width in safe)
    return (
        "P(born dead) rises with depth and falls with width; exact values at width 2: "
        f"{chances} layers. Beside it the upper bound over depth and width with two lines of safe "
        f"width; for 10 layers: {widths}."
    )


PLOTS = (
    Plot(
        "networks",
        draw_networks,
        lambda r: (
            f"The first {text.counted(len(r.data['network']), 'trained network')} of each function "
            f"({_init(r)}). Both rows show the same simulations, from the same weights and points."
            f"{_coincide(r)}"
        ),
        lambda r: (
            "Curves of trained networks over the dotted target, one column per function, one row per "
            f"activation. Constant ones are horizontal lines. Constant: {_every(r, 'collapsed')}."
        ),
    ),
    Plot(
        "collapse",
        draw_collapse,
        lambda r: (
            f"Share of {text.counted(r.config['simulations'], 'network')} per function by both "
            f"definitions against training time ({_init(r)}), with 95 % intervals (shaded). Thin dashed line: "
            f"{100 * labels.REPORTED:.0f} %.{_rise(r)}"
        ),
        lambda r: (
            "Shares of constant and of flat networks against epochs, one panel per function. At the "
            f"end, constant: {_every(r, 'collapsed')}; flat: {_every(r, 'flat')}."
        ),
    ),
    Plot(
        "born_dead",
        draw_born_dead,
        lambda r: (
            "P(born dead) of networks with one input, He initialization and zero biases. Left: upper "
            "bound (line) and lower bound (dashed) of Lu et al.; marks: "
            f"{text.counted(int(r.data['theory_simulated_count'][0]), 'network')} each, with 95 % "
            "intervals; dotted: exact for width 2. Right: the upper bound by depth and width; on and "
            "above a red line the risk is at most the one named; the star is the shape of this run."
        ),
        _born_dead_alt,
    ),
)
