"""What a person at the terminal reads when the work is done: answers in lines, tables."""

import codecs
import os
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from firstlight import text
from firstlight.data.sources import Location
from firstlight.record import Fact, Record
from firstlight.report.view import Numbering, View
from firstlight.studies import study_of

LONG = 60
"""Characters of a text that is too long for a cell of a table."""

PLAIN: dict[str, Any] = {"title_justify": "left", "box": None, "pad_edge": False}
"""The look of a table without lines."""


def answers(records: Sequence[Record], full: bool = False, width: int | None = None) -> list[str]:
    """Return a line for each question: its number, the mark of its outcome, and the headline.

    Args:
        records: in the order of the questions.
        full: whether what the page says below each answer follows it, and what the marks mean.
        width: where lines are broken; None for nowhere.

    Example:
        >>> from firstlight.record import Verdict
        >>> verdict = Verdict("1.1", "better", "The hinge loss is better.")
        >>> answers([Record("perceptron", {}, verdicts={"1.1": verdict})])
        ['1.1 ✓ The hinge loss is better.']
    """
    lines = []
    for record in records:
        study = study_of(record.study)
        view = View(study, record, {}, Numbering()) if full else None
        lines += ["", f"{record.study}: {study.scale(record)}"] if full else []
        for question, verdict in record.verdicts.items():
            head = f"{question} {text.OUTCOME_MARKS[verdict.outcome]} "
            lines += _wrapped(head + verdict.headline, width, " " * len(head))
            for words in (
                [] if view is None else [*view.remarks(question), *_published(view, question)]
            ):
                lines += _wrapped(words, width, " " * len(head), " " * len(head))
    return [*lines, "", _marks(records)] if full else lines


def _published(view: View, question: str) -> list[str]:
    """Return what the published run answers, and whether the two agree, where there is one."""
    there = view.published(question)
    if there is None:
        return []
    agrees = {True: " The two runs agree.", False: " The two runs disagree.", None: ""}
    answer = f"{there.answer.mark} {there.answer.headline}{agrees[there.agrees]}"
    return [f"Published run ({there.scale}): {answer}"]


def _marks(records: Sequence[Record]) -> str:
    """Return what each mark means that occurs."""
    met = [v.outcome for record in records for v in record.verdicts.values()]
    words: dict[str, list[str]] = {}
    for outcome, meaning in text.OUTCOME_WORDS.items():
        if outcome in met:
            words.setdefault(text.OUTCOME_MARKS[outcome], []).append(meaning)
    return "   ".join(f"{mark} {text.listed(each, 'or')}" for mark, each in words.items())


def _wrapped(words: str, width: int | None, rest: str, first: str = "") -> list[str]:
    """Return text in lines, broken at plain spaces only: never before a unit, which is tied."""
    words = text.tie(words)
    if width is None:
        return [first + words]
    wrapper = textwrap.TextWrapper(
        width, initial_indent=first, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip  # settings of one kind
    return wrapper.wrap(words)


def columns(stream: TextIO) -> int | None:
    """Return how wide lines may be there: as COLUMNS or the terminal say; None for any width."""
    if os.environ.get("COLUMNS", "").isdecimal():
        return max(40, int(os.environ["COLUMNS"]))
    return max(40, os.get_terminal_size(stream.fileno()).columns) if stream.isatty() else None


SIMPLER = {
    "✓": "+",
    "✗": "x",
    "×": "x",
    "−": "-",
    "–": "-",
    "…": "...",
    "’": "'",
    "→": "->",
    "±": "+-",
}
"""What stands for a character where the output's encoding lacks it."""


def spell(stream: TextIO) -> None:
    """Let a stream write what its encoding lacks in simpler characters, instead of failing."""
    if isinstance(stream, TextIOWrapper):
        codecs.register_error("firstlight", _simpler)
        stream.reconfigure(errors="firstlight")


def _simpler(error: UnicodeError) -> tuple[str, int]:
    """Return other characters for those that cannot be encoded: 10⁻⁷ becomes 10^-7, σ sigma."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    words, raised = "", False
    for character in found:
        above = "<super>" in unicodedata.decomposition(character)
        words += "^" if above and not raised else ""
        words += _one(unicodedata.normalize("NFKC", character) if above else character)
        raised = above
    return words, error.end


def _one(character: str) -> str:
    """Return one character in those that every encoding has."""
    if character in SIMPLER:
        return SIMPLER[character]
    if character.isspace():
        return " "
    name = unicodedata.name(character, "")
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or (name.split()[-1].lower() if name.startswith("GREEK") else "?")


def facts_table(rows: Iterable[tuple[str, Fact, str]], title: str) -> Table:
    """Return a table of facts with their intervals.

    Args:
        rows: name, fact, and its unit: one of ``text.KINDS`` or a word.
        title: above the table.
    """
    numbers = (Column(header, justify="right") for header in ("value", "95 % interval", "n"))
    table = Table("fact", *numbers, title=title, **PLAIN)
    for name, fact, unit in rows:
        kind = unit if unit in text.KINDS else "number"
        label = f"{name} ({unit})" if unit and kind != unit else name
        table.add_row(escape(label), *map(escape, text.cells(fact, kind)))
    return table


def record_table(record: Record) -> Table:
    """Return the table of a record's facts: measure, coordinates and unit in words.

    Texts for programs are left out.
    """
    study, rows = study_of(record.study), []
    for entry in record.facts.entries():
        if isinstance(entry.value.value, str) and len(entry.value.value) > LONG:
            continue
        words = [entry.measure.replace("_", " "), *(f"{k} {v}" for k, v in entry.coords.items())]
        unit = study.unit(entry.measure, *map(str, entry.coords.values()))
        rows.append((", ".join(words), entry.value, unit))
    return facts_table(rows, f"Facts of {record.study}")


def locations_table(rows: list[Location]) -> Table:
    """Return a table of data files and where they were found."""
    size = Column("bytes", justify="right")
    table = Table("data set", "file", size, "found in", "official", title="Data", **PLAIN)
    for row in rows:
        official = "not here" if row.path is None else "yes" if row.verified else "NO"
        table.add_row(row.dataset, row.file, f"{row.size:,}", row.place, official)
    return table


def show(*tables: Table) -> None:
    """Print tables on standard output, as wide as a page where there is no terminal."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    for table in tables:
        console.print(table)
