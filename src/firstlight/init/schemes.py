"""The rules by which weights and biases are drawn."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from firstlight.init.activations import Following
from firstlight.init.layers import TRANSPOSED, Part

RAI_SCALE = 0.6007
"""Standard deviation of RAI's normal entries, times the root of the layer's inputs."""

Drawn = tuple[Tensor, Tensor | None]
Rule = Callable[[Part, Following, torch.Generator], Drawn]


def _empty(like: Tensor, source: torch.Generator) -> Tensor:
    """Return an empty tensor to draw in: on the generator's device, in single precision or more."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.empty(like.shape, dtype=dtype, device=source.device)


def _zeros(part: Part) -> Tensor | None:
    return None if part.bias is None else torch.zeros_like(part.bias)


def normal(part: Part, std: float, source: torch.Generator) -> Drawn:
    """Return weights N(0, std²) and zero biases."""
    return _empty(part.weight, source).normal_(0, std, generator=source), _zeros(part)


def uniform(part: Part, std: float, source: torch.Generator) -> Drawn:
    """Return weights U(−√3 std, √3 std), whose standard deviation is ``std``, and zero biases."""
    bound = math.sqrt(3) * std
    return _empty(part.weight, source).uniform_(-bound, bound, generator=source), _zeros(part)


def xavier_std(part: Part) -> float:
    """Return Glorot's √(2 / (fan_in + fan_out))."""
    return math.sqrt(2 / (part.fan_in + part.fan_out))


def he_std(part: Part, after: Following) -> float:
    """Return He's √(2 / ((1 + slope²) fan_in))."""
    return math.sqrt(2 / ((1 + after.slope**2) * part.fan_in))


def orthogonal(part: Part, gain: float, source: torch.Generator) -> Drawn:
    """Return blocks with orthonormal rows or columns, whichever are fewer, times ``gain``."""
    drawn = _empty(part.weight, source)
    for block in drawn.chunk(part.blocks):
        nn.init.orthogonal_(block, gain, generator=source)
    return drawn, _zeros(part)


def _torch(part: Part, _after: Following, source: torch.Generator) -> Drawn:
    weight, bias = part.bounds
    drawn = _empty(part.weight, source).uniform_(-weight, weight, generator=source)
    if part.bias is None or not bias:
        return drawn, _zeros(part)
    return drawn, _empty(part.bias, source).uniform_(-bias, bias, generator=source)


def _rai(part: Part, _after: Following, source: torch.Generator) -> Drawn:
    """Draw every row (an output's weights and bias), then make one of its entries Beta(2, 1)."""
    drawn = _empty(part.weight, source)
    weights = _rows(part, drawn)
    outputs, inputs = weights.shape
    entries = drawn.new_empty(outputs, inputs + (part.bias is not None))
    entries.normal_(0, RAI_SCALE / math.sqrt(inputs), generator=source)
    place = torch.empty(outputs, 1, dtype=torch.int64, device=source.device)
    place.random_(0, entries.shape[1], generator=source)
    # Beta(2, 1) has the distribution function x².
    entries.scatter_(1, place, drawn.new_empty(outputs, 1).uniform_(generator=source).sqrt_())
    drawn = _unrows(part, entries[:, :inputs], drawn)
    return drawn, None if part.bias is None else entries[:, inputs]


def _rows(part: Part, weight: Tensor) -> Tensor:
    """Return the weight as a matrix with one row for each output."""
    if not isinstance(part.layer, TRANSPOSED):
        return weight.reshape(weight.shape[0], -1)
    blocks = weight.reshape(part.blocks, -1, weight.shape[1], math.prod(weight.shape[2:]))
    return blocks.transpose(1, 2).reshape(part.blocks * weight.shape[1], -1)


def _unrows(part: Part, rows: Tensor, like: Tensor) -> Tensor:
    """Undo ``_rows``."""
    if not isinstance(part.layer, TRANSPOSED):
        return rows.reshape(like.shape)
    taps = math.prod(like.shape[2:])
    blocks = rows.reshape(part.blocks, like.shape[1], -1, taps)
    return blocks.transpose(1, 2).reshape(like.shape)


RULES: dict[str, Rule] = {
    "xavier": lambda part, _, source: normal(part, xavier_std(part), source),
    "xavier_uniform": lambda part, _, source: uniform(part, xavier_std(part), source),
    "he": lambda part, after, source: normal(part, he_std(part, after), source),
    "he_uniform": lambda part, after, source: uniform(part, he_std(part, after), source),
    "orthogonal": lambda part, after, source: orthogonal(part, after.gain, source),
    "lsuv": lambda part, _, source: orthogonal(part, 1.0, source),
    "rai": _rai,
    "torch": _torch,
}
