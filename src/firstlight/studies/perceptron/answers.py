"""The answers to questions 1.1 to 1.4, computed from the facts and from nothing else.

A claim of order is made only where the 95 % interval of the paired difference excludes zero.
"""

from firstlight.record import Fact, Facts, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import decide, direction
from firstlight.studies.perceptron.labels import CRITERIA, DIFFERENCE, MATTERS
from firstlight.text import counted, estimate, interval, number, sentence, value


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    return [_perceptron(record), _hinge(record), _better(record), _steadier(record)]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    facts = record.facts
    return {
        "1.1": [f"{_first_line(facts)} {_convergence(record, 'perceptron')}"],
        "1.2": [_convergence(record, "hinge"), _without_unconverged(record)],
        "1.3": [_place(facts), _stopped_early(facts)],
        "1.4": [_order(facts), _how_many(record)],
    }


def scale(record: Record) -> str:
    """Return how large the run was."""
    sets, points = record.config["repeats"], record.config["train_points"]
    return f"{counted(sets, 'training set')} of {counted(points, 'point')}"


def _favored(sign: int) -> str:
    """Return the criterion that a difference hinge − perceptron of this sign favors."""
    return "hinge" if sign > 0 else "perceptron"


def _evidence(measure: str) -> list[Reference]:
    """Return both criteria and their difference."""
    return [fact_of(measure, criterion=name) for name in (*CRITERIA, DIFFERENCE)]


def _perceptron(record: Record) -> Verdict:
    place = fact_of("first", quantity="accuracy", criterion="perceptron")
    right = record.facts.get(place.measure, **dict(place.coords))
    points, tests = record.config["train_points"], number(record.config["test_points"])
    claim = (
        f"Trained on {counted(points, 'point')}, the perceptron criterion gets "
        f"{estimate(right, 'percent')} of the {tests} test points right."
    )
    return Verdict("1.1", "answered", claim, [place])


def _hinge(record: Record) -> Verdict:
    accuracy = fact_of("first", quantity="accuracy", criterion="hinge")
    area = fact_of("first", quantity="area", criterion=DIFFERENCE)
    right = record.facts.get(accuracy.measure, **dict(accuracy.coords))
    more = record.facts.get(area.measure, **dict(area.coords))
    order = "exactly as good as the perceptron criterion"
    if float(more) != 0:
        gap = value(more if float(more) > 0 else -more, "gap")
        order = f"exactly {gap} {'better' if float(more) > 0 else 'worse'} than the perceptron criterion"
    claim = (
        f"The hinge loss gets {value(right, 'percent')} of the same test points right; on the whole "
        f"square it is {order}."
    )
    return Verdict("1.2", "answered", claim, [accuracy, area])


def _better(record: Record) -> Verdict:
    facts, sets = record.facts, counted(record.config["repeats"], "training set")
    difference = facts.get("accuracy", criterion=DIFFERENCE)
    outcome, sign = decide(difference, MATTERS["1.3"]), direction(difference)
    evidence, decision = _evidence("accuracy"), ""
    if outcome == "no-difference":
        decision = outcome
        claim = (
            f"Neither, by more than {value(Fact(MATTERS['1.3']), 'gap')}: over {sets} they differ by "
            f"{estimate(difference, 'points')}."
        )
    elif outcome == "better":
        decision, reason = _favored(sign), ""
        if sign * _towards_middle(facts) > 0:
            reason = ", because its line ends nearer the middle of the gap between the classes"
            evidence += _evidence("offcentre")
        claim = f"{sentence(CRITERIA[decision])}: it is {_size(difference)} more accurate over {sets}{reason}."
    else:
        size = estimate(difference, "points")
        claim = f"Which is more accurate could not be determined from {sets}: {size}."
    return Verdict("1.3", outcome, claim, evidence, decision)


def _size(difference: Fact) -> str:
    """Return a difference without its sign, and its interval, in points."""
    positive = difference if float(difference) > 0 else -difference
    ends = interval(positive, "gap").removesuffix("\u202fpoints")
    return f"{value(positive, 'gap')} ({ends})"


def _towards_middle(facts: Facts) -> int:
    """Return 1 where the hinge loss's lines lie nearer to the middle, −1 where the others do, or 0."""
    difference = facts.find("offcentre", criterion=DIFFERENCE)
    return 0 if difference is None else -direction(difference)


def _changing(record: Record, criterion: str) -> str:
    """Return how many of the test points two training sets decide differently."""
    share = record.facts.value("disagreement", criterion=criterion)
    return number(share * record.config["test_points"], 0)


def _steadier(record: Record) -> Verdict:
    difference = record.facts.get("disagreement", criterion=DIFFERENCE)
    outcome: Outcome = decide(difference, MATTERS["1.4"])
    p, h = (_changing(record, criterion) for criterion in CRITERIA)
    tests = number(record.config["test_points"])
    counts = (
        f"redrawing the {record.config['train_points']} training points changes about {h} of the "
        f"{tests} test points with the hinge loss, {p} with the perceptron criterion"
    )
    decision = {"better": _favored(-direction(difference)), "no-difference": outcome}.get(
        outcome, ""
    )
    head = {
        "better": f"{sentence(CRITERIA.get(decision, ''))} changes less",
        "no-difference": "Both change about equally",
    }.get(outcome, "Which changes less could not be determined")
    claim = f"{head}: {counts}."
    return Verdict("1.4", outcome, claim, _evidence("disagreement"), decision)


