"""Every name of PyTorch's that is not public and that firstlight uses; tried on 2.13.0.

Each is here because no public one does the same; whoever raises the version looks at this file first.
"""

from collections.abc import Callable

from torch import nn
from torch._C import DisableTorchFunction, _functorch  # pyright: ignore[reportAttributeAccessIssue]  # no stub
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode, _get_current_function_mode

disable_torch_function = DisableTorchFunction
"""Context in which operations go past every ``TorchFunctionMode``.

While one is active even ``x.shape`` goes through Python, and a user's own mode would see what the
probe computes. ``torch.overrides`` can only leave the innermost mode, not pass by all of them.
"""

current_function_mode: Callable[[], TorchFunctionMode | None] = _get_current_function_mode
"""Returns the innermost ``TorchFunctionMode``, the one that ``__exit__`` takes away."""

is_functorch_wrapped = _functorch.is_functorch_wrapped_tensor
"""Says whether a tensor stands for many inside ``torch.func.vmap`` or ``grad``: it has no memory.

``torch.func`` has no question of this kind, and such a tensor is of the plain class.
"""

HOOK_ATTRIBUTES = frozenset(
    name for kind in (nn.Module, Optimizer) for name in kind.__annotations__ if "_hook" in name
)
"""Attributes in which modules and optimizers keep the hooks registered on them.

Hooks can be registered and removed publicly, but not listed.
"""


def clear_forward_hooks(module: nn.Module) -> None:
    """Remove whatever hooks of the forward pass a module has, also where nobody has their handles."""
    module._forward_hooks.clear()
    module._forward_pre_hooks.clear()


def recurrent_names(module: nn.Module) -> list[str]:
    """Return the names of all weights and biases of an RNN, GRU or LSTM; of a cell, none.

    They outlive a parametrization, under which the weights are no parameters any more.
    """
    return [name for group in getattr(module, "_all_weights", ()) for name in group]
