"""The block diagram: nothing overlaps, every block and arrow is drawn, the docs are up to date.

Run this file to write docs/auto_batch_size.md and docs/auto_batch_size.svg anew.
"""

import itertools
import json
import re
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from firstlight.plotting import to_svg
from firstlight.plotting.flowchart import HEIGHT, WIDTH, Arrow, Box, diagram, layout
from firstlight.ranges.algorithm import BLOCKS, to_json

DOCS = Path(__file__).parents[2] / "docs"
BOXES, ARROWS = layout(to_json())


def steps() -> str:
    """Return the blocks as a numbered list; an arrow to any but the next block is written out."""
    number = {block.name: at for at, block in enumerate(BLOCKS, 1)}
    lines = []
    for at, block in enumerate(BLOCKS, 1):
        line = f"{at}. **{block.text}**{'' if block.text.endswith('?') else '.'} {block.detail}"
        if block.otherwise is not None:
            line += (
                f" *Yes:* step {number[block.next or '']}. *No:* step {number[block.otherwise]}."
            )
        elif block.next is not None and number[block.next] != at + 1:
            line += f" Go on with step {number[block.next]}."
        lines.append(line)
    return "\n".join(lines) + "\n"


def page(old: str) -> str:
    """Return the page with its list of steps made anew."""
    before, after = re.split(r"(?<=## Step by step\n\n)(?:\d+\. .*\n)+", old)
    return before + steps() + after


def write() -> None:
    """Write the list of steps and the diagram."""
    file = DOCS / "auto_batch_size.md"
    file.write_text(page(file.read_text(encoding="utf-8")), encoding="utf-8")
    (DOCS / "auto_batch_size.svg").write_bytes(to_svg(diagram(to_json())))


@pytest.fixture(scope="module")
def drawn() -> tuple[Figure, FigureCanvasAgg]:
    """Return the diagram on a canvas 1000 pixels wide."""
    figure = diagram(to_json())
    return figure, drawn_on(figure)


def texts(figure: Figure, start: str) -> dict[str, Text]:
    by_gid = {str(text.get_gid()): text for text in figure.axes[0].texts if text.get_text()}
    return {gid.removeprefix(start): t for gid, t in by_gid.items() if gid.startswith(start)}


def inside(box: Box, x: float, y: float) -> bool:
    """Say whether a point lies in a box or diamond."""
    across, up = abs(x - box.x) / (box.width / 2), abs(y - box.y) / (box.height / 2)
    return across + up <= 1 if box.kind == "decision" else max(across, up) <= 1


def segments(arrow: Arrow) -> list[Bbox]:
    return [Bbox.from_extents(*a, *b) for a, b in itertools.pairwise(arrow.points)]


def frame(box: Box, margin: float = 0.0) -> Bbox:
    w, h = box.width / 2 - margin, box.height / 2 - margin
    return Bbox.from_extents(box.x - w, box.y - h, box.x + w, box.y + h)


def test_every_block_and_arrow_is_drawn_once(drawn: tuple[Figure, FigureCanvasAgg]) -> None:
    figure, _ = drawn
    gids = [str(patch.get_gid()) for patch in figure.axes[0].patches]
    wanted = [f"block-{block.name}" for block in BLOCKS]
    for block in BLOCKS:
        wanted += [f"arrow-{block.name}-{to}" for to in (block.next, block.otherwise) if to]
    assert sorted(gids) == sorted(wanted)
    words = {name: " ".join(t.get_text().split()) for name, t in texts(figure, "text-").items()}
    assert words == {block.name: block.text for block in BLOCKS}


def test_each_decision_has_a_yes_and_a_no_at_its_own_arrow() -> None:
    for block in BLOCKS:
        labels = {arrow.target: arrow.label for arrow in ARROWS if arrow.source == block.name}
        if block.kind == "decision":
            assert labels == {block.next: "yes", block.otherwise: "no"}
        else:
            assert set(labels.values()) <= {""}


def test_no_two_blocks_overlap_and_all_lie_inside() -> None:
    for a, b in itertools.combinations(BOXES, 2):
        assert Bbox.intersection(frame(BOXES[a]), frame(BOXES[b])) is None, (a, b)
    whole = Bbox.union([frame(box) for box in BOXES.values()])
    assert min(whole.x0, whole.y0) >= 0
    assert whole.x1 <= WIDTH
    assert whole.y1 <= HEIGHT


def test_arrows_begin_and_end_on_blocks_and_cross_none() -> None:
    for arrow in ARROWS:
        assert inside(BOXES[arrow.source], *_nudged(arrow.points[0], BOXES[arrow.source]))
        assert inside(BOXES[arrow.target], *_nudged(arrow.points[-1], BOXES[arrow.target]))
        for part, (name, box) in itertools.product(segments(arrow), BOXES.items()):
            assert not part.overlaps(frame(box, margin=0.01)), (arrow, name)


