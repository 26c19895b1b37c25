"""Tables of problems 2.2 and 2.3: the words of the chapter, and shares of networks."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product

from firstlight import text
from firstlight.record import Fact, Label, Record
from firstlight.studies.dying_relu import labels
from firstlight.studies.study import Sheet

Row = tuple[str, str, Mapping[str, Label], str]
"""A row's label, then the fact's measure, its coordinates beside the function, and its kind."""
FATES = ("born_dead", "died_in_training", *labels.DEFINITIONS)
"""What the table of ReLU says of networks; the full table says the rest."""


def _columns(record: Record) -> dict[str, dict[str, Label]]:
    """Return the name of each function → its coordinate, and all of them together last."""
    functions: list[str] = record.config["function"]
    every: dict[str, dict[str, Label]] = {labels.FUNCTIONS[f]: {"function": f} for f in functions}
    return every | ({labels.POOLED: {}} if len(functions) > 1 else {})


def _headers(record: Record) -> list[str]:
    return ["", *_columns(record)]


def _cell(fact: Fact | None, kind: str) -> str:
    """Return a value with its interval, if it has one, the bracket in one piece; a dash for none."""
    if fact is None:
        return text.NONE
    value, bracket, rest = text.estimate(fact, kind, name="").partition("(")
    return value + bracket + rest.replace(" ", "\u00a0")


def _by_function(record: Record, rows: list[Row]) -> list[list[str]]:
    """Return each row's label and its fact for every function, and for all together."""
    columns, find = _columns(record).values(), record.facts.find
    return [
        [text.sentence(label), *(_cell(find(name, **place, **at), kind) for place in columns)]
        for label, name, at, kind in rows
    ]


def _words(record: Record) -> list[list[str]]:
    points = f"on {text.value(record.facts.get('grid_points'), 'count')} points of the domain"
    constant, flat = (
        text.power_of_ten(math.log10(labels.CONSTANT)),
        f"{100 * labels.FLAT:g} % of the target’s range",
    )
    return [
        ["Born dead", "before training some hidden layer is zero on the whole domain", "exactly"],
        ["Dead layer", "some hidden layer is exactly zero", points],
        ["Died in training", "a dead layer after training, but not born dead", "both"],
        ["No dead layer", "neither born dead nor with a dead layer at the end", "both"],
        ["Silent layer", "a hidden layer in which no unit is positive", points],
        ["Constant (collapsed)", f"range of the output below {constant}", "on the same points"],
        ["Flat", f"range of the output below {flat}", "on the same points"],
        ["R²", "1 − mean squared error / variance of the target", "on the same points"],
    ]


def _measures(activation: str) -> list[str]:
    """Return the shares that say something of an activation: leaky ReLU has no exact zero."""
    dead = {"dead_layer", *labels.FATES} if activation == "leaky-relu" else set()
    return [measure for measure in labels.FINAL if measure not in dead]


def _fates(record: Record) -> list[list[str]]:
    """Return what became of the ReLU networks."""
    at = {"activation": "relu", "init": record.config["init"][0]}
    return _by_function(record, [(labels.FINAL[m], m, at, "percent") for m in FATES])


def _fates_caption(record: Record) -> str:
    init = labels.INITS[record.config["init"][0]]
    epochs = text.counted(record.config["epochs"], "epoch")
    networks = text.counted(record.config["simulations"], "network")
    return (
        f"ReLU networks, {init} initialization, after {epochs}; {networks} per function, in brackets "
        "95 % intervals."
    )


def _matrix_headers(record: Record) -> list[str]:
    activations = [labels.ACTIVATIONS[a] for a in record.config["activation"]]
    adjectives = map(text.sentence, labels.DEFINITIONS.values())
    return ["", *(f"{adjective}, {a}" for adjective, a in product(adjectives, activations))]


def _matrix(record: Record) -> list[list[str]]:
    """Return the share of collapsed networks, by either definition: function × activation."""
    get = partial(record.facts.get, init=record.config["init"][0])
    pairs = list(product(labels.DEFINITIONS, record.config["activation"]))
    return [
        [name, *(_cell(get(d, activation=a, **place), "percent") for d, a in pairs)]
        for name, place in _columns(record).items()
    ]


def _final(record: Record) -> list[list[str]]:
    """Return everything that is said of networks at the end of training."""
    rows: list[Row] = []
    for activation in record.config["activation"]:
        at = {"activation": activation, "init": record.config["init"][0]}
        name = labels.ACTIVATIONS[activation]
        rows += [(f"{name}: {labels.FINAL[m]}", m, at, "percent") for m in _measures(activation)]
        rows.append((f"{name}: median R²", "r2", at, "{:z.3f}"))
    return _by_function(record, rows)


