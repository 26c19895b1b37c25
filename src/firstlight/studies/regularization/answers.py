"""The answers to questions 3.1 to 3.5, computed from the facts and from nothing else.

Test accuracies are compared by intervals for new seeds and new images; what is the smallest
difference that matters stands in ``labels.MATTERS``. Where a network of a comparison did not learn,
nothing is compared.
"""

from collections.abc import Callable
from itertools import permutations

from firstlight.record import Fact, Facts, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import decide, direction, learned
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.regularization.labels import MATTERS, VARIANTS, short
from firstlight.studies.study import Study
from firstlight.text import counted, estimate, listed, number, p_value, value

Answer = tuple[Verdict, list[str]]
"""A verdict, and the remarks below it."""

BELOW = 0.05
"""A p-value below it counts as a difference between two trained networks."""

HIDDEN = labels.LAYERS[1:]

IMAGES = ("train", "test")

NAME = "95\u202f% interval "
"""What the brackets of a headline hold; in the remarks they go without saying."""


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    return [verdict for verdict, _ in _answered(record)]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    return {verdict.question: words for verdict, words in _answered(record) if words}


def scale(record: Record) -> str:
    """Return how large a run was, in words."""
    config = record.config
    return f"{counted(config['seeds'], 'seed')}, {_effort(record, ', ')} training images"


def _effort(record: Record, between: str = " on ") -> str:
    images = record.facts.value("images", role="train")
    return f"{counted(record.config['epochs'], 'epoch')}{between}{number(images)}"


def _answered(record: Record) -> list[Answer]:
    found: list[Answer] = []
    for question, (arms, answer) in QUESTIONS.items():
        missing = [short(arm) for arm in arms if arm not in record.config["arms"]]
        if missing:
            claim = f"Not answered: this run left out {listed(missing)}."
            found.append((Verdict(question, "not-run", claim), []))
        else:
            found.append(_gate(record, question, arms) or answer(record))
    return found


def _gate(record: Record, question: str, arms: tuple[labels.Arm, ...]) -> Answer | None:
    """Return the answer where some arm learned nothing; None where all did."""
    idle = [arm for arm in arms if not _has_learned(record, arm)]
    if not idle or question == "3.1":  # which asks what two words mean
        return None
    accuracy = record.facts.get("test_accuracy", arm=idle[0])
    claim = (
        f"{listed(short(arm) for arm in idle)} did not learn: {value(accuracy, 'percent')} of the test "
        f"images right, where guessing reaches {number(100 / labels.CLASSES)}\u202f%."
    )
    evidence = [fact_of(m, arm=arm) for arm in idle for m in ("test_accuracy", "train_loss")]
    return Verdict(question, "did-not-learn", claim, evidence), []


def _has_learned(record: Record, arm: str) -> bool:
    accuracy, loss = (record.facts.get(m, arm=arm) for m in ("test_accuracy", "train_loss"))
    return learned(accuracy, loss, labels.CLASSES)


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


def _compared(record: Record, question: str, first: str, second: str, name: str = "") -> str:
    """Say which of two arms is more accurate, as a clause."""
    difference = _difference(record, first, second)
    outcome = decide(difference, MATTERS[question])
    if outcome == "better" and direction(difference) < 0:
        first, second, difference = second, first, -difference
    names = VARIANTS[first].long, VARIANTS[second].long
    claim = {
        "better": "{} is more accurate than {}",
        "no-difference": "{} and {} do not differ by an amount that matters",
    }.get(outcome, "whether {} or {} is more accurate could not be determined").format(*names)
    kind = "gap" if outcome == "better" else "points"
    return f"{claim}: {estimate(difference, kind, name)}"


