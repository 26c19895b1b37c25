"""Put one tensor into a layer's running statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from firstlight.probe.layers import Layer
from firstlight.probe.sums import OPEN, Sums, arranged


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
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)  # type: ignore[attr-defined]
    )


def measure(layer: Layer, x: Tensor, axis: int) -> None:
    """Add a layer's output to its statistics."""
    numbers = arranged(x, axis)
    places = layer.saturation
    bounds = OPEN if places is None else (places.low, places.high)
    layer.outputs, numbers = _matching(layer.outputs, numbers)
    layer.outputs.add(numbers, bounds)
    layer.samples += x.shape[0] if x.ndim + axis > 0 else 1


def measure_input(layer: Layer, x: Tensor, axis: int) -> None:
    """Add an activation's input to its statistics, and count the saturated values."""
    if layer.saturation is None:
        return
    layer.inputs, numbers = _matching(layer.inputs, arranged(x, axis))
    layer.inputs.add(numbers)
    layer.inputs.add_saturated(numbers, layer.saturation.bands)


def measure_gradient(layer: Layer, gradient: Tensor, axis: int) -> None:
    """Add the loss's derivatives by a layer's output to its statistics."""
    if _can_be_measured(gradient):
        layer.gradients, numbers = _matching(layer.gradients, arranged(gradient, axis))
        layer.gradients.add(numbers)


def _matching(sums: Sums | None, numbers: Tensor) -> tuple[Sums, Tensor]:
    """Return statistics for as many units as there are; all as one where their number varies."""
    if sums is None:
        return Sums(numbers.shape[1], numbers.device), numbers
    if sums.units == numbers.shape[1]:
        return sums, numbers
    if sums.units != 1:
        sums = sums.as_one_unit()
    return sums, numbers.reshape(-1, 1, 1)
