"""Put one tensor into a layer's running statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from firstlight.probing.layers import Layer
from firstlight.probing.statistics import OPEN, Bounds, Sums, arranged


def first_tensor(value: Any) -> Tensor | None:
    """Return the first dense tensor of real numbers in a value, tuple, list or dictionary."""
    if isinstance(value, Tensor):
        return value if _can_be_measured(value) else None
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        parts = value
    return next((x for part in parts if (x := first_tensor(part)) is not None), None)


def _can_be_measured(x: Tensor) -> bool:
    return (
        x.is_floating_point()
        and x.layout is torch.strided
        and not x.is_nested
        and x.device.type != "meta"
        and type(x).__torch_dispatch__ is Tensor.__torch_dispatch__
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
    )


def measure(layer: Layer, x: Tensor, axis: int) -> None:
    """Add a layer's output to its statistics."""
    layer.outputs = _added(layer.outputs, x, axis, layer.bounds)
    count(layer, x, axis)


def count(layer: Layer, x: Tensor, axis: int) -> None:
    """Count a call, and its samples: the length of the first axis, unless that is the units'."""
    layer.calls += 1
    layer.samples += x.shape[0] if x.ndim + axis > 0 else 1


def measure_input(layer: Layer, x: Tensor, axis: int) -> None:
    """Add an activation's input to its statistics, and count the saturated values."""
    if layer.saturation is None:
        return
    layer.inputs = _added(layer.inputs, x, axis, OPEN)
    numbers = arranged(x, axis)
    if layer.inputs.units != numbers.shape[1]:
        numbers = numbers.reshape(-1, 1, 1)
    layer.inputs.add_saturated(numbers, layer.saturation.bands)


def measure_gradient(layer: Layer, gradient: Tensor, axis: int) -> None:
    """Add the loss's derivatives by a layer's output to its statistics.

    Of long rows one in several is taken: derivatives are not counted, only averaged, and are as
    many again as the outputs.
    """
    if _can_be_measured(gradient):
        layer.gradients = _added(layer.gradients, gradient, axis, OPEN, thin=True)


def _added(sums: Sums | None, x: Tensor, axis: int, bounds: Bounds, *, thin: bool = False) -> Sums:
    """Return statistics with a tensor added; all units as one where their number varies."""
    numbers = arranged(x, axis)
    if sums is None:
        sums = Sums(numbers.shape[1], numbers.device, thin=thin)
    elif sums.units != numbers.shape[1]:
        sums = sums if sums.units == 1 else sums.as_one_unit()
        numbers = numbers.reshape(-1, 1, 1)
    sums.add(numbers, bounds)
    sums.remember(x, axis)
    return sums
