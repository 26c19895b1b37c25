"""What a scheme draws: the weights of a model's layers, with their fans and biases."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from firstlight.init.formulas import torch_bound, xavier_bound

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Plain = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
"""Layers whose output is their weights times their input, plus a bias."""
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
Layer = (*Plain, *RECURRENT, nn.MultiheadAttention)


@dataclass(frozen=True)
class LayerWeight:
    """One weight of a layer, with the bias that belongs to it.

    Args:
        name: of the weight in the model.
        layer: the module that it belongs to.
        weight: the parameter.
        bias: the parameter, if the layer has one.
        blocks: independent matrices that lie above each other in the weight: the groups of a
            convolution, the gates of a recurrent layer.
        fan_in: inputs that one output is a sum over, on average where a transposed convolution
            strides; the edges of padded images are not counted.
        fan_out: outputs that one input is part of, on average where a convolution strides.
        bounds: of PyTorch's own uniform weights and biases.
    """

    name: str
    layer: nn.Module
    weight: nn.Parameter
    bias: nn.Parameter | None
    blocks: int
    fan_in: float
    fan_out: float
    bounds: tuple[float, float]


def layer_weights(model: nn.Module) -> list[LayerWeight]:
    """Return the weights of all layers in the order of ``model.named_modules()``.

    Raises:
        ValueError: the model has none, or one is not a plain, materialized parameter.
    """
    weights = []
    for prefix, module in model.named_modules():
        if isinstance(module, Plain):
            weights.append(_plain(prefix, module))
        elif isinstance(module, nn.MultiheadAttention):
            weights.extend(_attention(prefix, module))
        elif isinstance(module, RECURRENT):
            weights.extend(_recurrent(prefix, module))
    if not weights:
        raise ValueError(
            "model: expected at least 1 linear, convolutional, recurrent or attention layer, "
            f"got {type(model).__name__} without one"
        )
    return weights


def _parameter(prefix: str, module: nn.Module, name: str) -> tuple[str, nn.Parameter]:
    """Return a weight with its name in the model."""
    full = f"{prefix}.{name}".lstrip(".")
    parameter = module._parameters.get(name)
    if parameter is None:
        raise ValueError(
            f"{full}: expected a plain parameter, got one computed from others (parametrized or "
            f"pruned); initialize the model before that"
        )
    if is_lazy(parameter) or parameter.is_meta:
        raise ValueError(f"{full}: expected a parameter with values, got none; run a batch first")
    return full, parameter


def _plain(prefix: str, module: nn.Module) -> LayerWeight:
    name, weight = _parameter(prefix, module, "weight")
    groups = int(getattr(module, "groups", 1))
    kernel, stride = weight.shape[2:], getattr(module, "stride", ())
    connected = weight.shape[1] * math.prod(kernel)
    # With a stride of s, a kernel of k meets each place of the larger image k / s times.
    met = math.prod(max(1.0, k / s) for k, s in zip(kernel, stride, strict=True))
    fans = (connected, weight.shape[0] // groups * met)
    bound = torch_bound(connected)  # PyTorch's fan, also where the layer is transposed
    still = isinstance(module, NonDynamicallyQuantizableLinear)  # the output of an attention layer
    bounds = (bound, 0.0 if still else bound)
    fan_in, fan_out = reversed(fans) if isinstance(module, TRANSPOSED) else fans
    bias = module._parameters["bias"]
    return LayerWeight(name, module, weight, bias, groups, fan_in, fan_out, bounds)


def _recurrent(prefix: str, module: nn.Module) -> Iterator[LayerWeight]:
    hidden: Any = module.hidden_size
    bound = torch_bound(hidden)
    # The names of the weights outlive a parametrization, under which they are no parameters.
    names = [name for group in getattr(module, "_all_weights", ()) for name in group]
    for name in names or ["weight_ih", "weight_hh"]:
        if name.startswith("weight"):
            full, weight = _parameter(prefix, module, name)
            bias = module._parameters.get(name.replace("weight", "bias"))
            rows, columns = weight.shape
            gates = max(1, rows // hidden)  # an LSTM's projection has fewer rows
            fans = (columns, rows // gates)
            yield LayerWeight(full, module, weight, bias, gates, *fans, (bound, bound))


def _attention(prefix: str, module: nn.MultiheadAttention) -> Iterator[LayerWeight]:
    """Yield the projections to queries, keys and values; the output is a linear layer itself."""
    whole = module._qkv_same_embed_dim
    names = ["in_proj_weight"] if whole else ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    for name in names:
        full, weight = _parameter(prefix, module, name)
        bias = module._parameters["in_proj_bias"] if whole else None
        rows, columns = weight.shape
        blocks = 3 if whole else 1
        bounds = (xavier_bound(columns, rows), 0.0)
        yield LayerWeight(full, module, weight, bias, blocks, columns, rows // blocks, bounds)
