"""The layers of a model: their kinds, parameters and units, and what was measured of each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from firstlight.probing.activations import DYING, KINDS, PARAMETERS, Saturation, saturation
from firstlight.probing.statistics import OPEN, Bounds, RunningStats, arranged
from firstlight.torch_private import is_functorch_wrapped
from firstlight.types import Floats

CONFIDENCE = 0.95
"""Confidence of the bound on a dead unit's firing rate."""

_PASSING = (nn.Identity, nn.Flatten, nn.Unflatten)
"""Modules that hand on the numbers they are given: they are no layers."""


def _kinds(names: str, dimensions: int) -> list[type[nn.Module]]:
    """Return PyTorch's modules of these names for images of so many dimensions, where it has one."""
    kinds = (getattr(nn, f"{name}{dimensions}d", None) for name in names.split())
    return [kind for kind in kinds if kind is not None]


_WINDOWS = (
    "Conv ConvTranspose AvgPool MaxPool MaxUnpool LPPool "
    "AdaptiveAvgPool AdaptiveMaxPool FractionalMaxPool"
)
_NORMS = "BatchNorm InstanceNorm LazyBatchNorm LazyInstanceNorm"

_AXES: dict[int, tuple[type[nn.Module], ...]] = {
    -1: (
        *(nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.LayerNorm),
        *(nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention),
    ),
    **{-1 - d: tuple(_kinds(_WINDOWS, d)) for d in (1, 2, 3)},
    # Counted from the front, since a batch may lack the positions.
    1: (nn.SyncBatchNorm, nn.GroupNorm, *(k for d in (1, 2, 3) for k in _kinds(_NORMS, d))),
}
"""Axis of the units → modules; of all others it depends on the input."""

Row = dict[str, str | int | float | None]
"""A row of a table: None where a quantity does not apply or nothing was seen."""


