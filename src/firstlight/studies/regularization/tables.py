"""Tables of problem 3: the arms, what was measured inside them, what they learned, their scores."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from firstlight.record import Facts, Label, Record
from firstlight.stats import direction
from firstlight.studies.regularization import labels
from firstlight.studies.regularization.answers import difference, published_facts
from firstlight.studies.regularization.labels import VARIANTS, short
from firstlight.studies.study import Sheet
from firstlight.text import NONE, counted, estimate, listed, number, p_value

Rows = list[list[Any]]

Column = tuple[str, str, dict[str, Label]]
"""A measure, how it is written, and its coordinates besides those of the row."""

ANSWERED = "norm_hidden"
"""The arm of question 3.2."""

TOGETHER = ("norm_dropout", "norm_dropout_last")
"""The arms of question 3.5."""

CONVOLUTIONS = ("conv1", "conv2")

INSIDE: tuple[Column, ...] = (
    ("removal", "points", {"images": "train"}),
    ("removal", "points", {"images": "validation"}),
    ("covariate_shift", "number", {}),
)
"""What is measured inside every arm."""

CORRELATION: tuple[Column, ...] = (
    ("coadaptation", "number", {"layer": "fc1"}),
    ("coadaptation", "number", {"layer": "fc2"}),
)

SCORES: tuple[Column, ...] = (
    *((measure, "percent", {}) for measure in labels.ACCURACY.values()),
    ("gap", "points", {}),
)

RECOMPUTED: tuple[Column, ...] = (
    ("moving_accuracy", "percent", {}),
    ("test_accuracy", "percent", {}),
    ("recomputing", "points", {}),
)
"""What the statistics of batch normalization in an evaluation change."""


def _rows(record: Record, columns: tuple[Column, ...], arms: tuple[Label, ...] = ()) -> Rows:
    """Return a row for each arm of which there is the first column's measure."""
    facts, rows = record.facts, []
    for arm in facts.labels(columns[0][0], "arm"):
        if not arms or arm in arms:
            cells = (estimate(facts.get(m, arm=arm, **at), kind, "") for m, kind, at in columns)
            rows.append([short(arm), *cells])
    return rows


def _differences(record: Record) -> Rows:
    rows: Rows = []
    for _, pair, accuracy in record.facts.select("difference").entries():
        loss, p, seeds = (
            record.facts.get(measure, **pair)
            for measure in ("loss_difference", "mcnemar", "mcnemar_seeds")
        )
        differ = f"{number(float(seeds))} of {seeds.n}, {p_value(float(p))}"
        sizes = estimate(accuracy, "points", ""), estimate(loss, "signed", "")
        rows.append([short(*pair.values()), *sizes, differ])
    return rows


def _treatments(record: Record) -> Rows:
    """Return what every arm does to its input and to its hidden layers."""
    config, rows = record.config, []
    for arm in config["arms"]:
        variant = VARIANTS[arm]
        image = ["BN" if "input" in variant.norms else "standardized"]
        hidden = ["BN before each tanh"] if "conv1" in variant.norms else []
        if "input" in variant.drops:
            image.append(f"dropout {config['input_dropout']}")
        if variant.drops:
            where = "each layer" if "conv1" in variant.drops else f"{variant.drops[-1]} only"
            hidden.append(f"dropout {config['hidden_dropout']} after {where}")
        rows.append([variant.short, ", ".join(image), ", ".join(hidden) or NONE])
    return rows


def _span(facts: Facts, measure: str, layer: str) -> str:
    """Return the mean and the range of γ or β in one layer."""
    mean, low, high = (
        number(facts.value(f"{measure}_{what}", arm=ANSWERED, layer=layer), 2)
        for what in ("mean", "low", "high")
    )
    return f"{mean} ({low} to {high})"


def _learned(record: Record) -> Rows:
    """Return γ and β of each hidden layer, and those of the published run beside them."""
    rows: Rows = []
    for layer in VARIANTS[ANSWERED].norms:
        units = record.arrays.get("gamma", arm=ANSWERED, layer=layer).values.shape[1]
        runs = [facts for facts in (record.facts, published_facts(record)) if facts is not None]
        spans = [_span(facts, measure, layer) for facts in runs for measure in labels.LEARNED]
        rows.append([layer, units, *spans])
    return rows


def _learned_headers(record: Record) -> list[str]:
    published = [] if published_facts(record) is None else [f"{s}, published" for s in ("γ", "β")]
    return ["Layer", "Units", *labels.LEARNED.values(), *published]


def _asked(record: Record) -> list[tuple[labels.Arm, labels.Arm]]:
    """Return the comparisons of question 3.5 that the run has."""
    arms = {*record.config["arms"]}
    return [pair for pair in labels.PAIRS if pair[0] in TOGETHER and {*pair} <= arms]


def _together(record: Record) -> Rows:
    """Return the comparisons of question 3.5, here and in the published run."""
    runs = [facts for facts in (record.facts, published_facts(record)) if facts is not None]
    found = {pair: [difference(facts, *pair) for facts in runs] for pair in _asked(record)}
    return [
        [short(*pair), *(NONE if fact is None else estimate(fact, "points", "") for fact in facts)]
        for pair, facts in found.items()
    ]


def _reversed(record: Record) -> str:
    """Name the comparisons that the published run decides the other way round."""
    turned, published = [], published_facts(record)
    for pair in _asked(record):
        here, there = difference(record.facts, *pair), difference(published, *pair)
        if here and there and direction(here) * direction(there) < 0:
            turned.append(short(*pair))
    return f" The published run reverses {listed(turned)}." if turned else ""


