"""The weights that are drawn, layer by layer, and the activation that follows each of them."""

import copy
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules import activation as torch_activations
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from firstlight.init.formulas import RELU_GAIN, torch_bound, xavier_bound
from firstlight.meanfield.moments import expectation, moments, nodes
from firstlight.torch_private import clear_forward_hooks, recurrent_names

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
            clear_forward_hooks(module)
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
            return _of_module(module)  # type: ignore[arg-type, unused-ignore]  # not None: one of MODULES
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
    rest, named_rest = node.args[1:], dict(node.kwargs)
    if any(isinstance(value, fx.Node) for value in (*rest, *named_rest.values())):
        return DEFAULT  # its slope is computed in the model
    if "inplace" in named_rest:
        named_rest["inplace"] = False
    target: Any = node.target
    leaky = _function_name(node) in ("leaky_relu", "rrelu")
    if node.op == "call_method":
        return _measured(methodcaller(target, *rest, **named_rest), leaky=leaky)
    return _measured(lambda z: target(z, *rest, **named_rest), leaky=leaky)


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


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Plain = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
"""Layers whose output is their weights times their input, plus a bias."""
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
Layer = (*Plain, *RECURRENT, nn.MultiheadAttention)


@dataclass(frozen=True)
class LayerWeight:
    """One weight of a layer, with the bias that belongs to it.

    Args:
        name: of the weight in the model.
        layer: the module that it belongs to.
        weight: the parameter.
        bias: the parameter, if the layer has one.
        blocks: independent matrices that lie above each other in the weight: the groups of a
            convolution, the gates of a recurrent layer.
        fan_in: inputs that one output is a sum over, on average where a transposed convolution
            strides; the edges of padded images are not counted.
        fan_out: outputs that one input is part of, on average where a convolution strides.
        bounds: of PyTorch's own uniform weights and biases.
    """

    name: str
    layer: nn.Module
    weight: nn.Parameter
    bias: nn.Parameter | None
    blocks: int
    fan_in: float
    fan_out: float
    bounds: tuple[float, float]


def layer_weights(model: nn.Module) -> list[LayerWeight]:
    """Return the weights of all layers in the order of ``model.named_modules()``.

    Raises:
        ValueError: the model has none, or one is not a plain, materialized parameter.
    """
    weights = []
    for prefix, module in model.named_modules():
        if isinstance(module, Plain):
            weights.append(_plain(prefix, module))
        elif isinstance(module, nn.MultiheadAttention):
            weights.extend(_attention(prefix, module))
        elif isinstance(module, RECURRENT):
            weights.extend(_recurrent(prefix, module))
    if not weights:
        raise ValueError(
            "model: expected at least 1 linear, convolutional, recurrent or attention layer, "
            f"got {type(model).__name__} without one"
        )
    return weights


def _own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False, remove_duplicate=False))


def _parameter(prefix: str, module: nn.Module, name: str) -> tuple[str, nn.Parameter]:
    """Return a weight with its name in the model."""
    full = f"{prefix}.{name}".lstrip(".")
    parameter = _own_parameters(module).get(name)
    if parameter is None:
        raise ValueError(
            f"{full}: expected a plain parameter, got one computed from others (parametrized or "
            f"pruned); initialize the model before that"
        )
    if is_lazy(parameter) or parameter.is_meta:
        raise ValueError(f"{full}: expected a parameter with values, got none; run a batch first")
    return full, parameter


def _plain(prefix: str, module: nn.Module) -> LayerWeight:
    name, weight = _parameter(prefix, module, "weight")
    groups = int(getattr(module, "groups", 1))
    kernel, stride = weight.shape[2:], getattr(module, "stride", ())
    connected = weight.shape[1] * math.prod(kernel)
    # With a stride of s, a kernel of k meets each place of the larger image k / s times.
    met = math.prod(max(1.0, k / s) for k, s in zip(kernel, stride, strict=True))
    fans = (connected, weight.shape[0] // groups * met)
    bound = torch_bound(connected)  # PyTorch's fan, also where the layer is transposed
    still = isinstance(module, NonDynamicallyQuantizableLinear)  # the output of an attention layer
    bounds = (bound, 0.0 if still else bound)
    fan_in, fan_out = reversed(fans) if isinstance(module, TRANSPOSED) else fans
    bias = None if module.bias is None else _parameter(prefix, module, "bias")[1]
    return LayerWeight(name, module, weight, bias, groups, fan_in, fan_out, bounds)


def _recurrent(prefix: str, module: nn.Module) -> Iterator[LayerWeight]:
    hidden: Any = module.hidden_size
    bound = torch_bound(hidden)
    for name in recurrent_names(module) or ["weight_ih", "weight_hh"]:
        if name.startswith("weight"):
            full, weight = _parameter(prefix, module, name)
            bias = _own_parameters(module).get(name.replace("weight", "bias"))
            rows, columns = weight.shape
            gates = max(1, rows // hidden)  # an LSTM's projection has fewer rows
            fans = (columns, rows // gates)
            yield LayerWeight(full, module, weight, bias, gates, *fans, (bound, bound))


def _attention(prefix: str, module: nn.MultiheadAttention) -> Iterator[LayerWeight]:
    """Yield the projections to queries, keys and values; the output is a linear layer itself."""
    whole = module.in_proj_weight is not None  # else the keys or values have a size of their own
    names = ["in_proj_weight"] if whole else ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    for name in names:
        full, weight = _parameter(prefix, module, name)
        biased = whole and module.in_proj_bias is not None
        bias = _parameter(prefix, module, "in_proj_bias")[1] if biased else None
        rows, columns = weight.shape
        blocks = 3 if whole else 1
        bounds = (xavier_bound(columns, rows), 0.0)
        yield LayerWeight(full, module, weight, bias, blocks, columns, rows // blocks, bounds)
