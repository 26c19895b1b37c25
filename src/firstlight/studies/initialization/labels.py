"""What the study varies, measures and compares, each name once, and how readers call it."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

ACTIVATIONS = {"linear": "linear", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
"""Activation → its name in a sentence."""

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
    "saturated",
)
"""What is measured of each network and layer; "square" is a mean square, about zero."""

KINDS = ("z", "activation", "gradient")
"""Of what single values are kept for the violins."""

BALL_KINDS = ("z", "activation", "weight", "weight_gradient")
"""The same for the networks on the ball."""

DIRECTIONS = {"activation": "activation_std", "gradient": "gradient_std"}
"""The signal's way forward and the gradient's way back → the measure of its scale."""

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
