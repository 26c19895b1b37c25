"""Tables of problem 3: the arms, what was measured inside them, what they learned, their scores."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from firstlight.record import Label, Record
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.labels import VARIANTS, short
from firstlight.studies.study import Sheet
from firstlight.text import NONE, estimate, number

Rows = list[list[Any]]

Column = tuple[str, str, dict[str, Label]]
"""A measure, how it is written, and its coordinates besides those of the row."""

INSIDE: tuple[Column, ...] = (
    ("removal", "points", {}),
    ("coadaptation", "number", {"layer": "fc1"}),
    ("covariate_shift", "number", {}),
)
"""What is measured inside every arm."""

DIFFERENCES: tuple[Column, ...] = (
    ("difference", "points", {}),
    ("loss_difference", "signed", {}),
    ("mcnemar", "number", {}),
)
"""What is measured between two arms."""


def _rows(record: Record, columns: tuple[Column, ...]) -> Rows:
    """Return a row for each arm, or pair of arms, of which there is the first column's measure."""
    facts, rows = record.facts, []
    for _, at, _ in facts.select(columns[0][0]).entries():
        cells = (estimate(facts.get(m, **at, **more), kind, "") for m, kind, more in columns)
        rows.append([short(*at.values()), *cells])
    return rows


def _treatments(record: Record) -> Rows:
    """Return what every arm does to its input and to its hidden layers."""
    config, rows = record.config, []
    for variant in VARIANTS.values():
        image = ["BN" if "input" in variant.norms else "standardized"]
        hidden = ["BN before each tanh"] if variant.norms else []
        if variant.drops:
            image.append(f"dropout {config['input_dropout']}")
            hidden.append(f"dropout {config['hidden_dropout']} after each layer")
        rows.append([variant.short, ", ".join(image), ", ".join(hidden) or NONE])
    return rows


def _spread(record: Record, measures: Iterable[str]) -> Rows:
    """Return a row for each arm and layer: mean, deviation and range over channels and seeds."""
    rows: Rows = []
    for _, at, gamma in record.arrays.select("gamma").entries():
        label, channels = f"{short(at['arm'])}, {at['layer']}", gamma.values.shape[1]
        arrays = (record.arrays.get(measure, **at).values for measure in measures)
        numbers = ([number(f(), 3) for f in (x.mean, x.std, x.min, x.max)] for x in arrays)
        rows.append([label, channels, *("{} ± {} ({} to {})".format(*four) for four in numbers)])
    return rows


def _over_seeds(text: str) -> Callable[[Record], str]:
    about = "mean over seeds with its 95 % interval"
    return lambda record: f"{text}: {about}, n = {record.config['seeds']}."


SHEETS = (
    Sheet(
        "arms",
        ["Arm", "Input", "Hidden layers"],
        _treatments,
        "The arms. Dropout stands after the pool of a convolution and after the tanh of a fully "
        "connected layer; BN adds a scale γ and a shift β for each channel or unit.",
    ),
    Sheet(
        "inside",
        ["Arm", "Accuracy lost", "Correlation", "Movement"],
        partial(_rows, columns=INSIDE),
        _over_seeds(
            "Validation accuracy lost when half of fc1 is silenced; mean absolute correlation of two "
            "fc1 units; movement of a layer’s inputs in standard deviations, all layers"
        ),
    ),
    *(
        Sheet(
            name,
            ["Arm and layer", "Units", *measures.values()],
            partial(_spread, measures=measures),
            f"{words}: mean ± standard deviation, and range, over channels and seeds.",
            lambda record: record.arrays.has("gamma"),
        )
        for name, measures, words in (
            ("learned", labels.LEARNED, "Learned scale γ and shift β"),
            ("moving", labels.MOVING, "Moving averages that batch normalization uses at test time"),
        )
    ),
    *(
        Sheet(
            name,
            ["Arm", "Train", "Validation", "Test"],
            partial(_rows, columns=tuple((m, kind, {}) for m in measures.values())),
            _over_seeds(f"{words} of the final networks, without dropout"),
        )
        for name, kind, measures, words in (
            ("accuracy", "percent", labels.ACCURACY, "Accuracy"),
            ("loss", "number", labels.LOSS, "Mean cross-entropy in nats"),
        )
    ),
    Sheet(
        "differences",
        ["Pair", "Test accuracy", "Test loss", "McNemar’s p"],
        partial(_rows, columns=DIFFERENCES),
        lambda record: (
            f"First minus second, paired over seeds, n = {record.config['seeds']}, with the 95 % "
            "interval. McNemar’s exact test compares two trained networks image by image; the p-values "
            "of the seeds share the test images and are combined by a rule that holds under any "
            "dependence (Rüger 1978)."
        ),
        lambda record: record.facts.has("difference"),
    ),
)
"""The tables of this study, in the order of its page."""
