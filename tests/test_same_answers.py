"""The answers are those of the reference, bit for bit, where the machine is the same.

The whole comparison, five studies on both data sets, is ``make same``: it takes minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import same_answers
from firstlight.cli import main

REFERENCE = json.loads(same_answers.REFERENCE.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_study_of_the_quick_lab_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if REFERENCE["machine"] != same_answers.machine():
        pytest.skip("the reference was made on another processor or with other libraries")
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "cache"))
    assert main(["run", "perceptron", "--out", str(tmp_path / "run")]) == 0
    new = same_answers.groups(same_answers.hashes(tmp_path / "run")["perceptron"])
    assert same_answers.differences(new, REFERENCE["runs"]["digits"]["perceptron"]) == []


def test_a_change_of_one_bit_is_seen(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    folders = [tmp_path / seed for seed in "ab"]
    for folder, seed in zip(folders, ("0", "1"), strict=True):
        arguments = ["run", "perceptron", "--repeats", "20", "--seed", seed, "--out", str(folder)]
        assert main(arguments) == 0
    command = [sys.executable, same_answers.__file__, str(folders[0]), "--with"]
    for other, status in zip(folders, (0, 1), strict=True):
        done = subprocess.run(
            [*command, str(other)], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == status, done.stdout
