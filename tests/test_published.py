"""What is published is what the records say: the README, the page and the package's own copies."""

import pytest

import publish
from firstlight.record import load
from firstlight.studies import REGISTRY

PUBLISHED = [name for name in REGISTRY if (publish.RESULTS / name / "record.json").is_file()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_record_is_from_a_clean_revision(name: str) -> None:
    record = load(publish.RESULTS / name)
    revision = str(record.provenance["revision"])
    assert revision
    assert not revision.endswith("-dirty")
    assert set(REGISTRY[name].answered(record).verdicts) == set(record.verdicts)


@pytest.mark.parametrize("name", [name for name in publish.COMPARED if name in PUBLISHED])
def test_the_package_ships_the_published_record(name: str) -> None:
    shipped = publish.package(name) / "published.json"
    assert shipped.read_bytes() == (publish.RESULTS / name / "record.json").read_bytes()
    published = REGISTRY[name].published()
    assert published is not None
    assert published.verdicts


def test_the_readme_says_what_the_published_records_say() -> None:
    readme = publish.README.read_text(encoding="utf-8")
    assert readme == publish.with_answers(readme, publish.answers())
