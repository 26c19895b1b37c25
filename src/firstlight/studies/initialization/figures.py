"""Figures of problem 2.1: what becomes of scales by layer, against theory, and loss curves."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from firstlight import text
from firstlight.plotting import marks
from firstlight.plotting.style import MUTED, Plot, new_figure
from firstlight.record import Record
from firstlight.stats import mean
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.answers import NEEDED, trains
from firstlight.studies.initialization.figures_violins import ACTIVATIONS, OTHERS
from firstlight.studies.initialization.labels import LARGEST_LOSS, SATURATING
from firstlight.studies.initialization.panels import (
    TITLES,
    by_layer,
    legend,
    lines,
    panels,
    scaled,
    styles,
)

THEORY: dict[str, Any] = {"color": MUTED, "lw": 3.5, "alpha": 0.4}
"""The look of predictions that measured lines cover."""
DECADES = 20
"""Powers of ten to either side of 1 that a panel of the deep networks shows at most."""


def _unit_axis(ax: Any) -> None:
    """Make an axis logarithmic, in halves where it is short, and mark 1, where a scale is kept."""
    marks.log_axis(ax.yaxis)
    low, high = (math.log2(end) for end in ax.get_ylim())
    if high - low < 5:
        marks.ticks_at(ax.yaxis, [2.0**k for k in range(math.ceil(low), math.floor(high) + 1)])
    marks.reference(ax, 1.0)


def draw_backward(record: Record) -> Figure:
    """Draw the scale of gradients, over that of the last layer, where units can saturate."""
    figure, axes = panels(record, 2.7, 1, [TITLES[a] for a in SATURATING])
    for ax, network, style in lines(record, axes[0], SATURATING):
        facts = by_layer(record, "gradient_std", network)
        theory = by_layer(record, "prediction_gradient", network)
        scaled(ax, facts, theory, float(facts[-1]), **style)
    for ax in axes[0]:
        _unit_axis(ax)
    axes[0, 0].set_ylabel("Gradient over last layer's")
    return legend(figure, record)


def draw_relu(record: Record) -> Figure:
    """Draw Xavier and He with ReLU on their own scale: activations, gradients, and at depth."""
    figure, axes = new_figure("full", 2.7, cols=3, record=record)
    forward, back, deep = axes
    for init in labels.SCHEMES:
        look, network = styles(record)[init], {"activation": "relu", "init": init}
        facts = by_layer(record, "activation_std", network)
        scaled(forward, facts, by_layer(record, "prediction", network), float(facts[0]), **look)
        facts = by_layer(record, "gradient_std", network)
        theory = by_layer(record, "prediction_gradient", network)
        scaled(back, facts, theory, float(facts[-1]), **look)
        _deep_line(deep, record, "activation", network, look)
    titles = ("Activations over layer 1", "Gradients over last layer", "Activations, deep networks")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, size=9)
        ax.set_xlabel("Layer")
        _unit_axis(ax)
    names = list(labels.SCHEMES.values())
    handles = [Line2D([], [], ms=4, **styles(record)[init]) for init in labels.SCHEMES]
    marks.legend_above(figure, handles, names)
    return figure


def _deep_line(
    ax: Any, record: Record, direction: str, network: dict[str, str], look: dict[str, Any]
) -> None:
    """Draw a deep network's scale over that of its first or last layer, 90 % of them, and theory."""
    squares, theory = (
        record.data[name].sel({"direction": direction, **network})
        for name in ("deep_measured", "deep_predicted")
    )
    whole, expected = squares.values.mean(axis=0), theory.values
    first = direction == "activation"
    start, begin = (whole[0], expected[0]) if first else (1.0, 1.0)
    low, high = np.quantile(np.sqrt(squares.values / start), [0.05, 0.95], axis=0)
    layers = squares.deep_layer
    marks.band(ax, layers, low, high, look["color"], alpha=0.22)
    ax.plot(layers, np.sqrt(expected / begin), **THEORY)
    ax.plot(layers, np.sqrt(whole / start), **{**look, "marker": ""})


