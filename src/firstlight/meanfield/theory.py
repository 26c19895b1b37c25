"""Predicted size of signals and gradients in a random network, layer by layer, before any is drawn.

Forward, the mean square q of a layer's inputs is a Markov chain along the depth. Given q, every
Z-value of the layer is normal with variance v = fan_in · σ_w² · q + σ_b². In the next layer q is the
mean of φ(z)² over the n units, with expectation E φ(z)² and variance Var φ(z)² / n. The first two
moments of q are followed, with a log-normal distribution in between.

Backward, the gradient passes weights that have also carried the signal forward. With δ the gradient
with respect to Z-values, primes for the next layer, a = φ(z) and weights W, δ = φ′(z) Wᵀδ′. Given
the Z-values, W is fixed along a, for W a = z′, and normal elsewhere. So
E |δ|² = σ² |δ′|² (Σ φ′² + (T′ − 1) B) with B = Σ φ′² a² / |a|² and T = (z·δ)² / (v |δ|²), where
T = E z²φ′² / (v E φ′²) + (T′ − 1) (E z φ φ′)² / (v E φ² E φ′²). For linear layers and ReLU T = 1,
and W acts as if it were new; in general the difference is a share of order 1/width in each layer.
Of the same order is what the widths add through q: where it is high, φ′ may be low in many layers
at once. Hence the expected gradient is followed as a function of q, a power of it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from firstlight.meanfield.moments import Moments, moments
from firstlight.types import Floats

_GROUPS = 64  # inputs are followed in at most this many groups of similar size

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
"""Quadrature of the standard normal distribution that log q has, up to place and scale."""


@dataclass(frozen=True)
class Prediction:
    """What a random network is expected to show; every array has one entry for each layer.

    "Square" is the expected mean square over units and inputs, where the expectation is over the
    random weights and biases: compare it with the average of measured mean squares over networks.
    A single network can lie far from it, by ``spread``.

    Args:
        z_square: of the Z-values.
        activation_square: of the activations.
        activation_mean: expected mean over units and inputs.
        activation_variance: expected variance over the units and inputs of one network, about its
            own mean, where that mean is not small by chance (up to 1/width of the square).
        gradient_ratio: mean square of the loss's gradient with respect to a layer's Z-values, over
            that of the last layer.
        saturated: share of Z-values where |φ′| is below ``threshold`` times its largest value;
            for ReLU with a threshold up to 1, the share of zeros.
        spread: standard deviation, between networks, of the natural logarithm of one input's mean
            square of Z-values over the layer's units; an upper limit for the average over inputs.

    Example:
        >>> propagate((100,) * 4, 0.1, "linear").z_std.round(6).tolist()
        [1.0, 1.0, 1.0]
    """

    z_square: Floats
    activation_square: Floats
    activation_mean: Floats
    activation_variance: Floats
    gradient_ratio: Floats
    saturated: Floats
    spread: Floats

    @property
    def z_std(self) -> Floats:
        """Return the root of ``z_square``; Z-values have expectation 0."""
        return np.sqrt(self.z_square)

    @property
    def z_std_median(self) -> Floats:
        """Return the root mean square of Z-values that half of the networks exceed."""
        return np.sqrt(self.z_square) * np.exp(-(self.spread**2) / 4)

    @property
    def activation_std(self) -> Floats:
        """Return the root of ``activation_variance``."""
        return np.sqrt(self.activation_variance)

    @property
    def gradient_std_ratio(self) -> Floats:
        """Return the root of ``gradient_ratio``."""
        return np.sqrt(self.gradient_ratio)


def propagate(
    widths: Sequence[int],
    weight_std: float | Sequence[float],
    activation: str | Sequence[str],
    *,
    input_square: ArrayLike = 1.0,
    bias_std: float | Sequence[float] = 0.0,
    slope: float = 0.01,
    threshold: float = 0.05,
    finite: bool = True,
) -> Prediction:
    """Predict signals, gradients and saturation in every layer of a dense network.

    Forward, v_l = n_{l−1} σ_l² E[φ(z_{l−1})²] + b_l² with z ~ N(0, v). Backward,
    E δ_l² = E[φ′(z_l)²] n_{l+1} σ_{l+1}² E δ_{l+1}², from gradients δ at the last layer's Z-values
    whose size does not depend on the input.

    To both, a finite width adds corrections. ``z_square`` and ``activation_square`` are exact at
    every width for linear layers and, with zero biases, for ReLU and leaky ReLU; for other
    activations their relative error is of the order depth/width². Gradients are exact for linear
    layers and ReLU without biases, otherwise of the same order. A layer's weights are independent,
    with expectation 0, and normal or many; the gradient at the last layer does not depend on them.

    Args:
        widths: units of every layer from the inputs on, e.g. ``(784, 100, 100, 10)``.
        weight_std: standard deviation of the weights: one for all layers, or one for each.
        activation: one of ``ACTIVATIONS`` for all layers, or one for each.
        input_square: mean over the input's entries of their squares; for inputs of unequal size
            shape (inputs,), one for each.
        bias_std: standard deviation of the biases: one for all layers, or one for each.
        slope: of leaky ReLU below zero; α of ELU.
        threshold: of ``Prediction.saturated``, above 0.
        finite: whether to account for the widths; otherwise they are taken as large.

    Returns:
        Arrays of length ``len(widths) - 1``.

    Raises:
        ValueError: an unknown activation, a number outside its range, or a wrong count of them.

    Example:
        >>> relu = propagate((100,) * 6, math.sqrt(2 / 100), "relu", input_square=0.5)
        >>> relu.z_square.round(6).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]

    Source: B. Poole et al. (2016), section 2; S. Schoenholz et al. (2017), sections 2 and 4, for
    infinite width; B. Hanin and D. Rolnick (2018) for the spread of ReLU networks.
    """
    depth = len(widths) - 1
    if depth < 1 or min(widths) < 1:
        raise ValueError(f"widths: expected 2 or more counts of at least 1, got {tuple(widths)}")
    names = [activation] * depth if isinstance(activation, str) else list(activation)
    if len(names) != depth:
        raise ValueError(f"activation: expected 1 or {depth}, one a layer, got {len(names)}")
    if not threshold > 0:
        raise ValueError(f"threshold: expected above 0, got {threshold}")
    sigma, b = _layers("weight_std", weight_std, depth), _layers("bias_std", bias_std, depth)
    square, share = _groups(input_square)
    with np.errstate(over="ignore", invalid="ignore"):  # found below
        gain, back = np.array(widths[:-1]) * sigma**2, np.array(widths[2:]) * sigma[1:] ** 2
        units = np.array(widths[1:]) if finite else np.full(depth, math.inf)
        layers = zip(names, gain, b**2, units, strict=True)
        steps = list(_forward(square, share, layers, slope, threshold))
        arrays = {name: np.array([step.shown[name] for step in steps]) for name in steps[0].shown}
        prediction = Prediction(gradient_ratio=_gradient_ratios(steps, back, share), **arrays)
    for name, array in vars(prediction).items():
        for layer in np.flatnonzero(~np.isfinite(array))[:1]:
            raise ValueError(
                f"layer {layer}: {name} exceeds the largest number of float64; "
                f"take smaller weights or fewer layers"
            )
    return prediction


def _layers(name: str, values: float | Sequence[float], depth: int) -> Floats:
    """Return one finite number of at least 0 for each layer."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (depth,)):
        raise ValueError(f"{name}: expected 1 or {depth}, one a layer, got shape {array.shape}")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"{name}: expected finite numbers of at least 0, got {values}")
    return np.broadcast_to(array, (depth,))


