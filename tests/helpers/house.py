"""The map of the package, read from its code: ``python tests/helpers/house.py`` (``make map``) prints it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "firstlight"

FLOORS = (
    ("errors", "types", "torch_private"),
    ("record", "seeds", "config"),
    ("text", "stats"),
    ("data", "models", "margin", "init", "meanfield", "probing", "schedules", "guard", "plotting"),
    ("train", "ensemble", "context"),
    ("ranges", "sweep"),
    ("studies",),
    ("report",),
    ("cli", "__main__"),
)
"""The rooms, floor by floor: a file imports from its own floor or from those before it."""

FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    return {_name(file): file for file in sorted(SOURCE.rglob("*.py"))}


def _name(file: Path) -> str:
    parts = ("firstlight", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room of a module: what comes after the package's name; "" for the package."""
    return [*module.split("."), ""][1]


@cache
def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports_in(code: ast.AST) -> Iterator[str]:
    """Yield every module of the package that the code imports, lazily or not."""
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else node.module for name in whole]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "firstlight")


def importers() -> dict[str, set[str]]:
    """Return the modules that import each module."""
    found: dict[str, set[str]] = {name: set() for name in modules()}
    for module in modules():
        for name in imports_in(tree(module)):
            if name in found and name != module:
                found[name].add(module)
    return found


def single() -> dict[str, str]:
    """Return every module that exactly one other imports, with that one."""
    return {
        module: next(iter(users))
        for module, users in importers().items()
        if len(users) == 1 and modules()[module].name != "__init__.py"
    }


def upward(room: str, code: ast.AST) -> set[str]:
    """Return the rooms on a higher floor from which the code imports."""
    rooms = {room_of(name) for name in imports_in(code)} & set(FLOOR)
    return {name for name in rooms if FLOOR[name] > FLOOR[room]}


def arrows() -> dict[str, set[str]]:
    """Return room → the rooms from which it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        room = room_of(module)
        if room:
            found[room] |= {room_of(name) for name in imports_in(tree(module))} - {room, ""}
    return dict(found)


def module_arrows() -> dict[str, set[str]]:
    """Return module → the modules that it imports, packages' own ``__init__`` left out.

    An ``__init__`` only passes names on, so an import of it counts as one of where they come from.
    """
    inits = {m for m, f in modules().items() if f.name == "__init__.py"}
    return {m: set(imports_in(tree(m))) - inits - {m} for m in modules() if m not in inits}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return what imports each other, directly or through others: the paths back to a start."""
    found = []
    for start in graph:
        path, seen = [(start, iter(sorted(graph[start])))], {start}
        while path:
            following = next(path[-1][1], None)
            if following is None:
                path.pop()
            elif following == start:
                found.append([name for name, _ in path])
            elif following not in seen:
                seen.add(following)
                path.append((following, iter(sorted(graph.get(following, ())))))
    return found


NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_{}]+)+")


def dotted_names(code: ast.AST) -> list[str]:
    """Return where code builds, splits or writes down a dotted name, such as a fact has on disk.

    Module names, file names and attributes of libraries are none: what counts is a subscript, a
    call of get, find, value or put, a join or split at a dot, and a text of names joined by dots.
    """
    found = []
    for node in ast.walk(code):
        if isinstance(node, ast.Subscript) and _is_name(node.slice):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method, given = node.func.attr, node.args[:1]
            reads = method in ("get", "find", "value", "put", "has", "select")
            if reads and given and _is_name(given[0]):
                found.append(ast.unparse(node))
            cuts = method in ("split", "rsplit", "startswith", "endswith", "removeprefix")
            if cuts and given and _ends_with_dot(given[0]) and not _is_module(node.func.value):
                found.append(ast.unparse(node))
            if method == "join" and _text(node.func.value) == ".":
                found.append(ast.unparse(node))
        elif isinstance(node, ast.JoinedStr):
            module = "__module__" in ast.unparse(node)
            if not module and re.fullmatch(r"(\w|\{\})+(\.\{\})+", _shape(node)):
                found.append(ast.unparse(node))
    return found


def _is_module(node: ast.AST) -> bool:
    """Say whether the text that is cut is the name of a module."""
    return isinstance(node, ast.Attribute) and node.attr in ("__module__", "__name__")


def _text(node: ast.AST) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _shape(node: ast.JoinedStr) -> str:
    """Return a formatted text with ``{}`` in the place of each value."""
    return "".join(_text(part) or "{}" for part in node.values)


def _is_name(node: ast.AST) -> bool:
    shape = _shape(node) if isinstance(node, ast.JoinedStr) else _text(node)
    return shape is not None and NAME.fullmatch(shape) is not None


def _ends_with_dot(node: ast.AST) -> bool:
    shape = _shape(node) if isinstance(node, ast.JoinedStr) else _text(node)
    return shape is not None and shape.endswith(".")


def lines() -> dict[str, int]:
    """Return the lines of every file of the package, templates and style sheets included."""
    files = [f for f in SOURCE.rglob("*") if f.suffix in (".py", ".html", ".css")]
    return {
        str(f.relative_to(SOURCE)): f.read_text(encoding="utf-8").count("\n") for f in sorted(files)
    }


def main() -> None:
    """Print the rooms, floor by floor, and what the rules count."""
    size, many = lines(), defaultdict(int)
    for module in modules():
        many[room_of(module)] += 1
    for floor, rooms in enumerate(FLOORS):
        for room in rooms:
            count = sum(n for f, n in size.items() if re.split(r"[/.]", f)[0] == room)
            uses = ", ".join(sorted(arrows().get(room, ())))
            print(f"{floor}  {room:<11} {many[room]:>3} files {count:>6} lines  ← {uses}")
    alone = single()
    parts = [m for m, f in modules().items() if f.name != "__init__.py"]
    print(f"rooms {len(FLOOR) - 1}, files {len(modules())}, lines {sum(size.values())}")
    print(f"modules with exactly one importer: {len(alone)} of {len(parts)}")
    for module, user in alone.items():
        print(f"  {module} ← {user}")
    print(
        f"imports that run upward: {[m for m in modules() if room_of(m) and upward(room_of(m), tree(m))]}"
    )
    print(f"circles: {circles(arrows()) + circles(module_arrows())}")


if __name__ == "__main__":
    main()
