"""``firstlight data list|fetch``: the data sets, where they were found, and fetching them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from firstlight.cli.common import check_folder, parse
from firstlight.errors import DataError

ACTIONS = "usage: firstlight data list [--data DIR] | firstlight data fetch [NAME …]"
Name = Literal["mnist", "fashion-mnist"]


@dataclass(frozen=True)
class List:
    """List every data file, where it was found and whether it is the official one."""

    data: Path | None = None
    """A folder with the data sets; otherwise the known places are searched."""


@dataclass(frozen=True)
class Fetch:
    """Fetch data sets from the public mirrors into the cache; what is there is kept."""

    names: Annotated[tuple[Name, ...], tyro.conf.Positional] = ("mnist", "fashion-mnist")
    """Which data sets."""


def _list(arguments: list[str]) -> None:
    place = parse(List, arguments, "firstlight data list").data
    check_folder(place, "--data")

    from firstlight.cli.terminal import locations_table, show
    from firstlight.data.official import SETS
    from firstlight.data.sources import locate

    rows = [row for name in SETS for row in locate(name, place)]
    show(locations_table(rows))
    for row in rows:
        if row.problem is not None:
            raise DataError(row.problem)


def _fetch(arguments: list[str]) -> None:
    options = parse(Fetch, arguments, "firstlight data fetch")

    from firstlight.cli.terminal import progress
    from firstlight.data.download import fetch

    for name in options.names:
        with progress(name) as report:
            place = fetch(name, report)
        print(f"{name}: {place}")


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    action, rest = arguments[0] if arguments else None, arguments[1:]
    if action in ("-h", "--help"):
        print(ACTIONS)
    elif action == "list":
        _list(rest)
    elif action == "fetch":
        _fetch(rest)
    else:
        got = "none" if action is None else repr(action)
        raise DataError(f"data: expected list or fetch, got {got}; see 'firstlight data --help'")
    return 0
