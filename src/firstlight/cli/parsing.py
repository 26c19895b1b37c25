"""Arguments into dataclasses, with one clear line where they do not fit."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tyro

from firstlight.errors import ConfigError

T = TypeVar("T")

_BOX = re.compile(r"^[╭╰│─╮╯|\s]+|[╭╰│─╮╯|\s]+$")


def _one_line(box: str, prog: str) -> str:
    """Return the first paragraph of tyro's framed message as one line."""
    words = []
    for line in box.splitlines()[1:]:
        text = _BOX.sub("", line)
        if not text:
            break
        words.append(text)
    said = " ".join(words) or "the arguments do not fit"
    said = said.replace("Error parsing ", "").replace(
        "invalid literal for int() with base 10:", "expected a whole number, got"
    )
    said = said.replace("could not convert string to float:", "expected a number, got")
    return f"{said.rstrip('.')}; see '{prog} --help'"


def parse(kind: Callable[..., T], arguments: list[str], prog: str, default: Any = None) -> T:
    """Return the dataclass ``kind`` filled from ``arguments``.

    Raises:
        ConfigError: an argument is unknown, missing or not of its kind.
        SystemExit: help was asked for and printed.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                kind,
                prog=prog,
                args=arguments,
                default=default,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ConfigError(_one_line(box.getvalue(), prog)) from None


def folder(path: Path | None, option: str) -> Path | None:
    """Return an existing folder given by the user, or raise ``ConfigError``."""
    if path is not None and not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise ConfigError(f"{option}: expected a folder, got {path} ({found}); check the path")
    return path
