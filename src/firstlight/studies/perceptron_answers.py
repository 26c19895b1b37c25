"""The words that answer questions 1.1 to 1.4, computed from the facts and from nothing else."""

from collections.abc import Mapping

from firstlight import stats
from firstlight.configs import PerceptronConfig
from firstlight.record import Fact

Facts = Mapping[str, Fact]

CRITERIA = {"perceptron": "the perceptron criterion", "hinge": "the hinge loss"}
LEVEL = 1 - stats.CONFIDENCE


def _number(fact: Fact) -> float:
    if isinstance(fact.value, str) or fact.value is None:
        raise TypeError(f"fact: expected a number, got {fact.value!r}")
    return float(fact.value)


def _interval(fact: Fact, unit: str, scale: float, places: int, sign: str = "") -> str:
    if fact.low is None or fact.high is None:
        return ""
    low, high = (f"{scale * end:{sign}.{places}f}" for end in (fact.low, fact.high))
    return f" (95 % interval {low} to {high}{unit})".replace("-", "−")


def _percent(fact: Fact, places: int = 2) -> str:
    return f"{100 * _number(fact):.{places}f} %" + _interval(fact, " %", 100, places)


def _points(fact: Fact) -> str:
    """Return the size of a difference of shares in percentage points, its sign left to words."""
    size = f"{100 * abs(_number(fact)):.2f} percentage points"
    flipped = fact
    if _number(fact) < 0 and fact.low is not None and fact.high is not None:
        flipped = Fact(-_number(fact), -fact.high, -fact.low)
    return size + _interval(flipped, "", 100, 2)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _name(sign: int) -> str:
    """Return the criterion that a difference hinge − perceptron of this sign favours."""
    return CRITERIA["hinge" if sign > 0 else "perceptron"]


def _training(facts: Facts, name: str) -> str:
    """Say how long the first training took and how it ended."""
    epochs = f"{_number(facts[f'first.epochs.{name}']):,.0f}"
    if facts[f"first.converged.{name}"].value:
        return f"It converged: epoch {epochs} made no update."
    return f"It had not converged when it was stopped after {epochs} epochs."


def _many(facts: Facts, name: str, config: PerceptronConfig) -> str:
    share = _percent(facts[f"converged.{name}"])
    return (
        f"Over {config.repeats:,} training sets {share} converged within {config.max_epochs:,} "
        f"epochs (median {_number(facts[f'epochs.{name}']):,.0f}), and the accuracy on the whole "
        f"square averages {_percent(facts[f'accuracy.{name}'])}."
    )


def _alone(facts: Facts, name: str, config: PerceptronConfig) -> str:
    """Answer what one criterion reaches on the assignment's single training set."""
    return (
        f"Trained on one set of {config.train_points} points, {CRITERIA[name]} classifies "
        f"{_percent(facts[f'first.accuracy.{name}'], 1)} of the {config.test_points:,} test points "
        f"correctly. {_training(facts, name)} {_many(facts, name, config)}"
    )


def _first_pair(facts: Facts) -> str:
    """Say whether one draw of training points tells the two criteria apart."""
    p, h = (int(_number(facts[f"first.only_right.{name}"])) for name in CRITERIA)
    value = _number(facts["first.mcnemar"])
    counts = f"{h} test points only the hinge loss gets right, {p} only the perceptron criterion"
    if value < LEVEL and p != h:
        claim = f"these two lines differ, in favour of {_name(h - p)}"
    else:
        claim = "the test points cannot tell these two lines apart"
    return (
        f"{_capital(counts)}: {claim} (McNemar's p = {value:.2g}); one training set says nothing "
        f"about the criteria in general."
    )


