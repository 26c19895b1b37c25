"""The rooms of the house: a file imports only from rooms above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import firstlight
from firstlight.studies import STUDIES

SOURCE = Path(firstlight.__file__).parent
LEVELS = (
    ("__init__", "errors"),
    ("configs", "seeds", "context", "files", "record"),
    ("stats", "provenance", "store"),
    (
        "data", "models", "linear", "margin_loop", "margin_kernel", "init", "meanfield", "probe",
        "schedules", "guard",
    ),
    ("train", "ensemble", "ranges"),
    ("sweep",),
    ("studies",),
    ("figures",),
    ("report",),
    ("bench",),
    ("cli",),
)  # fmt: skip
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def imports_of(text: str) -> set[str]:
    """Return every module of firstlight that a source text imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "firstlight":
                found |= {f"firstlight.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "firstlight"}


def upward(room: str, text: str) -> set[str]:
    """Return the imports in ``text`` that run to a room below its own."""
    rooms = {name.split(".")[1] for name in imports_of(text) if "." in name}
    known = {name for name in rooms if name in LEVEL}
    return {name for name in known if LEVEL[name] > LEVEL[room]}


def test_every_file_has_a_room() -> None:
    assert {room_of(file) for file in FILES} <= set(LEVEL)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_no_import_runs_upward(file: Path) -> None:
    assert upward(room_of(file), file.read_text(encoding="utf-8")) == set()


def test_the_rule_catches_an_upward_import() -> None:
    assert upward("stats", "from firstlight.cli import main") == {"cli"}
    assert upward("record", "def f():\n    from firstlight import report") == {"report"}


@pytest.mark.parametrize(
    "file", sorted((SOURCE / "studies").glob("[a-z]*.py")), ids=lambda f: f.stem
)
def test_studies_do_not_import_each_other(file: Path) -> None:
    names = {p.stem for p in (SOURCE / "studies").glob("[a-z]*.py")}
    studies = (name.replace("-", "_") for name in STUDIES)
    study = next((name for name in studies if file.stem.startswith(name)), file.stem)
    own = {name for name in names if name.startswith(study)}
    used = {
        name.split(".")[2]
        for name in imports_of(file.read_text(encoding="utf-8"))
        if name.startswith("firstlight.studies.")
    }
    assert used <= own


@pytest.mark.parametrize("file", sorted((SOURCE / "figures").glob("*.py")), ids=lambda f: f.stem)
def test_figures_use_records_and_statistics_only(file: Path) -> None:
    rooms = {n.split(".")[1] for n in imports_of(file.read_text(encoding="utf-8")) if "." in n}
    assert rooms <= {"record", "stats", "figures", "files"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_only_the_command_line_prints_or_parses(file: Path) -> None:
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    if room_of(file) != "cli":
        assert not names & {"tyro", "rich", "argparse"}
    assert not names & {"pickle"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import firstlight", {"torch", "numpy", "tyro"}),
        ("import firstlight.configs", {"torch", "numpy", "tyro"}),
        ("import firstlight.report", {"torch"}),
        ("import firstlight.record.record", {"torch", "scipy", "matplotlib"}),
        ("import firstlight.sweep", {"torch"}),
        ("import firstlight.cli", {"torch", "numpy", "tyro"}),
    ],
)
def test_imports_stay_light(statement: str, forbidden: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & forbidden
