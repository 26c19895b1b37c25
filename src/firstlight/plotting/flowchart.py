"""A block diagram, drawn from the description that the algorithm itself runs by."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Polygon
from matplotlib.path import Path

from firstlight.plotting.flowchart_layout import FONT_SIZE, WIDTH, Arrow, BlockLike, Box, Layout, layout
from firstlight.plotting.style import COLOURS, INK, MUTED, look

_FILLS = {"start": "#dbe6f4", "end": "#dbe6f4", "step": "#ffffff", "decision": "#faf0d4"}
_EDGES = {"start": COLOURS[0], "end": COLOURS[0], "step": MUTED, "decision": COLOURS[4]}
_LABEL_SIZE = 7.5


def diagram(blocks: str | Sequence[BlockLike]) -> Figure:
    """Return a block diagram as a figure of its own, 7.5 inches wide.

    Args:
        blocks: the description as JSON text, as it stands in a record's fact ``algorithm``, or a
            list of mappings with name, kind, text, next and otherwise.
    """
    with look():
        figure = Figure(figsize=(WIDTH, layout(blocks).height))
        axes = figure.add_axes((0, 0, 1, 1))
        draw(axes, blocks)
    return figure


def draw(axes: Axes, blocks: str | Sequence[BlockLike]) -> Layout:
    """Draw a block diagram: rounded start and end, boxes for steps, diamonds for decisions.

    The axes are best 7.5 inches wide and as high as the layout that is returned, since the letters
    have their size in points.

    Args:
        axes: filled by the diagram; their ticks and frame are taken away.
        blocks: see ``diagram``.

    Example:
        >>> blocks = [
        ...     {"name": "a", "kind": "start", "text": "Go", "next": "b", "otherwise": None},
        ...     {"name": "b", "kind": "end", "text": "Stop", "next": None, "otherwise": None},
        ... ]
        >>> [box.name for box in draw(Figure().subplots(), blocks).boxes]
        ['a', 'b']
    """
    found = layout(blocks)
    axes.set(xlim=(0, WIDTH), ylim=(0, found.height), aspect="equal")
    axes.set_axis_off()
    for arrow in found.arrows:
        _draw_arrow(axes, arrow)
    for box in found.boxes:
        axes.add_patch(_patch(box))
        axes.text(
            box.x, box.y, "\n".join(box.lines), ha="center", va="center", fontsize=FONT_SIZE,
            color=INK, linespacing=1.25, gid=f"text-{box.name}",
        )  # fmt: skip
    return found


def _patch(box: Box) -> Patch:
    left, bottom = box.x - box.width / 2, box.y - box.height / 2
    if box.kind == "decision":
        corners = [
            (left, box.y), (box.x, bottom + box.height), (left + box.width, box.y), (box.x, bottom),
        ]  # fmt: skip
        patch: Patch = Polygon(corners, closed=True)
    else:
        rounded = min(0.2, box.height / 2) if box.kind in ("start", "end") else 0.03
        style = f"round,pad=0,rounding_size={rounded}"
        patch = FancyBboxPatch((left, bottom), box.width, box.height, boxstyle=style)
    patch.set(facecolor=_FILLS[box.kind], edgecolor=_EDGES[box.kind], linewidth=1.0, zorder=2)
    patch.set_gid(f"block-{box.name}")
    return patch


def _draw_arrow(axes: Axes, arrow: Arrow) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Path(arrow.points),
            arrowstyle="-|>,head_width=3,head_length=5",
            mutation_scale=1,
            linewidth=1.0,
            color=INK,
            shrinkA=0,
            shrinkB=0,
            joinstyle="miter",
            capstyle="butt",
            zorder=1,
            gid=f"arrow-{arrow.source}-{arrow.target}",
        )
    )
    if not arrow.label:
        return
    (x, y), (to_x, to_y) = arrow.points[:2]
    way = 1 if to_x >= x else -1
    if x == to_x:
        place, ha, va = (x + 0.05, y + (0.11 if to_y > y else -0.11)), "left", "center"
    else:
        place, ha, va = (x + 0.06 * way, y + 0.03), "left" if way > 0 else "right", "bottom"
    axes.text(
        *place, arrow.label, ha=ha, va=va, fontsize=_LABEL_SIZE, color=INK,
        gid=f"label-{arrow.source}-{arrow.label}",
    )  # fmt: skip
