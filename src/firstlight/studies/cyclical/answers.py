"""The answers to questions 4.1 to 4.7, computed from the facts and from nothing else.

One policy is called better than another only where the 95 % interval of their paired difference in
test accuracy excludes zero.
"""

from collections.abc import Sequence
from itertools import combinations

from firstlight.record import Facts, Outcome, Record, Verdict, fact_of
from firstlight.stats import direction
from firstlight.studies.cyclical.labels import BATCHES, BUDGETS, CYCLICAL, LOWEST, POLICY, RANGES
from firstlight.text import counted, digits, estimate, listed, number, sentence, value


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    facts = record.facts
    return [
        _data_set(facts),
        _rates(facts),
        _cyclical_rate(record),
        _batch_sizes(facts),
        _batch_bounds(facts),
        _grow_or_shrink(record),
        _best(record),
    ]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    facts = record.facts
    said = {
        "4.2": [_range_test(facts, test) for test in RANGES],
        "4.4": [_unread(facts, f"batch_{b}", f"the curve at equal {b}") for b in BUDGETS],
        "4.5": [_noise(facts)],
        "4.6": [_updates(facts)] if _trained(record, BATCHES) else [],
        "4.7": [_clear(record)],
    }
    return {question: list(filter(None, words)) for question, words in said.items()}


def _trained(record: Record, policies: Sequence[str]) -> list[str]:
    """Return those of the policies that the record compares, none if there is only one."""
    there = [policy for policy in policies if policy in record.config["policies"]]
    return there if len(there) > 1 else []


def _data_set(facts: Facts) -> Verdict:
    parts = ("total", "classes", "train", "test", "least_per_class", "most_per_class")
    total, classes, train, test, least, most = (value(facts.get("images", part=p)) for p in parts)
    each = least if least == most else f"{least} to {most}"
    return Verdict(
        "4.1",
        "answered",
        f"{facts.get('data').value} has {total} images in {classes} classes, {each} each; this run "
        f"trains on {train} of them and tests on {test}.",
        [fact_of("images", part=part) for part in parts],
    )


def _rates(facts: Facts) -> Verdict:
    low, high = (estimate(facts.get(name), "log") for name in ("lr_min", "lr_max"))
    source = str(facts.get("lr_source").value)
    claim = (
        f"No bounds could be read; training uses lr_max = {high}, the candidate with the lowest "
        f"loss, and lr_min = {low}, the one below it."
    )
    if source != LOWEST:
        where = RANGES[source]
        claim = f"The loss starts to fall at lr_min = {low} and slows at lr_max = {high}, read from {where}."
    outcome: Outcome = "cannot-tell" if source == LOWEST else "answered"
    return Verdict("4.2", outcome, claim, [fact_of(f"lr_{n}") for n in ("min", "max", "source")])


def _unread(facts: Facts, curve: str, name: str) -> str:
    """Return why not everything could be read from a curve; "" where it could."""
    reason = facts.get(curve, about="reason").value
    return f"Not everything could be read from {name}: {reason}." if reason else ""


def _range_test(facts: Facts, test: str) -> str:
    """Return what a range test shows that the verdict does not rest on, or why it shows nothing."""
    unread = _unread(facts, test, RANGES[test])
    if unread or test == facts.get("lr_source").value:
        return unread
    low, high = (estimate(facts.get(test, place=place), "log") for place in ("low", "high"))
    return f"From {RANGES[test]} the bounds would be {low} and {high}."


def _cyclical_rate(record: Record) -> Verdict:
    if "cyclical_rate" not in record.config["policies"]:
        return Verdict("4.3", "not-run", "The cyclical learning rate was not part of this run.")
    right = estimate(record.facts.get("test_accuracy", policy="cyclical_rate"), "percent")
    return Verdict(
        "4.3",
        "answered",
        f"After {counted(record.config['epochs'], 'epoch')} with the cyclical learning rate the "
        f"network classifies {right} of the test images correctly.",
        [
            fact_of(n, policy="cyclical_rate")
            for n in ("test_accuracy", "best_accuracy", "final_loss")
        ],
    )


def _batch_sizes(facts: Facts) -> Verdict:
    rises, falls = (facts.get(f"batch_{b}", place="steepest").value is not None for b in BUDGETS)
    unknown = "no trend could be determined"
    epochs = "the loss rises with the batch size" if rises else unknown
    updates = "it falls, as over the learning rate" if falls else unknown
    outcome: Outcome = "answered" if rises or falls else "cannot-tell"
    claim = f"{'No: at' if rises else 'At'} equal epochs {epochs}; at equal updates {updates}."
    evidence = [fact_of(f"batch_{budget}", place="steepest") for budget in BUDGETS]
    return Verdict("4.4", outcome, claim, evidence)


