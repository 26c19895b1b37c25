"""The block diagram of the batch-size search, drawn from its description as data."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Polygon
from matplotlib.path import Path

from firstlight.plotting.style import COLORS, INK, MUTED, look

WIDTH, HEIGHT = 7.5, 4.36
"""Size of the diagram, in inches; its letters have their size in points."""

_COLUMNS = (0.88, 2.793, 4.707, 6.62)  # centers, in inches from the left
_ROWS = (4.07, 3.33, 2.59, 1.395, 0.23)  # centers, in inches above the bottom
_STEP, _DECISION = (1.72, 27), (1.56, 16)  # width in inches, letters in a line
_PLACES = {  # block → column, row, height; down on the left, and up again on the right
    "set_aside": (0, 0, 0.54),
    "noise_at_start": (0, 1, 0.42),
    "train": (0, 2, 0.54),
    "clearly_worse": (0, 3, 1.46),
    "double": (1, 2, 0.3),
    "larger_allowed": (1, 3, 1.46),
    "put_back": (2, 0, 0.54),
    "noise_after_training": (2, 1, 0.54),
    "recommend": (2, 2, 0.54),
    "low_end_told": (2, 3, 1.46),
    "read": (2, 4, 0.42),
    "smaller_allowed": (3, 3, 1.46),
    "train_smaller": (3, 4, 0.42),
}
PALE = "#b9bec4"
"""Arrows and edges that a search has not gone through."""

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
        column, row, height = _PLACES[block["name"]]
        width, letters = _DECISION if block["kind"] == "decision" else _STEP
        text = textwrap.fill(block["text"], letters)
        place = _COLUMNS[column], _ROWS[row]
        boxes[block["name"]] = Box(*place, width, height, block["kind"], text)
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


def diagram(blocks: str, trace: Sequence[str] = ()) -> Figure:
    """Return the block diagram as a figure of its own; see ``draw``.

    Example:
        >>> from firstlight.ranges import algorithm
        >>> diagram(algorithm.to_json()).get_size_inches().tolist()
        [7.5, 4.36]
    """
    with look():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        draw(figure.add_axes((0, 0, 1, 1)), blocks, trace)
    return figure


def draw(axes: Axes, blocks: str, trace: Sequence[str] = ()) -> None:
    """Draw the block diagram: rounded start and end, boxes for steps, diamonds for decisions.

    Args:
        axes: filled by the diagram, best ``WIDTH`` by ``HEIGHT`` inches; it loses ticks and frame.
        blocks: see ``layout``.
        trace: the blocks that a search has gone through, in order. Their arrows are thick, those of
            decisions say how often they were taken, and all the rest is pale. Without a trace
            everything is drawn alike.

    Raises:
        ValueError: the description has other blocks.
    """
    boxes, arrows = layout(blocks)
    taken = Counter(pairwise(trace))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    axes.set_axis_off()
    for arrow in arrows:
        _draw_arrow(axes, arrow, taken[arrow.source, arrow.target] if trace else None)
    for name, box in boxes.items():
        on = not trace or name in trace
        patch = axes.add_patch(_patch(box))
        patch.set(facecolor=_FILLS[box.kind] if on else "#ffffff", linewidth=1.0, zorder=2)
        patch.set(edgecolor=_EDGES[box.kind] if on else PALE, gid=f"block-{name}")
        text = axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=8.0)
        text.set(linespacing=1.2, gid=f"text-{name}", color=INK if on else MUTED)


def _patch(box: Box) -> Patch:
    w, h = box.width / 2, box.height / 2
    if box.kind == "decision":
        left, top, right, bottom = (-w, 0), (0, h), (w, 0), (0, -h)
        return Polygon([(box.x + x, box.y + y) for x, y in (left, top, right, bottom)], closed=True)
    style = f"round,pad=0,rounding_size={0.03 if box.kind == 'step' else min(0.2, h)}"
    return FancyBboxPatch((box.x - w, box.y - h), box.width, box.height, boxstyle=style)


def _draw_arrow(axes: Axes, arrow: Arrow, taken: int | None) -> None:
    """Draw an arrow; ``taken``: how often it was, if that is known."""
    style = "-|>,head_width=3,head_length=5"
    color, width = (INK, 1.0) if taken is None else (COLORS[0], 2.2) if taken else (PALE, 1.0)
    patch = FancyArrowPatch(path=Path(arrow.points), arrowstyle=style, mutation_scale=1)
    patch.set(linewidth=width, color=color, joinstyle="miter", capstyle="butt")
    patch.set(zorder=1 if taken else 0.9)
    axes.add_patch(patch).set_gid(f"arrow-{arrow.source}-{arrow.target}")
    (x, y), (to_x, to_y) = arrow.points[:2]
    words = arrow.label
    if x == to_x:
        place, ha, va = (x + 0.06, y + (0.12 if to_y > y else -0.12)), "left", "center"
        words += f" ×{taken}" if taken and taken > 1 else ""
    else:
        way = 1 if to_x > x else -1
        place, ha, va = (x + 0.06 * way, y + 0.03), "left" if way > 0 else "right", "bottom"
        words = f"×{taken}\n{words}" if taken and taken > 1 else words
    if arrow.label:
        label = axes.text(*place, words, ha=ha, va=va, fontsize=8.0)
        label.set(gid=f"label-{arrow.source}-{arrow.label}", linespacing=1.0)
        label.set_color(MUTED if taken == 0 else INK)
