"""What the page says below the answers of the cyclical study follows its facts."""

import pytest

from cyclical_facts import CASES, SKILL, case, record
from firstlight.record import Fact, Record
from firstlight.studies.cyclical.answers import remarks


def said(of: Record, question: str) -> str:
    return " ".join(remarks(of)[question])


def test_remarks_belong_to_a_question() -> None:
    for name in CASES:
        made = case(name)
        assert {question.split()[0] for question in remarks(made)} <= set(made.verdicts)
        for words in remarks(made).values():
            assert all(text.endswith(".") for text in words), words


@pytest.mark.parametrize(("ramp", "words"), [(0.68, "less than"), (34.0, "more than")])
def test_how_far_both_range_tests_differ_is_set_against_the_spacing(
    ramp: float, words: str
) -> None:
    text = said(record(("ramp", Fact(ramp), {"place": "high"})), "4.2")
    assert f"{words} the factor of 13 between" in text
    assert "a factor of 2 and" in text
    unread = record(("ramp", Fact(None), {"place": "high"}))
    assert "factor" not in said(unread, "4.2")
    assert said(case("nothing to read"), "4.2").count("Not read from") == 2


def test_peaks_of_the_rate_are_named() -> None:
    assert "The peaks of the rate are 0.34 and 0.074. " in said(record(), "4.3")
    peaks = [("peak_rate", Fact(0.19), {"cycle": cycle}) for cycle in (1, 2)]
    assert "0.19 and 0.19; lr_max itself is not reached" in said(record(*peaks), "4.3")
    assert not remarks(case("no cycles"))["4.3"]


def test_a_loss_no_better_than_guessing_is_said() -> None:
    assert "guessing" not in said(record(), "4.4")
    high = ("batch_loss", Fact(2.4), {"test": "batch_epochs", "place": "smallest"})
    assert "2.40, no better than guessing (2.30)" in said(record(high), "4.4")
    assert "At the rate 0.02, where networks learn" in said(record(high), "4.4")


def test_sizes_that_were_left_out_are_named_with_the_reason() -> None:
    assert "Left out: 2,048, 4,096 and 8,192 (fewer than" in said(record(), "4.4")
    assert "Left out" not in said(case("everything"), "4.4")
    assert "With 100 updates for every size the loss falls" in said(case("everything"), "4.4")


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (Fact(0.6, 0.4, 0.8, 4), "it has fallen"),
        (Fact(2.0, 1.5, 3.0, 4), "it has grown"),
        (Fact(1.1, 0.6, 2.0, 4), "no clear change"),
        (Fact(2.0, n=1), "no clear change"),
    ],
)
def test_the_noise_scale_grows_or_falls_as_measured(growth: Fact, words: str) -> None:
    text = said(record(("noise_growth", growth, {})), "4.5 details")
    assert words in text
    assert "4 seeds" in text


def test_the_noise_scale_before_training_alone() -> None:
    places = ("noise_growth", None, {}), ("noise_scale", None, {"when": "after"})
    text = said(record(*places), "4.5 details")
    assert text.endswith("images before training (4 seeds).")
    none = record(("noise_scale", None, {"when": "before"}), *places)
    assert not remarks(none)["4.5 details"]
    unknown = record(("noise_scale", Fact(None), {"when": "before"}), *places)
    assert "could not be determined" in said(unknown, "4.5 details")


def test_growing_and_shrinking_say_nothing_about_noise() -> None:
    text = said(record(), "4.6")
    assert "Growing minus shrinking at the rate 0.02, where the loss falls fastest" in text
    assert "p < 0.0001" in text
    assert "says nothing about the noise" in text
    assert "Growing minus" not in said(record(failed=["growing_batch"]), "4.6")


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        ((), "growing scores 11.0\u202fpoints less than shrinking"),
        (("growing_literal",), "so growing did not learn"),
        (("growing_literal", "shrinking_literal"), "so neither growing nor shrinking learned"),
    ],
)
def test_the_assignments_own_rate_is_reported_too(failed: tuple[str, ...], words: str) -> None:
    text = said(record(failed=failed), "4.6")
    assert "At the assignment’s own rate, lr_min, growing reaches" in text
    assert words in text
    assert "(2 seeds)" in text


def test_the_cycle_is_set_against_constants() -> None:
    text = said(record(skill=SKILL | {"fixed_high": 0.703}, half=0.006), "4.7")
    assert "39.0\u202fpoints more than the fixed rate lr_min" in text
    assert "the same, within 1 point, as the fixed rate lr_max" in text
    unlearned = said(record(failed=["fixed_low"]), "4.7")
    assert "the fixed rate lr_min, which did not learn" in unlearned
    assert "not clearly more than" in said(record(half=0.06), "4.7")


def test_mcnemar_agrees_with_the_intervals_or_not() -> None:
    assert "agrees for every pair" in said(record(), "4.7 details")
    pair = {"first": "cyclical_rate", "second": "growing_batch"}
    text = said(record(("mcnemar", Fact(0.2), pair)), "4.7 details")
    assert "disagrees for the cyclical learning rate and the growing batch size (p = 0.2)" in text
