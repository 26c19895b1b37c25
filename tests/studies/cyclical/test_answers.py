"""The answers of the cyclical study follow its facts: every outcome of every question."""

from typing import Any

import pytest

from cyclical_facts import CASES, SKILL, case, record
from firstlight.record import Fact, Record, Verdict
from firstlight.studies import study_of
from firstlight.studies.cyclical.answers import answers, scale

STUDY = study_of("cyclical")


def answer(of: Record, question: str) -> Verdict:
    return next(verdict for verdict in answers(of) if verdict.question == question)


def test_a_headline_is_one_short_sentence_whatever_the_run() -> None:
    for name in CASES:
        verdicts = answers(case(name))
        assert [verdict.question for verdict in verdicts] == [f"4.{i}" for i in range(1, 8)]
        for verdict in verdicts:
            assert len(verdict.headline.split()) <= 30, verdict.headline
            assert verdict.headline.endswith(".")
            assert ". " not in verdict.headline


def test_only_what_was_decided_has_a_decision() -> None:
    for name in CASES:
        for verdict in answers(case(name)):
            undecided = verdict.outcome in ("cannot-tell", "did-not-learn", "not-run")
            assert (not verdict.decision) == (undecided or verdict.question == "4.1"), verdict


def test_the_scale_is_that_of_the_run() -> None:
    assert scale(record()) == "4 seeds, 4 epochs of 5,500 images, width 0.0625"
    assert STUDY.scale(record(seeds=1, epochs=1)).startswith("1 seed, 1 epoch of")


def test_the_data_set_is_described_whole_and_as_used() -> None:
    headline = answer(record(), "4.1").headline
    for number in ("70,000", "60,000", "10 classes of 7,000", "5,500", "500", "2,000"):
        assert number in headline


def test_rates_are_named_with_the_curve_they_were_read_off_and_its_length() -> None:
    found = answer(record(), "4.2")
    assert (found.outcome, found.decision) == ("answered", "yes")
    assert "lr_min = 0.0011" in found.headline
    assert "lr_max = 0.34" in found.headline
    assert "the candidates, 4 epochs of 5,500 images" in found.headline
    ramp = answer(record(("lr_source", "ramp", {})), "4.2")
    assert "the ramp, 2 epochs of 5,500 images" in ramp.headline


def test_rates_that_could_not_be_read_are_no_answer() -> None:
    found = answer(case("nothing to read"), "4.2")
    assert found.outcome == "cannot-tell"
    assert "lowest" in found.headline


def test_the_cyclical_rate_must_have_learned() -> None:
    assert answer(record(), "4.3").outcome == "answered"
    assert "70.0" in answer(record(), "4.3").headline
    failed = answer(record(failed=["cyclical_rate"]), "4.3")
    assert failed.outcome == "did-not-learn"
    assert "guessing gives 10 %" in failed.headline
    assert answer(case("no cycles"), "4.3").outcome == "not-run"


@pytest.mark.parametrize(
    ("change", "steepest", "outcome", "decision", "words"),
    [
        (Fact(1.0, 0.8, 1.2, 3), Fact(None), "answered", "no", "No, the reverse"),
        (Fact(-1.0, -1.2, -0.8, 3), Fact(None), "answered", "yes", "Yes"),
        (Fact(0.1, -0.2, 0.4, 3), Fact(None), "cannot-tell", "", "no trend"),
        (Fact(0.1, n=1), Fact(300.0), "answered", "no", "No, the reverse"),  # the curve was read
    ],
)
def test_what_the_batch_size_does_to_the_loss(
    change: Fact, steepest: Fact, outcome: str, decision: str, words: str
) -> None:
    changed = record(
        ("batch_change", change, {"test": "batch_epochs"}),
        ("batch_epochs", steepest, {"place": "steepest"}),
        tests=("batch_epochs",),
    )
    found = answer(changed, "4.4")
    assert (found.outcome, found.decision) == (outcome, decision)
    assert words in found.headline


def test_where_lr_min_shows_no_trend_a_rate_that_learns_does() -> None:
    changed = record(
        ("batch_change", Fact(0.1, -0.2, 0.4, 3), {"test": "batch_epochs"}),
        ("batch_epochs", Fact(None), {"place": "steepest"}),
    )
    assert "at the rate 0.02" in answer(changed, "4.4").headline
    assert answer(record(tests=("batch_updates",)), "4.4").outcome == "not-run"


