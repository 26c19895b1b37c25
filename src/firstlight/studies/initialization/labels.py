"""What the figures of the initialization study share: names, colours, scales and violins."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from firstlight.plotting.style import COLOURS, INK
from firstlight.record import Record

ACTIVATIONS = {"linear": "Linear", "tanh": "tanh", "sigmoid": "Sigmoid", "relu": "ReLU"}
MEASURES = (
    "z_mean", "z_std", "activation_mean", "activation_std", "activation_square",
    "gradient_std", "gradient_square", "saturated",
)  # fmt: skip
"""The order of the axis ``measure`` in the record."""

SPAN = 16
"""Powers of ten that an axis of sizes spans at most."""


def inits(record: Record) -> list[str]:
    """Return the initializations in the order of the record's arrays."""
    return [*(f"normal_{sigma:g}" for sigma in record.config["sigmas"]), "xavier", "he"]


def label(init: str) -> str:
    """Return an initialization as the figures call it."""
    return {"xavier": "Xavier", "he": "He"}.get(init, init.replace("normal_", "σ = "))


def style(record: Record, init: str) -> dict[str, Any]:
    """Return colour and dashes: solid for Xavier and He, dashed and by order for each σ."""
    if init in ("xavier", "he"):
        return {"color": COLOURS[0 if init == "xavier" else 1], "ls": "-"}
    order = inits(record).index(init)
    shades = (COLOURS[5], COLOURS[4], COLOURS[2], COLOURS[3], INK)
    dashes: Sequence[Any] = (
        (0, (1.2, 1.2)),
        (0, (3, 1.2)),
        (0, (5, 1.5)),
        (0, (5, 1.2, 1.2, 1.2)),
        (0, (9, 2)),
    )
    return {"color": shades[order % 5], "ls": dashes[(order + order // 5) % 5]}


def trained(record: Record) -> list[str]:
    """Return the activations that were trained."""
    return [str(a) for a in record.config["activations"] if a != "linear"]


def shown(record: Record) -> list[str]:
    """Return the initializations that have violins: the smallest σ, the largest, Xavier, He."""
    sigmas = record.config["sigmas"]
    ends = dict.fromkeys((f"normal_{min(sigmas):g}", f"normal_{max(sigmas):g}"))
    return [*ends, "xavier", "he"]


def power(exponent: float) -> str:
    """Return a power of ten as text: ``0.01``, ``1``, ``10⁻⁷``."""
    whole = round(exponent)
    if -2 <= whole <= 2:
        return f"{10.0**whole:g}"
    raised = str(whole).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}"


def powers(low: float, high: float) -> list[int]:
    """Return a few whole exponents between two; the steps are 1, 2, 3, …, or whole tens."""
    step = max(1, math.ceil((high - low) / 6))
    if step > 5:
        step = 10 * math.ceil(step / 10)
    first = math.ceil(low / step) * step
    return list(range(first, math.floor(high) + 1, step))


def sizes(values: np.ndarray) -> np.ndarray:
    """Return log₁₀ of the size of each value; NaN where it is zero or not finite."""
    size = np.abs(values)
    usable = np.isfinite(size) & (size > 0)
    return np.asarray(np.where(usable, np.log10(np.where(usable, size, 1.0)), np.nan))


def exponent_axis(ax: Any) -> None:
    """Label a y axis of exponents with the powers of ten; it spans at most ``SPAN`` of them."""
    low, high = ax.get_ylim()
    low = max(low, high - SPAN)
    ax.set_ylim(low, high)
    marks = powers(low, high)
    ax.yaxis.set_major_locator(FixedLocator(marks))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: power(v)))


def violins(ax: Any, layers: np.ndarray, colour: str) -> None:
    """Draw one violin a layer; widths are equal, a bar marks the median, lines the middle 90 %.

    Args:
        ax: the panel.
        layers: shape (layers, values); what is not finite is left out, a dash stands for no value.
        colour: of the bodies.
    """
    for place, row in enumerate(layers, 1):
        values = row[np.isfinite(row)]
        if values.size < 2:
            ax.text(place, 0.5, "–", transform=ax.get_xaxis_transform(), ha="center")
            continue
        if np.ptp(values) > 0:
            parts = ax.violinplot([values], [place], widths=0.85, showextrema=False, points=80)
            for body in parts["bodies"]:
                body.set(facecolor=colour, edgecolor=colour, alpha=0.4, linewidth=0.6)
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        ax.plot([place, place], [low, high], color=colour, lw=1.1, solid_capstyle="butt")
        ax.plot([place - 0.16, place + 0.16], [middle, middle], color=INK, lw=1.2)
    ax.set_xticks(range(1, len(layers) + 1))
    ax.grid(axis="x", visible=False)


def log_axis(ax: Any) -> None:
    """Make the y axis logarithmic with at most about six marks, all powers of ten."""
    ax.set_yscale("log")
    marks = powers(*(math.log10(v) for v in ax.get_ylim()))
    ax.yaxis.set_major_locator(FixedLocator([10.0**p for p in marks]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: power(math.log10(v))))
