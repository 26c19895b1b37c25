"""Sentences made of facts: phrases that answers and figures share, and the remarks below answers."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from firstlight.record import Fact, Facts, Record
from firstlight.stats import decide, direction
from firstlight.studies.cyclical.labels import (
    BATCH_TESTS,
    BATCHES,
    CONSTANTS,
    CYCLICAL,
    LITERAL,
    MATTERS,
    POLICY,
    RANGES,
    RATE_RULES,
)
from firstlight.text import counted, digits, estimate, interval, listed, number, p_value, value

Remark = Callable[[Record], str]


def length(record: Record, name: str = "epochs") -> str:
    """Return how long a test or training is, from the config: "4 epochs of 5,500 images"."""
    images = number(record.facts.value("images", part="train"))
    return f"{counted(record.config[name], 'epoch')} of {images} images"


def trained(record: Record, policies: Iterable[str] = POLICY) -> list[str]:
    """Return those of the policies that were part of the run, by default of all of them."""
    return [policy for policy in policies if policy in record.config["policies"]]


def learned(facts: Facts, policy: str) -> bool:
    """Return whether the networks under a policy do better than guessing."""
    return bool(facts.get("learned", policy=policy).value)


def right(facts: Facts, policy: str) -> str:
    """Return the test accuracy under a policy."""
    return value(facts.get("test_accuracy", policy=policy), "percent")


def guessing(facts: Facts) -> str:
    """Return what guessing would score."""
    return f"guessing gives {number(100 / facts.value('images', part='classes'))} %"


def loss_of_guessing(facts: Facts) -> float:
    """Return the cross-entropy of guessing, in nats."""
    return math.log(facts.value("images", part="classes"))


def equal_epochs(facts: Facts) -> list[str]:
    """Return the batch-size tests at equal epochs that were part of the run, the assigned one first."""
    return [test for test in ("batch_epochs", "batch_learning") if facts.has(test)]


def trend(facts: Facts, test: str) -> int:
    """Return 1 where the loss rises with the batch size, −1 where it falls, 0 if neither is clear.

    It rises or falls where the losses at both ends differ beyond the noise of the repeats, or where
    the rule that reads the curve finds a descent in the expected direction.
    """
    sign = direction(facts.get("batch_change", test=test))
    if not sign and facts.get(test, place="steepest").value is not None:
        sign = 1 if BATCH_TESTS[test][1] == "rising" else -1
    return sign


def ends(facts: Facts, test: str) -> str:
    """Return the losses at both ends of a batch-size test: "64 images: 1.21; 2,048: 2.30"."""
    sizes = [float(size) for size in facts.labels("batch_size_updates", "size")]
    low, high = (facts.value("batch_loss", test=test, place=p) for p in ("smallest", "largest"))
    return f"{number(min(sizes))} images: {number(low, 2)}; {number(max(sizes))}: {number(high, 2)}"


def mcnemar(facts: Facts, first: str, second: str) -> float:
    """Return the p-value of McNemar's test over the images, whichever way round it is stored."""
    found = facts.find("mcnemar", first=first, second=second)
    return float(found or facts.get("mcnemar", first=second, second=first))


def over_images(facts: Facts, first: str, second: str) -> str:
    """Return the p-value of McNemar's test as text."""
    return p_value(mcnemar(facts, first, second))


def limit(question: str) -> str:
    """Return the smallest difference that matters: "1 point"."""
    return counted(100 * MATTERS[question], "point")


