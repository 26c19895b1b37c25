"""What goes on inside the networks: variance shift, co-adaptation, internal covariate shift."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight.studies.regularization.labels import COLOUR, LABEL, MARKER, arms, per_seed
from firstlight.plotting.style import MUTED, Plot, new_figure
from firstlight.plotting.marks import whisker
from firstlight.record import Record

NORM_LAYERS = ("input", "conv1", "conv2", "fc1", "fc2")
RECEIVING_LAYERS = ("conv2", "fc1", "fc2", "output")
HIDDEN_LAYERS = ("fc1", "fc2")


def _by_layer(
    ax: Any, record: Record, measure: str, layers: tuple[str, ...], label: bool = True
) -> None:
    """Draw a measure of each layer, the arms side by side."""
    found = [a for a in arms(record) if any(f"{measure}.{a}.{x}" in record.facts for x in layers)]
    shown = [x for x in layers if any(f"{measure}.{a}.{x}" in record.facts for a in found)]
    offsets = np.linspace(-0.24, 0.24, len(found)) if len(found) > 1 else np.zeros(1)
    for arm, offset in zip(found, offsets, strict=True):
        named = not label
        for place, layer in enumerate(shown):
            name = f"{measure}.{arm}.{layer}"
            if name in record.facts:
                whisker(
                    ax, record.facts[name], place + offset, vertical=True,
                    color=COLOUR[arm], fmt=MARKER[arm], label=None if named else LABEL[arm],
                )  # fmt: skip
                named = True
    ax.set_xticks(range(len(shown)), shown)
    ax.grid(axis="x", visible=False)


def draw_variance_shift(record: Record) -> Figure:
    """Variance at each batch normalization over its running variance, at test and in training."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record, sharey=True)
    for ax, measure in zip(axes, ("variance_training", "variance_shift"), strict=True):
        ax.axhline(1, color=MUTED, linewidth=1, linestyle="--")
        _by_layer(ax, record, measure, NORM_LAYERS, label=measure == "variance_shift")
    axes[0].set(ylabel="Variance / running variance", title="In training (dropout on)")
    axes[1].set(title="At test time (dropout off)")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw_coadaptation(record: Record) -> Figure:
    """Correlation between hidden units, and what is lost when half of them are silenced."""
    figure, axes = new_figure("full", 3.2, 1, 2, record=record, width_ratios=(1.25, 1))
    _by_layer(axes[0], record, "coadaptation", HIDDEN_LAYERS)
    axes[0].set(ylabel="Mean |correlation| of two units", title="Correlation of hidden units")
    axes[0].set_ylim(bottom=0)
    for place, arm in enumerate(arms(record)):
        fact = record.facts[f"removal.{arm}"]
        whisker(axes[1], fact, place, scale=100, vertical=True, color=COLOUR[arm], fmt=MARKER[arm])
    axes[1].axhline(0, color=MUTED, linewidth=1, linestyle="--")
    axes[1].set_xticks([])
    axes[1].set(ylabel="Accuracy lost (points)", title="Half of fc1 silenced")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw_covariate_shift(record: Record) -> Figure:
    """How far each layer's inputs move between checkpoints of the first epoch."""
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    _by_layer(axes[0], record, "covariate_shift", RECEIVING_LAYERS)
    axes[0].set(ylabel="Movement (standard deviations)", title="Mean movement by layer")
    axes[0].set_xlabel("Layer that receives the input")
    axes[0].set_ylim(bottom=0)
    for arm in arms(record):
        steps = record.arrays[f"movement.{arm}"].values.mean(axis=(0, 2))
        share = np.arange(1, len(steps) + 1) / len(steps)
        axes[1].plot(share, steps, color=COLOUR[arm], marker=MARKER[arm], markersize=4)
    axes[1].set(
        xlabel="Part of the first epoch", ylabel="Movement (standard deviations)",
        title="Movement over time, mean of layers", yscale="log",
    )  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _has_norm(record: Record) -> bool:
    return any(name.startswith("variance_shift.") for name in record.facts)


INSIDE: tuple[Plot, ...] = (
    Plot(
        "variance_shift",
        draw_variance_shift,
        lambda r: (
            "Variance that each batch normalization receives, over its running variance (geometric "
            f"mean over channels; mean over {per_seed(r)} with 95 % interval). At 1 the statistics "
            "that are used at test time fit. With dropout in front they do not."
        ),
        "Ratio of variances by layer: in training, and at test time, where dropout is off.",
        when=_has_norm,
    ),
    Plot(
        "coadaptation",
        draw_coadaptation,
        lambda r: (
            "Left: mean absolute correlation between two units of a layer, on validation images. "
            "Right: validation accuracy lost when a random half of fc1 is silenced and the rest "
            f"doubled. Mean over {per_seed(r)} with 95 % interval."
        ),
        "Correlation of hidden units by layer and arm, and accuracy lost without half of fc1.",
    ),
    Plot(
        "covariate_shift",
        draw_covariate_shift,
        lambda r: (
            "Movement of a layer's inputs between neighbouring checkpoints of the first epoch, on "
            "fixed validation images: mean over inputs of |change of the mean| over the standard "
            f"deviation before. Mean over {per_seed(r)}; 95 % intervals on the left."
        ),
        "Movement of the inputs by layer and arm, and over the first epoch.",
    ),
)
"""The figures of what goes on inside, in the order of the page."""
