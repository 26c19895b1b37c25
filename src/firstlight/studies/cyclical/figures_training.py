"""Figures of the trainings: curves under a policy, and how the batch size moves."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firstlight.studies.cyclical.labels import (
    COLOUR,
    LABEL,
    MARKER,
    Floats,
    doublings,
    per_seed,
    place,
    policies,
    size_axis,
    thinned,
    told,
)
from firstlight.plotting.style import COLOURS, MUTED, Plot, new_figure
from firstlight.record import Record

BATCHES = ("growing_batch", "shrinking_batch")

PARTS = (
    ("train", "Training images", COLOURS[0], "o", (0, (4, 2))),
    ("validation", "Validation images", COLOURS[1], "s", "-"),
)
"""Both curves of a training: name, label, colour, mark, dashes."""

MEASURE = {"train_loss": 0, "validation_loss": 1, "train_accuracy": 2, "validation_accuracy": 3}
"""The order of the axis ``measure`` in the record."""


def draw_cyclical(record: Record) -> Figure:
    """Loss and accuracy of the training with the cyclical rate, and below them the rate."""
    figure, axes = new_figure(
        "full", 5.6, 3, 1, record=record, sharex=True, height_ratios=(1.0, 1.0, 0.62)
    )
    for ax, what, scale in ((axes[0], "loss", 1.0), (axes[1], "accuracy", 100.0)):
        for part, label, colour, marker, dashes in PARTS:
            x, y = _curve(record, "cyclical_rate", f"{part}_{what}", scale)
            _draw_curves(ax, x, y, label, color=colour, marker=marker, linestyle=dashes)
    axes[0].set(title="Loss", ylabel="Cross-entropy (nats)")
    axes[1].set(title="Accuracy", ylabel="Accuracy (%)")
    steps, rates = _stepwise(record, "cyclical_rate", "rates")
    axes[2].plot(steps, rates, color=COLOUR["cyclical_rate"], linewidth=1.3)
    for name in ("lr_min", "lr_max"):
        axes[2].axhline(record.value(name), color=MUTED, linewidth=1, linestyle="--")
    axes[2].set(title="Schedule", ylabel="Learning rate", ylim=(0, None))
    axes[2].yaxis.set_major_locator(MaxNLocator(4))
    axes[2].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}"))
    _epochs(axes[2])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _epoch(record: Record) -> float:
    """Return the images of one epoch."""
    return record.value("images.train")


def _curve(record: Record, policy: str, measure: str, scale: float) -> tuple[Floats, Floats]:
    """Return the epochs done, shape (point,), and the scores, shape (seed, point)."""
    points = record.arrays[f"points.{policy}"].values / _epoch(record)
    return points, scale * record.arrays[f"curve.{policy}"].values[:, :, MEASURE[measure]]


def _stepwise(record: Record, policy: str, name: str) -> tuple[Floats, Floats]:
    """Return the epochs done before a step and the schedule's value at it, thinned, to the end."""
    values = record.arrays[f"{name}.{policy}"].values
    samples = record.arrays[f"samples.{policy}"].values
    end = samples[-1] + record.arrays[f"sizes.{policy}"].values[-1]
    shown = thinned(len(values))
    return np.append(samples[shown], end) / _epoch(record), np.append(values[shown], values[-1])


