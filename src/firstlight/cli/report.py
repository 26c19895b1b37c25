"""``firstlight report DIR``: the page again, from records alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from firstlight.cli.parsing import folder, parse


@dataclass(frozen=True)
class Report:
    """Make the page of a run folder again, from its records alone; nothing is run."""

    dir: Annotated[Path, tyro.conf.Positional]
    """The run folder: it holds one folder for each study."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(Report, arguments, "firstlight report")
    place = folder(options.dir, "DIR")

    from firstlight.report import page as report
    from firstlight.cli.terminal import show_place

    show_place("report", report.write(place or Path()).resolve())
    return 0
