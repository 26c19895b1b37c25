"""Gradients and updates of a model's parameters, and hooks that are taken away again."""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from firstlight.probe import kernel
from firstlight.probe.layers import Layer


class ParameterWatch:
    """Adds up gradient norms, and update-to-weight ratios at an optimizer's steps.

    Args:
        layers: whose parameters are watched; a tied parameter counts in each of its layers.
        optimizer: whose steps are watched, if any.
        gradients: whether gradients are watched.
    """

    def __init__(
        self, layers: list[Layer], optimizer: torch.optim.Optimizer | None, gradients: bool
    ) -> None:
        self._layers, self._optimizer, self._gradients = layers, optimizer, gradients
        self._handles: list[Any] = []
        self._hooked: list[Tensor] = []
        self._before: dict[int, Tensor] = {}
        self._touched: dict[Layer, None] = {}
        self._apart: set[Layer] = set()
        self._pass = -1

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
        if layer in self._apart:
            return
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
        """Hang hooks on the parameters of layers that do not run as modules, but may be used."""
        users: dict[int, list[tuple[Layer, str]]] = {}
        tensors: dict[int, Tensor] = {}
        for layer in self._layers if self._gradients else ():
            for name, value in layer.parameters.items():
                if layer not in ran and value.requires_grad and not is_lazy(value):
                    self._apart.add(layer)
                    tensors[id(value)] = value
                    users.setdefault(id(value), []).append((layer, name))
        for key, value in tensors.items():
            if value._backward_hooks is None:
                self._hooked.append(value)
            hook = _gradient_hook(users[key])
            self._handles.append(value.register_hook(hook))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Take the hooks away and forget the copies of the parameters."""
        while self._handles:
            self._handles.pop().remove()
        while self._hooked:
            value = self._hooked.pop()
            if not value._backward_hooks:
                value._backward_hooks = None  # PyTorch leaves an empty dictionary behind
        self._before.clear()
        self._apart.clear()

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


def _gradient_hook(users: list[tuple[Layer, str]]) -> Any:
    def hook(gradient: Tensor) -> None:
        square = _square(gradient)
        for layer, name in users:
            layer.add_gradient(name, square)

    return hook


def _square(x: Tensor) -> Any:
    """Return the sum of squares: a number, or on a device a tensor that is not waited for."""
    if x.is_cpu and x.dtype is torch.float32 and x.layout is torch.strided:
        return kernel.square_sum(x.detach().numpy().reshape(-1))
    if x.is_sparse:
        x = x.coalesce().values()
    if x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    if x.device.type != "cpu":
        return torch.linalg.vector_norm(x, dtype=torch.float64) ** 2
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    return kernel.square_sum(x.numpy(force=True).reshape(-1))
