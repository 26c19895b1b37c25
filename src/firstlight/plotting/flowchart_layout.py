"""Where the boxes and arrows of a block diagram go, in inches; nothing is drawn here."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.textpath import TextPath

WIDTH = 7.5
FONT_SIZE = 8.0  # points

_CENTRES = {-1: 1.06, 0: 3.75, 1: 6.44}
_WIDTHS = {-1: 2.04, 0: 2.5, 1: 2.04}
_LINE, _PADDING, _GAP, _MARGIN = 0.15, 0.1, 0.34, 0.08
_MOST_LINES = 9

Point = tuple[float, float]
BlockLike = Mapping[str, Any]


@dataclass(frozen=True)
class Box:
    """A block's place: its centre, full size, kind and lines of text; y points up."""

    name: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Arrow:
    """An arrow along ``points``, from one block to another, with "yes", "no" or no label."""

    source: str
    target: str
    points: tuple[Point, ...]
    label: str


@dataclass(frozen=True)
class Layout:
    """A whole diagram of ``WIDTH`` by ``height`` inches."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    height: float


def parse(blocks: str | Sequence[BlockLike]) -> list[BlockLike]:
    """Return the blocks of a description, given as JSON text or as a list."""
    found = json.loads(blocks) if isinstance(blocks, str) else list(blocks)
    keys = {"name", "kind", "text", "next", "otherwise"}
    if not isinstance(found, list) or not found or any(not keys <= set(b) for b in found):
        raise ValueError(f"blocks: expected a list of blocks with {', '.join(sorted(keys))}")
    return found


def layout(blocks: str | Sequence[BlockLike]) -> Layout:
    """Return where everything goes.

    The main column follows ``next`` from the first block on. Where a decision's other answer leads
    to a block outside it, that stands beside the decision, right and left in turn, and the blocks
    that follow it above, until the way leads back to the main column.

    Args:
        blocks: the description, or its JSON text; the first block is the start.

    Raises:
        ValueError: the description has another form, which cannot be drawn without crossings.
    """
    found = {block["name"]: block for block in parse(blocks)}
    cells = _cells(found)
    shapes = {
        name: _shape(found[name]["kind"], found[name]["text"], _WIDTHS[column])
        for name, (column, _) in cells.items()
    }
    middles, height = _rows(cells, {name: shape[0] for name, shape in shapes.items()})
    boxes = {
        name: Box(
            name,
            found[name]["kind"],
            _CENTRES[column],
            middles[row],
            _WIDTHS[column],
            *shapes[name],
        )
        for name, (column, row) in cells.items()
    }
    arrows = [
        Arrow(name, block[end], _route(name, block[end], cells, boxes), _label(block, end))
        for name, block in found.items()
        for end in ("next", "otherwise")
        if block[end] is not None
    ]
    return Layout(tuple(boxes.values()), tuple(arrows), height)


def _cells(blocks: Mapping[str, BlockLike]) -> dict[str, tuple[int, int]]:
    """Return each block's column (−1, 0, 1) and row, from the top."""
    cells: dict[str, tuple[int, int]] = {}
    name = next(iter(blocks))
    while name is not None and name not in cells:
        cells[name] = (0, len(cells))
        name = blocks[name]["next"]
    column = 1
    for decision, (_, row) in list(cells.items()):
        name, at = blocks[decision]["otherwise"], row
        if name is None or name in cells:
            continue
        while name is not None and name not in cells:
            if (column, at) in cells.values() or at < 0:
                raise ValueError(f"block {name!r}: expected room beside {decision!r}, got none")
            cells[name] = (column, at)
            name, at = blocks[name]["next"], at - 1
        column = -column
    lost = set(blocks) - set(cells)
    if lost:
        raise ValueError(f"blocks: expected all beside the main column, got {sorted(lost)} beyond")
    return cells


def _rows(
    cells: Mapping[str, tuple[int, int]], heights: Mapping[str, float]
) -> tuple[dict[int, float], float]:
    """Return the middle of each row, from the bottom of the diagram, and its whole height."""
    tall = [0.0] * (1 + max(row for _, row in cells.values()))
    for name, (_, row) in cells.items():
        tall[row] = max(tall[row], heights[name])
    whole = sum(tall) + _GAP * (len(tall) - 1) + 2 * _MARGIN
    middles, top = {}, whole - _MARGIN
    for row, height in enumerate(tall):
        middles[row] = top - height / 2
        top -= height + _GAP
    return middles, whole


def _route(
    source: str, target: str, cells: Mapping[str, tuple[int, int]], boxes: Mapping[str, Box]
) -> tuple[Point, ...]:
    """Return the corners of an arrow: straight, or vertical and then into the target's side."""
    (column, row), (to_column, to_row) = cells[source], cells[target]
    a, b = boxes[source], boxes[target]
    way = -1 if to_row > row else 1
    between = range(min(row, to_row) + 1, max(row, to_row))
    back = column == 0 and to_row <= row  # it would lie on the arrow that leads down
    if column == to_column and row != to_row and not back and not _taken(cells, column, between):
        return (a.x, a.y + way * a.height / 2), (b.x, b.y - way * b.height / 2)
    if abs(column - to_column) == 1:
        side = 1 if to_column > column else -1
        into = (b.x - side * b.width / 2, b.y)
        if row == to_row:
            return (a.x + side * a.width / 2, a.y), into
        if column != 0 and not _taken(cells, column, [*between, to_row]):
            return (a.x, a.y + way * a.height / 2), (a.x, b.y), into
    raise ValueError(f"arrow: expected a free way from {source!r} to {target!r}, got none")


def _taken(cells: Mapping[str, tuple[int, int]], column: int, rows: Sequence[int]) -> bool:
    return any((column, row) in cells.values() for row in rows)


def _label(block: BlockLike, end: str) -> str:
    if block["kind"] != "decision":
        return ""
    return "yes" if end == "next" else "no"


def _shape(kind: str, text: str, width: float) -> tuple[float, tuple[str, ...]]:
    """Return the height that a block of this width needs for its text, and the text's lines."""
    for count in range(1, _MOST_LINES + 1):
        height = count * _LINE + 2 * _PADDING
        if kind == "decision":
            height = max(0.9, 1.9 * count * _LINE + 2 * _PADDING)
        lines = _lines(text, count, _room(kind, width, height, count))
        if lines is not None:
            return height, lines
    raise ValueError(f"text: expected to fit into {width} inches, got {text!r}; shorten it")


def _room(kind: str, width: float, height: float, count: int) -> Callable[[int], float]:
    """Return how wide line number ``i`` of ``count`` can be."""

    def room(i: int) -> float:
        if kind != "decision":
            return width - 2 * _PADDING
        middle = abs(i - (count - 1) / 2) * _LINE
        return width * (1 - 2 * (middle + _LINE / 2) / height) - _PADDING

    return room


def _lines(text: str, count: int, room: Callable[[int], float]) -> tuple[str, ...] | None:
    """Return ``text`` broken into exactly ``count`` lines that fit, or None."""
    words, lines = text.split(), []
    for i in range(count):
        line = ""
        while words and text_width(f"{line} {words[0]}".strip()) <= room(i):
            line = f"{line} {words.pop(0)}".strip()
        if not line:
            return None
        lines.append(line)
    return None if words else tuple(lines)


@lru_cache(maxsize=4096)
def text_width(text: str) -> float:
    """Return the width of a line in inches."""
    if not text:
        return 0.0
    return float(TextPath((0, 0), text, size=FONT_SIZE).get_extents().width) / 72
