"""The answers to questions 4.1 to 4.7, computed from the facts and from nothing else.

Before policies are compared, each must have learned at all. One is better than another only where the
95 % interval of their paired difference in test accuracy, over seeds and images, excludes zero.
"""

from collections.abc import Mapping, Sequence

from firstlight.record import Facts, Outcome, Record, Verdict, fact_of
from firstlight.stats import decide
from firstlight.studies.cyclical import words
from firstlight.studies.cyclical.labels import (
    BATCHES,
    CYCLICAL,
    LOWEST,
    MATTERS,
    POLICY,
    RANGES,
)
from firstlight.studies.cyclical.words import remarks as remarks
from firstlight.text import counted, estimate, listed, number, sentence, value

ARGUMENT = "Increase: growing batches lower the noise, as a decaying rate does"


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    return [
        _data_set(record.facts),
        _rates(record),
        _cyclical_rate(record),
        _batch_sizes(record.facts),
        _batch_bounds(record.facts),
        _grow_or_shrink(record),
        _best(record),
    ]


def scale(record: Record) -> str:
    """Return how large the run is, in words."""
    config = record.config
    return (
        f"{counted(config['seeds'], 'seed')}, {words.length(record)}, width "
        f"{number(config['width'])}"
    )


def _data_set(facts: Facts) -> Verdict:
    parts = (
        "total", "official_train", "classes", "least_per_class", "most_per_class",
        "train", "validation", "test",
    )  # fmt: skip  # two lines: the whole set, and this run
    whole, official, classes, least, most, train, validation, test = (
        value(facts.get("images", part=part), "count") for part in parts
    )
    each = least if least == most else f"{least} to {most}"
    claim = (
        f"{whole} images, {official} of them for training, in {classes} classes of {each}; this run "
        f"trains on {train}, validates on {validation} and tests on {test}."
    )
    return Verdict("4.1", "answered", claim, [fact_of("images", part=part) for part in parts])


def _rates(record: Record) -> Verdict:
    facts, lasts = record.facts, {"candidates": "range_epochs", "ramp": "ramp_epochs"}
    low, high = (value(facts.get(name), "log") for name in ("lr_min", "lr_max"))
    source = str(facts.get("lr_source").value)
    evidence = [fact_of(f"lr_{name}") for name in ("min", "max", "source")]
    if source == LOWEST:
        claim = (
            f"No bounds could be read off either curve; training uses {high}, the candidate with "
            f"the lowest loss, and {low}, the one below it."
        )
        return Verdict("4.2", "cannot-tell", claim, evidence)
    claim = (
        f"lr_min = {low}, where the loss starts to fall; lr_max = {high}, where it levels off "
        f"({RANGES[source]}, {words.length(record, lasts[source])})."
    )
    return Verdict("4.2", "answered", claim, evidence, "yes")


def _cyclical_rate(record: Record) -> Verdict:
    facts, policy = record.facts, "cyclical_rate"
    if not words.trained(record, [policy]):
        return Verdict("4.3", "not-run", "The cyclical learning rate was not part of this run.")
    measures = ("test_accuracy", "best_accuracy", "train_loss", "final_loss", "learned")
    evidence = [fact_of(measure, policy=policy) for measure in measures]
    right = estimate(facts.get("test_accuracy", policy=policy), "percent")
    if not words.learned(facts, policy):
        claim = (
            f"It did not learn: after {words.length(record)} {right} of the test images are right; "
            f"{words.guessing(facts)}."
        )
        return Verdict("4.3", "did-not-learn", claim, evidence)
    claim = (
        f"It learns: after {words.length(record)} the network classifies {right} of the test images "
        "correctly."
    )
    return Verdict("4.3", "answered", claim, evidence, "yes")


def _batch_sizes(facts: Facts) -> Verdict:
    """Judge the test at lr_min, as assigned; where it shows nothing, that at a rate that learns."""
    tests = words.equal_epochs(facts)
    if not tests:
        return Verdict("4.4", "not-run", "No test at equal epochs was part of this run.")
    evidence = [fact_of("batch_change", test=test) for test in tests]
    shown = next((test for test in tests if words.trend(facts, test)), None)
    if shown is None:
        claim = "At equal epochs no trend of the loss over the batch size stands out of the noise."
        return Verdict("4.4", "cannot-tell", claim, evidence)
    rate = f" at the rate {value(facts.get('policy_rate'), 'log')}" * (shown != "batch_epochs")
    if words.trend(facts, shown) > 0:
        claim = (
            f"No, the reverse: larger batches end at a higher loss{rate} "
            f"({words.ends(facts, shown)}), because equal epochs give them fewer updates."
        )
        return Verdict("4.4", "answered", claim, evidence, "no")
    claim = (
        f"Yes: the training loss falls with the batch size{rate} ({words.ends(facts, shown)}), as "
        "it falls with the learning rate."
    )
    return Verdict("4.4", "answered", claim, evidence, "yes")