def relation(gap: Fact, question: str) -> str:
    """Return how one score lies to another: "3 points more than", "not clearly more than", …"""
    outcome, more = decide(gap, MATTERS[question]), float(gap) > 0
    if outcome == "better":
        return f"{value(gap if more else -gap, 'gap')} {'more' if more else 'less'} than"
    if outcome == "no-difference":
        return f"the same, within {limit(question)}, as"
    return f"not clearly {'more' if more else 'less'} than"


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict: question → paragraphs."""
    return {
        question: list(filter(None, (remark(record) for remark in some)))
        for question, some in REMARKS.items()
    }


def _intervals(record: Record) -> str:
    """Return the intervals of lr_min and lr_max, as far as there are any."""
    bounds = {name: record.facts.get(name) for name in ("lr_min", "lr_max")}
    known = [f"{n} {interval(f, 'log')}" for n, f in bounds.items() if f.low is not None]
    return f"95 % intervals: {listed(known)}." if known else ""


def _unread(record: Record) -> str:
    """Return why not everything could be read from a curve of 4.2; "" where it could."""
    reasons = {name: record.facts.get(t, about="reason").value for t, name in RANGES.items()}
    said = [f"Not read from {name}: {reason}." for name, reason in reasons.items() if reason]
    return " ".join(said)


def _apart(record: Record) -> str:
    """Return how far both range tests differ, and what that means; "" where one has no bounds."""
    pairs = [[record.facts.get(t, place=p) for t in RANGES] for p in ("low", "high")]
    if any(fact.value is None for pair in pairs for fact in pair):
        return ""
    config = record.config
    spacing = (config["rate_high"] / config["rate_low"]) ** (1 / (config["candidates"] - 1))
    apart = [math.exp(abs(math.log(float(a) / float(b)))) for a, b in pairs]
    if max(apart) <= spacing:
        meaning = "less", f"{number(config['candidates'])} rates cannot be read more exactly"
    else:
        meaning = "more", "in the ramp each rate has one update, so the loss lags behind the rate"
    rates, factors = listed(value(b, "log") for _, b in pairs), listed(map(_factor, apart))
    return (
        f"From the ramp the bounds would be {rates}, a factor of {factors} away, {meaning[0]} than "
        f"the factor of {_factor(spacing)} between neighboring candidates: {meaning[1]}."
    )


def _factor(x: float) -> str:
    return digits(float(f"{x:.2g}"))


def _peaks(record: Record) -> str:
    """Return how high the cyclical rate came, and where the losses ended."""
    facts, policy = record.facts, "cyclical_rate"
    if not trained(record, [policy]):
        return ""
    peaks = [float(entry.value) for entry in facts.select("peak_rate").entries()]
    train, final = (number(facts.value(m, policy=policy), 2) for m in ("train_loss", "final_loss"))
    below = max(peaks) < 0.9 * facts.value("lr_max")
    why = "; lr_max itself is not reached" * below
    return (
        f"The peaks of the rate are {listed(map(digits, peaks))}{why}. At the end the training loss "
        f"is {train} and the validation loss {final}; that of guessing is "
        f"{number(loss_of_guessing(facts), 2)}."
    )


def _shape(record: Record) -> str:
    """Say in which sense the curve over the batch size is like that over the rate."""
    if not any(trend(record.facts, test) > 0 for test in equal_epochs(record.facts)):
        return ""
    return (
        "Read from large batches to small ones the loss falls, as it does over the learning rate: "
        "halving the batch size acts like doubling the rate, with twice the way in an epoch and "
        "twice the noise lr/B."
    )


def _no_better_than_guessing(record: Record) -> str:
    """Say so where even the smallest batches have learned nothing at lr_min."""
    facts, guess = record.facts, loss_of_guessing(record.facts)
    if not facts.has("batch_epochs"):
        return ""
    low = facts.value("batch_loss", test="batch_epochs", place="smallest")
    if low < guess:
        return ""
    said = (
        f"At lr_min even the smallest batches end at {number(low, 2)}, no better than guessing "
        f"({number(guess, 2)})."
    )
    if facts.has("batch_learning"):
        rate = value(facts.get("policy_rate"), "log")
        said += f" At the rate {rate}, where networks learn: {ends(facts, 'batch_learning')}."
    return said


def _equal_updates(record: Record) -> str:
    """Return what the test at equal updates shows; "" without one."""
    facts, test = record.facts, "batch_updates"
    if not facts.has(test):
        return ""
    word = {1: "rises", -1: "falls", 0: "has no clear trend"}[trend(facts, test)]
    updates = counted(record.config["batch_updates"], "update")
    return f"With {updates} for every size the loss {word} ({ends(facts, test)})."


def _left_out(record: Record) -> str:
    """Return which batch sizes were not tried, and why; "" where all were."""
    facts = record.facts
    sizes = [number(float(n)) for n in str(facts.get("batch_left_out").value).split(", ") if n]
    return f"Left out: {listed(sizes)} ({facts.get('batch_left_out_reason').value})." * bool(sizes)


def _automatic(record: Record) -> str:
    """Return what the algorithm has found by itself."""
    facts = record.facts
    found = listed(f"b_{n} = {value(facts.get(f'auto_{n}'), 'log')}" for n in ("min", "max"))
    rate, why = value(facts.get("auto_rate"), "log"), str(facts.get("auto_reason").value or "")
    return f"The algorithm’s own bounds, at the rate {rate}: {found}. {why}".strip()


def _noise(record: Record) -> str:
    """Return the gradient noise scale before and after training, and whether it has changed."""
    facts = record.facts
    before, after = (facts.find("noise_scale", when=when) for when in ("before", "after"))
    if before is None:
        return ""
    if before.value is None:
        return "The gradient noise scale could not be determined."
    said = f"The gradient noise scale is {estimate(before, 'log')} images before training"
    growth = facts.find("noise_growth")
    if after is None or after.value is None or growth is None or growth.value is None:
        return f"{said} ({counted(before.n or 1, 'seed')})."
    low, high = (None if end is None else math.log(end) for end in (growth.low, growth.high))
    word = {1: "it has grown", -1: "it has fallen", 0: "no clear change"}
    sign = direction(Fact(math.log(float(growth)), low, high))
    seeds = counted(after.n or 1, "seed")
    return f"{said} and {estimate(after, 'log', '')} after it, {seeds}: {word[sign]}."


def _measured(record: Record) -> str:
    """Return the difference of growing and shrinking, and what it does not say."""
    facts = record.facts
    if _able(record, BATCHES) != list(BATCHES):
        return ""
    rate, rule = value(facts.get("policy_rate"), "log"), str(facts.get("policy_rate_rule").value)
    gap, p = facts.pair("difference", *BATCHES), over_images(facts, *BATCHES)
    return (
        f"Growing minus shrinking at the rate {rate}, {RATE_RULES[rule]}: {estimate(gap, 'points')}; "
        f"below {limit('4.6')} would not matter. McNemar’s test over the images: {p}. They differ in their number of updates too, so this "
        "says nothing about the noise."
    )


def _able(record: Record, policies: Iterable[str]) -> list[str]:
    """Return those of the policies that were trained and learned."""
    facts = record.facts
    return [policy for policy in trained(record, policies) if learned(facts, policy)]


def _literal(record: Record) -> str:
    """Return what growing and shrinking batches do at the assignment's own rate, lr_min."""
    facts, there = record.facts, trained(record, LITERAL)
    if not there:
        return ""
    able, name = _able(record, LITERAL), LITERAL
    scores = listed(f"{name[p]} reaches {right(facts, p)}" for p in there)
    seeds = counted(facts.value("policy_seeds", policy=there[0]), "seed")
    said = f"At the assignment’s own rate, lr_min, {scores} ({seeds})"
    if len(able) < len(there):
        failed = listed((name[p] for p in there if p not in able), "nor")
        verb = f"neither {failed} learned" if " nor " in failed else f"{failed} did not learn"
        return f"{said}; {guessing(facts)}, so {verb}."
    if len(there) < len(LITERAL):
        return f"{said}."
    gap = facts.pair("difference", *LITERAL)
    return f"{said}: growing scores {relation(gap, '4.6')} shrinking."


