"""The tables of problem 4."""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from firstlight.record import Fact, Record
from firstlight.studies.cyclical import labels
from firstlight.studies.cyclical.labels import DIFFERENCES, POLICY, RANGES
from firstlight.studies.study import Sheet
from firstlight.text import cells, counted, number, sentence, value
from firstlight.types import Floats

INTERVAL = "95 % interval"

Rows = Sequence[Sequence[Any]]


def _parts(record: Record) -> Rows:
    """Return the parts of the data set, how many images are in them, and how many of each class."""
    facts, per_class = record.facts, record.data["per_class"]

    def each(counts: Any) -> str:
        low, high = number(counts.min()), number(counts.max())
        return low if low == high else f"{low} to {high}"

    whole = facts.get("images", part="test") == facts.get("images", part="official_test")
    rows = [
        ("total", "All", each(per_class.values.sum(axis=0))),
        ("official_train", "Official training set", each(per_class.sel(part="train").values)),
        ("official_test", "Official test set", each(per_class.sel(part="test").values)),
        ("train", "Training, in this run", "at random"),
        ("validation", "Validation, in this run", "at random"),
        ("test", "Test, in this run", "as in the set" if whole else "at random"),
    ]
    return [(name, value(facts.get("images", part=part)), share) for part, name, share in rows]


def _places(record: Record) -> Rows:
    """Return what was read off both range tests of the learning rate."""
    rows = []
    for place, name in labels.PLACES.items():
        facts = [record.facts.get(test, place=place) for test in RANGES]
        rows.append([sentence(name), *(c for fact in facts for c in cells(fact, "log")[:2])])
    return rows


def _places_caption(record: Record) -> str:
    source = str(record.facts.get("lr_source").value)
    used = "the candidate with the lowest loss and the one below it"
    if source != labels.LOWEST:
        used = f"where the loss starts to fall and slows with {RANGES[source]}"
    repeats = counted(record.config["range_repeats"], "repeat")
    return (
        f"Learning rates read off the curves, with bootstrap intervals over {repeats}; a dash: not "
        f"determined. lr_min and lr_max are {used}. fastai’s rule is given for comparison; it gives "
        "a rate even where nothing falls."
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

    return [cell(losses) for losses in record.data[f"{test}_losses"].values.T]


def _over(record: Record) -> str:
    """Return over how many repeats a loss is the mean."""
    repeats = record.config["range_repeats"]
    if repeats == 1:
        return "one repeat"
    return f"mean over {counted(repeats, 'repeat')} (lowest to highest)"


def _rate_losses(record: Record) -> Rows:
    rates = record.data["candidates_values"].values
    return list(zip(map(number, rates), _losses(record, "candidates"), strict=True))


def _size_losses(record: Record) -> Rows:
    sizes = record.data["batch_epochs_values"].values
    images = record.config["batch_epochs"] * record.facts.value("images", part="train")
    updates = [number(max(1, round(images / size))) for size in sizes]
    losses = (_losses(record, f"batch_{budget}") for budget in labels.BUDGETS)
    return list(zip(map(number, sizes), updates, *losses, strict=True))


def _size_caption(record: Record) -> str:
    epochs = counted(record.config["batch_epochs"], "epoch")
    updates = counted(record.config["batch_updates"], "update")
    return (
        f"Training loss at lr_min, {_over(record)}: {epochs} for each size, with the updates that "
        f"makes, or {updates} for each size."
    )


def _cyclical_scores(record: Record) -> Rows:
    """Return everything that the trainings with the cyclical rate leave."""
    return [
        [name, *cells(record.facts.get(measure, policy="cyclical_rate"), kind)]
        for measure, (name, kind) in labels.QUANTITIES.items()
    ]


def _scores(record: Record, policies: Collection[str]) -> Rows:
    """Return accuracies, test loss and updates of those of the policies that were trained."""
    rows = []
    for policy in (str(name) for name in record.config["policies"] if name in policies):
        row = [POLICY[policy].short]
        for measure in DIFFERENCES:
            row += cells(record.facts.get(measure, policy=policy), "percent")[:2]
        for measure in ("test_loss", "updates"):
            row.append(value(record.facts.get(measure, policy=policy)))
        rows.append(row)
    return rows


def _differences(record: Record) -> Rows:
    rows = []
    for first, second in combinations(record.config["policies"], 2):
        row = [f"{POLICY[first].short} − {POLICY[second].short}"]
        for measure in DIFFERENCES.values():
            fact = record.facts.pair(measure, first, second)
            low, high = (None if end is None else 100 * end for end in (fact.low, fact.high))
            row += cells(Fact(100 * float(fact), low, high), "signed")[
                :2
            ]  # the caption says points
        rows.append(row)
    return rows


def _by_seed(text: str) -> Callable[[Record], str]:
    return lambda record: f"{text}, {counted(record.config['seeds'], 'seed')}."


_LOSS, _UPDATES = (labels.QUANTITIES[name][0] for name in ("test_loss", "updates"))
SCORES = ("Policy", "Best validation", INTERVAL, "Test", INTERVAL, _LOSS, _UPDATES)

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
        lambda r: f"Training loss of each candidate, {_over(r)}.",
    ),
    Sheet(
        "cyclical_scores",
        ("Quantity", "Value", INTERVAL, "n"),
        _cyclical_scores,
        _by_seed("The cyclical learning rate, mean with Student’s t interval"),
        lambda r: "cyclical_rate" in r.config["policies"],
    ),
    Sheet(
        "size_losses",
        ("Batch size", "Updates, about", "Loss, equal epochs", "Loss, equal updates"),
        _size_losses,
        _size_caption,
    ),
    Sheet(
        "batch_scores",
        SCORES,
        lambda r: _scores(r, labels.BATCHES),
        _by_seed("Cyclical batch sizes at the rate lr_min, mean with Student’s t interval"),
        lambda r: bool(_scores(r, labels.BATCHES)),
    ),
    Sheet(
        "comparison",
        SCORES,
        lambda r: _scores(r, POLICY),
        _by_seed("Every policy, mean with Student’s t interval"),
    ),
    Sheet(
        "differences",
        ("Pair", "Best validation", INTERVAL, "Test", INTERVAL),
        _differences,
        _by_seed("Accuracy, first minus second in points, paired"),
        lambda r: len(r.config["policies"]) > 1,
    ),
)
"""The tables of this study, in the order of its page."""
