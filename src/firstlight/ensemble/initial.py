"""Initial parameters of many small networks at once, network after network.

A network's parameters depend on the seed and its own place alone: the first ten of a thousand are
the ten that are drawn alone. Hence each rule turns one row of random numbers into one network.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import ndtr

from firstlight import seeds
from firstlight.ensemble.spec import Network
from firstlight.init.formulas import RELU_GAIN, he_std, rai_std, torch_bound, xavier_std
from firstlight.types import Floats

Init = Literal["he", "xavier", "torch", "rai", "orthogonal"]
SCALES: dict[Init, Callable[[int, int], float]] = {
    "he": lambda inputs, _: he_std(inputs),
    "xavier": xavier_std,
    "torch": lambda inputs, _: torch_bound(inputs),
    "rai": lambda inputs, _: rai_std(inputs),
    "orthogonal": lambda *_: RELU_GAIN,
}
"""What a layer's random numbers are multiplied by, from its inputs and outputs."""
BIASED: tuple[Init, ...] = ("torch", "rai")
"""Rules whose biases are not zero."""


def _make_beta(network: Network, parameters: Floats, spare: Floats) -> None:
    """Make one entry of each row (a unit's weights and its bias) Beta(2, 1), in place.

    Args:
        network: the networks' shape.
        parameters: shape (R, P).
        spare: uniform numbers, shape (R, 2 · units): one that chooses, and one for the entry.
    """
    place, size = np.split(spare, 2, axis=1)
    at = 0
    for weight, bias in network.unpack(parameters):
        entries = np.concatenate([weight, bias[..., None]], axis=-1)
        units, choices = slice(at, at + weight.shape[1]), entries.shape[2]
        chosen = (place[:, units] * choices).astype(np.int64).clip(max=choices - 1)
        beta = np.sqrt(size[:, units])  # Beta(2, 1) has the distribution function x²
        np.put_along_axis(entries, chosen[..., None], beta[..., None], axis=-1)
        weight[...], bias[...] = entries[..., :-1], entries[..., -1]
        at = units.stop


def _orthonormalize(weight: Floats) -> None:
    """Make the rows or columns, whichever are fewer, orthonormal, in place (Gram–Schmidt)."""
    outputs, inputs = weight.shape[1:]
    axes = (1, 2, 0) if outputs <= inputs else (2, 1, 0)
    # Networks last, so that they are what runs in parallel.
    vectors = np.ascontiguousarray(weight.transpose(axes))
    for at, vector in enumerate(vectors):
        for _ in range(2):  # once loses orthogonality where two are nearly parallel
            for before in vectors[:at]:
                vector -= before * (before * vector).sum(axis=0)
        vector /= np.sqrt((vector * vector).sum(axis=0))
    weight.transpose(axes)[...] = vectors


def initial(network: Network, init: Init, count: int, source: np.random.Generator | int) -> Floats:
    """Return the initial parameters of ``count`` independent networks.

    - ``he``: weights N(0, 2/inputs), biases 0.
    - ``xavier``: Glorot normal, weights N(0, 2/(inputs + outputs)), biases 0.
    - ``torch``: ``torch.nn.Linear``'s own, weights and biases U(−1/√inputs, 1/√inputs).
    - ``rai``: weights and biases N(0, 0.6007²/inputs), then in each row (a unit's weights and its
      bias) one entry, chosen at random, becomes Beta(2, 1).
    - ``orthogonal``: uniform among matrices with orthonormal rows or columns (whichever are fewer),
      times √2, which for square layers under ReLU keeps the signal's size as ``he`` does; biases 0.

    Args:
        network: the networks' shape, with P parameters each.
        init: the rule.
        count: number of networks R, at least 1.
        source: a generator, which moves on, or a seed of at least 0.

    Returns:
        Shape (R, P), float64, in the layout of ``Network.unpack``.

    Raises:
        ValueError: an unknown rule, a count below 1 or a negative seed.

    Example:
        >>> initial(Network((1, 2, 2, 1)), "he", 5, 0).shape
        (5, 13)

    Source: K. He et al. (2015), section 2.2; X. Glorot and Y. Bengio (2010), section 4.2;
    A. Saxe et al. (2014), section 3; L. Lu et al., "Dying ReLU and initialization" (2020),
    section 4 (RAI).
    """
    if init not in SCALES:
        raise ValueError(f"init: expected one of {', '.join(SCALES)}, got {init!r}")
    if count < 1:
        raise ValueError(f"count: expected at least 1 network, got {count}")
    if not isinstance(source, np.random.Generator):
        source = seeds.generator(source, "initial", init)
    size, units = network.parameters, sum(network.widths[1:])
    scale = np.zeros(size)
    for (inputs, outputs), (weight, bias) in zip(
        network.layers, network.unpack(scale), strict=True
    ):
        weight[...] = SCALES[init](inputs, outputs)
        bias[...] = weight[0, 0] if init in BIASED else 0.0
    if init == "torch":
        return source.uniform(-1, 1, (count, size)) * scale
    # One row of draws is one network: what RAI needs besides is drawn with it, and Φ makes it uniform.
    normal = source.standard_normal((count, size + 2 * units if init == "rai" else size))
    parameters = normal[:, :size]
    if init == "orthogonal":
        for weight, _ in network.unpack(parameters):
            _orthonormalize(weight)
    parameters = parameters * scale
    if init == "rai":
        _make_beta(network, parameters, ndtr(normal[:, size:]))
    return parameters
