"""What the probe listens to: calls of activation functions, and how it is told that they may come."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from firstlight.probing.activations import FUNCTIONS


class Functions(TorchFunctionMode):
    """Shows the probe each call of an activation function."""

    def __init__(self, called: Callable[[str, Any, Any, dict[str, Any]], Any]) -> None:
        super().__init__()
        self._called = called

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Every operation of the model comes through here, so nothing is done twice.
        if func in FUNCTIONS:
            return self._called(FUNCTIONS[func], func, args, kwargs or {})
        return func(*args, **kwargs) if kwargs else func(*args)


def own_parameters(kind: str, args: Any, kwargs: dict[str, Any]) -> dict[str, float]:
    """Return the parameters of an activation that is called as a function."""
    names = {
        "leaky_relu": ("negative_slope",),
        "elu": ("alpha",),
        "celu": ("alpha",),
        "softplus": ("beta",),
        "hardtanh": ("min_val", "max_val"),
    }.get(kind, ())
    given = {**dict(zip(names, args[1:], strict=False)), **kwargs}
    return {name: float(given[name]) for name in names if name in given}


def recomputing() -> bool:
    """Say whether this is a second forward pass from within a backward pass (checkpointing)."""
    return torch._C._current_graph_task_id() != -1


def may_call_functions(module: nn.Module) -> bool:
    """Say whether a module may call activation functions: PyTorch's own do not, but for a few."""
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return True
    return not type(module).__module__.startswith("torch.nn.modules.")


def may_fuse(module: nn.Module) -> bool:
    """Say whether PyTorch may take its fused path through a module that has one."""
    if module.training:
        return False
    return not (torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters()))
