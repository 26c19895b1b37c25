"""What ``--help`` prints: every option with unit, range and default, in groups, with examples."""

import ast
import inspect
import math
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from firstlight.studies.cyclical.config import CyclicalConfig

MARGIN = 24
"""Where the words about an option begin."""

WIDEST = 100

PRESETS = """\
presets, with the time that all five studies together take on 2 cores:
  quick   about 7 minutes: every question, on few images
  class   about 1 hour, estimated: more seeds, more images, longer trainings
  full    days: the assignment's own numbers on all 70,000 images of each set, which are fetched
          if need be; 'cyclical' alone trains on about {images:.0f} million images"""


@dataclass(frozen=True)
class Help:
    """What ``--help`` says of one command.

    Args:
        usage: how the command is called.
        about: what it does, in paragraphs.
        examples: command line → what it does.
        groups: title → whose fields the group's options are, a dataclass or an instance that holds
            the defaults; and the fields' names.
        heads: field → how its option is written, where name and type do not say it.
        notes: further text, printed as it is.
    """

    usage: str
    about: str
    examples: Mapping[str, str]
    groups: Mapping[str, tuple[Any, Iterable[str]]]
    heads: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the text, as wide as the terminal."""
        width = min(WIDEST, shutil.get_terminal_size().columns)
        about = inspect.cleandoc(self.about).split("\n\n")
        parts = [f"usage: {self.usage}", *(textwrap.fill(part, width) for part in about)]
        longest = max(map(len, self.examples))
        lines = [f"  {line:<{longest}}  {words}" for line, words in self.examples.items()]
        parts.append("\n".join(["examples:", *lines]))
        parts += self.notes
        for title, (owner, names) in self.groups.items():
            rows = [_row(owner, name, self.heads.get(name), width) for name in names]
            parts.append("\n".join([f"{title}:", *rows]))
        return "\n\n".join(parts)


def presets() -> str:
    """Return what each preset is and how long it takes."""
    full: Any = CyclicalConfig.preset("full")
    return PRESETS.format(images=full.images_trained / 1e6)


def flag(name: str) -> str:
    """Return a field's name as it is typed.

    Example:
        >>> flag("train_points")
        '--train-points'
    """
    return f"--{name.replace('_', '-')}"


@cache
def described(kind: type) -> dict[str, str]:
    """Return field → the text below it, of a dataclass and its bases."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__[:-1]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for line, below in pairwise(body):
            match line, below:
                case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                    found[name] = " ".join(words.split())
    return found


def _row(owner: Any, name: str, head: str | None, width: int) -> str:
    """Return the lines about one option."""
    kind = owner if isinstance(owner, type) else type(owner)
    spec = {each.name: each for each in fields(kind)}[name]
    default = spec.default if owner is kind else getattr(owner, name)
    words = f"{described(kind)[name]}{_choices(spec)}{_default(spec, default)}"
    head = "  " + (head or f"{flag(name)} {_value(spec.type)}").rstrip()
    text = textwrap.fill(words, width, initial_indent=" " * MARGIN, subsequent_indent=" " * MARGIN)
    return f"{head:<{MARGIN}}{text.lstrip()}" if len(head) < MARGIN - 1 else f"{head}\n{text}"


def _value(kind: Any) -> str:
    """Return what stands for a value of a type: ``N``, ``quick|class|full``; nothing for a switch."""
    if get_origin(kind) is tuple:
        one = get_args(kind)[0]
        return "NAME …" if get_origin(one) is Literal else f"{_value(one)} …"
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {bool: "", int: "N", float: "X"}[kind]


def _choices(spec: Field[Any]) -> str:
    names = spec.metadata.get("choices")
    return f" Any of {', '.join(names)}." if names else ""


def _default(spec: Field[Any], value: Any) -> str:
    """Return `` (default 20 points; from 2 to 10000)``, or nothing where the words say it."""
    about = spec.metadata
    if value is None or value is MISSING or value is False or value == ():
        return ""
    unit = f" {about['unit']}" if about.get("unit") else ""
    default = "all" if value == about.get("choices") else f"{_typed(value)}{unit}"
    if "low" not in about:
        return f" (default {default})"
    low, high = _typed(about["low"]), about["high"]
    limits = f"at least {low}" if math.isinf(high) else f"from {low} to {_typed(high)}"
    return f" (default {default}; {limits})"


def _typed(value: Any) -> str:
    """Return a value as a person types it."""
    if isinstance(value, tuple):
        return " ".join(map(_typed, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
