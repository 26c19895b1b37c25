"""A record says which images its run used, and where there were fewer than its config asks for."""

from types import SimpleNamespace
from typing import Any

import pytest

from firstlight import studies
from firstlight.context import Context
from firstlight.data import load
from firstlight.record import Arrays, Facts, Record
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.study import Results, Study


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = SimpleNamespace(
        run=lambda *_: Results(Facts(), Arrays()), answers=lambda _: (), remarks=lambda _: {}
    )
    monkeypatch.setattr(Study, "_file", lambda *_: empty)


def run(**changes: Any) -> Record:
    context = Context(dataset=load("mnist", "embedded"))
    return studies.run(RegularizationConfig(**changes), context)


def test_provenance_says_which_images_were_used() -> None:
    record = run(train_images=6_000, test_images=2_000)
    origin = "6,000 training and 2,000 test images of MNIST that come with firstlight"
    assert record.provenance["images"] == origin
    assert record.notices == ()


def test_fewer_images_than_asked_for_are_a_notice() -> None:
    record = run(train_images=60_000, test_images=2_000)
    assert record.notices == (
        "60,000 training images of MNIST were asked for and 6,000 were there: those were used. "
        "With --data official all are fetched.",
    )
    assert len(run(train_images=60_000, test_images=10_000).notices) == 2


def test_without_a_data_set_the_embedded_images_are_taken() -> None:
    """No library call fetches anything: only the command line may be asked for all images."""
    record = studies.run(RegularizationConfig())
    assert "come with firstlight" in record.provenance["images"]
