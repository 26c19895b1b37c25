"""Figures of the trainings: curves under a policy, and how the batch size moves."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firstlight.plotting.marks import legend_above, reference, thinned, ticks_at
from firstlight.plotting.style import COLOURS, Plot, new_figure
from firstlight.record import Record
from firstlight.studies.cyclical.labels import BATCHES, POLICY
from firstlight.text import counted, digits, listed, number
from firstlight.types import Floats

PARTS = (
    ("train", "Training images", COLOURS[0], "o", (0, (4, 2))),
    ("validation", "Validation images", COLOURS[1], "s", "-"),
)
"""Both curves of a training: name, label, color, mark, dashes."""


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
    axes[2].plot(steps, rates, color=COLOURS[POLICY["cyclical_rate"].color], linewidth=1.3)
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
        ax.plot(steps, sizes, drawstyle="steps-post", color=COLOURS[label.color], linewidth=0.9)
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
            look = {"color": COLOURS[label.color], "marker": label.marker}
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
