"""Scales of initial weights, from a layer's fans; no arrays and no torch, so anyone may use them.

The fan-in of a layer is the number of inputs that one output is a sum over, its fan-out the number
of outputs that one input is part of: for a dense layer, its inputs and its units.

Source: X. Glorot and Y. Bengio (2010), equations 12 and 16; K. He et al., "Delving deep into
rectifiers" (2015), equations 10 and 15; L. Lu et al., "Dying ReLU and initialization" (2020),
section 4 (RAI).
"""

import math

RAI_SCALE = 0.6007
"""Standard deviation of RAI's normal entries, times the root of the fan-in."""
RELU_GAIN = math.sqrt(2)
"""1 / √E max(0, z)² for z ~ N(0, 1): what orthogonal weights are scaled by under ReLU."""


def he_std(fan_in: float, slope: float = 0.0) -> float:
    """Return He's √(2 / ((1 + slope²) fan_in)); the slope is the activation's below zero.

    Example:
        >>> he_std(50)
        0.2
    """
    return math.sqrt(2 / ((1 + slope**2) * fan_in))


def xavier_std(fan_in: float, fan_out: float) -> float:
    """Return Glorot's √(2 / (fan_in + fan_out)).

    Example:
        >>> xavier_std(100, 100)
        0.1
    """
    return math.sqrt(2 / (fan_in + fan_out))


def xavier_bound(fan_in: float, fan_out: float) -> float:
    """Return Glorot's √(6 / (fan_in + fan_out)): uniform on ± this is Xavier's variance."""
    # √3 · xavier_std, but rounded once: in float64 the two differ in the last bit.
    return math.sqrt(6 / (fan_in + fan_out))


def rai_std(fan_in: float) -> float:
    """Return 0.6007 / √fan_in, of the normal entries of randomized asymmetric initialization."""
    return RAI_SCALE / math.sqrt(fan_in)


def torch_bound(fan_in: float) -> float:
    """Return 1 / √fan_in: a new layer of PyTorch is uniform on ± this."""
    return 1 / math.sqrt(fan_in)


def uniform_bound(std: float) -> float:
    """Return √3 · std: numbers uniform on ± this have the standard deviation ``std``."""
    return math.sqrt(3) * std