class Layer:
    """What a probe knows of one layer.

    Args:
        name: the module's name in the model; of a function, its module's, then kind and number.
        kind: class of the module, or the function's kind.

    Attributes:
        names: every name under which the module stands in the model.
        parameters: name → the layer's own parameters.
        tied_to: first layer that holds one of the same parameters, or None.
        calls: forward passes through it that were measured.
        samples: length of the first axis, added over the calls.
        by_input: whether it is an activation that is not monotone, and so judged by its input.
        outputs: statistics of its outputs: Z-values of a layer with weights, or activations.
        inputs: statistics of its inputs; only of activations that are not monotone.
        gradients: statistics of the loss's derivatives by its outputs, of layers with parameters;
            of rows of 512 numbers or more, from one in two to sixteen; in about every second pass.

    Example:
        >>> from firstlight.probing import probe
        >>> with probe(nn.Sequential(nn.Linear(3, 4), nn.ReLU())) as p:
        ...     for layer in p.layers.values():
        ...         print(layer.name, layer.kind, layer.units, list(layer.parameters))
        0 Linear None ['weight', 'bias']
        1 ReLU None []
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.names = [name]
        self.parameters: dict[str, Tensor] = {}
        self.tied_to: str | None = None
        self.calls = self.samples = 0
        self.activation: str | None = None
        self.saturation: Saturation | None = None
        self.by_input = False
        self.bounds: Bounds = OPEN
        self.axis: int | None = None
        self.outputs: RunningStats | None = None
        self.inputs: RunningStats | None = None
        self.gradients: RunningStats | None = None
        self._squares: dict[str, Tensor | float] = {}
        self._passes: dict[str, int] = {}
        self._update_sum, self._updates = 0.0, 0

    @property
    def units(self) -> int | None:
        """Number of units, or None where none was seen."""
        return None if self.outputs is None else self.outputs.units

    @property
    def dead(self) -> NDArray[np.bool_] | None:
        """Which units were zero on all data seen, shape (units,); None if they cannot be dead."""
        if self.outputs is None or self.activation not in DYING or self.outputs.n == 0:
            return None
        return np.asarray(self.outputs.zero == self.outputs.n)

    @property
    def saturated(self) -> Floats | None:
        """Share of each unit's values where |φ′| is small, shape (units,); of activations only."""
        # An activation that is not monotone is judged by its input.
        stats = self.inputs if self.inputs is not None else self.outputs
        if self.saturation is None or stats is None or stats.n == 0:
            return None
        return np.asarray(stats.saturated / stats.n)

    @property
    def firing_bound(self) -> float:
        """Upper 95 % bound on the share of samples on which a unit found dead does fire.

        1 − 0.05^(1/n) for n independent samples, exact (Clopper and Pearson).
        """
        return 1.0 if self.samples == 0 else -math.expm1(math.log(1 - CONFIDENCE) / self.samples)

    @property
    def gradient_norm(self) -> float | None:
        """Root mean square, over backward passes, of the norm of the parameters' gradient after each.

        Where gradients are not set to zero between passes, that is the gradient as it adds up.
        """
        passes = max(self._passes.values(), default=0)
        if passes == 0:
            return None
        # In the order of the parameters: hooks add the squares in the order of the backward pass.
        squares = (float(self._squares.get(name, 0.0)) for name in self.parameters)
        return math.sqrt(sum(squares) / passes)

    @property
    def update_ratio(self) -> float | None:
        """Mean over the optimizer's steps of ‖change of the parameters‖ / ‖parameters‖."""
        return self._update_sum / self._updates if self._updates else None

    def set_activation(self, kind: str | None, threshold: float, **own: float) -> None:
        """Take the layer for an activation of a kind, with its parameters by PyTorch's names."""
        self.activation = kind
        self.saturation = None if kind is None else saturation(kind, threshold, **own)
        self.by_input = self.saturation is not None and len(self.saturation.bands) > 0
        if self.saturation is not None and not self.by_input:
            self.bounds = self.saturation.low, self.saturation.high

    def measure_output(self, x: Tensor, axis: int) -> None:
        """Add an output to the statistics, and count the call."""
        self.outputs = _added(self.outputs, x, axis, self.bounds)
        self.count(x, axis)

    def count(self, x: Tensor, axis: int) -> None:
        """Count a call, and its samples: the length of the first axis, unless that is the units'."""
        self.calls += 1
        self.samples += x.shape[0] if x.ndim + axis > 0 else 1

    def measure_input(self, x: Tensor, axis: int) -> None:
        """Add an activation's input to the statistics, and count the saturated values."""
        if self.saturation is not None:
            self.inputs = _added(self.inputs, x, axis, bands=self.saturation.bands)

    def measure_gradient(self, gradient: Tensor, axis: int) -> None:
        """Add the loss's derivatives by an output to the statistics.

        Of long rows one in several is taken: derivatives are not counted, only averaged, and there
        are as many of them as of outputs.
        """
        if self.gradients is not None and self.gradients.add_if_alike(gradient) is not None:
            return
        if _can_be_measured(gradient):
            self.gradients = _added(self.gradients, gradient, axis, thin=True)

    def add_parameter_gradient(self, name: str, square: Tensor | float) -> None:
        """Add the sum of squares of a parameter's gradient after a backward pass."""
        self._squares[name] = self._squares.get(name, 0.0) + square
        self._passes[name] = self._passes.get(name, 0) + 1

    def add_update(self, ratio: float) -> None:
        """Add the ratio of an update to the parameters."""
        self._update_sum += ratio
        self._updates += 1

    def row(self) -> Row:
        """Return the layer's row of the table."""
        dead, saturated = self.dead, self.saturated
        return {
            "layer": self.name,
            "kind": self.kind,
            "units": self.units,
            **_moments(self.outputs),
            "saturated": None if saturated is None else float(saturated.mean()),
            "dead_units": None if dead is None else int(dead.sum()),
            "gradient_norm": self.gradient_norm,
            "update_ratio": self.update_ratio,
            "calls": self.calls,
            "tied_to": self.tied_to,
        }

    def weight_rows(self) -> list[Row]:
        """Return one row a parameter as it is now: size, mean, std, zero and quantiles."""
        rows: list[Row] = []
        for name, value in self.parameters.items():
            stats = RunningStats(1, value.device)
            stats.add(value.detach().reshape(-1, 1, 1))
            row: Row = {"layer": self.name, "parameter": name, "size": stats.n, **_moments(stats)}
            for q in (0.05, 0.25, 0.5, 0.75, 0.95):
                row[f"quantile_{q:g}"] = stats.quantile(q) if stats.n else None
            rows.append(row)
        return rows


def _moments(stats: RunningStats | None) -> Row:
    if stats is None or stats.n == 0:
        return dict.fromkeys(("mean", "std", "zero"))
    one = stats.as_one_unit()
    return {"mean": float(one.mean[0]), "std": float(one.std[0]), "zero": int(one.zero[0]) / one.n}


