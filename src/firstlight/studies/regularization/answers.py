"""The answers to questions 3.1 to 3.5, computed from the facts and from nothing else.

A claim of order is made only where the 95 % interval of the paired difference excludes zero.
"""

from collections.abc import Callable, Mapping

from firstlight.record import Fact, Outcome, Record, Reference, Verdict, fact_of
from firstlight.record.table import Entry
from firstlight.stats import direction
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.labels import VARIANTS
from firstlight.text import counted, estimate, listed, number, p_value, sentence


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    verdicts = []
    for question, (needed, answer, _) in QUESTIONS.items():
        missing = _missing(record, needed)
        if missing:
            claim = f"Not answered: this run left out {listed(missing)}."
            verdicts.append(Verdict(question, "not-run", claim))
        else:
            verdicts.append(Verdict(question, *answer(record)))
    return verdicts


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    return {
        question: words(record)
        for question, (needed, _, words) in QUESTIONS.items()
        if not _missing(record, needed)
    }


Answer = tuple[Outcome, str, list[Reference]]


def _missing(record: Record, needed: tuple[str, ...]) -> list[str]:
    return [VARIANTS[arm].short for arm in needed if arm not in record.config["arms"]]


def _unknown(record: Record) -> str:
    return f"could not be determined from {counted(record.config['seeds'], 'seed')}"


def _epochs(record: Record) -> str:
    return counted(record.config["epochs"], "epoch")


def _difference(record: Record, first: str, second: str) -> Fact:
    return record.facts.pair("difference", first, second)


def _comparison(record: Record, measure: str, first: str, second: str) -> Entry[Fact]:
    """Return the fact on two arms, whichever way round it was put, with its coordinates."""
    entries = record.facts.select(measure).entries()
    return next(e for e in entries if {e.coords["first"], e.coords["second"]} == {first, second})


def _tested(record: Record, first: str, *others: str) -> list[Reference]:
    """Return references to the comparisons of one arm with others."""
    return [
        fact_of(measure, **_comparison(record, measure, first, other).coords)
        for other in others
        for measure in ("difference", "mcnemar")
    ]


def _mcnemar(record: Record, first: str, second: str) -> str:
    return f"McNemar’s {p_value(float(_comparison(record, 'mcnemar', first, second).value))}"


def _order(record: Record, first: str, second: str) -> tuple[Outcome, str]:
    """Say which of two arms is more accurate on the test images, as a part of a sentence."""
    sign = direction(_difference(record, first, second))
    better, worse = (second, first) if sign < 0 else (first, second)
    claim = f"{VARIANTS[better].long} is more accurate than {VARIANTS[worse].long}"
    size = estimate(_difference(record, better, worse), "points")
    if sign:
        return "better", f"{claim}: {size}"
    return "cannot-tell", f"whether {claim} {_unknown(record)}: {size}"


def _compared(record: Record, first: str, *others: str) -> list[str]:
    """Compare one arm with others, with McNemar's test on the test images."""
    return [
        f"{sentence(_order(record, first, other)[1])}; {_mcnemar(record, first, other)}."
        for other in others
    ]


def _change(record: Record, change: Mapping[str, str]) -> Fact:
    return record.facts.get("change", **change)


def _terms(record: Record) -> Answer:
    verbs = {-1: "reduced", 1: "increased", 0: "did not clearly change"}
    changes = (labels.REMOVAL, labels.CORRELATION, labels.MOVEMENT)
    dropout, _, norm = (verbs[direction(_change(record, change))] for change in changes)
    claim = (
        "Co-adapted units rely on each other; internal covariate shift is a layer’s inputs drifting: "
        f"dropout {dropout} the one, batch normalization {norm} the other."
    )
    return "answered", claim, [fact_of("change", **change) for change in changes]


def _measured_terms(record: Record) -> list[str]:
    words = {-1: "is smaller with it", 1: "is larger with it", 0: "is not clearly different"}

    def moved(change: Mapping[str, str], kind: str) -> str:
        fact = _change(record, change)
        return f"{words[direction(fact)]}: {estimate(fact, kind)}"

    return [
        "Dropout against the plain network: the accuracy lost when half of the fc1 units are silenced "
        f"{moved(labels.REMOVAL, 'points')}; the mean absolute correlation of two fc1 units "
        f"{moved(labels.CORRELATION, 'signed')}.",
        "Batch normalization against the plain network: the movement of a layer’s inputs "
        f"{moved(labels.MOVEMENT, 'signed')} standard deviations.",
    ]


