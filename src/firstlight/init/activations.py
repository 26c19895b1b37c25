"""The activation that follows each layer, and the gain that makes up for it."""

import copy
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules import activation as torch_activations

from firstlight.init.formulas import RELU_GAIN
from firstlight.init.layers import Layer
from firstlight.meanfield.moments import expectation, moments, nodes

Function = Callable[[Tensor], Tensor]

_NOT_ELEMENTWISE = {"GLU", "LogSoftmax", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin"}
_NAMES = [name for name in torch_activations.__all__ if name not in _NOT_ELEMENTWISE]
MODULES = tuple(getattr(torch_activations, name) for name in _NAMES)
_FUNCTIONS = {name.lower() for name in _NAMES} | {"hard_shrink", "leaky_relu", "relu6", "rrelu"}


@dataclass(frozen=True)
class NextActivation:
    """What a scheme has to know of the activation φ after a layer.

    Args:
        gain: 1 / √E φ(z)² for z ~ N(0, 1): weights with variance gain² / fan_in keep the mean
            square of Z-values at 1 from layer to layer; √2 for ReLU, 1 without an activation.
        slope: below zero, for leaky ReLU, PReLU and RReLU; otherwise 0.
    """

    gain: float
    slope: float = 0.0


DEFAULT = NextActivation(RELU_GAIN)
"""ReLU: where the activation could not be determined."""
NO_ACTIVATION = NextActivation(1.0)


def named(name: str) -> NextActivation:
    """Return what follows by its name in ``firstlight.meanfield.ACTIVATIONS``.

    Leaky ReLU has the slope 0.01 and ELU α = 1, PyTorch's defaults.

    Raises:
        ValueError: an unknown name.
    """
    slope = 1.0 if name == "elu" else 0.01
    square = float(moments(name, 1.0, slope=slope).square)
    return NextActivation(1 / math.sqrt(square), slope if name == "leaky-relu" else 0.0)


def next_activations(model: nn.Module) -> dict[nn.Module, NextActivation]:
    """Return what follows each layer: by tracing the model, otherwise by the order of its modules.

    A traced layer with no activation after it is followed by nothing. Where a model cannot be
    traced, the activation module between a layer and the next one counts; where there is none,
    or the layer lies inside a module that a trace does not enter, it is taken to be ReLU.
    """
    graph = _trace(model)
    if graph is not None:
        return _by_graph(model, graph)
    modules = list(model.modules())
    layers = {at: module for at, module in enumerate(modules) if isinstance(module, Layer)}
    return {module: _next(modules[at + 1 :]) for at, module in layers.items()}


def _trace(model: nn.Module) -> fx.Graph | None:
    """Trace a copy that shares the parameters, so that nothing sticks to the model itself."""
    try:
        twin = copy.deepcopy(model, {id(p): p for p in model.parameters()})
        for module in twin.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.no_grad():
            warnings.simplefilter("ignore")
            return fx.Tracer().trace(twin)
    except Exception:  # tracing runs the model's own code, which may fail in any way
        return None


def _by_graph(model: nn.Module, graph: fx.Graph) -> dict[nn.Module, NextActivation]:
    modules = dict(model.named_modules(remove_duplicate=False))
    following: dict[nn.Module, NextActivation] = {}
    for node in graph.nodes:
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Layer) and module not in following:
            following[module] = _after(node, modules)
    return {m: following.get(m, DEFAULT) for m in modules.values() if isinstance(m, Layer)}


def _after(node: fx.Node, modules: dict[str, nn.Module]) -> NextActivation:
    """Return the nearest activation on any path from a node, up to the next layers."""
    waiting, seen = deque(node.users), set(node.users)
    while waiting:
        user = waiting.popleft()
        module = modules.get(str(user.target)) if user.op == "call_module" else None
        if isinstance(module, MODULES):
            return _of_module(module)
        if module is None and _function_name(user) in _FUNCTIONS:
            return _of_call(user)
        if not isinstance(module, Layer):
            fresh = [n for n in user.users if n not in seen]
            waiting.extend(fresh)
            seen.update(fresh)
    return NO_ACTIVATION


def _function_name(node: fx.Node) -> str:
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return str(name).rstrip("_")


def _of_call(node: fx.Node) -> NextActivation:
    rest = node.args[1:]
    named_rest = {k: v for k, v in node.kwargs.items() if k != "input"}
    if any(isinstance(value, fx.Node) for value in (*rest, *named_rest.values())):
        return DEFAULT  # its slope is computed in the model
    if "inplace" in named_rest:
        named_rest["inplace"] = False
    target: Any = node.target
    function = getattr(torch.Tensor, target) if node.op == "call_method" else target
    leaky = _function_name(node) in ("leaky_relu", "rrelu")
    return _measured(lambda z: function(z, *rest, **named_rest), leaky=leaky)


def _of_module(module: nn.Module) -> NextActivation:
    twin = copy.deepcopy(module).to("cpu", torch.float64).eval()
    if isinstance(twin, nn.PReLU):
        mean = float(twin.weight.detach().mean())
        return _measured(lambda z: torch.where(z > 0, z, mean * z), leaky=True)
    return _measured(twin, leaky=isinstance(twin, nn.LeakyReLU | nn.RReLU))


def _measured(function: Function, *, leaky: bool) -> NextActivation:
    """Apply an activation to the nodes of the quadrature; what cannot be applied is as ReLU."""
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            values = function(torch.from_numpy(nodes())).numpy()
            slope = -float(function(torch.tensor([-1.0], dtype=torch.float64))) if leaky else 0.0
    except Exception:  # the function is the model's own
        return DEFAULT
    square = float(expectation(values**2))
    return NextActivation(1 / math.sqrt(square) if 0 < square < math.inf else DEFAULT.gain, slope)


def _next(modules: Iterable[nn.Module]) -> NextActivation:
    for module in modules:
        if isinstance(module, MODULES):
            return _of_module(module)
        if isinstance(module, Layer):
            break
    return DEFAULT
