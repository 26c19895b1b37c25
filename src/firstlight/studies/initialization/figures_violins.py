"""Violins of the initialization study: activations, Z-values and gradients of each layer."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight.studies.initialization.labels import (
    ACTIVATIONS,
    SPAN,
    exponent_axis,
    inits,
    label,
    shown,
    sizes,
    style,
    trained,
    violins,
)
from firstlight.plotting.style import COLOURS, Plot, new_figure
from firstlight.record import Record

KINDS = {"z": 0, "activation": 1, "gradient": 2}
WORDS = {"z": "Z", "activation": "activation", "gradient": "∂loss/∂Z"}
SIZES = {"z": "|Z|", "activation": "activation > 0", "gradient": "|∂loss/∂Z|"}
BALL = ("Z", "activation", "weight w", "|∂loss/∂w|")


def _values(record: Record, when: str, activation: str, init: str, kind: str) -> np.ndarray:
    names = [str(a) for a in record.config["activations"]]
    order = (names if when == "before" else trained(record)).index(activation)
    array = record.arrays[f"{when}.sample"].values
    return np.asarray(array[order, inits(record).index(init), :, KINDS[kind]], dtype=float)


def draw(record: Record, kind: str, when: str = "before") -> Figure:
    """Draw violins of one kind of value: activations downwards, initializations across."""
    rows, columns = trained(record), shown(record)
    figure, axes = new_figure(
        "full", 0.5 + 1.75 * len(rows), len(rows), len(columns),
        record=record, sharex=True, sharey="row", squeeze=False,
    )  # fmt: skip
    for i, activation in enumerate(rows):
        by_size = kind != "activation" or activation == "relu"
        for j, init in enumerate(columns):
            values = _values(record, when, activation, init, kind)
            violins(axes[i, j], sizes(values) if by_size else values, style(record, init)["color"])
            if i == 0:
                axes[i, j].set_title(label(init))
        if by_size:
            exponent_axis(axes[i, 0])
        words = SIZES[kind] if by_size else WORDS[kind]
        axes[i, 0].set_ylabel(f"{ACTIVATIONS[activation]}\n{words}")
    for ax in axes[-1]:
        ax.set_xlabel("Layer")
    return figure


def draw_ball(record: Record) -> Figure:
    """Draw Godoy's four panels for each pair of activation and initialization."""
    found = np.asarray(record.arrays["ball.sample"].values, dtype=float)
    pairs = _ball_pairs(record)
    figure, axes = new_figure(
        "full", 6.4, 4, len(pairs), record=record, sharex=True, squeeze=False
    )  # fmt: skip
    for j, (activation, init) in enumerate(pairs):
        axes[0, j].set_title(f"{ACTIVATIONS[activation]}, {label(init)}")
        for i, name in enumerate(BALL):
            by_size = name.startswith("|")
            values = sizes(found[j, :, i]) if by_size else found[j, :, i]
            violins(axes[i, j], values, COLOURS[(0, 2, 5, 1)[i]])
            if by_size:
                exponent_axis(axes[i, j])
            if j == 0:
                axes[i, j].set_ylabel(name)
        axes[-1, j].set_xlabel("Layer")
    return figure


def _ball_pairs(record: Record) -> list[tuple[str, str]]:
    small = f"normal_{min(record.config['sigmas']):g}"
    pairs = [("sigmoid", small), ("tanh", "xavier"), ("relu", "he")]
    return [pair for pair in pairs if pair[0] in record.config["activations"]]


def _has(name: str, record: Record) -> bool:
    return name in record.arrays and bool(trained(record))


def _caption(record: Record, what: str, when: str) -> str:
    first = "before training" if when == "before" else f"after {record.config['steps']:,} steps"
    limited = "training_seeds" if when == "after" else "seeds"
    networks = min(10, record.config[limited])
    return (
        f"{what} in each hidden layer, {first}: 200 random units and images of each of {networks} "
        "networks. Bodies have equal widths; thin line: middle 90 %; bar: median."
    )


def _plot(name: str, kind: str, when: str, what: str, note: str) -> Plot:
    def caption(record: Record) -> str:
        return f"{_caption(record, what, when)}{note}"

    def alt(record: Record) -> str:
        panels: Any = [f"{ACTIVATIONS[a]}: {_told(record, a, kind)}" for a in trained(record)]
        first = "before" if when == "before" else "after"
        return (
            f"Violins of {what.lower()} by layer, {first} training. Before it, {'; '.join(panels)}."
        )

    return Plot(
        name, partial(draw, kind=kind, when=when), caption, alt, partial(_has, f"{when}.sample")
    )


def _told(record: Record, activation: str, kind: str) -> str:
    """Return how the standard deviation goes from the first layer to the last."""
    last, name = record.config["layers"], {"z": "z_std"}.get(kind, f"{kind}_std")
    parts = [
        f"{label(i)} {record.value(f'{name}.{activation}.{i}.1'):.2g} in layer 1 and "
        f"{record.value(f'{name}.{activation}.{i}.{last}'):.2g} in layer {last}"
        for i in shown(record)
    ]
    return "standard deviation " + ", ".join(parts)


SIZE = (
    f" Sizes without their sign, on a logarithmic scale of at most {SPAN} powers of ten; zeros are "
    "left out. A dash: no finite value but zero."
)
RELU = " ReLU: without its zeros, on a logarithmic scale. A dash: no finite value above zero."

VIOLINS: tuple[Plot, ...] = (
    _plot("activations", "activation", "before", "Activations", RELU),
    _plot("z_values", "z", "before", "Z-values", SIZE),
    _plot("gradients", "gradient", "before", "Gradients of an image's loss with respect to Z-values",
          SIZE),
    _plot("activations_after", "activation", "after", "Activations", RELU),
    _plot("gradients_after", "gradient", "after",
          "Gradients of an image's loss with respect to Z-values", SIZE),
    Plot(
        "ball",
        draw_ball,
        lambda r: (
            "The network of Godoy before training: Z-values, activations, weights and gradients of "
            "the mean loss with respect to the weights, 200 values of each layer of each of "
            f"{min(10, r.config['seeds'])} networks. Gradients: their size, on a logarithmic scale, "
            "zeros left out; each panel has its own scale."
        ),
        "Violins of Z-values, activations, weights and gradients by layer for three networks.",
        partial(_has, "ball.sample"),
    ),
)  # fmt: skip
"""The violins, in the order of the page."""
