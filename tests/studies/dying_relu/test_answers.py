"""The verdicts of problems 2.2 and 2.3 follow the facts, whichever way they point."""

from dataclasses import replace
from typing import Any

import pytest

from firstlight.record import Fact, Facts, Label, Record, Verdict
from firstlight.record.table import Entry
from firstlight.studies.dying_relu.answers import answers, remarks, scale
from firstlight.studies.dying_relu.figures import PLOTS
from firstlight.studies.dying_relu.labels import DEFINITIONS, FUNCTIONS, MOMENTS

Change = tuple[str, dict[str, Label], Fact]


def altered(record: Record, changes: list[Change]) -> Record:
    """Return the record with some facts replaced."""
    new = {(measure, frozenset(coords.items())): fact for measure, coords, fact in changes}
    entries = [
        Entry(e.measure, e.coords, new.pop((e.measure, frozenset(e.coords.items())), e.value))
        for e in record.facts.entries()
    ]
    assert not new
    return replace(record, facts=Facts(entries))


def verdict(record: Record, question: str) -> Verdict:
    found = next(v for v in answers(record) if v.question == question)
    assert len(found.headline.split()) <= 30
    assert all(record.facts.has(r.measure, **dict(r.coords)) for r in found.evidence)
    return found


def collapsed(pooled: tuple[float, float], *each: tuple[float, float]) -> list[Change]:
    """Return facts with these intervals for ReLU: all functions together, then each."""
    where: dict[str, Label] = {"activation": "relu", "init": "he"}
    places: list[dict[str, Label]] = [where, *({"function": f, **where} for f in FUNCTIONS)]
    return [
        ("collapsed", place, Fact((low + high) / 2, low, high, 1_000))
        for place, (low, high) in zip(places, (pooled, *(each or [pooled] * 3)), strict=True)
    ]


ABOVE, CLOSE, BELOW, AROUND = (0.91, 0.93), (0.88, 0.91), (0.80, 0.84), (0.85, 0.89)


@pytest.mark.parametrize(
    ("intervals", "outcome", "words"),
    [
        ((ABOVE,), "answered", ("Yes: 92.0", "over the 90")),
        ((CLOSE,), "answered", ("Yes: 89.5", "close to the 90")),
        ((BELOW,), "answered", ("No: 82.0", "more than 3 points below")),
        ((AROUND,), "cannot-tell", ("Could not be determined", "85.0 to 89.0")),
        ((CLOSE, ABOVE, AROUND, BELOW), "answered", ("depends on the function", "82.0", "92.0")),
    ],
)
def test_ninety_percent(record: Record, intervals: Any, outcome: str, words: Any) -> None:
    got = verdict(altered(record, collapsed(*intervals)), "2.2")
    assert got.outcome == outcome
    assert all(word in got.headline for word in words)
    decisions = {"Yes": "yes", "No:": "no", "It ": "depends", "Cou": ""}
    assert got.decision == decisions[got.headline[:3]]


def compared(**signs: int | str) -> list[Change]:
    """Return differences by definition: in this direction, none that matters, or varying ones."""
    changes: list[Change] = []
    for definition, sign in signs.items():
        where: dict[str, Label] = {"definition": definition, "init": "he"}
        places: list[dict[str, Label]] = [{"function": f, **where} for f in FUNCTIONS]
        for place, at in enumerate([where, *places]):
            if sign == "none":
                fact = Fact(0.0, -0.02, 0.02, 48)
            else:
                middle = 0.3 * (int(sign) if sign != "varies" else (-1 if place % 2 else 1))
                fact = Fact(middle, middle - 0.1, middle + 0.1, 48)
            changes.append(("change", at, fact))
    return changes


