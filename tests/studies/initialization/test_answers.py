"""The answer to question 2.1 follows the facts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from firstlight.record import Fact, Facts, Record, Verdict
from firstlight.studies.initialization.answers import (
    answers,
    course,
    he_decision,
    he_signs,
    helps,
    learned,
    remarks,
    scale,
)
from firstlight.studies.initialization.tables import SHEETS

BETTER, WORSE, UNSURE = Fact(-1.0, -1.5, -0.5, 9), Fact(1.0, 0.5, 1.5, 9), Fact(-0.1, -1.0, 0.8, 9)
TINY = Fact(0.01, 0.001, 0.02, 9)
"""A difference that is there, and too small to matter."""
GOOD, GUESS = Fact(0.5, 0.4, 0.6, 9), Fact(2.3, 2.29, 2.31, 9)
HE = {"activation": "relu", "first": "he", "second": "xavier"}
Change = tuple[str, Mapping[str, Any], Fact]


def changed(record: Record, others: list[Change]) -> Record:
    """Return the record where some facts are others."""
    facts = Facts()
    news = [(measure, dict(coords), fact) for measure, coords, fact in others]
    for entry in record.facts.entries():
        fact = [f for m, c, f in news if m == entry.measure and c.items() <= entry.coords.items()]
        facts.put(entry.measure, fact[0] if fact else entry.value, **entry.coords)
    for measure, coords, _ in news:
        assert facts.has(measure, **coords)
    return dataclasses.replace(record, facts=facts)


def verdict(record: Record) -> Verdict:
    (found,) = answers(record)
    return found


def words(record: Record) -> str:
    return " ".join(remarks(record)["2.1"])


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        (Fact(0.05, 0.01, 0.09, 9), "vanish"), (Fact(0.4, 0.3, 0.51, 9), "unclear"),
        (Fact(1.0, 0.9, 1.1, 9), "keep"), (Fact(20.0, 11.0, 30.0, 9), "explode"),
        (Fact(3.0, 1.9, 4.0, 9), "unclear"), (Fact(0.0, n=9), "vanish"),
    ],
)  # fmt: skip
def test_vanishing_needs_the_whole_interval(fact: Fact, what: str) -> None:
    assert course(fact) == what


def with_he(record: Record, *facts: Fact, after: Fact = GOOD) -> Record:
    """Return the record with other comparisons of He and Xavier: activations, gradients, loss."""
    scales = [("closer", {**HE, "direction": way}) for way in ("activation", "gradient")]
    places = [*scales, ("difference", {**HE, "quantity": "loss"})]
    others: list[Change] = [(*place, fact) for place, fact in zip(places, facts, strict=True)]
    return changed(record, [*others, ("loss_after", {"activation": "relu"}, after)])


@pytest.mark.parametrize(
    ("facts", "outcome", "decision"),
    [
        ((BETTER, BETTER, BETTER), "better", "he"),
        ((WORSE, WORSE, WORSE), "better", "xavier"),
        ((BETTER, WORSE, UNSURE), "cannot-tell", ""),
        ((BETTER, BETTER, UNSURE), "cannot-tell", ""),
        ((BETTER, BETTER, TINY), "cannot-tell", ""),
        ((TINY, TINY, TINY), "no-difference", "no-difference"),
        ((TINY, UNSURE, TINY), "cannot-tell", ""),
    ],
)
def test_he_is_called_better_only_by_all_measures(
    record: Record, facts: tuple[Fact, ...], outcome: str, decision: str
) -> None:
    other = with_he(record, *facts)
    assert he_decision(other.facts) == (outcome, decision)
    assert (verdict(other).outcome, verdict(other).decision) == (outcome, decision)


def test_the_loss_counts_only_where_something_was_learned(record: Record) -> None:
    other = with_he(record, BETTER, BETTER, WORSE, after=GUESS)
    assert he_signs(other.facts) == (1, 1, -1)
    assert he_decision(other.facts) == ("better", "he")
    assert not learned(other.facts, "relu", "he")
    assert "ReLU learns with neither" in words(other)


def test_a_difference_that_is_too_small_does_not_help(record: Record) -> None:
    other = with_he(record, BETTER, TINY, TINY)
    assert helps(other.facts, "relu", "he", "xavier") == (0, 0)


@pytest.mark.parametrize(
    ("tanh", "sigmoid", "clause"),
    [
        (1.0, 0.01, "keeps them with tanh, not with sigmoid"),
        (1.0, 1.1, "keeps them with tanh and sigmoid;"),
        (0.01, 9.0, "neither with tanh nor sigmoid"),
    ],
)
def test_what_xavier_keeps_is_computed(
    record: Record, tanh: float, sigmoid: float, clause: str
) -> None:
    others: list[Change] = [
        ("ratio", {"direction": "gradient", "activation": a, "init": "xavier"}, Fact(r, r, r, 9))
        for a, r in (("tanh", tanh), ("sigmoid", sigmoid))
    ]
    assert clause in verdict(changed(record, others)).headline


@pytest.mark.parametrize(
    ("median", "ratio", "clause"),
    [
        (0.0, 9.0, "median falls; yet its standard deviation grows, 9-fold"),
        (0.1, 0.1, "median falls; and its standard deviation falls, 0.1-fold"),
    ],
)
def test_saturated_units_and_their_gradients(
    record: Record, median: float, ratio: float, clause: str
) -> None:
    network = {"activation": "tanh", "init": "normal_1"}
    others: list[Change] = [
        ("median_ratio", network, Fact(median, n=9)),
        ("ratio", {"direction": "gradient", **network}, Fact(ratio, ratio, ratio, 9)),
    ]
    assert clause in words(changed(record, others))


def test_the_headline_is_short(record: Record) -> None:
    for fact in (BETTER, WORSE, UNSURE, TINY):
        for ratio in (0.0123, 1.0, 12.3):
            scales: list[Change] = [("ratio", {}, Fact(ratio, ratio, ratio, 9))]
            found = verdict(changed(with_he(record, fact, fact, fact), scales))
            assert len(found.headline.split()) <= 30
            assert found.evidence


def test_theory_passes_or_does_not(record: Record) -> None:
    """Both parts are said: what holds for activations, and what does for gradients."""
    caption = next(sheet.caption for sheet in SHEETS if sheet.name == "agreement")
    assert callable(caption)
    place = {"quantity": "gradient", "count": "within"}
    checked = int(record.facts.value("agreement", quantity="gradient", count="checked"))
    whole = caption(changed(record, [("agreement", place, Fact(checked))]))
    assert "heory of activations passes: 36 of 36" in whole
    assert f"heory of gradients passes: {checked} of {checked}" in whole
    fewer = caption(changed(record, [("agreement", place, Fact(20))]))
    assert f"heory of gradients does not pass: 20 of {checked}" in fewer


def test_a_run_says_how_large_it_was(record: Record) -> None:
    assert scale(record) == "12 networks of each kind, 2 of them trained for 3 steps"
