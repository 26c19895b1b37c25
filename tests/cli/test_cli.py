"""The command line as a person meets it: answers, one clear line for bad input, exit codes."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight.cli import main
from firstlight.record import load

SMALL = ["--repeats", "20", "--test-points", "50", "--max-epochs", "200"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def small_run(place: Path) -> None:
    assert main(["run", "perceptron", *SMALL, "--out", "run", "--json"]) == 0


def never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "firstlight.studies.study.Study.run", lambda *_: pytest.fail("it ran again")
    )


def idx(magic: int, *sizes: int, body: int) -> bytes:
    header = magic.to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in sizes)
    return gzip.compress(header + bytes(body), 1)


def data_folder(name: str, content: bytes) -> Callable[[Path], None]:
    """Return a preparation: the four MNIST files, one of which holds ``content``."""

    def prepare(place: Path) -> None:
        folder = place / "data" / "mnist"
        folder.mkdir(parents=True)
        for file in (
            "train-images-idx3",
            "train-labels-idx1",
            "t10k-images-idx3",
            "t10k-labels-idx1",
        ):
            good = idx(2049, 0, body=0) if "labels" in file else idx(2051, 0, 28, 28, body=0)
            (folder / f"{file}-ubyte.gz").write_bytes(content if file == name else good)

    return prepare


def spoil(file: str, content: bytes | None) -> Callable[[Path], None]:
    """Return a preparation: a finished run with one file overwritten or removed."""

    def prepare(place: Path) -> None:
        small_run(place)
        target = place / "run" / "perceptron" / file
        target.unlink() if content is None else target.write_bytes(content)

    return prepare


def nothing(_place: Path) -> None:
    """Prepare nothing."""


def empty_folder(place: Path) -> None:
    (place / "empty").mkdir()


def a_file(place: Path) -> None:
    (place / "file").write_text("x")


LAB_DATA = ["lab", "regularization", "--data", "data", "--out", "out"]
IMAGES = "train-images-idx3"
TABLE: dict[str, tuple[list[str], Callable[[Path], None], str]] = {
    "no command": ([], nothing, "expected one of lab, run"),
    "unknown command": (["train"], nothing, "got 'train'"),
    "unknown study": (["lab", "vanishing"], nothing, "got 'vanishing'"),
    "unknown preset": (["lab", "--preset", "slow"], nothing, "--preset: expected one of 'quick'"),
    "negative seed": (["lab", "--seed", "-1"], nothing, "--seed: expected from 0 to 4,294,967,295"),
    "seed no number": (["lab", "--seed", "x"], nothing, "expected a whole number, got 'x'"),
    "unknown lab option": (
        ["lab", "--sed", "1"],
        nothing,
        "firstlight: --sed: no such option; did you mean --seed? see 'firstlight lab --help'",
    ),
    "run no study": (["run"], nothing, "got none"),
    "run unknown study": (["run", "nothing"], nothing, "got 'nothing'"),
    "out of range": (
        ["run", "perceptron", "--train-points", "0"],
        nothing,
        "--train-points: expected from 2 to 10,000 points, got 0; change --train-points",
    ),
    "a value of a list out of range": (
        ["run", "cyclical", "--batch-sizes", "64", "1", "128", "256", "512"],
        nothing,
        "--batch-sizes (value 2): expected from 2 to 65,536 images, got 1; change --batch-sizes",
    ),
    "two options at odds": (
        ["run", "cyclical", "--batch-sizes", "64", "32", "128", "256", "512"],
        nothing,
        "firstlight: --batch-sizes: expected at least 5 sizes in rising order",
    ),
    "fraction for a count": (["run", "perceptron", "--repeats", "1.5"], nothing, "1.5"),
    "rate not a number": (["run", "perceptron", "--learning-rate", "nan"], nothing, "got nan"),
    "rate negative": (["run", "perceptron", "--learning-rate", "-1"], nothing, "got -1.0"),
    "rate infinite": (["run", "perceptron", "--learning-rate", "inf"], nothing, "got inf"),
    "missing value": (["run", "perceptron", "--repeats"], nothing, "--repeats: expected a value"),
    "unknown option": (
        ["run", "perceptron", "--bogus", "3"],
        nothing,
        "firstlight: --bogus: no such option; see 'firstlight run perceptron --help'",
    ),
    "unknown options": (
        ["run", "perceptron", "--bogus", "3", "--other=4"],
        nothing,
        "firstlight: --bogus, --other: no such options; see",
    ),
    "stray word": (["run", "perceptron", "now"], nothing, "now: no such argument; see"),
    "run unknown preset": (["run", "perceptron", "--preset", "slow"], nothing, "'slow'"),
    "unknown arm": (["run", "regularization", "--arms", "l2"], nothing, "'l2'"),
    "arm twice": (["run", "regularization", "--arms", "plain", "plain"], nothing, "once"),
    "share too large": (
        ["run", "regularization", "--validation-share", "0.9"],
        nothing,
        "--validation-share: expected from 0.02 to 0.5",
    ),
    "no such data folder": (["lab", "--data", "nowhere"], nothing, "no such folder"),
    "data folder is a file": (["lab", "--data", "file"], a_file, "a file"),
    "unknown data action": (["data", "delete"], nothing, "expected list or fetch, got 'delete'"),
    "unknown data set": (["data", "fetch", "cifar"], nothing, "'cifar'"),
    "data folder lacks the set": (
        ["run", "regularization", "--data", "empty"],
        empty_folder,
        "train-images-idx3-ubyte",
    ),
    "data no gzip": (LAB_DATA, data_folder(IMAGES, b"not gzip"), "train-images-idx3-ubyte.gz"),
    "data empty file": (LAB_DATA, data_folder(IMAGES, b""), "train-images-idx3-ubyte.gz"),
    "data truncated": (
        LAB_DATA,
        data_folder(IMAGES, idx(2051, 60_000, 28, 28, body=5_000)[:40]),
        "train-images-idx3-ubyte.gz",
    ),
    "data short": (
        LAB_DATA,
        data_folder(IMAGES, idx(2051, 60_000, 28, 28, body=5_000)),
        "train-images-idx3-ubyte.gz",
    ),
    "data wrong magic": (LAB_DATA, data_folder(IMAGES, idx(77, 9, body=9)), "train-images-idx3"),
    "data wrong size": (
        LAB_DATA,
        data_folder(IMAGES, idx(2051, 2, 28, 28, body=2 * 784)),
        "train-images-idx3",
    ),
    "report without folder": (["report"], nothing, "firstlight report --help"),
    "report no such folder": (["report", "nowhere"], nothing, "no such folder"),
    "report on a file": (["report", "file"], a_file, "a file"),
    "report without records": (["report", "empty"], empty_folder, "empty"),
    "record not JSON": (["report", "run"], spoil("record.json", b"{"), "record.json"),
    "record of another format": (
        ["report", "run"],
        spoil("record.json", b'{"format": 0}'),
        "format",
    ),
    "record without facts": (
        ["report", "run"],
        spoil("record.json", b'{"format": 2}'),
        "record.json",
    ),
    "record of the former format": (
        ["report", "run"],
        spoil("record.json", b'{"format": 1}'),
        "expected a record of format 2, got 1; delete its folder and run",
    ),
    "arrays missing": (["report", "run"], spoil("arrays.safetensors", None), "arrays.safetensors"),
    "arrays broken": (["report", "run"], spoil("arrays.safetensors", b"x"), "arrays.safetensors"),
    "another config in the folder": (
        ["run", "perceptron", "--repeats", "21", "--out", "run"],
        small_run,
        "config.repeats: 20 there, 21 here",
    ),
    "claim is no claim": (
        ["run", "perceptron", *SMALL, "--out", "run"],
        spoil("run.json", b"?"),
        "run.json",
    ),
    "finished record broken": (
        ["run", "perceptron", *SMALL, "--out", "run"],
        spoil("record.json", b"?"),
        "record.json",
    ),
    "run folder is a file": (["run", "perceptron", *SMALL, "--out", "file"], a_file, "file"),
    "run folder inside a device": (
        ["run", "perceptron", *SMALL, "--out", "/dev/null/run"],
        nothing,
        "/dev/null",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_bad_input_gets_one_clear_line(
    case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, prepare, words = TABLE[case]
    prepare(place)
    before = contents(place)
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("firstlight: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert contents(place) == before


def test_no_cuda_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert main(["run", "perceptron", "--device", "cuda"]) == 2
    assert "expected a CUDA device, got none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "text"), [(28, "No space left on device"), (13, "Permission denied")]
)
def test_a_full_or_locked_disk_is_said_and_leaves_nothing_half_written(
    number: int,
    text: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_run(place)
    whole = contents(place)
    capsys.readouterr()

    def fail(_handle: int) -> None:
        raise OSError(number, text)

    monkeypatch.setattr("os.fsync", fail)
    assert main(["run", "perceptron", *SMALL, "--seed", "1", "--out", "other"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert text in said[-1]
    assert said[-1].startswith("firstlight: ")
    assert contents(place) == whole


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_a_folder_without_permission_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "locked").mkdir(mode=0o500)
    assert main(["run", "perceptron", *SMALL, "--out", "locked/run"]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_json_is_the_record_and_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "perceptron", *SMALL, "--seed", "5", "--out", "run", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((place / "run" / "perceptron" / "record.json").read_text())
    assert printed["config"]["seed"] == 5
    assert {"study", "config", "facts", "verdicts", "provenance"} <= set(printed)


def test_the_same_seed_gives_the_same_bits_and_another_other_ones(place: Path) -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["run", "perceptron", *SMALL, "--seed", seed, "--out", out, "--json"]) == 0
    a, b, c = (load(place / out / "perceptron") for out in "abc")
    assert a.facts == b.facts
    assert a.facts != c.facts
    arrays = [(place / out / "perceptron" / "arrays.safetensors").read_bytes() for out in "abc"]
    assert arrays[0] == arrays[1] != arrays[2]


def test_two_configs_never_meet_in_the_default_folder(place: Path) -> None:
    for seed in ("0", "1"):
        assert main(["run", "perceptron", *SMALL, "--seed", seed, "--json"]) == 0
    assert len(list((place / "runs").iterdir())) == 2


def test_a_finished_run_is_shown_and_not_run_again(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_run(place)
    first = capsys.readouterr().out
    never_runs(monkeypatch)
    small_run(place)
    said = capsys.readouterr()
    assert said.out == first
    assert "already finished" in said.err


def test_preset_sets_the_defaults_and_options_change_them(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "perceptron", "--preset", "full", "--max-epochs", "5", "--test-points", "9"]
    assert main([*arguments, "--json"]) == 0
    config = json.loads(capsys.readouterr().out)["config"]
    assert (config["repeats"], config["max_epochs"], config["test_points"]) == (20_000, 5, 9)


def test_data_list_says_what_is_here(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "Fashion-MNIST" in out
    assert "not here" in out
