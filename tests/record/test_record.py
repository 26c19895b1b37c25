import json
from pathlib import Path

import numpy as np
import pytest

from firstlight.errors import RecordError
from firstlight.record.files import write_atomically as write
from firstlight.record.record import ARRAYS_FILE, RECORD_FILE, Array, Fact, Record, load, save


def sample() -> Record:
    return Record(
        study="perceptron",
        config={"seed": 0, "arms": ["plain"]},
        facts={
            "a": Fact(0.5, 0.4, 0.6, 10),
            "b": Fact("yes"),
            "c": Fact(float("nan")),
            "d": Fact(3),
        },
        verdicts={"1.1": "It learns — 97 %."},
        arrays={
            "w": Array(np.arange(6, dtype=np.float64).reshape(2, 3), ("set", "feature")),
            "flag": Array(np.array([True, False]), ("set",)),
            "none": Array(np.zeros((0, 2), dtype=np.float32), ("set", "feature")),
        },
        provenance={"seed": 0, "versions": {"python": "3.11"}},
        notices=("stand-in data",),
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = sample()
    found = load(save(record, tmp_path / "deep" / "folder"))
    assert found.as_dict() == record.as_dict()
    assert found.notices == record.notices
    for name, array in record.arrays.items():
        assert found.arrays[name].axes == array.axes
        assert found.arrays[name].values.dtype == array.values.dtype
        assert np.array_equal(found.arrays[name].values, array.values)


def test_json_is_strict_and_has_the_agreed_keys(tmp_path: Path) -> None:
    save(sample(), tmp_path)
    text = (tmp_path / RECORD_FILE).read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    assert {"study", "config", "facts", "verdicts", "provenance"} <= set(content)
    assert content["facts"]["a"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    assert content["facts"]["d"] == {"value": 3}
    assert content["facts"]["c"] == {"value": None}


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = save(sample(), tmp_path / "1"), save(sample(), tmp_path / "2")
    for name in (RECORD_FILE, ARRAYS_FILE):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_nothing_but_the_two_files_is_left(tmp_path: Path) -> None:
    save(sample(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [ARRAYS_FILE, RECORD_FILE]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x", b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def _drop(key: str) -> object:
    def change(folder: Path) -> None:
        content = json.loads((folder / RECORD_FILE).read_text())
        del content[key]
        (folder / RECORD_FILE).write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / RECORD_FILE).unlink(),
        lambda folder: (folder / ARRAYS_FILE).unlink(),
        lambda folder: (folder / RECORD_FILE).write_text("{"),
        lambda folder: (folder / RECORD_FILE).write_text("[]"),
        lambda folder: (folder / RECORD_FILE).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / RECORD_FILE).write_text('{"format": 99}'),
        lambda folder: (folder / ARRAYS_FILE).write_bytes(b"short"),
        _drop("facts"),
        _drop("arrays"),
        _drop("format"),
    ],
)
def test_a_broken_record_is_refused_by_name(tmp_path: Path, harm: object) -> None:
    save(sample(), tmp_path)
    harm(tmp_path)  # type: ignore[operator]
    with pytest.raises(RecordError) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_axes_must_fit() -> None:
    with pytest.raises(ValueError, match="2 names"):
        Array(np.zeros((2, 2)), ("one",))


def test_value_refuses_text() -> None:
    assert sample().value("a") == 0.5
    with pytest.raises(TypeError, match="expected a number"):
        sample().value("b")
