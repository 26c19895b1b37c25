import json
from pathlib import Path

import numpy as np
import pytest

from firstlight.errors import RecordError
from firstlight.record.facts import Fact, Facts, Verdict, fact_of
from firstlight.record.files import write_atomically as write
from firstlight.record.record import (
    ARRAYS_FILE,
    RECORD_FILE,
    Array,
    Arrays,
    Record,
    load,
    save,
)
from firstlight.record.table import Entry


def sample() -> Record:
    facts, arrays = Facts(), Arrays()
    facts.put("a", Fact(0.5, 0.4, 0.6, 10), arm="plain", layer=1)
    facts.put("b", Fact("yes"))
    facts.put("c", Fact(float("nan")))
    facts.put("a", Fact(3), arm="normal_0.01", layer=2)
    arrays.put(
        "w",
        Array(
            np.arange(6, dtype=np.float64).reshape(2, 3),
            ("set", "feature"),
            {"feature": ["x", "y", "z"]},
        ),
    )
    arrays.put("flag", Array(np.array([True, False]), ("set",)), arm="plain")
    arrays.put("flag", Array(np.array([False, False]), ("set",)), arm="dropout")
    arrays.put("none", Array(np.zeros((0, 2), dtype=np.float32), ("nothing", "two")))
    return Record(
        study="perceptron",
        config={"seed": 0, "arms": ["plain"]},
        facts=facts,
        verdicts={
            "1.1": Verdict(
                "1.1", "answered", "It learns: 97 %.", [fact_of("a", arm="plain", layer=1)]
            )
        },
        arrays=arrays,
        provenance={"seed": 0, "versions": {"python": "3.11"}},
        notices=("fewer images than asked for",),
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = sample()
    found = load(save(record, tmp_path / "deep" / "folder"))
    assert found.as_dict() == record.as_dict()
    assert found.notices == record.notices
    assert found.verdicts == record.verdicts
    assert [e for e in found.facts.entries() if e.measure != "c"] == [
        e for e in record.facts.entries() if e.measure != "c"
    ]
    for name, array in record.arrays.items():
        assert (found.arrays[name].axes, found.arrays[name].labels) == (array.axes, array.labels)
        assert found.arrays[name].values.dtype == array.values.dtype
        assert np.array_equal(found.arrays[name].values, array.values)


def test_json_is_strict_and_has_the_agreed_keys(tmp_path: Path) -> None:
    save(sample(), tmp_path)
    text = (tmp_path / RECORD_FILE).read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    assert {"study", "config", "facts", "verdicts", "provenance"} <= set(content)
    whole = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    assert content["facts"]["a.plain.1"] == {**whole, "coords": {"arm": "plain", "layer": 1}}
    assert content["facts"]["a.normal_0.01.2"]["value"] == 3
    assert content["facts"]["b"] == {"value": "yes"}
    assert content["facts"]["c"] == {"value": None}
    answer = {"outcome": "answered", "headline": "It learns: 97 %.", "evidence": ["a.plain.1"]}
    assert content["verdicts"] == {"1.1": answer}


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


def test_a_record_of_the_former_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save(sample(), tmp_path)
    content = json.loads((tmp_path / RECORD_FILE).read_text())
    (tmp_path / RECORD_FILE).write_text(json.dumps({**content, "format": 1}))
    with pytest.raises(RecordError, match=r"format 2, got 1; delete its folder and run"):
        load(tmp_path)


def test_axes_and_labels_must_fit() -> None:
    with pytest.raises(ValueError, match="2 names"):
        Array(np.zeros((2, 2)), ("one",))
    with pytest.raises(ValueError, match="labels: expected one for each place"):
        Array(np.zeros((2, 2)), ("one", "two"), {"two": ["a"]})
    with pytest.raises(ValueError, match="along 'three'"):
        Array(np.zeros((2, 2)), ("one", "two"), {"three": ["a", "b"]})


def test_arrays_of_a_measure_are_stacked_by_their_coordinates() -> None:
    data = sample().data
    assert data["flag"].sel(arm="dropout").values.tolist() == [False, False]
    assert data["flag"].dtype == bool
    assert data["w"].sel(feature="y").values.tolist() == [1.0, 4.0]


def test_ragged_arrays_are_filled_with_nan() -> None:
    arrays = Arrays()
    arrays.put("rate", Array(np.array([1, 2, 3]), ("step",)), policy="a")
    arrays.put("rate", Array(np.array([4]), ("step",)), policy="b")
    rate = Record("s", {}, arrays=arrays).data["rate"]
    assert rate.sel(policy="a").values.tolist() == [1, 2, 3]
    assert rate.sel(policy="b").dropna("step").values.tolist() == [4]


def test_facts_become_a_frame() -> None:
    frame = sample().to_frame()
    assert list(frame.columns) == ["name", "measure", "arm", "layer", "value", "low", "high", "n"]
    assert frame.set_index("name").loc["a.plain.1", "high"] == 0.6
    assert sample().facts.table("a")["arm"].tolist() == ["plain", "normal_0.01"]


def test_facts_are_found_by_coordinates_in_any_order() -> None:
    facts = sample().facts
    assert facts.value("a", layer=1, arm="plain") == 0.5
    assert facts.find("a", arm="plain") is None
    assert facts.has("a", arm="plain")
    assert facts.labels("a", "layer") == [1, 2]
    assert facts["a.plain.1"] == facts.get("a", arm="plain", layer=1)
    with pytest.raises(KeyError, match=r"expected a value at.*it has"):
        facts.get("a", arm="dropout")
    with pytest.raises(TypeError, match="expected a number"):
        facts.value("b")
    with pytest.raises(ValueError, match="a second one"):
        facts.put("a", Fact(1), arm="plain", layer=1)


def test_a_pair_is_found_either_way_round() -> None:
    facts = Facts([Entry("difference", {"first": "a", "second": "b"}, Fact(2.0, 1.0, 4.0, 5))])
    assert facts.pair("difference", "a", "b") == Fact(2.0, 1.0, 4.0, 5)
    assert facts.pair("difference", "b", "a") == Fact(-2.0, -4.0, -1.0, 5)
    with pytest.raises(KeyError):
        facts.pair("difference", "a", "c")


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="outcome: expected one of answered, better"):
        Verdict("1.1", "maybe", "")  # type: ignore[arg-type]  # on purpose
