"""Where a page comes from: what records share is said once."""

import pytest

import page_samples
from firstlight import report
from firstlight.record import Record
from firstlight.report.page import images, origin, parameters, work


@pytest.fixture(autouse=True)
def _made_up_study(monkeypatch: pytest.MonkeyPatch) -> None:
    page_samples.install(monkeypatch)


def two(**changes: object) -> list[Record]:
    first = page_samples.record()
    return [first, page_samples.record(provenance={**first.provenance, **changes})]


def test_one_record_has_all_in_common() -> None:
    found = origin([page_samples.record()])
    assert found.common["Versions"] == ["firstlight 0.1.0", "python 3.12.1", "numpy 2.1.0"]
    assert found.common["Duration"] == ["1.2\u202fs"]
    assert (found.headers, found.rows) == ([], [[]])
    assert found.files == [("train-images.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a402")]


def test_what_differs_stands_in_one_table() -> None:
    versions = {"firstlight": "0.1.0", "python": "3.13.0", "numpy": "2.1.0"}
    found = origin(two(versions=versions, duration_s=90.0, cores=None))
    assert found.common["Versions"] == ["firstlight 0.1.0", "numpy 2.1.0"]
    assert "Duration" not in found.common
    assert found.headers == ["Versions", "Duration"]
    assert found.rows == [["python 3.12.1", "1.2\u202fs"], ["python 3.13.0", "90.0\u202fs"]]


def test_a_record_without_an_entry_has_a_dash() -> None:
    first, second = two()
    bare = {name: value for name, value in second.provenance.items() if name != "processor"}
    found = origin([first, page_samples.record(provenance=bare)])
    assert found.headers == ["Processor"]
    assert found.rows == [["Example processor <4 GHz>"], ["–"]]


def test_files_of_one_name_and_two_contents_are_both_listed() -> None:
    found = origin(two(data_sha256={"train-images.gz": "another"}))
    assert [name for name, _ in found.files] == ["train-images.gz"] * 2
    assert len(origin(two()).files) == 1


def test_images_are_named_once_in_the_order_of_the_page() -> None:
    assert images(two()) == ["6,000 training images of <MNIST>"]
    assert len(images(two(images="all of Fashion-MNIST"))) == 2
    assert images([page_samples.record(provenance={})]) == []


def test_it_is_said_how_the_trials_ran() -> None:
    lines = [line.replace("\u202f", " ") for line in work(page_samples.record())]
    assert lines == ["sets: 10 trials, 12.5 s in all, in 2 processes of 1 thread"]


def test_parameters_carry_their_units() -> None:
    rows = parameters(page_samples.record())
    assert ("train_points", "20", "points") in rows
    assert ("repeats", "2,000", "training sets") in rows


def test_the_page_says_it_once() -> None:
    html = report.render(two(duration_s=90.0))
    assert html.count("Example processor") == 1
    assert html.count("440fcabf73cc") == 1
