"""The probe: hooks that measure every layer while a model runs, and leave it as it was."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module
from torch.utils.module_tracker import ModuleTracker

from firstlight.probing.activations import PARAMETERS, FunctionMode, may_call_functions
from firstlight.probing.layers import Layer, Row, find_layers, first_tensor
from firstlight.probing.parameters import ParameterWatch, gradients_due
from firstlight.torch_private import current_function_mode, disable_torch_function

_FUSED = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)
"""Modules that PyTorch may compute in one fused operation, unless a ``FunctionMode`` is active."""

_SHAPES = 1_000
"""Shapes of outputs remembered, within one forward pass."""

_tracker = ModuleTracker()
"""Never entered: only asked ``is_bw``, whether a backward pass is running.

A forward pass from within a backward pass is a second one, of a checkpoint.
"""


def probe(
    model: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    saturation: float = 0.05,
    functional: bool = True,
    gradients: bool = True,
    every: int = 1,
    axes: Mapping[str, int] | None = None,
) -> "Probe":
    """Measure every layer of a model while it runs forward and backward as usual.

    For each layer and unit, over any number of batches: mean, standard deviation, share of zeros,
    share of saturated values (|φ′| <= threshold, from the activation's own derivative), all exact,
    and a sketch of quantiles from a fixed stride through the numbers. Z-values are the outputs of
    layers with weights; activations are the outputs of activation modules and functions. The
    derivatives of the loss by the Z-values and by the parameters are measured for layers with
    parameters, in the first 64 passes and then in about every second. A ReLU unit is dead when it
    is zero on all data seen. No activations are kept, and what is kept has a fixed size. The
    model's results, parameters, buffers, gradients, hooks, modes and the random state are bit for
    bit what they are without a probe, also when the block ends with an exception.

    Units are the last axis for dense, recurrent and attention layers, the channels for
    convolutions; other layers follow the layer before them with outputs of the same shape. Of
    several outputs the first tensor is measured. Where PyTorch takes its fused path through a
    transformer in evaluation, it still does, and the inner layers are not seen: see ``notes``. The
    same holds inside scripted modules.

    Args:
        model: any module; not compiled.
        optimizer: if given, the ratio of update to weights is measured at each of its steps.
        saturation: threshold of |φ′|, between 0 and 0.25.
        functional: measure activations that are called as functions, e.g. ``torch.tanh(x)``; they
            are named after the module around them, e.g. ``features.tanh#1``.
        gradients: measure gradients of Z-values and of parameters.
        every: measure only every ``every``-th forward pass of the model, from the first.
        axes: layer → axis of its units, where the rule above is wrong.

    Returns:
        A context manager that measures while it is open, and can be read at any time.

    Raises:
        ValueError: ``saturation`` or ``every`` is outside its range.
        TypeError: ``model`` is not a module.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        >>> with torch.no_grad():
        ...     _ = model[0].weight.zero_(), model[0].bias.copy_(torch.tensor([1.0, -1.0]))
        >>> with probe(model) as p:
        ...     _ = model(torch.ones(8, 3))
        >>> p.table()[1]["layer"], p.table()[1]["dead_units"]
        ('1', 1)
    """
    return Probe(model, optimizer, saturation, functional, gradients, every, axes or {})


class Probe:
    """A context manager that measures a model; made by ``probe``, which describes the arguments.

    Attributes:
        notes: what could not be measured, and why.
        forwards: forward passes of the whole model that ended, measured or not.

    Raises:
        ValueError: ``saturation`` or ``every`` is outside its range.
        TypeError: ``model`` is not a module.
        RuntimeError: it is entered while it is open.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> with probe(model) as p:
        ...     model(torch.ones(8, 3)).sum().backward()
        >>> p.forwards, p.layers["(model)"].samples
        (1, 8)
        >>> [round(float(mean), 1) for mean in p.layers["(model)"].gradients.mean]
        [1.0, 1.0]
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        saturation: float,
        functional: bool,
        gradients: bool,
        every: int,
        axes: Mapping[str, int],
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        if not 0 < saturation < 0.25:
            raise ValueError(f"saturation: expected a threshold in (0, 0.25), got {saturation}")
        self._model, self._threshold, self._every = model, saturation, every
        self._axes, self._gradients = dict(axes), gradients
        self._layers = find_layers(model, saturation)
        self._called: dict[str, Layer] = {}
        self._names = {module: name for name, module in model.named_modules()}
        self._fusible = {module for module in self._names if isinstance(module, _FUSED)}
        self._parameters = ParameterWatch(list(self._layers.values()), optimizer)
        called = functional and any(may_call_functions(module) for module in self._names)
        self._mode = FunctionMode(self._function) if called else None
        self._functions: dict[tuple[nn.Module, str, int], Layer] = {}
        self._hooks: dict[tuple[Layer, int], Callable[[Tensor], None]] = {}
        self._handles: list[Any] = []
        self.notes: list[str] = []
        self.forwards = 0
        self._reset()

    def _reset(self) -> None:
        self._running: list[tuple[nn.Module, dict[str, int]]] = []
        """Modules that have begun and not ended, and how often each called an activation."""
        self._axis_of_shape: dict[tuple[int, ...], int] = {}
        self._mode_active, self._fused_depth = False, 0
        self._measuring = self._gradients_due = True
        self._not_called: list[Layer] | None = None
        """Layers with parameters that did not run as modules in the first pass: functions used them."""

    def __enter__(self) -> Self:
        if self._handles:
            raise RuntimeError("probe: expected to be entered once at a time, it is open already")
        try:
            if self._mode is not None or any(layer.by_input for layer in self._layers.values()):
                before = nn_module.register_module_forward_pre_hook(self._before_module)
                self._handles.append(before)
            self._handles.append(nn_module.register_module_forward_hook(self._after_module))
            self._parameters.open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave_mode()
        while self._handles:
            self._handles.pop().remove()
        self._parameters.close()
        self._reset()

    @property
    def layers(self) -> dict[str, Layer]:
        """Name → layer: those that ran, in the order of their first run, then the others."""
        return self._called | {layer.name: layer for layer in self._layers.values()}

    def table(self) -> list[Row]:
        """Return one row a layer; None where a quantity does not apply or nothing was seen.

        ``mean``, ``std``, ``zero`` and ``saturated`` are those of all the layer's outputs taken
        together; ``dead_units`` counts units that were zero on all data seen; ``gradient_norm`` is
        the root mean square over backward passes of the norm of the parameters' gradient;
        ``update_ratio`` the mean of ‖update‖ / ‖parameters‖; ``tied_to`` the first layer that holds
        the same parameter.
        """
        return [layer.row() for layer in self.layers.values()]

    def weights(self) -> list[Row]:
        """Return one row a parameter as it is now: size, mean, std, zero and quantiles."""
        return [row for layer in self._layers.values() for row in layer.weight_rows()]

    def step(self) -> None:
        """Compare the parameters with those at the last call: one update.

        For training without an optimizer given to ``probe``: call it once before the first update,
        which only takes a copy of the parameters, and then after each.
        """
        self._parameters.step()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _enter_mode(self) -> None:
        if self._mode is not None and not self._mode_active:
            self._mode.__enter__()  # type: ignore[no-untyped-call]  # PyTorch leaves it so
            self._mode_active = True

    def _leave_mode(self) -> None:
        """Leave the mode, unless another was entered since: that one would be left in its place."""
        if self._mode is not None and self._mode_active and current_function_mode() is self._mode:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # likewise
            self._mode_active = False

    def _before_module(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Note that a module of the model begins, and measure its input where that is needed."""
        if module not in self._names or _tracker.is_bw:
            return
        if module is self._model:
            self._running.clear()
            self._fused_depth = 0
        if not self._running and self._measuring:
            self._enter_mode()
        self._running.append((module, {}))
        if module in self._fusible and _may_fuse(module):
            self._fused_depth += 1
            self._leave_mode()
        layer = self._layers.get(module)
        if layer is not None and layer.by_input and self._measuring:
            with disable_torch_function():
                self._measure_input(layer, args)

    def _after_module(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Measure what a module of the model returns."""
        if module not in self._names or not self._handles:
            return
        recomputing = _tracker.is_bw
        if not recomputing and self._running:
            self._end_module(module)
        layer = self._layers.get(module)
        if layer is not None and self._measuring:
            with disable_torch_function():
                self._measure_output(layer, output, recomputing)
        if recomputing:
            return
        if module is self._model or len(self._axis_of_shape) > _SHAPES:
            self._axis_of_shape.clear()
        if module is self._model:
            self._end_pass()

    def _end_module(self, module: nn.Module) -> None:
        """Go back to the module around this one."""
        while self._running and self._running.pop()[0] is not module:
            pass  # a module that ended with an exception which the model caught
        if module in self._fusible and _may_fuse(module):
            self._fused_depth = max(0, self._fused_depth - 1)
            self._note(
                f"{self._names[module] or '(model)'}: PyTorch may have run it as one fused "
                f"operation; layers inside it without calls were then not seen"
            )
            if self._fused_depth == 0 and self._measuring:
                self._enter_mode()
        if not self._running:
            self._leave_mode()

    def _end_pass(self) -> None:
        """Count a forward pass of the whole model, and decide what is measured in the next."""
        if self._not_called is None:
            ran, held = set(self._called.values()), self._layers.values()
            self._not_called = [layer for layer in held if layer.parameters and layer not in ran]
        if self._gradients and self._measuring and self._gradients_due:
            for layer in self._not_called:
                self._parameters.expect(layer)
        self.forwards += 1
        self._measuring = self.forwards % self._every == 0
        self._gradients_due = gradients_due(self.forwards // self._every)

    def _measure_input(self, layer: Layer, value: Any) -> None:
        x = first_tensor(value)
        if x is not None:
            layer.measure_input(x, self._axis(layer, x))

    def _measure_output(self, layer: Layer, output: Any, recomputing: bool = False) -> None:
        """Measure a layer's output, and have its gradient measured."""
        x, axis = output, None
        if layer.outputs is not None and not recomputing:
            axis = layer.outputs.add_if_alike(x)
        if axis is not None:
            layer.count(x, axis)
        else:
            x = first_tensor(output)
            if x is None:
                self._note(f"{layer.name}: returned no dense tensor of real numbers")
                return
            axis = self._axis(layer, x)
            if not recomputing:
                self._called.setdefault(layer.name, layer)
                layer.measure_output(x, axis)
        if layer.parameters:
            self._axis_of_shape[x.shape] = axis
            if self._gradients and self._gradients_due and x.requires_grad and not x.is_leaf:
                hook = self._hooks.get((layer, axis))
                x.register_hook(hook or self._gradient_hook(layer, axis))

    def _gradient_hook(self, layer: Layer, axis: int) -> Callable[[Tensor], None]:
        handles, expect = self._handles, self._parameters.expect

        def hook(gradient: Tensor) -> None:
            if handles:  # else the probe was closed before the backward pass
                layer.measure_gradient(gradient, axis)
                expect(layer)

        self._hooks[layer, axis] = hook
        return hook

    def _axis(self, layer: Layer, x: Tensor) -> int:
        """Return where the units of ``x`` lie, counted from the end."""
        axis = self._axes.get(layer.name, layer.axis)
        if axis is None:
            axis = self._axis_of_shape.get(x.shape)
        if axis is not None:
            axis = axis - x.ndim if axis >= 0 else axis
            if -x.ndim <= axis < 0:
                return axis
        # Where nothing is known: last, or after the batch of images or volumes.
        return -1 if x.ndim < 4 else 1 - x.ndim

    def _function(self, kind: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call an activation function and measure it, if a module of the model called it."""
        if not self._running or not self._measuring or _tracker.is_bw:
            return func(*args, **kwargs)
        around = self._layers.get(self._running[-1][0])
        if around is not None and around.activation is not None:
            return func(*args, **kwargs)  # the module itself is measured
        layer = self._function_layer(kind, args, kwargs)
        if layer.by_input:
            self._measure_input(layer, args or kwargs)
        output = func(*args, **kwargs)
        self._measure_output(layer, output)
        return output

    def _function_layer(self, kind: str, args: Any, kwargs: dict[str, Any]) -> Layer:
        module, counts = self._running[-1]
        counts[kind] = number = counts.get(kind, 0) + 1
        layer = self._functions.get((module, kind, number))
        if layer is None:
            outer = self._names[module]
            name = f"{outer}.{kind}#{number}" if outer else f"{kind}#{number}"
            layer = self._functions[module, kind, number] = Layer(name, kind)
            names = PARAMETERS.get(kind, ())
            given = dict(zip(names, args[1:], strict=False)) | kwargs
            own = {name: float(given[name]) for name in names if name in given}
            layer.set_activation(kind, self._threshold, **own)
        return layer


def _may_fuse(module: nn.Module) -> bool:
    """Say whether PyTorch may take its fused path through a module that has one."""
    if module.training:
        return False
    return not (torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters()))
