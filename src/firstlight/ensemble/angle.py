"""P(born dead) of width 2 and one input, exactly: a Markov chain on one angle, by quadrature.

With zero biases a network of one input is determined by the images of x > 0 and x < 0, two rays in
the quadrant. A layer of independent normal weights sees nothing of them but the angle θ between
them. For one unit both pre-activations are positive (or both negative) with probability
(π − θ)/2π each, and the first or the second alone with θ/2π each. So, of two units:

- both negative on both rays: the layer is dead;
- one positive on both, one negative on both: both rays lie on one axis, which is as one ray;
- each alive on another ray: the new angle is π/2;
- one positive on both, one on a single ray: the density 4 J(cos φ cot θ, −sin φ cot θ)/2π;
- both positive on both: (π/2 − φ) p(φ)/π, with p the density of the phase between two complex
  normal variables of correlation cos θ;
- otherwise one ray alone is alive; a single ray dies in a layer with probability 1/4.

J(a, b) = ∫ r exp(−r²/2) Φ(ar) Φ(br) dr over r > 0, which has a closed form.

Source: the chain follows L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization"
(arXiv 1903.06733), appendix; p: D. Middleton, "Introduction to statistical communication theory"
(1960), section 9.1.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PANELS = 44
"""Panels of the quadrature; each is half as wide as the one before, down to an angle of 1e-13."""
NODES = 14
"""Gauss–Legendre nodes in each panel."""


def _grid(panels: int, nodes: int) -> tuple[Vector, Vector]:
    """Return angles and weights on (0, π/2), graded towards 0, where the kernel is scale-free."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    high = math.pi / 2 * 0.5 ** np.arange(panels)[:, None]
    return (high * (3 + x) / 4).ravel(), (high * w / 4).ravel()


def _both_half_planes(a: Vector, b: Vector) -> Vector:
    """Return J(a, b), by parts: ∫ exp(−c²r²/2) Φ(br) dr = √2π (1/4 + atan(b/c)/2π)/c."""
    c, d = np.sqrt(1 + a * a), np.sqrt(1 + b * b)
    first = a / c * (0.25 + np.arctan(b / c) / (2 * math.pi))
    second = b / d * (0.25 + np.arctan(a / d) / (2 * math.pi))
    result: Vector = 0.25 + first + second
    return result


def density(theta: Vector, phi: Vector) -> Vector:
    """Return the density of the next angle φ, given θ; without its atoms at 0 and π/2.

    Args:
        theta: present angle, in (0, π/2].
        phi: next angle, in (0, π/2); broadcast with ``theta``.
    """
    cot = np.cos(theta) / np.sin(theta)
    mixed = 4 * _both_half_planes(np.cos(phi) * cot, -np.sin(phi) * cot) / (2 * math.pi)
    beta = np.cos(theta) * np.cos(phi)
    rest = np.sin(theta) ** 2 + (np.cos(theta) * np.sin(phi)) ** 2  # 1 − β², without cancellation
    root = np.sqrt(rest)
    bend = 1 + beta * (math.pi - np.arctan2(root, beta)) / root
    phase = np.sin(theta) ** 2 / (2 * math.pi) / rest * bend
    result: Vector = mixed + (math.pi / 2 - phi) * phase / math.pi
    return result


@lru_cache(maxsize=4)
def _chain(panels: int, nodes: int) -> tuple[Vector, Vector]:
    """Return the chain's transitions and its chance to die in one layer.

    States: the grid's angles, then π/2 (an atom), then a single ray.
    """
    angles, weights = _grid(panels, nodes)
    theta = np.append(angles, math.pi / 2)
    one, both = theta / (2 * math.pi), (math.pi - theta) / (2 * math.pi)
    dead = np.append(both**2, 0.25)
    moves = np.zeros((theta.size + 1, theta.size + 1))
    moves[:-1, :-2] = density(theta[:, None], angles[None, :]) * weights
    moves[:-1, -2] = 2 * one**2
    # Whatever is left has one ray alive, or two with no angle between them, which is the same.
    moves[:, -1] = 1 - dead - moves.sum(axis=1)
    return moves, dead


def two_wide(depth: int, panels: int = PANELS, nodes: int = NODES) -> float:
    """Return P(born dead) of width 2, one input, zero biases and normal weights.

    Args:
        depth: layers with the linear output, at least 2.
        panels: panels of the quadrature.
        nodes: nodes in each panel; the defaults leave an error below 1e-12.

    Example:
        >>> round(two_wide(3), 9)
        0.15625
    """
    if depth < 2:
        raise ValueError(f"depth: expected at least 2 (one hidden layer), got {depth}")
    moves, dead = _chain(panels, nodes)
    died = np.zeros(dead.size)
    for _ in range(depth - 2):
        died = dead + moves @ died
    # The first layer leaves one ray or two at a right angle, with even chances.
    return float((died[-1] + died[-2]) / 2)
