"""Figures of problem 3: scores, differences, learned parameters, and what goes on inside."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from firstlight.plotting import marks
from firstlight.plotting.style import COLORS, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.stats import direction
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.labels import VARIANTS, short
from firstlight.text import counted, value


def _look(arm: object) -> dict[str, Any]:
    return {"color": COLORS[VARIANTS[str(arm)].color], "marker": VARIANTS[str(arm)].marker}


def draw_curves(record: Record) -> Figure:
    """Accuracy and loss on held-out images by epoch; thin dashes: the training images."""
    figure, axes = new_figure("full", 3.4, 1, 2, record=record)
    curve = record.data["curve"].mean("seed")
    for ax, scale, measures in zip(axes, (100.0, 1.0), (labels.ACCURACY, labels.LOSS), strict=True):
        for arm in record.config["arms"]:
            solid, dashed = (
                scale * curve.sel(arm=arm, measure=measures[images]).values
                for images in ("validation", "train")
            )
            epochs, color = np.arange(1, len(solid) + 1), _look(arm)["color"]
            ax.plot(epochs, solid, "o-", color=color, ms=3.5, label=short(arm))
            ax.plot(epochs, dashed, color=color, linestyle=(0, (3, 2)), linewidth=0.9)
        ax.set_xlabel("Epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set(ylabel="Accuracy (%)", title="Accuracy")
    axes[1].set(ylabel="Cross-entropy (nats)", title="Loss")
    marks.log_axis(axes[1].yaxis)
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _rows(record: Record, measure: str) -> list[tuple[str, Fact, dict[str, Any]]]:
    """Return what ``interval_rows`` draws: a measure of every arm, or of every pair of arms."""
    return [
        (short(*arms.values()), fact, _look(next(iter(arms.values()))))
        for _, arms, fact in record.facts.select(measure).entries()
    ]


def draw_accuracy(record: Record) -> Figure:
    """Test accuracy and test loss of every arm: mean, interval, and one dot for each seed."""
    figure, axes = new_figure("full", 2.9, 1, 2, record=record, sharey=True)
    dots = [*record.data["test_correct"].mean("image").sel(arm=record.config["arms"]).values]
    marks.interval_rows(axes[0], _rows(record, labels.ACCURACY["test"]), scale=100, dots=dots)
    marks.interval_rows(axes[1], _rows(record, labels.LOSS["test"]))
    if axes[0].get_xlim()[1] > 100:
        axes[0].set_xlim(right=100)  # an interval may reach beyond what is possible
    axes[0].set(xlabel="Test accuracy (%)", title="Test accuracy")
    axes[1].set(xlabel="Test cross-entropy (nats)", title="Test loss")
    return figure


def draw_differences(record: Record) -> Figure:
    """Paired differences of test accuracy between all arms, with their intervals."""
    correct, rows = record.data["test_correct"].mean("image"), _rows(record, "difference")
    figure, ax = new_figure("full", 0.9 + 0.27 * len(rows), record=record)
    dots = [
        (correct.sel(arm=pair["first"]) - correct.sel(arm=pair["second"])).values
        for _, pair, _ in record.facts.select("difference").entries()
    ]
    marks.interval_rows(ax, rows, scale=100, zero=True, dots=dots)
    ax.set(xlabel="Difference of test accuracy (points)", title="Paired differences, same seeds")
    return figure


def _shown(record: Record) -> str:
    """Return the arm whose γ and β are drawn: it has the most layers normalized."""
    return str(max(record.config["arms"], key=lambda arm: len(VARIANTS[arm].norms)))


def draw_parameters(record: Record) -> Figure:
    """Violins of the learned γ and β of every normalized layer, the input included."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    arm, starts, kinds = _shown(record), (1.0, 0.0), ("scale", "shift")
    for ax, start, kind, measure in zip(axes, starts, kinds, labels.LEARNED, strict=True):
        marks.reference(ax, start)
        layers = VARIANTS[arm].norms
        values = [record.arrays.get(measure, arm=arm, layer=layer).values for layer in layers]
        marks.violins(ax, [x.ravel() for x in values], _look(arm)["color"], dots=120)
        ax.set_xticklabels(
            f"{layer}\n({x.shape[1]})" for layer, x in zip(layers, values, strict=True)
        )
        symbol = labels.LEARNED[measure]
        ax.set(ylabel=f"{kind.capitalize()} {symbol}", title=f"Learned {kind} {symbol}")
    return figure


def _by_layer(ax: Any, record: Record, measure: str, layers: Iterable[str]) -> None:
    """Draw a measure of each layer, the arms side by side."""
    facts = record.facts.select(measure)
    arms = [arm for arm in record.config["arms"] if facts.has(measure, arm=arm)]
    places = [layer for layer in layers if facts.has(measure, layer=layer)]
    offsets = np.linspace(-0.24, 0.24, len(arms)) if len(arms) > 1 else np.zeros(1)
    for arm, offset in zip(arms, offsets, strict=True):
        ax.plot([], [], linestyle="none", label=short(arm), **_look(arm))
        for _, at, fact in facts.select(measure, arm=arm).entries():
            if "layer" in at:
                place = places.index(str(at["layer"])) + offset
                marks.whisker(ax, fact, place, vertical=True, **_look(arm))
    ax.set_xticks(range(len(places)), places)
    ax.grid(axis="x", visible=False)


