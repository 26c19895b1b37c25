"""Code for readers: a function, method or class as it stands in the package, read and never run."""

import ast
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PACKAGE = "firstlight"

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_FOR_TOOLS = re.compile(r"#\s*(fmt:|type:|noqa|pyright:|pragma:)")


@dataclass(frozen=True)
class Source:
    """A piece of the package's code: where it stands, and its lines without the docstring."""

    path: str
    name: str
    line: int
    text: str


@cache
def read(path: str, name: str) -> Source:
    """Return the code of one function, method or class of the package.

    The file is parsed, not imported. Docstrings and comments for tools are left out, the
    indentation of a method too.

    Args:
        path: the file, from the folder that holds the package: ``"firstlight/stats.py"``.
        name: a function, class or method: ``"mean"``, ``"LeNet5.forward"``.

    Raises:
        ValueError: there is no such file in the package, or no such name in the file.

    Example:
        >>> print(read("firstlight/text.py", "sentence").text)
        def sentence(text: str) -> str:
            return text[:1].upper() + text[1:]
    """
    lines = _lines(path)
    node = _find(path, "\n".join(lines), name)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    hidden = {number for inner in ast.walk(node) for number in _docstring(inner)}
    kept = [
        lines[number - 1]
        for number in range(first, (node.end_lineno or first) + 1)
        if number not in hidden
    ]
    text = _without_comments_for_tools(textwrap.dedent("\n".join(kept)))
    return Source(path, name, first, re.sub(r"\n(\s*\n)+", "\n\n", text).strip("\n"))


def _lines(path: str) -> list[str]:
    package, _, inside = path.partition("/")
    file = files(PACKAGE).joinpath(inside)
    if package != PACKAGE or not inside.endswith(".py") or not file.is_file():
        raise ValueError(f"code: expected a file such as 'firstlight/stats.py', got {path!r}")
    return file.read_text(encoding="utf-8").splitlines()


def _find(path: str, text: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef:
    node: ast.AST = ast.parse(text)
    for part in re.findall(r"[^.]+", name):
        there = {n.name: n for n in ast.iter_child_nodes(node) if isinstance(n, _DEFINITIONS)}
        if part not in there:
            known = ", ".join(there) or "no function and no class"
            raise ValueError(f"code: {path}: expected one of {known}, got {part!r} of {name!r}")
        node = there[part]
    assert isinstance(node, _DEFINITIONS)  # the name has at least one part
    return node


def _docstring(node: ast.AST) -> range:
    """Return the numbers of the lines of a definition's docstring."""
    if not isinstance(node, _DEFINITIONS) or ast.get_docstring(node) is None:
        return range(0)
    first = node.body[0]
    return range(first.lineno, (first.end_lineno or first.lineno) + 1)


def _without_comments_for_tools(text: str) -> str:
    """Return the code without ``# noqa`` and its like, which mean nothing to a reader."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
        if token.type == tokenize.COMMENT and _FOR_TOOLS.match(token.string):
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)
