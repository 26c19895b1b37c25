"""The tables of problem 2.1: what becomes of scales, theory against measurement, and losses."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from firstlight import text
from firstlight.record import Fact, Record
from firstlight.stats import decide, direction
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.answers import NEEDED, course, trains
from firstlight.studies.study import Sheet

AGREEMENT = {
    "activation": "Activations",
    "gradient": "Gradients over those of the last layer",
    "deep_activation": "Deep networks, activations",
    "deep_gradient": "Deep networks, gradients",
}
COUNTS = {
    "checked": "Layers",
    "within": "Simultaneous interval holds",
    "within_single": "Single interval holds",
}
COURSES = (
    ("tanh", "gradient"), ("sigmoid", "gradient"), ("relu", "gradient"), ("tanh", "activation"),
    ("relu", "activation"),
)  # fmt: skip
"""What the short table shows; the sigmoid's activations gather at ½, whatever their scale."""
DIRECTIONS = {"gradient": "gradients", "activation": "activations"}
CLOSER = ("closer to one", "farther from one")
LOWER = ("lower", "higher")
INTERVAL = "95 % interval"


def _name(activation: str, init: str) -> str:
    """Return a network's name, in which no line breaks."""
    name = f"{text.sentence(labels.ACTIVATIONS[activation])}, {init}"
    return name.replace(" ", "\u00a0")


