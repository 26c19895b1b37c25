"""What the figures of problem 2.1 share: panels over the layers, one look for each initialization."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from firstlight import text
from firstlight.plotting import marks
from firstlight.plotting.style import COLORS, INK, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.initialization import labels

SHADES = (COLORS[5], COLORS[4], COLORS[2], COLORS[3], INK)
DASHES = ((1.2, 1.2), (3, 1.2), (5, 1.5), (5, 1.2, 1.2, 1.2), (9, 2))
SOLID = {
    "xavier": {"color": COLORS[0], "ls": "-", "marker": "s"},
    "he": {"color": COLORS[1], "ls": "-", "marker": "D"},
}
TITLES = {activation: text.sentence(name) for activation, name in labels.ACTIVATIONS.items()}


def distinct(record: Record) -> dict[str, str]:
    """Return the initializations that differ in the hidden layers, with names for readers."""
    return labels.distinct(record.config["sigmas"], record.config["width"])


def styles(record: Record) -> dict[str, dict[str, Any]]:
    """Return colors, dashes and marks: solid for Xavier and He, dashed and by order for each σ."""
    looks: dict[str, dict[str, Any]] = {
        init: {"color": SHADES[order % 5], "ls": (0, DASHES[order % 5]), "marker": "o"}
        for order, init in enumerate(labels.inits(record.config["sigmas"]))
    }
    return {init: (looks | SOLID)[init] for init in distinct(record)}


def panels(
    record: Record, height: float, rows: int, titles: Sequence[str], sharey: str | bool = False
) -> tuple[Figure, Any]:
    """Return a figure and its panels, a column for each title, all over the layers."""
    figure, axes = new_figure(
        "full", height, rows, len(titles), record=record, sharex=True, sharey=sharey, squeeze=False
    )
    for top, bottom, title in zip(axes[0], axes[-1], titles, strict=True):
        top.set_title(title, size=10 if len(titles) < 5 else 8.5)
        bottom.set_xlabel("Layer")
    return figure, axes


def lines(
    record: Record, row: Any, activations: Sequence[str]
) -> Iterator[tuple[Any, dict[str, str], dict[str, Any]]]:
    """Yield the panel, the coordinates and the style of every network of a row of panels."""
    for ax, activation in zip(row, activations, strict=True):
        for init, style in styles(record).items():
            yield ax, {"activation": activation, "init": init}, style


def by_layer(record: Record, measure: str, network: dict[str, str]) -> list[Fact]:
    """Return one measure of a network in every layer."""
    layers = range(1, record.config["layers"] + 1)
    return [record.facts.get(measure, **network, layer=layer) for layer in layers]


def scaled(ax: Any, facts: Sequence[Fact], theory: Sequence[Fact], by: float, **look: Any) -> None:
    """Draw a measure by layer over a reference: marks, shaded intervals, and lines for theory."""
    layers = range(1, len(facts) + 1)
    low, high = ([_end(f, end) / by for f in facts] for end in ("low", "high"))
    marks.band(ax, layers, low, high, look["color"], alpha=0.3)
    ax.plot(layers, [float(f) / by for f in facts], **{"ms": 4, **look, "ls": "none"})
    ax.plot(layers, [float(f) / by for f in theory], lw=1.2, **{**look, "marker": ""})
    ax.set_xticks(layers)


def _end(fact: Fact, end: str) -> float:
    value = getattr(fact, end)
    return float(fact) if value is None else float(value)


def legend(
    figure: Figure, record: Record, other: str = "", mark: bool = True, **look: Any
) -> Figure:
    """Name each initialization above the panels and, where there is one, another line."""
    names = [*distinct(record).values(), *filter(None, [other])]
    looks = [style if mark else {**style, "marker": ""} for style in styles(record).values()]
    handles = [Line2D([], [], ms=4, **style) for style in looks]
    handles.append(Line2D([], [], **look))
    marks.legend_above(figure, handles[: len(names)], names, min(8, len(names)))
    return figure