def _added(
    stats: RunningStats | None,
    x: Tensor,
    axis: int,
    bounds: Bounds = OPEN,
    *,
    bands: Floats | None = None,
    thin: bool = False,
) -> RunningStats:
    """Return statistics with a tensor added; all units as one where their number varies."""
    numbers = arranged(x, axis)
    if stats is None:
        stats = RunningStats(numbers.shape[1], numbers.device, thin=thin)
    elif stats.units != numbers.shape[1]:
        stats = stats if stats.units == 1 else stats.as_one_unit()
        numbers = numbers.reshape(-1, 1, 1)
    stats.add(numbers, bounds)
    if bands is not None:
        stats.add_saturated(numbers, bands)
    stats.remember_layout(x, axis)
    return stats


def first_tensor(value: Any) -> Tensor | None:
    """Return the first dense tensor of real numbers in a value, tuple, list or dictionary."""
    if isinstance(value, Tensor):
        return value if _can_be_measured(value) else None
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return None
    return next((x for each in value if (x := first_tensor(each)) is not None), None)


def _can_be_measured(x: Tensor) -> bool:
    return (
        x.is_floating_point()
        and x.layout is torch.strided
        and not x.is_nested
        and x.device.type != "meta"
        # A class of its own may stand for numbers that lie elsewhere.
        and type(x).__torch_dispatch__ is Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]  # no stub
        and not is_functorch_wrapped(x)
    )


def find_layers(model: nn.Module, threshold: float) -> dict[nn.Module, Layer]:
    """Return the model's layers, in its own order; a value is saturated where |φ′| <= threshold."""
    layers: dict[nn.Module, Layer] = {}
    owners: dict[tuple[object, ...], str] = {}
    inner: set[nn.Module] = set()
    for name, module in model.named_modules(remove_duplicate=False):
        if module in inner:
            continue
        # What a scripted module or a parametrization does inside cannot, or need not, be measured.
        if isinstance(module, torch.jit.ScriptModule):
            inner.update(each for each in module.modules() if each is not module)
        elif is_parametrized(module):
            inner.update(module.get_submodule("parametrizations").modules())
        if module in layers:
            layers[module].names.append(name)
        elif _is_layer(module):
            layers[module] = _layer(name, module, threshold, owners)
    return layers


def _is_layer(module: nn.Module) -> bool:
    """Say whether a module is measured: it has no modules inside, or parameters of its own."""
    if isinstance(module, torch.jit.ScriptModule):
        return True
    if isinstance(module, _PASSING):
        return False
    inside = len(list(module.children())) - is_parametrized(module)
    return not inside or any(True for _ in module.parameters(recurse=False))


def _layer(
    name: str, module: nn.Module, threshold: float, owners: dict[tuple[object, ...], str]
) -> Layer:
    # A scripted module has the name of what it was made from.
    kind = getattr(module, "original_name", None) or type_before_parametrizations(module).__name__
    layer = Layer(name or "(model)", str(kind))
    for label, value in _own_parameters(module):
        layer.parameters[label] = value
        owner = owners.setdefault(_identity(value), layer.name)
        if owner != layer.name and layer.tied_to is None:
            layer.tied_to = owner
    phi = next((KINDS[c] for c in type(module).__mro__ if c in KINDS), None)
    own = {name: float(getattr(module, name)) for name in PARAMETERS.get(phi or "", ())}
    layer.set_activation(phi, threshold, **own)
    layer.axis = next((axis for axis, kinds in _AXES.items() if isinstance(module, kinds)), None)
    return layer


def _own_parameters(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Return the parameters that are stored in this module, a parametrized weight's originals too.

    The weight of a parametrization is not asked for: to compute it may change a buffer.
    """
    if isinstance(module, torch.jit.ScriptModule):
        yield from module.named_parameters()
        return
    yield from module.named_parameters(recurse=False)
    if is_parametrized(module):
        yield from module.get_submodule("parametrizations").named_parameters("parametrizations")


def _identity(x: Tensor) -> tuple[object, ...]:
    """Return what two tensors share if they are the same numbers in memory."""
    if is_lazy(x) or x.numel() == 0 or x.layout != torch.strided or x.device.type == "meta":
        return (id(x),)
    return (x.data_ptr(), x.dtype, tuple(x.shape), tuple(x.stride()))
