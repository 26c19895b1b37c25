"""The answer to question 2.1 follows the facts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from firstlight import stats
from firstlight.record import Fact, Facts, Record, Verdict
from firstlight.studies.initialization.answers import (
    answers,
    course,
    he_signs,
    he_verdict,
    helps,
    remarks,
)

BETTER, WORSE, UNSURE = Fact(-1.0, -1.5, -0.5, 9), Fact(1.0, 0.5, 1.5, 9), Fact(-0.1, -1.0, 0.8, 9)
HE = {"activation": "relu", "first": "he", "second": "xavier"}


def changed(record: Record, others: list[tuple[str, Mapping[str, Any], Fact]]) -> Record:
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
    ("fact", "sign"),
    [
        (Fact(0.05, 0.01, 0.09, 9), -1), (Fact(0.05, 0.01, 0.11, 9), 0), (Fact(1.0, 0.9, 1.1, 9), 0),
        (Fact(20.0, 11.0, 30.0, 9), 1), (Fact(20.0, 9.0, 30.0, 9), 0), (Fact(0.0, n=9), 0),
    ],
)  # fmt: skip
def test_vanishing_needs_the_whole_interval(fact: Fact, sign: int) -> None:
    assert course(fact) == sign


def with_he(record: Record, *facts: Fact) -> Facts:
    scales = [("closer", {**HE, "direction": way}) for way in ("activation", "gradient")]
    places = [*scales, ("difference", {**HE, "quantity": "loss"})]
    others = [(*place, fact) for place, fact in zip(places, facts, strict=True)]
    return changed(record, others).facts


def test_he_is_called_better_only_by_all_measures(record: Record) -> None:
    better = he_verdict(with_he(record, BETTER, BETTER, BETTER))
    worse = he_verdict(with_he(record, WORSE, WORSE, WORSE))
    assert better.startswith("He ")
    assert worse.startswith("Xavier ")
    mixed = with_he(record, BETTER, WORSE, UNSURE)
    assert "depends" in he_verdict(mixed)
    assert he_signs(mixed) == (1, -1, 0)


def with_xavier(record: Record, scale: Fact, loss: Fact, after: float) -> Record:
    pair = {"activation": "tanh", "first": "xavier"}
    last = {"activation": "tanh", "init": "xavier"}
    return changed(
        record,
        [
            ("closer", {**pair, "direction": "gradient"}, scale),
            ("difference", {**pair, "quantity": "loss"}, loss),
            ("loss_after", last, Fact(after, after, after, 9)),
        ],
    )


def test_xaviers_help_is_computed(record: Record) -> None:
    helped = with_xavier(record, BETTER, BETTER, 0.5)
    assert "Xavier helps tanh" in verdict(helped).headline
    assert "lower" in words(helped)
    higher = with_xavier(record, BETTER, WORSE, 0.5)
    assert "only the gradients of tanh" in verdict(higher).headline
    assert "higher" in words(higher)
    assert "could not be determined" in words(with_xavier(record, BETTER, UNSURE, 0.5))
    neither = with_xavier(record, BETTER, BETTER, 2.3)
    assert "only the gradients of tanh" in verdict(neither).headline
    assert "with tanh, neither" in words(neither)
    assert "not shown to help tanh" in verdict(with_xavier(record, UNSURE, BETTER, 0.5)).headline
    closer = record.facts.get(
        "closer", direction="gradient", activation="tanh", first="xavier", second="normal_0.01"
    )
    sign = helps(record.facts, "tanh", "xavier", "normal_0.01")[0]
    assert sign == -stats.direction(closer)


def test_the_outcome_is_better_where_any_comparison_is_decided(record: Record) -> None:
    assert verdict(record).outcome == "better"
    unsure = changed(record, [("closer", {}, UNSURE), ("difference", {}, UNSURE)])
    assert verdict(unsure).outcome == "cannot-tell"


def test_the_headline_is_short(record: Record) -> None:
    for loss in (BETTER, WORSE, UNSURE):
        for scale in (BETTER, WORSE, UNSURE):
            every = changed(record, [("closer", {}, scale), ("difference", {}, loss)])
            assert len(verdict(every).headline.split()) <= 30


def test_the_remarks_say_whether_theory_agrees(record: Record) -> None:
    assert "Theory agrees" in words(record)
    place = {"quantity": "activation", "count": "within"}
    fewer = words(changed(record, [("agreement", place, Fact(30))]))
    assert "Theory does not agree everywhere" in fewer
    assert "30 of 36" in fewer