def _groups(input_square: ArrayLike) -> tuple[Floats, Floats]:
    """Return the mean square of each group of similar inputs, and the group's share of them."""
    square = np.sort(np.asarray(input_square, dtype=np.float64).ravel())
    if square.size == 0 or not (np.isfinite(square) & (square >= 0)).all():
        raise ValueError("input_square: expected 1 or more finite numbers of at least 0")
    groups = np.array_split(square, min(_GROUPS, square.size))
    share = np.array([group.size for group in groups]) / square.size
    return np.array([group.mean() for group in groups]), share


class _Step(NamedTuple):
    """One layer's part of the chain."""

    moments: Moments  # of the activation at the nodes of q, each of shape (groups, nodes)
    grown: Floats  # E φ(z)² at each node over its mean, likewise
    carried: Floats  # share of v that comes through the weights and not from the bias, likewise
    log_std: Floats  # standard deviation of log q, shape (groups, 1)
    units: float
    shown: dict[str, Floats]  # what ``Prediction`` shows of the layer, by name


def _forward(
    mean: Floats, share: Floats, layers: Iterable[tuple[Any, ...]], slope: float, threshold: float
) -> Iterator[_Step]:
    """Follow q through layers of activation, gain fan_in · σ_w², bias σ_b² and units.

    ``mean`` and ``share`` are the groups' mean squares and shares of the inputs, shape (groups,).
    """
    relative = np.ones_like(mean)  # E q² / (E q)²
    for activation, gain, bias, units in layers:
        log_std = np.sqrt(np.log(np.maximum(relative, 1)))[:, None]
        through = gain * mean[:, None] * np.exp(log_std * _NODES - log_std**2 / 2)
        v, z = through + bias, gain * mean + bias
        at_nodes = moments(activation, v, slope=slope, threshold=threshold)
        mean = at_nodes.square @ _WEIGHTS
        grown = _ratio(at_nodes.square, mean[:, None])
        relative = grown**2 * (1 + (at_nodes.kurtosis - 1) / units) @ _WEIGHTS
        of_z = _ratio(v, z[:, None]) ** 2 @ _WEIGHTS * (1 + 2 / units)
        square = share @ mean
        common = share @ at_nodes.mean  # one network's fluctuation is shared by its inputs
        shown = {
            "z_square": share @ z,
            "spread": np.sqrt(np.log(share @ of_z)),
            "activation_square": square,
            "activation_mean": common @ _WEIGHTS,
            "activation_variance": np.maximum(square - common**2 @ _WEIGHTS, 0),
            "saturated": share @ at_nodes.saturated @ _WEIGHTS,
        }
        yield _Step(at_nodes, grown, _ratio(through, v), log_std, units, shown)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Return top / bottom, and 1 where both have vanished."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 1.0)


