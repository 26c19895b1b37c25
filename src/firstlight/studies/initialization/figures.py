"""Figures of problem 2.1: scales by layer against theory, violins, depth, and loss curves."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from firstlight import text
from firstlight.plotting import marks
from firstlight.plotting.style import COLORS, INK, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.stats import mean
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.answers import trains
from firstlight.studies.initialization.labels import LARGEST_LOSS

SPAN = 16
"""Powers of ten that an axis of sizes spans at most."""
SHADES = (COLORS[5], COLORS[4], COLORS[2], COLORS[3], INK)
DASHES = ((1.2, 1.2), (3, 1.2), (5, 1.5), (5, 1.2, 1.2, 1.2), (9, 2))
TITLES = {activation: text.sentence(name) for activation, name in labels.ACTIVATIONS.items()}
AXES = {
    "z": ("Z", "|Z|", "z_std"),
    "activation": ("activation", "activation > 0", "activation_std"),
    "gradient": ("∂loss/∂Z", "|∂loss/∂Z|", "gradient_std"),
}
"""Kind of value → what the axis is called, also where it holds exponents, and the fact."""
BALL = {
    "z": ("Z", COLORS[0]),
    "activation": ("activation", COLORS[2]),
    "weight": ("weight w", COLORS[5]),
    "weight_gradient": ("|∂loss/∂w|", COLORS[1]),
}


def _styles(record: Record) -> dict[str, dict[str, Any]]:
    """Return colors and dashes: solid for Xavier and He, dashed and by order for each σ."""
    styles: dict[str, dict[str, Any]] = {
        init: {"color": SHADES[order % 5], "ls": (0, DASHES[(order + order // 5) % 5])}
        for order, init in enumerate(labels.inits(record.config["sigmas"]))
    }
    solid = {"xavier": {"color": COLORS[0], "ls": "-"}, "he": {"color": COLORS[1], "ls": "-"}}
    return styles | solid


def _panels(
    record: Record, height: float, rows: int, titles: Sequence[str], sharey: str | bool = "row"
) -> tuple[Figure, Any]:
    """Return a figure and its panels, a column for each title, all over the layers."""
    figure, axes = new_figure(
        "full", height, rows, len(titles), record=record, sharex=True, sharey=sharey, squeeze=False
    )
    for top, bottom, title in zip(axes[0], axes[-1], titles, strict=True):
        top.set_title(title)
        bottom.set_xlabel("Layer")
    return figure, axes


def _lines(
    record: Record, row: Any, activations: Sequence[str]
) -> Iterator[tuple[Any, dict[str, str], dict[str, Any]]]:
    """Yield the panel, the coordinates and the style of every network of a row of panels."""
    for ax, activation in zip(row, activations, strict=True):
        for init, style in _styles(record).items():
            yield ax, {"activation": activation, "init": init}, style


def _by_layer(record: Record, measure: str, network: dict[str, str]) -> list[Fact]:
    layers = range(1, record.config["layers"] + 1)
    return [record.facts.get(measure, **network, layer=layer) for layer in layers]


def _legend(figure: Figure, record: Record, thin: str = "", **look: Any) -> Figure:
    """Name each initialization above the panels and, where there is one, the thin line."""
    names = [*labels.inits(record.config["sigmas"]).values(), *filter(None, [thin])]
    handles = [Line2D([], [], **look, **style) for style in _styles(record).values()]
    handles.append(Line2D([], [], color=MUTED, lw=0.9))
    marks.legend_above(figure, handles[: len(names)], names, min(8, len(names)))
    return figure


def draw_scales(record: Record) -> Figure:
    """Draw the scale of activations and of gradients by layer, with the predictions."""
    activations = record.config["activations"]
    figure, axes = _panels(record, 5.2, 2, [TITLES[a] for a in activations])
    layers = range(1, record.config["layers"] + 1)
    quantities = (
        ("activation_std", "prediction", "Standard deviation of activations"),
        ("gradient_std", "prediction_gradient", "Standard deviation of ∂loss/∂Z"),
    )
    for row, (measure, prediction, label) in zip(axes, quantities, strict=True):
        for ax, network, style in _lines(record, row, activations):
            facts = _by_layer(record, measure, network)
            low, high = [f.low for f in facts], [f.high for f in facts]
            marks.band(ax, layers, low, high, style["color"], alpha=0.3)
            dots = {"marker": "o", "ms": 3, **style, "ls": "none"}
            ax.plot(layers, [float(f) for f in facts], **dots)
            theory = _by_layer(record, prediction, network)
            ax.plot(layers, [float(f) for f in theory], lw=1.2, **style)
            ax.set_xticks(layers)
        row[0].set_ylabel(label)
        marks.log_axis(row[0].yaxis)
    return _legend(figure, record, marker="o", ms=3)


def draw_deep(record: Record) -> Figure:
    """Draw root mean squares in the deep networks against the predictions."""
    activations = record.config["activations"]
    figure, axes = _panels(record, 5.2, 2, [TITLES[a] for a in activations])
    words = ("Root mean square of activations", "Gradient over that of last layer")
    for row, direction, label in zip(axes, labels.DIRECTIONS, words, strict=True):
        measured = record.data["deep_measured"].sel(direction=direction)
        expected = record.data["deep_predicted"].sel(direction=direction)
        for ax, network, style in _lines(record, row, activations):
            values = measured.sel(network).values
            low, high = np.quantile(np.sqrt(values), [0.05, 0.95], axis=0)
            marks.band(ax, measured.deep_layer, low, high, style["color"], alpha=0.22)
            ax.plot(measured.deep_layer, np.sqrt(values.mean(axis=0)), **style)
            ax.plot(measured.deep_layer, np.sqrt(expected.sel(network)), color=MUTED, lw=0.9)
        row[0].set_ylabel(label)
        marks.log_axis(row[0].yaxis)
    return _legend(figure, record, "predicted")


def draw_saturated(record: Record) -> Figure:
    """Draw the share of saturated units by layer."""
    activations = labels.trained(record.config["activations"])
    figure, axes = _panels(record, 3.0, 1, [TITLES[a] for a in activations])
    layers = range(1, record.config["layers"] + 1)
    for ax, network, style in _lines(record, axes[0], activations):
        shares = [100 * float(fact) for fact in _by_layer(record, "saturated", network)]
        ax.plot(layers, shares, marker="o", ms=3, **style)
        ax.set(ylim=(-3, 103), xticks=layers)
    axes[0, 0].set_ylabel("Saturated (%)")
    return _legend(figure, record)


def draw_loss(record: Record) -> Figure:
    """Draw the loss on test images against the steps of the short trainings."""
    activations = labels.trained(record.config["activations"])
    figure, axes = _panels(record, 3.2, 1, [TITLES[a] for a in activations])
    curves = record.data["loss_curve"].rename(trained_activation="activation")
    for ax, network, style in _lines(record, axes[0], activations):
        facts = [mean(losses) for losses in curves.sel(network).values.T]
        low = [max(1e-3, float(f) if f.low is None else f.low) for f in facts]
        high = [float(f) if f.high is None else f.high for f in facts]
        marks.band(ax, curves.step, low, high, style["color"])
        ax.plot(curves.step, [float(f) for f in facts], **style)
        ax.set(xlabel="Steps", yscale="log", ylim=(0.25, 1.2 * LARGEST_LOSS))
    for ax in axes[0]:
        ax.axhline(labels.GUESSING, color=MUTED, lw=0.8, zorder=0)
    marks.ticks_at(axes[0, 0].yaxis, [0.3, 1, 3, 10, 30, 100])
    axes[0, 0].set_ylabel("Cross-entropy (nats)")
    return _legend(figure, record, "guessing")


def draw_ball(record: Record) -> Figure:
    """Draw Godoy's four panels for each pair of activation and initialization."""
    config, inits = record.config, labels.inits(record.config["sigmas"])
    pairs = labels.ball_inits(config["activations"], config["sigmas"])
    titles = [f"{TITLES[activation]}, {inits[init]}" for activation, init in pairs.items()]
    figure, axes = _panels(record, 6.4, len(BALL), titles, sharey=False)
    for column, activation in zip(axes.T, pairs, strict=True):
        for ax, (kind, (_, color)) in zip(column, BALL.items(), strict=True):
            network = record.data["ball_sample"].sel(ball_activation=activation, ball_kind=kind)
            _violins(ax, network, color, by_size=kind == "weight_gradient")
        marks.exponent_axis(column[-1].yaxis, SPAN)
    for ax, (name, _) in zip(axes[:, 0], BALL.values(), strict=True):
        ax.set_ylabel(name)
    return figure


