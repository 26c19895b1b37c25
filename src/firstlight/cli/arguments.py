"""Arguments into dataclasses, and what is wrong with them in the words that were typed."""

import contextlib
import difflib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import tyro

from firstlight.cli.help import flag
from firstlight.errors import ConfigError

T = TypeVar("T")

WORDS = {
    r"Error parsing ": "",
    r"invalid literal for int\(\) with base 10:": "expected a whole number, got",
    r"could not convert string to float:": "expected a number, got",
    r"Missing value for argument '(\S+)'. Expected .*": r"\1: expected a value, got none",
    r"invalid choice (\S+) for argument '(\S+)'. Expected one of \((.*)\)":
        r"\2: expected one of \3, got \1",
    r"Missing from .*?: (\S+) .*": r"\1: expected a value, got none",
}  # fmt: skip  # pairs, one a line
"""What stands in messages of tyro and Python → what is printed instead."""


def parse(
    kind: Callable[..., T], arguments: list[str], prog: str, help_text: Callable[[], object]
) -> T:
    """Return the dataclass ``kind`` filled from ``arguments``.

    Args:
        kind: a dataclass.
        arguments: as typed.
        prog: the command, for messages.
        help_text: returns what --help prints.

    Raises:
        ConfigError: an argument is unknown, missing or not of its kind.
        SystemExit: help was asked for and printed.
    """
    if {"-h", "--help"} & set(arguments):
        print(help_text())
        raise SystemExit(0)
    box, names = io.StringIO(), list(option_names(kind))
    try:
        with contextlib.redirect_stderr(box), options_as_typed(names):
            return tyro.cli(kind, prog=prog, args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit:
        # The message is the first paragraph in tyro's frame, below its title.
        lines = [line.strip("╭╰│╮╯ ") for line in box.getvalue().splitlines()[1:]]
        paragraph = takewhile(_has_words, dropwhile(lambda line: not _has_words(line), lines))
        words = " ".join(paragraph).rstrip(".") or "the arguments do not fit"
    unknown = words.removeprefix("Unrecognized options: ")
    if unknown != words:
        raise ConfigError(_unknown(unknown.split(", "), names, prog))
    for theirs, ours in WORDS.items():
        words = re.sub(theirs, ours, words)
    raise ConfigError(f"{words.strip()}; see '{prog} --help'")


def _has_words(line: str) -> bool:
    """Return whether a line is no rule of a frame."""
    return line.strip("-─ ") != ""


def option_names(kind: Any) -> Iterator[str]:
    """Return the names of a dataclass's fields, and of those of the dataclasses in it."""
    for field in fields(kind):
        inner = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        yield from option_names(inner) if is_dataclass(inner) else [field.name]


def _unknown(words: list[str], names: Iterable[str], prog: str) -> str:
    """Return the message about what is no option, without the values behind it."""
    flags = [word.partition("=")[0] for word in words if word.startswith("-")] or words[:1]
    close = difflib.get_close_matches(flags[0], list(map(flag, names)), 1, 0.7)
    meant = f"did you mean {close[0]}? " if close else ""
    kind = "option" if flags[0].startswith("-") else "argument"
    none = f"no such {kind}" if len(flags) == 1 else f"no such {kind}s"
    return f"{', '.join(flags)}: {none}; {meant}see '{prog} --help'"


@contextlib.contextmanager
def options_as_typed(names: Iterable[str]) -> Iterator[None]:
    """Let an error about a field name the option: ``train_points`` becomes ``--train-points``.

    Args:
        names: the fields that have options.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(as_typed(str(error), names)) from error


def as_typed(message: str, names: Iterable[str]) -> str:
    """Return a message about fields as one about options.

    A name of several words is one wherever it stands; a name of one word, such as ``epochs``, only
    where the message is about it.

    Example:
        >>> as_typed("batch_sizes[1]: expected at least 2 epochs; change epochs", ["batch_sizes", "epochs"])
        '--batch-sizes (value 2): expected at least 2 epochs; change --epochs'
    """
    for name in names:
        if "_" in name:
            message = re.sub(rf"\b{name}\b", flag(name), message)
        else:
            message = re.sub(rf"^{name}\b(?=[:\[])|(?<=change ){name}$", flag(name), message)
            message = re.sub(rf"(?<=give ){name}\b", flag(name), message)
    message = re.sub(r"^(--\S+)\[(\d+)\]", lambda m: f"{m[1]} (value {int(m[2]) + 1})", message)
    return re.sub(r"(--\S+)\[\d+\]", r"\1", message)


def check_folder(path: Path | None, option: str, expected: str = "a folder") -> None:
    """Raise ``ConfigError`` where the user named something that is no folder."""
    if path is not None and not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise ConfigError(f"{option}: expected {expected}, got {path} ({found}); check the path")


def check_source(data: Path | None) -> None:
    """Raise ``ConfigError`` where --data names neither a folder nor one of its two words."""
    if str(data) not in ("official", "embedded"):
        check_folder(data, "--data", "a folder, official or embedded")
