"""What the range tests decide: the bounds of learning rate and batch size, and what is tried."""

from collections.abc import Mapping, Sequence

import numpy as np

from firstlight import stats
from firstlight.ranges.curve.read import FEWEST, Bounds
from firstlight.record import Fact, Facts
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.cyclical.labels import BATCH_TESTS, LOWEST, PLACES
from firstlight.text import counted, number
from firstlight.types import Floats

FIXED = "steepest"
"""The place on the curve at whose rate the batch size moves."""

LEAST_UPDATES = 4
"""A batch size is tried where the images make at least so many updates."""


def put_reading(facts: Facts, name: str, bounds: Bounds) -> None:
    """Add what was read off a curve, and if something could not be read, why."""
    for place in PLACES:
        facts.put(name, getattr(bounds, place), place=place)
    facts.put(name, Fact(bounds.verdict), about="verdict")
    facts.put(name, Fact(bounds.explanation), about="reason")


def put_ends(facts: Facts, test: str, losses: Floats) -> None:
    """Add the losses at the smallest and the largest batch size, and by what they differ.

    Args:
        facts: takes them.
        test: the batch-size test.
        losses: shape (repeats, sizes).
    """
    for place, at in (("smallest", 0), ("largest", -1)):
        facts.put("batch_loss", Fact(float(losses[:, at].mean())), test=test, place=place)
    change = stats.paired_difference(losses[:, -1], losses[:, 0])
    facts.put("batch_change", change, test=test)


def choose_rates(
    read: Mapping[str, Bounds], values: Floats, losses: Floats, facts: Facts
) -> tuple[float, float, float]:
    """Return the bounds of the learning rate, and the rate at which the batch size moves.

    They are read off the candidates' curve; if it could not be read, off the ramp's; if that could
    not be read either, the bounds are the candidate with the lowest loss and the one below it. The
    batch size moves where the loss falls fastest, for at the lower bound it has hardly begun to.

    Args:
        read: ``"candidates"`` and ``"ramp"`` → what was read off this curve.
        values: shape (k,), the candidates.
        losses: shape (repeats, k).
        facts: takes what was read, what was chosen and from where.
    """
    mean = losses.mean(axis=0)
    best = max(1, int(np.argmin(np.where(np.isfinite(mean), mean, np.inf))))
    low, high = (Fact(float(value)) for value in values[best - 1 : best + 1])
    fixed, source, rule = low, LOWEST, LOWEST
    for test, bounds in read.items():
        put_reading(facts, test, bounds)
        known = bounds.low.value is not None and bounds.high.value is not None
        if source == LOWEST and known and float(bounds.low) < float(bounds.high):
            low, high, source = bounds.low, bounds.high, test
            fixed, rule = getattr(bounds, FIXED), FIXED
    for name, fact in {"lr_min": low, "lr_max": high, "policy_rate": fixed}.items():
        facts.put(name, fact)
    for name, word in {
        "lr_source": source, "policy_rate_source": source, "policy_rate_rule": rule,
    }.items():  # fmt: skip
        facts.put(name, Fact(word))
    return float(low), float(high), float(fixed)


def two_digits(value: float) -> float:
    """Return the value rounded to two significant digits, as one reads it off a figure.

    Trainings use bounds so rounded; no curve is more exact.

    Example:
        >>> two_digits(0.00766), two_digits(1234.0)
        (0.0077, 1200.0)
    """
    return float(f"{value:.2g}")


def updates_of(config: CyclicalConfig, size: int, n: int) -> int:
    """Return the whole updates that ``n`` images make at a batch size, at equal epochs.

    Example:
        >>> updates_of(CyclicalConfig(batch_epochs=2.0), 1024, 5500)
        10
    """
    return int(config.batch_epochs * n / size)


def sizes_to_try(config: CyclicalConfig, images: int, facts: Facts) -> list[int]:
    """Return the batch sizes of which the images make enough updates, and note the others.

    Of few images the smallest sizes are tried all the same, as many as a curve must have.
    """
    updates = {size: updates_of(config, size, images) for size in config.batch_sizes}
    tried = [size for size in updates if updates[size] >= LEAST_UPDATES]
    if len(tried) < FEWEST:
        tried = [size for size in updates if size <= images or size == min(updates)][:FEWEST]
    for size in tried:
        facts.put("batch_size_updates", Fact(updates[size]), size=size)
    left = [size for size in updates if size not in tried]
    facts.put("batch_left_out", Fact(", ".join(map(str, left))))
    epochs = counted(config.batch_epochs, "epoch")
    reason = f"fewer than {counted(LEAST_UPDATES, 'update')} in {epochs} of {number(images)} images"
    facts.put("batch_left_out_reason", Fact(reason if left else ""))
    return tried


def choose_sizes(
    read: Mapping[str, Bounds], tried: Sequence[int], images: int, unit: int, facts: Facts
) -> tuple[int, int]:
    """Return the bounds of the batch size for the policies, and note where they are from.

    They are read off the first curve at equal epochs that shows one. A bound that could not be read
    is the smallest or the largest size tried; so is every bound outside them. The policies move up
    to a tenth of the training images (``batch_used``), or twice the lower bound if that is more:
    beyond that a batch is no small part of a cycle any more (S. L. Smith et al. 2018 grow it so far).
    Both are rounded to whole micro-batches.

    Args:
        read: test → what was read off its curve.
        tried: the batch sizes, in rising order.
        images: training images.
        unit: images in a micro-batch.
        facts: takes what was read, the bounds and their sources.
    """
    for test, bounds in read.items():
        put_reading(facts, test, bounds)
    equal = [test for test in read if BATCH_TESTS[test][1] == "rising"]
    shown = [t for t in equal if read[t].low.value is not None or read[t].high.value is not None]
    source = next(iter([*shown, *equal, *read]))
    facts.put("batch_source", Fact(source))
    edges = {"batch_min": Fact(tried[0]), "batch_max": Fact(tried[-1])}
    chosen = dict(edges)
    for name, at in (("batch_min", read[source].low), ("batch_max", read[source].high)):
        if at.value is not None and source in equal:
            size = min(tried[-1], max(tried[0], round(two_digits(float(at)))))
            chosen[name] = Fact(size, at.low, at.high, at.n)
    if float(chosen["batch_min"]) >= float(chosen["batch_max"]):
        chosen = edges
    for name, fact in chosen.items():
        facts.put(name, fact)
        facts.put(f"{name}_source", Fact("edge" if fact is edges[name] else "read"))
    least, most = (int(float(fact)) for fact in chosen.values())
    low = unit * max(1, round(least / unit))
    used = max(2 * low, unit * (min(most, images // 10) // unit))
    facts.put("batch_used", Fact(used))
    return low, used
