"""What a user imports: seen by editors and type checkers, described, with examples that run."""

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import firstlight
import house

SNIPPET = """
import torch
from torch import nn
import firstlight
from firstlight import Fact, Record, ensemble, initialize, load, probe, ranges, restored, schedules

model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
initialize(model, "he", generator=torch.Generator().manual_seed(0))
with probe(model) as p:
    model(torch.ones(4, 2)).sum().backward()
rows = p.table()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
step = ranges.ModelStep(model, optimizer, nn.functional.mse_loss)
batches = [(torch.ones(8, 2), torch.zeros(8, 1))]
with restored(model, optimizer):
    curve = ranges.learning_rate(step, batches, low=1e-3, high=0.3, candidates=5)
rate: schedules.Schedule = schedules.triangle(0.1, 1.0, 100)
network = ensemble.Network(widths=(1, 2, 1), activation="relu")
classifier = firstlight.MarginClassifier(margin=1.0)


def accuracy(record: Record) -> float:
    fact: Fact = record.facts.get("accuracy", criterion="hinge")
    return float(fact) + float(record.facts.value("accuracy", criterion="hinge"))


loaded = load
"""


@pytest.fixture(scope="module")
def snippet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's file."""
    path = tmp_path_factory.mktemp("user") / "use.py"
    path.write_text(SNIPPET)
    return path


def test_the_snippet_runs(snippet: Path) -> None:
    subprocess.run([sys.executable, str(snippet)], check=True, timeout=120)


CHECKED = """
[mypy]
strict = True

[mypy-jinja2.*,matplotlib.*,numba.*,pandas.*,torch.*,xarray.*]
follow_imports = skip
"""
"""Strict, but for the types of large libraries: pyright, which is quicker, sees those as well."""


@pytest.mark.slow
def test_mypy_accepts_a_users_file(snippet: Path) -> None:
    (snippet.parent / "mypy.ini").write_text(CHECKED)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(snippet)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=snippet.parent, check=False)
    assert done.stdout == ""


@pytest.mark.slow
def test_pyright_accepts_a_users_file(snippet: Path) -> None:
    (snippet.parent / "pyrightconfig.json").write_text('{"typeCheckingMode": "basic"}')
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, str(snippet)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=snippet.parent, check=False)
    assert done.returncode == 0, done.stdout


def test_the_names_of_the_package_are_there_and_listed() -> None:
    assert dir(firstlight) == firstlight.__all__ == sorted(firstlight.__all__)
    for name in firstlight.__all__:
        assert getattr(firstlight, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = firstlight.nothing


def test_a_module_never_replaces_its_own_class() -> None:
    for name in house.modules():
        if not name.endswith("__main__"):
            assert type(import_module(name)) is ModuleType


def public() -> dict[str, object]:
    """Return every class and function that a package's ``__init__`` hands on."""
    found = {}
    for module, file in house.modules().items():
        if file.name == "__init__.py" and house.room_of(module) not in ("cli", ""):
            names = vars(import_module(module)).items()
            things = {k: v for k, v in names if inspect.isclass(v) or inspect.isfunction(v)}
            mine = {k: v for k, v in things.items() if not k.startswith("_")}
            found |= {
                f"{module}.{k}": v for k, v in mine.items() if v.__module__.startswith(module)
            }
    return found


def test_python_m_firstlight_is_the_command() -> None:
    command = [sys.executable, "-m", "firstlight", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"firstlight {firstlight.__version__}\n"


def described(thing: object) -> str:
    """Return the docstring of a function, or of a class and what it holds."""
    parts = [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]
    return "\n".join(inspect.getdoc(part) or "" for part in parts)


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_name_is_described_with_a_running_example(name: str) -> None:
    """What a function returns may refer to the example of that function, of the same room."""
    text = described(public()[name])
    other = re.search(r"Example: see ``(\w+)``", text)
    if other is not None:
        text = described(public()[f"{name.rpartition('.')[0]}.{other[1]}"])
    assert ">>>" in text
