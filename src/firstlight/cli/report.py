"""``firstlight report DIR``: the page again, from records alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from firstlight.cli.arguments import check_folder, parse
from firstlight.cli.help import Help


@dataclass(frozen=True)
class Report:
    """Make the page of a run folder again, from its records alone; nothing is run."""

    dir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """The run folder: it holds one folder for each study."""


def _help() -> Help:
    return Help(
        "firstlight report DIR",
        f"{Report.__doc__}",
        {"firstlight report runs/quick-seed0": "the page of a lab"},
        {"arguments": (Report, ("dir",))},
        {"dir": "DIR"},
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    place = parse(Report, arguments, "firstlight report", _help).dir
    check_folder(place, "DIR")

    from firstlight.cli.progress import progress
    from firstlight.report import page

    with progress("page") as report:
        path = page.write(place, report)
    print(f"page: {path.resolve()}")
    return 0
