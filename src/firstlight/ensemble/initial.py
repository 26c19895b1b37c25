"""Initial parameters of many small networks at once, network after network.

A network's parameters depend on the seed and its own place alone: the first ten of a thousand are
the ten that are drawn alone. Hence each rule turns one row of random numbers into one network.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr

from firstlight import seeds
from firstlight.ensemble.spec import Network
from firstlight.init.formulas import RELU_GAIN, he_std, rai_std, torch_bound, xavier_std
from firstlight.types import Floats

Init = Literal["he", "xavier", "torch", "rai", "orthogonal"]
Rule = Callable[[Network, int, np.random.Generator], Floats]


def _row(network: Network, scale: Callable[[int, int], float], biases: bool) -> Floats:
    """Return one number for each parameter: its layer's scale, or zero for biases left out."""
    row = np.zeros(network.parameters)
    for (inputs, outputs), (weight, bias) in zip(network.layers, network.unpack(row), strict=True):
        weight[...] = scale(inputs, outputs)
        bias[...] = scale(inputs, outputs) if biases else 0.0
    return row


def _he(network: Network, count: int, source: np.random.Generator) -> Floats:
    row = _row(network, lambda inputs, _: he_std(inputs), biases=False)
    return source.standard_normal((count, row.size)) * row


def _xavier(network: Network, count: int, source: np.random.Generator) -> Floats:
    row = _row(network, xavier_std, biases=False)
    return source.standard_normal((count, row.size)) * row


def _torch(network: Network, count: int, source: np.random.Generator) -> Floats:
    row = _row(network, lambda inputs, _: torch_bound(inputs), biases=True)
    return source.uniform(-1, 1, (count, row.size)) * row


def _rai(network: Network, count: int, source: np.random.Generator) -> Floats:
    row = _row(network, lambda inputs, _: rai_std(inputs), biases=True)
    rows = sum(network.widths[1:])
    normal = source.standard_normal((count, row.size + 2 * rows))
    # Φ turns the spare normals into uniform numbers, so that one row of draws is one network.
    place, size = ndtr(normal[:, row.size :]).reshape(count, 2, rows).swapaxes(0, 1)
    parameters = normal[:, : row.size] * row
    at = 0
    for (inputs, outputs), (weight, bias) in zip(
        network.layers, network.unpack(parameters), strict=True
    ):
        entries = np.concatenate([weight, bias[..., None]], axis=-1)
        chosen = (place[:, at : at + outputs] * (inputs + 1)).astype(np.int64).clip(max=inputs)
        beta = np.sqrt(size[:, at : at + outputs])  # Beta(2, 1) has the distribution function x²
        np.put_along_axis(entries, chosen[..., None], beta[..., None], axis=-1)
        weight[...], bias[...] = entries[..., :-1], entries[..., -1]
        at += outputs
    return parameters


def _orthonormal(vectors: Floats) -> None:
    """Make k vectors of each network orthonormal, in place, from the first on (Gram–Schmidt).

    Args:
        vectors: shape (k, m, R), k <= m: networks last, so that they are what runs in parallel.
    """
    for at, vector in enumerate(vectors):
        for _ in range(2):  # once loses orthogonality where two are nearly parallel
            for before in vectors[:at]:
                vector -= before * (before * vector).sum(axis=0)
        vector /= np.sqrt((vector * vector).sum(axis=0))


def _orthogonal(network: Network, count: int, source: np.random.Generator) -> Floats:
    row = _row(network, lambda _inputs, _outputs: RELU_GAIN, biases=False)
    parameters = source.standard_normal((count, row.size))
    for weight, _ in network.unpack(parameters):
        outputs, inputs = weight.shape[1:]
        axes = (1, 2, 0) if outputs <= inputs else (2, 1, 0)
        vectors = np.ascontiguousarray(weight.transpose(axes))
        _orthonormal(vectors)
        weight.transpose(axes)[...] = vectors
    parameters *= row
    return parameters


RULES: dict[str, Rule] = {
    "he": _he,
    "xavier": _xavier,
    "torch": _torch,
    "rai": _rai,
    "orthogonal": _orthogonal,
}


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
    if init not in RULES:
        raise ValueError(f"init: expected one of {', '.join(get_args(Init))}, got {init!r}")
    if count < 1:
        raise ValueError(f"count: expected at least 1 network, got {count}")
    if not isinstance(source, np.random.Generator):
        source = seeds.generator(source, "initial", init)
    return RULES[init](network, count, source)
