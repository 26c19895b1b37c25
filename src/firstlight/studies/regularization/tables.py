"""Tables of problem 3: the arms, what was measured inside them, what they learned, their scores."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

from firstlight.record import Fact, Record
from firstlight.studies.regularization.labels import ACCURACY, LAYERS, LEARNED, LOSS, VARIANTS
from firstlight.studies.study import Sheet
from firstlight.text import NONE, interval, number, value

Rows = list[list[Any]]


def _cells(*facts: tuple[Fact, str]) -> list[str]:
    return [cell for fact, kind in facts for cell in (value(fact, kind), interval(fact, kind))]


def _headers(first: str, *columns: str) -> list[str]:
    return [first, *(cell for column in columns for cell in (column, "95 % interval"))]


def _over_seeds(text: str) -> Callable[[Record], str]:
    return lambda record: f"{text} Mean over seeds, n = {record.config['seeds']}."


def _pairs(record: Record) -> list[tuple[str, str]]:
    return list(combinations(record.config["arms"], 2))


def _difference(first: str, second: str) -> str:
    return f"{VARIANTS[first].short} − {VARIANTS[second].short}"


def _normalized(record: Record) -> list[tuple[str, str]]:
    """Return every arm and layer with batch normalization."""
    arms = record.config["arms"]
    return [(arm, layer) for arm in arms for layer in LAYERS if layer in VARIANTS[arm].norms]


def _has_norms(record: Record) -> bool:
    return bool(_normalized(record))


def _arms(record: Record) -> Rows:
    config, rows = record.config, []
    for variant in VARIANTS.values():
        image = ["BN" if "input" in variant.norms else "standardized"]
        hidden = ["BN before each tanh"] if variant.norms else []
        if variant.drops:
            image.append(f"dropout {config['input_dropout']}")
            hidden.append(f"dropout {config['hidden_dropout']} after each layer")
        rows.append([variant.short, ", ".join(image), ", ".join(hidden) or NONE])
    return rows


def _by_arm(*columns: tuple[str, str, dict[str, str]]) -> Callable[[Record], Rows]:
    """Return what makes a row for each arm, and one for the change between two arms, if any.

    Args:
        columns: a measure, how it is written, and its coordinates besides the arm.
    """

    def rows(record: Record) -> Rows:
        facts, table = record.facts, []
        for arm in record.config["arms"]:
            cells = _cells(*((facts.get(m, arm=arm, **at), kind) for m, kind, at in columns))
            table.append([VARIANTS[arm].short, *cells])
        changes = [
            (entry, "signed" if kind == "number" else kind)
            for measure, kind, at in columns
            for entry in facts.select("change", quantity=measure, **at).entries()
        ]
        if changes:
            first, second = (str(changes[0][0].coords[side]) for side in ("first", "second"))
            cells = _cells(*((entry.value, kind) for entry, kind in changes))
            table.append([_difference(first, second), *cells])
        return table

    return rows


def _statistics(*measures: str, **names: str) -> Callable[[Record], Rows]:
    """Return what makes a row for each arm and layer: statistics over channels and seeds."""

    def rows(record: Record) -> Rows:
        table: Rows = []
        for arm, layer in _normalized(record):
            arrays = [record.arrays.get(m, arm=arm, layer=layer).values for m in measures]
            cells = [
                number(float(getattr(x, name)()), 3) for x in arrays for name in names.values()
            ]
            table.append([f"{VARIANTS[arm].short}, {layer}", arrays[0].shape[1], *cells])
        return table

    return rows


def _differences(record: Record) -> Rows:
    rows = []
    for first, second in _pairs(record):
        measures = ("difference", "loss_difference", "mcnemar")
        facts = [record.facts.get(m, first=first, second=second) for m in measures]
        cells = _cells((facts[0], "points"), (facts[1], "signed"))
        rows.append([_difference(first, second), *cells, value(facts[2])])
    return rows


def _variances(record: Record) -> Rows:
    rows = []
    for arm, layer in _normalized(record):
        measures = ("variance_training", "variance_shift")
        facts = (record.facts.get(measure, arm=arm, layer=layer) for measure in measures)
        rows.append([f"{VARIANTS[arm].short}, {layer}", *_cells(*((f, "number") for f in facts))])
    return rows


SPREAD = {"mean": "mean", "sd": "std", "min": "min", "max": "max"}
"""Statistic → the array's method."""

RANGE = {"average": "mean", "min": "min", "max": "max"}

SHEETS = (
    Sheet(
        "arms",
        ["Arm", "Input", "Hidden layers"],
        _arms,
        "The arms. Dropout stands after the pool of a convolution and after the tanh of a fully "
        "connected layer; BN adds a scale γ and a shift β for each channel or unit.",
    ),
    Sheet(
        "removal",
        _headers("Arm", "Accuracy lost"),
        _by_arm(("removal", "points", {})),
        _over_seeds("Validation accuracy lost when half of fc1 is silenced."),
    ),
    Sheet(
        "coadaptation",
        _headers("Arm", "In fc1", "In fc2"),
        _by_arm(*(("coadaptation", "number", {"layer": layer}) for layer in ("fc1", "fc2"))),
        _over_seeds("Mean absolute correlation of two units of a layer, on validation images."),
    ),
    Sheet(
        "covariate_shift",
        _headers("Arm", "Movement, mean of layers"),
        _by_arm(("covariate_shift", "number", {})),
        _over_seeds(
            "Movement of a layer’s inputs between neighboring checkpoints of the first epoch, in "
            "standard deviations."
        ),
    ),
    Sheet(
        "learned",
        [
            "Arm and layer",
            "Units",
            *(f"{symbol} {s}" for symbol in LEARNED.values() for s in SPREAD),
        ],
        _statistics(*LEARNED, **SPREAD),
        "Learned scale γ and shift β, over channels and seeds.",
        _has_norms,
    ),
    Sheet(
        "moving",
        ["Arm and layer", "Units", *(f"{m}: {s}" for m in ("Mean", "Variance") for s in RANGE)],
        _statistics("running_mean", "running_var", **RANGE),
        "Moving mean and variance that batch normalization uses at test time, over channels and seeds.",
        _has_norms,
    ),
    Sheet(
        "accuracy",
        _headers("Arm", "Train", "Validation", "Test"),
        _by_arm(*((measure, "percent", {}) for measure in ACCURACY.values())),
        _over_seeds("Accuracy of the final networks, without dropout."),
    ),
    Sheet(
        "loss",
        _headers("Arm", "Train", "Validation", "Test"),
        _by_arm(*((measure, "number", {}) for measure in LOSS.values())),
        _over_seeds("Loss of the final networks, without dropout: mean cross-entropy in nats."),
    ),
    Sheet(
        "differences",
        [*_headers("Pair", "Test accuracy", "Test loss"), "McNemar’s p"],
        _differences,
        lambda record: (
            f"First minus second, paired over seeds, n = {record.config['seeds']}. McNemar’s exact "
            "test compares two trained networks image by image; the p-values of the seeds share the "
            "test images and are combined by a rule that holds under any dependence (Rüger 1978)."
        ),
        lambda record: bool(_pairs(record)),
    ),
    Sheet(
        "variances",
        _headers("Arm and layer", "In training", "At test time"),
        _variances,
        _over_seeds(
            "Variance received by each batch normalization over its running variance, on training "
            "images: geometric mean over channels."
        ),
        _has_norms,
    ),
)
"""The tables of this study, in the order of its page."""