def _gradient_ratios(steps: list[_Step], back: Floats, share: Floats) -> Floats:
    """Return E δ² of each layer over that of the last, averaged over the groups of inputs.

    ``back``, shape (layers − 1,), is fan_out · σ_w² of the weights after each layer but the last.
    """
    one = np.ones((share.size, 1))
    # log E δ² ≈ log_size + power · (log q − log E q), given the mean square q of the layer's inputs
    log_size, power, aligned = 0 * one, 0 * one, one
    ratios = [1.0]
    for step, after, factor in zip(steps[-2::-1], steps[:0:-1], back[::-1], strict=True):
        m, excess = step.moments, _mean(after.carried) * (aligned - 1)
        small = m.joint * excess + power * (m.joint - 1)
        small = small + power * (power - 1) / 2 * (m.kurtosis - 1)
        log_now = _log(factor * m.slope_square, -1e4) + power * _log(step.grown, 0.0)
        log_now = log_now + log_size + small / step.units
        largest = log_now.max(axis=1, keepdims=True)
        log_mean = largest + np.log(_mean(np.exp(log_now - largest)))
        ratios.append(float(share @ np.exp(log_mean[:, 0])))
        power = _mean(log_now * _NODES) / np.where(step.log_std > 0, step.log_std, np.inf)
        log_size = log_mean - power * (power - 1) / 2 * step.log_std**2
        aligned = _mean(m.steep + m.along * excess)
    return np.array(ratios[::-1])


def _log(values: Floats, vanished: float) -> Floats:
    """Return the logarithm, and ``vanished`` where there is none."""
    return np.where(values > 0, np.log(np.where(values > 0, values, 1.0)), vanished)


def _mean(values: Floats) -> Floats:
    """Average over the nodes and keep the axis."""
    return np.asarray(values @ _WEIGHTS)[:, None]