def _differences(record: Record) -> list[list[str]]:
    """Return how leaky ReLU compares with ReLU, by definition of collapse."""
    find, rows = record.facts.find, []
    for init, (name, place) in product(record.config["init"], _columns(record).items()):
        row = [labels.INITS[init], name]
        for definition in labels.DEFINITIONS:
            at = {"definition": definition, "init": init, **place}
            row.append(_cell(find("change", **at), "points"))
            row.append(_cell(find("helps_from", **at), "count"))
        if find("change", **at):
            rows.append(row)
    return rows


def _difference_headers() -> list[str]:
    pairs = ((text.sentence(name), "fewer from epoch") for name in labels.DEFINITIONS.values())
    return ["From", "Function", *(header for pair in pairs for header in pair)]


def _course_headers(record: Record) -> list[str]:
    pairs = product(record.config["function"], labels.DEFINITIONS)
    return ["Epoch", *(f"{labels.FUNCTIONS[f]}, {labels.DEFINITIONS[d]}" for f, d in pairs)]


def _course(record: Record) -> list[list[str]]:
    """Return the shares of constant and of flat leaky networks at each checkpoint."""
    at = {"activation": "leaky-relu", "init": record.config["init"][0]}
    shares = record.data["curve_share"].sel(at)
    rows = []
    for epoch in shares.epoch.values:
        row = [text.number(int(epoch))]
        for f, d in product(record.config["function"], labels.DEFINITIONS):
            place = shares.sel(epoch=epoch, function=f, measure=d)
            value, low, high = (float(place.sel(statistic=name)) for name in labels.STATISTICS)
            row.append(text.value(Fact(value, low, high), "percent"))
        rows.append(row)
    return rows


def _simulated(record: Record) -> Iterator[tuple[str, str, str]]:
    """Yield function, initialization after the first, and activation of what was simulated."""
    config = record.config
    for f, init, a in product(config["function"], config["init"][1:], config["activation"]):
        if record.facts.has("collapsed", function=f, init=init, activation=a):
            yield f, init, a


def _others(record: Record) -> list[list[str]]:
    """Return the shares at the end of training from the other initializations."""
    rows = []
    for f, init, a in _simulated(record):
        at = {"function": f, "init": init, "activation": a}
        there = [m if m in _measures(a) else "" for m in (*FATES, "fitted")]
        cells = (_cell(record.facts.get(m, **at) if m else None, "percent") for m in there)
        rows.append([labels.FUNCTIONS[f], f"{labels.INITS[init]}, {labels.ACTIVATIONS[a]}", *cells])
    return rows


SHEETS = (
    Sheet(
        "words",
        ["Word", "Meaning", "Measured"],
        _words,
        "The words of this chapter. A flat network need not be constant, and a network that is not "
        "flat need not fit.",
    ),
    Sheet("fates", _headers, _fates, _fates_caption, lambda r: "relu" in r.config["activation"]),
    Sheet(
        "matrix",
        _matrix_headers,
        _matrix,
        "Share of networks that collapsed, by either definition, function × activation; in brackets "
        "95 % intervals.",
    ),
    Sheet(
        "final",
        _headers,
        _final,
        "All that was measured at the end of training; in brackets 95 % intervals. No layer of leaky "
        "ReLU is exactly zero, so none is dead.",
    ),
    Sheet(
        "course",
        _course_headers,
        _course,
        "Leaky ReLU: share of networks after each of these epochs.",
        lambda record: "leaky-relu" in record.config["activation"],
    ),
    Sheet(
        "differences",
        _difference_headers(),
        _differences,
        "Leaky ReLU minus ReLU on the same initial weights, points and order, at the end of training, "
        "in points, with 95 % intervals over the pairs. Fewer from epoch: the checkpoint since which "
        f"the whole interval has been below −{100 * labels.MATTERS['2.3']:g} points, a dash where it is not.",
        lambda record: set(labels.ACTIVATIONS) <= set(record.config["activation"]),
    ),
    Sheet(
        "others",
        ["Function", "From", *(text.sentence(labels.FINAL[m]) for m in (*FATES, "fitted"))],
        _others,
        "Other initializations, at the end of training; in brackets 95 % intervals.",
        lambda record: len(record.config["init"]) > 1,
    ),
)
