"""Figures of problem 3: scores, differences, learned parameters, and what goes on inside."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from firstlight.plotting import marks
from firstlight.plotting.style import COLORS, MUTED, Plot, new_figure
from firstlight.record import Fact, Label, Record
from firstlight.stats import decide
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.answers import difference, published_facts
from firstlight.studies.regularization.labels import PAIRS, VARIANTS, short
from firstlight.text import counted, number, sentence, value

Rows = list[tuple[str, Fact, dict[str, Any]]]
"""What ``interval_rows`` draws: label, fact, colors and the like."""

DASHED = ("norm_input", "norm_dropout_last")
"""Arms whose curves may lie on those of another arm: dashes let the other show."""


def _look(arm: object) -> dict[str, Any]:
    return {"color": COLORS[VARIANTS[str(arm)].color], "marker": VARIANTS[str(arm)].marker}


def _line(arm: object) -> dict[str, Any]:
    return {**_look(arm), "linestyle": "--" if arm in DASHED else "-", "markersize": 4}


def draw_curves(record: Record) -> Figure:
    """Error and loss by epoch, on training and on validation images."""
    figure, axes = new_figure("full", 4.6, 2, 2, record=record, sharey="row", sharex=True)
    curve = record.data["curve"].mean("seed")
    for row, measures in zip(axes, (labels.ACCURACY, labels.LOSS), strict=True):
        for ax, images in zip(row, ("train", "validation"), strict=True):
            for arm in record.config["arms"]:
                scores = curve.sel(arm=arm, measure=measures[images]).values
                shown = 100 * (1 - scores) if measures is labels.ACCURACY else scores
                ax.plot(np.arange(1, len(shown) + 1), shown, label=short(arm), **_line(arm))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        marks.log_axis(row[0].yaxis)
    axes[0, 0].set(ylabel="Wrong (%)", title="Training images")
    axes[0, 1].set(title="Validation images")
    axes[1, 0].set(ylabel="Cross-entropy (nats)")
    for ax in axes[1]:
        ax.set_xlabel("Epoch")
    marks.legend_above(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def _rows(record: Record, measure: str, **coords: Label) -> Rows:
    """Return a row for each arm of which there is the measure."""
    facts = record.facts.select(measure, **coords)
    return [(short(e.coords["arm"]), e.value, _look(e.coords["arm"])) for e in facts.entries()]


def draw_accuracy(record: Record) -> Figure:
    """Accuracy and loss of every arm, on training images and on test images."""
    figure, axes = new_figure("full", 2.3, 1, 2, record=record, sharey=True)
    panels = (("Accuracy (%)", labels.ACCURACY, 100.0), ("Cross-entropy (nats)", labels.LOSS, 1.0))
    for ax, (title, measures, scale) in zip(axes, panels, strict=True):
        marks.interval_rows(ax, _rows(record, measures["test"]), scale=scale)
        for place, (_, fact, look) in enumerate(_rows(record, measures["train"])):
            hollow = {**look, "markerfacecolor": "white"}
            marks.whisker(ax, fact, place + 0.3, scale=scale, **hollow)
        ax.set(xlabel=title, ylim=(len(record.config["arms"]) - 0.4, -0.4))
    for name, face in (("test images", MUTED), ("training images", "white")):
        look = {"color": MUTED, "markerfacecolor": face}
        axes[0].plot([], [], "o", label=name, **look)
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _compared(record: Record) -> list[tuple[labels.Arm, labels.Arm]]:
    """Return the pairs of arms that the questions ask for, as far as the run has both."""
    return [pair for pair in PAIRS if {*pair} <= {*record.config["arms"]}]


def draw_differences(record: Record) -> Figure:
    """Differences of test accuracy between the arms that the questions compare."""
    correct, pairs = record.data["test_correct"].mean("image"), _compared(record)
    rows = [(short(*p), record.facts.pair("difference", *p), _look(p[0])) for p in pairs]
    figure, ax = new_figure("full", 0.8 + 0.24 * len(rows), record=record)
    dots = [(correct.sel(arm=first) - correct.sel(arm=second)).values for first, second in pairs]
    published = published_facts(record)
    for place, pair in enumerate(pairs):
        there = difference(published, *pair)
        if there is not None:
            ring: dict[str, Any] = {"markerfacecolor": "white", "markersize": 4}
            marks.whisker(ax, there, place - 0.3, scale=100, color=MUTED, **ring)
    matters = 100 * labels.MATTERS["3.5"]
    ax.axvspan(-matters, matters, color=MUTED, alpha=0.18, linewidth=0)
    marks.interval_rows(ax, rows, scale=100, zero=True, dots=dots)
    ax.set(xlabel="Difference of test accuracy (points)")
    return figure


def _shown(record: Record) -> list[str]:
    """Return the arms whose γ and β are drawn: those of questions 3.2 and 3.3, or any that has some."""
    there = [str(arm) for arm in record.arrays.labels("gamma", "arm")]
    return [arm for arm in ("norm_hidden", "norm_input") if arm in there] or there[:1]


def draw_parameters(record: Record) -> Figure:
    """Violins of the learned γ and β of every normalized layer, the arms side by side."""
    figure, axes = new_figure("full", 2.6, 1, 2, record=record)
    arms, kinds = _shown(record), {"gamma": ("Scale γ", 1.0), "beta": ("Shift β", 0.0)}
    layers = [layer for layer in labels.LAYERS if any(layer in VARIANTS[a].norms for a in arms)]
    for ax, (measure, (title, start)) in zip(axes, kinds.items(), strict=True):
        marks.reference(ax, start)
        for place, arm in enumerate(arms):
            norms = VARIANTS[arm].norms
            there = {k: record.arrays.get(measure, arm=arm, layer=k).values for k in norms}
            rows = [
                there[layer].ravel() if layer in there else np.full(9, np.nan) for layer in layers
            ]
            _violins(ax, rows, arm, (place - (len(arms) - 1) / 2) * 0.44, 0.8 / len(arms))
        ax.set(xticks=range(1, len(layers) + 1), ylabel=title)
        ax.set_xticklabels(f"{layer}\n({_units(record, layer)})" for layer in layers)
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _violins(ax: Any, rows: list[Any], arm: str, offset: float, width: float) -> None:
    for place, row in enumerate(rows):
        if np.isfinite(row).any():
            color = _look(arm)["color"]
            marks.violins(ax, [row], color, dots=120, offset=place + offset, width=width)
    ax.plot([], [], "s", color=_look(arm)["color"], alpha=0.6, label=short(arm))


def _units(record: Record, layer: str) -> int:
    """Return how many channels or units a layer has."""
    found = next(record.arrays.select("gamma", layer=layer).entries())
    return int(found.value.values.shape[1])


def _by_layer(ax: Any, record: Record, measure: str, layers: Iterable[str]) -> None:
    """Draw a measure of each layer, the arms side by side."""
    facts = record.facts.select(measure)
    arms = [arm for arm in record.config["arms"] if facts.has(measure, arm=arm)]
    places = [layer for layer in layers if facts.has(measure, layer=layer)]
    offsets = np.linspace(-0.3, 0.3, len(arms)) if len(arms) > 1 else np.zeros(1)
    for arm, offset in zip(arms, offsets, strict=True):
        ax.plot([], [], linestyle="none", label=short(arm), **_look(arm))
        for _, at, fact in facts.select(measure, arm=arm).entries():
            if "layer" in at:
                place = places.index(str(at["layer"])) + offset
                marks.whisker(ax, fact, place, vertical=True, markersize=4.5, **_look(arm))
    ax.set_xticks(range(len(places)), places)
    ax.grid(axis="x", visible=False)


def draw_variance_shift(record: Record) -> Figure:
    """Variance at each batch normalization over its moving average, in training and at test time."""
    figure, axes = new_figure("full", 2.8, 1, 2, record=record, sharey=True)
    for ax, measure in zip(axes, ("variance_training", "variance_shift"), strict=True):
        marks.reference(ax, 1)
        _by_layer(ax, record, measure, labels.LAYERS)
    axes[0].set(ylabel="Variance / moving average", title="In training (dropout on)")
    axes[1].set(title="At test time (dropout off)")
    handles, names = axes[1].get_legend_handles_labels()
    marks.legend_above(figure, handles, names, columns=4)
    return figure


def draw_terms(record: Record) -> Figure:
    """What is lost without half of fc1, how units correlate, how far inputs move: by arm."""
    figure, axes = new_figure("full", 2.1, 1, 3, record=record, sharey=True)
    marks.interval_rows(axes[0], _rows(record, "removal", images="train"), scale=100, zero=True)
    axes[0].set(title="Half of fc1 silenced", xlabel="Accuracy lost (points)")
    marks.interval_rows(axes[1], _rows(record, "coadaptation", layer="fc1"))
    axes[1].set(title="Two units of fc1", xlabel="Mean |correlation|")
    whole = [e for e in record.facts.select("covariate_shift").entries() if "layer" not in e.coords]
    rows = [(short(e.coords["arm"]), e.value, _look(e.coords["arm"])) for e in whole]
    marks.interval_rows(axes[2], rows)
    axes[2].set(title="Inputs of the layers move", xlabel="Standard deviations")
    marks.log_axis(axes[2].xaxis)
    return figure


def draw_covariate_shift(record: Record) -> Figure:
    """How far each layer's inputs move between checkpoints of the first epoch."""
    figure, axes = new_figure("full", 2.8, 1, 2, record=record, sharey=True)
    _by_layer(axes[0], record, "covariate_shift", labels.SOURCES)
    axes[0].set(xlabel="Layer that receives the input", title="By layer, mean of the epoch")
    movement = record.data["movement"].mean(("seed", "receiver"))
    share = np.arange(1, movement.sizes["checkpoint"] + 1) / movement.sizes["checkpoint"]
    for arm in record.config["arms"]:
        axes[1].plot(share, movement.sel(arm=arm).values, **_line(arm))
    axes[1].set(xlabel="Part of the first epoch", title="Over time, mean of the layers")
    marks.log_axis(axes[0].yaxis)
    axes[0].set_ylabel("Movement (standard deviations)")
    marks.legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _over(record: Record) -> str:
    return f"means over {counted(record.config['seeds'], 'seed')} with 95 % intervals"


