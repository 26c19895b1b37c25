"""The verdicts of problem 3 follow the facts, whichever way they point."""

from itertools import combinations

import pytest

from firstlight.record import Fact, Facts, Record
from firstlight.studies import study_of
from firstlight.studies.regularization.answers import answers, remarks
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.regularization.labels import ARMS, CHANGES, LAYERS

BETTER, WORSE, ALIKE = (Fact(v, v - 0.01, v + 0.01, 5) for v in (0.02, -0.02, 0.0))


def record_with(*, changes: Fact = WORSE, **differences: Fact) -> Record:
    """Return a record in which all arms are alike but for the named pairs (``first__second``)."""
    facts = Facts()
    for first, second in combinations(ARMS, 2):
        pair = {"first": first, "second": second}
        facts.put("difference", differences.get(f"{first}__{second}", ALIKE), **pair)
        facts.put("loss_difference", ALIKE, **pair)
        facts.put("mcnemar", Fact(0.5, n=5), **pair)
    for change in CHANGES:
        facts.put("change", changes, **change)
    for arm in ARMS:
        facts.put("test_accuracy", Fact(0.99, 0.98, 0.995, 5), arm=arm)
        facts.put("train_accuracy", Fact(0.99, 0.98, 0.995, 5), arm=arm)
    for place, layer in enumerate(LAYERS[1:]):
        for measure in ("gamma", "beta"):
            facts.put(f"{measure}_low", Fact(-0.5 - place), arm="norm_hidden", layer=layer)
            facts.put(f"{measure}_high", Fact(1.5 + place), arm="norm_hidden", layer=layer)
    return Record("regularization", RegularizationConfig(seeds=5).as_dict(), facts)


def verdict(record: Record, question: str) -> tuple[str, str]:
    found = next(v for v in answers(record) if v.question == question)
    return found.outcome, found.headline


@pytest.mark.parametrize("fact", [BETTER, WORSE, ALIKE])
def test_every_answer_is_short_and_rests_on_facts(fact: Fact) -> None:
    pairs = {f"{a}__{b}": fact for a, b in combinations(ARMS, 2)}
    record = study_of("regularization").answered(record_with(changes=fact, **pairs))
    assert [*record.verdicts] == ["3.1", "3.2", "3.3", "3.4", "3.5"]
    for answer in record.verdicts.values():
        assert len(answer.headline.split()) <= 30
        assert answer.evidence
    assert all(remarks(record).values())


@pytest.mark.parametrize(
    ("fact", "word"), [(BETTER, "increased"), (WORSE, "reduced"), (ALIKE, "did not clearly change")]
)
def test_the_terms_are_measured(fact: Fact, word: str) -> None:
    outcome, headline = verdict(record_with(changes=fact), "3.1")
    assert outcome == "answered"
    assert headline.count(word) == 2


def test_the_learned_range_spans_all_layers() -> None:
    _, headline = verdict(record_with(), "3.2")
    assert "γ from −3.50 to 4.50 and β from −3.50 to 4.50" in headline


@pytest.mark.parametrize(
    ("stored", "outcome", "word"),
    [
        (WORSE, "better", "Yes"),
        (BETTER, "better", "No"),
        (ALIKE, "cannot-tell", "could not be determined"),
    ],
)
def test_verdict_on_the_input(stored: Fact, outcome: str, word: str) -> None:
    """The record holds norm_hidden − norm_input; the question asks the other way round."""
    found, headline = verdict(record_with(norm_hidden__norm_input=stored), "3.3")
    assert found == outcome
    assert word in headline
    if outcome == "better":
        assert ("+2.0" if word == "Yes" else "−2.0") in headline


@pytest.mark.parametrize(
    ("stored", "order"),
    [(BETTER, ("normalization", "dropout")), (WORSE, ("dropout", "normalization"))],
)
def test_verdict_on_dropout_names_the_better_first(stored: Fact, order: tuple[str, str]) -> None:
    outcome, headline = verdict(record_with(norm_hidden__dropout=stored), "3.4")
    assert outcome == "better"
    assert headline.index(order[0]) < headline.index(order[1])
    assert "+2.0" in headline


@pytest.mark.parametrize("hidden", [BETTER, WORSE, ALIKE])
@pytest.mark.parametrize("dropout", [BETTER, WORSE, ALIKE])
def test_verdict_on_both_together(hidden: Fact, dropout: Fact) -> None:
    """Each fact is one alone − both together: one alone that is better decides."""
    record = record_with(norm_hidden__norm_dropout=hidden, dropout__norm_dropout=dropout)
    outcome, headline = verdict(record, "3.5")
    if BETTER in (hidden, dropout):
        assert outcome == "better"
        assert "do not add up" in headline
    elif hidden is dropout is WORSE:
        assert outcome == "better"
        assert "The benefits add up" in headline
    else:
        assert outcome == "cannot-tell"


def test_one_seed_decides_nothing() -> None:
    lone = {f"{a}__{b}": Fact(0.02, n=1) for a, b in combinations(ARMS, 2)}
    outcomes = {v.question: v.outcome for v in answers(record_with(**lone))}
    assert {outcomes[q] for q in ("3.3", "3.4", "3.5")} == {"cannot-tell"}
