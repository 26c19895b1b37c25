"""The verdicts of problem 3 follow the facts, whichever way they point."""

from itertools import combinations

import pytest

from firstlight.record import Fact, Facts, Record
from firstlight.studies import study_of
from firstlight.studies.regularization.answers import answers, remarks, scale
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.regularization.labels import ARMS, CHANGES, LAYERS, MATTERS

BETTER, WORSE, ALIKE, WIDE = (
    Fact(v, v - w, v + w, 5) for v, w in ((0.02, 0.01), (-0.02, 0.01), (0.0, 0.004), (0.01, 0.03))
)


def record_with(
    *,
    changes: Fact = WORSE,
    means: Fact = ALIKE,
    idle: tuple[str, ...] = (),
    p: float = 0.5,
    recomputing: Fact = ALIKE,
    **differences: Fact,
) -> Record:
    """Return a record in which all arms are alike but for the named pairs (``first__second``)."""
    facts = Facts()
    for first, second in combinations(ARMS, 2):
        pair = {"first": first, "second": second}
        facts.put("difference", differences.get(f"{first}__{second}", ALIKE), **pair)
        facts.put("loss_difference", ALIKE, **pair)
        facts.put("mcnemar", Fact(p, n=5), **pair)
        facts.put("mcnemar_seeds", Fact(0 if p > 0.05 else 4, n=5), **pair)
    for change in CHANGES:
        facts.put("change", changes, **change)
    for arm in ARMS:
        right = 0.1 if arm in idle else 0.98
        for images in ("train", "test"):
            facts.put(f"{images}_accuracy", Fact(right, right - 0.01, right + 0.01, 5), arm=arm)
        facts.put("train_loss", Fact(2.4 if arm in idle else 0.1), arm=arm)
        facts.put("gap", ALIKE, arm=arm)
    facts.put("recomputing", recomputing, arm="norm_dropout")
    for place, layer in enumerate(LAYERS[1:]):
        for measure, start in (("gamma", 1.0), ("beta", 0.0)):
            at = {"arm": "norm_hidden", "layer": layer}
            mean, low, high = (start + float(x or 0) for x in (means.value, means.low, means.high))  # type: ignore[arg-type]
            facts.put(f"{measure}_mean", Fact(mean, low, high, 5), **at)
            facts.put(f"{measure}_low", Fact(-0.5 - place), **at)
            facts.put(f"{measure}_high", Fact(1.5 + place), **at)
    for role, n in (("train", 5_500), ("test", 2_000)):
        facts.put("images", Fact(n), role=role)
    return Record("regularization", RegularizationConfig(seeds=5).as_dict(), facts)


def verdict(record: Record, question: str) -> tuple[str, str, str]:
    found = next(v for v in answers(record) if v.question == question)
    return found.outcome, found.decision, found.headline


@pytest.mark.parametrize("p", [0.5, 1e-9])
@pytest.mark.parametrize("fact", [BETTER, WORSE, ALIKE, WIDE])
def test_every_answer_is_short_and_rests_on_facts(fact: Fact, p: float) -> None:
    pairs = {f"{a}__{b}": fact for a, b in combinations(ARMS, 2)}
    record = record_with(changes=fact, means=fact, p=p, recomputing=fact, **pairs)
    record = study_of("regularization").answered(record)
    assert [*record.verdicts] == ["3.1", "3.2", "3.3", "3.4", "3.5"]
    for answer in record.verdicts.values():
        assert len(answer.headline.split()) <= 30
        assert answer.evidence
    assert all(remarks(record).values())
    assert scale(record) == "5 seeds, 4 epochs, 5,500 training images"


@pytest.mark.parametrize(
    ("fact", "word"), [(BETTER, "increased"), (WORSE, "reduced"), (WIDE, "did not clearly change")]
)
def test_the_terms_are_defined_and_what_was_measured_is_said(fact: Fact, word: str) -> None:
    record = record_with(changes=fact)
    outcome, _, headline = verdict(record, "3.1")
    assert outcome == "answered"
    assert "Co-adaptation: " in headline
    assert "Internal covariate shift: " in headline
    assert remarks(record)["3.1"][1].count(word) == 3


@pytest.mark.parametrize(
    ("means", "claim", "sign"),
    [
        (BETTER, "γ grows above 1 in every hidden layer", "differs from 0 in conv1, conv2, fc1 and fc2"),
        (WORSE, "γ does not clearly leave 1", "differs from 0 in"),
        (WIDE, "γ does not clearly leave 1", "contains 0 in every layer"),
    ],
)  # fmt: skip
def test_what_is_learned_is_said_as_far_as_the_intervals_say_it(
    means: Fact, claim: str, sign: str
) -> None:
    record = record_with(means=means)
    _, _, headline = verdict(record, "3.2")
    assert claim in headline
    assert "(−3.50 to 4.50)" in headline
    assert sign in " ".join(remarks(record)["3.2"])


