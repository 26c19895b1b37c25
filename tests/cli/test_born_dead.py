"""The command ``born-dead``: its JSON, its words for a person, and its errors."""

import json
import subprocess
import sys

import pytest

from firstlight.cli import main

SHORT = ["--width", "2", "--networks", "500"]
KEYS = ["probability", "low", "high", "exact", "lower_bound", "upper_bound", "networks"]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, float | None]:
    assert main(["born-dead", *arguments, "--networks", "2000", "--json"]) == 0
    found: dict[str, float | None] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_answers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--width", "2", "--depth", "3")
    assert list(found) == KEYS
    assert found["exact"] == found["lower_bound"] == 0.15625
    assert found["networks"] == 2000
    assert (found["low"] or 1) < (found["probability"] or 0) < (found["high"] or 0)
    assert found == answer(capsys, "--width", "2", "--depth", "3", "--seed", "0")


@pytest.mark.parametrize(
    ("more", "unknown"),
    [
        (["--init", "he"], {"exact"}),
        (["--init", "xavier", "--inputs", "2"], {"exact", "lower_bound"}),
        (["--init", "torch"], {"exact", "lower_bound"}),
        (["--init", "orthogonal"], {"exact", "lower_bound"}),
        (["--init", "rai"], {"exact", "lower_bound", "upper_bound"}),
    ],
)
def test_what_no_theory_tells_is_null(
    more: list[str], unknown: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "--width", "3", "--depth", "4", *more)
    assert {key for key, value in found.items() if value is None} == unknown


def test_the_command_tells_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["born-dead", *SHORT, "--depth", "10", "--inputs", "3"]) == 0
    said = capsys.readouterr().out
    assert "upper bound" in said
    assert "exact" not in said
    assert "sampled at 256 points" in said
    assert "width 10 or more" in said
    assert main(["born-dead", *SHORT, "--depth", "4", "--init", "rai"]) == 0
    said = capsys.readouterr().out
    assert "No bound is known for rai" in said
    assert "sampled" not in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--width 0 --depth 3", "width: expected from 1 to 1000, got 0"),
        ("--width 2 --depth 1", "depth: expected from 2 to 1000, got 1"),
        ("--width 2 --depth 3 --inputs 0", "inputs: expected from 1"),
        ("--width 2 --depth 3 --networks 0", "networks: expected from 1"),
        ("--width 2 --depth 3 --seed -1", "seed: expected from 0, got -1"),
        ("--width 2 --depth 3 --risk 1", "risk: expected between 0 and 1, got 1.0"),
        ("--width 2 --depth 3 --risk nan", "risk: expected between 0 and 1, got nan"),
        ("--width 1000 --depth 1000", "choose a smaller shape"),
        ("--width two --depth 3", "expected a whole number, got 'two'"),
        ("--width 2 --depth 3 --init normal", "'normal'"),
        ("--width 2", "--depth"),
    ],
)
def test_bad_input_gets_one_clear_line(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["born-dead", *line.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("firstlight: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_the_command_needs_no_torch() -> None:
    code = (
        "import sys; from firstlight.cli import main\n"
        "main('born-dead --width 2 --depth 3 --networks 100 --json'.split())\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