def _batch_bounds(facts: Facts) -> Verdict:
    bounds, sources = [], []
    for name, edge in (("min", "smallest"), ("max", "largest")):
        sources.append(facts.get(f"batch_{name}_source").value)
        how = f"{edge} size tried" if sources[-1] == "edge" else "read off the curve"
        bounds.append(f"b_{name} = {value(facts.get(f'batch_{name}'), 'log')} ({how})")
    best = facts.get("auto_recommended")
    advice = "no size" if best.value is None else value(best, "log")
    known = "read" in sources or best.value is not None
    outcome: Outcome = "answered" if known else "cannot-tell"
    claim = f"{listed(bounds)}; the algorithm below, run on this network, recommends {advice}."
    evidence = [
        *(fact_of(f"batch_{name}") for name in ("min", "max", "min_source", "max_source")),
        *(fact_of(f"auto_{name}") for name in ("min", "max", "recommended")),
    ]
    return Verdict("4.5", outcome, claim, evidence, "yes" if known else "")


def _grow_or_shrink(record: Record) -> Verdict:
    """Give the argument, then what the test shows beside it."""
    facts = record.facts
    if words.trained(record, BATCHES) != list(BATCHES):
        claim = "Growing and shrinking batch sizes were not both part of this run."
        return Verdict("4.6", "not-run", claim)
    measures = ("test_accuracy", "learned", "updates")
    evidence = [fact_of(m, policy=policy) for policy in BATCHES for m in measures]
    if not all(words.learned(facts, policy) for policy in BATCHES):
        claim = f"{ARGUMENT}; the test shows nothing, since {_unlearned(facts)}."
        return Verdict("4.6", "did-not-learn", claim, evidence)
    gap = facts.pair("difference", *BATCHES)
    outcome, won = decide(gap, MATTERS["4.6"]), float(gap) > 0
    decision: str = outcome
    if outcome == "better":
        decision = BATCHES[0] if won else BATCHES[1]
        updates = [number(facts.value("updates", policy=policy)) for policy in BATCHES]
        more, less = updates if won else updates[::-1]
        who = "and they score" if won else "yet shrinking ones score"
        margin = value(gap if won else -gap, "gap")
        claim = f"{ARGUMENT}; {who} {margin} more, with {more} updates against {less}."
    elif outcome == "no-difference":
        claim = f"{ARGUMENT}; in accuracy the two do not differ by {words.limit('4.6')} or more."
    else:
        decision, seeds = "", counted(record.config["seeds"], "seed")
        claim = f"{ARGUMENT}; which of the two scores higher, {seeds} could not decide."
    return Verdict("4.6", outcome, claim, evidence, decision)


def _unlearned(facts: Facts) -> str:
    """Return which of growing and shrinking learned nothing, and in how many updates."""
    updates = {p: number(facts.value("updates", policy=p)) for p in BATCHES}
    failed = [policy for policy in BATCHES if not words.learned(facts, policy)]
    if len(failed) == len(BATCHES):
        return f"neither learned ({listed(updates.values())} updates)"
    return f"{POLICY[failed[0]].long} ({updates[failed[0]]} updates) did not learn"


def _best(record: Record) -> Verdict:
    """Compare the cyclical policies that have learned, and name those that have not."""
    facts, policies = record.facts, words.trained(record, CYCLICAL)
    if len(policies) < 2:
        claim = "Fewer than two cyclical policies were part of this run: nothing to compare."
        return Verdict("4.7", "not-run", claim)
    measures = ("test_accuracy", "best_accuracy", "learned")
    evidence = [fact_of(measure, policy=policy) for policy in policies for measure in measures]
    able = [policy for policy in policies if words.learned(facts, policy)]
    failed = listed(POLICY[policy].long for policy in policies if policy not in able)
    if len(able) < 2:
        claim = _nothing_to_compare(facts, able, failed)
        return Verdict("4.7", "did-not-learn", claim, evidence)
    leader = max(able, key=lambda policy: facts.value("test_accuracy", policy=policy))
    rivals = [policy for policy in able if policy != leader]
    outcomes: dict[str, Outcome] = {
        p: decide(facts.pair("difference", leader, p), MATTERS["4.7"]) for p in rivals
    }
    weakest: tuple[Outcome, ...] = ("cannot-tell", "no-difference", "better")
    outcome: Outcome = next(one for one in weakest if one in outcomes.values())
    claim = _ranking(record, leader, outcomes, outcome)
    claim += f"; {failed} did not learn." if failed else "."
    decision = {"better": leader, "no-difference": "no-difference"}.get(outcome, "")
    return Verdict("4.7", outcome, claim, evidence, decision)


def _nothing_to_compare(facts: Facts, able: Sequence[str], failed: str) -> str:
    if not able:
        return f"None: {failed} did not learn ({words.guessing(facts)})."
    name, right = sentence(POLICY[able[0]].long), words.right(facts, able[0])
    return f"{name} alone learned, {right} correct; {failed} did not learn, so nothing is compared."


def _ranking(record: Record, leader: str, outcomes: Mapping[str, Outcome], outcome: Outcome) -> str:
    """Return how the leading policy stands to its rivals, without full stop."""
    facts = record.facts
    name, right = sentence(POLICY[leader].long), words.right(facts, leader)
    level = listed((POLICY[p].long for p, o in outcomes.items() if o == outcome), "or")
    if outcome == "better":
        gaps = {p: value(facts.pair("difference", leader, p), "gap") for p in outcomes}
        more = listed(f"{gap} more than {POLICY[p].long}" for p, gap in gaps.items())
        return f"{name} is best: {right} correct, {more}"
    if outcome == "no-difference":
        return (
            f"{name}, {right} correct, is not better than {level} by {words.limit('4.7')} or more"
        )
    seeds = counted(record.config["seeds"], "seed")
    return f"{name} leads, {right} correct, but {seeds} could not tell it from {level}"