@pytest.mark.parametrize(
    ("stored", "expected", "word"),
    [
        (WORSE, ("better", "norm_input"), "Yes"),
        (BETTER, ("better", "norm_hidden"), "No"),
        (ALIKE, ("no-difference", "no-difference"), "no difference that matters"),
        (WIDE, ("cannot-tell", ""), "could not be determined"),
    ],
)
def test_verdict_on_the_input(stored: Fact, expected: tuple[str, str], word: str) -> None:
    """The record holds norm_hidden − norm_input; the question asks the other way round."""
    *found, headline = verdict(record_with(norm_hidden__norm_input=stored), "3.3")
    assert tuple(found) == expected
    assert word in headline
    if expected[0] == "better":
        assert ("+2.0" if word == "Yes" else "−2.0") in headline


@pytest.mark.parametrize(
    ("stored", "expected", "words"),
    [
        (BETTER, ("better", "norm_hidden"), "batch normalization is more accurate than dropout"),
        (WORSE, ("better", "dropout"), "dropout is more accurate than batch normalization"),
        (ALIKE, ("no-difference", "no-difference"), "do not differ by an amount that matters"),
        (WIDE, ("cannot-tell", ""), "could not be determined"),
    ],
)
def test_verdict_on_dropout(stored: Fact, expected: tuple[str, str], words: str) -> None:
    *found, headline = verdict(record_with(norm_hidden__dropout=stored), "3.4")
    assert tuple(found) == expected
    assert words in headline
    assert headline.startswith("After 4 epochs on 5,500 images, ")


@pytest.mark.parametrize("hidden", [BETTER, WORSE, ALIKE, WIDE])
@pytest.mark.parametrize("dropout", [BETTER, WORSE, ALIKE, WIDE])
def test_verdict_on_both_together(hidden: Fact, dropout: Fact) -> None:
    """Each fact is one alone − both together: one alone that is better, or as good, decides."""
    record = record_with(norm_hidden__norm_dropout=hidden, dropout__norm_dropout=dropout)
    outcome, decision, headline = verdict(record, "3.5")
    if BETTER in (hidden, dropout):
        assert (outcome, decision) == ("better", "no")
        name = "batch normalization alone" if hidden is BETTER else "dropout alone"
        assert f"do not add up: {name} beats" in headline
    elif ALIKE in (hidden, dropout):
        assert (outcome, decision) == ("no-difference", "no")
        assert "no more accurate" in headline
    elif hidden is dropout is WORSE:
        assert (outcome, decision) == ("better", "yes")
        assert "The benefits add up" in headline
    else:
        assert (outcome, decision) == ("cannot-tell", "")


@pytest.mark.parametrize(
    ("train", "gap", "said"), [(0.9, 0.007, True), (0.9, 0.0, False), (0.98, 0.007, False)]
)
def test_underfitting_is_said_only_where_the_numbers_show_it(
    train: float, gap: float, said: bool
) -> None:
    shown = Facts()
    record = record_with(norm_hidden__dropout=BETTER)
    for measure, at, fact in record.facts.entries():
        if (measure, at) == ("train_accuracy", {"arm": "dropout"}):
            shown.put(measure, Fact(train, train - 0.01, train + 0.01, 5), **at)
        elif (measure, at) == ("gap", {"arm": "norm_hidden"}):
            shown.put(measure, Fact(gap, gap - 0.001, gap + 0.001, 5), **at)
        else:
            shown.put(measure, fact, **at)
    changed = Record("regularization", record.config, shown)
    assert ("underfits" in " ".join(remarks(changed)["3.4"])) is said


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (ALIKE, "is not the cause"),
        (BETTER, "costs accuracy besides"),
        (WIDE, "could not be determined"),
        (WORSE, "is not the cause"),
    ],
)
def test_what_the_variance_shift_costs(gain: Fact, words: str) -> None:
    assert words in " ".join(remarks(record_with(recomputing=gain))["3.5"])


@pytest.mark.parametrize(
    ("stored", "p", "words"),
    [
        (ALIKE, 0.5, "0 of 5 pairs of networks differ (combined p = 0.5); seeds and images agree"),
        (ALIKE, 0.01, "too small to matter"),
        (WIDE, 0.01, "other seeds may turn it around"),
        (BETTER, 0.5, "all seeds together"),
    ],
)
def test_where_seeds_and_images_agree_and_where_not(stored: Fact, p: float, words: str) -> None:
    record = record_with(norm_hidden__norm_input=stored, p=p)
    assert words in remarks(record)["3.3"][0]


def test_nothing_is_compared_where_a_network_did_not_learn() -> None:
    record = study_of("regularization").answered(record_with(idle=("dropout",)))
    outcomes = {v.question: v.outcome for v in record.verdicts.values()}
    assert outcomes["3.4"] == outcomes["3.5"] == "did-not-learn"
    assert outcomes["3.3"] == "no-difference"
    assert "Dropout did not learn: 10.0" in record.verdicts["3.4"].headline
    assert "did not learn" in remarks(record)["3.1"][1]
    assert record.verdicts["3.4"].evidence
    later = record_with(idle=("norm_dropout_last",))
    assert len(remarks(later)["3.5"]) == len(remarks(record_with())["3.5"]) - 1


def test_a_difference_without_an_interval_decides_nothing() -> None:
    lone = {f"{a}__{b}": Fact(0.02, n=1) for a, b in combinations(ARMS, 2)}
    outcomes = {v.question: v.outcome for v in answers(record_with(**lone))}
    assert {outcomes[q] for q in MATTERS} == {"cannot-tell"}