@pytest.mark.parametrize(
    ("constant", "flat", "outcome", "decision", "words"),
    [
        (-1, -1, "better", "leaky-relu", ("Yes", "fewer are flat")),
        (1, 1, "better", "relu", ("No", "more are flat")),
        (0, 0, "cannot-tell", "", ("could not be determined",)),
        ("none", "none", "no-difference", "no-difference", ("no difference that matters",)),
        (-1, 0, "answered", "depends", ("fewer leaky networks are constant", "not be determined")),
        (-1, 1, "answered", "depends", ("the definition", "more leaky networks are flat")),
        (-1, "none", "answered", "depends", ("the definition", "as many are flat")),
        (0, -1, "cannot-tell", "", ("the definition", "fewer leaky networks are flat")),
        ("varies", -1, "answered", "depends", ("the definition", "depends on the function")),
        ("varies", "varies", "answered", "depends", ("It depends on the function",)),
    ],
)
def test_leaky_relu(
    record: Record, constant: Any, flat: Any, outcome: str, decision: str, words: Any
) -> None:
    got = verdict(altered(record, compared(collapsed=constant, flat=flat)), "2.3")
    assert (got.outcome, got.decision) == (outcome, decision)
    assert all(word in got.headline for word in words)


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (
            {"collapsed": 0, "flat": 20},
            "are constant already before training and flat from epoch 20",
        ),
        ({"collapsed": 0, "flat": 0}, "are constant and flat already before training."),
        ({"collapsed": None, "flat": 5}, "5 points, are flat from epoch 5 on."),
        ({"collapsed": None, "flat": None}, "count as no difference."),
    ],
)
def test_a_remark_says_since_when_it_helps(record: Record, since: Any, words: str) -> None:
    changes: list[Change] = [
        ("helps_from", {"definition": d, "init": "he"}, Fact(since[d])) for d in DEFINITIONS
    ]
    (paired,) = remarks(altered(record, changes))["2.3"]
    assert words in paired


def test_born_dead_is_compared_with_theory(record: Record) -> None:
    assert "(theory: 88.0" in remarks(record)["2.2"][0]
    without = [e for e in record.facts.entries() if e.measure != "born_dead_theory"]
    assert "theory" not in remarks(replace(record, facts=Facts(without)))["2.2"][0]


def silent(rise: Fact, *layers: float) -> list[Change]:
    """Return the facts of the first epoch: the rise, then silent layers at each moment."""
    return [
        ("first_epoch", {"init": "he"}, rise),
        *(
            ("silent_layers", {"init": "he", "at": at}, Fact(x, x - 0.1, x + 0.1, 9))
            for at, x in zip(MOMENTS, layers, strict=True)
        ),
    ]


def test_the_rise_of_the_first_epoch_is_explained_only_where_there_is_one(record: Record) -> None:
    entries = [e for e in record.facts.entries() if e.measure != "silent_layers"]
    blank = [Entry("silent_layers", {"init": "he", "at": at}, Fact(0.0)) for at in MOMENTS]
    base = replace(record, facts=Facts([*entries, *blank]))
    caption = next(plot for plot in PLOTS if plot.name == "collapse").caption_for
    rise = Fact(0.06, 0.04, 0.08, 3_000)
    assert "the biases silence them" in caption(altered(base, silent(rise, 0.7, 2.9, 0.7)))
    told = caption(altered(base, silent(rise, 0.7, 2.9, 2.9)))
    assert "rises by 6.0" in told
    assert "the biases silence them" not in told
    none = Fact(0.0, -0.01, 0.01, 3_000)
    assert "rises" not in caption(altered(base, silent(none, 0.7, 2.9, 0.7)))
    assert "rises" not in caption(altered(base, silent(rise, 2.9, 2.9, 2.9)))


def test_the_scale_is_said_in_words(record: Record) -> None:
    assert scale(record) == "48 networks for each of 3 functions, 100 points, 2 epochs"


@pytest.mark.parametrize(
    ("activation", "missing"), [("relu", ("2.3",)), ("leaky-relu", ("2.2", "2.3"))]
)
def test_an_activation_left_out(record: Record, activation: str, missing: tuple[str, ...]) -> None:
    alone = replace(record, config={**record.config, "activation": [activation]})
    assert {v.question for v in answers(alone) if v.outcome == "not-run"} == set(missing)
    assert remarks(alone)["2.2" if activation == "relu" else "2.3"]
