"""Tables of problems 2.2 and 2.3: the words of the chapter, and facts with functions as columns."""

from collections.abc import Mapping
from itertools import product

from firstlight import text
from firstlight.record import Fact, Label, Record
from firstlight.studies.dying_relu import labels
from firstlight.studies.study import Sheet

Row = tuple[str, str, Mapping[str, Label], str]
"""A row's label, then the fact's measure, its coordinates beside the function, and its kind."""


def _headers(record: Record) -> list[str]:
    return ["", *(labels.FUNCTIONS[function] for function in record.config["function"])]


def _cell(fact: Fact, kind: str) -> str:
    """Return a value with its interval, if it has one, or a p-value."""
    if kind == "p":
        return text.p_value(float(fact))
    return text.value(fact, kind) + ("" if fact.low is None else f" ({text.interval(fact, kind)})")


def _by_function(record: Record, rows: list[Row]) -> list[list[str]]:
    """Return each row's label and its fact for every function."""
    functions, get = record.config["function"], record.facts.get
    return [
        [text.sentence(label), *(_cell(get(name, function=f, **at), kind) for f in functions)]
        for label, name, at, kind in rows
    ]


def _words(record: Record) -> list[list[str]]:
    points = f"on {text.value(record.facts.get('grid_points'), 'count')} points of the domain"
    constant, flat = text.number(labels.CONSTANT), f"{100 * labels.FLAT:g} % of the target’s range"
    return [
        ["Born dead", "before training some hidden layer is zero on the whole domain", "exactly"],
        ["Dead layer", "some hidden layer is exactly zero", points],
        ["Died in training", "a dead layer after training, but not born dead", "both"],
        ["No dead layer", "neither born dead nor with a dead layer at the end", "both"],
        ["Constant (collapsed)", f"range of the output below {constant}", "on the same points"],
        ["Flat", f"range of the output below {flat}", "on the same points"],
        ["R²", "1 − mean squared error / variance of the target", "on the same points"],
    ]


def _measures(activation: str) -> list[str]:
    """Return the shares that say something of an activation: leaky ReLU has no exact zero."""
    dead = {"dead_layer", *labels.FATES} if activation == "leaky-relu" else set()
    return [measure for measure in labels.FINAL if measure not in dead]


def _final(name: str) -> Sheet:
    """Return the table of an activation: its shares at the end, and those that were recorded before."""
    no_zero = " No layer of leaky ReLU is exactly zero, so none is dead by that definition."

    def rows(record: Record) -> list[list[str]]:
        at = {"activation": name, "init": record.config["init"][0]}
        rows: list[Row] = [(labels.FINAL[m], m, at, "percent") for m in _measures(name)]
        rows.append(("median R²", "r2", at, "{:z.3f}"))
        for epoch in record.facts.labels("flat_after", "epoch", **at):
            label = f"flat after {text.counted(float(epoch), 'epoch')}"
            rows.append((label, "flat_after", {"epoch": epoch, **at}, "percent"))
        return _by_function(record, rows)

    def caption(record: Record) -> str:
        init = labels.INITS[record.config["init"][0]]
        epochs = text.counted(record.config["epochs"], "epoch")
        networks = text.counted(record.config["simulations"], "network")
        return (
            f"{text.sentence(labels.ACTIVATIONS[name])}, {init} initialization, after {epochs}; "
            f"{networks} per function, in brackets 95 % intervals."
            f"{no_zero if name == 'leaky-relu' else ''}"
        )

    return Sheet(name, _headers, rows, caption, lambda r: name in r.config["activation"])


def _differences(record: Record) -> list[list[str]]:
    """Return how leaky ReLU compares with ReLU, by definition of collapse."""
    rows: list[Row] = []
    for init, definition in product(record.config["init"], labels.DEFINITIONS):
        at = {"definition": definition, "init": init}
        label = f"{labels.INITS[init]}: {labels.DEFINITIONS[definition]}"
        rows.append((label, "change", at, "points"))
        rows.append((f"{label}, McNemar’s test", "mcnemar", at, "p"))
        rows.append((f"{label}, fewer from epoch", "helps_from", at, "count"))
    return _by_function(record, rows)


def _others(record: Record) -> list[list[str]]:
    """Return the shares at the end of training from the other initializations."""
    rows: list[Row] = []
    for init, activation in product(record.config["init"][1:], record.config["activation"]):
        at = {"activation": activation, "init": init}
        label = f"{labels.INITS[init]}, {labels.ACTIVATIONS[activation]}"
        rows += [
            (f"{label}: {labels.FINAL[measure]}", measure, at, "percent")
            for measure in _measures(activation)
            if measure not in ("dead_layer", "trained", "diverged")
        ]
    return _by_function(record, rows)


SHEETS = (
    Sheet(
        "words",
        ["Word", "Meaning", "Measured"],
        _words,
        "The words of this chapter. A flat network need not be constant, and a network that is not "
        "flat need not fit.",
    ),
    *map(_final, labels.ACTIVATIONS),
    Sheet(
        "differences",
        _headers,
        _differences,
        "Leaky ReLU minus ReLU on the same initial weights, points and order, at the end of training. "
        "McNemar’s exact test looks at the networks that have only one of the two outcomes; fewer "
        "from epoch: the checkpoint since which it has been significant at 5 % to the end, a dash "
        "where it is not.",
        lambda record: set(labels.ACTIVATIONS) <= set(record.config["activation"]),
    ),
    Sheet(
        "others",
        _headers,
        _others,
        "Other initializations, at the end of training; the same words as above.",
        lambda record: len(record.config["init"]) > 1,
    ),
)