def _nudged(point: tuple[float, float], box: Box) -> tuple[float, float]:
    """Return the point a hair nearer to the middle, against rounding."""
    x, y = point
    return x + (box.x - x) * 1e-6, y + (box.y - y) * 1e-6


def test_arrows_do_not_cross_each_other() -> None:
    """They may meet where they enter the same block."""
    for a, b in itertools.combinations(ARROWS, 2):
        if a.target != b.target:
            pairs = itertools.product(segments(a), segments(b))
            assert not any(one.overlaps(other) for one, other in pairs), (a, b)


def test_text_stays_inside_its_block(drawn: tuple[Figure, FigureCanvasAgg]) -> None:
    figure, canvas = drawn
    back = figure.axes[0].transData.inverted()
    for name, text in texts(figure, "text-").items():
        whole = text.get_text()
        lines = whole.split("\n")
        ends = text.get_window_extent(canvas.get_renderer()).transformed(back)
        step = (ends.y1 - ends.y0) / len(lines)
        for at, line in enumerate(lines):
            text.set_text(line)
            half = text.get_window_extent(canvas.get_renderer()).transformed(back).width / 2
            top = ends.y1 - at * step
            for y in (top, top - step):
                assert inside(BOXES[name], BOXES[name].x + half, y), (name, line)
        text.set_text(whole)


def test_labels_touch_nothing(drawn: tuple[Figure, FigureCanvasAgg]) -> None:
    figure, canvas = drawn
    back = figure.axes[0].transData.inverted()
    labels = texts(figure, "label-")
    assert len(labels) == 2 * sum(block.kind == "decision" for block in BLOCKS)
    for name, text in labels.items():
        place = text.get_window_extent(canvas.get_renderer()).transformed(back)
        corners = itertools.product((place.x0, place.x1), (place.y0, place.y1))
        assert not any(inside(box, x, y) for x, y in corners for box in BOXES.values()), name
        assert not any(place.overlaps(part) for a in ARROWS for part in segments(a)), name


TRACE = (
    "set_aside", "noise_at_start", *("train", "clearly_worse", "larger_allowed", "double") * 12,
    "train", "clearly_worse", "larger_allowed", "read", "low_end_told", "smaller_allowed",
    "train_smaller", "read", "low_end_told", "recommend", "noise_after_training", "put_back",
)  # fmt: skip
"""A search that doubled twelve times and halved once."""


def test_the_way_of_a_search_is_marked_and_counted() -> None:
    figure = diagram(to_json(), TRACE)
    widths = {str(p.get_gid()): p.get_linewidth() for p in figure.axes[0].patches}
    for arrow in ARROWS:
        taken = (arrow.source, arrow.target) in set(itertools.pairwise(TRACE))
        assert (widths[f"arrow-{arrow.source}-{arrow.target}"] > 1) == taken
    words = {name: text.get_text() for name, text in texts(figure, "label-").items()}
    assert words["larger_allowed-yes"] == "yes ×12"
    assert words["clearly_worse-no"] == "×13\nno"
    assert words["clearly_worse-yes"] == "yes"
    test_labels_touch_nothing((figure, drawn_on(figure)))


def drawn_on(figure: Figure) -> FigureCanvasAgg:
    """Return a canvas 1000 pixels wide on which the figure has been drawn."""
    figure.set_dpi(1000 / WIDTH)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def test_letters_are_readable_at_1000_pixels(drawn: tuple[Figure, FigureCanvasAgg]) -> None:
    figure, _ = drawn
    assert min(text.get_fontsize() for text in figure.axes[0].texts) * figure.dpi / 72 >= 13


def test_other_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks: expected set_aside"):
        layout(json.dumps(json.loads(to_json())[:-1]))


def test_the_docs_are_what_the_description_generates() -> None:
    text = (DOCS / "auto_batch_size.md").read_text(encoding="utf-8")
    assert text == page(text), "run python tests/plotting/test_flowchart.py"
    assert len(steps().splitlines()) == len(BLOCKS)


def test_the_drawing_in_the_docs_is_up_to_date() -> None:
    """Numbers may differ in the last digits between versions of the drawing library."""
    old = (DOCS / "auto_batch_size.svg").read_text(encoding="utf-8")
    new = to_svg(diagram(to_json())).decode()
    number = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
    assert number.sub("#", old) == number.sub("#", new), (
        "run python tests/plotting/test_flowchart.py"
    )
    olds, news = ([float(n) for n in number.findall(text)] for text in (old, new))
    assert olds == pytest.approx(news, abs=0.02)


def test_the_drawing_is_the_same_each_time() -> None:
    assert to_svg(diagram(to_json())) == to_svg(diagram(to_json()))


if __name__ == "__main__":
    write()