def draw_variance_shift(record: Record) -> Figure:
    """Variance at each batch normalization over its running variance, at test and in training."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record, sharey=True)
    for ax, measure in zip(axes, ("variance_training", "variance_shift"), strict=True):
        marks.reference(ax, 1)
        _by_layer(ax, record, measure, labels.LAYERS)
    axes[0].set(ylabel="Variance / running variance", title="In training (dropout on)")
    axes[1].set(title="At test time (dropout off)")
    marks.legend_above(figure, *axes[1].get_legend_handles_labels())
    return figure


def draw_coadaptation(record: Record) -> Figure:
    """Correlation between hidden units, and what is lost when half of them are silenced."""
    figure, axes = new_figure("full", 3.2, 1, 2, record=record, width_ratios=(1.25, 1))
    _by_layer(axes[0], record, "coadaptation", labels.LAYERS)
    axes[0].set(ylabel="Mean |correlation| of two units", title="Correlation of hidden units")
    axes[0].set_ylim(bottom=0)
    marks.reference(axes[1], 0)
    for place, arm in enumerate(record.config["arms"]):
        lost = record.facts.get("removal", arm=arm)
        marks.whisker(axes[1], lost, place, scale=100, vertical=True, **_look(arm))
    axes[1].set(xticks=[], ylabel="Accuracy lost (points)", title="Half of fc1 silenced")
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def draw_covariate_shift(record: Record) -> Figure:
    """How far each layer's inputs move between checkpoints of the first epoch."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    _by_layer(axes[0], record, "covariate_shift", labels.SOURCES)
    axes[0].set(xlabel="Layer that receives the input", title="Mean movement by layer")
    axes[0].set_ylim(bottom=0)
    movement = record.data["movement"].mean(("seed", "receiver"))
    share = np.arange(1, movement.sizes["checkpoint"] + 1) / movement.sizes["checkpoint"]
    for arm in record.config["arms"]:
        axes[1].plot(share, movement.sel(arm=arm).values, markersize=4, **_look(arm))
    axes[1].set(xlabel="Part of the first epoch", title="Movement over time, mean of layers")
    marks.log_axis(axes[1].yaxis)
    for ax in axes:
        ax.set_ylabel("Movement (standard deviations)")
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _mean(record: Record) -> str:
    return f"mean over {counted(record.config['seeds'], 'seed')} with 95 % interval (Student’s t)"


def _accuracy_alt(record: Record) -> str:
    entries = record.facts.select(labels.ACCURACY["test"]).entries()
    scores = (f"{short(coords['arm'])} {value(fact, 'percent')}" for _, coords, fact in entries)
    return f"Mean test accuracy of each arm: {', '.join(scores)}."


def _differences_alt(record: Record) -> str:
    facts = [entry.value for entry in record.facts.select("difference").entries()]
    decided = sum(direction(fact) != 0 for fact in facts)
    return f"{len(facts)} paired differences; the intervals of {decided} of them exclude zero."


PLOTS = (
    Plot(
        "curves",
        draw_curves,
        "Accuracy and loss after each epoch, mean over seeds. Solid: validation images; dashed: as "
        "many training images, without dropout.",
        "Accuracy rising and loss falling by epoch, one pair of lines for each arm.",
    ),
    Plot(
        "accuracy",
        draw_accuracy,
        lambda r: f"Test accuracy and loss: {_mean(r)}. Small dots: single seeds.",
        _accuracy_alt,
    ),
    Plot(
        "differences",
        draw_differences,
        lambda r: (
            f"First minus second, paired: {_mean(r)}. An interval that covers zero does not say which "
            "is better. Small dots: single seeds."
        ),
        _differences_alt,
        lambda r: r.facts.has("difference"),
    ),
    Plot(
        "parameters",
        draw_parameters,
        lambda r: (
            f"Learned parameters of each layer, arm “{short(_shown(r))}”, all channels "
            f"and {counted(r.config['seeds'], 'seed')}; channels in brackets. Bar: median; dashed "
            "line: value before training. Few values are drawn singly."
        ),
        "Violins of γ around one and β around zero for each layer with batch normalization.",
        lambda r: r.arrays.has("gamma"),
    ),
    Plot(
        "variance_shift",
        draw_variance_shift,
        lambda r: (
            "Variance that each batch normalization receives, over its running variance: geometric "
            f"mean over channels; {_mean(r)}. At 1 the statistics that are used at test time fit; "
            "below 1 the variance is smaller than they say."
        ),
        "Ratio of variances by layer: in training, and at test time, where dropout is off.",
        lambda r: r.arrays.has("gamma"),
    ),
    Plot(
        "coadaptation",
        draw_coadaptation,
        lambda r: (
            "Left: mean absolute correlation between two units of a layer, on validation images. "
            "Right: validation accuracy lost when a random half of fc1 is silenced and the rest "
            f"doubled. Each the {_mean(r)}."
        ),
        "Correlation of hidden units by layer and arm, and accuracy lost without half of fc1.",
    ),
    Plot(
        "covariate_shift",
        draw_covariate_shift,
        lambda r: (
            "Movement of a layer’s inputs between neighboring checkpoints of the first epoch, on fixed "
            "validation images: mean over inputs of |change of the mean| over the standard deviation "
            f"before. Left: {_mean(r)}."
        ),
        "Movement of the inputs by layer and arm, and over the first epoch.",
    ),
)
"""The figures of this study."""
