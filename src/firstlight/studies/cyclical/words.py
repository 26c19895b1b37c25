"""What answers and remarks on problem 4 share: what the facts decide, and phrases made of them."""

import math
from collections.abc import Iterable

from firstlight.record import Fact, Facts, Record
from firstlight.stats import decide, direction
from firstlight.studies.cyclical.labels import BATCH_TESTS, MATTERS, POLICY
from firstlight.text import counted, number, p_value, value


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
