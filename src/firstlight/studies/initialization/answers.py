"""The words that answer question 2.1, computed from the facts and from nothing else."""

import math
from collections.abc import Mapping, Sequence

from firstlight.studies.initialization.config import InitializationConfig
from firstlight.record import Fact
from firstlight.stats import direction
from firstlight.studies.initialization.networks import names

Facts = Mapping[str, Fact]

VANISHED, EXPLODED = 0.1, 10.0
"""A scale vanishes where the whole interval of its ratio lies below, and explodes where above."""
GUESSING = math.log(10)
"""Cross-entropy of guessing among ten classes, in nats."""
NO_BETTER = 0.99
"""A network with a loss above this share of ``GUESSING`` has learned nothing."""
NEEDED = ("tanh", "sigmoid", "relu")
ACTIVATIONS = {"linear": "linear", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
"""How a sentence calls each activation."""


def label(init: str) -> str:
    """Return how a sentence calls an initialization.

    Example:
        >>> label("normal_0.01"), label("he")
        ('σ = 0.01', 'He')
    """
    known = {"xavier": "Xavier", "he": "He"}
    return known.get(init, init.replace("normal_", "σ = "))


def course(fact: Fact) -> int:
    """Return −1 where a ratio vanishes, 1 where it explodes, else 0."""
    if fact.low is None or fact.high is None:
        return 0
    return int(fact.low > EXPLODED) - int(fact.high < VANISHED)


def _number(value: float) -> str:
    if value != 0 and not 1e-2 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.1e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{mantissa} × 10{raised}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def _told(fact: Fact) -> str:
    """Return ``0.96 (0.90 to 1.02)``."""
    if isinstance(fact.value, str) or fact.value is None:
        raise TypeError(f"fact: expected a number, got {fact.value!r}")
    if fact.low is None or fact.high is None:
        return _number(float(fact.value))
    return f"{_number(float(fact.value))} ({_number(fact.low)} to {_number(fact.high)})"


def _list(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def _where(facts: Facts, config: InitializationConfig, kind: str, sign: int) -> str:
    """Return with which activations and initializations a scale vanishes or explodes."""
    found = []
    for activation in NEEDED:
        inits = [
            label(init)
            for init in names(config.sigmas)
            if course(facts[f"ratio.{kind}.{activation}.{init}"]) == sign
        ]
        if inits:
            found.append(f"{ACTIVATIONS[activation]} with {_list(inits)}")
    return "; ".join(found) or "nowhere"


def _phenomenon(facts: Facts, config: InitializationConfig) -> str:
    last = config.layers
    return (
        f"Before training, layer 1 to layer {last}, a scale is said to vanish where the ratio of its "
        f"two ends lies below {VANISHED:g} with its whole 95 % interval, and to explode above "
        f"{EXPLODED:g}. Gradients vanish on their way back: {_where(facts, config, 'gradient', -1)}; "
        f"they explode: {_where(facts, config, 'gradient', 1)}. "
        f"Activations vanish: {_where(facts, config, 'activation', -1)}; "
        f"they explode: {_where(facts, config, 'activation', 1)}."
    )


def _saturation(facts: Facts, config: InitializationConfig) -> str:
    wide = f"normal_{max(config.sigmas):g}"
    shares = [
        f"{ACTIVATIONS[a]} {100 * float(facts[f'saturated.{a}.{i}.{config.layers}'].value or 0):.1f} %"
        f" with {label(i)}"
        for i in (wide, "xavier")
        for a in ("tanh", "sigmoid")
    ]
    return f"Saturated in layer {config.layers}: {_list(shares)}."


def helps(facts: Facts, activation: str, first: str, second: str) -> tuple[int, int]:
    """Return whether ``first`` is better than ``second``: for the gradient's scale, and the loss.

    Each is 1 (better), −1 (worse) or 0 (cannot tell at this n).
    """
    end = f"{activation}.{first}.{second}"
    return (
        -direction(facts[f"closer.gradient.{end}"]),
        -direction(facts[f"difference.loss.{end}"]),
    )


SCALES = {
    1: "closer to one",
    -1: "farther from one",
    0: "cannot tell at this n whether closer to one",
}
LOSSES = {1: "lower", -1: "higher", 0: "cannot tell at this n whether lower"}


def _pair(facts: Facts, activation: str, first: str, second: str, steps: int) -> str:
    """Return one comparison: gradient ratio, and loss after the short training."""
    scale, lower = helps(facts, activation, first, second)
    a, b = (facts[f"ratio.gradient.{activation}.{init}"] for init in (first, second))
    loss = facts[f"difference.loss.{activation}.{first}.{second}"]
    return (
        f"{ACTIVATIONS[activation]}, {label(first)} against {label(second)}: gradient ratio "
        f"{_told(a)} against {_told(b)}, {SCALES[scale]}; loss after {steps:,} steps "
        f"{LOSSES[lower]}, difference {_told(loss)} nats, n = {loss.n} seeds"
    )


def _xavier_verdict(facts: Facts, activation: str, small: str) -> str:
    scale, lower = helps(facts, activation, "xavier", small)
    name = ACTIVATIONS[activation]
    losses = [facts[f"loss_after.{activation}.{init}"].value for init in ("xavier", small)]
    if scale == 1 and min(float(value or 0) for value in losses) > NO_BETTER * GUESSING:
        return f"Xavier helps the gradients of {name}, but in so few steps neither learns"
    if (scale, lower) == (1, 1):
        return f"Xavier helps {name}"
    if scale == 1:
        tail = (
            "its loss is higher" if lower < 0 else "cannot tell at this n whether its loss is lower"
        )
        return f"Xavier helps the gradients of {name}, but {tail}"
    return f"Xavier is not shown to help {name}"


def he_verdict(facts: Facts) -> str:
    """Return whether He suits ReLU better than Xavier: scales of both directions, and the loss."""
    end = "relu.he.xavier"
    signs = [
        -direction(facts[f"closer.activation.{end}"]),
        -direction(facts[f"closer.gradient.{end}"]),
        -direction(facts[f"difference.loss.{end}"]),
    ]
    words = ["activations", "gradients", "loss"]
    if min(signs) == 1:
        return "He suits ReLU better than Xavier"
    if max(signs) == -1:
        return "Xavier suits ReLU better than He"
    parts = [
        f"{word} {'better with He' if s > 0 else 'better with Xavier' if s < 0 else 'cannot tell'}"
        for word, s in zip(words, signs, strict=True)
    ]
    return f"whether He suits ReLU better than Xavier depends on the measure ({', '.join(parts)})"


def _relu(facts: Facts, config: InitializationConfig) -> str:
    ratios = [
        f"{label(init)} {_told(facts[f'ratio.activation.relu.{init}'])}, predicted "
        f"{_number(float(facts[f'predicted_ratio.activation.relu.{init}'].value or 0))}"
        for init in ("he", "xavier")
    ]
    return (
        f"ReLU, activations of layer {config.layers} over layer 1: {'; '.join(ratios)}. "
        f"{_pair(facts, 'relu', 'he', 'xavier', config.steps)}."
    )


def _theory(facts: Facts) -> str:
    checked, within, single = (
        int(float(facts[f"agreement.activation.{name}"].value or 0))
        for name in ("checked", "within", "within_single")
    )
    if not checked:
        return ""
    head = "Theory agrees" if checked == within else "Theory does not agree everywhere"
    return (
        f" {head}: the predicted mean square of activations lies in {within} of {checked} "
        f"simultaneous 95 % intervals of the measured means ({single} of the single ones)."
    )


def answer(facts: Facts, config: InitializationConfig, stand_in: str | None = None) -> str:
    """Return the answer to question 2.1.

    Args:
        facts: the study's facts.
        config: its parameters.
        stand_in: name of the data that stand in for MNIST, or None for the real ones.
    """
    prefix = "" if stand_in is None else f"On {stand_in} (stand-in data): "
    missing = [ACTIVATIONS[a] for a in NEEDED if a not in config.activations]
    if missing:
        return f"{prefix}Not answered: this run left out {_list(missing)}."
    small, wide = (f"normal_{value:g}" for value in (min(config.sigmas), max(config.sigmas)))
    heads = [_xavier_verdict(facts, a, small) for a in ("tanh", "sigmoid")]
    first = f"Against {label(small)}: {'; '.join([*heads, he_verdict(facts)])}."
    others = dict.fromkeys((small, wide))
    pairs = [
        _pair(facts, a, "xavier", other, config.steps)
        for a in ("tanh", "sigmoid")
        for other in others
    ]
    body = [_phenomenon(facts, config), _saturation(facts, config), f"{'. '.join(pairs)}."]
    return f"{prefix}{' '.join([first, *body, _relu(facts, config)])}{_theory(facts)}"
