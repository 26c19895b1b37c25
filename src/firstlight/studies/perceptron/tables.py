"""The tables of problem 1: both criteria side by side, and their difference."""

from collections.abc import Iterator, Sequence

from firstlight import text
from firstlight.record import Fact, Record
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, MATTERS
from firstlight.studies.study import Sheet

HEADERS = ("", "Perceptron", "Hinge loss", "Difference (points)")
Row = tuple[str, str, dict[str, str], str]
"""A row's name, its measure, what it is of, and how its numbers are written."""

FIRST: tuple[Row, ...] = (
    ("Test points right", "first", {"quantity": "accuracy"}, "percent"),
    ("Square right (exact)", "first", {"quantity": "area"}, "percent"),
)
OVER_SETS: tuple[Row, ...] = (
    ("Square right", "accuracy", {}, "percent"),
    ("… where both converged", "accuracy_converged", {}, "percent"),
    ("Test points right", "test_accuracy", {}, "percent"),
    ("Distance from the middle of the gap", "offcentre", {}, "percent"),
)
CHANGES: tuple[Row, ...] = (
    ("Square changed by other points", "disagreement", {}, "percent"),
    ("Test points changed by other points", "test_disagreement", {}, "percent"),
    ("Square changed by the reverse order", "reordered", {}, "percent"),
)
CONVERGENCE: tuple[Row, ...] = (
    ("Converged", "converged", {}, "percent"),
    ("Epochs, median", "epochs", {}, "{:.0f}"),
)


def _cells(record: Record, rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield a row of both criteria and their difference; without those that were not measured."""
    for name, measure, where, kind in rows:
        own = [record.facts.find(measure, **where, criterion=name) for name in CRITERIA]
        difference = record.facts.find(measure, **where, criterion=DIFFERENCE)
        known = [fact for fact in own if fact is not None]
        if known:
            cells = [text.estimate(fact, kind, name="") for fact in known]
            yield [name, *cells, _points(difference)]


def _points(difference: Fact | None) -> str:
    """Return a difference in points; the column's head has the unit."""
    words = text.NONE if difference is None else text.estimate(difference, "points", name="")
    return words.replace("\u202fpoints", "")


def _first(record: Record) -> Iterator[list[str]]:
    yield from _cells(record, FIRST)
    epochs = []
    for criterion in CRITERIA:
        where = {"criterion": criterion}
        done = record.facts.get("first", quantity="converged", **where).value
        count = text.value(record.facts.get("first", quantity="epochs", **where))
        epochs.append(count if done else f"{count} (cut off)")
    yield ["Epochs", *epochs, text.NONE]


def _early(record: Record) -> Iterator[list[str]]:
    facts = record.facts
    for name, quantity in (("Square right", "accuracy"), ("Square changed", "disagreement")):
        cells = [
            text.estimate(facts.get("early", quantity=quantity, criterion=c), "percent", name="")
            for c in CRITERIA
        ]
        difference = facts.find("early", quantity=quantity, criterion=DIFFERENCE)
        yield [name, *cells, _points(difference or facts.get("early", quantity=DIFFERENCE))]


def _limit(question: str) -> str:
    """Return the smallest difference of interest, in points."""
    return text.value(Fact(MATTERS[question]), "gap")


def _sets(record: Record) -> str:
    return text.counted(record.config["repeats"], "training set")


SHEETS = (
    Sheet(
        "first",
        HEADERS,
        lambda r: list(_first(r)),
        "One training set, which decides nothing about the criteria in general. The areas are exact, so "
        "that nothing between these two lines is left to test. In brackets: 95 % interval.",
    ),
    Sheet(
        "convergence",
        HEADERS[:3],
        lambda r: [row[:3] for row in _cells(r, CONVERGENCE)],
        lambda r: (
            f"Convergence over {_sets(r)}; one that was cut off counts with the epochs it was given. "
            f"{text.value(r.facts.get('one_class'), 'percent')} of the sets have points of one class "
            "only."
        ),
    ),
    Sheet(
        "over_sets",
        HEADERS,
        lambda r: list(_cells(r, OVER_SETS)),
        lambda r: (
            f"Means over {_sets(r)}, with 95 % intervals. In the gap, 0 % is the middle and 100 % a "
            "line that touches a training point. A difference in accuracy of at most "
            f"{_limit('1.3')} would not matter."
        ),
    ),
    Sheet(
        "early",
        HEADERS,
        lambda r: list(_early(r)),
        lambda r: (
            f"The same {_sets(r)}, stopped after "
            f"{text.counted(r.facts.value('early', quantity='epochs'), 'epoch')}, the hinge loss at "
            f"learning rate {text.number(r.facts.value('early', quantity='learning_rate'))}."
        ),
    ),
    Sheet(
        "changes",
        HEADERS,
        lambda r: list(_cells(r, CHANGES)),
        lambda r: (
            f"Share on which two trainings decide differently: of any two of {_sets(r)}, and of the "
            "same points in their order and in reverse. The 95 % intervals over all pairs come from "
            "the jackknife, because pairs that share a training set are not independent. A difference "
            f"of at most {_limit('1.4')}, one point in a thousand, would not matter."
        ),
    ),
)
"""The tables of this study, in the order of its page."""
