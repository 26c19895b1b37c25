"""Gradients and updates of a model's parameters, measured by hooks that are taken away again."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from firstlight.probing import kernel
from firstlight.probing.layers import Layer
from firstlight.torch_private import disable_torch_function

ALL_GRADIENTS = 64
"""Gradients are measured after this many forward passes, and then after about every second one."""

# Looked up for every parameter in every pass.
_SINGLE, _STRIDED = torch.float32, torch.strided


def gradients_due(forwards: int) -> bool:
    """Say whether the gradients of a forward pass are measured, by its number from 0.

    After ``ALL_GRADIENTS`` it is every second pass in the long run, in an order without a period,
    since what trains a model may have one.

    Example:
        >>> [number for number in range(72) if gradients_due(number)][64:]
        [64, 66, 69, 71]
    """
    return forwards < ALL_GRADIENTS or bool(forwards * 2_654_435_769 >> 31 & 1)


class ParameterWatch:
    """Adds up gradient norms, and update-to-weight ratios at an optimizer's steps.

    Args:
        layers: whose parameters are watched; a tied parameter counts in each of its layers.
        optimizer: whose steps are watched, if any.
    """

    def __init__(self, layers: list[Layer], optimizer: torch.optim.Optimizer | None) -> None:
        self._layers, self._optimizer = layers, optimizer
        self._handles: list[Any] = []
        self._hooks: dict[Layer, list[_GradientHook]] = {}
        self._before: dict[int, Tensor] = {}

    def open(self) -> None:
        """Watch the optimizer's steps, if there is one."""
        if self._optimizer is not None:
            pre, post = (lambda *_: self._copy()), (lambda *_: self.step())
            self._handles.append(self._optimizer.register_step_pre_hook(pre))
            self._handles.append(self._optimizer.register_step_post_hook(post))

    def close(self) -> None:
        """Take the hooks away and forget the copies of the parameters."""
        while self._handles:
            self._handles.pop().remove()
        self._hooks.clear()
        self._before.clear()

    def expect(self, layer: Layer) -> None:
        """Have the next gradient of each of a layer's parameters measured.

        Hooks are registered when they are first needed: then a lazy module has its parameters.
        """
        hooks = self._hooks.get(layer)
        if hooks is None:
            hooks = self._hooks[layer] = [_GradientHook(layer, name) for name in layer.parameters]
        for hook in hooks:
            hook.expecting = True
            if hook.registered:
                continue
            value = layer.parameters[hook.name]
            if value.requires_grad and not is_lazy(value):  # a frozen one may be unfrozen later
                handle = value.register_post_accumulate_grad_hook(hook.measure)  # type: ignore[no-untyped-call]  # PyTorch leaves it so
                self._handles.append(handle)
                hook.registered = True

    def _copy(self) -> None:
        with disable_torch_function():
            for value in (v for layer in self._layers for v in layer.parameters.values()):
                if not is_lazy(value):
                    self._before[id(value)] = value.detach().clone()

    def step(self) -> None:
        """Compare the parameters with the copy, if there is one, and add up the ratios."""
        with disable_torch_function():
            for layer in self._layers:
                change = size = 0.0
                for value in layer.parameters.values():
                    before = self._before.get(id(value))
                    if before is not None and before.shape == value.shape:
                        change += _square(value.detach() - before)
                        size += _square(before)
                if size > 0:
                    layer.add_update(math.sqrt(change / size))
        if self._optimizer is None:
            self._copy()
        else:
            self._before.clear()


class _GradientHook:
    """Measures a parameter's gradient after a backward pass, if it is expected to."""

    __slots__ = ("expecting", "layer", "name", "registered")

    def __init__(self, layer: Layer, name: str) -> None:
        self.layer, self.name = layer, name
        self.expecting = self.registered = False

    def measure(self, value: Tensor) -> None:
        if not self.expecting:
            return
        self.expecting = False
        gradient = value.grad
        if gradient is not None:  # else a hook before this one has taken it already
            self.layer.add_parameter_gradient(self.name, _square(gradient))


def _square(x: Tensor) -> Any:
    """Return the sum of squares: a number, or on a device a tensor that is not waited for."""
    if x.dtype is _SINGLE and x.is_cpu and x.layout is _STRIDED and x.is_contiguous():
        return kernel.compiled(kernel.square_sum)(x.data_ptr(), x.numel())
    if x.is_sparse:
        x = x.coalesce().values()
    if x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    square = torch.linalg.vector_norm(x, dtype=torch.float64) ** 2
    return float(square) if x.is_cpu else square
