"""``firstlight data list|fetch``: the data sets, where they were found, and fetching them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from firstlight.cli.parsing import folder, parse
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


def _list(arguments: list[str]) -> int:
    options = parse(List, arguments, "firstlight data list")
    place = folder(options.data, "--data")

    from firstlight import data
    from firstlight.cli.terminal import locations_table, show

    rows = [row for name in data.SETS for row in data.locate(name, place)]
    show(locations_table(rows))
    for row in rows:
        if row.problem is not None:
            raise DataError(row.problem)
    return 0


def _fetch(arguments: list[str]) -> int:
    options = parse(Fetch, arguments, "firstlight data fetch")

    from firstlight import data
    from firstlight.cli.terminal import progress, show_place

    for name in options.names:
        with progress(name) as report:
            place = data.fetch(name, report)
        show_place(name, place)
    return 0


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(ACTIONS)
        return 0
    actions = {"list": _list, "fetch": _fetch}
    if not arguments or arguments[0] not in actions:
        got = repr(arguments[0]) if arguments else "none"
        raise DataError(f"data: expected list or fetch, got {got}; see 'firstlight data --help'")
    return actions[arguments[0]](arguments[1:])
