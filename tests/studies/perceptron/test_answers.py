"""The verdicts of problem 1 follow the facts, whichever way they point."""

from dataclasses import replace

import pytest

from firstlight.record import Fact, Facts, Label, Record, Verdict
from firstlight.record.table import Entry
from firstlight.studies.perceptron.answers import answers, remarks
from firstlight.studies.perceptron.labels import CRITERIA

Place = tuple[str, dict[str, Label]]

ACCURACY: Place = ("accuracy", {"criterion": "difference"})
DISAGREEMENT: Place = ("disagreement", {"criterion": "difference"})
EARLY: Place = ("early", {"quantity": "difference"})
REORDERED: Place = ("reordered", {"criterion": "difference"})
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


TIGHT = Fact(0.0002, -0.0004, 0.0008, 300)
"""A difference that is too small to matter, whatever its sign."""


def full(record: Record, question: str) -> Verdict:
    return next(v for v in answers(record) if v.question == question)


@pytest.mark.parametrize(
    ("fact", "outcome", "decision", "word"),
    [
        (around(1), "better", "hinge", "The hinge"),
        (around(0), "cannot-tell", "", "Which"),
        (around(-1), "better", "perceptron", "The perceptron"),
        (TIGHT, "no-difference", "no-difference", "Neither"),
    ],
)
def test_accuracy(record: Record, fact: Fact, outcome: str, decision: str, word: str) -> None:
    found = full(altered(record, (ACCURACY, fact)), "1.3")
    assert (found.outcome, found.decision) == (outcome, decision)
    assert found.headline.startswith(word)
    assert decision not in CRITERIA or " 2.0\u202fpoints (1.0 to 3.0)" in found.headline
    assert ("because" in found.headline) == (decision == "hinge")


@pytest.mark.parametrize(
    ("fact", "outcome", "decision", "word"),
    [
        (around(1), "better", "perceptron", "The perceptron"),
        (around(0), "cannot-tell", "", "Which"),
        (around(-1), "better", "hinge", "The hinge"),
        (TIGHT, "no-difference", "no-difference", "Both"),
    ],
)
def test_disagreement(record: Record, fact: Fact, outcome: str, decision: str, word: str) -> None:
    found = full(altered(record, (DISAGREEMENT, fact)), "1.4")
    assert (found.outcome, found.decision) == (outcome, decision)
    assert found.headline.startswith(word)


def test_changes_are_counted_in_test_points(record: Record) -> None:
    place: Place = ("disagreement", {"criterion": "hinge"})
    headline = full(altered(record, (place, Fact(0.0437, 0.04, 0.05, 300))), "1.4").headline
    assert "about 44 of the 1,000 test points" in headline


@pytest.mark.parametrize(
    ("more", "words"),
    [(0.0087, "0.87\u202fpoints better"), (-0.02, "2.00\u202fpoints worse"), (0.0, "as good as")],
)
def test_the_first_two_lines_are_compared_exactly(record: Record, more: float, words: str) -> None:
    place: Place = ("first", {"quantity": "area", "criterion": "difference"})
    assert words in full(altered(record, (place, Fact(more))), "1.2").headline


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
    ("sign", "word"), [(-1, "ends nearer the middle"), (1, "Yet"), (0, "could not be determined")]
)
def test_the_reason(record: Record, sign: int, word: str) -> None:
    other = altered(record, (OFFCENTRE, around(sign)), (ACCURACY, around(1)))
    assert word in remarks(other)["1.3"][0]
    assert ("because" in full(other, "1.3").headline) == (sign == -1)


@pytest.mark.parametrize(
    ("sign", "word"), [(-1, "hardly depends"), (1, "Yet"), (0, "could not be determined")]
)
def test_the_order_of_the_points(record: Record, sign: int, word: str) -> None:
    assert word in remarks(altered(record, (REORDERED, around(sign))))["1.4"][0]


def test_every_headline_is_one_short_sentence(record: Record) -> None:
    for found in answers(record):
        assert len(found.headline.split()) <= 30
        assert found.evidence
