"""Range curves whose bounds are known: formulas, their bounds from a fine grid, and noise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from firstlight.seeds import generator
from firstlight.types import Floats

FINE = 200_001  # points of the grid that the bounds are computed on
NOISES = (0.01, 0.05, 0.1, 0.2)


def fall(u: Floats, center: float, width: float) -> Floats:
    """Return a logistic step from 1 to 0 over the base-10 logarithm ``u`` of the value."""
    return 1 / (1 + np.exp((u - center) / width))


def gompertz(u: Floats, center: float, width: float) -> Floats:
    """Return a step from 1 to 0 that starts suddenly and ends slowly."""
    return 1 - np.exp(-np.exp(-(u - center) / width))


def gompertz_late(u: Floats, center: float, width: float) -> Floats:
    """Return a step from 1 to 0 that starts slowly and ends suddenly."""
    return np.exp(-np.exp((u - center) / width))


def blow(u: Floats, start: float, width: float) -> Floats:
    """Return exponential divergence that reaches 1 at ``start``."""
    return np.exp(np.minimum((u - start) / width, 60))


def bowl(u: Floats, start: float) -> Floats:
    """Return quadratic divergence from ``start`` on."""
    return np.maximum(u - start, 0) ** 2


@dataclass(frozen=True)
class Shape:
    """A noiseless curve.

    Args:
        name: what it looks like.
        loss: the loss as a function of the base-10 logarithm of the value.
        left: the smallest logarithm.
        right: the largest.
        steps: how many values are tried.
    """

    name: str
    loss: Callable[[Floats], Floats]
    left: float = -6.0
    right: float = 0.0
    steps: int = 100


@dataclass(frozen=True)
class Truth:
    """The bounds of a noiseless curve, and its whole descent."""

    low: float
    high: float
    steepest: float
    minimum: float
    fall: float


SHAPES = (
    Shape("sigmoid", lambda u: 0.4 + 1.9 * fall(u, -3, 0.25)),
    Shape("sigmoid, quadratic rise", lambda u: 0.5 + 1.8 * fall(u, -3, 0.3) + 4 * bowl(u, -1.2)),
    Shape("sigmoid, exponential rise", lambda u: 0.6 + 1.7 * fall(u, -2.8, 0.2) + 2 * blow(u, -0.5, 0.15)),
    Shape("narrow", lambda u: 1.0 + 1.3 * fall(u, -3.2, 0.06) + 3 * bowl(u, -1.0), steps=200),
    Shape("wide", lambda u: 0.3 + 2.0 * fall(u, -3.5, 0.6) + 1 * blow(u, -0.2, 0.2), left=-8, right=1),
    Shape("explosion", lambda u: 0.5 + 1.8 * fall(u, -3, 0.2) + np.where(u > -1.5, 50.0 * (u + 1.5), 0)),
    Shape("early start, slow end", lambda u: 0.4 + 1.9 * gompertz(u, -3.5, 0.4) + 3 * bowl(u, -1)),
    Shape("slow start, sudden end", lambda u: 0.4 + 1.9 * gompertz_late(u, -2.5, 0.5) + 5 * bowl(u, -1)),
    Shape("two stages", lambda u: 0.3 + 0.6 * fall(u, -4.3, 0.15) + 1.4 * fall(u, -2.6, 0.15) + 2 * blow(u, -0.7, 0.1)),
    Shape("two stages, first larger", lambda u: 0.5 + 1.3 * fall(u, -4, 0.15) + 0.5 * fall(u, -2.2, 0.2), steps=300),
    Shape("negative", lambda u: -4 + 3 * fall(u, -3, 0.3) + 2 * bowl(u, -1)),
    Shape("through zero", lambda u: -1 + 2 * fall(u, -2.5, 0.25) + blow(u, -0.3, 0.1)),
    Shape("tiny", lambda u: 1e-3 * (0.2 + fall(u, -3, 0.3) + 2 * bowl(u, -1.2))),
    Shape("huge", lambda u: 1e3 * (0.5 + fall(u, -3.3, 0.25) + blow(u, -0.8, 0.1))),
    Shape("short window", lambda u: 0.5 + 1.8 * fall(u, -2.5, 0.2) + 2 * bowl(u, -1.4), left=-3.5, right=-1),
    Shape("tilted plateau", lambda u: 0.5 + 1.8 * fall(u, -2.6, 0.2) - 0.02 * (u + 6) + 3 * bowl(u, -1.3)),
    Shape("sine", lambda u: 1.4 - 0.9 * np.sin(np.pi / 3 * np.clip(u + 3.5, -1.5, 1.5)) + 4 * bowl(u, -1), left=-7),
    Shape("many steps", lambda u: 0.2 + 2.1 * fall(u, -3.5, 0.3) + 8 * blow(u, 0.0, 0.2), left=-8, right=1, steps=1000),
    Shape("candidates", lambda u: 0.4 + 1.9 * fall(u, -3, 0.45) + 2 * bowl(u, -1), steps=20),
    Shape("few candidates", lambda u: 0.4 + 1.9 * fall(u, -3.2, 0.5) + 1.2 * bowl(u, -1.2), steps=10),
)  # fmt: skip  # one shape a line reads as a table


@lru_cache
def truth(shape: Shape) -> Truth:
    """Return the bounds of the noiseless curve, from a fine grid."""
    u = np.linspace(shape.left, shape.right, FINE)
    y = shape.loss(u)
    lowest = int(y.argmin())
    steep = int(np.gradient(y[: lowest + 1], u[: lowest + 1]).argmin())
    top, bottom = float(y[0]), float(y[lowest])
    low = int(np.flatnonzero(y[: steep + 1] >= top - 0.1 * (top - bottom))[-1])
    high = steep + int((y[steep : lowest + 1] <= top - 0.9 * (top - bottom)).argmax())
    return Truth(10 ** u[low], 10 ** u[high], 10 ** u[steep], 10 ** u[lowest], top - bottom)


def sample(
    shape: Shape, noise: float, seeds: int, *, kind: str = "level", seed: int = 0
) -> tuple[Floats, Floats]:
    """Return values and noisy losses, shape (seeds, steps).

    Args:
        shape: the curve.
        noise: standard deviation over the loss ("level") or over the whole descent ("fall").
        seeds: number of independent curves.
        kind: what the noise is measured against.
        seed: of the noise.
    """
    rng = generator(seed, "curves", shape.name, str(noise))
    u = np.linspace(shape.left, shape.right, shape.steps)
    y = shape.loss(u)
    z = rng.normal(size=(seeds, shape.steps))
    size = np.abs(y) if kind == "level" else truth(shape).fall
    return 10**u, y + noise * size * z


def _memory(rng: np.random.Generator, size: tuple[int, int], rho: float) -> Floats:
    noise = rng.normal(size=size)
    for at in range(1, size[1]):
        noise[:, at] = rho * noise[:, at - 1] + np.sqrt(1 - rho**2) * noise[:, at]
    return noise


FLAT: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(2, size=size),
    "skewed": lambda rng, size: rng.lognormal(size=size),
    "growing": lambda rng, size: rng.normal(size=size) * np.linspace(0.1, 2, size[1]),
    "shrinking": lambda rng, size: rng.normal(size=size) * np.linspace(2, 0.1, size[1]),
}
"""Noise of curves without a descent: name → draws of shape (seeds, steps)."""

WANDERING: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "memory 0.5": lambda rng, size: _memory(rng, size, 0.5),
    "memory 0.8": lambda rng, size: _memory(rng, size, 0.8),
}
"""Noise whose neighbours are correlated: name → draws of shape (seeds, steps)."""

RISING: dict[str, Callable[[Floats], Floats]] = {
    "rises": lambda t: 2 * t,
    "rises late": lambda t: 8 * np.maximum(t - 0.5, 0) ** 2,
    "diverges": lambda t: np.exp(30 * (t - 0.7)),
}
"""Curves that only rise: name → loss over 0 … 1 along the axis."""
