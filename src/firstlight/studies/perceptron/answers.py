"""The answers to questions 1.1 to 1.4, computed from the facts and from nothing else.

A claim of order is made only where the 95 % interval of the paired difference excludes zero.
"""

from firstlight.record import Fact, Facts, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import CONFIDENCE, direction
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE
from firstlight.text import counted, estimate, number, p_value, sentence, value


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    return [
        _alone(record, "1.1", "perceptron"),
        _alone(record, "1.2", "hinge"),
        _better(record),
        _steadier(record),
    ]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    facts = record.facts
    return {
        "1.1": [f"{_training(facts, 'perceptron')} {_many(record, 'perceptron')}"],
        "1.2": [f"{_training(facts, 'hinge')} {_many(record, 'hinge')}", _first_pair(facts)],
        "1.3": [_why(facts), _stopped_early(facts)],
        "1.4": [_early_disagreement(facts)],
    }


def _favored(sign: int) -> str:
    """Return the criterion that a difference hinge − perceptron of this sign favors."""
    return CRITERIA["hinge" if sign > 0 else "perceptron"]


def _size(difference: Fact) -> str:
    """Return the absolute value of a difference of shares; words say which is larger."""
    return estimate(difference if float(difference) >= 0 else -difference, "gap")


def _alone(record: Record, question: str, name: str) -> Verdict:
    right = estimate(record.facts.get("first", quantity="accuracy", criterion=name), "percent")
    points = record.config["train_points"]
    tests = number(record.config["test_points"])
    return Verdict(
        question,
        "answered",
        f"Trained on {counted(points, 'point')}, {CRITERIA[name]} classifies {right} of {tests} test "
        "points correctly.",
        [
            fact_of("first", quantity="accuracy", criterion=name),
            fact_of("accuracy", criterion=name),
            fact_of("converged", criterion=name),
        ],
    )


def _better(record: Record) -> Verdict:
    difference = record.facts.get("accuracy", criterion=DIFFERENCE)
    sign, sets = direction(difference), counted(record.config["repeats"], "training set")
    if sign:
        outcome: Outcome = "better"
        claim = f"{sentence(_favored(sign))} is more accurate, by {_size(difference)} over {sets}."
    else:
        outcome = "cannot-tell"
        size = estimate(difference, "points")
        claim = f"Which is more accurate could not be determined from {sets}: {size}."
    return Verdict("1.3", outcome, claim, _evidence("accuracy") + _evidence("offcentre", record))


def _steadier(record: Record) -> Verdict:
    difference = record.facts.get("disagreement", criterion=DIFFERENCE)
    sign = direction(difference)
    p, h = (value(record.facts.get("disagreement", criterion=c), "percent") for c in CRITERIA)
    shares = f"two training sets disagree on {h} of the square with the hinge loss, {p} with the perceptron criterion"
    if sign:
        return Verdict(
            "1.4",
            "better",
            f"{sentence(_favored(-sign))} changes less: {shares}.",
            _evidence("disagreement"),
        )
    claim = f"Which changes less could not be determined: {shares}."
    return Verdict("1.4", "cannot-tell", claim, _evidence("disagreement"))


def _evidence(measure: str, record: Record | None = None) -> list[Reference]:
    """Return both criteria and their difference; nothing where a record lacks the measure."""
    if record is not None and not record.facts.has(measure):
        return []
    return [fact_of(measure, criterion=name) for name in (*CRITERIA, DIFFERENCE)]


def _training(facts: Facts, name: str) -> str:
    """Say how long the first training took and how it ended."""
    epochs = facts.value("first", quantity="epochs", criterion=name)
    if facts.get("first", quantity="converged", criterion=name).value:
        return f"It converged: epoch {number(epochs)} made no update."
    return f"It had not converged when it was stopped after {counted(epochs, 'epoch')}."


def _many(record: Record, name: str) -> str:
    facts, config = record.facts, record.config
    return (
        f"Over {counted(config['repeats'], 'training set')} "
        f"{estimate(facts.get('converged', criterion=name), 'percent')} converged within "
        f"{counted(config['max_epochs'], 'epoch')} (median "
        f"{number(facts.value('epochs', criterion=name))}), and the accuracy on the whole square "
        f"averages {estimate(facts.get('accuracy', criterion=name), 'percent')}."
    )


def _first_pair(facts: Facts) -> str:
    """Say whether one draw of training points tells the two criteria apart."""
    p, h = (int(facts.value("first", quantity="only_right", criterion=name)) for name in CRITERIA)
    chance = facts.value("first", quantity="mcnemar")
    if chance < 1 - CONFIDENCE and p != h:
        claim = f"these two lines differ, in favor of {_favored(h - p)}"
    else:
        claim = "the test points do not distinguish these two lines"
    return (
        f"The hinge loss alone gets {counted(h, 'test point')} right, the perceptron criterion alone "
        f"{number(p)}: {claim} (McNemar's test, {p_value(chance)}). One training set says nothing "
        "about the criteria in general."
    )


def _why(facts: Facts) -> str:
    """Explain as far as it was measured: where in its gap a line ends up."""
    difference = facts.find("offcentre", criterion=DIFFERENCE)
    if difference is None:
        return "No training set was separated by both criteria, so the reason was not measured."
    p, h = (value(facts.get("offcentre", criterion=name), "{:.0%}") for name in CRITERIA)
    places = (
        "from the middle of the gap between the classes to its edge, the hinge loss's line lies "
        f"{h} of the way out, the perceptron's {p}"
    )
    rule = (
        "Every line in the gap makes no training error; the perceptron criterion stops at the "
        "first that it meets, the hinge loss goes on until every point has y(w·x) > 1"
    )
    return {
        -1: f"{rule}, which takes it nearer to the middle: {places}.",
        1: f"{rule}, yet this does not take it nearer to the middle: {places}.",
        0: f"{rule}; whether that takes it nearer to the middle could not be determined: {places}.",
    }[direction(difference)]


def _budget(facts: Facts) -> str:
    epochs = counted(facts.value("early", quantity="epochs"), "epoch")
    rate = number(facts.value("early", quantity="learning_rate"))
    return f"at learning rate {rate} and {epochs}"


def _stopped_early(facts: Facts) -> str:
    """Say whether stopping the hinge loss early changes the answer to 1.3."""
    late = direction(facts.get("accuracy", criterion=DIFFERENCE))
    early = direction(facts.get("early", quantity=DIFFERENCE))
    p, h = (
        estimate(facts.get("early", quantity="accuracy", criterion=name), "percent")
        for name in CRITERIA
    )
    reached = f"{_budget(facts)} the hinge loss reaches {h} and the perceptron criterion {p}"
    if early == 0:
        return f"Stopped early the two cannot be distinguished: {reached}."
    if early == late:
        return f"Stopped early the order stays the same: {reached}."
    if late == 0:
        return f"Stopped early, {_favored(early)} is better: {reached}."
    return f"The order is reversed when the hinge loss is stopped early: {reached}."


def _early_disagreement(facts: Facts) -> str:
    early = direction(facts.get("early", quantity="disagreement", criterion=DIFFERENCE))
    changed = estimate(facts.get("early", quantity="disagreement", criterion="hinge"), "percent")
    after = {
        0: "which cannot be distinguished from the perceptron criterion there",
        1: "more than the perceptron criterion",
        -1: "less than the perceptron criterion",
    }[early]
    return f"{sentence(_budget(facts))} the hinge loss disagrees on {changed}, {after}."
