"""What of a model is a layer: its kind, its parameters, and where its units lie."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from firstlight.probing.activations import DYING, KINDS, Saturation, saturation
from firstlight.probing.reading import Array
from firstlight.probing.statistics import OPEN, Bounds, Sums

CONFIDENCE = 0.95
"""Confidence of the bound on a dead unit's firing rate."""

_PASSING = (nn.Identity, nn.Flatten, nn.Unflatten)
"""Modules that hand on the numbers they are given: they are no layers."""


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
        outputs: statistics of its outputs: Z-values of a layer with weights, or activations.
        inputs: statistics of its inputs; only of activations that are not monotone.
        gradients: statistics of the loss's derivatives by its outputs, of layers with parameters;
            of rows of 512 numbers or more, from one in two to sixteen; in about every second pass.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.names = [name]
        self.parameters: dict[str, Tensor] = {}
        self.tied_to: str | None = None
        self.calls = self.samples = 0
        self.activation: str | None = None
        self.saturation: Saturation | None = None
        self.bounds: Bounds = OPEN
        self.axis: int | None = None
        self.outputs: Sums | None = None
        self.inputs: Sums | None = None
        self.gradients: Sums | None = None
        self.square: dict[str, Tensor | float] = {}
        self.passes: dict[str, int] = {}
        self.update: float = 0.0
        self.updates = 0

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
    def saturated(self) -> Array | None:
        """Share of each unit's values where |φ′| is small, shape (units,); of activations only."""
        # An activation that is not monotone is judged by its input.
        sums = self.inputs if self.inputs is not None else self.outputs
        if self.saturation is None or sums is None or sums.n == 0:
            return None
        return np.asarray(sums.saturated / sums.n)

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
        passes = max(self.passes.values(), default=0)
        if passes == 0:
            return None
        return math.sqrt(sum(float(square) for square in self.square.values()) / passes)

    @property
    def update_ratio(self) -> float | None:
        """Mean over the optimizer's steps of ‖change of the parameters‖ / ‖parameters‖."""
        return self.update / self.updates if self.updates else None

    def activates(self, kind: str | None, threshold: float, **own: float) -> None:
        """Take the layer for an activation of a kind, with its parameters by PyTorch's names."""
        self.activation = kind
        self.saturation = None if kind is None else saturation(kind, threshold, **own)
        if self.saturation is not None and not self.by_input:
            self.bounds = self.saturation.low, self.saturation.high

    def add_gradient(self, name: str, square: Tensor | float) -> None:
        """Add the sum of squares of a parameter's gradient after a backward pass."""
        self.square[name] = self.square.get(name, 0.0) + square
        self.passes[name] = self.passes.get(name, 0) + 1

    @property
    def by_input(self) -> bool:
        """Whether the activation is not monotone, and so judged by its input."""
        return self.saturation is not None and len(self.saturation.bands) > 0

    def row(self) -> dict[str, str | int | float | None]:
        """Return the layer's row of the table."""
        outputs, dead, saturated = self.outputs, self.dead, self.saturated
        one = outputs.as_one_unit() if outputs is not None and outputs.n else None
        return {
            "layer": self.name,
            "kind": self.kind,
            "units": self.units,
            "mean": None if one is None else float(one.mean[0]),
            "std": None if one is None else float(one.std[0]),
            "zero": None if one is None else int(one.zero[0]) / one.n,
            "saturated": None if saturated is None else float(saturated.mean()),
            "dead_units": None if dead is None else int(dead.sum()),
            "gradient_norm": self.gradient_norm,
            "update_ratio": self.update_ratio,
            "calls": self.calls,
            "tied_to": self.tied_to,
        }


def _own_parameters(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Return the parameters that are stored in this module, a parametrized weight's originals too.

    The weight of a parametrization is not asked for: to compute it may change a buffer.
    """
    if isinstance(module, torch.jit.ScriptModule):
        yield from module.named_parameters()
        return
    yield from module.named_parameters(recurse=False)
    inside = module._modules.get("parametrizations")
    if inside is not None:
        yield from inside.named_parameters("parametrizations")


def _identity(x: Tensor) -> tuple[object, ...]:
    """Return what two tensors share if they are the same numbers in memory."""
    if is_lazy(x) or x.numel() == 0 or x.layout != torch.strided or x.device.type == "meta":
        return (id(x),)
    return (x.data_ptr(), x.dtype, tuple(x.shape), tuple(x.stride()))


def _is_layer(module: nn.Module) -> bool:
    """Say whether a module is measured: it has no modules inside, or parameters of its own."""
    if isinstance(module, torch.jit.ScriptModule):
        return True
    if isinstance(module, _PASSING):
        return False
    inside = [name for name in module._modules if name != "parametrizations"]
    return not inside or any(True for _ in module.named_parameters(recurse=False))


def _kind(module: nn.Module) -> str:
    name = getattr(module, "original_name", None) or type(module).__name__
    return name.removeprefix("Parametrized") if hasattr(module, "parametrizations") else str(name)


def find(model: nn.Module, threshold: float) -> dict[nn.Module, Layer]:
    """Return the model's layers, in its own order, each module once.

    Args:
        model: the model.
        threshold: a value is saturated where |φ′| is at most this.
    """
    found: dict[nn.Module, Layer] = {}
    owners: dict[tuple[object, ...], str] = {}
    skipped: list[str] = []
    for name, module in model.named_modules(remove_duplicate=False):
        if any(name.startswith(outer) for outer in skipped):
            continue
        if isinstance(module, torch.jit.ScriptModule):
            skipped.append(name + "." if name else "")
        elif "parametrizations" in module._modules:
            skipped.append(f"{name}.parametrizations" if name else "parametrizations")
        if module in found:
            found[module].names.append(name)
        elif _is_layer(module):
            found[module] = _layer(name, module, threshold, owners)
    return found


def _layer(
    name: str, module: nn.Module, threshold: float, owners: dict[tuple[object, ...], str]
) -> Layer:
    layer = Layer(name or "(model)", _kind(module))
    for label, value in _own_parameters(module):
        layer.parameters[label] = value
        owner = owners.setdefault(_identity(value), layer.name)
        if owner != layer.name and layer.tied_to is None:
            layer.tied_to = owner
    kind = next((KINDS[c] for c in type(module).__mro__ if c in KINDS), None)
    names = ("alpha", "beta", "negative_slope", "min_val", "max_val")
    own = {n: float(getattr(module, n)) for n in names if kind and hasattr(module, n)}
    layer.activates(kind, threshold, **own)
    layer.axis = _axis(module)
    return layer


def _axis(module: nn.Module) -> int | None:
    """Return where a module's units lie, counted from the end; None if that hangs on its input."""
    if isinstance(module, _ConvNd):
        return -len(module.kernel_size) - 1
    if isinstance(module, _NormBase | nn.GroupNorm):
        return 1  # the one kind whose batches may lack the positions
    if isinstance(module, nn.Linear | nn.Bilinear | nn.Embedding | nn.EmbeddingBag | nn.LayerNorm):
        return -1
    if isinstance(module, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        return -1
    kind = type(module).__name__
    if isinstance(module, nn.Module) and kind.endswith(("1d", "2d", "3d")) and "Pool" in kind:
        return -int(kind[-2]) - 1
    return None


def default_axis(shape: tuple[int, ...]) -> int:
    """Return where units lie if nothing is known: last, or after the batch of images or volumes."""
    return -1 if len(shape) < 4 else 1 - len(shape)
