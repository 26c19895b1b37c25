"""The answers to questions 3.1 to 3.5, computed from the facts and from nothing else.

A claim of order is made only where the 95 % interval of the paired difference excludes zero.
"""

from collections.abc import Callable

from firstlight.record import Fact, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import direction
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.labels import VARIANTS, short
from firstlight.text import counted, estimate, listed, number, p_value, sentence

Answer = tuple[Outcome, str, list[Reference], list[str]]
"""Outcome, headline and evidence of a verdict, and the remarks below it."""


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    return [Verdict(question, *answer[:3]) for question, answer in _answered(record).items()]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    return {question: words for question, (*_, words) in _answered(record).items() if words}


def _answered(record: Record) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for question, (needed, answer) in QUESTIONS.items():
        missing = [short(arm) for arm in needed if arm not in record.config["arms"]]
        claim = f"Not answered: this run left out {listed(missing)}."
        found[question] = ("not-run", claim, [], []) if missing else answer(record)
    return found


def _unknown(record: Record) -> str:
    return f"could not be determined from {counted(record.config['seeds'], 'seed')}"


def _epochs(record: Record) -> str:
    return counted(record.config["epochs"], "epoch")


def _difference(record: Record, first: str, second: str) -> Fact:
    return record.facts.pair("difference", first, second)


def _pair(record: Record, *arms: str) -> dict[str, str]:
    """Return the coordinates of a comparison of two arms, in the order of the run."""
    first, second = sorted(arms, key=record.config["arms"].index)
    return {"first": first, "second": second}


def _tested(record: Record, first: str, *others: str) -> list[Reference]:
    """Return references to the comparisons of one arm with others."""
    pairs = [_pair(record, first, other) for other in others]
    return [fact_of(measure, **pair) for pair in pairs for measure in ("difference", "mcnemar")]


def _mcnemar(record: Record, *arms: str) -> str:
    return f"McNemar’s {p_value(record.facts.value('mcnemar', **_pair(record, *arms)))}"


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


def _terms(record: Record) -> Answer:
    verbs = {-1: "reduced", 1: "increased", 0: "did not clearly change"}
    facts = [record.facts.get("change", **change) for change in labels.CHANGES]
    dropout, fc1, fc2, norm = (verbs[direction(fact)] for fact in facts)
    lost, *sizes = estimate(facts[0], "points"), *(estimate(fact, "signed") for fact in facts[1:])
    claim = (
        "Co-adapted units rely on each other; internal covariate shift is a layer’s inputs drifting: "
        f"dropout {dropout} the one, batch normalization {norm} the other."
    )
    words = [
        f"Against the plain network, dropout {dropout} the accuracy lost when half of the fc1 units "
        f"are silenced: {lost}. It {fc1} the mean absolute correlation of two fc1 units, {sizes[0]}, "
        f"and {fc2} that of two fc2 units, {sizes[1]}.",
        f"Batch normalization of the hidden layers {norm} the movement of a layer’s inputs: "
        f"{sizes[2]} standard deviations.",
    ]
    return "answered", claim, [fact_of("change", **change) for change in labels.CHANGES], words


def _learned(record: Record) -> Answer:
    where = {"arm": "norm_hidden"}
    evidence, spans = [fact_of("test_accuracy", **where)], []
    for measure, symbol in labels.LEARNED.items():
        low, high = (record.facts.select(f"{measure}_{end}", **where) for end in ("low", "high"))
        evidence += [fact_of(e.measure, **e.coords) for e in (*low.entries(), *high.entries())]
        least, most = min(float(f) for _, f in low.items()), max(float(f) for _, f in high.items())
        spans.append(f"{symbol} from {number(least, 2)} to {number(most, 2)}")
    accuracy = estimate(record.facts.get("test_accuracy", **where), "percent")
    claim = f"The network learns {listed(spans)}, and reaches a test accuracy of {accuracy}."
    words = (
        f"These are the ranges over all hidden layers, channels and seeds after {_epochs(record)}, "
        "which a longer training may widen; the table has them layer by layer."
    )
    return "answered", claim, evidence, [words]


def _input(record: Record) -> Answer:
    arms = ("norm_input", "norm_hidden")
    difference, loss = (record.facts.pair(m, *arms) for m in ("difference", "loss_difference"))
    claim = {
        1: "Yes, batch normalization of the input is more accurate than standardization",
        -1: "No, batch normalization of the input is less accurate than standardization",
        0: f"Whether batch normalization of the input beats standardization {_unknown(record)}",
    }[direction(difference)]
    outcome: Outcome = "better" if direction(difference) else "cannot-tell"
    words = (
        f"Test loss changes by {estimate(loss, 'signed')} nats. On the same test images: "
        f"{_mcnemar(record, *arms)}."
    )
    claim = f"{claim}: {estimate(difference, 'points')}."
    return outcome, claim, _tested(record, *arms), [words]


def _dropout(record: Record) -> Answer:
    outcome, claim = _order(record, "norm_hidden", "dropout")
    claim = f"After {_epochs(record)}, {claim}." if outcome == "better" else f"{sentence(claim)}."
    train, test, norm_train = (
        estimate(record.facts.get(f"{images}_accuracy", arm=arm), "percent")
        for images, arm in (("train", "dropout"), ("test", "dropout"), ("train", "norm_hidden"))
    )
    words = (
        f"With dropout, {train} of the training images and {test} of the test images are classified "
        f"correctly; with batch normalization of the hidden layers {norm_train} of the training "
        "images."
    )
    evidence = _tested(record, "dropout", "norm_hidden", "norm_input")
    return outcome, claim, evidence, [*_compared(record, "dropout", "norm_input"), words]


ALONE = ("norm_hidden", "dropout")


def _together(record: Record) -> Answer:
    """Either alone that beats both together shows that the benefits do not add up."""
    differences = {arm: _difference(record, "norm_dropout", arm) for arm in ALONE}
    arm = min(ALONE, key=lambda a: (direction(differences[a]), float(differences[a])))
    sign = direction(differences[arm])
    size = estimate(-differences[arm] if sign < 0 else differences[arm], "points")
    claim = {
        -1: f"The benefits do not add up: {VARIANTS[arm].long} alone beats both together, by {size}.",
        1: f"The benefits add up: both together beat either alone, by at least {size}.",
        0: f"Whether the benefits of batch normalization and dropout add up {_unknown(record)}.",
    }[sign]
    outcome: Outcome = "better" if sign else "cannot-tell"
    others = [a for a in ALONE if a != arm or not sign]  # those of which the claim does not speak
    evidence = _tested(record, "norm_dropout", *ALONE)
    return outcome, claim, evidence, _compared(record, "norm_dropout", *others)


QUESTIONS: dict[str, tuple[tuple[labels.Arm, ...], Callable[[Record], Answer]]] = {
    "3.1": (("plain", "norm_hidden", "dropout"), _terms),
    "3.2": (("norm_hidden",), _learned),
    "3.3": (("norm_hidden", "norm_input"), _input),
    "3.4": (("norm_hidden", "norm_input", "dropout"), _dropout),
    "3.5": (("norm_hidden", "dropout", "norm_dropout"), _together),
}
"""Question → the arms that it needs, and its answer."""
