"""What a study's template may ask for: its facts, verdicts, figures and tables, numbered."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from firstlight.errors import RecordError
from firstlight.figures import plots, to_svg
from firstlight.record import Fact, Record
from firstlight.report import format as fmt

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
    rows: list[list[str]]
    numeric: list[bool]


@dataclass(frozen=True)
class Numbering:
    """The running numbers of one page."""

    figures: Iterator[int] = field(default_factory=lambda: count(1))
    tables: Iterator[int] = field(default_factory=lambda: count(1))


def draw_all(record: Record) -> dict[str, Drawn]:
    """Return every figure that the study has for this record, by name."""
    drawn = {}
    for plot in plots(record.study):
        if plot.when(record):
            figure = plot.figure(record)
            width, height = (round(PIXELS_PER_INCH * side) for side in figure.get_size_inches())
            words = fmt.tie(plot.caption_for(record)), plot.alt_for(record)
            drawn[plot.name] = Drawn(to_svg(figure), *words, width, height)
    return drawn


class View:
    """One study on the page; it lives while its template is rendered.

    Args:
        record: the study's record.
        drawn: its figures, from ``draw_all``.
        numbering: the running numbers, shared by all studies of a page.
    """

    def __init__(self, record: Record, drawn: dict[str, Drawn], numbering: Numbering) -> None:
        self.record = record
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

    def has(self, name: str) -> bool:
        """Return whether the record holds a fact of this name."""
        return name in self.record.facts

    def verdict(self, number: str) -> str:
        """Return the record's answer to a question of the assignment."""
        return fmt.tie(self.record.verdicts.get(number, "Not answered by this run."))

    def short_verdict(self, number: str) -> str:
        """Return the first sentence of the answer."""
        return fmt.first_sentence(self.verdict(number))

    def figure(self, name: str) -> Picture | None:
        """Return a figure ready to be embedded; None where the record lacks what it shows."""
        names = [plot.name for plot in plots(self.record.study)]
        if name not in names:
            raise ValueError(f"figure: expected one of {', '.join(names)}, got {name!r}")
        if name not in self._drawn:
            return None
        d = self._drawn[name]
        source = "data:image/svg+xml;base64," + base64.b64encode(d.svg).decode("ascii")
        number = next(self._numbering.figures)
        return Picture(number, source, d.caption, d.alt, d.width, d.height)

    def _fact(self, name: str) -> Fact:
        if name not in self.record.facts:
            raise RecordError(
                f"{self.record.study}: expected the fact {name!r}, which the record lacks; "
                f"run the study again"
            )
        return self.record.facts[name]

    def fact(self, name: str, kind: str = "number") -> str:
        """Return one fact's value as text."""
        return fmt.value(self._fact(name), kind)

    def estimate(self, name: str, kind: str = "number") -> str:
        """Return one fact's value and interval as text."""
        return fmt.estimate(self._fact(name), kind)

    def fact_rows(self, rows: Sequence[Sequence[str]], optional: bool = False) -> list[list[str]]:
        """Return one row (label, value, interval, n) for each (label, fact, kind)."""
        table = []
        for label, name, *kind in rows:
            if optional and not self.has(name):
                continue
            fact = self._fact(name)
            how = kind[0] if kind else "number"
            table.append([label, fmt.value(fact, how), fmt.interval(fact, how), fmt.size(fact)])
        return table

    def grid(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[Any]],
        caption: str,
        numeric: Sequence[bool] | None = None,
    ) -> Grid:
        """Return a table's cells as text; ``numeric`` says which columns stand on the right."""
        texts = [[fmt.plain(cell) for cell in row] for row in rows]
        for index, row in enumerate(texts):
            if len(row) != len(headers):
                raise ValueError(
                    f"table {caption!r}, row {index}: expected {len(headers)} cells, got {len(row)}"
                )
        if numeric is None:
            numeric = [_numeric([row[i] for row in texts]) for i in range(len(headers))]
        return Grid(next(self._numbering.tables), texts, list(numeric))

    def helpers(self) -> dict[str, Any]:
        """Return the names that the study's template sees."""
        has: Callable[[str], bool] = self.has
        return {"view": self, "record": self.record, "config": self.record.config, "has": has}


def _numeric(cells: Sequence[str]) -> bool:
    """Return whether a column holds numbers: each cell begins like one, or is a dash."""
    return all(cell[:1].isdigit() or cell[:1] in "–−+" for cell in cells)