def _violins(ax: Any, samples: Any, color: str, by_size: bool) -> None:
    values = samples.values.astype(float)
    marks.violins(ax, marks.log_sizes(values) if by_size else values, color)


def _violin_plot(name: str, kind: str, after: bool, what: str, note: str) -> Plot:
    """Return the figure of one kind of value, before or after training.

    Activations downwards; across the initializations with the smallest σ, the largest, Xavier, He.
    """
    signed, size, measure = AXES[kind]

    def shown(record: Record) -> tuple[list[str], dict[str, str]]:
        inits = labels.inits(labels.extremes(record.config["sigmas"]))
        return labels.trained(record.config["activations"]), inits

    def draw(record: Record) -> Figure:
        activations, inits = shown(record)
        rows, styles = len(activations), _styles(record)
        figure, axes = _panels(record, 0.5 + 1.75 * rows, rows, list(inits.values()))
        samples = record.data["before_sample"]
        if after:
            samples = record.data["after_sample"].rename(trained_activation="activation")
        for row, activation in zip(axes, activations, strict=True):
            by_size = kind != "activation" or activation == "relu"
            for ax, init in zip(row, inits, strict=True):
                network = samples.sel(kind=kind, activation=activation, init=init)
                _violins(ax, network, styles[init]["color"], by_size)
            if by_size:
                marks.exponent_axis(row[0].yaxis, SPAN)
            row[0].set_ylabel(f"{TITLES[activation]}\n{size if by_size else signed}")
        return figure

    def caption(record: Record) -> str:
        steps = text.counted(record.config["steps"], "step")
        networks = _sampled(record, "training_seeds" if after else "seeds")
        return (
            f"{text.sentence(what)} in each hidden layer, {f'after {steps}' if after else 'before training'}: "
            f"{labels.SAMPLE} random units and images of each of {networks} networks. "
            f"Bodies have equal widths; thin line: middle 90 %; bar: median. {note}"
        )

    def alt(record: Record) -> str:
        activations, inits = shown(record)
        panels = []
        for activation in activations:
            for init, title in inits.items():
                facts = _by_layer(record, measure, {"activation": activation, "init": init})
                first, last = (text.value(fact, "log") for fact in (facts[0], facts[-1]))
                panels.append(f"{TITLES[activation]} {title} {first} and {last}")
        return (
            f"Violins of {what} by layer, {'after' if after else 'before'} training. Standard deviation "
            f"before training in layers 1 and {record.config['layers']}: {', '.join(panels)}."
        )

    return Plot(name, draw, caption, alt, trains)


