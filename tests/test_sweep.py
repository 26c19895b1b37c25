"""Trials: stored one by one, never run twice, the same in processes and threads."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep_work
from firstlight.context import Context
from firstlight.data import load
from firstlight.errors import DataError, FolderError, TrialError
from firstlight.record.store import TrialResult, claim, identity, read_trial, write_trial
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.sweep import run_trials
from sweep_work import Square, square


def specs(log: Path, *numbers: int, fail: str = "", sleep: float = 0) -> dict[str, Square]:
    return {f"t{x}": Square(x, str(log), fail, sleep) for x in numbers}


def made(**facts: float) -> TrialResult:
    result = TrialResult()
    for name, value in facts.items():
        result.facts.put(name, value)
    return result


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_trials_are_stored_and_never_run_again(tmp_path: Path, executor: str) -> None:
    log, seen, before = tmp_path / "log", [], dict(os.environ)
    context = Context(folder=tmp_path / "run", progress=lambda *call: seen.append(call))
    first = run_trials(square, specs(log, 3, 1, 2), context, executor=executor)
    assert list(first) == ["t3", "t1", "t2"]
    assert [r.facts.get("square") for r in first.values()] == [9, 1, 4]
    assert all(r.facts.get("threads") == 1 for r in first.values())
    assert sorted(p.name for p in (tmp_path / "run" / "trials").iterdir()) == [
        "t1.safetensors",
        "t2.safetensors",
        "t3.safetensors",
    ]
    again = run_trials(square, specs(log, 3, 1, 2), context, executor=executor)
    assert sorted(log.read_text().split()) == ["1", "2", "3"]
    for name, result in first.items():
        assert again[name].facts == result.facts
        assert again[name].seconds == result.seconds
        copies = (r.arrays.get("x", kind="copy") for r in (again[name], result))
        np.testing.assert_array_equal(*copies)
    assert seen[-1] == ("trials", 100, 100)
    assert dict(os.environ) == before


def test_one_worker_runs_in_the_calling_thread(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    context = Context(progress=lambda *call: seen.append(call))
    trials = specs(tmp_path / "log", 1, 2)
    results = run_trials(square, trials, context, executor="threads", workers=1)
    assert [r.facts.get("square") for r in results.values()] == [1, 4]
    assert seen == [("trials", share, 100) for share in (0, 25, 50, 75, 100)]


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_the_data_set_travels_in_the_context(tmp_path: Path, executor: str) -> None:
    dataset = load("mnist", "embedded")
    context = Context(dataset=dataset)
    results = run_trials(square, specs(tmp_path / "log", 1), context, executor=executor)
    assert [r.facts.get("images") for r in results.values()] == [len(dataset.train_images)]


def test_what_ran_is_noted_for_provenance(tmp_path: Path) -> None:
    context = Context(folder=tmp_path)
    trials = specs(tmp_path / "log", 1, 2, sleep=0.1)
    for _ in range(2):  # a finished trial counts with the time that it took
        run_trials(square, trials, context, label="squares", workers=2)
    first, second = context.done
    assert (first.label, first.trials, first.workers, first.kind) == ("squares", 2, 2, "processes")
    assert first.seconds == second.seconds >= 0.2


def test_a_missing_trial_alone_is_run(tmp_path: Path) -> None:
    log, context = tmp_path / "log", Context(folder=tmp_path)
    own = identity(specs(log, 1)["t1"], None, "cpu")
    write_trial(tmp_path / "trials" / "t1.safetensors", own, made(square=1))
    results = run_trials(square, specs(log, 1, 2), context)
    assert log.read_text().split() == ["2"]
    assert results["t1"].facts.get("square") == 1


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
    with pytest.raises(error) as caught:  # one worker finishes the first before the second fails
        run_trials(square, trials, context, workers=1)
    assert words in str(caught.value)
    assert (tmp_path / "trials" / "t1.safetensors").exists()
    assert not (tmp_path / "trials" / "t2.safetensors").exists()


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"broken"),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: write_trial(path, {"x": 5}, TrialResult()),
    ],
)
def test_a_broken_or_foreign_trial_is_refused_by_name(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    path = tmp_path / "t.safetensors"
    write_trial(path, {"x": 1}, made(a=1.5))
    assert read_trial(path, {"x": 1}) == made(a=1.5)
    harm(path)
    with pytest.raises(FolderError, match=r"t\.safetensors"):
        read_trial(path, {"x": 1})


def test_a_trial_is_its_whole_config_the_data_and_the_device() -> None:
    config = RegularizationConfig(seed=3, arms=("plain",))
    one = identity(replace(Square(1), log=config), "MNIST 01", "cpu")  # type: ignore[arg-type]  # any value
    assert one["log"] == config.as_dict()
    assert (one["data"], one["device"]) == ("MNIST 01", "cpu")


def test_a_folder_belongs_to_one_config(tmp_path: Path) -> None:
    claim(tmp_path / "run", {"config": {"seed": 0, "arms": ["plain"]}, "data": "MNIST"})
    claim(tmp_path / "run", {"config": {"seed": 0, "arms": ["plain"]}, "data": "MNIST"})
    with pytest.raises(FolderError, match=r"config\.seed: 0 there, 1 here.*choose another --out"):
        claim(tmp_path / "run", {"config": {"seed": 1, "arms": ["plain"]}, "data": "MNIST"})
    (tmp_path / "run" / "run.json").write_text("not json")
    with pytest.raises(FolderError, match="delete it"):
        claim(tmp_path / "run", {"config": {}})


SCRIPT = """
import signal
import sys
from pathlib import Path
from firstlight.context import Context
from firstlight.sweep import run_trials
from sweep_work import Square, square
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup's children would ignore it
    folder = Path(sys.argv[1])
    trials = {f"t{x}": Square(x, sleep=0 if x == 1 else 60) for x in (1, 2, 3)}
    run_trials(square, trials, Context(folder=folder))
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
    path = os.pathsep.join(
        [str(Path(sweep_work.__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
    environment = {**os.environ, "PYTHONPATH": path, "MARK": str(tmp_path)}
    command = [sys.executable, str(script), str(tmp_path)]
    stored = tmp_path / "trials" / "t1.safetensors"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as running:
        try:
            deadline = time.monotonic() + 60
            while not stored.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            running.send_signal(how)
            running.communicate(timeout=20)
        finally:
            running.kill()  # one that lives on would fail a later test, by a warning about it
    deadline = time.monotonic() + 20
    while _children_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _children_of(tmp_path) == []
    assert [p.name for p in (tmp_path / "trials").iterdir()] == [stored.name]
