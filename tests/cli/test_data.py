"""Which images a command takes: said plainly, and fetched only where all are wanted."""

from pathlib import Path

import pytest

from data_files import tiny_set, write
from firstlight.cli import common, main
from firstlight.data import download, embedded, official, sources
from firstlight.studies.regularization.config import RegularizationConfig

EMBEDDED = "6,000 training and 2,000 test images of MNIST that come with firstlight"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with no other data in reach, and a network that must not be used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(download, "create_connection", lambda *_: pytest.fail("the network!"))
    return tmp_path


@pytest.fixture
def cut_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where no mirror can be reached."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(download, "create_connection", refuse)
    return place


@pytest.mark.parametrize("preset", ["quick", "class"])
def test_without_a_word_the_embedded_images_are_taken_and_said(
    preset: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = common.find_data(RegularizationConfig(), None, preset)
    assert dataset is not None
    assert dataset.origin == EMBEDDED
    said = capsys.readouterr()
    assert said.err == f"regularization: {EMBEDDED}\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["lab", "--preset", "full", "regularization"], ""),
        (["run", "regularization", "--preset", "full"], ""),
        (["lab", "--data", "official", "regularization"], "embedded"),
        (["run", "regularization", "--data", "official"], ""),
        (["run", "regularization"], "official"),
    ],
)
def test_all_images_that_cannot_be_fetched_are_one_clear_error(
    arguments: list[str],
    variable: str,
    cut_off: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_DATA", variable)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("firstlight: MNIST: expected a mirror to answer")
    assert "check the network" in said.err
    assert "--data embedded" in said.err
    assert said.err.count("\n") == 1
    assert not (cut_off / "runs").exists()


@pytest.mark.parametrize(
    ("source", "variable", "expected"),
    [
        ("embedded", "", EMBEDDED),
        (None, "embedded", EMBEDDED),
        ("given", "embedded", "all 60 images of MNIST, from the folder given"),
        (None, "given", "all 60 images of MNIST, from the folder in FIRSTLIGHT_DATA"),
    ],
)
def test_what_is_named_goes_before_the_presets_wish(
    source: str | None,
    variable: str,
    expected: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    which, contents = tiny_set()
    monkeypatch.setattr(official, "SETS", {"mnist": which})
    write(place / "given" / "mnist", contents)
    monkeypatch.setenv("FIRSTLIGHT_DATA", variable)
    dataset = common.find_data(RegularizationConfig(), source and Path(source), "full")
    assert dataset is not None
    assert dataset.origin == expected


def test_data_lists_official_and_embedded_files(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert main(["data", "list"]) == 0
    assert capsys.readouterr().out == out
    here = [line for line in lines if "firstlight itself" in line]
    assert len(here) == 8
    assert all("-ubyte.xz" in line and line.rstrip().endswith("yes") for line in here)
    assert sum("not here" in line for line in lines) == 8


def test_data_list_refuses_a_damaged_embedded_file(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place / "package"
    folder.mkdir()
    (folder / embedded.DESCRIPTION).write_bytes((embedded.ROOT / embedded.DESCRIPTION).read_bytes())
    monkeypatch.setattr(embedded, "ROOT", folder)
    assert main(["data", "list"]) == 2
    said = capsys.readouterr()
    assert "train-images-idx3-ubyte.xz: expected the images that come with firstlight" in said.err
    assert said.err.count("\n") == 1


def test_help_says_the_order_of_the_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--help"]) == 0
    text = capsys.readouterr().out.partition("the first of these places")[2]
    words = ("what --data names", "FIRSTLIGHT_DATA", "the cache", "Debian", "firstlight itself")
    places = [text.index(word) for word in words]
    assert places == sorted(places)
    assert all(word in text for word in ("official", "embedded", "6,000", "2,000", "70,000"))


def test_a_mistyped_source_is_one_clear_error(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "regularization", "--data", "oficial"]) == 2
    said = capsys.readouterr().err
    assert "--data: expected a folder, official or embedded, got oficial" in said