def _constants(record: Record) -> str:
    """Return whether the cyclical rate beats constant rates."""
    facts, there, cycle = record.facts, trained(record, CONSTANTS), "cyclical_rate"
    if not there or not _able(record, [cycle]):
        return ""
    said = []
    for policy in there:
        gap = facts.pair("difference", cycle, policy)
        failed = "" if learned(facts, policy) else ", which did not learn"
        said.append(f"{relation(gap, '4.7')} {POLICY[policy].long}{failed}")
    return f"A cycle is of use only if it beats a constant. It scores {listed(said)}."


def _over_images(record: Record) -> str:
    """Return whether McNemar's test over the images agrees with the intervals."""
    facts, pairs = record.facts, list(combinations(_able(record, CYCLICAL), 2))
    if not pairs:
        return ""
    unlike = [
        f"{POLICY[a].long} and {POLICY[b].long} ({over_images(facts, a, b)})"
        for a, b in pairs
        if (mcnemar(facts, a, b) < 0.05) != bool(direction(facts.pair("difference", a, b)))
    ]
    test = "McNemar’s test over the images, combined over the seeds,"
    said = f"disagrees for {listed(unlike)}" if unlike else "agrees for every pair"
    return f"A difference below {limit('4.7')} would not matter. {test} {said}."


REMARKS: dict[str, Sequence[Remark]] = {
    "4.2": (_unread, _apart),
    "4.2 details": (_intervals,),
    "4.3": (_peaks,),
    "4.4": (_shape, _no_better_than_guessing, _equal_updates, _left_out),
    "4.5": (_automatic,),
    "4.5 details": (_noise,),
    "4.6": (_measured, _literal),
    "4.7": (_constants,),
    "4.7 details": (_over_images,),
}
"""Question → what is said below its answer, each where the record gives rise to it.

Details stand in the folded part of the question.
"""