def test_batch_sizes_are_the_answer_where_the_curve_or_the_algorithm_gives_them() -> None:
    found = answer(record(), "4.5")
    assert (found.outcome, found.decision) == ("answered", "yes")
    assert "b_min = 110 (read off the curve) and b_max = 800" in found.headline
    assert "recommends 64" in found.headline
    nothing = answer(case("nothing to read"), "4.5")
    assert nothing.outcome == "cannot-tell"
    assert "recommends no size" in nothing.headline
    edges = [(f"batch_{end}_source", "edge", {}) for end in ("min", "max")]
    assert answer(record(*edges), "4.5").outcome == "answered"
    assert "size tried" in answer(record(*edges), "4.5").headline


@pytest.mark.parametrize(
    ("growing", "half", "outcome", "decision", "words"),
    [
        (0.60, 0.02, "better", "growing_batch", "and they score 5.0\u202fpoints more"),
        (0.50, 0.02, "better", "shrinking_batch", "yet shrinking ones score 5.0\u202fpoints more"),
        (0.551, 0.005, "no-difference", "no-difference", "do not differ by 1 point"),
        (0.56, 0.02, "cannot-tell", "", "4 seeds could not decide"),
    ],
)
def test_growing_against_shrinking(
    growing: float, half: float, outcome: str, decision: str, words: str
) -> None:
    skill = SKILL | {"growing_batch": growing, "shrinking_batch": 0.55}
    found = answer(record(skill=skill, half=half), "4.6")
    assert (found.outcome, found.decision) == (outcome, decision)
    assert found.headline.startswith("Increase: ")
    assert words in found.headline


def test_the_argument_stands_where_the_test_shows_nothing() -> None:
    one = answer(record(failed=["growing_batch"]), "4.6")
    assert one.outcome == "did-not-learn"
    assert one.headline.startswith("Increase: ")
    assert "the growing batch size (" in one.headline
    both = answer(case("nothing learned"), "4.6")
    assert both.outcome == "did-not-learn"
    assert "neither learned" in both.headline
    assert answer(case("runs"), "4.6").outcome == "not-run"
    assert "contradict" not in answer(record(), "4.6").headline


@pytest.mark.parametrize(
    ("skill", "half", "outcome", "decision", "words"),
    [
        ((0.70, 0.40, 0.55), 0.02, "better", "cyclical_rate", "The cyclical learning rate is best"),
        ((0.50, 0.40, 0.55), 0.02, "better", "shrinking_batch", "The shrinking batch size is best"),
        ((0.70, 0.40, 0.697), 0.004, "no-difference", "no-difference", "not better than the shrinking"),
        ((0.70, 0.40, 0.69), 0.02, "cannot-tell", "", "could not tell it from the shrinking"),
    ],
)  # fmt: skip
def test_the_best_must_be_ahead_of_every_other_cyclical_policy(
    skill: tuple[float, ...], half: float, outcome: str, decision: str, words: str
) -> None:
    names = ("cyclical_rate", "growing_batch", "shrinking_batch")
    found = answer(record(skill=SKILL | dict(zip(names, skill, strict=True)), half=half), "4.7")
    assert (found.outcome, found.decision) == (outcome, decision)
    assert words in found.headline


@pytest.mark.parametrize(
    ("failed", "outcome", "words"),
    [
        (("growing_batch",), "better", "; the growing batch size did not learn."),
        (("growing_batch", "shrinking_batch"), "did-not-learn", "cyclical learning rate alone"),
        (("cyclical_rate", "growing_batch", "shrinking_batch"), "did-not-learn", "None: "),
    ],
)
def test_policies_that_did_not_learn_are_not_compared(
    failed: tuple[str, ...], outcome: str, words: str
) -> None:
    found = answer(record(failed=failed), "4.7")
    assert found.outcome == outcome
    assert words in found.headline
    assert len(found.headline.split()) <= 30


def test_what_was_not_trained_is_said() -> None:
    for name in ("no cycles", "runs"):
        outcomes = {verdict.question: verdict.outcome for verdict in answers(case(name))}
        assert [outcomes[q] for q in ("4.3", "4.6", "4.7")] == ["not-run"] * 3


def test_a_verdict_rests_on_facts_that_are_there() -> None:
    for name in CASES:
        made: Any = case(name)
        for verdict in made.verdicts.values():
            for reference in verdict.evidence:
                assert made.facts.find(reference.measure, **dict(reference.coords)) is not None