def _images(record: Record, question: str, *arms: str) -> str:
    """Say what the test images alone say of two arms, seed by seed, and whether the seeds agree."""
    pair = _pair(record, *arms)
    p, seeds = record.facts.value("mcnemar", **pair), record.facts.get("mcnemar_seeds", **pair)
    outcome = decide(_difference(record, *arms), MATTERS[question])
    differ = p < BELOW
    meaning = {
        ("better", True): "seeds and images agree",
        ("better", False): "it takes all seeds together to see the difference",
        ("no-difference", True): "a difference, but too small to matter",
        ("no-difference", False): "seeds and images agree",
        ("cannot-tell", True): "these networks differ, but other seeds may turn it around",
        ("cannot-tell", False): "the images do not decide it either",
    }[outcome, differ]
    pairs = f"{number(float(seeds))} of {counted(seeds.n or 0, 'pair')} of networks differ"
    return f"McNemar’s test on the images: {pairs} (combined {p_value(p)}); {meaning}."


def _terms(record: Record) -> Answer:
    claim = (
        "Co-adaptation: hidden units that work only together with particular others. Internal "
        "covariate shift: the distribution of a layer’s inputs keeps changing, because the layers "
        "before it learn."
    )
    words = [
        "Examples: one unit fires on every loop, a second only cancels it on a 6, and neither is of "
        "use alone; the weights of the first layer grow, and the second suddenly receives values "
        "near ±1.",
        *_measured_terms(record),
    ]
    evidence = [fact_of("change", **change) for change in labels.CHANGES]
    return Verdict("3.1", "answered", claim, evidence), words


def _measured_terms(record: Record) -> list[str]:
    if not all(_has_learned(record, arm) for arm in ("plain", "dropout", "norm_hidden")):
        return ["What was measured says nothing of the two terms: the networks did not learn."]
    verbs = {-1: "reduced", 1: "increased", 0: "did not clearly change"}
    facts = [record.facts.get("change", **change) for change in labels.CHANGES]
    dropout, fc1, _, norm = (verbs[direction(fact)] for fact in facts)
    lost = estimate(facts[0], "points", "")
    correlation, moved = (estimate(facts[place], "signed", "") for place in (1, 3))
    return [
        f"Measured here, against the plain network: dropout {dropout} the accuracy lost on training "
        f"images when half of the fc1 units are silenced: {lost}; it {fc1} the correlation of two fc1 units: {correlation}. "
        f"Batch normalization {norm} the movement of a layer’s inputs, in standard deviations: {moved}.",
    ]


def _parameters(record: Record) -> Answer:
    where = {"arm": "norm_hidden"}
    mean = {
        (measure, layer): record.facts.get(f"{measure}_mean", **where, layer=layer)
        for measure in labels.LEARNED
        for layer in HIDDEN
    }
    grown = [layer for layer in HIDDEN if (mean["gamma", layer].low or 0.0) > 1]
    layers = "every hidden layer" if len(grown) == len(HIDDEN) else listed(grown)
    means = sorted(float(mean["gamma", layer]) for layer in HIDDEN)
    ends = [
        float(record.facts.get(f"beta_{end}", **where, layer=layer))
        for end in ("low", "high")
        for layer in HIDDEN
    ]
    growth = f"γ grows above 1 in {layers}" if grown else "γ does not clearly leave 1"
    claim = (
        f"After {_effort(record)} images {growth} (layer means {number(means[0], 2)} to "
        f"{number(means[-1], 2)}); β lies on both sides of 0 "
        f"({number(min(ends), 2)} to {number(max(ends), 2)})."
    )
    evidence = [fact_of("test_accuracy", **where)]
    evidence += [fact_of(f"{m}_mean", **where, layer=layer) for m, layer in mean]
    evidence += [fact_of(f"beta_{e}", **where, layer=k) for e in ("low", "high") for k in HIDDEN]
    return Verdict("3.2", "answered", claim, evidence), _interpreted(record, mean, grown)


