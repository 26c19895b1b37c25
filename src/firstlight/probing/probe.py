"""The probe: hooks that measure every layer while a model runs, and leave it as it was."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module
from torch.overrides import _get_current_function_mode

from firstlight.probing.layers import Layer, default_axis, find
from firstlight.probing.listening import Functions, may_call_functions, may_fuse, own_parameters, recomputing
from firstlight.probing.measure import count, first_tensor, measure, measure_gradient, measure_input
from firstlight.probing.parameters import ParameterWatch, gradients_due
from firstlight.probing.report import Report

_FUSED = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)
"""Modules that PyTorch may compute in one fused operation, unless somebody listens to functions."""

_SHAPES = 1_000
"""Shapes of outputs remembered, within one forward pass."""


class Probe(Report):
    """A context manager that measures a model; made by ``probe``.

    Attributes:
        layers: name → what is known of the layer, in the order in which they first ran.
        notes: what could not be measured, and why.
        forwards: forward passes of the whole model that ended, measured or not.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        threshold: float,
        functional: bool,
        gradients: bool,
        every: int,
        axes: Mapping[str, int],
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        if not 0 < threshold < 0.25:
            raise ValueError(f"saturation: expected a threshold in (0, 0.25), got {threshold}")
        self._model, self._threshold, self._every = model, threshold, every
        self._axes, self._with_gradients = dict(axes), gradients
        self._known = find(model, threshold)
        super().__init__(list(self._known.values()))
        self._names = {module: name for name, module in model.named_modules()}
        self._fusible = {module for module in self._names if isinstance(module, _FUSED)}
        self._parameters = ParameterWatch(list(self._known.values()), optimizer, gradients)
        listen = functional and any(may_call_functions(module) for module in self._names)
        self._mode = Functions(self._function) if listen else None
        self._functions: dict[tuple[nn.Module, str, int], Layer] = {}
        self._hooks: dict[tuple[Layer, int], Callable[[Tensor], None]] = {}
        self.forwards = 0
        self._handles: list[Any] = []
        self._reset()

    def _reset(self) -> None:
        self._stack: list[tuple[nn.Module, dict[str, int]]] = []
        self._shapes: dict[tuple[int, ...], int] = {}
        self._listening, self._fused, self._active, self._hung = False, 0, True, False
        self._due = self._parameters.due = True

    def __enter__(self) -> Self:
        if self._handles:
            raise RuntimeError("probe: expected to be entered once at a time, it is open already")
        try:
            if self._mode is not None or any(v.by_input for v in self._known.values()):
                self._handles.append(nn_module.register_module_forward_pre_hook(self._before))
            self._handles.append(nn_module.register_module_forward_hook(self._after))
            self._parameters.open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._unlisten()
        while self._handles:
            self._handles.pop().remove()
        self._parameters.close()
        self._reset()

    def _listen(self) -> None:
        if self._mode is not None and not self._listening:
            self._mode.__enter__()  # type: ignore[no-untyped-call]
            self._listening = True

    def _unlisten(self) -> None:
        """Stop listening to functions, unless another listener came after and would be stopped."""
        mode = self._mode
        if mode is None or not self._listening:
            return
        if _get_current_function_mode() is mode:  # type: ignore[no-untyped-call]
            mode.__exit__(None, None, None)
            self._listening = False

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Note that a module of the model begins, and measure its input where that is needed."""
        if module not in self._names or recomputing():
            return
        if module is self._model:
            self._stack.clear()
            self._fused = 0
        if not self._stack and self._active:
            self._listen()
        self._stack.append((module, {}))
        if module in self._fusible and may_fuse(module):
            self._fused += 1
            self._unlisten()
        layer = self._known.get(module)
        if layer is not None and layer.by_input and self._active:
            x = first_tensor(args)
            if x is not None:
                with torch._C.DisableTorchFunction():
                    measure_input(layer, x, self._axis(layer, x))

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Measure what a module of the model returns."""
        if module not in self._names or not self._handles:
            return
        again = recomputing()
        if not again and self._stack:
            self._leave(module)
        layer = self._known.get(module)
        if layer is not None and self._active:
            with torch._C.DisableTorchFunction():
                self._measure(layer, output, again)
        if not again and (module is self._model or len(self._shapes) > _SHAPES):
            self._shapes.clear()
        if module is self._model and not again:
            if not self._hung:
                self._parameters.hook_those_apart(self._called.values())
                self._hung = True
            self.forwards += 1
            self._active = self.forwards % self._every == 0
            self._due = self._parameters.due = gradients_due(self.forwards // self._every)

    def _leave(self, module: nn.Module) -> None:
        """Go back to the module around this one."""
        while self._stack and self._stack.pop()[0] is not module:
            pass  # a module that ended with an exception which the model caught
        if module in self._fusible and may_fuse(module):
            self._fused = max(0, self._fused - 1)
            self._note(
                f"{self._names[module] or '(model)'}: PyTorch may have run it as one fused "
                f"operation; layers inside it without calls were then not seen"
            )
            if self._fused == 0 and self._active:
                self._listen()
        if not self._stack:
            self._unlisten()

    def _measure(self, layer: Layer, output: Any, recomputing: bool = False) -> None:
        """Measure a layer's output, and have its gradient measured."""
        x, sums = output, layer.outputs
        if sums is not None and not recomputing and sums.add_again(x):
            axis = sums.like[1]  # type: ignore[index]  # what was like it had an axis
            count(layer, x, axis)
        else:
            x = first_tensor(output)
            if x is None:
                self._note(f"{layer.name}: returned no dense tensor of real numbers")
                return
            axis = self._axis(layer, x)
            if not recomputing:
                self._called.setdefault(layer.name, layer)
                measure(layer, x, axis)
        if layer.parameters:
            self._shapes[x.shape] = axis
            if self._with_gradients and self._due and x.requires_grad and not x.is_leaf:
                hook = self._hooks.get((layer, axis))
                x.register_hook(hook or self._gradient_hook(layer, axis))

    def _gradient_hook(self, layer: Layer, axis: int) -> Callable[[Tensor], None]:
        handles, touch = self._handles, self._parameters.touch

        def hook(gradient: Tensor) -> None:
            if handles:
                sums = layer.gradients
                if sums is None or not sums.add_again(gradient):
                    measure_gradient(layer, gradient, axis)
                touch(layer)

        self._hooks[layer, axis] = hook
        return hook

    def _axis(self, layer: Layer, x: Tensor) -> int:
        """Return where the units of ``x`` lie, counted from the end."""
        shape = x.shape
        axis = self._axes.get(layer.name, layer.axis)
        if axis is None:
            axis = self._shapes.get(shape)
        if axis is not None:
            axis = axis - x.ndim if axis >= 0 else axis
            if -x.ndim <= axis < 0:
                return axis
        return default_axis(shape)

    def _function(self, kind: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call an activation function and measure it, if a module of the model called it."""
        inside = bool(self._stack) and self._active and not recomputing()
        if not inside or self._is_activation(self._stack[-1][0]):
            return func(*args, **kwargs)
        layer = self._function_layer(kind, args, kwargs)
        if layer.by_input:
            x = first_tensor(args) if args else first_tensor(kwargs)
            if x is not None:
                measure_input(layer, x, self._axis(layer, x))
        output = func(*args, **kwargs)
        self._measure(layer, output)
        return output

    def _is_activation(self, module: nn.Module) -> bool:
        layer = self._known.get(module)
        return layer is not None and layer.activation is not None

    def _function_layer(self, kind: str, args: Any, kwargs: dict[str, Any]) -> Layer:
        module, counts = self._stack[-1]
        counts[kind] = number = counts.get(kind, 0) + 1
        layer = self._functions.get((module, kind, number))
        if layer is None:
            outer = self._names[module]
            name = f"{outer}.{kind}#{number}" if outer else f"{kind}#{number}"
            layer = self._functions[module, kind, number] = Layer(name, kind)
            layer.activates(kind, self._threshold, **own_parameters(kind, args, kwargs))
        return layer

    def step(self) -> None:
        """Compare the parameters with those at the last call: one update.

        For training without an optimizer given to ``probe``: call it once before the first update,
        which only takes a copy of the parameters, and then after each.
        """
        self._parameters.step()
