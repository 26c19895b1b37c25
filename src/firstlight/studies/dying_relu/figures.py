"""Figures of problems 2.2 and 2.3: trained networks, and collapse against time and by beginning."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from firstlight.studies.dying_relu.figures_theory import SHAPES
from firstlight.plotting.style import COLOURS, INK, MUTED, Plot, new_figure
from firstlight.record import Record

FUNCTIONS = {"abs": "|x|", "xsin": "x·sin(5x)", "step": "1{x>0} + 0.2·sin(5x)"}
ACTIVATIONS = {"relu": "ReLU", "leaky-relu": "Leaky ReLU"}
INITS = {
    "he": "He",
    "rai": "RAI",
    "torch": "PyTorch",
    "xavier": "Xavier",
    "orthogonal": "Orthogonal",
}
MEASURES = ("dead_layer", "collapsed", "flat", "fitted")
"""The order of the axis ``measure`` in the record."""
NAMES = {"dead_layer": "dead layer", "collapsed": "constant", "flat": "flat", "fitted": "R² > 0.9"}
DASHES = {"relu": "-", "leaky-relu": (0, (4, 1.5))}


def _each(record: Record, name: str) -> list[str]:
    return [str(value) for value in record.config[name]]


def _percent_axis(axis: Any) -> None:
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def networks(record: Record) -> Figure:
    """Draw each function with some trained networks, the same simulations for each activation."""
    functions, activations = _each(record, "function"), _each(record, "activation")
    rows, cols = len(functions), len(activations)
    figure, axes = new_figure(
        "full" if cols > 1 else "narrow", 0.5 + 2.1 * rows, rows, cols,
        record=record, sharex=True, sharey="row", squeeze=False,
    )  # fmt: skip
    x = record.arrays["sample.x"].values
    outputs = record.arrays["sample.output"].values
    flags = record.arrays["sample.collapsed"].values.astype(bool)
    for i, function in enumerate(functions):
        target = record.arrays["sample.target"].values[i]
        room = 0.35 * (target.max() - target.min())
        for j, activation in enumerate(activations):
            ax = axes[i, j]
            ax.plot(x, target, color=INK, lw=1.0, ls=(0, (1.5, 1.5)))
            for line, collapsed in zip(outputs[i, j], flags[i, j], strict=True):
                ax.plot(
                    x, line, color=COLOURS[1 if collapsed else 0], lw=1.2, alpha=0.75,
                    zorder=3 if collapsed else 2,
                )  # fmt: skip
            ax.set_ylim(target.min() - room, target.max() + room)
            ax.set_title(f"{FUNCTIONS[function]}, {ACTIVATIONS[activation]}")
        axes[i, 0].set_ylabel("output")
    for ax in axes[-1]:
        ax.set_xlabel("x")
    handles = [axes[0, 0].plot([], [], color=c, ls=s)[0] for c, s in (
        (INK, (0, (1.5, 1.5))), (COLOURS[1], "-"), (COLOURS[0], "-"))]  # fmt: skip
    figure.legend(
        handles, ["target", "collapsed to a constant", "not constant"],
        loc="outside lower center", ncols=3,
    )  # fmt: skip
    return figure


def _time_axis(ax: Any, epochs: Any) -> None:
    """Make an axis logarithmic from one epoch on, with a place for zero."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.35)
    ax.set_xlim(-0.12, epochs[-1] * 1.15)
    marks = [m for m in (0, 1, 10, 100, 1_000, 10_000, 100_000) if m <= epochs[-1]]
    if epochs[-1] not in marks and epochs[-1] >= 2 * marks[-1]:
        marks.append(int(epochs[-1]))
    ax.xaxis.set_major_locator(FixedLocator(marks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    ax.set_xlabel("Epochs")


def collapse(record: Record) -> Figure:
    """Draw the share of networks by every definition against training time, for each function."""
    functions, activations = _each(record, "function"), _each(record, "activation")
    figure, axes = new_figure(
        "full" if len(functions) > 1 else "narrow", 3.6, 1, len(functions),
        record=record, sharey=True, squeeze=False,
    )  # fmt: skip
    epochs, table = record.arrays["curve.epochs"].values, record.arrays["curve.share"].values
    for i, function in enumerate(functions):
        ax = axes[0, i]
        for j, activation in enumerate(activations):
            for k, measure in enumerate(MEASURES):
                value, low, high = table[i, j, 0, k].T
                ax.plot(
                    epochs, value, color=COLOURS[(5, 1, 4, 2)[k]], ls=DASHES[activation],
                    marker=".", label=f"{ACTIVATIONS[activation]}: {NAMES[measure]}",
                )  # fmt: skip
                ax.fill_between(epochs, low, high, color=COLOURS[(5, 1, 4, 2)[k]], alpha=0.2, lw=0)
        ax.axhline(0.9, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=0)
        _time_axis(ax, epochs)
        ax.set(title=FUNCTIONS[function], ylim=(-0.03, 1.03))
        _percent_axis(ax.yaxis)
    axes[0, 0].set_ylabel("Share of networks")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(activations) * 2)
    return figure


def inits(record: Record) -> Figure:
    """Draw the shares at the end of training for each initialization, with their intervals."""
    functions, starts = _each(record, "function"), _each(record, "init")
    figure, axes = new_figure(
        "full", 1.1 + 0.52 * len(starts) * len(record.config["activation"]), 1, len(functions),
        record=record, sharey=True, squeeze=False,
    )  # fmt: skip
    table = record.arrays["curve.share"].values[:, :, :, :, -1]
    labels = [(j, k) for j in range(table.shape[1]) for k in range(len(starts))]
    names = [(ACTIVATIONS[a], INITS[s]) for a in _each(record, "activation") for s in starts]
    for i, function in enumerate(functions):
        ax = axes[0, i]
        for m, colour, marker, shift in ((1, 1, "o", -0.13), (2, 4, "s", 0.13)):
            value, low, high = np.array([table[i, j, k, m] for j, k in labels]).T
            at = np.arange(len(labels)) + shift
            ax.errorbar(
                value, at, xerr=np.clip([value - low, high - value], 0, None), fmt=marker,
                color=COLOURS[colour], capsize=2.5, elinewidth=1.2, label=NAMES[MEASURES[m]],
            )  # fmt: skip
        ax.axvline(0.9, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=0)
        ax.set(title=FUNCTIONS[function], xlim=(-0.04, 1.04), xlabel="Share of networks")
        _percent_axis(ax.xaxis)
    axes[0, 0].set_yticks(range(len(labels)), [f"{a}, {s}" for a, s in names])
    axes[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=2)
    return figure


def _share(record: Record, function: str, activation: str, measure: str) -> str:
    init = _each(record, "init")[0]
    return f"{100 * record.value(f'{measure}.{function}.{activation}.{init}'):.1f} %"


def _every(record: Record, measure: str) -> str:
    """Return the shares of one measure at the end, for every function and activation."""
    parts = [
        f"{FUNCTIONS[f]} {ACTIVATIONS[a]} {_share(record, f, a, measure)}"
        for f in _each(record, "function")
        for a in _each(record, "activation")
    ]
    return ", ".join(parts)


def _start(record: Record) -> str:
    return f"{INITS[_each(record, 'init')[0]]} initialization"


def _networks_caption(record: Record) -> str:
    first = ACTIVATIONS[_each(record, "activation")[0]]
    return (
        f"Trained networks ({_start(record)}) and the target: the first 4 simulations that collapsed "
        f"with {first} and the first 4 that did not, as far as there are so many among 64. Every "
        "column shows the same simulations, from the same weights and points."
    )


def _collapse_caption(record: Record) -> str:
    return (
        f"Share of {record.config['simulations']:,} networks by every definition against training "
        f"time ({_start(record)}), with 95 % intervals (shaded). Dashed: leaky ReLU. Where a dead "
        "layer is all that makes an output constant, the two curves coincide. Dotted: 90 %."
    )


PLOTS = (
    Plot(
        "networks",
        networks,
        _networks_caption,
        lambda r: (
            "Curves of trained networks over the dotted target, one row a function, one column an "
            f"activation. Collapsed ones are horizontal lines. Shares constant: {_every(r, 'collapsed')}."
        ),
    ),
    Plot(
        "collapse",
        collapse,
        _collapse_caption,
        lambda r: (
            "Shares of networks with a dead layer, constant, flat and fitted against epochs, one panel "
            f"a function. At the end, constant: {_every(r, 'collapsed')}; flat: {_every(r, 'flat')}."
        ),
    ),
    Plot(
        "inits",
        inits,
        lambda r: (
            f"Shares after {r.config['epochs']:,} epochs for each initialization, with 95 % "
            "intervals: constant output (range below 10⁻⁶) and flat output (range below 1 % of the "
            "target’s). Dotted: 90 %."
        ),
        lambda r: (
            "Points with intervals: share of constant and of flat networks for each activation and "
            f"initialization ({', '.join(INITS[s] for s in _each(r, 'init'))}), one panel a function."
        ),
        when=lambda r: len(r.config["init"]) > 1,
    ),
    *SHAPES,
)