def _why(facts: Facts) -> str:
    """Explain as far as it was measured: where in its gap a line ends up."""
    if "offcentre.difference" not in facts:
        return "No training set was separated by both criteria, so the reason was not measured."
    sign = stats.direction(facts["offcentre.difference"])
    p, h = (_number(facts[f"offcentre.{name}"]) for name in CRITERIA)
    places = (
        f"from the middle of the gap between the classes to its edge, the hinge loss's line lies "
        f"{100 * h:.0f} % of the way out, the perceptron's {100 * p:.0f} %"
    )
    rule = (
        "Every line in the gap makes no training error; the perceptron criterion stops at the "
        "first that it meets, the hinge loss goes on until every point has y(w·x) > 1"
    )
    if sign < 0:
        return f"{rule}, which takes it nearer to the middle: {places}."
    if sign > 0:
        return f"{rule}, yet this does not take it nearer to the middle: {places}."
    return f"{rule}; whether that takes it nearer to the middle cannot be told at this n: {places}."


def _budget(facts: Facts) -> str:
    epochs = f"{_number(facts['early.epochs']):,.0f}"
    return f"at learning rate {_number(facts['early.learning_rate']):g} and {epochs} epochs"


def _early_accuracy(facts: Facts) -> str:
    """Say whether stopping the hinge loss early changes the answer to 1.3."""
    late, early = (
        stats.direction(facts[name]) for name in ("accuracy.difference", "early.difference")
    )
    reached = (
        f"{_budget(facts)} the hinge loss reaches {_percent(facts['early.accuracy.hinge'])} and "
        f"the perceptron criterion {_percent(facts['early.accuracy.perceptron'])}"
    )
    if early == 0:
        return f"Stopped early the two cannot be told apart: {reached}."
    if early == late:
        return f"Stopped early the order stays the same: {reached}."
    if late == 0:
        return f"Stopped early, {_name(early)} is better: {reached}."
    return f"The order turns round when the hinge loss is stopped early: {reached}."


def _better(facts: Facts, config: PerceptronConfig) -> str:
    """Answer 1.3: which criterion is more accurate, and why."""
    difference = facts["accuracy.difference"]
    sign = stats.direction(difference)
    if sign:
        claim = (
            f"{_capital(_name(sign))} is more accurate, by {_points(difference)} on average over "
            f"the same {config.repeats:,} training sets."
        )
    else:
        claim = (
            f"At n = {config.repeats:,} training sets we cannot tell which is more accurate: hinge "
            f"loss minus perceptron criterion is {_percent(difference)}."
        )
    return f"{claim} {_why(facts)} {_early_accuracy(facts)}"


def _steadier(facts: Facts, config: PerceptronConfig) -> str:
    """Answer 1.4: which criterion's decisions change less with the training set."""
    difference = facts["disagreement.difference"]
    sign = stats.direction(difference)
    p, h = (_percent(facts[f"disagreement.{name}"]) for name in CRITERIA)
    shares = (
        f"two training sets disagree on {h} of the square with the hinge loss and on {p} with the "
        f"perceptron criterion"
    )
    if sign:
        claim = (
            f"{_capital(_name(-sign))} changes less: {shares}, a difference of "
            f"{_points(difference)}."
        )
    else:
        claim = f"At n = {config.repeats:,} we cannot tell which changes less: {shares}."
    early = stats.direction(facts["early.disagreement.difference"])
    changed = _percent(facts["early.disagreement.hinge"])
    if early == 0:
        after = "cannot be told apart from the perceptron criterion there"
    else:
        after = f"{'more' if early > 0 else 'less'} than the perceptron criterion"
    return f"{claim} {_capital(_budget(facts))} the hinge loss disagrees on {changed}, {after}."


def verdicts(facts: Facts, config: PerceptronConfig) -> dict[str, str]:
    """Return the answers by question of the assignment.

    A claim of order is made only where the 95 % interval of the paired difference excludes zero.
    """
    return {
        "1.1": _alone(facts, "perceptron", config),
        "1.2": f"{_alone(facts, 'hinge', config)} {_first_pair(facts)}",
        "1.3": _better(facts, config),
        "1.4": _steadier(facts, config),
    }
