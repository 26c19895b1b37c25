"""Code on the page: what the package runs, read and not run."""

import ast
import sys
from collections.abc import Iterator

import pytest
from jinja2 import nodes

from firstlight.report import page
from firstlight.report.source import read
from firstlight.studies import REGISTRY

LONGEST = 40
"""Lines that a reader may be shown at once."""


def calls() -> Iterator[tuple[str, str, str]]:
    """Every (study, file, name) that a template shows."""
    for name, study in REGISTRY.items():
        for call in page.environment().parse(study.page()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "code":
                path, shown = (argument.as_const() for argument in call.args[:2])
                yield name, path, shown


@pytest.mark.parametrize(("study", "path", "name"), list(calls()))
def test_every_code_of_every_page_is_there_and_short(study: str, path: str, name: str) -> None:
    text = read(path, name).text
    assert 1 < len(text.splitlines()) <= LONGEST, f"{study}: {len(text.splitlines())} lines"
    tree = ast.parse(text)
    assert ast.get_docstring(tree.body[0]) is None  # type: ignore[arg-type]  # a definition


def test_every_problem_shows_code() -> None:
    assert {study for study, _, _ in calls()} == set(REGISTRY)


def test_a_method_is_dedented_and_has_no_docstring() -> None:
    shown = read("firstlight/record/facts.py", "Facts.value")
    assert shown.text == (
        "def value(self, measure: str, /, **coords: Label) -> float:\n"
        "    return float(self.get(measure, **coords))"
    )
    assert shown.line > 1


def test_decorators_stay_and_comments_for_tools_go() -> None:
    assert read("firstlight/record/record.py", "Record.data").text.startswith("@cached_property")
    text = read("firstlight/record/record.py", "_array").text
    assert "fmt:" not in text
    assert text.endswith("}")


def test_a_class_has_none_of_its_docstrings() -> None:
    text = read("firstlight/record/facts.py", "Fact").text
    assert '"""' not in text
    assert "low: float | None = None" in text


def test_nothing_is_imported() -> None:
    before = set(sys.modules)
    read("firstlight/studies/cyclical/trials.py", "plan")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("firstlight/nothing.py", "a", "expected a file such as .* got 'firstlight/nothing.py'"),
        ("other/stats.py", "mean", "got 'other/stats.py'"),
        ("firstlight/../../pyproject.toml", "a", "got 'firstlight/../../pyproject.toml'"),
        ("firstlight/record/facts.py", "Facts.sum", "expected one of value, pair, table, to_frame"),
        ("firstlight/errors.py", "Nothing", "expected one of FirstlightError"),
    ],
)
def test_an_unknown_name_is_an_error_that_says_what_there_is(
    path: str, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(path, name)