def draw_scales(record: Record) -> Figure:
    """Draw the scale of activations and of gradients by layer, with the predictions."""
    activations = record.config["activations"]
    figure, axes = panels(record, 5.0, 2, [TITLES[a] for a in activations])
    quantities = (
        ("activation_std", "prediction", "Deviation of activations"),
        ("gradient_std", "prediction_gradient", "Deviation of ∂loss/∂Z"),
    )
    for row, (measure, prediction, label) in zip(axes, quantities, strict=True):
        for ax, network, style in lines(record, row, activations):
            theory = by_layer(record, prediction, network)
            scaled(ax, by_layer(record, measure, network), theory, 1.0, **style)
        for ax in row:
            marks.log_axis(ax.yaxis)
        row[0].set_ylabel(label)
    return legend(figure, record)


def draw_deep(record: Record) -> Figure:
    """Draw root mean squares in the deep networks against the predictions."""
    activations = record.config["activations"]
    figure, axes = panels(record, 5.0, 2, [TITLES[a] for a in activations])
    words = ("Activations over layer 1", "Gradients over last layer")
    for row, direction, label in zip(axes, labels.DIRECTIONS, words, strict=True):
        for ax, network, style in lines(record, row, activations):
            _deep_line(ax, record, direction, network, style)
        for ax in row:
            low, high = ax.dataLim.intervaly
            ax.set_yscale("log")
            ax.set_ylim(max(low / 2, 10.0**-DECADES), min(2 * high, 10.0**DECADES))
            _unit_axis(ax)
        row[0].set_ylabel(label)
    return legend(figure, record, "predicted", mark=False, **THEORY)


def draw_saturated(record: Record) -> Figure:
    """Draw the share of saturated units by layer, where units can saturate."""
    figure, axes = panels(record, 2.7, 1, [TITLES[a] for a in SATURATING], sharey=True)
    layers = range(1, record.config["layers"] + 1)
    for ax, network, style in lines(record, axes[0], SATURATING):
        shares = [100 * float(fact) for fact in by_layer(record, "saturated", network)]
        ax.plot(layers, shares, ms=4, **style)
        ax.set(ylim=(-3, 103), xticks=layers)
    axes[0, 0].set_ylabel("Saturated units (%)")
    return legend(figure, record)


def draw_loss(record: Record) -> Figure:
    """Draw the loss on test images against the steps of the short trainings."""
    activations = labels.trained(record.config["activations"])
    figure, axes = panels(record, 3.0, 1, [TITLES[a] for a in activations], sharey=True)
    curves = record.data["loss_curve"].rename(trained_activation="activation")
    for ax, network, style in lines(record, axes[0], activations):
        facts = [
            mean(losses, within=(1e-3, LARGEST_LOSS)) for losses in curves.sel(network).values.T
        ]
        low = [float(f) if f.low is None else f.low for f in facts]
        high = [float(f) if f.high is None else f.high for f in facts]
        marks.band(ax, curves.step, low, high, style["color"], alpha=0.15)
        ax.plot(curves.step, [float(f) for f in facts], ms=3, **style)
        ax.set(xlabel="Steps", yscale="log", ylim=(0.25, 2 * LARGEST_LOSS))
    for ax in axes[0]:
        ax.axhline(labels.GUESSING, color=MUTED, lw=0.9, zorder=0)
    marks.ticks_at(axes[0, 0].yaxis, [0.3, 1, 3, 10, 30, 100])
    axes[0, 0].set_ylabel("Cross-entropy (nats)")
    return legend(figure, record, "guessing", color=MUTED, lw=0.9)


