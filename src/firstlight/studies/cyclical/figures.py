"""Figures of problem 4: images, range tests, algorithm, trainings, scores, differences."""

import json
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firstlight.plotting import flowchart
from firstlight.plotting.marks import interval_rows, legend_above, reference, thinned, ticks_at
from firstlight.plotting.style import COLORS, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.stats import direction
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES
from firstlight.studies.cyclical.labels import BATCHES, DIFFERENCES, POLICY, QUANTITIES
from firstlight.text import counted, digits, listed, number, value
from firstlight.types import Floats

PARTS = (
    ("train", "Training images", COLORS[0], "o", (0, (4, 2))),
    ("validation", "Validation images", COLORS[1], "s", "-"),
)
"""Both curves of a training: name, label, color, mark, dashes."""


def draw_examples(record: Record) -> Figure:
    """Draw three typical images each of three classes."""
    images = record.data["examples"].values
    rows, cols = images.shape[:2]
    figure, axes = new_figure("narrow", 1.3 * rows, rows, cols, record=record, squeeze=False)
    for name, line, panels in zip(_shown(record), images, axes, strict=True):
        for image, ax in zip(line, panels, strict=True):
            ax.imshow(image, cmap="gray_r", vmin=0, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def _shown(record: Record) -> list[str]:
    return [str(entry.value.value) for entry in record.facts.select("example").entries()]


def draw_blocks(record: Record) -> Figure:
    """Draw the algorithm that determines the batch size."""
    text = str(record.facts.get("algorithm").value)
    figure, ax = new_figure("full", flowchart.HEIGHT, record=record)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0, h_pad=0)  # type: ignore[call-arg]  # the constrained one has them
    flowchart.draw(ax, text)
    return figure


def draw_comparison(record: Record) -> Figure:
    """Draw both accuracies of every policy, and one dot for each seed."""
    policies = record.config["policies"]
    figure, axes = new_figure("full", 1.1 + 0.36 * len(policies), 1, 2, record=record, sharey=True)
    for ax, measure in zip(axes, DIFFERENCES, strict=True):
        facts = [record.facts.get(measure, policy=policy) for policy in policies]
        rows = [_row(POLICY[p].short, p, fact) for p, fact in zip(policies, facts, strict=True)]
        dots = [_seeds(record, measure, policy) for policy in policies]
        interval_rows(ax, rows, scale=100, dots=_several(dots))
        low, high = ax.get_xlim()  # its margins may reach beyond what is possible
        ax.set(xlabel="Accuracy (%)", xlim=(max(low, -1.0), min(high, 101.0)))
        ax.set_title(QUANTITIES[measure][0])
    return figure


def draw_differences(record: Record) -> Figure:
    """Draw the paired differences between all policies, of both accuracies."""
    pairs = _pairs(record)
    figure, axes = new_figure("full", 1.1 + 0.27 * len(pairs), 1, 2, record=record, sharey=True)
    for ax, (measure, difference) in zip(axes, DIFFERENCES.items(), strict=True):
        rows, dots = [], []
        for first, second in pairs:
            label = f"{POLICY[first].short} − {POLICY[second].short}"
            rows.append(_row(label, first, record.facts.pair(difference, first, second)))
            one, other = (_seeds(record, measure, policy) for policy in (first, second))
            dots.append(one - other)
        interval_rows(ax, rows, scale=100, zero=True, dots=_several(dots))
        ax.set(xlabel="Difference (points)", title=QUANTITIES[measure][0])
    return figure


def _row(label: str, policy: str, fact: Fact) -> tuple[str, Fact, dict[str, Any]]:
    """Return a row with a policy's look."""
    return label, fact, {"color": COLORS[POLICY[policy].color], "marker": POLICY[policy].marker}


def _several(dots: list[Floats]) -> list[Floats]:
    """Return the values of single seeds; nothing where one seed is all there is."""
    return dots if len(dots[0]) > 1 else []


def _seeds(record: Record, measure: str, policy: str) -> Floats:
    """Return an accuracy of each seed, shape (seed,)."""
    if measure == "best_accuracy":
        return np.asarray(curve_of(record, policy, "validation_accuracy")[1].max(axis=1))
    scores: Floats = record.data[measure].sel(policy=policy).values
    return scores


def _pairs(record: Record) -> list[tuple[str, str]]:
    return list(combinations(record.config["policies"], 2))


def _intervals(record: Record) -> str:
    n = counted(record.config["seeds"], "seed")
    if record.config["seeds"] == 1:
        return f"{n}, so no interval"
    return f"mean over {n} with 95 % interval (Student’s t). Small dots: single seeds"


def _comparison_alt(record: Record) -> str:
    lines = []
    for policy in record.config["policies"]:
        best, test = (value(record.facts.get(m, policy=policy), "{:.2%}") for m in DIFFERENCES)
        lines.append(f"{POLICY[policy].short} {best} (test {test})")
    return f"Best validation accuracy of each policy: {', '.join(lines)}."


