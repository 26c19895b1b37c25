"""Figures of problem 1: the lines and their gap, the accuracies, their growth, convergence."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting.marks import band, log_axis, percent_axis, ticks_at
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Record
from firstlight.studies.perceptron.areas import gap, thresholds
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


def _edge(u: float) -> tuple[float, float]:
    """Return where the ray that has the share u of the square below it meets the square's border."""
    return (1.0, 2 * u) if u <= 0.5 else (2 * (1 - u), 1.0)


def _gap(record: Record) -> tuple[float, float] | None:
    """Return where the gap of the first training set begins and ends; None with one class only."""
    low, high = gap(record.data["first_points"].values, record.data["first_labels"].values)
    ends = float(low), float(high)
    return ends if np.isfinite(ends).all() else None


def _square(ax: Any, record: Record, ends: tuple[float, float] | None) -> None:
    """Draw the training set in its square, the gap as a wedge, and the three lines."""
    X, y = record.data["first_points"].values, record.data["first_labels"].values
    if ends is not None:
        corner = [(1.0, 1.0)] if ends[0] < 0.5 < ends[1] else []
        wedge = zip((0.0, 0.0), _edge(ends[0]), *corner, _edge(ends[1]), strict=True)
        ax.fill(*wedge, color=COLORS[4], alpha=0.25, lw=0, label="gap between the classes")
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1.2, ls=(0, (1, 1)), label="true line, x₁ = x₂")
    for criterion, style in STYLES.items():
        along = _ray(record.data["first_weights"].sel(criterion=criterion).values)
        ax.plot(*along, lw=2, **style)
    for label, kind, marker, fill in ((1, "positive", "o", INK), (-1, "negative", "s", "white")):
        look = {"ls": "none", "marker": marker, "color": INK, "mfc": fill}
        ax.plot(*X[y == label].T, **look, label=f"{kind} training point")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="x₁", ylabel="x₂", aspect="equal")


def _errors(ax: Any, record: Record, ends: tuple[float, float] | None) -> None:
    """Draw where in the gap each line lies: from the true line to it, the error is a length."""
    places, _ = thresholds(record.data["first_weights"].values)
    if ends is not None:
        ax.axvspan(*ends, color=COLORS[4], alpha=0.25, lw=0)
        ax.axvline(sum(ends) / 2, color=INK, lw=0.9)
    ax.axvline(0.5, color=MUTED, lw=1.2, ls=(0, (1, 1)))
    middle = 0.5 if ends is None else sum(ends) / 2
    first, second = ("right", "left") if middle < 0.5 else ("left", "right")
    for x, y, side, words in (
        (middle, -0.6, first, "middle of the gap"),
        (0.5, 1.6, second, "true line"),
    ):
        ax.annotate(words, (x, y), xytext=(-4 if side == "right" else 4, 0), size=8, ha=side,
                    va="center", textcoords="offset points")  # fmt: skip
    names = []
    for row, (criterion, place) in enumerate(zip(CRITERIA, places, strict=True)):
        ax.plot([0.5, place], [row, row], color=COLORS[row], lw=2.5, ls=DASHES[row])
        ax.plot([place], [row], "o", color=COLORS[row], ms=6)
        area = record.facts.get("first", quantity="area", criterion=criterion)
        names.append(f"{NAMES[row].split()[0]}\n{text.value(area, 'percent')} right")
    ax.margins(x=0.15)
    ax.set(ylim=(1.75, -0.75), xlabel="Share of the square below the line")
    ax.set_yticks([0, 1], names)
    ax.grid(axis="y", visible=False)
    percent_axis(ax.xaxis)


def lines(record: Record) -> Figure:
    """Draw the first training set with its gap and lines, and where in the gap they lie."""
    figure, (left, right) = new_figure("full", 3.1, cols=2, record=record)
    ends = _gap(record)
    _square(left, record, ends)
    _errors(right, record, ends)
    left.set_title(text.counted(record.config["train_points"], "training point"))
    right.set_title("Where the lines end")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _share_axis(ax: Any) -> None:
    ax.set(ylim=(0, 1), ylabel="Share of training sets")
    percent_axis(ax.yaxis)


def accuracies(record: Record) -> Figure:
    """Draw, over training sets, the place in the gap, the error, and the paired difference."""
    figure, (place, error, difference) = new_figure("full", 2.7, cols=3, record=record)
    for criterion, style in STYLES.items():
        away = np.sort(record.data["offcentre"].sel(criterion=criterion).dropna("set").values)
        place.step(away, np.arange(1, away.size + 1) / max(1, away.size), where="post", **style)
        wrong = np.sort(1 - record.data["accuracy"].sel(criterion=criterion).values)
        error.step(wrong, np.arange(1, wrong.size + 1) / wrong.size, where="post", **style)
    place.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (1, 1)), label="anywhere in the gap")
    place.set(xlim=(0, 1), xlabel="0 %: middle, 100 %: edge of the gap", title="Place in the gap")
    percent_axis(place.xaxis)
    place.set_xticks([0, 0.5, 1])
    error.set(xscale="log", xlim=(1e-4, 0.6), xlabel="Error on the square", title="Error")
    ticks_at(error.xaxis, [1e-4, 1e-3, 1e-2, 1e-1], lambda v: f"{100 * v:g}\u202f%")
    for ax in (place, error):
        _share_axis(ax)
    _differences(difference, record)
    handles, labels = place.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _differences(ax: Any, record: Record) -> None:
    perceptron, hinge = (record.data["accuracy"].sel(criterion=c).values for c in CRITERIA)
    points = 100 * (hinge - perceptron)
    edge = float(np.quantile(np.abs(points), 0.99)) or 1.0
    ax.hist(np.clip(points, -edge, edge), np.linspace(-edge, edge, 41), color=COLORS[5], alpha=0.5)
    ax.axvline(0, color=MUTED, lw=1, ls=(0, (1, 1)))
    mean = record.facts.get("accuracy", criterion=DIFFERENCE)
    if mean.low is not None and mean.high is not None:
        ax.axvspan(100 * mean.low, 100 * mean.high, color=INK, alpha=0.35, lw=0)
    ax.axvline(100 * float(mean), color=INK, lw=1.4)
    ax.set(xlabel="Hinge − perceptron (points)", ylabel="Training sets", title="Same set")


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
    figure, (left, right) = new_figure("full", 3.1, cols=2, record=record)
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
    figure, ax = new_figure("full", 2.1, record=record)
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
        f"Left: {record.config['train_points']} points of the unit square, the gap between the classes "
        "shaded, with the diagonal and two learned lines through the origin. Right: the same lines as "
        f"places in the gap; the perceptron's line gets {p} of the square right, the hinge loss's {h}."
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
        "The first training set. Every line in the shaded gap separates its classes. Right: the share of "
        "the square below each line; its distance from the true line's half is the line's error.",
        _lines_alt,
    ),
    Plot(
        "accuracies",
        accuracies,
        lambda r: (
            f"{text.sentence(_sets(r))}. Left and middle: share of sets with at most this distance from "
            "the middle of the gap, or this error. Right: hinge loss minus perceptron criterion, mean "
            "with 95 % interval in black; the outer bars hold all beyond."
        ),
        lambda r: (
            "Cumulative distributions over training sets of the distance from the middle of the gap and "
            "of the error, one curve for each criterion, and a histogram of the difference in accuracy "
            f"on the same set, mean {text.value(r.facts.get('accuracy', criterion=DIFFERENCE), 'points')}."
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
