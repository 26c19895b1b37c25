"""The tables of problem 4."""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from firstlight.record import Fact, Record
from firstlight.studies.cyclical import labels
from firstlight.studies.cyclical.labels import DIFFERENCES, POLICY, RANGES
from firstlight.studies.cyclical.words import trained
from firstlight.studies.study import Sheet
from firstlight.text import NONE, cells, counted, digits, estimate, number, sentence, size, value
from firstlight.types import Floats

INTERVAL = "95 % interval"
SHARE = "{:.1%}"
"""How accuracies stand in a table: one decimal, however wide the interval."""

Rows = Sequence[Sequence[Any]]


def _parts(record: Record) -> Rows:
    """Return the parts of the data set, how many images are in them, and how many of each class."""
    facts, per_class = record.facts, record.data["per_class"]
    classes = facts.value("images", part="classes")

    def each(counts: Any) -> str:
        low, high = number(counts.min()), number(counts.max())
        return low if low == high else f"{low} to {high}"

    rows = [
        ("total", "All", each(per_class.values.sum(axis=0))),
        ("official_train", "Training set", each(per_class.sel(part="train").values)),
        ("official_test", "Test set", each(per_class.sel(part="test").values)),
    ]
    for part in ("train", "validation", "test"):
        mean = facts.value("images", part=part) / classes
        rows.append((part, f"{sentence(part.replace('train', 'training'))}, in this run",
                     f"about {number(round(mean))}"))  # fmt: skip
    return [(name, value(facts.get("images", part=part)), share) for part, name, share in rows]


def _places(record: Record) -> Rows:
    """Return what was read off both range tests of the learning rate."""
    rows = []
    for place in labels.SHOWN_PLACES:
        facts = [record.facts.get(test, place=place) for test in RANGES]
        row = (c for fact in facts for c in cells(fact, "log")[:2])
        rows.append([sentence(labels.PLACES[place]), *row])
    return rows


def _places_caption(record: Record) -> str:
    source = str(record.facts.get("lr_source").value)
    used = "the candidate with the lowest loss and the one below it"
    if source != labels.LOWEST:
        used = f"where the loss starts to fall and levels off with {RANGES[source]}"
    repeats = counted(record.config["range_repeats"], "repeat")
    return (
        f"Learning rates read off the curves, with bootstrap intervals over {repeats}; a dash: not "
        f"determined. lr_min and lr_max are {used}."
    )


def _losses(record: Record, test: str) -> list[str]:
    """Return the mean loss at each value, with lowest and highest where there are repeats."""

    def decimal(loss: float) -> str:
        if not np.isfinite(loss):
            return "not finite"
        return number(loss, 3) if loss < 1e4 else number(float(f"{loss:.1e}"))

    def cell(losses: Floats) -> str:
        ends = f" ({decimal(losses.min())} to {decimal(losses.max())})" if len(losses) > 1 else ""
        return decimal(losses.mean()) + ends

    return [cell(losses) for losses in record.arrays.get(f"{test}_losses").values.T]


def _over(record: Record, name: str) -> str:
    """Return over how many repeats a loss is the mean."""
    repeats = record.config[name]
    if repeats == 1:
        return "one repeat"
    return f"mean over {counted(repeats, 'repeat')} (lowest to highest)"


def _rate_losses(record: Record) -> Rows:
    rates = record.arrays.get("candidates_values").values
    return list(zip(map(number, rates), _losses(record, "candidates"), strict=True))


def _tests(record: Record) -> list[str]:
    return [test for test in labels.BATCH_TESTS if record.facts.has(test)]


def _size_headers(record: Record) -> Sequence[str]:
    tests = (f"Loss, {labels.BATCH_TESTS[test][0]}" for test in _tests(record))
    return ("Batch size", "Updates", *tests, "Loss, algorithm of 4.5")


def _size_losses(record: Record) -> Rows:
    """Return the losses at every batch size of any test; a dash where a test did not try it."""
    columns = {
        test: dict(zip(record.arrays.get(f"{test}_values").values, _losses(record, test), strict=True))
        for test in [*_tests(record), "auto"]
    }  # fmt: skip
    rows = []
    for batch in sorted({batch for column in columns.values() for batch in column}):
        updates = record.facts.find("batch_size_updates", size=int(batch))
        made = NONE if updates is None else value(updates)
        losses = (column.get(batch, NONE) for column in columns.values())
        rows.append([number(batch), made, *losses])
    return rows


