"""The verdicts of problem 1 follow the facts, whichever way they point."""

from dataclasses import replace

import pytest

from firstlight.record import Fact, Facts, Label, Record
from firstlight.record.table import Entry
from firstlight.studies.perceptron.answers import answers, remarks

Place = tuple[str, dict[str, Label]]

ACCURACY: Place = ("accuracy", {"criterion": "difference"})
DISAGREEMENT: Place = ("disagreement", {"criterion": "difference"})
EARLY: Place = ("early", {"quantity": "difference"})
OFFCENTRE: Place = ("offcentre", {"criterion": "difference"})


def altered(record: Record, *changes: tuple[Place, Fact]) -> Record:
    """Return the record with some facts replaced."""
    entries = list(record.facts.entries())
    for (measure, coords), fact in changes:
        at = next(i for i, e in enumerate(entries) if (e.measure, e.coords) == (measure, coords))
        entries[at] = Entry(measure, coords, fact)
    return replace(record, facts=Facts(entries))


def around(sign: int) -> Fact:
    """Return a difference clearly above, clearly below, or not distinguishable from zero."""
    middle = 0.02 * sign
    return Fact(middle, middle - 0.01, middle + 0.01, 300)


def verdict(record: Record, question: str) -> tuple[str, str]:
    found = next(v for v in answers(record) if v.question == question)
    return found.outcome, found.headline


@pytest.mark.parametrize(
    ("sign", "outcome", "word"),
    [(1, "better", "The hinge"), (0, "cannot-tell", "Which"), (-1, "better", "The perceptron")],
)
def test_accuracy(record: Record, sign: int, outcome: str, word: str) -> None:
    got, headline = verdict(altered(record, (ACCURACY, around(sign))), "1.3")
    assert got == outcome
    assert headline.startswith(word)
    assert sign == 0 or " 2.0\u202fpoints" in headline


@pytest.mark.parametrize(
    ("sign", "outcome", "word"),
    [(1, "better", "The perceptron"), (0, "cannot-tell", "Which"), (-1, "better", "The hinge")],
)
def test_disagreement(record: Record, sign: int, outcome: str, word: str) -> None:
    got, headline = verdict(altered(record, (DISAGREEMENT, around(sign))), "1.4")
    assert (got, headline.startswith(word)) == (outcome, True)


@pytest.mark.parametrize(
    ("late", "early", "word"),
    [
        (1, -1, "reversed"),
        (1, 1, "the same"),
        (1, 0, "cannot be distinguished"),
        (0, -1, "perceptron criterion is better"),
    ],
)
def test_early_stopping(record: Record, late: int, early: int, word: str) -> None:
    changed = altered(record, (ACCURACY, around(late)), (EARLY, around(early)))
    assert word in remarks(changed)["1.3"][1]


@pytest.mark.parametrize(
    ("sign", "word"), [(-1, "nearer to the middle:"), (1, "yet"), (0, "could not be determined")]
)
def test_the_reason(record: Record, sign: int, word: str) -> None:
    assert word in remarks(altered(record, (OFFCENTRE, around(sign))))["1.3"][0]


@pytest.mark.parametrize(
    ("only", "p", "word"),
    [(5, 0.3, "do not distinguish"), (5, 0.001, "of the hinge"), (50, 0.001, "of the perceptron")],
)
def test_the_first_draw(record: Record, only: int, p: float, word: str) -> None:
    def count(criterion: str) -> Place:
        return "first", {"quantity": "only_right", "criterion": criterion}

    changes = [
        (count("perceptron"), Fact(only)),
        (count("hinge"), Fact(20)),
        (("first", {"quantity": "mcnemar"}), Fact(p)),
    ]
    assert word in remarks(altered(record, *changes))["1.2"][1]  # type: ignore[arg-type]  # places


def test_every_headline_is_one_short_sentence(record: Record) -> None:
    for found in answers(record):
        assert len(found.headline.split()) <= 30
        assert found.evidence
