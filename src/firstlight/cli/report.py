"""``firstlight report DIR``: the page again, from records alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from firstlight.cli.common import check_folder, parse


@dataclass(frozen=True)
class Report:
    """Make the page of a run folder again, from its records alone; nothing is run."""

    dir: Annotated[Path, tyro.conf.Positional]
    """The run folder: it holds one folder for each study."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    place = parse(Report, arguments, "firstlight report").dir
    check_folder(place, "DIR")

    from firstlight.report import page

    print(f"report: {page.write(place).resolve()}")
    return 0