def _ends(record: Record, measure: str, activations: Any, **where: str) -> str:
    """Return a fact of each network, for readers who cannot see the figure."""
    names = labels.inits(record.config["sigmas"])
    return ", ".join(
        f"{TITLES[network['activation']]} {names[network['init']]} "
        + text.value(record.facts.get(measure, **where, **network), "log")
        for network in labels.networks(activations, record.config["sigmas"])
    )


def _backward_alt(record: Record) -> str:
    ratios = _ends(record, "ratio", SATURATING, direction="gradient")
    return f"Gradients by layer. Layer 1 over layer {record.config['layers']}: {ratios}."


def _relu_alt(record: Record) -> str:
    ratios = (
        f"{way} {_ends(record, 'ratio', ['relu'], direction=way)}" for way in labels.DIRECTIONS
    )
    return f"Scales by layer with ReLU. Ratios of the ends: {'; '.join(ratios)}."


def _scales_alt(record: Record) -> str:
    last, activations = record.config["layers"], record.config["activations"]
    forward, back = (_ends(record, "ratio", activations, direction=d) for d in labels.DIRECTIONS)
    return (
        f"Scales by layer. Activations of layer {last} over layer 1: {forward}. Gradients of layer "
        f"1 over layer {last}: {back}."
    )


def _has_all(record: Record) -> bool:
    return all(activation in record.config["activations"] for activation in NEEDED)


PLOTS = (
    ACTIVATIONS,
    Plot(
        "backward",
        draw_backward,
        lambda r: (
            "Standard deviation of the gradient in each layer over that in the last, before training: it "
            f"vanishes or grows on its way back to layer 1. Marks: mean over {r.config['seeds']} networks, "
            "95 % interval often narrower than the mark; lines: theory."
        ),
        _backward_alt,
        _has_all,
    ),
    Plot(
        "relu",
        draw_relu,
        lambda r: (
            f"ReLU with Xavier and with He, on a scale of their own. Left, middle: standard deviations in "
            f"{r.config['layers']} layers, theory as lines. Right: root mean square in networks of "
            f"{r.config['depth']} layers, shaded: 90 % of the networks, gray: theory."
        ),
        _relu_alt,
        _has_all,
    ),
    Plot(
        "scales",
        draw_scales,
        lambda r: (
            "Standard deviation by layer before training; each panel has its own scale. Marks: mean "
            f"over {r.config['seeds']} networks, 95 % interval often narrower than the mark; lines: "
            "prediction. Gradients are predicted from the last layer's measured one."
        ),
        _scales_alt,
    ),
    *OTHERS,
    Plot(
        "saturated",
        draw_saturated,
        lambda r: (
            f"Share of units and images with a slope below {100 * labels.SATURATED:g} % of the activation's "
            f"largest one. Mean over {r.config['seeds']} networks, before training."
        ),
        "Share of saturated units by layer, one panel an activation, one line an initialization.",
        _has_all,
    ),
    Plot(
        "deep",
        draw_deep,
        lambda r: (
            f"Networks of {r.config['depth']} hidden layers before training: root of the mean over "
            f"{r.config['seeds']} networks of the mean square, over that of the first layer (activations) or "
            f"last (gradients); shaded: 90 % of the networks. Each panel has its own scale and ends at "
            f"{text.power_of_ten(-DECADES)} and {text.power_of_ten(DECADES)}. Gradients start as random "
            "numbers behind the last layer."
        ),
        "Scales by layer to the full depth; measured lines cover the predicted ones.",
    ),
    Plot(
        "loss",
        draw_loss,
        lambda r: (
            f"Loss on the test images in training: mean over {r.config['training_seeds']} networks with "
            f"its 95 % interval (shaded). Losses above {LARGEST_LOSS:g} are drawn as {LARGEST_LOSS:g}."
        ),
        lambda r: (
            f"Loss curves; they end at: {_ends(r, 'loss_after', labels.trained(r.config['activations']))} nats."
        ),
        trains,
    ),
)
"""The figures of this study, in the order of its page."""
