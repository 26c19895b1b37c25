import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from firstlight.context import Context
from firstlight.record.provenance import cores
from firstlight.errors import DataError, FolderError, TrialError
from firstlight.record.store import TrialResult as Result
from firstlight.record.store import claim, read_trial, write_trial
from firstlight.sweep import run_trials

WORK = "sweep_work:square"


def specs(log: Path, *numbers: int, **extra: object) -> dict[str, dict[str, object]]:
    return {f"t{x}": {"x": x, "log": str(log), **extra} for x in numbers}


def test_trials_are_stored_and_never_run_again(tmp_path: Path) -> None:
    log, seen, before = tmp_path / "log", [], dict(os.environ)
    context = Context(folder=tmp_path / "run", progress=lambda *call: seen.append(call))
    first = run_trials(WORK, specs(log, 3, 1, 2), context)
    assert list(first) == ["t3", "t1", "t2"]
    assert [r.facts["square"] for r in first.values()] == [9, 1, 4]
    assert all(r.facts["threads"] == 1 for r in first.values())
    assert sorted(p.name for p in (tmp_path / "run" / "trials").iterdir()) == [
        "t1.safetensors",
        "t2.safetensors",
        "t3.safetensors",
    ]
    again = run_trials(WORK, specs(log, 3, 1, 2), context)
    assert sorted(log.read_text().split()) == ["1", "2", "3"]
    for name, result in first.items():
        assert again[name].facts == result.facts
        assert np.array_equal(again[name].arrays["x"], result.arrays["x"])
    assert seen[-1] == ("trials", 100, 100)
    assert dict(os.environ) == before


def test_a_missing_trial_alone_is_run(tmp_path: Path) -> None:
    log, context = tmp_path / "log", Context(folder=tmp_path)
    write_trial(
        tmp_path / "trials" / "t1.safetensors", specs(log, 1)["t1"], Result({"square": 1}, {})
    )
    results = run_trials(WORK, specs(log, 1, 2), context)
    assert log.read_text().split() == ["2"]
    assert results["t1"].facts == {"square": 1}


@pytest.mark.parametrize(
    ("fail", "error", "words"),
    [
        ("value", TrialError, "trial t2: ValueError('the loss is not finite'); finished trials"),
        ("data", DataError, "expected 10, got 9"),
        ("die", TrialError, "its process ended"),
    ],
)
def test_a_failure_keeps_what_was_done(
    tmp_path: Path, fail: str, error: type[Exception], words: str
) -> None:
    log, context = tmp_path / "log", Context(folder=tmp_path)
    trials = specs(log, 1) | specs(log, 2, fail=fail, sleep=1)
    if cores() > 1:  # let the first finish before the second fails
        run_trials(WORK, specs(log, 1), context)
    with pytest.raises(error) as caught:
        run_trials(WORK, trials, context)
    assert words in str(caught.value)
    assert (tmp_path / "trials" / "t1.safetensors").exists()
    assert not (tmp_path / "trials" / "t2.safetensors").exists()


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"broken"),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: write_trial(path, {"x": 5}, Result({}, {})),
    ],
)
def test_a_broken_or_foreign_trial_is_refused_by_name(tmp_path: Path, harm: object) -> None:
    path = tmp_path / "t.safetensors"
    write_trial(path, {"x": 1}, Result({"a": 1.5}, {"v": np.arange(3.0)}))
    assert read_trial(path, {"x": 1}) is not None
    harm(path)  # type: ignore[operator]
    with pytest.raises(FolderError, match=r"t\.safetensors"):
        read_trial(path, {"x": 1})


def test_a_folder_belongs_to_one_config(tmp_path: Path) -> None:
    claim(tmp_path / "run", {"config": {"seed": 0, "arms": ["plain"]}, "data": "MNIST"})
    claim(tmp_path / "run", {"config": {"seed": 0, "arms": ["plain"]}, "data": "MNIST"})
    with pytest.raises(FolderError, match=r"config\.seed: 0 there, 1 here.*choose another --out"):
        claim(tmp_path / "run", {"config": {"seed": 1, "arms": ["plain"]}, "data": "MNIST"})
    (tmp_path / "run" / "run.json").write_text("not json")
    with pytest.raises(FolderError, match="delete it"):
        claim(tmp_path / "run", {"config": {}})


SCRIPT = """
import sys
from pathlib import Path
from firstlight.context import Context
from firstlight.sweep import run_trials
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    trials = {f"t{x}": {"x": x, "sleep": 0 if x == 1 else 60} for x in (1, 2, 3)}
    run_trials("sweep_work:square", trials, Context(folder=folder))
"""


def _children_of(folder: Path) -> list[str]:
    """Return the command lines of the processes whose arguments or environment name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads processes from /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_an_interrupted_sweep_leaves_its_trials_and_no_process(tmp_path: Path, how: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "MARK": str(tmp_path)}
    running = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment, stderr=subprocess.PIPE
    )
    stored = tmp_path / "trials" / "t1.safetensors"
    deadline = time.monotonic() + 60
    while not stored.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(how)
    running.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while _children_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _children_of(tmp_path) == []
    assert [p.name for p in (tmp_path / "trials").iterdir()] == [stored.name]
