"""The slim SVG: the same drawing in half the bytes."""

import io
import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

import page_samples
from firstlight.plotting import to_svg
from firstlight.plotting.style import look, slim
from sample_study.figures import PLOTS

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def drawn(name: str) -> tuple[str, str]:
    """Return matplotlib's own SVG of a figure, and the slim one."""
    figure: Figure = {plot.name: plot for plot in PLOTS}[name].figure(page_samples.record())
    buffer = io.StringIO()
    with look():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue(), to_svg(figure).decode()


def points(path: str) -> list[tuple[float, float]]:
    """Return every point of a path of M, L, l, Q, C and z, in absolute coordinates."""
    found: list[tuple[float, float]] = []
    for letter, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        numbers = [float(n) for n in re.findall(r"-?\d*\.?\d+(?:e-?\d+)?", text)]
        for x, y in zip(numbers[::2], numbers[1::2], strict=True):
            here = found[-1] if letter == "l" else (0.0, 0.0)
            found.append((here[0] + x, here[1] + y))
    return found


def places(svg: str) -> list[list[tuple[float, float]]]:
    return [points(p.get("d", "")) for p in ElementTree.fromstring(svg).iter(f"{SVG}path")]


@pytest.mark.parametrize("name", ["wide", "narrow"])
def test_every_point_stays_within_a_hundredth(name: str) -> None:
    old, new = (places(svg) for svg in drawn(name))
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        kept = [p for i, p in enumerate(before) if i == 0 or p != before[i - 1]]
        assert len(after) == pytest.approx(len(kept), abs=2)
        if len(after) == len(before):
            assert [c for p in after for c in p] == pytest.approx(
                [c for p in before for c in p], abs=0.0051
            )


def test_it_takes_little_more_than_half_and_says_the_same_colors() -> None:
    old, new = drawn("wide")
    assert len(new) < 0.65 * len(old)
    colors = re.compile("#[0-9a-f]{6}")
    assert set(colors.findall(new)) == set(colors.findall(old))


def test_every_reference_has_its_target_once() -> None:
    root = ElementTree.fromstring(drawn("wide")[1])
    names = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(names) == len(set(names))
    used = {str(e.get(LINK))[1:] for e in root.iter() if LINK in e.attrib}
    used |= {
        clip[5:-1] for e in root.iter() if (clip := str(e.get("clip-path") or "")).startswith("url")
    }
    assert used == set(names)


def test_groups_that_say_something_stay() -> None:
    svg = '<svg><g id="a"><g clip-path="url(#c)"><g id="e"/><path d="M 1 1"/></g></g></svg>'
    assert slim(svg) == '<svg><g clip-path="url(#d0)"><path d="M1 1"/></g></svg>'


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 0.5 0 L 0.25 -1.5 L 2 3 z", "M.5 0l-.25-1.5 1.75 4.5z"),
        ("M 10 10 L 10.001 10.001 L 10 10 L 20 10", "M10 10l0 0 10 0"),
        ("M 1 1 Q 2 2 3 3 L 4 4 M 5 5 L 6 6", "M1 1Q2 2 3 3l1 1M5 5l1 1"),
    ],
)
def test_lines_go_from_point_to_point(path: str, short: str) -> None:
    assert slim(f'<svg><path d="{path}"/></svg>') == f'<svg><path d="{short}"/></svg>'


def test_a_style_that_comes_back_is_written_once() -> None:
    lines = '<path d="M 1 1" style="fill: none; stroke: #222222"/>' * 2
    svg = f'<svg><defs><style type="text/css">*{{stroke-linecap: butt}}</style></defs>{lines}</svg>'
    assert slim(svg) == (
        '<svg><defs><style type="text/css">*{stroke-linecap: butt}.c0{fill:none;stroke:#222222}'
        "</style></defs>" + '<path d="M1 1" class="c0"/>' * 2 + "</svg>"
    )
    assert "class" not in slim(f"<svg>{lines}</svg>"), "no sheet, no classes"