def _learned(record: Record) -> Answer:
    where = {"arm": "norm_hidden"}
    evidence, spans = [fact_of("test_accuracy", **where)], []
    for measure, symbol in labels.LEARNED.items():
        ends = []
        for end, extreme in (("low", min), ("high", max)):
            facts = record.facts.select(f"{measure}_{end}", **where)
            evidence += [fact_of(entry.measure, **entry.coords) for entry in facts.entries()]
            ends.append(extreme(float(entry.value) for entry in facts.entries()))
        spans.append(f"{symbol} from {number(ends[0], 2)} to {number(ends[1], 2)}")
    accuracy = estimate(record.facts.get("test_accuracy", **where), "percent")
    claim = f"The network learns {listed(spans)}, and reaches a test accuracy of {accuracy}."
    return "answered", claim, evidence


def _trained(record: Record) -> list[str]:
    return [
        f"These are the ranges over all hidden layers, channels and seeds after {_epochs(record)}, "
        "which a longer training may widen; the table has them layer by layer."
    ]


def _input(record: Record) -> Answer:
    difference = _difference(record, "norm_input", "norm_hidden")
    sign, size = direction(difference), estimate(difference, "points")
    claim = {
        1: "Yes, batch normalization of the input is more accurate than standardization",
        -1: "No, batch normalization of the input is less accurate than standardization",
        0: f"Whether batch normalization of the input beats standardization {_unknown(record)}",
    }[sign]
    evidence = _tested(record, "norm_input", "norm_hidden")
    return "better" if sign else "cannot-tell", f"{claim}: {size}.", evidence


def _input_loss(record: Record) -> list[str]:
    loss = estimate(record.facts.pair("loss_difference", "norm_input", "norm_hidden"), "signed")
    return [
        f"Test loss changes by {loss} nats. On the same test images: "
        f"{_mcnemar(record, 'norm_input', 'norm_hidden')}."
    ]


def _dropout(record: Record) -> Answer:
    outcome, claim = _order(record, "norm_hidden", "dropout")
    claim = f"After {_epochs(record)}, {claim}." if outcome == "better" else f"{sentence(claim)}."
    return outcome, claim, _tested(record, "dropout", "norm_hidden", "norm_input")


def _fitted(record: Record) -> list[str]:
    accuracy = record.facts.get
    return [
        *_compared(record, "dropout", "norm_input"),
        f"With dropout, {estimate(accuracy('train_accuracy', arm='dropout'), 'percent')} of the "
        f"training images and {estimate(accuracy('test_accuracy', arm='dropout'), 'percent')} of the "
        "test images are classified correctly; with batch normalization of the hidden layers "
        f"{estimate(accuracy('train_accuracy', arm='norm_hidden'), 'percent')} of the training images.",
    ]


ALONE = ("norm_hidden", "dropout")


def _strongest(record: Record) -> tuple[str, Fact]:
    """Return the single remedy that both together do worst against, and both − that one."""
    differences = [(arm, _difference(record, "norm_dropout", arm)) for arm in ALONE]
    return min(differences, key=lambda pair: (direction(pair[1]), float(pair[1])))


def _together(record: Record) -> Answer:
    """Either alone that beats both together shows that the benefits do not add up."""
    arm, difference = _strongest(record)
    sign = direction(difference)
    size = estimate(-difference if sign < 0 else difference, "points")
    claim = {
        -1: f"The benefits do not add up: {VARIANTS[arm].long} alone beats both together, by {size}.",
        1: f"The benefits add up: both together beat either alone, by at least {size}.",
        0: f"Whether the benefits of batch normalization and dropout add up {_unknown(record)}.",
    }[sign]
    outcome: Outcome = "better" if sign else "cannot-tell"
    return outcome, claim, _tested(record, "norm_dropout", *ALONE)


def _others(record: Record) -> list[str]:
    """Compare both together with what the verdict does not speak of."""
    arm, difference = _strongest(record)
    return _compared(
        record, "norm_dropout", *(a for a in ALONE if a != arm or not direction(difference))
    )


QUESTIONS: dict[
    str, tuple[tuple[str, ...], Callable[[Record], Answer], Callable[[Record], list[str]]]
] = {
    "3.1": (("plain", "norm_hidden", "dropout"), _terms, _measured_terms),
    "3.2": (("norm_hidden",), _learned, _trained),
    "3.3": (("norm_hidden", "norm_input"), _input, _input_loss),
    "3.4": (("norm_hidden", "norm_input", "dropout"), _dropout, _fitted),
    "3.5": ((*ALONE, "norm_dropout"), _together, _others),
}
"""Question → the arms that it needs, its answer, and the remarks below it."""