def _differences_alt(record: Record) -> str:
    facts = [record.facts.pair("difference", *pair) for pair in _pairs(record)]
    clear = sum(direction(fact) != 0 for fact in facts)
    return (
        f"{counted(len(facts), 'paired difference')}; on the test set the intervals of {clear} "
        "exclude zero."
    )


def _steps(record: Record) -> str:
    """Return the algorithm's blocks, numbered, with where each leads."""
    blocks = json.loads(str(record.facts.get("algorithm").value))
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    lines = []
    for at, block in enumerate(blocks, 1):
        ways = [(word, block[way]) for word, way in (("yes", "next"), ("no", "otherwise"))]
        leads = [f"{word}: {number[to]}" for word, to in ways if to is not None]
        if len(leads) == 1:
            leads = [f"then {number[block['next']]}"]
        lines.append(f"{at}. {block['text']}" + (f" ({', '.join(leads)})" if leads else ""))
    return "; ".join(lines) + "."


def draw_cyclical(record: Record) -> Figure:
    """Draw loss and accuracy of the training with the cyclical rate, and below them the rate."""
    figure, axes = new_figure(
        "full", 5.6, 3, 1, record=record, sharex=True, height_ratios=(1.0, 1.0, 0.62)
    )
    for ax, what, scale in ((axes[0], "loss", 1.0), (axes[1], "accuracy", 100.0)):
        for part, label, color, marker, dashes in PARTS:
            x, y = curve_of(record, "cyclical_rate", f"{part}_{what}")
            look = {"color": color, "marker": marker, "linestyle": dashes}
            _draw_curves(ax, x, scale * y, label=label, **look)
    axes[0].set(title="Loss", ylabel="Cross-entropy (nats)")
    axes[1].set(title="Accuracy", ylabel="Accuracy (%)")
    steps, rates = schedule_of(record, "cyclical_rate", "rates")
    axes[2].plot(steps, rates, color=COLORS[POLICY["cyclical_rate"].color], linewidth=1.3)
    for name in ("lr_min", "lr_max"):
        reference(axes[2], record.facts.value(name))
    axes[2].set(title="Schedule", ylabel="Learning rate", ylim=(0, None))
    axes[2].yaxis.set_major_locator(MaxNLocator(4))
    axes[2].yaxis.set_major_formatter(FuncFormatter(lambda v, _: digits(v)))
    _epochs(axes[2])
    legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def curve_of(record: Record, policy: str, measure: str) -> tuple[Floats, Floats]:
    """Return the epochs done, shape (point,), and the scores, shape (seed, point)."""
    points = record.data["points"].sel(policy=policy).dropna("point").values
    scores = record.data["curve"].sel(policy=policy, measure=measure).values
    return points / record.facts.value("images", part="train"), scores[:, : len(points)]


def schedule_of(record: Record, policy: str, name: str) -> tuple[Floats, Floats]:
    """Return the epochs done before a step and the schedule's value at it, thinned, to the end."""
    values, samples, sizes = (
        record.data[n].sel(policy=policy).dropna("step").values for n in (name, "samples", "sizes")
    )
    shown = thinned(len(values))
    seen = np.append(samples[shown], samples[-1] + sizes[-1])
    return seen / record.facts.value("images", part="train"), np.append(values[shown], values[-1])


