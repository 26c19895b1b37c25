"""The answers to questions 3.1 to 3.5, worded from the facts of a run."""

from collections.abc import Callable, Mapping, Sequence

from firstlight.record import Fact
from firstlight.stats import direction

Facts = Mapping[str, Fact]

NAMES = {
    "plain": "the plain network",
    "norm_hidden": "batch normalization of the hidden layers",
    "norm_input": "batch normalization of the input too",
    "dropout": "dropout",
    "norm_dropout": "batch normalization with dropout",
}
"""How a sentence calls each arm."""

MINUS = "−"


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", MINUS)


def _span(fact: Fact, scale: float = 100.0, unit: str = " points") -> str:
    """Return ``0.42 points (95 % interval 0.10 to 0.74, n = 5 seeds)``, signed."""
    places = 2 if scale == 100 else 3
    value = float(fact.value) * scale  # type: ignore[arg-type]  # these facts are numbers
    sign = "+" if value > 0 else ""
    seeds = f"n = {fact.n} seed" + ("s" if fact.n != 1 else "")
    text = f"{sign}{_number(value, places)}{unit}"
    if fact.low is None or fact.high is None:
        return f"{text} ({seeds}, so no interval)"
    low, high = _number(fact.low * scale, places), _number(fact.high * scale, places)
    return f"{text} (95 % interval {low} to {high}, {seeds})"


def oriented(facts: Facts, first: str, second: str, kind: str = "difference") -> Fact:
    """Return the paired difference first − second, whichever way round the record holds it.

    Raises:
        KeyError: the record lacks this pair.
    """
    found = facts.get(f"{kind}.{first}.{second}")
    if found is not None:
        return found
    other = facts[f"{kind}.{second}.{first}"]
    value = -float(other.value)  # type: ignore[arg-type]  # a number
    low = None if other.high is None else -other.high
    high = None if other.low is None else -other.low
    return Fact(value, low, high, other.n)


def _mcnemar(facts: Facts, first: str, second: str) -> str:
    fact = facts.get(f"mcnemar.{first}.{second}") or facts[f"mcnemar.{second}.{first}"]
    p = float(fact.value)  # type: ignore[arg-type]  # a number
    return "McNemar p < 0.0001" if p < 1e-4 else f"McNemar p = {p:.2g}"


def compared(facts: Facts, first: str, second: str) -> str:
    """Return whether ``first`` has a better test accuracy than ``second``, with the numbers."""
    sign = direction(oriented(facts, first, second))
    better, worse = (second, first) if sign < 0 else (first, second)
    what = f"{_span(oriented(facts, better, worse))}; {_mcnemar(facts, first, second)}"
    if sign == 0:
        return f"cannot tell at this n whether {NAMES[first]} or {NAMES[second]} is better: {what}"
    return f"{NAMES[better]} is better than {NAMES[worse]}: {what}"


def _moved(fact: Fact, what: str, up: str, down: str, scale: float, unit: str) -> str:
    word = {1: up, -1: down, 0: "not distinguishable at this n"}[direction(fact)]
    return f"{what} is {word}: {_span(fact, scale, unit)}"


def _explained(facts: Facts) -> str:
    removal = facts["change.removal.dropout.plain"]
    related = facts["change.coadaptation.fc1.dropout.plain"]
    shift = facts["change.covariate_shift.norm_hidden.plain"]
    high, low = "larger with it", "smaller with it"
    return (
        "Co-adaptation, dropout against the plain network: "
        + _moved(removal, "accuracy lost with half of the fc1 units", high, low, 100, " points")
        + "; "
        + _moved(related, "mean absolute correlation of two fc1 units", high, low, 1, "")
        + ". Internal covariate shift, batch normalization against the plain network: "
        + _moved(shift, "movement of a layer's inputs", high, low, 1, " standard deviations")
        + "."
    )


