"""The answer to question 2.1, computed from the facts and from nothing else."""

from firstlight.record import Fact, Facts, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import decide, direction
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.labels import (
    ACTIVATIONS,
    GUESSING,
    KEPT,
    LOSS_MATTERS,
    MATTERS,
    SATURATING,
)
from firstlight.text import counted, listed, number, value

LEARNED = 0.99
"""A network learned where its loss, with the whole interval, is below this share of ``GUESSING``."""
NEEDED = (*SATURATING, "relu")
HE = {"activation": "relu", "first": "he", "second": "xavier"}
"""Where He is compared with Xavier."""


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on question 2.1."""
    missing = [ACTIVATIONS[a] for a in NEEDED if a not in record.config["activations"]]
    if missing:
        return [Verdict("2.1", "not-run", f"Not answered: this run left out {listed(missing)}.")]
    facts = record.facts
    outcome, decision = he_decision(facts)
    claim = (
        "Too small or large weights make gradients vanish or explode. "
        f"{_xavier(facts)}; {he_words(facts)}."
    )
    evidence = [
        *(fact_of("ratio", direction="gradient", activation=a, init="xavier") for a in SATURATING),
        *(fact_of("ratio", direction="activation", activation="relu", init=i) for i in ("he", "xavier")),
        *_evidence(HE),
    ]  # fmt: skip
    return [Verdict("2.1", outcome, claim, evidence, decision)]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below the verdict."""
    if any(a not in record.config["activations"] for a in NEEDED):
        return {}
    return {"2.1": [_depth(record), _saturation(record), _learning(record)]}


def scale(record: Record) -> str:
    """Return how large the run was."""
    config = record.config
    words = f"{counted(config['seeds'], 'network')} of each kind"
    if not trains(record):
        return words
    return (
        f"{words}, {number(config['training_seeds'])} of them trained for "
        f"{counted(config['steps'], 'step')}"
    )


def course(fact: Fact) -> str:
    """Return "vanish", "keep" or "explode"; "unclear" where a ratio's interval is not on one side."""
    low, high = (float(fact) if end is None else end for end in (fact.low, fact.high))
    if high < KEPT[0]:
        return "vanish"
    if low > KEPT[1]:
        return "explode"
    return "keep" if low >= KEPT[0] and high <= KEPT[1] else "unclear"


def helps(facts: Facts, activation: str, first: str, second: str) -> tuple[int, int]:
    """Return whether ``first`` is better than ``second``: for the gradient's scale, and the loss.

    Each is 1 (better), −1 (worse) or 0 (no difference that matters, or it could not be determined).
    """
    where = {"activation": activation, "first": first, "second": second}
    scales = facts.get("closer", direction="gradient", **where)
    loss = facts.get("difference", quantity="loss", **where)
    return _sign(scales, MATTERS["2.1"]), _sign(loss, LOSS_MATTERS)


def _sign(difference: Fact, matters: float) -> int:
    """Return 1 where a difference that matters favors the first, −1 the second, 0 neither."""
    return -direction(difference) if decide(difference, matters) == "better" else 0


def learned(facts: Facts, activation: str, init: str) -> bool:
    """Return whether the networks ended with a loss below that of guessing."""
    after = facts.get("loss_after", activation=activation, init=init)
    return float(after if after.high is None else after.high) < LEARNED * GUESSING


def he_signs(facts: Facts) -> tuple[int, int, int]:
    """Return whether He suits ReLU better than Xavier: activations, gradients, and the loss."""
    forward = _sign(facts.get("closer", direction="activation", **HE), MATTERS["2.1"])
    return (forward, *helps(facts, "relu", "he", "xavier"))


def he_decision(facts: Facts) -> tuple[Outcome, str]:
    """Return what the comparison of He with Xavier for ReLU comes to, and the better one.

    It is decided by both scales, and by the loss unless neither learned.
    """
    signs = set(he_signs(facts) if _any_learned(facts) else he_signs(facts)[:2])
    if len(signs) == 1 and signs != {0}:
        return "better", "he" if signs == {1} else "xavier"
    scales = [facts.get("closer", direction=way, **HE) for way in labels.DIRECTIONS]
    if all(decide(fact, MATTERS["2.1"]) == "no-difference" for fact in scales) and signs == {0}:
        return "no-difference", "no-difference"
    return "cannot-tell", ""


def _any_learned(facts: Facts) -> bool:
    return any(learned(facts, "relu", init) for init in ("he", "xavier"))


