"""Figures of problem 1: the lines, the accuracies, their growth, and the disagreement."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting.marks import band, log_axis, percent_axis, ticks_at
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Record
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, STATISTICS

NAMES = [text.sentence(name.removeprefix("the ")) for name in CRITERIA.values()]
DASHES = ("-", (0, (5, 1.6)), (0, (1.5, 1.5)))
STYLES: dict[str, dict[str, Any]] = {
    criterion: {"color": COLORS[row], "ls": DASHES[row], "label": NAMES[row]}
    for row, criterion in enumerate(CRITERIA)
}


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
    X, y = record.data["first_points"].values, record.data["first_labels"].values
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1.2, label="true line, x₁ = x₂")
    for criterion, style in STYLES.items():
        ends = _ray(record.data["first_weights"].sel(criterion=criterion).values)
        ax.plot(*ends, lw=2, **style)
    for label, kind, marker, fill in ((1, "positive", "o", INK), (-1, "negative", "s", "white")):
        name = f"{kind} training point"
        ax.plot(*X[y == label].T, ls="none", marker=marker, color=INK, mfc=fill, label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="x₁", ylabel="x₂", aspect="equal")
    figure.legend(loc="outside right center")
    return figure


def accuracies(record: Record) -> Figure:
    """Draw how the error over training sets is distributed, and the paired differences."""
    figure, (left, right) = new_figure("full", 3.1, cols=2, record=record)
    accuracy = record.data["accuracy"]
    for criterion, style in STYLES.items():
        error = np.sort(1 - accuracy.sel(criterion=criterion).values)
        share = np.arange(1, error.size + 1) / error.size
        left.step(error, share, where="post", **style)
    left.set(xscale="log", xlim=(1e-4, 0.6), ylim=(0, 1), xlabel="Error on the unit square")
    left.set(ylabel="Share of training sets", title="Distribution of the error")
    ticks_at(left.xaxis, [1e-4, 1e-3, 1e-2, 1e-1], lambda v: f"{100 * v:g}\u202f%")
    percent_axis(left.yaxis)
    left.legend(loc="upper left")
    perceptron, hinge = (accuracy.sel(criterion=criterion).values for criterion in CRITERIA)
    points = 100 * (hinge - perceptron)
    edge = float(np.quantile(np.abs(points), 0.99))
    bins = np.linspace(-edge, edge, 41)
    right.hist(np.clip(points, -edge, edge), bins, color=COLORS[1], alpha=0.55)
    right.axvline(0, color=MUTED, lw=1)
    mean = record.facts.get("accuracy", criterion=DIFFERENCE)
    if mean.low is not None and mean.high is not None:
        right.axvspan(100 * mean.low, 100 * mean.high, color=INK, alpha=0.35, lw=0)
    right.axvline(100 * float(mean), color=INK, lw=1.4)
    right.set(xlabel="Hinge − perceptron, percentage points", ylabel="Training sets")
    right.set_title("Difference on the same set")
    return figure


def _trace(ax: Any, record: Record, name: str, error: bool = False) -> None:
    """Draw the three curves of an array; with ``error``, as 1 − value."""
    table = record.data[f"curve_{name}"]
    rate, slow = float(record.config["learning_rate"]), _early(record, "learning_rate")
    labels = (NAMES[0], *(f"{NAMES[1]}, rate {text.number(r)}" for r in (rate, slow)))
    for row, label in enumerate(labels):
        values = 1 - table[row] if error else table[row]
        value, low, high = (values.sel(statistic=s) for s in STATISTICS)
        ax.plot(table.epoch, value, color=COLORS[row], ls=DASHES[row], marker=".", label=label)
        band(ax, table.epoch, low, high, COLORS[row])
    ax.axvline(_early(record, "epochs"), color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=0)
    log_axis(ax.xaxis)
    ax.set_xlabel("Epochs at most")


def _early(record: Record, quantity: str) -> float:
    return record.facts.value("early", quantity=quantity)


def epochs(record: Record) -> Figure:
    """Draw the mean accuracy and the disagreement against the epochs allowed."""
    figure, (left, right) = new_figure("full", 3.4, cols=2, record=record)
    _trace(left, record, "accuracy", error=True)
    left.set(title="Accuracy (log scale of the error)", ylabel="Accuracy on the unit square")
    left.set_yscale("log")
    left.invert_yaxis()
    errors = [1 - a / 100 for a in (50, 60, 70, 80, 90, 95, 97, 98, 99)]
    ticks_at(left.yaxis, errors, lambda v: f"{100 * (1 - v):.0f}\u202f%")
    _trace(right, record, "disagreement")
    right.set(title="Disagreement between training sets", ylabel="Share of the square")
    right.set_yscale("log")
    ticks_at(right.yaxis, [0.01, 0.02, 0.05, 0.1, 0.2, 0.4], lambda v: f"{100 * v:g}\u202f%")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def convergence(record: Record) -> Figure:
    """Draw the share of training sets that have converged against epochs."""
    figure, ax = new_figure("narrow", 2.7, record=record)
    limit = int(record.config["max_epochs"])
    for criterion, style in STYLES.items():
        done = record.data["converged"].sel(criterion=criterion).values.astype(bool)
        at = np.sort(record.data["epochs"].sel(criterion=criterion).values[done])
        share = np.arange(1, at.size + 1) / done.size
        x, y = np.append(at, limit), np.append(share, share[-1] if at.size else 0.0)
        ax.step(x, y, where="post", **style)
    ax.set(ylim=(0, 1.02), xlabel="Epochs", ylabel="Converged training sets")
    log_axis(ax.xaxis)
    percent_axis(ax.yaxis)
    ax.legend(loc="lower right")
    return figure


def _shares(record: Record, measure: str, quantity: str) -> list[str]:
    facts = (record.facts.get(measure, quantity=quantity, criterion=c) for c in CRITERIA)
    return [text.value(fact, "{:.1%}") for fact in facts]


def _lines_alt(record: Record) -> str:
    p, h = _shares(record, "first", "area")
    return (
        f"{record.config['train_points']} points of the unit square with the diagonal and two "
        f"learned lines through the origin; the perceptron's line gets {p} of the square right, the "
        f"hinge loss's {h}."
    )


def _epochs_alt(record: Record) -> str:
    p, h = _shares(record, "early", "accuracy")
    return (
        "Mean accuracy and mean disagreement against the number of epochs, all on logarithmic axes, "
        f"three curves; after {text.counted(_early(record, 'epochs'), 'epoch')}: perceptron {p}, "
        f"slow hinge {h}."
    )


def _convergence_alt(record: Record) -> str:
    p, h = (text.counted(record.facts.value("epochs", criterion=c), "epoch") for c in CRITERIA)
    return (
        "Share of training sets that have converged against epochs; median "
        f"{p} for the perceptron and {h} for the hinge loss."
    )


def _sets(record: Record) -> str:
    return text.counted(record.config["repeats"], "training set")


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
            f"Left: share of {_sets(r)} whose exact error is at most the value on "
            "the axis. Right: accuracy with hinge loss minus accuracy with perceptron criterion on "
            "the same set; the outer bars hold everything beyond; black: mean with 95 % interval."
        ),
        lambda r: (
            "Left: cumulative distribution of the error over training sets, one curve for each "
            "criterion. Right: histogram of the difference in accuracy on the same training set, mean "
            f"{text.value(r.facts.get('accuracy', criterion=DIFFERENCE), 'points')}."
        ),
    ),
    Plot(
        "epochs",
        epochs,
        lambda r: (
            f"Means over {_sets(r)} with 95 % intervals (shaded), when every training "
            "is cut off after the number of epochs on the axis. The dotted line marks the "
            "comparison stopped early."
        ),
        _epochs_alt,
    ),
    Plot(
        "convergence",
        convergence,
        lambda r: (
            f"Share of {_sets(r)} for which a whole epoch passed without an update; "
            f"training ends after {r.config['max_epochs']:,} epochs."
        ),
        _convergence_alt,
    ),
)
