"""The block diagram: nothing overlaps, every block and arrow is drawn, the docs are up to date.

Run this file to write docs/auto_batch_size.md and docs/auto_batch_size.svg anew.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from firstlight.plotting import to_svg
from firstlight.plotting.flowchart import diagram, draw
from firstlight.plotting.flowchart_layout import WIDTH, Arrow, Box, layout
from firstlight.ranges.algorithm import BLOCKS, Block, to_json, to_markdown

DOCS = Path(__file__).parents[1] / "docs"
INTRODUCTION = """# How the batch size is determined

`firstlight.ranges.auto_batch_size` needs a model, data and a learning rate, and returns two sizes and a recommendation:

- **b_min**: below it, smaller batches hardly help;
- **b_max**: above it, a batch hardly learns in this budget;
- the **recommended** size: the largest tried that learns practically as well as the best.

Every size is trained on equally many samples from the same weights at the same rate, so that its loss shows what a larger batch costs. Beside it the
[gradient noise scale](https://arxiv.org/abs/1812.06162) is measured, tr(Σ) / |G|²: batches far below it are mostly noise, batches far above it waste samples.

![Block diagram of the algorithm; its steps are listed below](auto_batch_size.svg)

## Step by step

"""
CLOSING = """
The program runs by the same description that this page and its diagram are made from (`firstlight.ranges.algorithm.BLOCKS`); the result's `trace` names
the blocks that it walked through. To make the page again after a change: `python tests/test_blocks.py`.
"""


def page() -> str:
    """Return the page that the description generates."""
    return INTRODUCTION + to_markdown() + CLOSING


def write() -> None:
    """Write the page and its diagram."""
    (DOCS / "auto_batch_size.md").write_text(page(), encoding="utf-8")
    (DOCS / "auto_batch_size.svg").write_bytes(to_svg(diagram(to_json())))


def plain(blocks: Sequence[Block] = BLOCKS) -> list[dict[str, Any]]:
    return [asdict(block) for block in blocks]


def drawn() -> tuple[Figure, FigureCanvasAgg]:
    """Return the diagram on a canvas 1000 pixels wide."""
    figure = diagram(to_json())
    figure.set_dpi(1000 / WIDTH)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure, canvas


def texts(figure: Figure, start: str) -> dict[str, Text]:
    found = {str(text.get_gid()): text for text in figure.axes[0].texts}
    return {gid.removeprefix(start): t for gid, t in found.items() if gid.startswith(start)}


def inside(box: Box, x: float, y: float) -> bool:
    """Say whether a point lies in a box or diamond."""
    across, up = abs(x - box.x) / (box.width / 2), abs(y - box.y) / (box.height / 2)
    return across + up <= 1 if box.kind == "decision" else max(across, up) <= 1


def segments(arrow: Arrow) -> list[Bbox]:
    return [Bbox.from_extents(*a, *b) for a, b in itertools.pairwise(arrow.points)]


def frame(box: Box, margin: float = 0.0) -> Bbox:
    w, h = box.width / 2 - margin, box.height / 2 - margin
    return Bbox.from_extents(box.x - w, box.y - h, box.x + w, box.y + h)


def test_every_block_and_arrow_is_drawn_once() -> None:
    figure, _ = drawn()
    gids = [str(patch.get_gid()) for patch in figure.axes[0].patches]
    wanted = [f"block-{block.name}" for block in BLOCKS]
    for block in BLOCKS:
        wanted += [f"arrow-{block.name}-{to}" for to in (block.next, block.otherwise) if to]
    assert sorted(gids) == sorted(wanted)
    words = {name: " ".join(t.get_text().split()) for name, t in texts(figure, "text-").items()}
    assert words == {block.name: block.text for block in BLOCKS}


def test_each_decision_has_a_yes_and_a_no_at_its_own_arrow() -> None:
    found = layout(plain())
    for block in BLOCKS:
        labels = {arrow.target: arrow.label for arrow in found.arrows if arrow.source == block.name}
        if block.kind == "decision":
            assert labels == {block.next: "yes", block.otherwise: "no"}
        else:
            assert set(labels.values()) <= {""}


def test_no_two_blocks_overlap_and_all_lie_inside() -> None:
    found = layout(plain())
    for a, b in itertools.combinations(found.boxes, 2):
        assert Bbox.intersection(frame(a), frame(b)) is None, (a.name, b.name)
    whole = Bbox.union([frame(box) for box in found.boxes])
    assert whole.x0 >= 0
    assert whole.x1 <= WIDTH
    assert whole.y0 >= 0
    assert whole.y1 <= found.height


def test_arrows_begin_and_end_on_blocks_and_cross_none() -> None:
    found = layout(plain())
    boxes = {box.name: box for box in found.boxes}
    for arrow in found.arrows:
        assert inside(boxes[arrow.source], *_nudged(arrow.points[0], boxes[arrow.source]))
        assert inside(boxes[arrow.target], *_nudged(arrow.points[-1], boxes[arrow.target]))
        for part, box in itertools.product(segments(arrow), found.boxes):
            assert not part.overlaps(frame(box, margin=0.01)), (arrow, box.name)


def _nudged(point: tuple[float, float], box: Box) -> tuple[float, float]:
    """Return the point a hair nearer to the middle, against rounding."""
    x, y = point
    return x + (box.x - x) * 1e-6, y + (box.y - y) * 1e-6


def test_arrows_do_not_cross_each_other() -> None:
    """They may meet where they enter the same block."""
    for a, b in itertools.combinations(layout(plain()).arrows, 2):
        if a.target == b.target:
            continue
        pairs = itertools.product(segments(a), segments(b))
        assert not any(one.overlaps(other) for one, other in pairs), (a, b)


def test_text_stays_inside_its_block() -> None:
    figure, canvas = drawn()
    back = figure.axes[0].transData.inverted()
    boxes = {box.name: box for box in layout(plain()).boxes}
    for name, text in texts(figure, "text-").items():
        lines = text.get_text().split("\n")
        ends = text.get_window_extent(canvas.get_renderer()).transformed(back)
        step = (ends.y1 - ends.y0) / len(lines)
        for at, line in enumerate(lines):
            text.set_text(line)
            half = text.get_window_extent(canvas.get_renderer()).transformed(back).width / 2
            top = ends.y1 - at * step
            for y in (top, top - step):
                assert inside(boxes[name], boxes[name].x + half, y), (name, line)


def test_labels_touch_nothing() -> None:
    figure, canvas = drawn()
    back = figure.axes[0].transData.inverted()
    found = layout(plain())
    labels = texts(figure, "label-")
    assert len(labels) == 2 * sum(block.kind == "decision" for block in BLOCKS)
    for name, text in labels.items():
        place = text.get_window_extent(canvas.get_renderer()).transformed(back)
        corners = itertools.product((place.x0, place.x1), (place.y0, place.y1))
        assert not any(inside(box, x, y) for x, y in corners for box in found.boxes), name
        assert not any(place.overlaps(part) for a in found.arrows for part in segments(a)), name


def test_letters_are_readable_at_1000_pixels() -> None:
    figure, _ = drawn()
    assert min(text.get_fontsize() for text in figure.axes[0].texts) * figure.dpi / 72 >= 13


def test_another_algorithm_is_drawn_too() -> None:
    blocks = (
        Block("go", "start", "Go", "", "ask"),
        Block("ask", "decision", "Enough?", "", "stop", "more"),
        Block("more", "step", "More", "", "go"),
        Block("stop", "end", "Stop", ""),
    )
    found = draw(Figure().subplots(), plain(blocks))
    assert {box.name: box.x > 4 for box in found.boxes} == {
        "go": False,
        "ask": False,
        "stop": False,
        "more": True,
    }


def test_what_cannot_be_drawn_is_refused() -> None:
    up = (
        Block("a", "start", "A", "", "b"),
        Block("b", "decision", "B", "", "c", "a"),
        Block("c", "end", "C", ""),
    )
    with pytest.raises(ValueError, match="free way"):
        layout(plain(up))
    with pytest.raises(ValueError, match="shorten"):
        layout(plain((Block("a", "end", "word " * 300, ""),)))
    with pytest.raises(ValueError, match="expected a list of blocks"):
        layout('[{"name": "a"}]')


def test_the_docs_are_what_the_description_generates() -> None:
    text = (DOCS / "auto_batch_size.md").read_text(encoding="utf-8")
    assert text == page(), "run python tests/test_blocks.py"


def test_the_drawing_in_the_docs_is_up_to_date() -> None:
    """Numbers may differ in the last digits between versions of the drawing library."""
    old = (DOCS / "auto_batch_size.svg").read_text(encoding="utf-8")
    new = to_svg(diagram(to_json())).decode()
    number = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
    assert number.sub("#", old) == number.sub("#", new), "run python tests/test_blocks.py"
    olds, news = ([float(n) for n in number.findall(text)] for text in (old, new))
    assert olds == pytest.approx(news, abs=0.02)


def test_the_drawing_is_the_same_each_time() -> None:
    assert to_svg(diagram(to_json())) == to_svg(diagram(plain()))


def test_steps_are_numbered_and_refer_to_each_other() -> None:
    lines = to_markdown().splitlines()
    assert len(lines) == len(BLOCKS)
    at = {block.name: str(i) for i, block in enumerate(BLOCKS, 1)}
    for block, line in zip(BLOCKS, lines, strict=True):
        assert line.startswith(f"{at[block.name]}. **{block.text}")
        if block.kind == "decision":
            assert line.endswith(
                f"*Yes:* step {at[str(block.next)]}. *No:* step {at[str(block.otherwise)]}."
            )


if __name__ == "__main__":
    write()
