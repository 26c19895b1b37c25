"""What a person at the terminal sees: progress while it runs, tables when it is done."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich import progress as rich_progress
from rich.table import Table

from firstlight import text
from firstlight.data import Location
from firstlight.record import Fact, Record
from firstlight.types import Progress


def say(words: str) -> None:
    """Tell the person something, on standard error, so that standard output stays the answer."""
    print(words, file=sys.stderr, flush=True)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar in a terminal, a line for each quarter elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        tasks = {}

        def report(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(f"{title}: {label}", total=total)
            bar.update(tasks[label], completed=done, total=total)

        yield report


def _lines(title: str) -> Progress:
    said: dict[str, int] = {}

    def report(label: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if quarter > said.get(label, 0):
            said[label] = quarter
            say(f"{title}: {label} {25 * quarter} %")

    return report


def facts_table(facts: Iterable[tuple[str, Fact]], title: str) -> Table:
    """Return a table of facts with their intervals, by name."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for header in ("fact", "value", "95 % interval", "n"):
        table.add_column(header, justify="left" if header == "fact" else "right")
    for name, fact in facts:
        table.add_row(escape(name), *map(escape, text.cells(fact)))
    return table


def answers_table(records: list[Record]) -> Table:
    """Return a table of every question's verdict."""
    table = Table(title="Answers", title_justify="left", show_lines=True)
    table.add_column("question")
    table.add_column("answer")
    for record in records:
        for question, verdict in record.verdicts.items():
            table.add_row(question, escape(verdict.headline))
    return table


def show(*tables: Table) -> None:
    """Print tables on standard output, as wide as a page where there is no terminal."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    for table in tables:
        console.print(table)


def show_place(name: str, path: Path) -> None:
    """Print where something lies, alone on its line, so that it can be copied."""
    print(f"{name}: {path}")


def locations_table(rows: list[Location]) -> Table:
    """Return a table of data files and where they were found."""
    table = Table(title="Data", title_justify="left", box=None, pad_edge=False)
    for header in ("data set", "file", "bytes", "found in", "official"):
        table.add_column(header, justify="right" if header == "bytes" else "left")
    for row in rows:
        official = "not here" if row.path is None else "yes" if row.verified else "NO"
        table.add_row(row.dataset, row.file, f"{row.size:,}", row.place, official)
    return table
