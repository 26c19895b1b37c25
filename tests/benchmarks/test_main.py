"""The command that runs a benchmark."""

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import perceptron


def test_it_prints_the_table_of_the_comparison_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(perceptron, "run", lambda data: f"table of {data}")
    command.main(["perceptron", "--data", str(tmp_path)])
    assert capsys.readouterr().out == f"table of {tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["speed"], "perceptron"), (["ensemble", "--data", "nowhere"], "folder")],
)
def test_bad_arguments_are_named(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("name", command.NAMES)
def test_every_name_is_a_file(name: str) -> None:
    assert Path(command.__file__).with_name(f"{name}.py").is_file()
