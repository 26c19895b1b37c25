"""``lab`` and ``run``: the answers and the page, and what one takes from the other."""

import os
import time
from pathlib import Path

import pytest

from firstlight.cli import common, main
from firstlight.errors import RecordError
from firstlight.record import load
from firstlight.studies import REGISTRY
from firstlight.text import tie

SMALL = ["--repeats", "20", "--test-points", "50", "--max-epochs", "200"]


def never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "firstlight.studies.study.Study.run", lambda *_: pytest.fail("it ran again")
    )


@pytest.mark.usefixtures("_small")
def test_lab_prints_a_line_for_each_question_and_then_where_the_page_is(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "perceptron", "--out", "run"]) == 0
    *answers, last = capsys.readouterr().out.splitlines()
    page = place / "run" / "index.html"
    assert last == f"page: {page.resolve()}"
    assert [line[:4] for line in answers] == [f"1.{n} " for n in (1, 2, 3, 4)]
    assert {line[4:6] for line in answers} <= {"✓ ", "= ", "? "}
    written = page.read_bytes()
    page.unlink()
    assert main(["report", "run"]) == 0
    assert page.read_bytes() == written


def test_run_makes_its_page_too_and_full_prints_all_there_is(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "perceptron", *SMALL, "--out", "run"]) == 0
    *answers, last = capsys.readouterr().out.splitlines()
    assert (len(answers), last) == (4, f"page: {(place / 'run/index.html').resolve()}")
    assert main(["run", "perceptron", *SMALL, "--out", "run", "--full"]) == 0
    full = capsys.readouterr().out
    assert {*answers, last} <= set(full.splitlines())
    assert "\nearly, quantity epochs (epochs) " in full
    difference = next(
        s for s in full.splitlines() if s.startswith("accuracy, criterion difference")
    )
    assert "\u202fpoints" in difference
    assert "20 training sets of 20 points" in full
    record = load(place / "run" / "perceptron")
    for paragraph in (p for each in REGISTRY["perceptron"].remarks(record).values() for p in each):
        assert tie(paragraph) in full


@pytest.mark.usefixtures("_small", "_code_is_old")
def test_a_page_that_is_newer_than_its_records_is_not_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lab", "perceptron", "--out", "run"]) == 0
    monkeypatch.setattr("firstlight.report.page.write", lambda *_: pytest.fail("it was made again"))
    assert main(["lab", "perceptron", "--out", "run"]) == 0
    monkeypatch.setattr(common, "newest_source", lambda *_: time.time_ns())
    with pytest.raises(pytest.fail.Exception, match="made again"):
        main(["lab", "perceptron", "--out", "run"])


LAB, RUN = ["lab", "perceptron"], ["run", "perceptron", "--json"]


@pytest.mark.usefixtures("_small", "_code_is_old")
@pytest.mark.parametrize(("first", "second"), [(RUN, LAB), (LAB, RUN)], ids=["lab", "run"])
def test_what_the_other_command_has_computed_is_taken_from_there(
    first: list[str], second: list[str], place: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip  # arguments in two lines
    assert main(first) == 0
    (one,) = (place / "runs").glob("*/perceptron")
    with monkeypatch.context() as patch:
        never_runs(patch)
        assert main(second) == 0
    assert "the same run is finished in runs" in capsys.readouterr().err
    (other,) = set((place / "runs").glob("*/perceptron")) - {one}
    for file in ("record.json", "arrays.safetensors", "run.json"):
        assert (one / file).read_bytes() == (other / file).read_bytes()
    assert not [path for path in other.iterdir() if path.name.startswith(".")]


@pytest.mark.usefixtures("_small", "_code_is_old")
@pytest.mark.parametrize(
    "change",
    ["another seed", "another version", "not finished", "broken", "unreadable", "newer code"],
)
def test_nothing_else_is_taken(
    change: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(RUN) == 0
    (one,) = (place / "runs").glob("*/perceptron")
    if change == "another version":
        monkeypatch.setattr("firstlight.__version__", "0.0")
    if change == "not finished":
        (one / "record.json").unlink()
    if change == "broken":
        (one / "arrays.safetensors").write_bytes(b"x")
    if change == "unreadable":
        (one / "run.json").write_bytes(b"\xff")
    if change == "newer code":
        monkeypatch.setattr(common, "newest_source", lambda *_: time.time_ns())
    capsys.readouterr()
    out = ["--out", "elsewhere", *(["--seed", "1"] if change == "another seed" else [])]
    assert main([*RUN, *out]) == 0
    assert "finished in" not in capsys.readouterr().err


@pytest.mark.usefixtures("_small", "_code_is_old")
def test_a_record_that_cannot_be_taken_whole_is_not_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(RUN) == 0
    real, calls = os.replace, list[str]()

    def replace(source: str, target: Path) -> None:
        calls.append(target.name)
        if target.name == "record.json":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("os.replace", replace)
    assert main([*RUN, "--out", "elsewhere"]) == 2
    assert calls == ["run.json", "arrays.safetensors", "record.json"]
    left = {path.name for path in (place / "elsewhere" / "perceptron").iterdir()}
    assert left == {"run.json", "arrays.safetensors"}
    monkeypatch.undo()
    with pytest.raises(RecordError):
        load(place / "elsewhere" / "perceptron")