def _accuracy_alt(record: Record) -> str:
    entries = record.facts.select(labels.ACCURACY["test"]).entries()
    scores = (f"{short(coords['arm'])} {value(fact, 'percent')}" for _, coords, fact in entries)
    return f"Mean test accuracy of each arm: {', '.join(scores)}."


def _differences_alt(record: Record) -> str:
    facts = [record.facts.pair("difference", *pair) for pair in _compared(record)]
    decided = [decide(fact, labels.MATTERS["3.5"]) for fact in facts]
    return (
        f"{len(facts)} differences of test accuracy; {decided.count('better')} intervals exclude zero, "
        f"{decided.count('no-difference')} lie within half a point of it."
    )


def _fit(record: Record) -> str:
    """Say at how many layers behind dropout the moving averages do not fit at test time."""
    facts = [fact for _, fact in record.facts.select("variance_shift", arm="norm_dropout").items()]
    off = sum(not (f.low or 0.0) <= 1 <= (f.high or 2.0) for f in facts)
    if not facts:
        return ""
    return f" With dropout before the normalizations {off} of {len(facts)} intervals exclude 1."


PLOTS = (
    Plot(
        "terms",
        draw_terms,
        lambda r: (
            "Accuracy lost on training images when a random half of the fc1 units is silenced and the "
            "rest doubled; correlation of two units; movement of a layer’s inputs, mean of all layers. "
            f"{sentence(_over(r))}."
        ),
        "Accuracy lost without half of fc1, correlation of units, and movement of inputs, by arm.",
    ),
    Plot(
        "covariate_shift",
        draw_covariate_shift,
        lambda r: (
            f"How far the mean of a layer’s inputs moves between {r.data['movement'].sizes['checkpoint']} checkpoints, on fixed "
            f"validation images, in standard deviations. Left: {_over(r)}."
        ),
        "Movement of the inputs by layer and arm, and over the first epoch.",
    ),
    Plot(
        "parameters",
        draw_parameters,
        lambda r: (
            f"γ and β of all channels (their number in brackets), {counted(r.config['seeds'], 'seed')}. "
            "Bar: median; dashed: before training."
        ),
        "Violins of γ and β for each layer, batch normalization of hidden layers beside that of the "
        "input too.",
        lambda r: r.arrays.has("gamma"),
    ),
    Plot(
        "curves",
        draw_curves,
        lambda r: (
            f"After each epoch, mean over {counted(r.config['seeds'], 'seed')}, without dropout and with "
            "recomputed batch statistics; both axes logarithmic."
        ),
        "Error and loss falling by epoch, one line for each arm, training beside validation images.",
    ),
    Plot(
        "accuracy",
        draw_accuracy,
        lambda r: f"Filled: test images; hollow: training images. {sentence(_over(r))}.",
        _accuracy_alt,
    ),
    Plot(
        "differences",
        draw_differences,
        lambda r: (
            "First minus second; 95 % intervals for new seeds and new images, one dot a seed. Gray: "
            f"within {number(100 * labels.MATTERS['3.5'])} points, which does not matter."
            f"{' Rings: the published run.' if published_facts(r) else ''}"
        ),
        _differences_alt,
        lambda r: bool(_compared(r)),
    ),
    Plot(
        "variance_shift",
        draw_variance_shift,
        lambda r: (
            "Variance that each batch normalization receives over its moving average of training: "
            f"geometric mean over channels, {_over(r)}. At 1 they fit; below 1 the inputs vary less "
            f"than the averages say.{_fit(r)}"
        ),
        "Ratio of variances by layer: in training, and at test time, where dropout is off.",
        lambda r: r.facts.has("variance_shift"),
    ),
)
"""The figures of this study."""
