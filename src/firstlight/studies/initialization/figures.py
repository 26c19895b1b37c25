"""Figures of problem 2.1: scales by layer against theory, violins, depth, and loss curves."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight import text
from firstlight.plotting import marks
from firstlight.plotting.style import COLOURS, INK, MUTED, Plot, new_figure
from firstlight.record import Record
from firstlight.stats import mean
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.labels import LARGEST_LOSS

SPAN = 16
"""Powers of ten that an axis of sizes spans at most."""
SHADES = (COLOURS[5], COLOURS[4], COLOURS[2], COLOURS[3], INK)
DASHES = ((1.2, 1.2), (3, 1.2), (5, 1.5), (5, 1.2, 1.2, 1.2), (9, 2))
TITLES = {activation: text.sentence(name) for activation, name in labels.ACTIVATIONS.items()}
AXES = {
    "z": ("Z", "|Z|", "z_std"),
    "activation": ("activation", "activation > 0", "activation_std"),
    "gradient": ("∂loss/∂Z", "|∂loss/∂Z|", "gradient_std"),
}
"""Kind of value → what the axis is called, also where it holds exponents, and the fact."""
BALL = {
    "z": ("Z", COLOURS[0]),
    "activation": ("activation", COLOURS[2]),
    "weight": ("weight w", COLOURS[5]),
    "weight_gradient": ("|∂loss/∂w|", COLOURS[1]),
}


def _called(record: Record) -> dict[str, str]:
    return labels.inits(record.config["sigmas"])


def _trained(record: Record) -> list[str]:
    return labels.trained(record.config["activations"])


def _shown(record: Record) -> list[str]:
    """Return the initializations that have violins: the smallest σ, the largest, Xavier, He."""
    return [*labels.extremes(record.config["sigmas"]), "xavier", "he"]


def _styles(record: Record) -> dict[str, dict[str, Any]]:
    """Return colors and dashes: solid for Xavier and He, dashed and by order for each σ."""
    styles: dict[str, dict[str, Any]] = {
        init: {"color": SHADES[order % 5], "ls": (0, DASHES[(order + order // 5) % 5])}
        for order, init in enumerate(_called(record))
    }
    solid = {"xavier": {"color": COLOURS[0], "ls": "-"}, "he": {"color": COLOURS[1], "ls": "-"}}
    return styles | solid


def _panels(record: Record, height: float, rows: int, activations: Sequence[str]) -> Any:
    """Return a figure and its panels, a column for each activation, with shared axes."""
    figure, axes = new_figure(
        "full", height, rows, len(activations),
        record=record, sharex=True, sharey="row", squeeze=False,
    )  # fmt: skip
    for ax, activation in zip(axes[0], activations, strict=True):
        ax.set_title(TITLES[activation])
    for ax in axes[-1]:
        ax.set_xlabel("Layer")
    return figure, axes


def _each(
    record: Record, row: Any, activations: Sequence[str]
) -> Iterator[tuple[Any, dict[str, str], dict[str, Any]]]:
    """Yield the panel, the coordinates and the style of every network of a row of panels."""
    for ax, activation in zip(row, activations, strict=True):
        for init, style in _styles(record).items():
            yield ax, {"activation": activation, "init": init}, style


def _legend(figure: Figure, record: Record, ax: Any, thin: str = "", **look: Any) -> Figure:
    """Name each initialization above the panels and, where there is one, the thin line."""
    handles = [ax.plot([], [], **look, **style)[0] for style in _styles(record).values()]
    words = list(_called(record).values())
    if thin:
        handles.append(ax.plot([], [], color=MUTED, lw=0.9)[0])
        words.append(thin)
    marks.legend_above(figure, handles, words, min(8, len(words)))
    return figure


def draw_scales(record: Record) -> Figure:
    """Draw the scale of activations and of gradients by layer, with the predictions."""
    activations = list(record.config["activations"])
    figure, axes = _panels(record, 5.2, 2, activations)
    layers = np.arange(1, record.config["layers"] + 1)
    quantities = (
        ("activation_std", "prediction", "Standard deviation of activations"),
        ("gradient_std", "prediction_gradient", "Standard deviation of ∂loss/∂Z"),
    )
    for row, (measure, prediction, words) in zip(axes, quantities, strict=True):
        for ax, network, style in _each(record, row, activations):
            facts = [record.facts.get(measure, **network, layer=int(n)) for n in layers]
            theory = [record.facts.value(prediction, **network, layer=int(n)) for n in layers]
            low, high = [f.low for f in facts], [f.high for f in facts]
            marks.band(ax, layers, low, high, style["color"], alpha=0.3)
            dots = {"marker": "o", "ms": 3, **style, "ls": "none"}
            ax.plot(layers, [float(f) for f in facts], **dots)
            ax.plot(layers, theory, lw=1.2, **style)
            ax.set_xticks(layers)
        row[0].set_ylabel(words)
        marks.log_axis(row[0].yaxis)
    return _legend(figure, record, axes[0, 0], marker="o", ms=3)


def draw_deep(record: Record) -> Figure:
    """Draw root mean squares in the deep networks against the predictions."""
    activations = list(record.config["activations"])
    figure, axes = _panels(record, 5.2, 2, activations)
    measured, expected = record.data["deep_measured"], record.data["deep_predicted"]
    words = ("Root mean square of activations", "Gradient over that of last layer")
    for row, direction, label in zip(axes, labels.DIRECTIONS, words, strict=True):
        for ax, network, style in _each(record, row, activations):
            values = measured.sel(network).sel(direction=direction).values
            theory = expected.sel(network).sel(direction=direction).values
            low, high = np.quantile(np.sqrt(values), [0.05, 0.95], axis=0)
            marks.band(ax, measured.deep_layer, low, high, style["color"], alpha=0.22)
            ax.plot(measured.deep_layer, np.sqrt(values.mean(axis=0)), **style)
            ax.plot(measured.deep_layer, np.sqrt(theory), color=MUTED, lw=0.9)
        row[0].set_ylabel(label)
        marks.log_axis(row[0].yaxis)
    return _legend(figure, record, axes[0, 0], "predicted")


def draw_saturated(record: Record) -> Figure:
    """Draw the share of saturated units by layer."""
    figure, axes = _panels(record, 3.0, 1, _trained(record))
    layers = range(1, record.config["layers"] + 1)
    for ax, network, style in _each(record, axes[0], _trained(record)):
        shares = [100 * record.facts.value("saturated", **network, layer=n) for n in layers]
        ax.plot(layers, shares, marker="o", ms=3, **style)
        ax.set(ylim=(-3, 103), xticks=layers)
    axes[0, 0].set_ylabel("Saturated (%)")
    return _legend(figure, record, axes[0, 0])


def draw_loss(record: Record) -> Figure:
    """Draw the loss on test images against the steps of the short trainings."""
    figure, axes = _panels(record, 3.2, 1, _trained(record))
    curves = record.data["loss_curve"].rename(trained_activation="activation")
    for ax, network, style in _each(record, axes[0], _trained(record)):
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
    return _legend(figure, record, axes[0, 0], "guessing")


def _violins(ax: Any, samples: Any, color: str, by_size: bool) -> None:
    values = samples.values.astype(float)
    marks.violins(ax, marks.log_sizes(values) if by_size else values, color)


def draw_violins(record: Record, kind: str, after: bool) -> Figure:
    """Draw violins of one kind of value: activations downwards, initializations across."""
    rows, columns = _trained(record), _shown(record)
    figure, axes = new_figure(
        "full", 0.5 + 1.75 * len(rows), len(rows), len(columns),
        record=record, sharex=True, sharey="row", squeeze=False,
    )  # fmt: skip
    samples = record.data["before_sample"]
    if after:
        samples = record.data["after_sample"].rename(trained_activation="activation")
    for row, activation in zip(axes, rows, strict=True):
        by_size = kind != "activation" or activation == "relu"
        for ax, init in zip(row, columns, strict=True):
            network = samples.sel(kind=kind, activation=activation, init=init)
            _violins(ax, network, _styles(record)[init]["color"], by_size)
        if by_size:
            marks.exponent_axis(row[0].yaxis, SPAN)
        row[0].set_ylabel(f"{TITLES[activation]}\n{AXES[kind][by_size]}")
    for top, bottom, init in zip(axes[0], axes[-1], columns, strict=True):
        top.set_title(_called(record)[init])
        bottom.set_xlabel("Layer")
    return figure


def draw_ball(record: Record) -> Figure:
    """Draw Godoy's four panels for each pair of activation and initialization."""
    samples = record.data["ball_sample"]
    pairs = labels.ball_inits(record.config["activations"], record.config["sigmas"])
    figure, axes = new_figure(
        "full", 6.4, len(BALL), len(pairs), record=record, sharex=True, squeeze=False
    )
    for column, (activation, init) in zip(axes.T, pairs.items(), strict=True):
        column[0].set_title(f"{TITLES[activation]}, {_called(record)[init]}")
        for ax, (kind, (_, color)) in zip(column, BALL.items(), strict=True):
            network = samples.sel(ball_activation=activation, ball_kind=kind)
            _violins(ax, network, color, by_size=kind == "weight_gradient")
        marks.exponent_axis(column[-1].yaxis, SPAN)
        column[-1].set_xlabel("Layer")
    for ax, (name, _) in zip(axes[:, 0], BALL.values(), strict=True):
        ax.set_ylabel(name)
    return figure


