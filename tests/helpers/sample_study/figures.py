"""The sample study's figures."""

import numpy as np
from matplotlib.figure import Figure

from firstlight.plotting.style import COLORS, Plot, new_figure
from firstlight.record import Record


def wide(record: Record) -> Figure:
    """Draw two panels over the full width."""
    figure, axes = new_figure("full", 3.0, cols=2, record=record, sharey=True)
    epochs = np.arange(1, 41)
    for panel, name in zip(axes, ("perceptron", "hinge"), strict=True):
        for i, rows in enumerate(record.arrays["accuracy"].values):
            panel.plot(epochs, rows, color=COLORS[i], label=f"training set {i + 1}")
        panel.set(title=f"Criterion: {name}", xlabel="epoch")
    axes[0].set_ylabel("accuracy, %")
    axes[0].legend(loc="lower right")
    return figure


def narrow(record: Record) -> Figure:
    """Draw one panel at the smaller width."""
    figure, axes = new_figure("narrow", 2.8, record=record)
    axes.hist(record.arrays["accuracy"].values.ravel(), bins=20, color=COLORS[0])
    axes.set(xlabel="accuracy, %", ylabel="simulations")
    return figure


def _never(record: Record) -> Figure:
    raise AssertionError("a figure whose `when` says no must not be drawn")


PLOTS = (
    Plot(
        "wide",
        wide,
        lambda r: f"Accuracy against epochs; {r.config['repeats']} sets.",
        "Rising curves.",
    ),
    Plot(
        "narrow",
        narrow,
        "Accuracies <b>of all</b> runs.",
        lambda r: f"A histogram, seed {r.config['seed']}.",
    ),
    Plot("never", _never, "Nothing.", "Nothing.", when=lambda r: False),
)
