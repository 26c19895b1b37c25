"""Figures of problem 2.1: scales by layer against theory, violins, depth, and loss curves."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from firstlight.studies.initialization.labels import ACTIVATIONS, MEASURES, inits, label, log_axis, style, trained
from firstlight.studies.initialization.figures_violins import VIOLINS
from firstlight.plotting.style import MUTED, Plot, new_figure
from firstlight.record import Record
from firstlight.stats import mean

QUANTITIES = {
    "activation": ("activation_std", "prediction", "Standard deviation of activations"),
    "gradient": ("gradient_std", "prediction_gradient", "Standard deviation of ∂loss/∂Z"),
}


def _legend(figure: Figure, record: Record, ax: Any, extra: str) -> None:
    """Add the key below the panels: each initialization, and what the thin line is."""
    handles = [ax.plot([], [], **style(record, init))[0] for init in inits(record)]
    handles.append(ax.plot([], [], color=MUTED, lw=0.9)[0])
    words = [*map(label, inits(record)), extra]
    figure.legend(handles, words, loc="outside upper center", ncols=min(8, len(words)))


def draw_scales(record: Record) -> Figure:
    """Draw the scale of activations and of gradients by layer, with the predictions."""
    columns = [str(a) for a in record.config["activations"]]
    figure, axes = new_figure(
        "full", 5.2, 2, len(columns), record=record, sharex=True, sharey="row", squeeze=False
    )  # fmt: skip
    layers = np.arange(1, record.config["layers"] + 1)
    for i, (fact, predicted, words) in enumerate(QUANTITIES.values()):
        for j, activation in enumerate(columns):
            ax = axes[i, j]
            for init in inits(record):
                names = [f"{activation}.{init}.{layer}" for layer in layers]
                found = [record.facts[f"{fact}.{name}"] for name in names]
                low, high = ([getattr(f, end) for f in found] for end in ("low", "high"))
                y = [record.value(f"{fact}.{name}") for name in names]
                ax.fill_between(
                    layers, low, high, color=style(record, init)["color"], alpha=0.3, lw=0
                )
                ax.plot(layers, y, marker="o", ms=3, **(style(record, init) | {"ls": "none"}))
                theory = [record.value(f"{predicted}.{name}") for name in names]
                ax.plot(layers, theory, lw=1.2, **style(record, init))
            ax.set_xticks(layers)
            if i == 0:
                ax.set_title(ACTIVATIONS[activation])
        axes[i, 0].set_ylabel(words)
        log_axis(axes[i, 0])
    for ax in axes[-1]:
        ax.set_xlabel("Layer")
    handles = [
        axes[0, 0].plot([], [], marker="o", ms=3, **style(record, init))[0]
        for init in inits(record)
    ]
    figure.legend(handles, map(label, inits(record)), loc="outside upper center", ncols=8)
    return figure


def draw_deep(record: Record) -> Figure:
    """Draw root mean squares in the deep networks against the predictions."""
    columns = [str(a) for a in record.config["activations"]]
    figure, axes = new_figure(
        "full", 5.2, 2, len(columns), record=record, sharex=True, sharey="row", squeeze=False
    )  # fmt: skip
    measured = np.asarray(record.arrays["deep.measured"].values, dtype=float)
    expected = np.asarray(record.arrays["deep.predicted"].values, dtype=float)
    layers = np.arange(1, measured.shape[3] + 1)
    for i, words in enumerate(
        ("Root mean square of activations", "Gradient over that of last layer")
    ):
        for j in range(len(columns)):
            for k, init in enumerate(inits(record)):
                values, look = measured[:, j, k, :, i], style(record, init)
                low, high = np.quantile(np.sqrt(values), [0.05, 0.95], axis=0)
                axes[i, j].fill_between(layers, low, high, color=look["color"], alpha=0.22, lw=0)
                axes[i, j].plot(layers, np.sqrt(values.mean(axis=0)), **look)
                axes[i, j].plot(layers, np.sqrt(expected[j, k, :, i]), color=MUTED, lw=0.9)
            if i == 0:
                axes[i, j].set_title(ACTIVATIONS[columns[j]])
        axes[i, 0].set_ylabel(words)
        log_axis(axes[i, 0])
    for ax in axes[-1]:
        ax.set_xlabel("Layer")
    _legend(figure, record, axes[0, 0], "predicted")
    return figure


def draw_saturated(record: Record) -> Figure:
    """Draw the share of saturated units by layer."""
    columns = trained(record)
    figure, axes = new_figure(
        "full", 3.0, 1, len(columns), record=record, sharey=True, squeeze=False
    )
    measured = record.arrays["before.measured"].values[..., MEASURES.index("saturated")]
    names = [str(a) for a in record.config["activations"]]
    layers = np.arange(1, measured.shape[-1] + 1)
    for j, activation in enumerate(columns):
        for k, init in enumerate(inits(record)):
            share = 100 * measured[:, names.index(activation), k].mean(axis=0)
            axes[0, j].plot(layers, share, marker="o", ms=3, **style(record, init))
        axes[0, j].set(title=ACTIVATIONS[activation], xlabel="Layer", ylim=(-3, 103))
        axes[0, j].set_xticks(layers)
    axes[0, 0].set_ylabel("Saturated (%)")
    handles = [axes[0, 0].plot([], [], **style(record, init))[0] for init in inits(record)]
    figure.legend(handles, map(label, inits(record)), loc="outside upper center", ncols=7)
    return figure


def draw_loss(record: Record) -> Figure:
    """Draw the loss on test images against the steps of the short trainings."""
    columns = trained(record)
    figure, axes = new_figure(
        "full", 3.2, 1, len(columns), record=record, sharey=True, squeeze=False
    )
    steps, curves = record.arrays["loss.steps"].values, record.arrays["loss.curve"].values
    for j, activation in enumerate(columns):
        ax = axes[0, j]
        for k, init in enumerate(inits(record)):
            facts = [mean(column) for column in curves[:, j, k].T]
            low = [max(1e-3, f.low if f.low is not None else float(f.value or 0)) for f in facts]
            high = [f.high if f.high is not None else f.value for f in facts]
            colour = style(record, init)["color"]
            ax.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
            ax.plot(steps, [f.value for f in facts], **style(record, init))
        ax.axhline(np.log(10), color=MUTED, lw=0.8, zorder=0)
        ax.set(title=ACTIVATIONS[activation], xlabel="Steps", yscale="log", ylim=(0.25, 120))
    axis = axes[0, 0].yaxis
    axis.set_major_locator(FixedLocator([0.3, 1, 3, 10, 30, 100]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes[0, 0].set_ylabel("Cross-entropy (nats)")
    _legend(figure, record, axes[0, 0], "guessing")
    return figure


def _ratios(record: Record, kind: str) -> str:
    parts = [
        f"{ACTIVATIONS[a]} {label(i)} {record.value(f'ratio.{kind}.{a}.{i}'):.2g}"
        for a in map(str, record.config["activations"])
        for i in inits(record)
    ]
    return ", ".join(parts)


def _scales_alt(record: Record) -> str:
    last = record.config["layers"]
    return (
        f"Scales by layer. Activations of layer {last} over layer 1: "
        f"{_ratios(record, 'activation')}. Gradients of layer 1 over layer {last}: "
        f"{_ratios(record, 'gradient')}."
    )


def _loss_alt(record: Record) -> str:
    parts = [
        f"{ACTIVATIONS[a]} {label(i)} {record.value(f'loss_after.{a}.{i}'):.2f}"
        for a in trained(record)
        for i in inits(record)
    ]
    return f"Loss curves, which end at: {', '.join(parts)} nats."


def _seeds(record: Record, name: str = "seeds") -> str:
    return f"{record.config[name]:,} networks"


def _has(name: str, record: Record) -> bool:
    return name in record.arrays and bool(trained(record))


PLOTS: tuple[Plot, ...] = (
    Plot(
        "scales",
        draw_scales,
        lambda r: (
            f"Scale by layer before training. Dots: mean over {_seeds(r)}, shaded with its 95 % "
            "interval, often narrower than the dot; lines: prediction. Gradients are predicted from "
            "the last layer's measured one."
        ),
        _scales_alt,
    ),
    *VIOLINS,
    Plot(
        "saturated",
        draw_saturated,
        lambda r: (
            "Share of units and images with a slope below 5 % of the activation's largest one; "
            f"for ReLU, of zeros. Mean over {_seeds(r)}, before training."
        ),
        "Share of saturated units by layer, one panel an activation, one line an initialization.",
        partial(_has, "before.measured"),
    ),
    Plot(
        "deep",
        draw_deep,
        lambda r: (
            f"Networks of {r.config['depth']} hidden layers before training. Coloured: root of the "
            f"mean over {_seeds(r)} of the mean square; shaded: 90 % of the networks; thin grey: "
            "prediction. Gradients start as random numbers behind the last layer."
        ),
        "Scales by layer to the full depth; measured lines cover the predicted ones.",
    ),
    Plot(
        "loss",
        draw_loss,
        lambda r: (
            f"Loss on the test images in training: mean over {_seeds(r, 'training_seeds')} with its "
            "95 % interval (shaded). Losses above 100 are drawn as 100."
        ),
        _loss_alt,
        partial(_has, "loss.curve"),
    ),
)  # fmt: skip
"""The figures of this study, in the order of its page."""
