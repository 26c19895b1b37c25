"""The verdicts of problems 2.2 and 2.3 follow the facts, whichever way they point."""

from dataclasses import replace
from typing import Any

import pytest

from firstlight.record import Fact, Facts, Label, Record
from firstlight.record.table import Entry
from firstlight.studies.dying_relu.answers import answers, remarks
from firstlight.studies.dying_relu.labels import DEFINITIONS, FUNCTIONS

Change = tuple[str, dict[str, Label], Fact]


def altered(record: Record, changes: list[Change]) -> Record:
    """Return the record with some facts replaced."""
    new = {(measure, *coords.items()): fact for measure, coords, fact in changes}
    entries = [
        Entry(e.measure, e.coords, new.pop((e.measure, *e.coords.items()), e.value))
        for e in record.facts.entries()
    ]
    assert not new
    return replace(record, facts=Facts(entries))


def verdict(record: Record, question: str) -> tuple[str, str]:
    found = next(v for v in answers(record) if v.question == question)
    assert len(found.headline.split()) <= 30
    assert all(record.facts.has(r.measure, **dict(r.coords)) for r in found.evidence)
    return found.outcome, found.headline


def collapsed(*intervals: tuple[float, float], init: str = "he") -> list[Change]:
    """Return facts with these intervals for ReLU, by function."""
    coords = ({"function": f, "activation": "relu", "init": init} for f in FUNCTIONS)
    return [
        ("collapsed", where, Fact((low + high) / 2, low, high, 1_000))
        for where, (low, high) in zip(coords, intervals, strict=True)
    ]


ABOVE, BELOW, AROUND = (0.91, 0.93), (0.85, 0.89), (0.88, 0.91)


@pytest.mark.parametrize(
    ("intervals", "outcome", "words"),
    [
        ((ABOVE, ABOVE, ABOVE), "answered", ("Yes, over", "92.0\u202f% on |x|")),
        ((BELOW, BELOW, BELOW), "answered", ("No, fewer", "87.0\u202f% on |x|")),
        ((AROUND, AROUND, AROUND), "cannot-tell", ("could not be determined",)),
        ((ABOVE, AROUND, BELOW), "answered", ("over 90 % on |x|", "undecided on x·sin(5x)")),
    ],
)
def test_ninety_percent(record: Record, intervals: Any, outcome: str, words: Any) -> None:
    got, headline = verdict(altered(record, collapsed(*intervals)), "2.2")
    assert got == outcome
    assert all(word in headline for word in words)


@pytest.mark.parametrize(
    ("intervals", "word"),
    [
        ([(0.3, 0.5)] * 3, "fewer"),
        ([(0.8, 0.9)] * 3, "overlap"),
        ([(0.98, 0.99)] * 3, "more"),
        ([(0.3, 0.5), (0.8, 0.9), (0.8, 0.9)], "depends on the function"),
    ],
)
def test_another_initialization(record: Record, intervals: Any, word: str) -> None:
    changes = collapsed(*[(0.85, 0.95)] * 3) + collapsed(*intervals, init="rai")
    assert word in next(p for p in remarks(altered(record, changes))["2.2"] if "RAI" in p)


def compared(**signs: int | None) -> list[Change]:
    """Return differences by definition: in this direction, or None for one that varies."""
    changes: list[Change] = []
    for definition, sign in signs.items():
        for place, function in enumerate(FUNCTIONS):
            here = (-1 if place else 1) if sign is None else sign
            where: dict[str, Label] = {"definition": definition, "function": function, "init": "he"}
            middle = 0.3 * here
            changes.append(("mcnemar", where, Fact(0.01 if here else 0.4, n=48)))
            changes.append(("change", where, Fact(middle, middle - 0.1, middle + 0.1, 48)))
    return changes


@pytest.mark.parametrize(
    ("constant", "flat", "outcome", "words"),
    [
        (-1, -1, "better", ("Yes", "fewer are flat")),
        (1, 1, "better", ("No", "more are flat")),
        (0, 0, "cannot-tell", ("could not be determined", "either")),
        (-1, 0, "answered", ("fewer leaky networks are constant", "could not be determined")),
        (-1, 1, "answered", ("depends on the definition", "more leaky networks are flat")),
        (None, -1, "answered", ("depends on the definition", "depends on the function")),
        (None, None, "answered", ("either", "depends on the function")),
    ],
)
def test_leaky_relu(record: Record, constant: Any, flat: Any, outcome: str, words: Any) -> None:
    got, headline = verdict(altered(record, compared(collapsed=constant, flat=flat)), "2.3")
    assert got == outcome
    assert all(word in headline for word in words)


def test_a_remark_says_since_when_it_helps(record: Record) -> None:
    since = {"collapsed": 0, "flat": 20}
    changes: list[Change] = [
        ("helps_from", {"definition": d, "function": f, "init": "he"}, Fact(since[d]))
        for d in DEFINITIONS
        for f in FUNCTIONS
    ]
    paired, _ = remarks(altered(record, changes))["2.3"]
    assert "constant already before training and flat from epoch 20 on." in paired
    changes[0] = (*changes[0][:2], Fact(None))
    paired, _ = remarks(altered(record, changes))["2.3"]
    assert "before training on x·sin(5x) and 1{x>0} + 0.2·sin(5x)" in paired


def test_born_dead_is_compared_with_theory(record: Record) -> None:
    assert "by theory 88.0" in remarks(record)["2.2"][0]
    other = replace(record, config={**record.config, "width": 3})
    assert "theory" not in remarks(other)["2.2"][0]


@pytest.mark.parametrize(
    ("activation", "missing"), [("relu", ("2.3",)), ("leaky-relu", ("2.2", "2.3"))]
)
def test_an_activation_left_out(record: Record, activation: str, missing: tuple[str, ...]) -> None:
    alone = replace(record, config={**record.config, "activation": [activation]})
    assert {v.question for v in answers(alone) if v.outcome == "not-run"} == set(missing)
    assert remarks(alone)["2.2" if activation == "relu" else "2.3"]
