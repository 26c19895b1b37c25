"""Arguments into dataclasses, with one clear line where they do not fit."""

import contextlib
import io
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import tyro

from firstlight.errors import ConfigError

T = TypeVar("T")

WORDS = {
    "Error parsing ": "",
    "invalid literal for int() with base 10:": "expected a whole number, got",
    "could not convert string to float:": "expected a number, got",
}
"""What stands in messages of tyro and Python → what is printed instead."""


def parse(kind: Callable[..., T], arguments: list[str], prog: str) -> T:
    """Return the dataclass ``kind`` filled from ``arguments``.

    Raises:
        ConfigError: an argument is unknown, missing or not of its kind.
        SystemExit: help was asked for and printed.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(kind, prog=prog, args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # The message is the first paragraph in tyro's frame.
        lines = (line.strip("╭╰│─╮╯| ") for line in box.getvalue().splitlines()[1:])
        words = " ".join(takewhile(bool, lines)) or "the arguments do not fit"
        for theirs, ours in WORDS.items():
            words = words.replace(theirs, ours)
        raise ConfigError(f"{words.rstrip('.')}; see '{prog} --help'") from None


def check_folder(path: Path | None, option: str) -> None:
    """Raise ``ConfigError`` where the user named something that is no folder."""
    if path is not None and not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise ConfigError(f"{option}: expected a folder, got {path} ({found}); check the path")
