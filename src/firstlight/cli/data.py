"""``firstlight data list|fetch``: the data sets, where they were found, and fetching them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from firstlight.cli.arguments import check_source, parse
from firstlight.errors import DataError

USAGE = """usage: firstlight data [list] [--data DIR]
       firstlight data fetch [NAME …]

list says where the files of MNIST and Fashion-MNIST lie and whether they are the official ones;
fetch brings all 70,000 images of each into the cache.

A study takes its images from the first of these places that has them:
  1. what --data names, or else the variable FIRSTLIGHT_DATA:
       a folder    with mnist/ and fashion-mnist/, or torchvision's folders: the official files;
                   the one in --data must have them, the one in FIRSTLIGHT_DATA may lack a set
       official    all 70,000 images: from the places 2 and 3, else from the public mirrors
       embedded    the images of place 4
  2. the cache (FIRSTLIGHT_CACHE names another folder for it)
  3. Debian's packages, /usr/share/datasets
  4. firstlight itself: 6,000 training and 2,000 test images of each set, as many of each class

Nothing is fetched but by fetch, by official and by the preset full, which means official where
neither --data nor FIRSTLIGHT_DATA names anything else."""
Name = Literal["mnist", "fashion-mnist"]


@dataclass(frozen=True)
class List:
    """List every data file, where it was found and whether it is the official one."""

    data: Path | None = None
    """A folder with the official files; otherwise the known places are searched."""


@dataclass(frozen=True)
class Fetch:
    """Fetch all images of the data sets from the public mirrors into the cache; what is there is
    kept."""

    names: Annotated[tuple[Name, ...], tyro.conf.Positional] = ("mnist", "fashion-mnist")
    """Which data sets."""


def _list(arguments: list[str]) -> None:
    source = parse(List, arguments, "firstlight data list", lambda: USAGE).data
    check_source(source)

    from firstlight.cli.terminal import locations_table, show
    from firstlight.data.official import SETS
    from firstlight.data.sources import locate

    rows = [row for name in SETS for row in locate(name, source)]
    show(locations_table(rows))
    for row in rows:
        if row.problem is not None:
            raise DataError(row.problem)


def _fetch(arguments: list[str]) -> None:
    options = parse(Fetch, arguments, "firstlight data fetch", lambda: USAGE)

    from firstlight.cli.progress import progress
    from firstlight.data.download import fetch

    for name in options.names:
        with progress(name, "bytes") as report:
            place = fetch(name, report)
        print(f"{name}: {place}")


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    action, rest = arguments[0] if arguments else "list", arguments[1:]
    if action in ("-h", "--help"):
        print(USAGE)
    elif action == "list" or action.startswith("--data"):
        _list(rest if action == "list" else arguments)
    elif action == "fetch":
        _fetch(rest)
    else:
        raise DataError(
            f"data: expected list or fetch, got {action!r}; see 'firstlight data --help'"
        )
    return 0