def _sampled(record: Record, count: str = "seeds") -> int:
    return min(labels.SAMPLED_SEEDS, int(record.config[count]))


def _ends(record: Record, measure: str, activations: Sequence[str], **where: str) -> str:
    """Return a fact of each network, for readers who cannot see the figure."""
    names = labels.inits(record.config["sigmas"])
    return ", ".join(
        f"{TITLES[network['activation']]} {names[network['init']]} "
        + text.value(record.facts.get(measure, **where, **network), "log")
        for network in labels.networks(activations, record.config["sigmas"])
    )


def _scales_alt(record: Record) -> str:
    last, activations = record.config["layers"], record.config["activations"]
    forward, back = (_ends(record, "ratio", activations, direction=d) for d in labels.DIRECTIONS)
    return (
        f"Scales by layer. Activations of layer {last} over layer 1: {forward}. Gradients of layer "
        f"1 over layer {last}: {back}."
    )


SIZE = (
    f"Sizes without their sign, on a logarithmic scale of at most {SPAN} powers of ten; zeros are "
    "left out. A dash: no finite value but zero."
)
RELU = "ReLU: without its zeros, on a logarithmic scale. A dash: no finite value above zero."
GRADIENTS = "gradients of an image's loss with respect to Z-values"

PLOTS = (
    Plot(
        "scales",
        draw_scales,
        lambda r: (
            f"Scale by layer before training. Dots: mean over {r.config['seeds']} networks, shaded with its 95 % "
            "interval, often narrower than the dot; lines: prediction. Gradients are predicted from "
            "the last layer's measured one."
        ),
        _scales_alt,
    ),
    _violin_plot("activations", "activation", False, "activations", RELU),
    _violin_plot("z_values", "z", False, "Z-values", SIZE),
    _violin_plot("gradients", "gradient", False, GRADIENTS, SIZE),
    _violin_plot("activations_after", "activation", True, "activations", RELU),
    _violin_plot("gradients_after", "gradient", True, GRADIENTS, SIZE),
    Plot(
        "ball",
        draw_ball,
        lambda r: (
            "The network of Godoy before training: Z-values, activations, weights and gradients of "
            f"the mean loss with respect to the weights, {labels.SAMPLE} values of each layer of each of "
            f"{_sampled(r)} networks. Gradients: their size, on a logarithmic scale, "
            "zeros left out; each panel has its own scale."
        ),
        "Violins of Z-values, activations, weights and gradients by layer for three networks.",
        trains,
    ),
    Plot(
        "saturated",
        draw_saturated,
        lambda r: (
            f"Share of units and images with a slope below {100 * labels.SATURATED:g} % of the activation's "
            f"largest one; for ReLU, of zeros. Mean over {r.config['seeds']} networks, before training."
        ),
        "Share of saturated units by layer, one panel an activation, one line an initialization.",
        trains,
    ),
    Plot(
        "deep",
        draw_deep,
        lambda r: (
            f"Networks of {r.config['depth']} hidden layers before training. Colored: root of the "
            f"mean over {r.config['seeds']} networks of the mean square; shaded: 90 % of the networks; thin gray: "
            "prediction. Gradients start as random numbers behind the last layer."
        ),
        "Scales by layer to the full depth; measured lines cover the predicted ones.",
    ),
    Plot(
        "loss",
        draw_loss,
        lambda r: (
            f"Loss on the test images in training: mean over {r.config['training_seeds']} networks with "
            f"its 95 % interval (shaded). Losses above {LARGEST_LOSS:g} are drawn as "
            f"{LARGEST_LOSS:g}."
        ),
        lambda r: (
            f"Loss curves; they end at: {_ends(r, 'loss_after', labels.trained(r.config['activations']))} nats."
        ),
        trains,
    ),
)
"""The figures of this study, in the order of its page."""
