"""One study on the page: what its template asks for, with the numbers of the page's parts."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

from markupsafe import Markup

from firstlight import text
from firstlight.errors import RecordError
from firstlight.plotting import to_svg
from firstlight.record import Fact, Label, Record, Verdict
from firstlight.report import source
from firstlight.studies.study import Study

PIXELS_PER_INCH = 96  # CSS's own definition

COLUMN, NARROW = 50.0, 25.2
"""Ems of its own letters that a table may take: on a desk, and on a phone of 390 pixels."""

_GAP, _NARROW_GAP = 1.13, 0.7  # ems between columns
_SLIM = frozenset(" .,:;()|'iljtfr\u202f\u00a0")

_RASTERS = (
    "<style>@media(prefers-color-scheme:dark){image{filter:invert(1)hue-rotate(180deg)}}</style>"
)
"""The page inverts figures in the dark; photographs in them are inverted back."""

_ADDRESS: dict[str, str] = {"%": "%25", "#": "%23", "&": "%26", "\n": "%0A"}


@dataclass(frozen=True)
class Drawn:
    """A figure that has been drawn: its SVG, its words, its size in CSS pixels, its number."""

    svg: bytes
    caption: str
    alt: str
    width: int
    height: int
    number: int = 0

    @property
    def source(self) -> Markup:
        """Return the figure as an address that needs no file, a third shorter than in base64."""
        svg = self.svg.decode("utf-8")
        if "<image" in svg:
            svg = svg.replace("<defs>", f"{_RASTERS}<defs>", 1)
        quote = "%22" if "'" in svg else "'"
        codes = str.maketrans({**_ADDRESS, '"': quote})
        return Markup("data:image/svg+xml," + svg.translate(codes))


@dataclass(frozen=True)
class Grid:
    """A table with its number on the page; ``numeric`` says which columns hold numbers."""

    number: int
    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    caption: str

    @property
    def columns(self) -> list[list[str]]:
        """Return the cells from top to bottom, column by column, without the headers."""
        return [[row[i] for row in self.rows] for i in range(len(self.headers))]

    @property
    def dense(self) -> bool:
        """Return whether the table needs small letters to fit on a desk."""
        widths = [
            max([*map(_width, cells), _word([head])]) if numeric else max(7, _word([head, *cells]))
            for head, cells, numeric in zip(self.headers, self.columns, self.numeric, strict=True)
        ]
        return sum(widths) + _GAP * (len(widths) - 1) > COLUMN

    @property
    def stacked(self) -> bool:
        """Return whether its rows are set as lists on a phone, since its columns would not fit."""
        widths = [
            max(_word([head, *cells]), min(8, max(map(_width, cells), default=0)))
            for head, cells in zip(self.headers, self.columns, strict=True)
        ]
        return sum(widths) + _NARROW_GAP * (len(widths) - 1) > NARROW


def grid_of(
    number: int,
    headers: Sequence[str],
    rows: Sequence[Sequence[Any]],
    caption: str,
    numeric: Sequence[bool] | None = None,
) -> Grid:
    """Return a table with its cells as text.

    Args:
        number: the table's number on the page.
        headers: of the columns.
        rows: one cell for each header; text stays, numbers are written as the page does.
        caption: text above the table.
        numeric: which columns stand on the right; by default those whose cells begin like numbers.

    Raises:
        ValueError: a row has more or fewer cells than there are headers.

    Example:
        >>> grid_of(1, ["Arm", "Share"], [["plain", 0.5], ["dropout", None]], "Shares.").rows
        [['plain', '0.5'], ['dropout', '–']]
    """
    texts = [[_tied(text.plain(cell)) for cell in row] for row in rows]
    for index, row in enumerate(texts):
        if len(row) != len(headers):
            raise ValueError(
                f"table {caption!r}, row {index}: expected {len(headers)} cells, got {len(row)}"
            )
    if numeric is None:
        numeric = [_numeric([row[i] for row in texts]) for i in range(len(headers))]
    return Grid(number, list(headers), texts, list(numeric), text.tie(caption))


def _tied(cell: str) -> str:
    """Return a cell in which no line can break within an interval."""
    return re.sub(r"(?<=[\d%]) to (?=[\d+−])", "\u00a0to\u00a0", text.tie(cell))


def _numeric(cells: Sequence[str]) -> bool:
    """Return whether a column holds numbers: each cell begins like one, or is a dash."""
    return all(cell[:1].isdigit() or cell[:1] in "–−+" for cell in cells)


def _word(texts: Sequence[str]) -> float:
    """Return the width of the longest word, where no line can break."""
    return max((_width(word) for text in texts for word in text.split(" ")), default=0)


def _width(text: str) -> float:
    """Return about how many ems a text takes in a wide sans serif."""
    return sum(0.36 if letter in _SLIM else 0.64 for letter in text)


@dataclass(frozen=True)
class Answer:
    """A verdict in the page's words: the sign of its outcome, what it means, and the sentence."""

    mark: str
    words: str
    headline: str

    @classmethod
    def of(cls, verdict: Verdict) -> "Answer":
        """Return a verdict's words."""
        outcome = verdict.outcome
        words = text.OUTCOME_MARKS[outcome], text.OUTCOME_WORDS[outcome]
        return cls(*words, text.tie(verdict.headline))


