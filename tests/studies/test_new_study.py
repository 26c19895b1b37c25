"""A study is one folder and one entry of the registry; nothing else knows of it."""

import json
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import sample_study
from firstlight.cli import main
from firstlight.record import load
from firstlight.studies import REGISTRY
from firstlight.studies.study import Study


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the sample study under another name in a temporary folder, registered."""
    package = tmp_path / "packages" / "toy_study"
    shutil.copytree(Path(sample_study.__file__).parent, package)
    for file in package.iterdir():
        if file.suffix == ".py":
            text = file.read_text(encoding="utf-8")
            text = text.replace("sample_study", "toy_study").replace('"sample"', '"toy"')
            file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.chdir(tmp_path)
    config = import_module("toy_study.config").SampleConfig
    monkeypatch.setitem(REGISTRY, "toy", Study(config))
    yield tmp_path
    for name in [m for m in sys.modules if m.split(".")[0] == "toy_study"]:
        del sys.modules[name]


def test_its_parameters_are_options(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "toy", "--help"])
    assert stop.value.code in (0, None)
    text = capsys.readouterr().out
    assert "--train-points" in text
    assert "--repeats" in text


def test_it_runs_and_leaves_a_record(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "toy", "--repeats", "50", "--out", "run", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdicts"]["1.1"]["outcome"] == "answered"
    assert printed["facts"]["accuracy.hinge"]["n"] == 50
    record = load(toy / "run" / "toy")
    assert record.data["accuracy"].dims == ("set", "epoch")


def test_it_has_its_part_of_the_page(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "toy", "--out", "run"]) == 0
    html = (toy / "run" / "index.html").read_text(encoding="utf-8")
    assert html.count("<figure>") == 2
    assert "A single set may differ" in html
    assert (toy / "run" / "toy" / "wide.svg").exists()
    assert "1.1" in capsys.readouterr().out