def _channels(record: Record) -> Rows:
    """Return γ and β of each channel of the convolutions, in the network of the first seed."""
    values = [
        record.arrays.get(measure, arm=ANSWERED, layer=layer).values[0]
        for layer in CONVOLUTIONS
        for measure in labels.LEARNED
    ]
    return [
        [channel + 1, *(number(x[channel], 2) if channel < len(x) else NONE for x in values)]
        for channel in range(max(map(len, values)))
    ]


def _spread(record: Record, measures: Iterable[str]) -> Rows:
    """Return a row for each arm and layer: mean, deviation and range over channels and seeds."""
    rows: Rows = []
    for _, at, gamma in record.arrays.select("gamma").entries():
        label, channels = f"{short(at['arm'])}, {at['layer']}", gamma.values.shape[1]
        arrays = (record.arrays.get(measure, **at).values for measure in measures)
        numbers = ([number(f(), 2) for f in (x.mean, x.std, x.min, x.max)] for x in arrays)
        rows.append([label, channels, *("{} ± {} ({} to {})".format(*four) for four in numbers)])
    return rows


def _over_seeds(text: str) -> Callable[[Record], str]:
    return lambda record: f"{text}. 95 % intervals in brackets, n = {record.config['seeds']}."


def _combined(record: Record) -> str:
    """Say what the combined p-value is at this number of seeds."""
    seeds = record.config["seeds"]
    rank = (seeds + 1) // 2
    if seeds == 1:
        return "p: McNemar’s exact test."
    ordinal = {1: "smallest", 2: "second smallest", 3: "third smallest"}.get(
        rank, f"{rank}th smallest"
    )
    factor = number(seeds / rank, None if seeds % rank == 0 else 2)
    return (
        f"p: {factor} × the {ordinal} of the {counted(seeds, 'p-value')} (Rüger 1978), which share the "
        "test images; small, it says that some pair of networks differs, not that all do."
    )


def _has_answered(record: Record) -> bool:
    return record.arrays.has("gamma", arm=ANSWERED)


SHEETS = (
    Sheet(
        "arms",
        ["Arm", "Input", "Hidden layers"],
        _treatments,
        "The arms. Dropout stands after the pool of a convolution and after the tanh of a fully "
        "connected layer.",
    ),
    Sheet(
        "inside",
        ["Arm", "Lost, training", "Lost, validation", "Movement"],
        partial(_rows, columns=INSIDE),
        _over_seeds(
            "Accuracy lost on training and validation images when half of fc1 is silenced; movement of "
            "a layer’s inputs in standard deviations, mean of all layers"
        ),
    ),
    Sheet(
        "correlation",
        ["Arm", "fc1", "fc2"],
        partial(_rows, columns=CORRELATION),
        _over_seeds("Mean absolute correlation of two units of a layer over validation images"),
    ),
    Sheet(
        "learned",
        _learned_headers,
        _learned,
        lambda record: (
            "γ and β of the hidden layers, standardized input: mean, and range in brackets, over "
            f"channels and {counted(record.config['seeds'], 'seed')}."
        ),
        _has_answered,
    ),
    Sheet(
        "channels",
        ["Channel", *(f"{layer}, {s}" for layer in CONVOLUTIONS for s in labels.LEARNED.values())],
        _channels,
        f"γ and β of each channel of the convolutions: arm “{short(ANSWERED)}”, first seed. With other "
        "initial weights another channel has the same part.",
        _has_answered,
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
            ("learned_all", labels.LEARNED, "Learned scale γ and shift β"),
            ("moving", labels.MOVING, "Moving averages of training"),
        )
    ),
    Sheet(
        "input",
        ["Arm", "Train accuracy", "Test accuracy", "Train loss", "Test loss"],
        partial(
            _rows,
            columns=tuple(
                (measures[images], kind, {})
                for measures, kind in ((labels.ACCURACY, "percent"), (labels.LOSS, "number"))
                for images in ("train", "test")
            ),
            arms=("norm_hidden", "norm_input"),
        ),
        _over_seeds("Standardized input, and BN of the input; loss in nats"),
        lambda record: record.facts.has("test_accuracy", arm="norm_input"),
    ),
    Sheet(
        "accuracy",
        ["Arm", "Train", "Validation", "Test", "Train − test"],
        partial(_rows, columns=SCORES),
        _over_seeds("Accuracy of the final networks, dropout off"),
    ),
    Sheet(
        "loss",
        ["Arm", "Train", "Validation", "Test"],
        partial(_rows, columns=tuple((m, "number", {}) for m in labels.LOSS.values())),
        _over_seeds("Mean cross-entropy of the final networks in nats, dropout off"),
    ),
    Sheet(
        "differences",
        ["Pair", "Test accuracy", "Test loss", "Seeds that differ (McNemar)"],
        _differences,
        lambda record: (
            "First minus second, with 95 % intervals: of the accuracy for new seeds and new images, of "
            "the loss for new seeds. Last: in how many seeds McNemar’s exact test finds the two "
            f"networks to differ. {_combined(record)}"
        ),
        lambda record: record.facts.has("difference"),
    ),
    Sheet(
        "together",
        lambda record: [
            "First − second",
            "This run",
            *(["Published run"] if published_facts(record) else []),
        ],
        _together,
        lambda record: f"Differences of test accuracy, with 95 % intervals.{_reversed(record)}",
        lambda record: bool(_asked(record)),
    ),
    Sheet(
        "recomputed",
        ["Arm", "Moving averages", "Recomputed", "Difference"],
        partial(_rows, columns=RECOMPUTED),
        _over_seeds(
            "Test accuracy with the moving averages of training, and with recomputed statistics"
        ),
        lambda record: record.facts.has("moving_accuracy"),
    ),
)
"""The tables of this study, in the order of its page."""
