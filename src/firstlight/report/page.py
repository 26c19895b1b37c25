"""The page: Records → one self-contained HTML file, each study by its own template."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from firstlight import __version__, text
from firstlight.errors import ConfigError, RecordError
from firstlight.record import RECORD_FILE, Record, load
from firstlight.record.files import write_atomically
from firstlight.report.view import Drawn, Numbering, View, draw_all
from firstlight.studies import REGISTRY, study_of
from firstlight.studies.study import Study
from firstlight.types import Progress

PAGE_FILE = "index.html"

_APART = ("work", "data_sha256")
"""Entries that have a place of their own."""

_LABELS = {"trials_s": "All trials", "duration_s": "Duration", "device": "Computed on"}


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


def write(folder: str | Path, progress: Progress | None = None) -> Path:
    """Write ``index.html`` and each study's figures from the records in ``folder``.

    Args:
        folder: holds ``<study>/record.json`` and ``<study>/arrays.safetensors``.
        progress: called as ``progress("figures", done, total)``.

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
    total, begun = sum(len(_of(record).plots()) for record in records), count()
    report = progress or (lambda *_: None)
    drawings = [
        draw_all(_of(record), record, lambda: report("figures", next(begun), total))
        for record in records
    ]
    html = _render(records, drawings)
    report("figures", total, total)
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
    views = [
        View(_of(record), record, drawn, numbering)
        for record, drawn in zip(records, drawings, strict=True)
    ]
    bodies = [_body(env, view) for view in views]
    chapters = list(zip(_numbers(views), views, bodies, strict=True))
    return env.get_template("page.html").render(
        chapters=chapters, version=__version__, notices=_notices(records), outcomes=_signs(views),
        compared=any(view.compared for view in views),
        images=images(records), origin=origin(records), parameters=parameters, work=work,
    )  # fmt: skip


def _of(record: Record) -> Study:
    try:
        return study_of(record.study)
    except ConfigError as error:
        raise RecordError(f"page: expected a record of a known study; {error}") from None


def _body(env: Environment, view: View) -> Markup:
    """Return one study's part of the page; the section of its last question is closed here."""
    text_ = env.get_template(view.record.study).render(view.helpers())
    return Markup(text_ + ("</section>" if view.questions else ""))  # its variables were escaped


def _numbers(views: Sequence[View]) -> list[str]:
    """Return each chapter's number: its problem's, or its questions' where two share a problem."""
    chapters = Counter(view.number for view in views)
    return [view.number if chapters[view.number] == 1 else view.span for view in views]


def _signs(views: Sequence[View]) -> list[tuple[str, str]]:
    """Return each sign on the page with the words of its outcomes, in the order of the outcomes."""
    answers = [view.answer(number) for view in views for number, _, _ in view.questions]
    met = {answer.words: answer.mark for answer in answers}
    words = [words for words in text.OUTCOME_WORDS.values() if words in met]
    signs = dict.fromkeys(met[each] for each in words)
    return [(sign, text.listed((w for w in words if met[w] == sign), "or")) for sign in signs]


def _notices(records: Sequence[Record]) -> list[str]:
    """Return every notice once, in the order of the page."""
    return list(dict.fromkeys(notice for record in records for notice in record.notices))


@dataclass(frozen=True)
class Origin:
    """The provenance of a page.

    Args:
        common: label → lines of every entry that all records share.
        headers: labels of the entries that differ.
        rows: for each record its cells below the headers.
        files: (name, sha256) of every data file read.
    """

    common: dict[str, list[str]]
    headers: list[str]
    rows: list[list[str]]
    files: list[tuple[str, str]]


def origin(records: Sequence[Record]) -> Origin:
    """Return where the records of a page come from.

    Example:
        >>> here, there = (Record("perceptron", {}, provenance={"cores": 2, "seed": s}) for s in (0, 1))
        >>> found = origin([here, there])
        >>> found.common, found.headers, found.rows
        ({'Cores': ['2']}, ['Seed'], [['0'], ['1']])
    """
    sources = [dict(record.provenance) for record in records]
    names = [n for n in dict.fromkeys(n for s in sources for n in s) if n not in _APART]
    common: dict[str, list[str]] = {}
    columns: dict[str, list[str]] = {}
    for name in names:
        lines = [_lines(name, source.get(name)) for source in sources]
        shared = [line for line in lines[0] if all(line in other for other in lines)]
        rest = [[line for line in own if line not in shared] for own in lines]
        if shared and shared != [text.NONE]:
            common[_label(name)] = shared
        if any(rest):
            columns[_label(name)] = [", ".join(own) or text.NONE for own in rest]
    rows = [[cells[i] for cells in columns.values()] for i in range(len(sources))]
    read = (file for source in sources for file in (source.get("data_sha256") or {}).items())
    return Origin(common, list(columns), rows, list(dict.fromkeys(read)))


def images(records: Sequence[Record]) -> list[str]:
    """Return which images were used, each set once, in the order of the page."""
    said = [record.provenance.get("images") or () for record in records]
    each = (words for own in said for words in ([own] if isinstance(own, str) else own))
    return list(dict.fromkeys(map(str, each)))


def parameters(record: Record) -> list[tuple[str, str, str]]:
    """Return (name, value, unit) of every parameter of the run."""
    config = study_of(record.study).config
    units = {f.name: str(f.metadata.get("unit", "")) for f in fields(config)}
    return [(name, _text(value), units.get(name, "")) for name, value in record.config.items()]


def work(record: Record) -> list[str]:
    """Return "policies: 10 trials, 52.1 s in all, in 2 processes of 1 thread" for each part."""
    return [_work(part) for part in record.provenance.get("work", ())]


def _work(part: Mapping[str, Any]) -> str:
    one = part["workers"] == 1
    kind = {"processes": "process", "threads": "thread"}[part["kind"]]
    inside = f" of {text.counted(part['threads'], 'thread')}" if part["kind"] == "processes" else ""
    return (
        f"{part['label']}: {text.counted(part['trials'], 'trial')}, "
        f"{text.number(part['seconds'], 1)}\u202fs in all, in {part['workers']} "
        f"{kind if one else part['kind']}{inside}"
    )


def _lines(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key} {_text(item)}" for key, item in value.items()] or [text.NONE]
    if name.endswith("_s") and isinstance(value, (int, float)):
        return [f"{text.number(value, 1)}\u202fs"]
    return [_text(value)]


def _label(name: str) -> str:
    """Return ``duration_s`` as "Duration"."""
    words = name.removesuffix("_s").replace("_", " ")
    return _LABELS.get(name, text.sentence(words))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return text.plain(value) if isinstance(value, (int, float, str, type(None))) else str(value)