def _draw_curves(ax: Any, x: Floats, y: Floats, label: str, **style: Any) -> None:
    """Draw the mean over seeds, and each seed thinly."""
    if len(y) > 1:
        for row in y:
            ax.plot(x, row, color=style["color"], linewidth=0.6, alpha=0.45)
    every = max(1, len(x) // 12)
    ax.plot(x, y.mean(axis=0), label=label, markersize=4, markevery=every, **style)


def _epochs(ax: Any) -> None:
    ax.set_xlabel("Epochs (images seen / training images)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(left=0)


def draw_schedules(record: Record) -> Figure:
    """Batch size over the training, growing and shrinking, on a geometric axis."""
    shown = _batches(record)
    figure, axes = new_figure("full", 2.9, 1, len(shown), record=record, sharey=True, squeeze=False)
    for ax, policy in zip(axes[0], shown, strict=True):
        steps, sizes = _stepwise(record, policy, "sizes")
        ax.plot(steps, sizes, drawstyle="steps-post", color=COLOUR[policy], linewidth=0.9)
        ax.set_yscale("log", base=2)
        for name in ("batch_min", "batch_used"):
            ax.axhline(record.value(name), color=MUTED, linewidth=1, linestyle="--")
        ax.set_title(f"{LABEL[policy]}: {record.value(f'updates.{policy}'):,.0f} updates")
        _epochs(ax)
    low, high = record.value("batch_min"), record.value("batch_used")
    axes[0, 0].set(ylabel="Batch size (images)", ylim=(low / 1.5, high * 1.3))
    size_axis(axes[0, 0].yaxis, doublings(low, high))
    return figure


def draw_batches(record: Record) -> Figure:
    """Validation accuracy and loss under both cyclical batch sizes."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    for ax, what, scale in ((axes[0], "accuracy", 100.0), (axes[1], "loss", 1.0)):
        for policy, dashes in zip(BATCHES, ("-", (0, (4, 2))), strict=True):
            if policy not in policies(record):
                continue
            x, y = _curve(record, policy, f"validation_{what}", scale)
            look = {"color": COLOUR[policy], "marker": MARKER[policy], "linestyle": dashes}
            _draw_curves(ax, x, y, LABEL[policy], **look)
        _epochs(ax)
    axes[0].set(title="Validation accuracy", ylabel="Accuracy (%)")
    axes[1].set(title="Validation loss", ylabel="Cross-entropy (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _batches(record: Record) -> list[str]:
    return [policy for policy in BATCHES if policy in policies(record)]


def _averaged(record: Record) -> str:
    if int(record.config["seeds"]) == 1:
        return "One seed"
    return f"Thick: mean over {per_seed(record)}; thin: each seed"


def _ends(record: Record, policy: str) -> str:
    x, y = _curve(record, policy, "validation_accuracy", 100.0)
    mean = y.mean(axis=0)
    return f"{mean[0]:.1f} % validation accuracy after {x[0]:.2g} of {x[-1]:.0f} epochs, {mean[-1]:.1f} % at the end"


def _schedules_caption(record: Record) -> str:
    low, used, high = (told(place(record, f"batch_{name}")) for name in ("min", "used", "max"))
    upper = f"b_max = {high}"
    if used != high:
        upper = f"{used}, since policies use at most about a tenth of the images and b_max = {high}"
    return (
        f"The batch size over the training, first seed. Dashed: b_min = {low} and {upper}. The axis is geometric. The last batch of an epoch holds what is left "
        "over, which may be fewer images than the schedule says."
    )


CURVES = Plot(
    "cyclical_curves",
    draw_cyclical,
    lambda r: (
        f"Training with the cyclical learning rate, batches of {r.config['batch_size']:,}. "
        f"{_averaged(r)}. Training scores come from as many training images as there are validation "
        "images, without dropout. Bottom: the learning rate; dashed: lr_min and lr_max."
    ),
    lambda r: f"Loss, accuracy and learning rate over the training: {_ends(r, 'cyclical_rate')}.",
    when=lambda r: "cyclical_rate" in policies(r),
)
SCHEDULES = Plot(
    "batch_schedules",
    draw_schedules,
    _schedules_caption,
    lambda r: "Zigzag of the batch size: " + " and ".join(LABEL[p].lower() for p in _batches(r)) + ".",
    when=lambda r: bool(_batches(r)),
)  # fmt: skip
BATCH_CURVES = Plot(
    "batch_curves",
    draw_batches,
    lambda r: (
        f"Validation images under the cyclical batch sizes, at the fixed rate lr_min. {_averaged(r)}."
    ),
    lambda r: "; ".join(f"{LABEL[p]}: {_ends(r, p)}" for p in _batches(r)) + ".",
    when=lambda r: bool(_batches(r)),
)
