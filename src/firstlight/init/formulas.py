"""Scales of initial weights, from a layer's fans; no arrays and no torch, so anyone may use them.

The fan-in of a layer is the number of inputs that one output is a sum over, its fan-out the number
of outputs that one input is part of: for a dense layer, its inputs and its units.
"""

import math

RAI_SCALE = 0.6007
"""Standard deviation of RAI's normal entries, times the root of the fan-in."""
RELU_GAIN = math.sqrt(2)
"""1 / √E max(0, z)² for z ~ N(0, 1): what orthogonal weights are scaled by under ReLU."""


def he_std(fan_in: float, slope: float = 0.0) -> float:
    """Return He's √(2 / ((1 + slope²) fan_in)).

    Args:
        fan_in: above 0.
        slope: of the activation below zero: 0 for ReLU.

    Example:
        >>> he_std(50)
        0.2

    Source: K. He et al., "Delving deep into rectifiers" (2015), equations 10 and 15.
    """
    return math.sqrt(2 / ((1 + slope**2) * fan_in))


def xavier_std(fan_in: float, fan_out: float) -> float:
    """Return Glorot's √(2 / (fan_in + fan_out)).

    Example:
        >>> xavier_std(100, 100)
        0.1

    Source: X. Glorot and Y. Bengio (2010), equation 12.
    """
    return math.sqrt(2 / (fan_in + fan_out))


def rai_std(fan_in: float) -> float:
    """Return 0.6007 / √fan_in, of the normal entries of randomized asymmetric initialization.

    Example:
        >>> rai_std(4)
        0.30035

    Source: L. Lu et al., "Dying ReLU and initialization" (2020), section 4.
    """
    return RAI_SCALE / math.sqrt(fan_in)


def torch_bound(fan_in: float) -> float:
    """Return 1 / √fan_in: a new layer of PyTorch is uniform on ± this.

    Example:
        >>> torch_bound(16)
        0.25
    """
    return 1 / math.sqrt(fan_in)


def uniform_bound(std: float) -> float:
    """Return √3 · std: numbers that are uniform on ± this have the standard deviation ``std``.

    Example:
        >>> uniform_bound(0.0)
        0.0
    """
    return math.sqrt(3) * std


def xavier_bound(fan_in: float, fan_out: float) -> float:
    """Return Glorot's √(6 / (fan_in + fan_out)): uniform on ± this is Xavier's variance.

    Example:
        >>> xavier_bound(12, 12)
        0.5

    Source: X. Glorot and Y. Bengio (2010), equation 16.
    """
    # √3 · xavier_std, but rounded once: in float64 the two differ in the last bit.
    return math.sqrt(6 / (fan_in + fan_out))
