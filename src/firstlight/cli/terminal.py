"""What a person at the terminal sees: progress while it runs, tables when it is done."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from firstlight import text
from firstlight.data.sources import Location
from firstlight.record import Fact, Record
from firstlight.types import Progress

PLAIN: dict[str, Any] = {"title_justify": "left", "box": None, "pad_edge": False}
"""The look of a table without lines."""


def say(words: str) -> None:
    """Tell the person something, on standard error, so that standard output stays the answer."""
    print(words, file=sys.stderr, flush=True)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar in a terminal, a line for each quarter elsewhere."""
    console = Console(stderr=True)
    quarters, tasks = dict[str, int](), dict[str, bars.TaskID]()

    def lines(label: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if quarter > quarters.get(label, 0):
            quarters[label] = quarter
            say(f"{title}: {label} {25 * quarter} %")

    if not console.is_terminal:
        yield lines
        return
    remaining = bars.TaskProgressColumn(), bars.TimeRemainingColumn()
    columns = bars.TextColumn("{task.description}"), bars.BarColumn(), *remaining
    with bars.Progress(*columns, console=console, transient=True) as bar:

        def report(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(f"{title}: {label}", total=total)
            bar.update(tasks[label], completed=done, total=total)

        yield report


def facts_table(facts: Iterable[tuple[str, Fact]], title: str) -> Table:
    """Return a table of facts with their intervals, by name."""
    numbers = (Column(header, justify="right") for header in ("value", "95 % interval", "n"))
    table = Table("fact", *numbers, title=title, **PLAIN)
    for name, fact in facts:
        table.add_row(escape(name), *map(escape, text.cells(fact)))
    return table


def answers_table(records: list[Record]) -> Table:
    """Return a table of every question's verdict."""
    table = Table("question", "answer", title="Answers", title_justify="left", show_lines=True)
    for record in records:
        for question, verdict in record.verdicts.items():
            table.add_row(question, escape(verdict.headline))
    return table


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