def _learned(facts: Facts) -> str:
    accuracy = facts["test_accuracy.norm_hidden"]
    seeds = f"n = {accuracy.n} seed" + ("s" if accuracy.n != 1 else "")
    value = f"{100 * float(accuracy.value):.2f} %"  # type: ignore[arg-type]  # a number
    if accuracy.low is not None and accuracy.high is not None:
        value += f" (95 % interval {100 * accuracy.low:.2f} to {100 * accuracy.high:.2f} %)"
    ranges = [_range(facts, layer) for layer in ("conv1", "conv2", "fc1", "fc2")]
    return (
        f"With a standardized input and batch normalization in the hidden layers, test accuracy is "
        f"{value}, {seeds}. The learned parameters, over channels and seeds: {'; '.join(ranges)}."
    )


def _range(facts: Facts, layer: str) -> str:
    """Return ``conv1 γ 0.91 to 1.20, β −0.10 to 0.12``."""
    parts = []
    for head, symbol in (("gamma", "γ"), ("beta", "β")):
        ends = [facts[f"{head}_{end}.norm_hidden.{layer}"].value for end in ("low", "high")]
        low, high = (_number(float(end), 2) for end in ends)  # type: ignore[arg-type]  # numbers
        parts.append(f"{symbol} {low} to {high}")
    return f"{layer} {', '.join(parts)}"


def _input(facts: Facts) -> str:
    fact = oriented(facts, "norm_input", "norm_hidden")
    sign = direction(fact)
    head = {
        1: "Yes: batch normalization of the input improved test accuracy",
        -1: "No: batch normalization of the input lowered test accuracy",
        0: "Cannot tell at this n whether batch normalization of the input improved test accuracy",
    }[sign]
    loss = oriented(facts, "norm_input", "norm_hidden", "loss_difference")
    test = _mcnemar(facts, "norm_input", "norm_hidden")
    return (
        f"{head} over standardization: {_span(fact)}; {test}. "
        f"Test loss changed by {_span(loss, 1, ' nats')}."
    )


def _dropout(facts: Facts) -> str:
    first = compared(facts, "dropout", "norm_hidden")
    second = compared(facts, "dropout", "norm_input")
    return _sentence(first) + " " + _sentence(second)


def _both(facts: Facts) -> str:
    alone = [direction(oriented(facts, "norm_dropout", x)) for x in ("norm_hidden", "dropout")]
    head = {
        (1, 1): "The benefits add up: together they beat either alone.",
        (-1, -1): "The benefits do not add up: together they are worse than either alone.",
        (-1, 1): "The benefits do not add up: together they beat dropout alone but are worse than "
        "batch normalization alone.",
        (1, -1): "The benefits do not add up: together they beat batch normalization alone but are "
        "worse than dropout alone.",
    }.get((alone[0], alone[1]), "Cannot tell at this n whether the benefits add up.")
    parts = [compared(facts, "norm_dropout", x) for x in ("norm_hidden", "dropout")]
    return " ".join([head, *map(_sentence, parts)])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


QUESTIONS: dict[str, tuple[tuple[str, ...], Callable[[Facts], str]]] = {
    "3.1": (("plain", "norm_hidden", "dropout"), _explained),
    "3.2": (("norm_hidden",), _learned),
    "3.3": (("norm_hidden", "norm_input"), _input),
    "3.4": (("norm_hidden", "norm_input", "dropout"), _dropout),
    "3.5": (("norm_hidden", "dropout", "norm_dropout"), _both),
}
"""Question → the arms that it needs, and its answer."""


def answers(facts: Facts, arms: Sequence[str], stand_in: str | None = None) -> dict[str, str]:
    """Return the answer to each question of problem 3.

    Args:
        facts: the study's facts.
        arms: the arms that were trained.
        stand_in: name of the data that stand in for MNIST, or None for the real ones.
    """
    prefix = "" if stand_in is None else f"On {stand_in} (stand-in data): "
    found = {}
    for question, (needed, answer) in QUESTIONS.items():
        missing = [arm for arm in needed if arm not in arms]
        told = (
            f"Not answered: this run left out {', '.join(missing)}." if missing else answer(facts)
        )
        found[question] = prefix + told
    return found
