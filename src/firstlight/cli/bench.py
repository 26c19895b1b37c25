"""``firstlight bench NAME``: a part of firstlight timed against the plain way of doing it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import tyro

from firstlight.cli.parsing import folder, parse


@dataclass(frozen=True)
class Bench:
    """Time a part of firstlight against the plain way of doing it, in one run.

    Leave the machine alone meanwhile: a busy second core makes every figure worthless.
    """

    name: Annotated[
        Literal["perceptron", "regularization", "ensemble", "probe", "ranges", "cyclical"],
        tyro.conf.Positional,
    ]
    """Which comparison."""
    data: Path | None = None
    """A folder with the data sets; otherwise the known places are searched."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(Bench, arguments, "firstlight bench")
    data = folder(options.data, "--data")
    print(import_module(f"firstlight.bench.{options.name}").run(data=data))
    return 0
