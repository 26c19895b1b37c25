"""The answers to questions 1.1 to 1.4, computed from the facts and from nothing else.

A claim of order is made only where the 95 % interval of the paired difference excludes zero.
"""

from firstlight.record import Facts, Outcome, Record, Reference, Verdict, fact_of
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
        "1.1": [_convergence(record, "perceptron")],
        "1.2": [_convergence(record, "hinge"), _first_pair(facts)],
        "1.3": [_why(facts), _stopped_early(facts)],
        "1.4": [_early_disagreement(facts)],
    }


def _favored(sign: int) -> str:
    """Return the criterion that a difference hinge − perceptron of this sign favors."""
    return CRITERIA["hinge" if sign > 0 else "perceptron"]


def _alone(record: Record, question: str, name: str) -> Verdict:
    right = estimate(record.facts.get("first", quantity="accuracy", criterion=name), "percent")
    points, tests = record.config["train_points"], number(record.config["test_points"])
    evidence = [fact_of(measure, criterion=name) for measure in ("accuracy", "converged")]
    return Verdict(
        question,
        "answered",
        f"Trained on {counted(points, 'point')}, {CRITERIA[name]} classifies {right} of {tests} test "
        "points correctly.",
        [fact_of("first", quantity="accuracy", criterion=name), *evidence],
    )


def _better(record: Record) -> Verdict:
    difference = record.facts.get("accuracy", criterion=DIFFERENCE)
    sign, sets = direction(difference), counted(record.config["repeats"], "training set")
    evidence = _evidence("accuracy")
    if record.facts.has("offcentre"):
        evidence += _evidence("offcentre")
    if not sign:
        size = estimate(difference, "points")
        claim = f"Which is more accurate could not be determined from {sets}: {size}."
        return Verdict("1.3", "cannot-tell", claim, evidence)
    size = estimate(difference if sign > 0 else -difference, "gap")
    claim = f"{sentence(_favored(sign))} is more accurate, by {size} over {sets}."
    return Verdict("1.3", "better", claim, evidence)


def _steadier(record: Record) -> Verdict:
    sign = direction(record.facts.get("disagreement", criterion=DIFFERENCE))
    p, h = (value(record.facts.get("disagreement", criterion=c), "percent") for c in CRITERIA)
    outcome: Outcome = "better" if sign else "cannot-tell"
    which = f"{sentence(_favored(-sign))} changes less"
    claim = (
        f"{which if sign else 'Which changes less could not be determined'}: two training sets disagree "
        f"on {h} of the square with the hinge loss, {p} with the perceptron criterion."
    )
    return Verdict("1.4", outcome, claim, _evidence("disagreement"))


def _evidence(measure: str) -> list[Reference]:
    """Return both criteria and their difference."""
    return [fact_of(measure, criterion=name) for name in (*CRITERIA, DIFFERENCE)]


def _convergence(record: Record, name: str) -> str:
    """Say how long the first training took and how it ended, then how all the others did."""
    facts, config = record.facts, record.config
    epochs = facts.value("first", quantity="epochs", criterion=name)
    end = f"It had not converged when it was stopped after {counted(epochs, 'epoch')}."
    if facts.get("first", quantity="converged", criterion=name).value:
        end = f"It converged: epoch {number(epochs)} made no update."
    return (
        f"{end} Over {counted(config['repeats'], 'training set')} "
        f"{estimate(facts.get('converged', criterion=name), 'percent')} converged within "
        f"{counted(config['max_epochs'], 'epoch')} (median "
        f"{number(facts.value('epochs', criterion=name))}), and the accuracy on the whole square "
        f"averages {estimate(facts.get('accuracy', criterion=name), 'percent')}."
    )


def _first_pair(facts: Facts) -> str:
    """Say whether one draw of training points tells the two criteria apart."""
    p, h = (int(facts.value("first", quantity="only_right", criterion=name)) for name in CRITERIA)
    chance = facts.value("first", quantity="mcnemar")
    claim = "the test points do not distinguish these two lines"
    if chance < 1 - CONFIDENCE and p != h:
        claim = f"these two lines differ, in favor of {_favored(h - p)}"
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
    rule = (
        "Every line in the gap makes no training error; the perceptron criterion stops at the "
        "first that it meets, the hinge loss goes on until every point has y(w·x) > 1"
    )
    effect = {
        -1: ", which takes it nearer to the middle",
        1: ", yet this does not take it nearer to the middle",
        0: "; whether that takes it nearer to the middle could not be determined",
    }[direction(difference)]
    return (
        f"{rule}{effect}: from the middle of the gap between the classes to its edge, the hinge "
        f"loss's line lies {h} of the way out, the perceptron's {p}."
    )


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