def he_words(facts: Facts) -> str:
    """Return what He and Xavier do with ReLU, as a clause."""
    outcome, better = he_decision(facts)
    ratios = {
        init: value(facts.get("ratio", direction="activation", activation="relu", init=init), "log")
        for init in labels.SCHEMES
    }
    if outcome == "cannot-tell":
        return "whether He or Xavier suits ReLU better depends on the measure"
    if outcome == "no-difference":
        return "for ReLU He and Xavier differ by nothing that matters"
    other = "xavier" if better == "he" else "he"
    return (
        f"for ReLU {labels.SCHEMES[better]} is better: {ratios[better]} of activations left, "
        f"{labels.SCHEMES[other]} {ratios[other]}"
    )


def trains(record: Record) -> bool:
    """Return whether a record has networks that were trained."""
    return bool(labels.trained(record.config["activations"]))


def _evidence(pair: dict[str, str]) -> list[Reference]:
    scales = [fact_of("closer", direction=way, **pair) for way in labels.DIRECTIONS]
    return [*scales, fact_of("difference", quantity="loss", **pair)]


def _xavier(facts: Facts) -> str:
    """Say with which activations Xavier keeps gradients."""
    courses = {
        a: course(facts.get("ratio", direction="gradient", activation=a, init="xavier"))
        for a in SATURATING
    }
    kept = [ACTIVATIONS[a] for a, what in courses.items() if what == "keep"]
    lost = [ACTIVATIONS[a] for a, what in courses.items() if what != "keep"]
    if not kept:
        return f"Xavier keeps them neither with {listed(lost, 'nor')}"
    return f"Xavier keeps them with {listed(kept)}" + (f", not with {listed(lost)}" if lost else "")


def _depth(record: Record) -> str:
    """Say what the same ratios come to in deep networks."""
    deep, depth = record.facts.select("deep_ratio"), record.config["depth"]
    tanh, sigmoid = (
        value(deep.get("deep_ratio", direction="gradient", activation=a, init="xavier"), "log")
        for a in SATURATING
    )
    he, xavier = (
        value(deep.get("deep_ratio", direction="activation", activation="relu", init=i), "log")
        for i in ("he", "xavier")
    )
    return (
        f"Over {depth} layers, Xavier multiplies the gradient of a typical network by {tanh} with tanh and "
        f"by {sigmoid} with sigmoid, and the activations of ReLU by {xavier}; He by {he}."
    )


def _saturation(record: Record) -> str:
    """Reconcile, for tanh with the largest σ, saturated units with the size of the gradients."""
    facts, sigma = record.facts, max(record.config["sigmas"])
    network = {"activation": "tanh", "init": labels.normal(sigma)}
    ratio = facts.get("ratio", direction="gradient", **network)
    flat = value(facts.get("saturated", layer=1, **network), "{:.0%}")
    carried = value(facts.get("gradient_open", layer=1, **network), "{:.1%}")
    words = {"explode": "grows", "vanish": "falls", "keep": "hardly changes", "unclear": "changes"}
    half, what = (words[course(f)] for f in (facts.get("median_ratio", **network), ratio))
    return (
        f"With tanh and σ = {number(sigma)}, {flat} of the units of layer 1 are saturated and pass hardly "
        f"any gradient, so that its median {half}; {'yet' if half != what else 'and'} its standard "
        f"deviation {what}, {value(ratio, 'log')}-fold, for the few others carry {carried} of its square."
    )


def _learning(record: Record) -> str:
    """Say which networks learned in the short trainings."""
    facts, names = record.facts, labels.inits(record.config["sigmas"])
    small = labels.normal(min(record.config["sigmas"]))
    pairs = {"tanh": ("xavier", small), "sigmoid": ("xavier", small), "relu": ("he", "xavier")}
    clauses = []
    for activation, inits in pairs.items():
        if not any(learned(facts, activation, init) for init in inits):
            clauses.append(f"{ACTIVATIONS[activation]} learns with neither")
            continue
        losses = (
            f"{value(facts.get('loss_after', activation=activation, init=init), '{:.2f}')} with {names[init]}"
            for init in inits
        )
        clauses.append(f"{ACTIVATIONS[activation]} reaches {listed(losses)}")
    return (
        f"Loss after {counted(record.config['steps'], 'step')} (guessing: "
        f"{value(Fact(GUESSING), '{:.2f}')} nats): {'; '.join(clauses)}."
    )
