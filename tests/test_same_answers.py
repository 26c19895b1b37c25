"""The comparison of two folders of answers sees a change of one bit."""

import os
import subprocess
import sys
from pathlib import Path

import same_answers
from firstlight.cli import main


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
