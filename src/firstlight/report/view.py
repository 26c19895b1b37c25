"""What a study's template may ask for: its facts, verdicts, figures and tables, numbered."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from firstlight import text
from firstlight.errors import RecordError
from firstlight.plotting import to_svg
from firstlight.record import Fact, Label, Record, Verdict
from firstlight.studies import Study

PIXELS_PER_INCH = 96  # CSS's own definition


@dataclass(frozen=True)
class Drawn:
    """A figure that has been drawn: its SVG, its words and its size in CSS pixels."""

    svg: bytes
    caption: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """A drawn figure with its number on the page, as the ``figure`` macro needs it."""

    number: int
    source: str
    caption: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """A table with its number on the page; ``numeric`` says which columns hold numbers."""

    number: int
    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    caption: str


@dataclass(frozen=True)
class Numbering:
    """The running numbers of one page."""

    figures: Iterator[int] = field(default_factory=lambda: count(1))
    tables: Iterator[int] = field(default_factory=lambda: count(1))


def draw_all(study: Study, record: Record) -> dict[str, Drawn]:
    """Return every figure that the study has for this record, by name."""
    drawn = {}
    for plot in study.plots():
        if plot.when(record):
            figure = plot.figure(record)
            width, height = (round(PIXELS_PER_INCH * side) for side in figure.get_size_inches())
            words = text.tie(plot.caption_for(record)), plot.alt_for(record)
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
        self, study: Study, record: Record, drawn: dict[str, Drawn], numbering: Numbering
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

    def add_title(self, number: str, title: str) -> str:
        """Note the study's number and title for the contents and return the title."""
        self.number, self.title = str(number), title
        return title

    def add_question(self, number: str, title: str) -> str:
        """Note a question for the contents and return the id of its heading."""
        anchor = f"question-{number.replace('.', '-')}"
        self.questions.append((number, title, anchor))
        return anchor

    def verdict(self, number: str) -> Verdict:
        """Return the record's answer to a question of the assignment."""
        found = self.record.verdicts.get(number)
        if found is None:
            return Verdict(number, "not-run", "Not answered by this run.")
        return replace(found, headline=text.tie(found.headline))

    def remarks(self, number: str) -> list[str]:
        """Return the paragraphs below an answer, computed from the record."""
        return [text.tie(words) for words in self._remarks.get(number, ())]

    def figure(self, name: str) -> Picture | None:
        """Return a figure ready to be embedded; None where the record lacks what it shows."""
        names = [plot.name for plot in self._study.plots()]
        if name not in names:
            raise ValueError(f"figure: expected one of {', '.join(names)}, got {name!r}")
        if name not in self._drawn:
            return None
        d = self._drawn[name]
        source = "data:image/svg+xml;base64," + base64.b64encode(d.svg).decode("ascii")
        number = next(self._numbering.figures)
        return Picture(number, source, d.caption, d.alt, d.width, d.height)

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
        texts = [[text.plain(cell) for cell in row] for row in rows]
        for index, row in enumerate(texts):
            if len(row) != len(headers):
                raise ValueError(
                    f"table {caption!r}, row {index}: expected {len(headers)} cells, got {len(row)}"
                )
        if numeric is None:
            numeric = [_numeric([row[i] for row in texts]) for i in range(len(headers))]
        return Grid(next(self._numbering.tables), list(headers), texts, list(numeric), caption)

    def helpers(self) -> dict[str, Any]:
        """Return the names that the study's template sees."""
        return {
            "view": self, "record": self.record, "config": self.record.config, "fact": self.fact,
            "estimate": self.estimate, "has": self.record.facts.has, "number": text.number,
            "counted": text.counted, "listed": text.listed,
        }  # fmt: skip


def _numeric(cells: Sequence[str]) -> bool:
    """Return whether a column holds numbers: each cell begins like one, or is a dash."""
    return all(cell[:1].isdigit() or cell[:1] in "–−+" for cell in cells)