def _ends(record: Record, measure: str, activations: Sequence[str], **where: str) -> str:
    """Return a fact of each network, for readers who cannot see the figure."""
    return ", ".join(
        f"{TITLES[a]} {name} "
        + text.value(record.facts.get(measure, activation=a, init=init, **where), "log")
        for a in activations
        for init, name in _called(record).items()
    )


def _scales_alt(record: Record) -> str:
    last, activations = record.config["layers"], record.config["activations"]
    forward, back = (
        _ends(record, "ratio", activations, direction=way) for way in labels.DIRECTIONS
    )
    return (
        f"Scales by layer. Activations of layer {last} over layer 1: {forward}. Gradients of layer "
        f"1 over layer {last}: {back}."
    )


def _violins_alt(record: Record, kind: str, after: bool, what: str) -> str:
    """Say how the standard deviation changes from the first layer to the last."""
    last, panels = record.config["layers"], []
    for activation in _trained(record):
        for init in _shown(record):
            first, end = (
                record.facts.get(AXES[kind][2], activation=activation, init=init, layer=layer)
                for layer in (1, last)
            )
            name = f"{TITLES[activation]} {_called(record)[init]}"
            panels.append(f"{name} {text.value(first, 'log')} and {text.value(end, 'log')}")
    return (
        f"Violins of {what} by layer, {'after' if after else 'before'} training. Standard deviation "
        f"before training in layers 1 and {last}: {', '.join(panels)}."
    )


