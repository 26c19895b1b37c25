"""Figures of problems 2.2 and 2.3: trained networks, collapse against time, and the theory."""

from collections.abc import Sequence
from typing import Any

from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting.marks import band, legend_below, percent_axis, reference, ticks_at, whisker
from firstlight.plotting.style import COLOURS, INK, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.dying_relu import labels

COLLAPSED, ALIVE = COLOURS[1], COLOURS[0]
MEASURE_COLOURS = dict(zip(labels.TRACED, (COLOURS[i] for i in (5, 1, 4, 2)), strict=True))
DOTTED, DASHED = (0, (1.5, 1.5)), (0, (4, 1.5))
DASHES: dict[str, Any] = {"relu": "-", "leaky-relu": DASHED}


def _start(record: Record) -> str:
    """Return the initialization for which the questions are answered."""
    return str(record.config["init"][0])


def networks(record: Record) -> Figure:
    """Draw each function with some trained networks, the same simulations for each activation."""
    functions, activations = record.config["function"], record.config["activation"]
    rows, cols = len(functions), len(activations)
    width = "full" if cols > 1 else "narrow"
    panels = {"sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = new_figure(width, 0.5 + 2.1 * rows, rows, cols, record=record, **panels)
    x, data = record.data["sample_x"], record.data
    for row, function in zip(axes, functions, strict=True):
        target = data["sample_target"].sel(function=function)
        margin = 0.35 * float(target.max() - target.min())
        for ax, activation in zip(row, activations, strict=True):
            where = {"function": function, "activation": activation}
            ax.plot(x, target, color=INK, lw=1.0, ls=DOTTED)
            collapsed = data["sample_collapsed"].sel(where).astype(bool)
            for line, flag in zip(data["sample_output"].sel(where), collapsed, strict=True):
                colour, order = (COLLAPSED, 3) if flag else (ALIVE, 2)
                ax.plot(x, line, color=colour, lw=1.2, alpha=0.75, zorder=order)
            ax.set_ylim(float(target.min()) - margin, float(target.max()) + margin)
            ax.set_title(f"{labels.FUNCTIONS[function]}, {labels.ACTIVATIONS[activation]}")
        row[0].set_ylabel("output")
    for ax in axes[-1]:
        ax.set_xlabel("x")
    looks = (INK, DOTTED), (COLLAPSED, "-"), (ALIVE, "-")
    handles = [axes[0, 0].plot([], [], color=colour, ls=dashes)[0] for colour, dashes in looks]
    names = ["target", "collapsed to a constant", "not constant"]
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def _time_axis(ax: Any, last: int) -> None:
    """Make an axis logarithmic from one epoch on, with a place for zero."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.35)
    ax.set_xlim(-0.12, last * 1.15)
    marks = [m for m in (0, 1, 10, 100, 1_000, 10_000, 100_000) if m <= last]
    if last >= 2 * marks[-1]:
        marks.append(last)
    ticks_at(ax.xaxis, marks)
    ax.set_xlabel("Epochs")


def collapse(record: Record) -> Figure:
    """Draw the share of networks by every definition against training time, for each function."""
    functions, activations = record.config["function"], record.config["activation"]
    width = "full" if len(functions) > 1 else "narrow"
    panels = {"sharey": True, "squeeze": False}
    figure, axes = new_figure(width, 3.6, 1, len(functions), record=record, **panels)
    shares = record.data["curve_share"].sel(init=_start(record))
    for ax, function in zip(axes[0], functions, strict=True):
        for activation in activations:
            for measure, colour in MEASURE_COLOURS.items():
                curve = shares.sel(function=function, activation=activation, measure=measure)
                value, low, high = (curve.sel(statistic=name) for name in labels.STATISTICS)
                label = f"{text.sentence(labels.ACTIVATIONS[activation])}: {labels.TRACED[measure]}"
                look = {"color": colour, "ls": DASHES[activation], "marker": "."}
                ax.plot(curve.epoch, value, label=label, **look)
                band(ax, curve.epoch, low, high, colour)
        reference(ax, labels.REPORTED)
        _time_axis(ax, int(shares.epoch[-1]))
        ax.set(title=labels.FUNCTIONS[function], ylim=(-0.03, 1.03))
        percent_axis(ax.yaxis)
    axes[0, 0].set_ylabel("Share of networks")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(activations) * 2)
    return figure


def inits(record: Record) -> Figure:
    """Draw the shares at the end of training for each initialization, with their intervals."""
    functions = record.config["function"]
    rows = [(a, i) for a in record.config["activation"] for i in record.config["init"]]
    size, panels = (1.1 + 0.52 * len(rows), 1, len(functions)), {"sharey": True, "squeeze": False}
    figure, axes = new_figure("full", *size, record=record, **panels)
    for ax, function in zip(axes[0], functions, strict=True):
        for definition, mark, shift in (("collapsed", "o", -0.13), ("flat", "s", 0.13)):
            look: dict[str, Any] = {"fmt": mark, "color": MEASURE_COLOURS[definition]}
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
    for colour, mark, place in zip(COLOURS, "os^D", shown, strict=False):
        lower, upper = (record.data[f"theory_{n}"].sel({across: place}) for n in ("lower", "upper"))
        band(ax, lower[along], lower, upper, colour, alpha=0.18)
        ax.plot(upper[along], upper, color=colour, lw=0.9, label=f"{across} {place}")
        ax.plot(lower[along], lower, color=colour, lw=0.9, ls=DASHED)
        simulated = record.data["theory_simulated"].sel({f"simulated_{across}": place})
        for estimate in simulated:
            value, low, high = (float(estimate.sel(statistic=name)) for name in labels.STATISTICS)
            fact, at = Fact(value, low, high), float(estimate[f"simulated_{along}"])
            whisker(ax, fact, at, vertical=True, fmt=mark, color=colour, markersize=3.6)
    ax.set_title(f"By {along}")


def born_dead(record: Record) -> Figure:
    """Draw P(born dead) against depth and against width: bounds, exact value, simulation."""
    figure, (left, right) = new_figure("full", 3.9, cols=2, record=record, sharey=True)
    _chances(left, record, "depth", "width", (2, 3, 4, 5))
    exact = record.data["theory_exact"]
    left.plot(exact.exact_depth, exact, color=INK, lw=1.3, label="width 2, exact")
    _chances(right, record, "width", "depth", (3, 5, 10, 20))
    left.set(xlabel="Depth (layers with weights)", ylabel="P(born dead)", xlim=(0.6, 31.4))
    right.set(xlabel="Width", xlim=(0.7, 10.3))
    left.set_ylim(-0.03, 1.03)
    percent_axis(left.yaxis)
    ticks_at(right.xaxis, range(1, 11))
    for ax in (left, right):
        legend_below(ax, columns=3, gap=0.17)
    return figure


def safe_shapes(record: Record) -> Figure:
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
        ax.plot(depth, width, ls="none", marker="*", ms=11, color=COLOURS[4], label="this run")
    highest = int(upper.width[-1])
    ax.set(xscale="log", xlabel="Depth (layers with weights)", ylabel="Width", ylim=(1, highest))
    ticks_at(ax.xaxis, [2, 3, 5, 10, 20, 50, 100])
    ax.grid(False)
    bar = figure.colorbar(filled, ax=ax, label="P(born dead), upper bound", spacing="uniform")
    ticks_at(bar.ax.yaxis, levels, lambda v: f"{100 * v:g}\u202f%")
    ax.legend(loc="upper left", labelcolor=INK, frameon=True, framealpha=0.85, edgecolor=MUTED)
    return figure


def _every(record: Record, measure: str) -> str:
    """Return the shares of one measure at the end, for every function and activation."""
    parts = []
    for function in record.config["function"]:
        for activation in record.config["activation"]:
            where = {"function": function, "activation": activation, "init": _start(record)}
            share = text.value(record.facts.get(measure, **where), "percent")
            parts.append(f"{labels.FUNCTIONS[function]} {labels.ACTIVATIONS[activation]} {share}")
    return ", ".join(parts)


def _networks_caption(record: Record) -> str:
    first = labels.ACTIVATIONS[record.config["activation"][0]]
    return (
        f"Trained networks ({labels.INITS[_start(record)]} initialization) and the target: the first "
        f"{labels.SHOWN} simulations that collapsed with {first} and the first {labels.SHOWN} that "
        f"did not, or fewer where the first {labels.SAMPLE} simulations hold fewer. In each row all "
        "panels show the same simulations, from the same weights and points."
    )


def _networks_alt(record: Record) -> str:
    return (
        "Curves of trained networks over the dotted target, one row per function, one column per "
        f"activation. Collapsed ones are horizontal lines. Constant: {_every(record, 'collapsed')}."
    )


def _collapse_caption(record: Record) -> str:
    return (
        f"Share of {text.counted(record.config['simulations'], 'network')} by every definition "
        f"against training time ({labels.INITS[_start(record)]} initialization), with 95 % intervals "
        "(shaded). Dashed curves: leaky ReLU. Where a dead layer is all that makes an output "
        f"constant, the two curves coincide. Grey line: {100 * labels.REPORTED:.0f} %."
    )


def _collapse_alt(record: Record) -> str:
    return (
        f"Shares of networks ({', '.join(labels.TRACED.values())}) against epochs, one panel per "
        f"function. At the end, constant: {_every(record, 'collapsed')}; flat: "
        f"{_every(record, 'flat')}."
    )


def _inits_caption(record: Record) -> str:
    return (
        f"Shares after {text.counted(record.config['epochs'], 'epoch')} for each initialization, with "
        f"95 % intervals: constant output (range below {text.number(labels.CONSTANT)}) and flat "
        f"output (range below {100 * labels.FLAT:g} % of the target’s). Dashed line: "
        f"{100 * labels.REPORTED:.0f} %."
    )


def _inits_alt(record: Record) -> str:
    names = text.listed(labels.INITS[init] for init in record.config["init"])
    return (
        "Points with intervals: share of constant and of flat networks for each activation and "
        f"initialization ({names}), one panel per function."
    )


def _born_dead_caption(record: Record) -> str:
    count = int(record.data["theory_simulated_count"][0])
    return (
        "Probability that a network with one input, He initialization and zero biases is born dead. "
        "Shaded: between the lower bound (dashed) and the upper bound (line) of Lu et al.; dots: "
        f"{text.counted(count, 'network')} each, with 95 % intervals; black: the exact value for "
        "width 2."
    )


def _born_dead_alt(record: Record) -> str:
    exact = record.data["theory_exact"]
    chances = [f"{100 * float(exact.sel(exact_depth=d)):.1f} % for {d}" for d in (3, 10, 20)]
    return (
        "P(born dead) rises with depth and falls with width; exact values at width 2: "
        f"{text.listed(chances)} layers."
    )


def _safe_shapes_alt(record: Record) -> str:
    safe = record.data["theory_safe_width"].sel(depth=10)
    widths = [f"{int(width)} at {100 * float(width.risk):g} %" for width in safe]
    return (
        "Map of the upper bound over depth and width with two lines of safe width, which rise with "
        f"the logarithm of depth; for 10 layers: {text.listed(widths)}."
    )


PLOTS = (
    Plot("networks", networks, _networks_caption, _networks_alt),
    Plot("collapse", collapse, _collapse_caption, _collapse_alt),
    Plot("inits", inits, _inits_caption, _inits_alt, when=lambda r: len(r.config["init"]) > 1),
    Plot("born_dead", born_dead, _born_dead_caption, _born_dead_alt),
    Plot(
        "safe_shapes",
        safe_shapes,
        "Upper bound of P(born dead) by depth and width. On and above a red line the risk is at most "
        "the one named; the star is the shape of this run.",
        _safe_shapes_alt,
    ),
)
