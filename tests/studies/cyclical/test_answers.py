"""The answers of the cyclical study follow its facts."""

import dataclasses
from typing import Any

import pytest

from cyclical_samples import CASES, case
from firstlight.record import Fact, Facts, Record, Verdict
from firstlight.studies.cyclical.answers import answers, remarks


def with_facts(record: Record, *changed: tuple[str, Any, dict[str, str]]) -> Record:
    """Return the record with some facts replaced: (measure, fact, coordinates)."""
    places = [(measure, coords) for measure, _, coords in changed]
    facts = Facts(e for e in record.facts.entries() if (e.measure, e.coords) not in places)
    for measure, fact, coords in changed:
        facts.put(measure, fact, **coords)
    return dataclasses.replace(record, facts=facts)


def answer(record: Record, question: str) -> Verdict:
    return next(verdict for verdict in answers(record) if verdict.question == question)


def difference(first: str, second: str, *fact: Any) -> tuple[str, Fact, dict[str, str]]:
    return "difference", Fact(*fact), {"first": first, "second": second}


@pytest.mark.parametrize("name", CASES)
def test_headlines_are_one_short_sentence(name: str, made: Record) -> None:
    for record in (made, case(name)):
        assert [verdict.question for verdict in answers(record)] == [f"4.{i}" for i in range(1, 8)]
        for verdict in answers(record):
            assert len(verdict.headline.split()) <= 36, verdict.headline  # intervals included
            assert verdict.headline.endswith(".")
        assert set(remarks(record)) <= set(record.verdicts)


def test_rates_that_were_read_and_rates_that_were_not(made: Record) -> None:
    assert answer(made, "4.2").outcome == "answered"
    unread = answer(case("nothing to read"), "4.2")
    assert unread.outcome == "cannot-tell"
    assert "lowest" in unread.headline
    assert len(remarks(case("nothing to read"))["4.2"]) == 2


def test_what_the_batch_size_does_to_the_loss(made: Record) -> None:
    assert answer(made, "4.4").outcome == "answered"
    assert "rises" in answer(made, "4.4").headline
    assert answer(case("nothing to read"), "4.4").outcome == "cannot-tell"
    assert answer(case("nothing to read"), "4.5").outcome == "cannot-tell"


@pytest.mark.parametrize(
    ("fact", "outcome", "word", "verb"),
    [
        ((0.02, 0.01, 0.03, 3), "better", "and growing", "agrees"),
        ((-0.02, -0.03, -0.01, 3), "better", "yet", "does not refute"),
        ((0.01, -0.04, 0.06, 3), "cannot-tell", "could not be determined", "does not decide"),
    ],
)
def test_growing_against_shrinking(
    made: Record, fact: tuple[float, ...], outcome: str, word: str, verb: str
) -> None:
    changed = with_facts(made, difference("growing_batch", "shrinking_batch", *fact))
    verdict = answer(changed, "4.6")
    assert verdict.outcome == outcome
    assert word in verdict.headline
    assert verb in remarks(changed)["4.6"][0]


def test_the_best_must_be_ahead_of_every_other_cyclical_policy(made: Record) -> None:
    clear = [(p, 0.05, 0.04, 0.06, 3) for p in ("growing_batch", "shrinking_batch")]
    facts = [difference("cyclical_rate", p, *fact) for p, *fact in clear]
    best = answer(with_facts(made, *facts), "4.7")
    assert best.outcome == "better"
    assert best.headline.startswith("The cyclical learning rate is best")
    facts[1] = difference("cyclical_rate", "shrinking_batch", 0.05, -0.04, 0.14, 3)
    unclear = answer(with_facts(made, *facts), "4.7")
    assert unclear.outcome == "cannot-tell"
    assert "shrinking" in unclear.headline
    assert "growing" not in unclear.headline


def test_a_pair_is_named_whichever_way_round_it_is_stored(made: Record) -> None:
    pair = difference("fixed_low", "cyclical_rate", -0.05, -0.06, -0.04, 3)
    said = remarks(with_facts(made, pair))["4.7"][0]
    assert "the cyclical learning rate is better than the fixed rate lr_min" in said


def test_what_was_not_trained_is_said() -> None:
    outcomes = {v.question: v.outcome for v in answers(case("no cycles"))}
    assert [outcomes[q] for q in ("4.3", "4.6", "4.7")] == ["not-run"] * 3
    assert answer(case("runs"), "4.7").outcome == "not-run"