def _size_caption(record: Record) -> str:
    rates = (digits(record.facts.value(name)) for name in ("lr_min", "policy_rate"))
    low, learns = rates
    return (
        f"Training loss, {_over(record, 'batch_repeats')}, after "
        f"{counted(record.config['batch_epochs'], 'epoch')} of each size, in as many updates as "
        f"that makes; lr_min = {low}, a rate that learns: {learns}."
    )


def _cyclical_scores(record: Record) -> Rows:
    """Return everything that the trainings with the cyclical rate leave."""
    rows = []
    for measure, (name, kind) in labels.QUANTITIES.items():
        fact = record.facts.get(measure, policy="cyclical_rate")
        rows.append([name, *cells(fact, SHARE if kind == "percent" else kind)])
    return rows


def _scores(record: Record, policies: Collection[str]) -> Rows:
    """Return what those of the policies leave that were trained."""
    facts, rows = record.facts, []
    for policy in trained(record, policies):
        test, best, updates = (
            facts.get(measure, policy=policy)
            for measure in ("test_accuracy", "best_accuracy", "updates")
        )
        learned = bool(facts.get("learned", policy=policy).value)
        scores = (estimate(fact, SHARE, "") for fact in (test, best))
        rows.append([POLICY[policy].short, learned, *scores, value(updates), size(test)])
    return rows


def _points(fact: Fact) -> list[str]:
    """Return a difference and its interval in points, one decimal each."""
    low, high = (
        None if end is None else number(100 * end, 1, True) for end in (fact.low, fact.high)
    )
    return [number(100 * float(fact), 1, True), NONE if low is None else f"{low} to {high}"]


def _differences(record: Record) -> Rows:
    rows = []
    for first, second in combinations(trained(record), 2):
        pairs = (record.facts.pair(measure, first, second) for measure in DIFFERENCES.values())
        row = [f"{POLICY[first].short} − {POLICY[second].short}"]
        rows.append([*row, *(cell for pair in pairs for cell in _points(pair))])
    return rows


def _by_seed(text: str) -> Callable[[Record], str]:
    return lambda record: f"{text}, {counted(record.config['seeds'], 'seed')}."


SCORES = (
    "Policy", "Learned", f"Test accuracy ({INTERVAL})", f"Best validation ({INTERVAL})", "Updates",
    "n",
)  # fmt: skip  # the last two alone would make it six lines
BOTH = (*labels.BATCHES, *labels.LITERAL)
"""The policies of 4.6, at both rates."""

SHEETS = (
    Sheet(
        "parts",
        ("Part", "Images", "Per class"),
        _parts,
        lambda r: f"Size of {r.facts.get('data').value} and of the parts used.",
    ),
    Sheet(
        "places",
        ("The training loss", "Candidates", INTERVAL, "Ramp", INTERVAL),
        _places,
        _places_caption,
    ),
    Sheet(
        "rate_losses",
        ("Learning rate", "Training loss"),
        _rate_losses,
        lambda r: f"Training loss of each candidate, {_over(r, 'range_repeats')}.",
    ),
    Sheet(
        "cyclical_scores",
        ("Quantity", "Value", INTERVAL, "n"),
        _cyclical_scores,
        _by_seed("The cyclical learning rate; n: seeds. Test accuracy: for other seeds and images"),
        lambda r: "cyclical_rate" in r.config["policies"],
    ),
    Sheet("size_losses", _size_headers, _size_losses, _size_caption),
    Sheet(
        "batch_scores",
        SCORES,
        lambda r: _scores(r, BOTH),
        lambda r: (
            f"Cyclical batch sizes at the rate {digits(r.facts.value('policy_rate'))}, and at lr_min = "
            f"{digits(r.facts.value('lr_min'))}; n: seeds."
        ),
        lambda r: bool(trained(r, BOTH)),
    ),
    Sheet("comparison", SCORES, lambda r: _scores(r, POLICY), "Every policy; n: seeds."),
    Sheet(
        "differences",
        ("Pair", "Best validation", INTERVAL, "Test", INTERVAL),
        _differences,
        _by_seed("Accuracy, first minus second in points, in pairs of equal weights"),
        lambda r: len(r.config["policies"]) > 1,
    ),
)
"""The tables of this study, in the order of its page."""