def _violins_caption(record: Record, after: bool, what: str, note: str) -> str:
    steps, count = (
        text.counted(record.config["steps"], "step"),
        "training_seeds" if after else "seeds",
    )
    return (
        f"{text.sentence(what)} in each hidden layer, {f'after {steps}' if after else 'before training'}: "
        f"{labels.SAMPLE} random units and images of each of {_sampled(record, count)} networks. "
        f"Bodies have equal widths; thin line: middle 90 %; bar: median. {note}"
    )


def _sampled(record: Record, count: str = "seeds") -> int:
    networks: int = record.config[count]
    return min(labels.SAMPLED_SEEDS, networks)


def _trains(record: Record) -> bool:
    return bool(_trained(record))


SIZE = (
    f"Sizes without their sign, on a logarithmic scale of at most {SPAN} powers of ten; zeros are "
    "left out. A dash: no finite value but zero."
)
RELU = "ReLU: without its zeros, on a logarithmic scale. A dash: no finite value above zero."
GRADIENTS = "gradients of an image's loss with respect to Z-values"
VIOLINS = (
    ("activations", "activation", False, "activations", RELU),
    ("z_values", "z", False, "Z-values", SIZE),
    ("gradients", "gradient", False, GRADIENTS, SIZE),
    ("activations_after", "activation", True, "activations", RELU),
    ("gradients_after", "gradient", True, GRADIENTS, SIZE),
)

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
    *(
        Plot(
            name,
            partial(draw_violins, kind=kind, after=after),
            partial(_violins_caption, after=after, what=what, note=note),
            partial(_violins_alt, kind=kind, after=after, what=what),
            _trains,
        )
        for name, kind, after, what, note in VIOLINS
    ),
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
        _trains,
    ),
    Plot(
        "saturated",
        draw_saturated,
        lambda r: (
            f"Share of units and images with a slope below {100 * labels.SATURATED:g} % of the activation's "
            f"largest one; for ReLU, of zeros. Mean over {r.config['seeds']} networks, before training."
        ),
        "Share of saturated units by layer, one panel an activation, one line an initialization.",
        _trains,
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
        lambda r: f"Loss curves; they end at: {_ends(r, 'loss_after', _trained(r))} nats.",
        _trains,
    ),
)
"""The figures of this study, in the order of its page."""
