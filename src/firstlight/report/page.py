"""The page: Records → one self-contained HTML file, each study by its own template."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from firstlight import __version__, text
from firstlight.errors import ConfigError, RecordError
from firstlight.plotting import to_svg
from firstlight.record import RECORD_FILE, Fact, Label, Record, Verdict, load
from firstlight.record.files import write_atomically
from firstlight.studies import REGISTRY, study_of
from firstlight.studies.study import Study

PAGE_FILE = "index.html"

PIXELS_PER_INCH = 96  # CSS's own definition


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
    def source(self) -> str:
        """Return the figure as an address that needs no file."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode("ascii")


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

    def figure(self, name: str) -> Drawn | None:
        """Return a figure ready to be embedded; None where the record lacks what it shows."""
        names = [plot.name for plot in self._study.plots()]
        if name not in names:
            raise ValueError(f"figure: expected one of {', '.join(names)}, got {name!r}")
        if name not in self._drawn:
            return None
        return replace(self._drawn[name], number=next(self._numbering.figures))

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
        texts = [[text.tie(text.plain(cell)) for cell in row] for row in rows]
        for index, row in enumerate(texts):
            if len(row) != len(headers):
                raise ValueError(
                    f"table {caption!r}, row {index}: expected {len(headers)} cells, got {len(row)}"
                )
        if numeric is None:
            numeric = [_numeric([row[i] for row in texts]) for i in range(len(headers))]
        return Grid(
            next(self._numbering.tables), list(headers), texts, list(numeric), text.tie(caption)
        )

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


def environment() -> Environment:
    """Return the template environment: everything escaped, an unknown name is an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader("firstlight", "report"), FunctionLoader(_study_page)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _study_page(name: str) -> str | None:
    """Return the template of a study; the page of no study has another name than the study's."""
    return REGISTRY[name].page() if name in REGISTRY else None


def read(folder: str | Path) -> list[Record]:
    """Return every record of a lab's folder, in the assignment's order.

    Raises:
        RecordError: the folder holds no record, or one that cannot be read.
    """
    folder = Path(folder)
    records = [load(folder / name) for name in REGISTRY if (folder / name / RECORD_FILE).is_file()]
    if not records:
        expected = ", ".join(f"{name}/{RECORD_FILE}" for name in REGISTRY)
        raise RecordError(f"{folder}: expected any of {expected}, found none; run a study first")
    return records


def write(folder: str | Path) -> Path:
    """Write ``index.html`` and each study's figures from the records in ``folder``.

    Args:
        folder: holds ``<study>/record.json`` and ``<study>/arrays.safetensors``.

    Returns:
        The page's path. The figures lie beside the records, as ``<study>/<figure>.svg``.

    Raises:
        RecordError: the folder holds no record, or one that cannot be shown.

    Example:
        >>> import tempfile
        >>> from firstlight import run, save
        >>> from firstlight.studies.perceptron.config import PerceptronConfig
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = save(run(PerceptronConfig(repeats=20)), f"{folder}/perceptron")
        ...     write(folder).name
        'index.html'
    """
    folder = Path(folder)
    records = read(folder)
    drawings = [draw_all(_of(record), record) for record in records]
    html = _render(records, drawings)
    for record, drawn in zip(records, drawings, strict=True):
        for name, figure in drawn.items():
            write_atomically(folder / record.study / f"{name}.svg", figure.svg)
    write_atomically(folder / PAGE_FILE, html.encode("utf-8"))
    return folder / PAGE_FILE


def render(records: Sequence[Record]) -> str:
    """Return the page as HTML: the same records give the same text.

    Args:
        records: at least one, in the order of the page.

    Raises:
        RecordError: there is no record, or one lacks what its page shows.

    Example:
        >>> from firstlight import run
        >>> from firstlight.studies.perceptron.config import PerceptronConfig
        >>> html = render([run(PerceptronConfig(repeats=20))])
        >>> html.count("<figure>")
        4
    """
    return _render(records, [draw_all(_of(record), record) for record in records])


def _render(records: Sequence[Record], drawings: Sequence[Mapping[str, Drawn]]) -> str:
    if not records:
        raise RecordError("page: expected at least 1 record, got none; run a study first")
    env = environment()
    numbering = Numbering()
    studies = []
    for record, drawn in zip(records, drawings, strict=True):
        view = View(_of(record), record, dict(drawn), numbering)
        studies.append((view, _study(env, view)))
    return env.get_template("page.html").render(
        studies=studies, version=__version__, notices=_notices(records),
        parameters=parameters, origin=origin,
    )  # fmt: skip


def _of(record: Record) -> Study:
    try:
        return study_of(record.study)
    except ConfigError as error:
        raise RecordError(f"page: expected a record of a known study; {error}") from None


def _study(env: Environment, view: View) -> Markup:
    """Return one study's part of the page."""
    template = env.get_template(view.record.study)
    return Markup(template.render(view.helpers()))  # its own variables were escaped


def _notices(records: Sequence[Record]) -> list[str]:
    """Return every notice once, in the order of the page."""
    return list(dict.fromkeys(notice for record in records for notice in record.notices))


def parameters(record: Record) -> list[tuple[str, str, str]]:
    """Return (name, value, unit) of every parameter of the run."""
    units = {f.name: str(f.metadata.get("unit", "")) for f in fields(_of(record).config)}
    return [(name, _text(value), units.get(name, "")) for name, value in record.config.items()]


def origin(record: Record) -> list[tuple[str, list[str]]]:
    """Return (label, lines) for every entry of the record's provenance."""
    return [(_label(name), _lines(name, value)) for name, value in record.provenance.items()]


def _lines(name: str, value: Any) -> list[str]:
    if name == "work":
        return [_work(part) for part in value] or [text.NONE]
    if isinstance(value, Mapping):
        return [f"{key} {_text(item)}" for key, item in value.items()] or [text.NONE]
    return [_text(value) + ("\u202fs" if name.endswith("_s") else "")]


def _work(part: Mapping[str, Any]) -> str:
    """Return "policies: 10 trials, 52.1 s in all, in 2 processes of 1 thread"."""
    one = part["workers"] == 1
    kind = {"processes": "process", "threads": "thread"}[part["kind"]]
    inside = f" of {text.counted(part['threads'], 'thread')}" if part["kind"] == "processes" else ""
    return (
        f"{part['label']}: {text.counted(part['trials'], 'trial')}, "
        f"{text.number(part['seconds'], 1)}\u202fs in all, in {part['workers']} "
        f"{kind if one else part['kind']}{inside}"
    )


def _label(name: str) -> str:
    """Return ``data_sha256`` as "Data sha256", ``duration_s`` as "Duration"."""
    words = name.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return text.plain(value) if isinstance(value, (int, float, str, type(None))) else str(value)
