"""The tables of problem 2.1: scales, theory against measurement, losses, and comparisons."""

from collections.abc import Iterator, Sequence

from firstlight import text
from firstlight.record import Fact, Record
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.answers import helps, trains
from firstlight.studies.study import Sheet

AGREEMENT = {
    "activation": "Activations",
    "gradient": "Gradients over those of the last layer",
    "deep_activation": "Deep networks, activations",
    "deep_gradient": "Deep networks, gradients",
}
COUNTS = {
    "checked": "Layers checked",
    "within": "Within the simultaneous interval",
    "within_single": "Within the single interval",
}
INTERVAL = "95 % interval"
RATIO = (INTERVAL, "Predicted")
COMPARED = ("|log₁₀ ratio| of activations", "|log₁₀ ratio| of gradients", "Loss (nats)")
SCALES = {1: "closer to one", -1: "farther from one", 0: "could not be determined"}
LOSSES = {1: "lower", -1: "higher", 0: "could not be determined"}


def _name(activation: str, init: str) -> str:
    """Return a network's name, in which a line breaks after the activation only."""
    tied = init.replace(" ", "\u00a0")
    return f"{text.sentence(labels.ACTIVATIONS[activation])}, {tied}"


def _networks(
    record: Record, activations: Sequence[str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the first cell of each network's row, and its coordinates."""
    names = labels.inits(record.config["sigmas"])
    for network in labels.networks(activations, record.config["sigmas"]):
        yield [_name(network["activation"], names[network["init"]])], network


def _ratios(record: Record) -> Iterator[list[str]]:
    facts, last = record.facts, record.config["layers"]
    for row, network in _networks(record, record.config["activations"]):
        for way in labels.DIRECTIONS:
            row += text.cells(facts.get("ratio", direction=way, **network), "log")[:2]
            row.append(text.value(facts.get("predicted_ratio", direction=way, **network), "log"))
        yield [*row, text.value(facts.get("saturated", **network, layer=last), "{:.1%}")]


def _agreement(record: Record) -> Iterator[list[str]]:
    for quantity, name in AGREEMENT.items():
        counts = (record.facts.get("agreement", quantity=quantity, count=c) for c in COUNTS)
        yield [name, *(text.value(count, "count") for count in counts)]


def _losses(record: Record) -> Iterator[list[str]]:
    for row, network in _networks(record, labels.trained(record.config["activations"])):
        for measure in ("loss_before", "loss_after"):
            row += text.cells(record.facts.get(measure, **network), "{:.3f}")[:2]
        yield [*row, text.value(record.facts.get("diverged", **network), "{:.0%}")]


def _comparisons(record: Record) -> Iterator[list[str]]:
    """Yield Xavier against the smallest and the largest σ, and He against Xavier."""
    facts, sigmas = record.facts, record.config["sigmas"]
    names = labels.inits(sigmas)
    pairs = [pair for pair in labels.compared(labels.extremes(sigmas)) if "xavier" in pair]
    for activation in labels.trained(record.config["activations"]):
        for first, second in pairs:
            where = {"activation": activation, "first": first, "second": second}
            ratios = (facts.get("closer", direction=way, **where) for way in labels.DIRECTIONS)
            loss = facts.get("difference", quantity="loss", **where)
            scale, lower = helps(facts, activation, first, second)
            yield [
                _name(activation, f"{names[first]} − {names[second]}"),
                *(_difference(ratio, "{:+.2f}") for ratio in ratios),
                _difference(loss, "{:+.3f}"),
                *(SCALES[scale], LOSSES[lower]),
            ]


def _difference(fact: Fact, form: str) -> str:
    return f"{text.value(fact, form)} ({text.interval(fact, form)})"


SHEETS = (
    Sheet(
        "ratios",
        ["Network", "Activations", *RATIO, "Gradients", *RATIO, "Saturated"],
        lambda r: list(_ratios(r)),
        lambda r: (
            f"Standard deviation of activations in layer {r.config['layers']} over layer 1, of "
            f"gradients in layer 1 over layer {r.config['layers']} (geometric means, n = "
            f"{r.config['seeds']}), and the share of saturated units in layer "
            f"{r.config['layers']}. One would be ideal for both ratios."
        ),
    ),
    Sheet(
        "agreement",
        ["Mean square", *COUNTS.values()],
        lambda r: list(_agreement(r)),
        "How many intervals around measured mean squares hold the prediction.",
    ),
    Sheet(
        "losses",
        ["Network", "Loss before", INTERVAL, "Loss after", INTERVAL, "Diverged"],
        lambda r: list(_losses(r)),
        lambda r: (
            f"Cross-entropy in nats, before and after {text.counted(r.config['steps'], 'step')}; "
            f"guessing among ten classes costs {labels.GUESSING:.3f}. Losses above "
            f"{labels.LARGEST_LOSS:g} or not finite count as {labels.LARGEST_LOSS:g} and as "
            f"diverged. n = {r.config['training_seeds']}."
        ),
        trains,
    ),
    Sheet(
        "comparisons",
        ["Networks", *COMPARED, "Gradient ratio of the first", "Its loss"],
        lambda r: list(_comparisons(r)),
        lambda r: (
            "First minus second, paired over networks, with 95 % intervals; negative favors the "
            f"first. n = {r.config['seeds']} for the ratios, {r.config['training_seeds']} for the "
            "loss."
        ),
        trains,
    ),
)
"""The tables of this study, in the order of its page."""
