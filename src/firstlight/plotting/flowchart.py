"""The block diagram of the batch-size search, drawn from its description as data."""

import json
import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Polygon
from matplotlib.path import Path

from firstlight.plotting.style import COLORS, INK, MUTED, look

WIDTH, HEIGHT = 7.5, 8.2
"""Size of the diagram, in inches; its letters have their size in points."""

_LEFT, _MIDDLE, _RIGHT = (1.06, 2.04), (3.75, 2.5), (6.44, 2.04)  # columns: center, width in inches
_PLACES = {  # block → column, center's height above the bottom, own height, letters in a line
    "set_aside": (_MIDDLE, 7.86, 0.5, 42),
    "noise_at_start": (_MIDDLE, 7.09, 0.35, 42),
    "train": (_MIDDLE, 6.33, 0.5, 42),
    "double": (_RIGHT, 6.33, 0.35, 33),
    "clearly_worse": (_MIDDLE, 5.21, 1.1, 23),
    "larger_allowed": (_RIGHT, 5.21, 1.1, 18),
    "read": (_MIDDLE, 4.09, 0.5, 42),
    "train_smaller": (_LEFT, 4.09, 0.35, 33),
    "low_end_told": (_MIDDLE, 3.05, 0.9, 20),
    "smaller_allowed": (_LEFT, 3.05, 1.0, 18),
    "recommend": (_MIDDLE, 2.01, 0.5, 42),
    "noise_after_training": (_MIDDLE, 1.17, 0.5, 42),
    "put_back": (_MIDDLE, 0.33, 0.5, 42),
}
_FILLS = {"start": "#dbe6f4", "end": "#dbe6f4", "step": "#ffffff", "decision": "#faf0d4"}
_EDGES = {"start": COLORS[0], "end": COLORS[0], "step": MUTED, "decision": COLORS[4]}


@dataclass(frozen=True)
class Box:
    """A block's center and size in inches from the lower left corner, its kind and its text."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    text: str


@dataclass(frozen=True)
class Arrow:
    """An arrow along ``points`` from one block to another, with "yes", "no" or no label."""

    source: str
    target: str
    points: tuple[tuple[float, float], ...]
    label: str


def layout(blocks: str) -> tuple[dict[str, Box], list[Arrow]]:
    """Return where the boxes, by name, and the arrows go.

    Args:
        blocks: the description as JSON text, as it stands in a record's fact ``algorithm``.

    Raises:
        ValueError: it has other blocks than the batch-size search.
    """
    parsed = json.loads(blocks)
    names = [block["name"] for block in parsed]
    if sorted(names) != sorted(_PLACES):
        raise ValueError(f"blocks: expected {', '.join(_PLACES)}, got {', '.join(names)}")
    boxes, arrows = {}, []
    for block in parsed:
        (x, width), y, height, letters = _PLACES[block["name"]]
        text = textwrap.fill(block["text"], letters)
        boxes[block["name"]] = Box(x, y, width, height, block["kind"], text)
    for block in parsed:
        name, yes = block["name"], "yes" if block["kind"] == "decision" else ""
        for target, label in ((block["next"], yes), (block["otherwise"], "no")):
            if target is not None:
                arrows.append(Arrow(name, target, _route(boxes[name], boxes[target]), label))
    return boxes, arrows


def _route(a: Box, b: Box) -> tuple[tuple[float, float], ...]:
    """Return the corners of an arrow: straight, or vertical and then into the target's side."""
    up, right = (1 if b.y > a.y else -1), (1 if b.x > a.x else -1)
    begin, side = (a.x, a.y + up * a.height / 2), (b.x - right * b.width / 2, b.y)
    if a.x == b.x:
        return begin, (b.x, b.y - up * b.height / 2)
    if a.y == b.y:
        return (a.x + right * a.width / 2, a.y), side
    return begin, (a.x, b.y), side


def diagram(blocks: str) -> Figure:
    """Return the block diagram as a figure of its own; see ``draw``.

    Example:
        >>> from firstlight.ranges import algorithm
        >>> diagram(algorithm.to_json()).get_size_inches().tolist()
        [7.5, 8.2]
    """
    with look():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        draw(figure.add_axes((0, 0, 1, 1)), blocks)
    return figure


def draw(axes: Axes, blocks: str) -> None:
    """Draw the block diagram: rounded start and end, boxes for steps, diamonds for decisions.

    Args:
        axes: filled by the diagram, best ``WIDTH`` by ``HEIGHT`` inches; it loses ticks and frame.
        blocks: see ``layout``.

    Raises:
        ValueError: the description has other blocks.
    """
    boxes, arrows = layout(blocks)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    axes.set_axis_off()
    for arrow in arrows:
        _draw_arrow(axes, arrow)
    for name, box in boxes.items():
        patch = axes.add_patch(_patch(box))
        patch.set(facecolor=_FILLS[box.kind], edgecolor=_EDGES[box.kind], linewidth=1.0, zorder=2)
        patch.set_gid(f"block-{name}")
        text = axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=8.0, color=INK)
        text.set(linespacing=1.25, gid=f"text-{name}")


def _patch(box: Box) -> Patch:
    w, h = box.width / 2, box.height / 2
    if box.kind == "decision":
        left, top, right, bottom = (-w, 0), (0, h), (w, 0), (0, -h)
        return Polygon([(box.x + x, box.y + y) for x, y in (left, top, right, bottom)], closed=True)
    style = f"round,pad=0,rounding_size={0.03 if box.kind == 'step' else min(0.2, h)}"
    return FancyBboxPatch((box.x - w, box.y - h), box.width, box.height, boxstyle=style)


def _draw_arrow(axes: Axes, arrow: Arrow) -> None:
    style = "-|>,head_width=3,head_length=5"
    patch = FancyArrowPatch(path=Path(arrow.points), arrowstyle=style, mutation_scale=1, zorder=1)
    patch.set(linewidth=1.0, color=INK, joinstyle="miter", capstyle="butt")
    axes.add_patch(patch).set_gid(f"arrow-{arrow.source}-{arrow.target}")
    (x, y), (to_x, to_y) = arrow.points[:2]
    if x == to_x:
        place, ha, va = (x + 0.05, y + (0.11 if to_y > y else -0.11)), "left", "center"
    else:
        way = 1 if to_x > x else -1
        place, ha, va = (x + 0.06 * way, y + 0.03), "left" if way > 0 else "right", "bottom"
    label = axes.text(*place, arrow.label, ha=ha, va=va, fontsize=7.5, color=INK)
    label.set_gid(f"label-{arrow.source}-{arrow.label}")