def _draw_curves(ax: Any, x: Floats, y: Floats, **style: Any) -> None:
    """Draw the mean over seeds, and each seed thinly."""
    if len(y) > 1:
        ax.plot(x, y.T, color=style["color"], linewidth=0.6, alpha=0.45)
    every = max(1, len(x) // 12)
    ax.plot(x, y.mean(axis=0), markersize=4, markevery=every, **style)


def _epochs(ax: Any) -> None:
    ax.set_xlabel("Epochs (images seen / training images)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(left=0)


def draw_schedules(record: Record) -> Figure:
    """Draw the batch size over the training, growing and shrinking, on a geometric axis."""
    shown = _batches(record)
    figure, axes = new_figure("full", 2.9, 1, len(shown), record=record, sharey=True, squeeze=False)
    low, high = (record.facts.value(name) for name in ("batch_min", "batch_used"))
    for ax, policy in zip(axes[0], shown, strict=True):
        label = POLICY[policy]
        steps, sizes = schedule_of(record, policy, "sizes")
        ax.plot(steps, sizes, drawstyle="steps-post", color=COLORS[label.color], linewidth=0.9)
        ax.set_yscale("log", base=2)
        reference(ax, low)
        reference(ax, high)
        updates = counted(record.facts.value("updates", policy=policy), "update")
        ax.set_title(f"{label.short}: {updates}")
        _epochs(ax)
    ends = low / 1.5, high * 1.3
    axes[0, 0].set(ylabel="Batch size (images)", ylim=ends)
    inside = [size for size in record.config["batch_sizes"] if ends[0] < size < ends[1]]
    ticks_at(axes[0, 0].yaxis, inside)
    return figure


def draw_batches(record: Record) -> Figure:
    """Draw validation accuracy and loss under both cyclical batch sizes."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    for ax, what, scale in ((axes[0], "accuracy", 100.0), (axes[1], "loss", 1.0)):
        for policy in _batches(record):
            label = POLICY[policy]
            x, y = curve_of(record, policy, f"validation_{what}")
            look = {"color": COLORS[label.color], "marker": label.marker}
            dashes = "-" if policy == BATCHES[0] else (0, (4, 2))
            _draw_curves(ax, x, scale * y, label=label.short, linestyle=dashes, **look)
        _epochs(ax)
    axes[0].set(title="Validation accuracy", ylabel="Accuracy (%)")
    axes[1].set(title="Validation loss", ylabel="Cross-entropy (nats)")
    legend_above(figure, *axes[0].get_legend_handles_labels())
    return figure


def _batches(record: Record) -> list[str]:
    return [policy for policy in BATCHES if policy in record.config["policies"]]


def _averaged(record: Record) -> str:
    seeds = int(record.config["seeds"])
    return (
        "One seed" if seeds == 1 else f"Thick: mean over {counted(seeds, 'seed')}; thin: each seed"
    )


def _ends(record: Record, policy: str) -> str:
    x, y = curve_of(record, policy, "validation_accuracy")
    first, last = (number(100 * y[:, i].mean(), 1) for i in (0, -1))
    return (
        f"{first} % validation accuracy after {digits(x[0])} of {counted(round(x[-1]), 'epoch')}, "
        f"{last} % at the end"
    )


def _schedules_caption(record: Record) -> str:
    low, used, high = (digits(record.facts.value(f"batch_{end}")) for end in ("min", "used", "max"))
    upper = f"b_max = {high}"
    if used != high:
        upper = f"{used}, since policies use at most about a tenth of the images and b_max = {high}"
    return (
        f"The batch size over the training, first seed. Dashed: b_min = {low} and {upper}. The axis "
        "is geometric. The last batch of an epoch holds what is left over, which may be fewer images "
        "than the schedule says."
    )


CURVES = Plot(
    "cyclical_curves",
    draw_cyclical,
    lambda r: (
        "Training with the cyclical learning rate, batches of "
        f"{number(r.config['batch_size'])}. {_averaged(r)}. Training scores come from as many "
        "training images as there are validation images, without dropout. Bottom: the learning "
        "rate; dashed: lr_min and lr_max."
    ),
    lambda r: f"Loss, accuracy and learning rate over the training: {_ends(r, 'cyclical_rate')}.",
    when=lambda r: "cyclical_rate" in r.config["policies"],
)
SCHEDULES = Plot(
    "batch_schedules",
    draw_schedules,
    _schedules_caption,
    lambda r: f"Zigzag of the batch size: {listed(POLICY[p].long for p in _batches(r))}.",
    when=lambda r: bool(_batches(r)),
)
BATCH_CURVES = Plot(
    "batch_curves",
    draw_batches,
    lambda r: (
        "Validation images under the cyclical batch sizes, at the fixed rate lr_min. "
        f"{_averaged(r)}."
    ),
    lambda r: "; ".join(f"{POLICY[p].short}: {_ends(r, p)}" for p in _batches(r)) + ".",
    when=lambda r: bool(_batches(r)),
)

PLOTS = (
    Plot(
        "examples",
        draw_examples,
        lambda r: (
            f"Images of {r.facts.get('data').value}: of three classes drawn by chance the three images "
            "that lie closest to the mean of their class. 28 × 28 pixels; what is dark here is bright in the data."
        ),
        lambda r: f"Gray images of {listed(_shown(r))}, a row for each class.",
    ),
    RATES,
    CURVES,
    SIZES,
    Plot(
        "blocks",
        draw_blocks,
        "The algorithm that determines the batch size by itself. A test checks that each of its steps is an arrow of this diagram.",
        lambda r: f"Block diagram. {_steps(r)}",
    ),
    SCHEDULES,
    BATCH_CURVES,
    Plot(
        "comparison",
        draw_comparison,
        lambda r: f"Accuracy under each policy: {_intervals(r)}.",
        _comparison_alt,
    ),
    Plot(
        "differences",
        draw_differences,
        lambda r: (
            f"First minus second, with the same weights at the start: {_intervals(r)}. An interval "
            "that covers zero does not decide which is better."
        ),
        _differences_alt,
        when=lambda r: len(r.config["policies"]) > 1,
    ),
)
"""The figures of this study, in the order of its page."""
