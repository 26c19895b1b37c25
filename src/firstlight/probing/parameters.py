"""Gradients and updates of a model's parameters, and hooks that are taken away again."""

import math
from collections.abc import Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from firstlight.probing import kernel
from firstlight.probing.layers import Layer

_SINGLE, _STRIDED = torch.float32, torch.strided


ALL_GRADIENTS = 64
"""Gradients are measured after so many forward passes, and then after about every second one."""


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
        gradients: whether gradients are watched.

    Attributes:
        due: whether the gradients of the present pass are measured.
    """

    def __init__(
        self, layers: list[Layer], optimizer: torch.optim.Optimizer | None, gradients: bool
    ) -> None:
        self._layers, self._optimizer, self._gradients = layers, optimizer, gradients
        self._handles: list[Any] = []
        self._hooked: list[Tensor] = []
        self._before: dict[int, Tensor] = {}
        self._touched: dict[Layer, None] = {}
        self._pass = -1
        self.due = True

    def open(self) -> None:
        """Watch the optimizer's steps, if there is one."""
        self._touched.clear()
        if self._optimizer is not None:
            pre, post = (lambda *_: self._keep()), (lambda *_: self.step())
            self._handles.append(self._optimizer.register_step_pre_hook(pre))
            self._handles.append(self._optimizer.register_step_post_hook(post))

    def touch(self, layer: Layer) -> None:
        """Note, in a backward pass, that it went through a layer; its gradients are read at the end.

        One look at the end costs far less than a hook for each parameter.
        """
        self._touched[layer] = None
        current = torch._C._current_graph_task_id()
        if current != self._pass:
            self._pass = current
            torch.autograd.Variable._execution_engine.queue_callback(self._collect)

    def _collect(self) -> None:
        for layer in self._touched:
            for name, value in layer.parameters.items():
                if value.grad is not None:
                    layer.add_gradient(name, _square(value.grad))
        self._touched.clear()
        self._pass = -1

    def hook_those_apart(self, ran: Collection[Layer]) -> None:
        """Hang a hook on each layer that does not run as a module, but whose parameters may be used.

        It tells that a backward pass went through the layer.
        """
        for layer in self._layers if self._gradients else ():
            wanted = [v for v in layer.parameters.values() if v.requires_grad and not is_lazy(v)]
            if layer in ran or not wanted:
                continue
            value = max(wanted, key=lambda v: v.ndim)  # the weight: a bias may go unused
            if value._backward_hooks is None:
                self._hooked.append(value)
            touch: Any = partial(self._touch_from, layer)
            self._handles.append(value.register_hook(touch))  # type: ignore[no-untyped-call]

    def _touch_from(self, layer: Layer, gradient: Tensor) -> None:
        if self.due:
            self.touch(layer)

    def close(self) -> None:
        """Take the hooks away and forget the copies of the parameters."""
        while self._handles:
            self._handles.pop().remove()
        while self._hooked:
            value = self._hooked.pop()
            if not value._backward_hooks:
                value._backward_hooks = None  # PyTorch leaves an empty dictionary behind
        self._before.clear()

    def _tensors(self) -> list[Tensor]:
        return [v for layer in self._layers for v in layer.parameters.values() if not is_lazy(v)]

    def _keep(self) -> None:
        with torch._C.DisableTorchFunction():
            for value in self._tensors():
                self._before[id(value)] = value.detach().clone()

    def step(self) -> None:
        """Compare the parameters with the copy, if there is one, and add up the ratios."""
        with torch._C.DisableTorchFunction():
            for layer in self._layers:
                self._compare(layer)
        if self._optimizer is None:
            self._keep()
        else:
            self._before.clear()

    def _compare(self, layer: Layer) -> None:
        change = size = 0.0
        for value in layer.parameters.values():
            before = self._before.get(id(value))
            if before is not None and before.shape == value.shape:
                change += _square(value.detach() - before)
                size += _square(before)
        if size > 0:
            layer.update += math.sqrt(change / size)
            layer.updates += 1


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