@dataclass(frozen=True)
class Published:
    """What the published run says: how large it was, its answer, and whether this run's agrees."""

    scale: str
    answer: Answer
    agrees: bool | None


@dataclass(frozen=True)
class Numbering:
    """The running numbers of one page."""

    figures: Iterator[int] = field(default_factory=lambda: count(1))
    tables: Iterator[int] = field(default_factory=lambda: count(1))


def draw_all(
    study: Study, record: Record, begun: Callable[[], None] = lambda: None
) -> dict[str, Drawn]:
    """Return every figure that the study has for this record, by name.

    Args:
        study: the study.
        record: its record.
        begun: called before each figure of the study.
    """
    drawn = {}
    for plot in study.plots():
        begun()
        if plot.when(record):
            figure = plot.figure(record)
            width, height = (round(PIXELS_PER_INCH * side) for side in figure.get_size_inches())
            words = text.tie(plot.caption_for(record)), text.tie(plot.alt_for(record))
            drawn[plot.name] = Drawn(to_svg(figure), *words, width, height)
    return drawn


class View:
    """One study on the page; it lives while its template is rendered.

    Args:
        study: the study.
        record: its record.
        drawn: its figures, from ``draw_all``.
        numbering: the running numbers, shared by all studies of a page.
    """

    def __init__(
        self, study: Study, record: Record, drawn: Mapping[str, Drawn], numbering: Numbering
    ) -> None:
        self.record = record
        self._study = study
        self._remarks = study.remarks(record)
        self.anchor = record.study
        self.number = ""
        self.title = record.study
        self.questions: list[tuple[str, str, str]] = []
        self._drawn = drawn
        self._numbering = numbering

    def note_title(self, number: str, title: str) -> str:
        """Note the study's number and title, for its heading and the contents; print nothing."""
        self.number, self.title = str(number), title
        return ""

    def add_question(self, number: str, title: str) -> str:
        """Note a question for the contents and return the id of its heading."""
        anchor = f"question-{number.replace('.', '-')}"
        self.questions.append((number, title, anchor))
        return anchor

    @property
    def span(self) -> str:
        """Return the numbers of the study's questions: "2.1" or "2.2–2.3"."""
        numbers = [number for number, _, _ in self.questions] or [self.number]
        return "–".join(dict.fromkeys([numbers[0], numbers[-1]]))

    def _verdict(self, number: str) -> Verdict:
        none = Verdict(number, "not-run", "Not answered by this run.")
        return self.record.verdicts.get(number, none)

    def answer(self, number: str) -> Answer:
        """Return the record's answer to a question of the assignment."""
        return Answer.of(self._verdict(number))

    def remarks(self, number: str) -> list[str]:
        """Return the paragraphs below an answer, computed from the record."""
        return [text.tie(words) for words in self._remarks.get(number, ())]

    @cached_property
    def _published(self) -> Record | None:
        """The published run; None where there is none, or where this is that very run."""
        record = self._study.published()
        if record is None or _content(record) == _content(self.record):
            return None
        return record

    @property
    def compared(self) -> bool:
        """Return whether a published run stands beside this one."""
        return self._published is not None

    def published(self, number: str) -> Published | None:
        """Return the published answer to a question, where another run has been published."""
        record = self._published
        if record is None or number not in record.verdicts:
            return None
        there, here = record.verdicts[number], self._verdict(number)
        compared = bool(there.decision and here.decision)
        agrees = there.decision == here.decision if compared else None
        return Published(self._study.scale(record), Answer.of(there), agrees)

    def figure(self, name: str) -> Drawn | None:
        """Return a figure ready to be embedded; None where the record lacks what it shows."""
        names = [plot.name for plot in self._study.plots()]
        if name not in names:
            raise ValueError(f"figure: expected one of {', '.join(names)}, got {name!r}")
        if name not in self._drawn:
            return None
        return replace(self._drawn[name], number=next(self._numbering.figures))

    def code(self, path: str, name: str) -> source.Source:
        """Return the code of a function, method or class of the package."""
        return source.read(path, name)

    def sheet(self, name: str) -> Grid | None:
        """Return a table of the study ready to be placed; None where its `when` says no."""
        sheets = {sheet.name: sheet for sheet in self._study.sheets()}
        if name not in sheets:
            raise ValueError(f"table: expected one of {', '.join(sheets)}, got {name!r}")
        sheet, record = sheets[name], self.record
        if not sheet.when(record):
            return None
        headers = sheet.headers(record) if callable(sheet.headers) else sheet.headers
        caption = sheet.caption(record) if callable(sheet.caption) else sheet.caption
        return self.grid(headers, sheet.rows(record), caption)

    def _fact(self, measure: str, coords: dict[str, Label]) -> Fact:
        found = self.record.facts.find(measure, **coords)
        if found is None:
            at = ", ".join(f"{name} {label}" for name, label in coords.items())
            raise RecordError(
                f"{self.record.study}: expected the fact {measure!r} at {at or 'no coordinates'}, "
                "which the record lacks; run the study again"
            )
        return found

    def fact(self, measure: str, kind: str = "number", **coords: Label) -> str:
        """Return one fact's value as text."""
        return text.value(self._fact(measure, coords), kind)

    def estimate(self, measure: str, kind: str = "number", **coords: Label) -> str:
        """Return one fact's value and interval as text."""
        return text.estimate(self._fact(measure, coords), kind)

    def facts(self, rows: Sequence[Sequence[Any]], caption: str, optional: bool = False) -> Grid:
        """Return a table with a row (label, value, interval, n) for each fact.

        Args:
            rows: for each fact (label, measure, coordinates, kind), the last of them optional.
            caption: text above the table.
            optional: whether a fact that the record lacks leaves its row out.
        """
        table = []
        for label, measure, coords, *kind in rows:
            if not optional or self.record.facts.find(measure, **coords) is not None:
                fact = self._fact(measure, coords)
                table.append([label, *text.cells(fact, *kind)])
        headers = ("Quantity", "Value", "95 % interval", "n")
        return self.grid(headers, table, caption, [False, True, True, True])

    def grid(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[Any]],
        caption: str,
        numeric: Sequence[bool] | None = None,
    ) -> Grid:
        """Return a table's cells as text; ``numeric`` says which columns stand on the right."""
        return grid_of(next(self._numbering.tables), headers, rows, caption, numeric)

    def helpers(self) -> dict[str, Any]:
        """Return the names that the study's template sees."""
        return {
            "view": self, "record": self.record, "config": self.record.config, "fact": self.fact,
            "estimate": self.estimate, "has": self.record.facts.has, "number": text.number,
            "counted": text.counted, "listed": text.listed,
        }  # fmt: skip


def _content(record: Record) -> tuple[Any, Any]:
    """Return what makes two runs the same run: parameters and facts, as they are stored."""
    stored = record.as_dict()
    return stored["config"], stored["facts"]
