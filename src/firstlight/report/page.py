"""Render the page: each study by its own template, then all of them in the base template."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from firstlight import __version__, text
from firstlight.errors import ConfigError, RecordError
from firstlight.record import RECORD_FILE, Record, load
from firstlight.record.files import write_atomically
from firstlight.report.view import Drawn, Numbering, View, draw_all
from firstlight.studies import REGISTRY, Study, study_of

PAGE_FILE = "index.html"


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
