"""Figures of problem 1: the lines, the accuracies, their growth, and the disagreement."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from firstlight.figures.style import COLOURS, INK, MUTED, Plot, new_figure
from firstlight.record import Record

NAMES = ("Perceptron criterion", "Hinge loss")
DASHES = ("-", (0, (5, 1.6)), (0, (1.5, 1.5)))


def _ray(weights: Any) -> tuple[list[float], list[float]]:
    """Return the part of the line w·x = 0 that lies in the unit square; empty where none does."""
    along = np.array([-weights[1], weights[0]]) * (1 if weights[0] > 0 else -1)
    if not (along >= 0).all() or not along.any():
        return [], []
    end = along / along.max()
    return [0.0, float(end[0])], [0.0, float(end[1])]


def lines(record: Record) -> Figure:
    """Draw the first training set with the true line and both learned lines."""
    figure, ax = new_figure("narrow", 4.1, record=record)
    X, y = record.arrays["first.points"].values, record.arrays["first.labels"].values
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1.2, label="true line, x₁ = x₂")
    for row, name in enumerate(NAMES):
        ends = _ray(record.arrays["first.weights"].values[row])
        ax.plot(*ends, color=COLOURS[row], ls=DASHES[row], lw=2, label=name)
    for label, marker, filled in ((1, "o", True), (-1, "s", False)):
        kind = "positive" if label > 0 else "negative"
        ax.plot(
            *X[y == label].T, ls="none", marker=marker, color=INK,
            mfc=INK if filled else "white", label=f"{kind} training point",
        )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="x₁", ylabel="x₂", aspect="equal")
    figure.legend(loc="outside right center")
    return figure


def _percent_axis(axis: Any, decimals: int | None = None) -> None:
    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals, symbol=" %"))


def accuracies(record: Record) -> Figure:
    """Draw how the error over training sets is distributed, and the paired differences."""
    figure, (left, right) = new_figure("full", 3.1, cols=2, record=record)
    values = record.arrays["accuracy"].values
    for row, name in enumerate(NAMES):
        error = np.sort(1 - values[row])
        share = np.arange(1, error.size + 1) / error.size
        left.step(error, share, where="post", color=COLOURS[row], ls=DASHES[row], label=name)
    left.set(xscale="log", xlim=(1e-4, 0.6), ylim=(0, 1), xlabel="Error on the unit square")
    left.set(ylabel="Share of training sets", title="Distribution of the error")
    left.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    _percent_axis(left.yaxis)
    left.legend(loc="upper left")
    points = 100 * (values[1] - values[0])
    edge = float(np.quantile(np.abs(points), 0.99))
    bins = np.linspace(-edge, edge, 41)
    right.hist(np.clip(points, -edge, edge), bins, color=COLOURS[1], alpha=0.55)
    right.axvline(0, color=MUTED, lw=1)
    mean = record.facts["accuracy.difference"]
    if mean.low is not None and mean.high is not None:
        right.axvspan(100 * mean.low, 100 * mean.high, color=INK, alpha=0.35, lw=0)
    right.axvline(100 * record.value("accuracy.difference"), color=INK, lw=1.4)
    right.set(xlabel="Hinge − perceptron, percentage points", ylabel="Training sets")
    right.set_title("Difference on the same set")
    return figure


def _trace(ax: Any, record: Record, name: str, error: bool = False) -> None:
    """Draw the three curves of an array; with ``error``, as 1 − value."""
    epochs, table = record.arrays["curve.epochs"].values, record.arrays[f"curve.{name}"].values
    rate, slow = float(record.config["learning_rate"]), record.value("early.learning_rate")
    labels = (NAMES[0], f"{NAMES[1]}, rate {rate:g}", f"{NAMES[1]}, rate {slow:g}")
    for row, label in enumerate(labels):
        value, low, high = (1 - table[row] if error else table[row]).T
        ax.plot(epochs, value, color=COLOURS[row], ls=DASHES[row], marker=".", label=label)
        ax.fill_between(epochs, low, high, color=COLOURS[row], alpha=0.2, lw=0)
    ax.axvline(record.value("early.epochs"), color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=0)
    ax.set(xscale="log", xlabel="Epochs at most")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))


def _accuracy_axis(ax: Any) -> None:
    """Label a logarithmic axis of errors, best on top, with accuracies."""
    ax.set_yscale("log")
    ax.invert_yaxis()
    ax.yaxis.set_major_locator(
        FixedLocator([1 - a / 100 for a in (50, 60, 70, 80, 90, 95, 97, 98, 99)])
    )
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * (1 - v):.0f} %"))


def epochs(record: Record) -> Figure:
    """Draw the mean accuracy and the disagreement against the epochs allowed."""
    figure, (left, right) = new_figure("full", 3.4, cols=2, record=record)
    _trace(left, record, "accuracy", error=True)
    _accuracy_axis(left)
    left.set(title="Accuracy (log scale of the error)", ylabel="Accuracy on the unit square")
    _trace(right, record, "disagreement")
    right.set(title="Disagreement between training sets", ylabel="Share of the square")
    right.set(yscale="log")
    right.yaxis.set_major_locator(FixedLocator([0.01, 0.02, 0.05, 0.1, 0.2, 0.4]))
    right.yaxis.set_minor_locator(NullLocator())
    _percent_axis(right.yaxis, 0)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def convergence(record: Record) -> Figure:
    """Draw the share of training sets that have converged against epochs."""
    figure, ax = new_figure("narrow", 2.7, record=record)
    limit = int(record.config["max_epochs"])
    for row, name in enumerate(NAMES):
        done = record.arrays["converged"].values[row].astype(bool)
        at = np.sort(record.arrays["epochs"].values[row][done])
        share = np.arange(1, at.size + 1) / done.size
        x, y = np.append(at, limit), np.append(share, share[-1] if at.size else 0.0)
        ax.step(x, y, where="post", color=COLOURS[row], ls=DASHES[row], label=name)
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="Epochs", ylabel="Converged training sets")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    _percent_axis(ax.yaxis, 0)
    ax.legend(loc="lower right")
    return figure


def _percent(record: Record, name: str) -> str:
    return f"{100 * record.value(name):.1f} %"


def _lines_alt(record: Record) -> str:
    return (
        f"{record.config['train_points']} points of the unit square with the diagonal and two "
        f"learned lines through the origin; the perceptron's line gets "
        f"{_percent(record, 'first.area.perceptron')} of the square right, the hinge loss's "
        f"{_percent(record, 'first.area.hinge')}."
    )


def _accuracies_alt(record: Record) -> str:
    return (
        "Left: cumulative distribution of the error over training sets, one curve for each "
        "criterion. Right: histogram of the difference in accuracy on the same training set, mean "
        f"{100 * record.value('accuracy.difference'):+.2f} points.".replace("-", "−")
    )


def _epochs_alt(record: Record) -> str:
    reached = ", ".join(
        f"{name} {_percent(record, f'early.accuracy.{key}')}"
        for name, key in (("perceptron", "perceptron"), ("slow hinge", "hinge"))
    )
    return (
        "Mean accuracy and mean disagreement against the number of epochs, all on logarithmic axes, "
        f"three curves; after {record.value('early.epochs'):,.0f} epochs: {reached}."
    )


def _convergence_alt(record: Record) -> str:
    return (
        "Share of training sets that have converged against epochs; median "
        f"{record.value('epochs.perceptron'):,.0f} epochs for the perceptron and "
        f"{record.value('epochs.hinge'):,.0f} for the hinge loss."
    )


def _sets(record: Record) -> str:
    return f"{record.config['repeats']:,}"


PLOTS = (
    Plot(
        "lines",
        lines,
        "The first training set with the true line and the lines learned with each criterion.",
        _lines_alt,
    ),
    Plot(
        "accuracies",
        accuracies,
        lambda r: (
            f"Left: share of {_sets(r)} training sets whose exact error is at most the value on "
            "the axis. Right: accuracy with hinge loss minus accuracy with perceptron criterion on "
            "the same set; the outer bars hold everything beyond; black: mean with 95 % interval."
        ),
        _accuracies_alt,
    ),
    Plot(
        "epochs",
        epochs,
        lambda r: (
            f"Means over {_sets(r)} training sets with 95 % intervals (shaded), when every training "
            "is cut off after the number of epochs on the axis. The dotted line marks the "
            "comparison stopped early."
        ),
        _epochs_alt,
    ),
    Plot(
        "convergence",
        convergence,
        lambda r: (
            f"Share of {_sets(r)} training sets for which a whole epoch passed without an update; "
            f"training ends after {r.config['max_epochs']:,} epochs."
        ),
        _convergence_alt,
    ),
)