def _first_line(facts: Facts) -> str:
    """Say how much of the square the first line gets right, and whether training had ended."""
    area = value(facts.get("first", quantity="area", criterion="perceptron"), "percent")
    return f"On the whole square this line gets exactly {area} right."


def _convergence(record: Record, name: str) -> str:
    """Say how all the trainings end, and how accurate they are on average."""
    facts, config = record.facts, record.config
    return (
        f"Over {counted(config['repeats'], 'training set')}, {CRITERIA[name]} gets "
        f"{estimate(facts.get('accuracy', criterion=name), 'percent')} of the square right on average; "
        f"{value(facts.get('converged', criterion=name), 'percent')} of its trainings converge within "
        f"{counted(config['max_epochs'], 'epoch')}, half of all within "
        f"{number(facts.value('epochs', criterion=name), 0)}."
    )


def _without_unconverged(record: Record) -> str:
    """Say what the mean would be without the trainings that were cut off."""
    facts, sets = record.facts, record.config["repeats"]
    late = round((1 - facts.value("converged", criterion="hinge")) * sets)
    only = facts.find("accuracy_converged", criterion="hinge")
    if late == 0:
        return "Every training converged."
    share = (
        f"The mean includes {number(late)} of {counted(sets, 'training')} that had not converged"
    )
    if only is None:
        return f"{share}."
    return (
        f"{share}; over the sets on which both criteria did, it is {value(only, 'percent')}, and the "
        f"difference {estimate(facts.get('accuracy_converged', criterion=DIFFERENCE), 'points')}."
    )


def _place(facts: Facts) -> str:
    """Say where in its gap a line ends up."""
    if facts.find("offcentre", criterion=DIFFERENCE) is None:
        return "No training set was separated by both criteria, so the reason was not measured."
    p, h = (value(facts.get("offcentre", criterion=name), "{:.0%}") for name in CRITERIA)
    effect = {
        1: "The hinge loss ends nearer the middle of the gap",
        -1: "Yet the hinge loss does not end nearer the middle of the gap",
        0: "Whether the hinge loss ends nearer the middle of the gap could not be determined",
    }[_towards_middle(facts)]
    return (
        f"{effect}: on average {h} of the way from its middle to its edge, the perceptron criterion "
        f"{p}. A line that ends anywhere in the gap would be half way out."
    )


def _budget(facts: Facts) -> str:
    epochs = counted(facts.value("early", quantity="epochs"), "epoch")
    rate = number(facts.value("early", quantity="learning_rate"))
    return f"after {epochs} at learning rate {rate}"


def _stopped_early(facts: Facts) -> str:
    """Say whether stopping the hinge loss early changes the answer to 1.3."""
    late = direction(facts.get("accuracy", criterion=DIFFERENCE))
    early = direction(facts.get("early", quantity=DIFFERENCE))
    p, h = (
        value(facts.get("early", quantity="accuracy", criterion=name), "percent")
        for name in CRITERIA
    )
    reached = f"{_budget(facts)} the hinge loss has {h}, the perceptron criterion {p}"
    if early == 0:
        return f"Stopped early the two cannot be distinguished: {reached}."
    if early == late:
        return f"Stopped early the order stays the same: {reached}."
    if late == 0:
        return f"Stopped early, {CRITERIA[_favored(early)]} is better: {reached}."
    return f"The order is reversed when the hinge loss is stopped early: {reached}."


def _order(facts: Facts) -> str:
    """Say how much of the change comes from the order of the points alone."""
    p, h = (value(facts.get("reordered", criterion=name), "{:.1%}") for name in CRITERIA)
    sign = direction(facts.get("reordered", criterion=DIFFERENCE))
    reason = {
        -1: "A line in the middle of the gap hardly depends on the order of the points",
        1: "Yet the hinge loss depends more on the order of the points",
        0: "Which depends more on the order of the points could not be determined",
    }[sign]
    return (
        f"{reason}: the same points in reverse order change {h} of the square with the hinge loss, "
        f"{p} with the perceptron criterion."
    )


def _how_many(record: Record) -> str:
    """Say whether the change is small, beside the errors that the lines make anyway."""
    facts = record.facts
    wrong = number(
        (1 - facts.value("accuracy", criterion="hinge")) * record.config["test_points"], 0
    )
    early = {
        0: "which cannot be distinguished from the perceptron criterion",
        1: "more than the perceptron criterion",
        -1: "less than the perceptron criterion",
    }[direction(facts.get("early", quantity="disagreement", criterion=DIFFERENCE))]
    changed = value(facts.get("early", quantity="disagreement", criterion="hinge"), "percent")
    return (
        f"To compare, a line of the hinge loss gets about {wrong} of the test points wrong. Stopped "
        f"early ({_budget(facts)}), it changes {changed} of the square, {early}."
    )
