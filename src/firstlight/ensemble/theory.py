"""P(born dead): by Monte Carlo for any network, between its bounds, and exactly where it is known.

Depth L counts the layers with the linear output: L − 1 hidden ReLU layers of width N. A layer is
sign-symmetric when a unit's weights and bias are as likely as their negatives, independently of
the other units: all rules but ``rai``. Then a layer is zero at a given point with probability 2^−N.

Width 2 and one input is a Markov chain on one angle, followed by quadrature. With zero biases a
network of one input is determined by the images of x > 0 and x < 0, two rays in the quadrant. A
layer of independent normal weights depends on them through the angle θ between them alone. For one
unit both pre-activations are positive (or both negative) with probability (π − θ)/2π each, and the
first or the second alone with θ/2π each. So, of two units:

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
from itertools import count

import numpy as np

from firstlight import seeds
from firstlight.ensemble.born_dead import HALF_WIDTH
from firstlight.ensemble.born_dead import born_dead as born_dead
from firstlight.ensemble.initial import Init, initial
from firstlight.ensemble.spec import Network
from firstlight.record import Fact
from firstlight.types import Floats, Progress

NORMAL: tuple[Init, ...] = ("he", "xavier")
"""Rules with independent normal weights and zero biases; their scale does not matter."""
SYMMETRIC: tuple[Init, ...] = (*NORMAL, "torch", "orthogonal")
"""Rules whose layers are sign-symmetric."""
_NUMBERS = 2**20  # parameters drawn at once
PANELS = 44
"""Panels of the quadrature; each is half as wide as the one before, down to an angle of 1e-13."""
NODES = 14
"""Gauss–Legendre nodes in each panel."""


def _check(width: int, depth: int) -> None:
    if width < 1:
        raise ValueError(f"width: expected at least 1, got {width}")
    if depth < 2:
        raise ValueError(f"depth: expected at least 2 (one hidden layer), got {depth}")


def _once(chance: float, times: int) -> float:
    """Return 1 − (1 − chance)^times without cancellation."""
    if chance >= 1:
        return float(times > 0)
    return -math.expm1(times * math.log1p(-chance))


def upper_bound(width: int, depth: int) -> float:
    """Return the upper bound 1 − (1 − 2^−N)^(L−1): some layer is zero at one given point.

    It holds for every number of inputs and every sign-symmetric initialization.

    Args:
        width: units N in each hidden layer, at least 1.
        depth: layers L with the linear output, at least 2.

    Example:
        >>> upper_bound(2, 3)
        0.4375

    Source: L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization" (2020), with
    L − 1 hidden layers.
    """
    _check(width, depth)
    return _once(2.0**-width, depth - 1)


def lower_bound(width: int, depth: int) -> float:
    """Return the lower bound for one input, zero biases and independent normal weights.

    1 − a^(L−2) + c (b^(L−2) − a^(L−2)) with a = 1 − 2^−N, b = 1 − 2^−(N−1) − (N−1) 4^−N and
    c = (1 − 2^(1−N))(1 − 2^−N)/(1 + (N−1) 2^−N). It is exact for L <= 3 and for N = 1.

    Args:
        width: units N in each hidden layer, at least 1.
        depth: layers L with the linear output, at least 2.

    Example:
        >>> lower_bound(2, 3)
        0.15625

    Source: L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization" (2020).
    """
    _check(width, depth)
    half: float = 2.0**-width
    if depth == 3:
        # What the formula gives, without its rounding: the second layer sees one ray with
        # probability 2^(1−N), otherwise two at a right angle.
        return 2 * half * half + (1 - 2 * half) * half * half
    one = _once(half, depth - 2)
    two = _once(2 * half + (width - 1) * half * half, depth - 2)
    c = (1 - 2 * half) * (1 - half) / (1 + (width - 1) * half)
    return max(one - c * (two - one), 0.0)


def exact(width: int, depth: int, inputs: int = 1) -> float | None:
    """Return P(born dead) for zero biases and independent normal weights, or None if not known.

    Known for one hidden layer (0), for width 1, for one input with L = 3 or width 2 (a quadrature,
    see ``two_wide``), and for L = 3 with at least as many inputs as units: the first layer then
    reaches every point of the orthant, and the second is zero if all its weights are negative.

    Args:
        width: units N in each hidden layer, at least 1.
        depth: layers L with the linear output, at least 2.
        inputs: input dimension, at least 1.

    Example:
        >>> exact(2, 3), exact(3, 10)
        (0.15625, None)
    """
    _check(width, depth)
    if inputs < 1:
        raise ValueError(f"inputs: expected at least 1, got {inputs}")
    if depth == 2:
        return 0.0
    if width == 1 or (depth == 3 and inputs == 1):
        return lower_bound(width, depth)
    if depth == 3 and inputs >= width:
        return float(2.0 ** -(width * width))
    if width == 2 and inputs == 1:
        # The clip takes away rounding alone, where all three come close to 1.
        return min(max(two_wide(depth), lower_bound(2, depth)), upper_bound(2, depth))
    return None


def safe_width(depth: int, risk: float) -> int:
    """Return the smallest width whose upper bound is at most ``risk``.

    N >= log2((L − 1)/risk) is the simple rule: always enough, and at most a unit or two more.

    Args:
        depth: layers L with the linear output, at least 2.
        risk: accepted probability to be born dead, between 0 and 1.

    Example:
        >>> safe_width(10, 0.01)
        10
    """
    _check(1, depth)
    if not 0 < risk < 1:
        raise ValueError(f"risk: expected between 0 and 1, got {risk}")
    return next(width for width in count(1) if upper_bound(width, depth) <= risk)


def probability(
    network: Network,
    init: Init = "he",
    networks: int = 200_000,
    seed: int = 0,
    *,
    low: float = -HALF_WIDTH,
    high: float = HALF_WIDTH,
    progress: Progress | None = None,
) -> Fact:
    """Estimate P(born dead) by drawing networks, with Wilson's 95 % interval.

    The same seed gives the same networks; the first of many are those of a smaller draw.

    Args:
        network: the shape, of any widths and inputs; see ``born_dead`` for what is exact.
        init: the initialization, see ``initial``.
        networks: how many to draw, at least 1.
        seed: at least 0.
        low: lower end of every input.
        high: upper end of every input, above ``low``.
        progress: called as ``progress("networks", done, total)`` now and then.

    Example:
        >>> estimate = probability(Network((1, 2, 2, 1)), networks=1000)
        >>> estimate.low < 5 / 32 < estimate.high
        True
    """
    if networks < 1:
        raise ValueError(f"networks: expected at least 1, got {networks}")
    source = seeds.generator(seed, "born dead", init)
    step = max(1, _NUMBERS // network.parameters)
    dead = 0
    for first in range(0, networks, step):
        last = min(first + step, networks)
        parameters = initial(network, init, last - first, source)
        dead += int(born_dead(network, parameters, low, high).sum())
        if progress is not None:
            progress("networks", last, networks)
    from firstlight.stats import proportion  # which imports scipy.stats: slow, and only for this

    return proportion(dead, networks)


def density(theta: Floats, phi: Floats) -> Floats:
    """Return the density of the next angle φ, given θ; without its atoms at 0 and π/2.

    Args:
        theta: present angle, in (0, π/2].
        phi: next angle, in (0, π/2); broadcast with ``theta``.
    """
    cot = np.cos(theta) / np.sin(theta)
    a, b = np.cos(phi) * cot, -np.sin(phi) * cot
    c, d = np.sqrt(1 + a * a), np.sqrt(1 + b * b)
    # J(a, b) by parts: ∫ exp(−c²r²/2) Φ(br) dr = √2π (1/4 + atan(b/c)/2π)/c.
    first = a / c * (0.25 + np.arctan(b / c) / (2 * math.pi))
    second = b / d * (0.25 + np.arctan(a / d) / (2 * math.pi))
    mixed = 4 * (0.25 + first + second) / (2 * math.pi)
    beta = np.cos(theta) * np.cos(phi)
    rest = np.sin(theta) ** 2 + (np.cos(theta) * np.sin(phi)) ** 2  # 1 − β², without cancellation
    root = np.sqrt(rest)
    bend = 1 + beta * (math.pi - np.arctan2(root, beta)) / root
    phase = np.sin(theta) ** 2 / (2 * math.pi) / rest * bend
    result: Floats = mixed + (math.pi / 2 - phi) * phase / math.pi
    return result


@lru_cache(maxsize=4)
def _chain(panels: int, nodes: int) -> tuple[Floats, Floats]:
    """Return the chain's transitions and its chance to die in one layer.

    States: the grid's angles, then π/2 (an atom), then a single ray.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    high = math.pi / 2 * 0.5 ** np.arange(panels)[:, None]  # graded: near 0 only ratios matter
    angles, weights = (high * (3 + x) / 4).ravel(), (high * w / 4).ravel()
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
    _check(2, depth)
    moves, dead = _chain(panels, nodes)
    died = np.zeros(dead.size)
    for _ in range(depth - 2):
        died = dead + moves @ died
    # The first layer leaves one ray or two at a right angle, with even chances.
    return float((died[-1] + died[-2]) / 2)
