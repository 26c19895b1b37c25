"""What the study varies, measures and compares, each name once, and how readers call it."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

ACTIVATIONS = {"linear": "linear", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
"""Activation → its name in a sentence."""

SATURATING = ("tanh", "sigmoid")
"""Activations that are flat at both ends."""

SCHEMES = {"xavier": "Xavier", "he": "He"}
"""Initializations whose scale follows from the number of inputs and outputs."""

MEASURES = (
    "z_mean",
    "z_std",
    "activation_mean",
    "activation_std",
    "activation_square",
    "gradient_std",
    "gradient_square",
    "gradient_open",
    "saturated",
)
"""What is measured of each network and layer; "square" is a mean square, about zero, "open" the
share of the sum of squares on units that are not saturated."""

KINDS = ("z", "activation", "gradient")
"""Of what single values are kept for the violins."""

BALL_KINDS = ("z", "activation", "weight", "weight_gradient")
"""The same for the networks on the ball."""

DIRECTIONS = {"activation": "activation_std", "gradient": "gradient_std"}
"""The signal's way forward and the gradient's way back → the measure of its scale."""

MATTERS = {"2.1": 0.1}
"""The smallest difference of interest between two initializations, of |log₁₀ ratio|, a ratio being that
of the scales at both ends of a network: a factor of 1.26."""
LOSS_MATTERS = 0.05
"""The same between two losses, in nats."""
KEPT = (0.5, 2.0)
"""A scale is kept where its ratio lies between these, vanishes below and explodes above."""

SATURATED = 0.05
"""A unit is saturated on an image where |φ′| is below this share of its largest value."""
LARGEST_LOSS = 100.0
"""A loss that is larger or not finite is recorded as this, in nats."""
GUESSING = math.log(10)
"""Cross-entropy of guessing among ten classes, in nats."""
SAMPLED_SEEDS, SAMPLE = 10, 200
"""Networks of which single values are kept for the violins, and how many of each layer."""


def normal(sigma: float) -> str:
    """Return the name of the initialization N(0, σ²).

    Example:
        >>> normal(0.01)
        'normal_0.01'
    """
    return f"normal_{sigma:g}"


def inits(sigmas: Sequence[float]) -> dict[str, str]:
    """Return every initialization of a run with its name for readers: one for each σ, Xavier, He.

    Example:
        >>> inits((0.01, 1.0))
        {'normal_0.01': 'σ = 0.01', 'normal_1': 'σ = 1', 'xavier': 'Xavier', 'he': 'He'}
    """
    return {normal(sigma): f"σ = {sigma:g}" for sigma in sigmas} | SCHEMES


def distinct(sigmas: Sequence[float], width: int) -> dict[str, str]:
    """Return the initializations that differ between layers of this width, with names for readers.

    There Xavier and He are normal with a σ of their own; a given σ within 5 % of it is left out.

    Example:
        >>> list(distinct((0.01, 0.1, 0.14, 1.0), 100).values())
        ['σ = 0.01', 'σ = 1', 'Xavier (σ = 0.1)', 'He (σ = 0.14)']
    """
    own = {"xavier": math.sqrt(1 / width), "he": math.sqrt(2 / width)}
    others = [s for s in sigmas if all(abs(s / scale - 1) > 0.05 for scale in own.values())]
    named = {init: f"{name} (σ = {own[init]:.2g})" for init, name in SCHEMES.items()}
    return {normal(sigma): f"σ = {sigma:g}" for sigma in others} | named


def networks(activations: Iterable[str], sigmas: Sequence[float]) -> list[dict[str, Any]]:
    """Return the coordinates of every network: each activation with each initialization."""
    return [{"activation": a, "init": init} for a in activations for init in inits(sigmas)]


def extremes(sigmas: Sequence[float]) -> list[float]:
    """Return the smallest σ and the largest, where they differ."""
    return sorted({min(sigmas), max(sigmas)})


def trained(activations: Sequence[str]) -> list[str]:
    """Return the activations that are trained: all but linear."""
    return [activation for activation in activations if activation != "linear"]


def ball_inits(activations: Sequence[str], sigmas: Sequence[float]) -> dict[str, str]:
    """Return activation → initialization of Godoy's networks, as far as a run has them."""
    pairs = {"sigmoid": normal(min(sigmas)), "tanh": "xavier", "relu": "he"}
    return {activation: init for activation, init in pairs.items() if activation in activations}


def compared(sigmas: Sequence[float]) -> list[tuple[str, str]]:
    """Return the pairs that are compared: Xavier and He with each normal, He with Xavier.

    Example:
        >>> compared((1.0,))
        [('xavier', 'normal_1'), ('he', 'normal_1'), ('he', 'xavier')]
    """
    return [(first, normal(s)) for first in SCHEMES for s in sigmas] + [("he", "xavier")]


UNITS: dict[str | tuple[str, str], str] = {
    "saturated": "percent", "predicted_saturated": "percent", "diverged": "percent",
    "loss_before": "nats", "loss_after": "nats", ("difference", "loss"): "nats",
}  # fmt: skip  # in few lines
"""Measure, or measure and a label of it → unit, where it has one."""
