"""Violins of problem 2.1: single values by layer, before and after training, and Godoy's panels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting import marks
from firstlight.plotting.style import COLORS, MUTED, Plot
from firstlight.record import Fact, Record
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.answers import trains
from firstlight.studies.initialization.panels import TITLES, by_layer, distinct, panels, styles

SPAN = 18
"""Powers of ten that an axis of sizes spans at most."""
AXES = {
    "z": ("Z", "|Z|", "z_std"),
    "activation": ("activation", "activation > 0", "activation_std"),
    "gradient": ("∂loss/∂Z", "|∂loss/∂Z|", "gradient_std"),
}
"""Kind of value → what the axis is called, also where it holds exponents, and the fact."""
RANGES = {"tanh": (-1.08, 1.08), "sigmoid": (-0.04, 1.04)}
"""Activation → the range of its values, with a margin."""
BALL = {
    "z": ("Z", COLORS[0]),
    "activation": ("activation", COLORS[2]),
    "weight": ("weight w", COLORS[5]),
    "weight_gradient": ("|∂loss/∂w|", COLORS[1]),
}


def _violins(ax: Any, samples: Any, color: str, by_size: bool) -> None:
    values = samples.values.astype(float)
    marks.violins(ax, marks.log_sizes(values) if by_size else values, color, points=32)


def _share_scale(axes: Sequence[Any], powers: bool) -> None:
    """Give panels one scale, labeled at the first of them; exponents only where it spans not too many."""
    ends = np.array([ax.get_ylim() for ax in axes])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    shared = not powers or high - low <= SPAN
    for ax in axes:
        if shared:
            ax.set_ylim(low, high)
        if powers:
            marks.exponent_axis(ax.yaxis, SPAN)
        ax.tick_params(labelleft=ax is axes[0] or not shared)


def _zeros(ax: Any, samples: Any) -> None:
    """Write the share of zeros among finite values, which a violin leaves out."""
    values = samples.values[np.isfinite(samples.values)]
    share = text.value(Fact(float((values == 0).mean())), "{:.0%}") if values.size else text.NONE
    ax.set_title(f"{share} zeros", size=8, loc="right", weight="normal", color=MUTED, pad=3)


def draw_ball(record: Record) -> Figure:
    """Draw Godoy's four panels for each pair of activation and initialization."""
    config, inits = record.config, labels.inits(record.config["sigmas"])
    pairs = labels.ball_inits(config["activations"], config["sigmas"])
    titles = [f"{TITLES[activation]}, {inits[init]}" for activation, init in pairs.items()]
    figure, axes = panels(record, 6.0, len(BALL), titles)
    for column, activation in zip(axes.T, pairs, strict=True):
        for ax, (kind, (_, color)) in zip(column, BALL.items(), strict=True):
            network = record.data["ball_sample"].sel(ball_activation=activation, ball_kind=kind)
            _violins(ax, network, color, by_size=kind == "weight_gradient")
        marks.exponent_axis(column[-1].yaxis, SPAN)
    for ax, (name, _) in zip(axes[:, 0], BALL.values(), strict=True):
        ax.set_ylabel(name)
    return figure


def _row(record: Record, row: Any, kind: str, activation: str, samples: Any) -> None:
    """Draw one activation's values: each σ on one scale, Xavier and He on another."""
    split = len(row) - len(labels.SCHEMES)
    bounded = RANGES.get(activation) if kind == "activation" else None
    for at, (ax, init) in enumerate(zip(row, distinct(record), strict=True)):
        network = samples.sel(kind=kind, activation=activation, init=init)
        linear = kind == "activation" and (bounded is not None or at >= split)
        if kind == "activation" and bounded is None:
            _zeros(ax, network)
            network = network.where(network > 0)
        _violins(ax, network, styles(record)[init]["color"], by_size=not linear)
        if bounded is not None:
            ax.set_ylim(bounded)
    _share_scale(row[:split], powers=bounded is None)
    _share_scale(row[split:], powers=kind != "activation")
    signed, size, _ = AXES[kind]
    row[0].set_ylabel(f"{TITLES[activation]}\n{size if bounded is None else signed}")


def _violin_plot(name: str, kind: str, after: bool, what: str, note: str) -> Plot:
    """Return the figure of one kind of value, before or after training; activations downwards."""
    measure = AXES[kind][2]

    def draw(record: Record) -> Figure:
        activations = labels.trained(record.config["activations"])
        height = 0.5 + 1.25 * len(activations)
        figure, axes = panels(record, height, len(activations), list(distinct(record).values()))
        samples = record.data["before_sample"]
        if after:
            samples = record.data["after_sample"].rename(trained_activation="activation")
        for row, activation in zip(axes, activations, strict=True):
            _row(record, row, kind, activation, samples)
        return figure

    def caption(record: Record) -> str:
        steps = text.counted(record.config["steps"], "step")
        networks = min(labels.SAMPLED_SEEDS, record.config["training_seeds" if after else "seeds"])
        return (
            f"{text.sentence(what)} in each hidden layer {f'after {steps}' if after else 'before training'}: "
            f"{labels.SAMPLE} values of each of {networks} networks. Bar: median; thin line: middle "
            f"90 %. {note}"
        )

    def alt(record: Record) -> str:
        described = []
        for activation in labels.trained(record.config["activations"]):
            for init, title in distinct(record).items():
                facts = by_layer(record, measure, {"activation": activation, "init": init})
                first, last = (text.value(fact, "log") for fact in (facts[0], facts[-1]))
                described.append(f"{TITLES[activation]} {title} {first} and {last}")
        return (
            f"Violins of {what} by layer, {'after' if after else 'before'} training. Standard deviation "
            f"before training in layers 1 and {record.config['layers']}: {', '.join(described)}."
        )

    return Plot(name, draw, caption, alt, trains)


def _ball_caption(record: Record) -> str:
    networks = min(labels.SAMPLED_SEEDS, record.config["seeds"])
    return (
        "The network of Godoy before training: Z-values, activations, weights and gradients of the mean "
        f"loss with respect to the weights, {labels.SAMPLE} values of each layer of each of {networks} "
        "networks. Gradients: their absolute values, on a logarithmic scale, without zeros; each panel "
        "has its own scale."
    )


SIZE = (
    f"Absolute values on a logarithmic scale of at most {SPAN} powers of ten, without zeros; Xavier and "
    "He have one of their own, and so has each σ where all together span more. A dash: no "
    "finite value but zero."
)
RELU = "ReLU without zeros, whose share is given: logarithmic for each σ, linear for Xavier and He."
GRADIENTS = "gradients of an image's loss with respect to Z-values"

ACTIVATIONS = _violin_plot("activations", "activation", False, "activations", RELU)
OTHERS = (
    _violin_plot("z_values", "z", False, "Z-values", SIZE),
    _violin_plot("gradients", "gradient", False, GRADIENTS, SIZE),
    _violin_plot("activations_after", "activation", True, "activations", RELU),
    _violin_plot("gradients_after", "gradient", True, GRADIENTS, SIZE),
    Plot(
        "ball",
        draw_ball,
        _ball_caption,
        "Violins of Z-values, activations, weights and gradients by layer for three networks.",
        trains,
    ),
)