def _interpreted(record: Record, mean: dict[tuple[str, str], Fact], grown: list[str]) -> list[str]:
    words = []
    if grown:
        words.append(
            "γ above 1: a sum of standard deviation 1 stays where tanh is almost a straight line; a "
            "larger γ spreads it into the bends, so that a unit decides more sharply."
        )
    shifted = [layer for layer in HIDDEN if direction(mean["beta", layer])]
    chance = (
        "β has no preferred sign, and cannot have one: tanh is odd, so a unit whose weights and β "
        "change sign, as do the weights behind it, makes the same network. "
    )
    if shifted:
        found = f"The mean of β differs from 0 in {listed(shifted)}, which is then by chance."
    else:
        found = "The 95\u202f% interval of its mean contains 0 in every layer."
    return [*words, f"{chance}{found}"]


def _input(record: Record) -> Answer:
    arms = ("norm_input", "norm_hidden")
    difference, loss = (record.facts.pair(m, *arms) for m in ("difference", "loss_difference"))
    outcome, sign = decide(difference, MATTERS["3.3"]), direction(difference)
    changed = "batch normalization of the input instead of standardization"
    claim = {
        "better": f"{'Yes' if sign > 0 else 'No'}: {changed} {'raises' if sign > 0 else 'lowers'} "
        "test accuracy",
        "no-difference": f"No: {changed} makes no difference that matters",
    }.get(outcome, f"Whether {changed} improves test accuracy could not be determined")
    decision = {"better": arms[0] if sign > 0 else arms[1], "no-difference": "no-difference"}
    claim = f"{claim}: {estimate(difference, 'points')}."
    words = [
        f"{_half(record, '3.3')} Change of the test loss in nats: {estimate(loss, 'signed', '')}. "
        f"{_images(record, '3.3', *arms)}"
    ]
    evidence = [*_tested(record, *arms), fact_of("loss_difference", **_pair(record, *arms))]
    return Verdict("3.3", outcome, claim, evidence, decision.get(outcome, "")), words


def _half(record: Record, question: str) -> str:
    """Say what counts as a difference."""
    size = number(100 * MATTERS[question])
    images = number(float(record.facts.value("images", role="test")) * MATTERS[question])
    return f"A difference matters here from {size} points on, {images} of the test images."


def _dropout(record: Record) -> Answer:
    arms = ("norm_hidden", "dropout")
    difference = _difference(record, *arms)
    outcome = decide(difference, MATTERS["3.4"])
    ahead = arms[0] if direction(difference) > 0 else arms[1]
    decision = {"better": ahead, "no-difference": outcome}.get(outcome, "")
    claim = _compared(record, "3.4", *arms, NAME)
    other = estimate(_difference(record, "norm_input", "dropout"), "points", "")
    words = [
        f"With the input normalized too: {other}. {_images(record, '3.4', *arms)}",
        _fitting(record),
    ]
    evidence = _tested(record, "dropout", "norm_hidden", "norm_input")
    evidence += [fact_of(f"{images}_accuracy", arm=arm) for arm in arms for images in IMAGES]
    headline = f"After {_effort(record)} images, {claim}."
    return Verdict("3.4", outcome, headline, evidence, decision), words


def _fitting(record: Record) -> str:
    """Compare training with test images, and say that dropout underfits where it does."""
    arms = ("dropout", "norm_hidden")
    gap = [record.facts.get("gap", arm=arm) for arm in arms]
    facts = [[record.facts.get(f"{i}_accuracy", arm=arm) for i in IMAGES] for arm in arms]
    dropout, norm = (listed(value(fact, "percent") for fact in pair) for pair in facts)
    words = f"Right on training and test images: {dropout} with dropout, {norm} with batch normalization."
    train = facts[0][0], facts[1][0]
    costs = (train[1].low or 0.0) - (train[0].high or 1.0)
    closer = (gap[0].high or 1.0) < (gap[1].low or 0.0)
    if not (closer and costs > (gap[1].high or 1.0)):
        return words
    return (
        f"{words} Dropout underfits: there is a gap of only {estimate(gap[1], 'gap', '')} to close, and "
        "dropout costs more than that on the training images already."
    )


ALONE = ("norm_hidden", "dropout")


