"""The rules of the house, read from the code; ``make map`` prints what they are read from."""

import ast
import subprocess
import sys

import pytest

import house
from firstlight.studies import REGISTRY

MODULES = sorted(house.modules())
STUDIES = [study.config.__module__.removesuffix(".config") for study in REGISTRY.values()]


def test_every_file_has_a_room() -> None:
    assert {house.room_of(module) for module in MODULES} - {""} <= set(house.FLOOR)


@pytest.mark.parametrize("module", [m for m in MODULES if house.room_of(m)])
def test_no_import_runs_upward(module: str) -> None:
    assert house.upward(house.room_of(module), house.tree(module)) == set()


def test_the_rule_catches_an_upward_import() -> None:
    assert house.upward("stats", ast.parse("from firstlight.cli import main")) == {"cli"}
    code = "def f():\n    from firstlight import report"
    assert house.upward("record", ast.parse(code)) == {"report"}


def test_rooms_and_modules_form_no_circle() -> None:
    assert house.circles(house.arrows()) == []
    assert house.circles(house.module_arrows()) == []
    assert house.circles({"a": {"b"}, "b": {"a"}}) != []


def test_the_house_is_small_enough_to_know() -> None:
    assert len(house.FLOOR) - 1 <= 25  # python -m is no room
    assert len(MODULES) <= 165
    assert sum(house.lines().values()) <= 27_000  # code, templates, style sheet


def test_few_modules_have_a_single_importer() -> None:
    parts = [m for m in MODULES if house.modules()[m].name != "__init__.py"]
    assert len(house.single()) <= len(parts) / 9, house.single()


@pytest.mark.parametrize("study", STUDIES)
def test_studies_do_not_import_each_other(study: str) -> None:
    for module in (m for m in MODULES if m.startswith(f"{study}.")):
        used = {
            n for n in house.imports_in(house.tree(module)) if n.startswith("firstlight.studies.")
        }
        shared = {"firstlight.studies.study", "firstlight.studies.labels"}
        assert all(name.startswith(study) or name in shared for name in used), module


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_the_same_files(study: str) -> None:
    folder = house.modules()[study].parent
    expected = {"config.py", "labels.py", "run.py", "answers.py", "figures.py", "page.html"}
    assert expected <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("name", ["config", "labels"])
def test_configs_and_labels_need_the_standard_library_only(study: str, name: str) -> None:
    tree = house.tree(f"{study}.{name}")
    roots = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert roots <= set(sys.stdlib_module_names) | {"firstlight"}


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_prints_or_parses(module: str) -> None:
    names = {
        name.split(".")[0]
        for node in ast.walk(house.tree(module))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    if house.room_of(module) != "cli":
        assert not names & {"tyro", "rich", "argparse"}
    assert not names & {"pickle"}


OUTSIDE = [
    m for m in MODULES if house.room_of(m) in ("studies", "report", "plotting", "cli", "sweep")
]
"""The modules that see records; names of parameters and modules have dots too, elsewhere."""


@pytest.mark.parametrize("module", OUTSIDE)
def test_names_of_facts_are_made_and_read_in_record_only(module: str) -> None:
    assert house.dotted_names(house.tree(module)) == []


def test_the_rule_catches_dotted_names() -> None:
    for code in (
        'facts["test_accuracy.plain"]', 'f"{name}.{arm}"', 'name.split(".")', '".".join(parts)',
        'name.startswith("gamma.")', 'facts.get(f"curve.{arm}")',
    ):  # fmt: skip
        assert house.dotted_names(ast.parse(code)), code


def words_in(module: str) -> set[str]:
    """Return the texts of several words that a module writes down, docstrings left out."""
    nodes = list(ast.walk(house.tree(module)))
    described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = (n for n in nodes if isinstance(n, ast.Constant) and id(n) not in described)
    words = {n.value for n in texts if isinstance(n.value, str)}
    return {text for text in words if " " in text.strip() and len(text) > 7}


@pytest.mark.parametrize("study", STUDIES)
def test_labels_are_written_down_once(study: str) -> None:
    labels = words_in(f"{study}.labels")
    shown = [
        m for m in MODULES if m.startswith(study) or house.room_of(m) in ("report", "plotting")
    ]
    for module in (m for m in shown if m != f"{study}.labels"):
        assert not words_in(module) & labels, module
    for file in house.SOURCE.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not [label for label in labels if f'"{label}"' in text], file.name


@pytest.mark.parametrize("code", ["⁻⁰¹²³⁴⁵⁶⁷⁸⁹", r"p < 0.0001"])
def test_numbers_are_formatted_in_one_file(code: str) -> None:
    files = [f for f in house.SOURCE.rglob("*.py") if code in f.read_text(encoding="utf-8")]
    assert [f.name for f in files] == ["text.py"]


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import firstlight", {"torch", "numpy", "tyro"}),
        ("import firstlight.studies", {"torch", "numpy", "tyro"}),
        ("import firstlight.report", {"torch"}),
        ("import firstlight.record", {"torch", "scipy", "matplotlib", "pandas", "xarray"}),
        ("import firstlight.sweep", {"torch"}),
        ("import firstlight.cli", {"torch", "numpy", "tyro"}),
    ],
)
def test_imports_stay_light(statement: str, forbidden: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & forbidden
