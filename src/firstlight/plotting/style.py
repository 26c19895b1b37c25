"""One look for all figures: colors, sizes, type scale, notices, and drawings in few bytes."""

import io
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

from firstlight.record import Record
from firstlight.record.files import write_atomically

COLORS = ("#2059a4", "#b3400f", "#0a9163", "#bc5190", "#c28b00", "#454c52")
"""Blue, vermilion, green, purple, ochre, gray: fixed meaning by order, readable on white and for
color-blind readers (after Okabe and Ito, darkened to a contrast of at least 3 against white)."""

INK = "#22262a"
"""Text and axes."""
MUTED = "#5d646b"
"""Secondary text, reference lines."""
GRID = "#e3e5e8"
"""Grid lines and other things that should recede."""

WIDTHS = {"full": 7.5, "narrow": 5.2}
"""Widths of a figure, in inches; the page shows 7.5 inches as its full width."""

_RC: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "patch.linewidth": 0.7,
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "firstlight",  # the same bytes for the same figure
}

_HEAD = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_PATH = re.compile(r'\bd="([^"]*)"')
_POINT = re.compile(r"([A-Za-z])\s*([^A-Za-z]*)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_PLACED = re.compile(r'\b(?:x|y|width|height)="[^"]*"|\btranslate\([^)]*\)')
_ADVANCE = re.compile(r' transform="translate\((-?[\d.]+) 0\)"(?=/>)')
_USED = re.compile(r'(?:url\(#|href="#)([^")]+)')
_ID = re.compile(r' id="([^"]*)"')
_STYLE = re.compile(r' style="([^"]*)"')
_EMPTY = re.compile(r"<g\b[^>]*/>")
_GROUP = re.compile(r"(<g\b[^>]*>|</g>)")


@contextmanager
def look() -> Iterator[None]:
    """Use the house style inside this block, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams  # its keys are typed anew in each version
        settings.update(_RC)
        yield


def new_figure(
    width: str | float = "full",
    height: float = 3.2,
    rows: int = 1,
    cols: int = 1,
    *,
    record: Record,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Return an empty figure in the house style, and its axes.

    Args:
        width: ``"full"``, ``"narrow"`` or a number of inches.
        height: inches, without the strip that a notice adds below.
        rows: panels from top to bottom.
        cols: panels from left to right.
        record: the record to be drawn; its notices are stamped below the panels.
        subplots: passed on to ``Figure.subplots``, e.g. ``sharey=True``.

    Returns:
        The figure, and one ``Axes`` for a single panel, else an array of them: shape (cols,) or
        (rows,) for a single row or column, (rows, cols) otherwise.

    Example:
        >>> figure, axes = new_figure("full", 3.0, cols=2, record=Record("perceptron", {}))
        >>> axes.shape
        (2,)
    """
    if isinstance(width, str) and width not in WIDTHS:
        raise ValueError(f"width: expected {' or '.join(WIDTHS)} or inches, got {width!r}")
    inches = WIDTHS[width] if isinstance(width, str) else float(width)
    note = textwrap.wrap(" · ".join(record.notices), width=max(20, int(18 * inches)))
    strip = 0.14 * len(note) + 0.08 if note else 0.0
    with look():
        figure = Figure(figsize=(inches, height + strip))
        share = strip / (height + strip)
        figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
        axes = figure.subplots(rows, cols, **subplots)
        if note:
            words = figure.text(0.5, 0.04 / (height + strip), "\n".join(note), gid="notice")
            words.set(ha="center", va="bottom", size=7.5, style="italic", color=COLORS[1])
    return figure, axes


@dataclass(frozen=True)
class Plot:
    """One figure of a study: how it is drawn and what is said about it.

    Args:
        name: short name, used in file names and in the page's template.
        draw: Record → Figure.
        caption: text below the figure, or a function of the record.
        alt: what the figure shows, for readers who cannot see it: text or a function of the record.
        when: whether a record holds what the figure needs; by default it always does.

    Example:
        >>> def draw(record: Record) -> Figure:
        ...     return new_figure(record=record)[0]
        >>> Plot("empty", draw, "Nothing.", "An empty panel.").caption_for(Record("perceptron", {}))
        'Nothing.'
    """

    name: str
    draw: Callable[[Record], Figure]
    caption: Callable[[Record], str] | str
    alt: Callable[[Record], str] | str
    when: Callable[[Record], bool] = lambda record: True

    def figure(self, record: Record) -> Figure:
        """Return the figure, drawn in the house style."""
        with look():
            return self.draw(record)

    def caption_for(self, record: Record) -> str:
        """Return the caption for this record."""
        return self.caption if isinstance(self.caption, str) else self.caption(record)

    def alt_for(self, record: Record) -> str:
        """Return the alternative text for this record."""
        return self.alt if isinstance(self.alt, str) else self.alt(record)


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG: the same figure gives the same bytes (no date, no random ids).

    Example:
        >>> figure, _ = new_figure(record=Record("perceptron", {}))
        >>> to_svg(figure) == to_svg(figure)
        True
    """
    buffer = io.StringIO()
    with look():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return slim(buffer.getvalue()).encode("utf-8")


def slim(svg: str) -> str:
    """Return matplotlib's SVG without what no reader sees.

    Coordinates are rounded to a hundredth of a point, lines are written from point to point, and
    names that nothing refers to, comments and spaces between elements are left out.

    Example:
        >>> slim('<svg><g id="a"><path d="M 0 0 \\nL 1.23456 2 \\n"/></g></svg>')
        '<svg><path d="M0 0l1.23 2"/></svg>'
    """
    svg = _HEAD.sub("", svg)
    svg = _PATH.sub(lambda found: f'd="{_path(found[1])}"', svg)
    svg = _ADVANCE.sub(r' x="\1"', svg)
    svg = _PLACED.sub(lambda found: _LONG.sub(_rounded, found[0]), svg)
    used = {name: _short(place) for place, name in enumerate(dict.fromkeys(_USED.findall(svg)))}
    svg = _ID.sub(lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", svg)
    svg = _USED.sub(lambda found: found[0].removesuffix(found[1]) + used[found[1]], svg)
    return _grouped(_styled(re.sub(r">\s+<", "><", svg).strip()))


def _styled(svg: str) -> str:
    """Return the drawing with every style that comes back written once, as a class."""
    svg = _STYLE.sub(lambda found: re.sub(r"(?<=[:;]) ", "", found[0]), svg)
    sheet = "</style>" in svg
    styles = [s for s, n in Counter(_STYLE.findall(svg)).items() if n > 1 and sheet]
    classes = {style: f"c{place}" for place, style in enumerate(styles)}
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    svg = _STYLE.sub(
        lambda found: f' class="{classes[found[1]]}"' if found[1] in classes else found[0], svg
    )
    return svg.replace("</style>", f"{rules}</style>", 1)


def _grouped(svg: str) -> str:
    """Return the drawing without groups that say nothing about what they hold."""
    kept, open_groups = [], []
    for part in _GROUP.split(_EMPTY.sub("", svg)):
        if part.startswith("<g"):
            open_groups.append(part != "<g>")
        if part not in ("<g>", "</g>") or (part == "</g>" and open_groups.pop()):
            kept.append(part)
    return "".join(kept)


def _short(place: int) -> str:
    """Return the name of a definition."""
    return f"d{place}"


def _rounded(found: re.Match[str]) -> str:
    return _number(round(100 * float(found[0])))


def _number(hundredths: int) -> str:
    """Return a number of hundredths without needless zeros: -5 → "-.05"."""
    text = f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") if hundredths else "0"
    return re.sub(r"^(-?)0(?=\.)", r"\1", text)


@lru_cache(maxsize=2048)  # letters come back in every figure
def _path(text: str) -> str:
    """Return a path; lines that follow each other go from point to point."""
    parts = []
    last, x, y = "", 0, 0
    for letter, numbers in _POINT.findall(text):
        values = [round(100 * float(n)) for n in numbers.split()]
        if letter == "L":
            step = (values[0] - x, values[1] - y)
            if step == (0, 0) and last == "l":
                continue
            letter, numbers = "l", step
        else:
            numbers = values
        parts.append(("" if letter == last == "l" else letter, _joined(numbers)))
        if values:
            x, y = values[-2:]
        last = letter
    return "".join(
        f"{letter or ('' if numbers.startswith('-') else ' ')}{numbers}"
        for letter, numbers in parts
    )


def _joined(hundredths: "list[int] | tuple[int, ...]") -> str:
    """Return numbers with a space between them where the second has no sign."""
    texts = [_number(value) for value in hundredths]
    return "".join(
        text if i == 0 or text.startswith("-") else f" {text}" for i, text in enumerate(texts)
    )


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as an SVG file, never half of it, and return its path.

    Example:
        >>> import tempfile
        >>> figure, _ = new_figure(record=Record("perceptron", {}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(figure, f"{folder}/figure.svg").name
        'figure.svg'
    """
    path = Path(path)
    write_atomically(path, to_svg(figure))
    return path