def _networks(
    record: Record, activations: Sequence[str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the first cell of each network's row, and its coordinates."""
    names = labels.inits(record.config["sigmas"])
    for network in labels.networks(activations, record.config["sigmas"]):
        yield [_name(network["activation"], names[network["init"]])], network


def _columns(record: Record) -> dict[str, str]:
    """Return the initializations of the short tables: the smallest σ, the largest, Xavier, He."""
    return labels.inits(labels.extremes(record.config["sigmas"]))


def _courses(record: Record) -> Iterator[list[str]]:
    for activation, way in COURSES:
        row = [f"{text.sentence(labels.ACTIVATIONS[activation])}, {DIRECTIONS[way]}"]
        for init in _columns(record):
            fact = record.facts.get("ratio", direction=way, activation=activation, init=init)
            row.append(f"{course(fact)} {text.value(fact, 'log')}")
        yield row


def _like(value: Fact, measured: Fact) -> str:
    """Return a prediction, written in powers of ten where the measurement is."""
    return text.value(replace(measured, value=float(value)), "log")


def _ratios(record: Record, way: str) -> Iterator[list[str]]:
    facts = record.facts
    for row, network in _networks(record, record.config["activations"]):
        ratio = facts.get("ratio", direction=way, **network)
        expected = facts.get("predicted_ratio", direction=way, **network)
        deep = facts.get("deep_ratio", direction=way, **network)
        cells = [*text.cells(ratio, "log")[:2], _like(expected, ratio), text.value(deep, "log")]
        if way == "activation":
            share = facts.get("saturated", **network, layer=record.config["layers"])
            cells.append(text.value(share, "{:.1%}"))
        yield row + cells


def _agreement(record: Record) -> Iterator[list[str]]:
    for quantity, name in AGREEMENT.items():
        counts = (record.facts.get("agreement", quantity=quantity, count=c) for c in COUNTS)
        far = record.facts.get("deviation", quantity=quantity)
        yield [name, *(text.value(count, "count") for count in counts), text.value(far, "{:.1%}")]


def _agreed(record: Record) -> str:
    """Say whether the predictions pass, those of activations and those of gradients."""
    clauses = []
    for quantity in labels.DIRECTIONS:
        checked, within = (
            record.facts.value("agreement", quantity=quantity, count=count)
            for count in ("checked", "within")
        )
        far = text.value(record.facts.get("deviation", quantity=quantity), "{:.1%}")
        passes = "passes" if checked == within else "does not pass"
        clauses.append(
            f"the theory of {DIRECTIONS[quantity]} {passes}: {text.number(within)} of "
            f"{text.number(checked)} simultaneous intervals hold its prediction, at most {far} off"
        )
    return text.sentence("; ".join(clauses)) + "."


def _losses(record: Record) -> Iterator[list[str]]:
    for row, network in _networks(record, labels.trained(record.config["activations"])):
        before, after = (
            record.facts.get(f"loss_{when}", **network) for when in ("before", "after")
        )
        diverged = record.facts.get("diverged", **network)
        yield [
            *row,
            text.value(before, "{:.3f}"),
            *text.cells(after, "{:.3f}")[:2],
            text.value(diverged, "{:.0%}"),
        ]


def _comparisons(record: Record) -> Iterator[list[str]]:
    """Yield Xavier against the smallest and the largest σ, and He against Xavier."""
    facts, sigmas = record.facts, record.config["sigmas"]
    names = labels.inits(sigmas)
    pairs = [pair for pair in labels.compared(labels.extremes(sigmas)) if "xavier" in pair]
    for activation in labels.trained(record.config["activations"]):
        for first, second in pairs:
            if activation == "relu" and second != "xavier":
                continue  # its signals differ by an exact factor, which is no measurement
            where = {"activation": activation, "first": first, "second": second}
            ratio = facts.get("closer", direction="gradient", **where)
            loss = facts.get("difference", quantity="loss", **where)
            yield [
                _name(activation, f"{names[first]} − {names[second]}"),
                text.estimate(ratio, "signed", name=""),
                _decided(ratio, labels.MATTERS["2.1"], CLOSER),
                text.estimate(loss, "signed", name=""),
                _decided(loss, labels.LOSS_MATTERS, LOWER),
            ]


def _decided(difference: Fact, matters: float, words: tuple[str, str]) -> str:
    """Return what a difference comes to: the word for a negative one, or for a positive one."""
    outcome = decide(difference, matters)
    if outcome == "better":
        return words[direction(difference) > 0]
    return "no difference" if outcome == "no-difference" else "could not be determined"


def _ends(record: Record, way: str) -> str:
    first, last = "1", str(record.config["layers"])
    return (
        f"in layer {first} over layer {last}"
        if way == "gradient"
        else f"in layer {last} over layer {first}"
    )


def _ratio_sheet(way: str, extra: tuple[str, ...], words: str) -> Sheet:
    def caption(record: Record) -> str:
        return (
            f"{text.sentence(DIRECTIONS[way])}: their standard deviation {_ends(record, way)} (geometric "
            f"means, n = {record.config['seeds']}); one would be ideal. Last: the same over "
            f"{record.config['depth']} layers, roots of mean squares.{words}"
        )

    headers = ["Network", "Ratio", INTERVAL, "Predicted", "Deep"]
    return Sheet(f"{way}_ratios", [*headers, *extra], lambda r: list(_ratios(r, way)), caption)


SHEETS = (
    Sheet(
        "courses",
        lambda r: ["", *_columns(r).values()],
        lambda r: list(_courses(r)),
        lambda r: (
            f"What becomes of scales in {r.config['layers']} layers: gradients {_ends(r, 'gradient')}, "
            f"activations {_ends(r, 'activation')}. Kept: the whole 95 % interval lies between "
            f"{labels.KEPT[0]:g} and {labels.KEPT[1]:g}. n = {r.config['seeds']}."
        ),
        lambda r: all(a in r.config["activations"] for a in NEEDED),
    ),
    _ratio_sheet("gradient", (), ""),
    _ratio_sheet(
        "activation", ("Saturated",), " Saturated: of the last layer; with ReLU, its zeros."
    ),
    Sheet(
        "agreement",
        ["Mean square", *COUNTS.values(), "Largest deviation"],
        lambda r: list(_agreement(r)),
        lambda r: f"{_agreed(r)} Deviations are those of root mean squares, over all networks.",
    ),
    Sheet(
        "losses",
        ["Network", "Before", "After", INTERVAL, "Diverged"],
        lambda r: list(_losses(r)),
        lambda r: (
            f"Loss before and after {text.counted(r.config['steps'], 'step')} (cross-entropy, nats; "
            f"guessing costs {labels.GUESSING:.3f}). More than {labels.LARGEST_LOSS:g}, or none that is "
            f"finite, counts as {labels.LARGEST_LOSS:g} and as diverged. n = "
            f"{r.config['training_seeds']}."
        ),
        trains,
    ),
    Sheet(
        "comparisons",
        ["Networks", "|log₁₀ gradient ratio|", "Ratio of the first", "Loss (nats)", "Its loss"],
        lambda r: list(_comparisons(r)),
        lambda r: (
            "First minus second, paired over networks, with 95 % intervals; negative favors the first. "
            f"Less than {labels.MATTERS['2.1']:g} or {labels.LOSS_MATTERS:g} nats would not matter. "
            f"n = {r.config['seeds']} for the ratios, {r.config['training_seeds']} for the loss."
        ),
        trains,
    ),
)
"""The tables of this study, in the order of its page."""
