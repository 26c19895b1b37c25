"""Figures of the regularization study: scores, differences, learned parameters, what is inside."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from firstlight.studies.regularization.figures_inside import INSIDE
from firstlight.studies.regularization.labels import COLOUR, LABEL, arms, per_seed
from firstlight.plotting.style import MUTED, Plot, new_figure
from firstlight.plotting.marks import whisker
from firstlight.record import Record


def draw_curves(record: Record) -> Figure:
    """Accuracy and loss on held-out images by epoch; thin dashes: the training images."""
    figure, axes = new_figure("full", 3.4, 1, 2, record=record)
    for ax, what, scale in ((axes[0], "accuracy", 100.0), (axes[1], "loss", 1.0)):
        for arm in arms(record):
            for part, style in (("validation", "-"), ("train", (0, (3, 2)))):
                y = scale * record.arrays[f"curve.{arm}.{part}_{what}"].values.mean(axis=0)
                x = np.arange(1, len(y) + 1)
                solid = part == "validation"
                ax.plot(
                    x, y, linestyle=style, color=COLOUR[arm], linewidth=1.7 if solid else 0.9,
                    marker="o" if solid else None, markersize=3.5,
                    label=LABEL[arm] if solid else None,
                )  # fmt: skip
        ax.set_xlabel("Epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set(ylabel="Accuracy (%)", title="Accuracy")
    axes[1].set(ylabel="Cross-entropy (nats)", title="Loss", yscale="log")
    axes[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes[1].yaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw_accuracy(record: Record) -> Figure:
    """Test accuracy and test loss of every arm: mean, interval, and one dot for each seed."""
    figure, axes = new_figure("full", 2.9, 1, 2, record=record, sharey=True)
    for row, arm in enumerate(arms(record)):
        correct = record.arrays[f"test_correct.{arm}"].values
        dots = 100 * correct.mean(axis=1)
        axes[0].plot(dots, np.full(len(dots), row + 0.22), "o", color=MUTED, markersize=3)
        whisker(axes[0], record.facts[f"test_accuracy.{arm}"], row, scale=100, color=COLOUR[arm])
        whisker(axes[1], record.facts[f"test_loss.{arm}"], row, color=COLOUR[arm])
    names = [LABEL[arm] for arm in arms(record)]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    if axes[0].get_xlim()[1] > 100:
        axes[0].set_xlim(right=100)  # an interval may reach beyond what is possible
    axes[0].set(xlabel="Test accuracy (%)", title="Test accuracy")
    axes[1].set(xlabel="Test cross-entropy (nats)", title="Test loss")
    return figure


def draw_differences(record: Record) -> Figure:
    """Paired differences of test accuracy between all arms, with their intervals."""
    pairs = [name for name in record.facts if name.startswith("difference.")]
    figure, ax = new_figure("full", 0.9 + 0.27 * len(pairs), record=record)
    ax.axvline(0, color=MUTED, linewidth=1, linestyle="--")
    for row, name in enumerate(pairs):
        _, first, second = name.split(".")
        whisker(ax, record.facts[name], row, scale=100, color=COLOUR[first])
        a, b = (100 * record.arrays[f"test_correct.{arm}"].values for arm in (first, second))
        dots = a.mean(axis=1) - b.mean(axis=1)
        ax.plot(dots, np.full(len(dots), row + 0.25), "o", color=MUTED, markersize=2.5)
    names = [name.split(".")[1:] for name in pairs]
    ax.set_yticks(range(len(pairs)), [f"{LABEL[a]} − {LABEL[b]}" for a, b in names])
    ax.invert_yaxis()
    ax.set(xlabel="Difference of test accuracy (points)", title="Paired differences, same seeds")
    return figure


def draw_parameters(record: Record) -> Figure:
    """Violins of the learned γ and β of every normalized layer, the input included."""
    layers = _layers(record)
    figure, axes = new_figure("full", 3.3, 1, 2, record=record)
    for ax, head, start in ((axes[0], "gamma", 1.0), (axes[1], "beta", 0.0)):
        ax.axhline(start, color=MUTED, linewidth=1, linestyle="--")
        for place, layer in enumerate(layers):
            _violin(ax, record.arrays[f"{head}.{layer}"].values.ravel(), place)
        ax.set_xticks(range(len(layers)), [_with_size(record, layer) for layer in layers])
        ax.grid(axis="x", visible=False)
    axes[0].set(ylabel="Scale γ", title="Learned scale γ")
    axes[1].set(ylabel="Shift β", title="Learned shift β")
    return figure


def _layers(record: Record) -> list[str]:
    names = ("input", "conv1", "conv2", "fc1", "fc2")
    return [name for name in names if f"gamma.{name}" in record.arrays]


def _with_size(record: Record, layer: str) -> str:
    return f"{layer}\n({record.arrays[f'gamma.{layer}'].values.shape[1]})"


def _violin(ax: Any, values: np.ndarray, place: int) -> None:
    """Draw a violin where there are enough values for a shape, and the values as dots if few."""
    colour = COLOUR["norm_input"]
    if values.size >= 8 and np.ptp(values) > 0:
        parts = ax.violinplot([values], [place], widths=0.8, showextrema=False)
        for body in parts["bodies"]:
            body.set(facecolor=colour, edgecolor=colour, alpha=0.35)
    if values.size <= 120:
        spread = np.linspace(-0.12, 0.12, values.size) if values.size > 1 else np.zeros(1)
        ax.plot(place + spread, values, "o", color=colour, markersize=2, alpha=0.6)
    ax.plot([place - 0.18, place + 0.18], [np.median(values)] * 2, color=colour, linewidth=2)


def _normalized(record: Record) -> bool:
    return bool(_layers(record))


def _several(record: Record) -> bool:
    return len(arms(record)) > 1


def _accuracy_alt(record: Record) -> str:
    told = [
        f"{LABEL[arm]} {100 * record.value(f'test_accuracy.{arm}'):.2f} %" for arm in arms(record)
    ]
    return "Mean test accuracy of each arm: " + ", ".join(told) + "."


def _differences_alt(record: Record) -> str:
    facts = [(n, f) for n, f in record.facts.items() if n.startswith("difference.")]
    clear = sum(f.low is not None and f.high is not None and f.low * f.high > 0 for _, f in facts)
    return f"{len(facts)} paired differences; the intervals of {clear} of them exclude zero."


PLOTS: tuple[Plot, ...] = (
    Plot(
        "curves",
        draw_curves,
        lambda r: (
            f"Accuracy and loss after each epoch, mean over {per_seed(r)}. Solid: validation "
            "images; dashed: as many training images, without dropout."
        ),
        "Accuracy rising and loss falling by epoch, one pair of lines for each arm.",
    ),
    Plot(
        "accuracy",
        draw_accuracy,
        lambda r: (
            f"Test accuracy and loss: mean over {per_seed(r)} with 95 % interval (Student's t). "
            "Small dots: single seeds."
        ),
        _accuracy_alt,
    ),
    Plot(
        "differences",
        draw_differences,
        lambda r: (
            f"First minus second, paired over {per_seed(r)}, with 95 % interval (Student's t). An "
            "interval that covers zero cannot tell which is better. Small dots: single seeds."
        ),
        _differences_alt,
        when=_several,
    ),
    Plot(
        "parameters",
        draw_parameters,
        lambda r: (
            "Learned batch-norm parameters of each layer, all channels and seeds; channels in "
            f"brackets, {per_seed(r)}. Bar: median; dashed line: value before training. Where "
            "there are too few values for a violin, only the values are drawn."
        ),
        "Violins of γ around one and β around zero for each layer with batch normalization.",
        when=_normalized,
    ),
    *INSIDE,
)
"""The figures of this study, in the order of its page."""