def _batch_bounds(facts: Facts) -> Verdict:
    bounds, sources = [], []
    for name, edge in (("min", "smallest"), ("max", "largest")):
        sources.append(facts.get(f"batch_{name}_source").value)
        how = f"the {edge} size tried" if sources[-1] == "edge" else "read at equal epochs"
        bounds.append(f"b_{name} is {estimate(facts.get(f'batch_{name}'), 'log')}, {how}")
    return Verdict(
        "4.5",
        "answered" if "read" in sources else "cannot-tell",
        f"{'; '.join(bounds)}; an algorithm that finds both is drawn as a block diagram.",
        [fact_of(f"batch_{name}") for name in ("min", "max", "min_source", "max_source")],
    )


def _noise(facts: Facts) -> str:
    before, after = (estimate(facts.get("noise_scale", when=w), "log") for w in ("before", "after"))
    return (
        f"The gradient noise scale, beyond which larger batches hardly save updates, is {before} "
        f"images before training and {after} after it."
    )


def _grow_or_shrink(record: Record) -> Verdict:
    if not _trained(record, BATCHES):
        claim = "Growing and shrinking batch sizes were not both part of this run."
        return Verdict("4.6", "not-run", claim)
    difference = record.facts.pair("difference", *BATCHES)
    sign, seeds = direction(difference), counted(record.config["seeds"], "seed")
    theory = "It should grow, so that noise decays as under a decaying rate"
    if sign:
        gap = estimate(difference if sign > 0 else -difference, "gap")
        scored = "and growing scored" if sign > 0 else "yet at lr_min shrinking scored"
        claim = f"{theory}; {scored} higher, by {gap} over {seeds}."
    else:
        gap = estimate(difference, "points")
        claim = f"{theory}; which scores higher could not be determined: {gap} over {seeds}."
    evidence = [fact_of("test_accuracy", policy=policy) for policy in BATCHES]
    return Verdict("4.6", "better" if sign else "cannot-tell", claim, evidence)


def _updates(facts: Facts) -> str:
    """Say how the theory fares, and what the two policies of the batch size differ in."""
    sign = direction(facts.pair("difference", *BATCHES))
    verb = {1: "agrees with", -1: "does not refute", 0: "does not decide about"}[sign]
    grow, shrink = (number(facts.value("updates", policy=policy)) for policy in BATCHES)
    low, used, high = (digits(facts.value(f"batch_{name}")) for name in ("min", "used", "max"))
    cut = "" if used == high else ", a tenth of the images and below b_max"
    guess = number(100 / facts.value("images", part="classes"))
    return (
        f"This {verb} the theory that the batch size should grow, as the counterpart of a decaying "
        f"learning rate. Both move between b_min = {low} and {used}{cut}. For the same images the "
        f"growing one makes {grow} updates and the shrinking one {shrink}, all at lr_min. Guessing "
        f"would classify {guess} % correctly."
    )


def _best(record: Record) -> Verdict:
    """Compare the cyclical policies; the validation set chooses which is compared with the rest."""
    facts, policies = record.facts, _trained(record, CYCLICAL)
    if not policies:
        claim = "Fewer than two cyclical policies were part of this run: nothing to compare."
        return Verdict("4.7", "not-run", claim)
    leader = max(policies, key=lambda policy: facts.value("best_accuracy", policy=policy))
    rivals = [policy for policy in policies if policy != leader]
    ahead = [direction(facts.pair("difference", leader, policy)) > 0 for policy in rivals]
    level = [POLICY[p].long for p, clear in zip(rivals, ahead, strict=True) if not clear]
    seeds, name = counted(record.config["seeds"], "seed"), POLICY[leader].long
    right = value(facts.get("test_accuracy", policy=leader), "percent")
    if level:
        claim = f"Which is best could not be determined from {seeds}: {name} leads, but not clearly over {listed(level, 'or')}."
    else:
        beaten = listed(POLICY[policy].long for policy in rivals)
        claim = f"{sentence(name)} is best: it classifies {right} of the test images correctly, clearly more than {beaten}."
    measures = ("best_accuracy", "test_accuracy")
    evidence = [fact_of(measure, policy=policy) for policy in policies for measure in measures]
    return Verdict("4.7", "cannot-tell" if level else "better", claim, evidence)


def _clear(record: Record) -> str:
    """Name the best of all policies on the validation set, and what the test set decides."""
    facts, policies = record.facts, record.config["policies"]
    best = max(policies, key=lambda policy: facts.value("best_accuracy", policy=policy))
    accuracy = value(facts.get("best_accuracy", policy=best), "percent")
    beaten: dict[str, list[str]] = {}
    pairs = list(combinations(policies, 2))
    for first, second in pairs:
        sign = direction(facts.pair("difference", first, second))
        if sign:
            better, worse = (first, second) if sign > 0 else (second, first)
            beaten.setdefault(POLICY[better].long, []).append(POLICY[worse].long)
    clear = "; ".join(
        f"{better} is better than {listed(worse)}" for better, worse in beaten.items()
    )
    left = len(pairs) - sum(map(len, beaten.values()))
    said = [
        f"Of all policies, {POLICY[best].long} has the highest validation accuracy, {accuracy}.",
        f"On the test set {clear}." if clear else "",
        f"{left} of {counted(len(pairs), 'difference')} could not be distinguished from zero.",
    ]
    return " ".join(filter(None, said if pairs else said[:1]))