def _together(record: Record) -> Answer:
    """One alone that is better than both together, or as good, shows that benefits do not add up."""
    differences = {arm: _difference(record, "norm_dropout", arm) for arm in ALONE}
    kinds = {a: (decide(d, MATTERS["3.5"]), direction(d)) for a, d in differences.items()}
    lost = [a for a in ALONE if kinds[a] == ("better", -1)]
    alike = [a for a in ALONE if kinds[a][0] == "no-difference"]
    arm = min(lost or alike or ALONE, key=lambda a: float(differences[a]))
    both, alone, difference = VARIANTS["norm_dropout"].long, VARIANTS[arm].long, differences[arm]
    outcome: Outcome = "cannot-tell"
    decision = ""
    claim = "Whether the benefits of batch normalization and dropout add up could not be determined"
    if lost:
        outcome, decision = "better", "no"
        size = estimate(-difference, "gap")
        claim = f"The benefits do not add up: {alone} alone beats {both}, by {size}"
    elif alike:
        outcome, decision = "no-difference", "no"
        size = estimate(difference, "points")
        claim = f"The benefits do not add up: {both} is no more accurate than {alone} alone: {size}"
    elif all(kind == ("better", 1) for kind in kinds.values()):
        outcome, decision = "better", "yes"
        size = estimate(difference, "gap")
        claim = f"The benefits add up: {both} beats either alone, by at least {size}"
    evidence = _tested(record, "norm_dropout", *ALONE)
    words = [_each_alone(record, arm), _moving(record), *_last(record)]
    return Verdict("3.5", outcome, f"{claim}.", evidence, decision), words


def _each_alone(record: Record, named: str) -> str:
    """Compare both together with the one alone that the headline does not name."""
    other = next(arm for arm in ALONE if arm != named)
    size = estimate(_difference(record, "norm_dropout", other), "points", "")
    images = _images(record, "3.5", "norm_dropout", named)
    return f"{images} Against {VARIANTS[other].long} alone: {size}."


def _moving(record: Record) -> str:
    """Say what the variance shift costs: what recomputing the statistics without dropout adds."""
    gain = record.facts.get("recomputing", arm="norm_dropout")
    size = estimate(gain, "points", "")
    changed = (
        "recomputing the batch statistics without dropout, as for all accuracies here, changes this by "
        f"{size}."
    )
    outcome, sign = decide(gain, MATTERS["3.5"]), direction(gain)
    if outcome == "cannot-tell":
        return f"What the variance shift costs could not be determined: {changed}"
    if outcome == "better" and sign > 0:
        return f"The variance shift costs accuracy besides: {changed}"
    return f"The variance shift is not the cause: {changed}"


def _last(record: Record) -> list[str]:
    """Compare the remedy, dropout behind the last normalization only, where the run has it."""
    arm = "norm_dropout_last"
    if arm not in record.config["arms"] or not _has_learned(record, arm):
        return []
    claims = [_compared(record, "3.5", arm, other) for other in ("norm_dropout", "norm_hidden")]
    return [f"The remedy, which also drops less: {claims[0]}; {claims[1]}."]


def published_facts(record: Record) -> Facts | None:
    """Return the facts of the published run; None where there is none, or where this is that run."""
    published = Study(RegularizationConfig).published()
    return None if published is None or published.config == record.config else published.facts


def difference(facts: Facts | None, first: str, second: str) -> Fact | None:
    """Return the difference of test accuracy of two arms; None where it was not measured."""
    pairs = permutations((first, second))
    if facts is None or not any(facts.has("difference", first=a, second=b) for a, b in pairs):
        return None
    return facts.pair("difference", first, second)


QUESTIONS: dict[str, tuple[tuple[labels.Arm, ...], Callable[[Record], Answer]]] = {
    "3.1": (("plain", "norm_hidden", "dropout"), _terms),
    "3.2": (("norm_hidden",), _parameters),
    "3.3": (("norm_hidden", "norm_input"), _input),
    "3.4": (("norm_hidden", "norm_input", "dropout"), _dropout),
    "3.5": (("norm_hidden", "dropout", "norm_dropout"), _together),
}
"""Question → the arms that it needs, and its answer."""
