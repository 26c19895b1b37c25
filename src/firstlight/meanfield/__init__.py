"""Predicted size of signals and gradients in a random network, layer by layer, before any is drawn.

The recursion of mean-field theory, with what a finite width adds to it: see ``chain`` for the
signal and ``gradient`` for the way back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.meanfield.chain import Chain, Layer
from firstlight.meanfield.moments import ACTIVATIONS as ACTIVATIONS
from firstlight.meanfield.gradient import ratios

Array = NDArray[np.float64]

_GROUPS = 64  # inputs are followed in at most this many groups of similar size


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
    """

    z_square: Array
    activation_square: Array
    activation_mean: Array
    activation_variance: Array
    gradient_ratio: Array
    saturated: Array
    spread: Array

    @property
    def z_std(self) -> Array:
        """Return the root of ``z_square``; Z-values have expectation 0."""
        return np.sqrt(self.z_square)

    @property
    def z_std_median(self) -> Array:
        """Return the root mean square of Z-values that half of the networks exceed."""
        return np.sqrt(self.z_square) * np.exp(-(self.spread**2) / 4)

    @property
    def activation_std(self) -> Array:
        """Return the root of ``activation_variance``."""
        return np.sqrt(self.activation_variance)

    @property
    def gradient_std_ratio(self) -> Array:
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
    chain = Chain(*_groups(input_square))
    with np.errstate(over="ignore", invalid="ignore"):  # `_checked` finds them
        gain, back = np.array(widths[:-1]) * sigma**2, np.array(widths[2:]) * sigma[1:] ** 2
        units = np.array(widths[1:]) if finite else np.full(depth, math.inf)
        steps = [
            chain.step(Layer(names[at], gain[at], b[at] ** 2, units[at], slope, threshold))
            for at in range(depth)
        ]
        arrays = {name: np.array([step.shown[name] for step in steps]) for name in steps[0].shown}
        return _checked(Prediction(gradient_ratio=ratios(steps, back, chain.share), **arrays))


def _checked(found: Prediction) -> Prediction:
    for name, array in vars(found).items():
        odd = np.flatnonzero(~np.isfinite(array))
        if odd.size:
            raise ValueError(
                f"layer {odd[0]}: {name} exceeds the largest number of float64; "
                f"take smaller weights or fewer layers"
            )
    return found


def _layers(name: str, values: float | Sequence[float], depth: int) -> Array:
    """Return one finite number of at least 0 for each layer."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (depth,)):
        raise ValueError(f"{name}: expected 1 or {depth}, one a layer, got shape {array.shape}")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"{name}: expected finite numbers of at least 0, got {values}")
    return np.broadcast_to(array, (depth,))


def _groups(input_square: ArrayLike) -> tuple[Array, Array]:
    """Return the mean square of each group of similar inputs, and the group's share of them."""
    square = np.sort(np.asarray(input_square, dtype=np.float64).ravel())
    if square.size == 0 or not (np.isfinite(square) & (square >= 0)).all():
        raise ValueError("input_square: expected 1 or more finite numbers of at least 0")
    groups = np.array_split(square, min(_GROUPS, square.size))
    share = np.array([group.size for group in groups]) / square.size
    return np.array([group.mean() for group in groups]), share
