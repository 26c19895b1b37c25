"""Figures of problems 2.2 and 2.3: trained networks, collapse against time, and the theory."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting.marks import band, legend_below, percent_axis, reference, ticks_at, whisker
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.dying_relu import labels

COLLAPSED, ALIVE = COLORS[1], COLORS[0]
MEASURE_COLORS = dict(zip(labels.TRACED, (COLORS[i] for i in (5, 1, 4, 2)), strict=True))
DOTTED, DASHED = (0, (1.5, 1.5)), (0, (4, 1.5))
DASHES: dict[str, Any] = {"relu": "-", "leaky-relu": DASHED}


def draw_networks(record: Record) -> Figure:
    """Draw each function with some trained networks, the same simulations for each activation."""
    functions, activations = record.config["function"], record.config["activation"]
    rows, cols = len(functions), len(activations)
    width = "full" if cols > 1 else "narrow"
    panels = {"sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = new_figure(width, 0.5 + 2.1 * rows, rows, cols, record=record, **panels)
    data, x = record.data, record.data["sample_x"]
    for row, function in zip(axes, functions, strict=True):
        target = data["sample_target"].sel(function=function)
        low, high = float(target.min()), float(target.max())
        for ax, activation in zip(row, activations, strict=True):
            where = {"function": function, "activation": activation}
            ax.plot(x, target, color=INK, lw=1.0, ls=DOTTED)
            collapsed = data["sample_collapsed"].sel(where).astype(bool)
            for line, flag in zip(data["sample_output"].sel(where), collapsed, strict=True):
                look = {"color": COLLAPSED, "zorder": 3} if flag else {"color": ALIVE, "zorder": 2}
                ax.plot(x, line, lw=1.2, alpha=0.75, **look)
            ax.set_ylim(low - 0.35 * (high - low), high + 0.35 * (high - low))
            ax.set_title(f"{labels.FUNCTIONS[function]}, {labels.ACTIVATIONS[activation]}")
        row[0].set_ylabel("output")
    for ax in axes[-1]:
        ax.set_xlabel("x")
    looks = (INK, DOTTED), (COLLAPSED, "-"), (ALIVE, "-")
    handles = [axes[0, 0].plot([], [], color=color, ls=dashes)[0] for color, dashes in looks]
    names = ["target", "collapsed to a constant", "not constant"]
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def draw_collapse(record: Record) -> Figure:
    """Draw the share of networks by every definition against training time, for each function."""
    functions, activations = record.config["function"], record.config["activation"]
    width = "full" if len(functions) > 1 else "narrow"
    panels = {"sharey": True, "squeeze": False}
    figure, axes = new_figure(width, 3.6, 1, len(functions), record=record, **panels)
    shares = record.data["curve_share"].sel(init=record.config["init"][0])
    last = record.config["epochs"]
    times = [epoch for epoch in (0, 1, 10, 100, 1_000, 10_000, 100_000) if epoch <= last]
    times += [last] if last >= 2 * times[-1] else []
    for ax, function in zip(axes[0], functions, strict=True):
        for activation, (measure, color) in product(activations, MEASURE_COLORS.items()):
            curve = shares.sel(function=function, activation=activation, measure=measure)
            value, low, high = (curve.sel(statistic=name) for name in labels.STATISTICS)
            label = f"{text.sentence(labels.ACTIVATIONS[activation])}: {labels.TRACED[measure]}"
            look = {"color": color, "ls": DASHES[activation], "marker": "."}
            ax.plot(curve.epoch, value, label=label, **look)
            band(ax, curve.epoch, low, high, color)
        reference(ax, labels.REPORTED)
        ax.set_xscale("symlog", linthresh=1, linscale=0.35)  # logarithmic, with a place for zero
        ax.set(title=labels.FUNCTIONS[function], xlabel="Epochs", ylim=(-0.03, 1.03))
        ax.set_xlim(-0.12, last * 1.15)
        ticks_at(ax.xaxis, times)
        percent_axis(ax.yaxis)
    axes[0, 0].set_ylabel("Share of networks")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(activations) * 2)
    return figure


def draw_inits(record: Record) -> Figure:
    """Draw the shares at the end of training for each initialization, with their intervals."""
    functions = record.config["function"]
    rows = list(product(record.config["activation"], record.config["init"]))
    size, panels = (1.1 + 0.52 * len(rows), 1, len(functions)), {"sharey": True, "squeeze": False}
    figure, axes = new_figure("full", *size, record=record, **panels)
    for ax, function in zip(axes[0], functions, strict=True):
        for definition, mark, shift in (("collapsed", "o", -0.13), ("flat", "s", 0.13)):
            look: dict[str, Any] = {"marker": mark, "color": MEASURE_COLORS[definition]}
            for place, (activation, init) in enumerate(rows):
                where = {"function": function, "activation": activation, "init": init}
                look["label"] = None if place else labels.DEFINITIONS[definition]
                whisker(ax, record.facts.get(definition, **where), place + shift, **look)
        reference(ax, labels.REPORTED, vertical=True)
        ax.set(title=labels.FUNCTIONS[function], xlim=(-0.04, 1.04), xlabel="Share of networks")
        percent_axis(ax.xaxis)
    names = [f"{text.sentence(labels.ACTIVATIONS[a])}, {labels.INITS[i]}" for a, i in rows]
    axes[0, 0].set_yticks(range(len(rows)), names)
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _chances(ax: Any, record: Record, along: str, across: str, shown: Sequence[int]) -> None:
    """Draw P(born dead) along width or depth, for some values of the other: bounds and simulation."""
    for color, mark, place in zip(COLORS, "os^D", shown, strict=False):
        lower, upper = (record.data[f"theory_{n}"].sel({across: place}) for n in ("lower", "upper"))
        band(ax, lower[along], lower, upper, color, alpha=0.18)
        ax.plot(upper[along], upper, color=color, lw=0.9, label=f"{across} {place}")
        ax.plot(lower[along], lower, color=color, lw=0.9, ls=DASHED)
        for share in record.data["theory_simulated"].sel({f"simulated_{across}": place}):
            value, low, high = (float(share.sel(statistic=name)) for name in labels.STATISTICS)
            fact, at = Fact(value, low, high), float(share[f"simulated_{along}"])
            whisker(ax, fact, at, vertical=True, marker=mark, color=color, markersize=3.6)
    ax.set_title(f"By {along}")


def draw_born_dead(record: Record) -> Figure:
    """Draw P(born dead) against depth and against width: bounds, exact value, simulation."""
    figure, (left, right) = new_figure("full", 3.9, cols=2, record=record, sharey=True)
    _chances(left, record, "depth", "width", (2, 3, 4, 5))
    exact = record.data["theory_exact"]
    left.plot(exact.exact_depth, exact, color=INK, lw=1.3, label="width 2, exact")
    _chances(right, record, "width", "depth", (3, 5, 10, 20))
    left.set(xlabel="Depth (layers with weights)", xlim=(0.6, 31.4))
    left.set(ylabel="P(born dead)", ylim=(-0.03, 1.03))
    right.set(xlabel="Width", xlim=(0.7, 10.3))
    percent_axis(left.yaxis)
    ticks_at(right.xaxis, range(1, 11))
    for ax in (left, right):
        legend_below(ax, columns=3, gap=0.17)
    return figure


def draw_safe_shapes(record: Record) -> Figure:
    """Draw the upper bound of P(born dead) over depth and width, and the safe widths."""
    figure, ax = new_figure("narrow", 3.7, record=record)
    upper = record.data["theory_upper"]
    levels = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
    look = {"cmap": "Blues", "norm": BoundaryNorm(levels, 256)}
    filled = ax.contourf(upper.depth, upper.width, upper, levels, **look)
    for line, dashes in zip(record.data["theory_safe_width"], ("-", DASHED), strict=True):
        label = f"safe width at a risk of {100 * float(line.risk):g} %"
        ax.step(line.depth, line, where="mid", color=COLLAPSED, ls=dashes, lw=1.8, label=label)
    depth, width = record.config["depth"], record.config["width"]
    if depth in upper.depth and width in upper.width:
        ax.plot(depth, width, ls="none", marker="*", ms=11, color=COLORS[4], label="this run")
    ax.set(xscale="log", xlabel="Depth (layers with weights)")
    ax.set(ylabel="Width", ylim=(1, int(upper.width[-1])))
    ticks_at(ax.xaxis, [2, 3, 5, 10, 20, 50, 100])
    ax.grid(False)
    bar = figure.colorbar(filled, ax=ax, label="P(born dead), upper bound", spacing="uniform")
    ticks_at(bar.ax.yaxis, levels, lambda v: f"{100 * v:g}\u202f%")
    ax.legend(loc="upper left", labelcolor=INK, frameon=True, framealpha=0.85, edgecolor=MUTED)
    return figure


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


def _born_dead_alt(record: Record) -> str:
    exact = record.data["theory_exact"].sel(exact_depth=[3, 10, 20])
    chances = text.listed(f"{100 * float(p):.1f} % for {int(p.exact_depth)}" for p in exact)
    trend = "P(born dead) rises with depth and falls with width"
    return f"{trend}; exact values at width 2: {chances} layers."


def _safe_shapes_alt(record: Record) -> str:
    safe = record.data["theory_safe_width"].sel(depth=10)
    widths = text.listed(f"{int(width)} at {100 * float(width.risk):g} %" for width in safe)
    return (
        "Map of the upper bound over depth and width with two lines of safe width, which rise with "
        f"the logarithm of depth; for 10 layers: {widths}."
    )


PLOTS = (
    Plot(
        "networks",
        draw_networks,
        lambda r: (
            f"Trained networks ({_init(r)}) and the target: the first {labels.SHOWN} simulations that "
            f"collapsed with {labels.ACTIVATIONS[r.config['activation'][0]]} and the first "
            f"{labels.SHOWN} that did not, or fewer where the first {labels.SAMPLE} simulations hold "
            "fewer. In each row all panels show the same simulations, from the same weights and points."
        ),
        lambda r: (
            "Curves of trained networks over the dotted target, one row per function, one column per "
            f"activation. Collapsed ones are horizontal lines. Constant: {_every(r, 'collapsed')}."
        ),
    ),
    Plot(
        "collapse",
        draw_collapse,
        lambda r: (
            f"Share of {text.counted(r.config['simulations'], 'network')} by every definition against "
            f"training time ({_init(r)}), with 95 % intervals (shaded). Dashed curves: leaky ReLU. Where a dead layer is all that makes an output "
            f"constant, the two curves coincide. Gray line: {100 * labels.REPORTED:.0f} %."
        ),
        lambda r: (
            f"Shares of networks ({', '.join(labels.TRACED.values())}) against epochs, one panel per "
            f"function. At the end, constant: {_every(r, 'collapsed')}; flat: {_every(r, 'flat')}."
        ),
    ),
    Plot(
        "inits",
        draw_inits,
        lambda r: (
            f"Shares after {text.counted(r.config['epochs'], 'epoch')} for each initialization, with "
            f"95 % intervals: constant output (range below {text.number(labels.CONSTANT)}) and flat "
            f"output (range below {100 * labels.FLAT:g} % of the target’s). Dashed line: "
            f"{100 * labels.REPORTED:.0f} %."
        ),
        lambda r: (
            "Points with intervals: share of constant and of flat networks for each activation and "
            f"initialization ({text.listed(labels.INITS[init] for init in r.config['init'])}), one "
            "panel per function."
        ),
        lambda r: len(r.config["init"]) > 1,
    ),
    Plot(
        "born_dead",
        draw_born_dead,
        lambda r: (
            "Probability that a network with one input, He initialization and zero biases is born "
            "dead. Shaded: between the lower bound (dashed) and the upper bound (line) of Lu et al.; "
            f"dots: {text.counted(int(r.data['theory_simulated_count'][0]), 'network')} each, with "
            "95 % intervals; black: the exact value for width 2."
        ),
        _born_dead_alt,
    ),
    Plot(
        "safe_shapes",
        draw_safe_shapes,
        "Upper bound of P(born dead) by depth and width. On and above a red line the risk is at most "
        "the one named; the star is the shape of this run.",
        _safe_shapes_alt,
    ),
)
