"""Pieces of state: each remembers one object as it is and can put it back, in place.

A piece holds the object itself and a copy of its content one level deep. What lies inside has
pieces of its own, so that putting back is one pass over a flat list, and cycles do no harm.
"""

import copy
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Back = Callable[[], None]
"""Puts one object back as it was."""

_PLAIN = (int, float, bool, str, bytes, complex, type(None))
FOLLOWED = (nn.Module, torch.optim.Optimizer, torch.amp.GradScaler)
"""Objects whose attributes are part of what is remembered."""


def pieces(roots: Iterable[Any]) -> list[Back]:
    """Return the pieces of everything that the roots hold and that can change.

    Followed are modules, optimizers, scalers, mappings, lists, tuples, sets and queues; kept are
    their content, tensors with their gradients, arrays and generators. Other objects are put back
    where they were, not looked into.
    """
    seen: dict[int, Any] = {}
    stack, found = list(roots), []
    while stack:
        value = stack.pop()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value
        back = _piece(value)
        if back is not None:
            found.append(back)
        stack.extend(_inside(value))
    return found


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, FOLLOWED):
        return [v for name, v in vars(value).items() if not _is_hook(name)] + _apart(value)
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    return []


def _apart(value: Any) -> list[Any]:
    """Return what a module holds outside its attributes, as compiled ones do."""
    if not isinstance(value, nn.Module):
        return []
    return [*value.parameters(recurse=False), *value.buffers(recurse=False), *value.children()]


def _piece(value: Any) -> Back | None:
    if isinstance(value, Tensor):
        return tensor(value)
    if isinstance(value, nn.Module):
        return _module(value)
    if isinstance(value, FOLLOWED):
        return attributes(value)
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, list | deque):
        return _sequence(value)
    if isinstance(value, set):
        return _set(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    return generator(value)


def tensor(value: Tensor) -> Back:
    """Remember a tensor's values, gradient, ``requires_grad`` and place in memory."""
    if is_lazy(value):
        raise ValueError(
            "model: expected parameters with values, got a lazy module that has not run; "
            "run it on one batch first"
        )
    place = value.detach()
    written = _written_once(place) if place.layout == torch.strided else value
    before = written.detach().clone()
    leaf, needs = value.is_leaf, value.requires_grad
    gradient = value.grad if leaf else None
    gradient_back = None if gradient is None else tensor(gradient)

    def back() -> None:
        if gradient_back is not None:
            gradient_back()  # first, since a tensor takes no gradient of another type
        with torch.no_grad():
            written.copy_(before)
            if leaf:
                _free(value)
            if not _same_place(value, place):
                value.data = place
            if leaf:
                value.requires_grad_(needs)
                value.grad = gradient

    return back


def _free(value: Tensor) -> None:
    """Make a tensor a leaf without a gradient again, so that anything can be set."""
    if not value.is_leaf:
        value.detach_()
    value.grad = None


def _written_once(place: Tensor) -> Tensor:
    """Return the part of a tensor in which no number stands for two, as in an expanded one."""
    for axis, (size, stride) in enumerate(zip(place.shape, place.stride(), strict=True)):
        if stride == 0 and size > 1:
            place = place.narrow(axis, 0, 1)
    return place


def _same_place(value: Tensor, place: Tensor) -> bool:
    if (value.layout, value.dtype, value.device) != (place.layout, place.dtype, place.device):
        return False
    if value.layout != torch.strided:
        return value.shape == place.shape
    return (value.data_ptr(), value.shape, value.stride()) == (
        place.data_ptr(),
        place.shape,
        place.stride(),
    )


def _is_hook(name: str) -> bool:
    """Say whether an attribute has to do with hooks, which belong to whoever hung them up."""
    return "_hook" in name


def attributes(value: Any) -> Back:
    """Remember which objects an object's attributes are; hooks are left alone."""
    return _mapping(vars(value), _is_hook)


def _module(value: nn.Module) -> Back:
    own, mode, extra = attributes(value), value.training, None
    if type(value).get_extra_state is not nn.Module.get_extra_state:
        extra = state(value.get_extra_state, value.set_extra_state)

    def back() -> None:
        own()
        if value.training != mode:
            value.training = mode
        if extra is not None:
            extra()

    return back


def state(get: Callable[[], Any], put: Callable[[Any], Any]) -> Back:
    """Remember a copy of what ``get`` returns; to put back, give ``put`` a copy of that."""
    before = copy.deepcopy(get())

    def back() -> None:
        put(copy.deepcopy(before))

    return back


def generator(value: Any) -> Back | None:
    """Remember the state of a generator of random numbers; None if ``value`` is no generator."""
    if isinstance(value, torch.Generator):
        return state(value.get_state, value.set_state)
    if isinstance(value, random.Random):
        return state(value.getstate, value.setstate)
    if isinstance(value, np.random.RandomState):
        return state(value.get_state, value.set_state)
    if isinstance(value, np.random.Generator):
        value = value.bit_generator
    if isinstance(value, np.random.BitGenerator):
        bits = value
        return state(lambda: bits.state, lambda before: setattr(bits, "state", before))
    return None


def _mapping(value: dict[Any, Any], leave: Callable[[str], bool] | None = None) -> Back:
    """Remember the items of a mapping and their order, but for names that are to be left."""

    def items() -> dict[Any, Any]:
        return {k: v for k, v in value.items() if leave is None or not leave(k)}

    before = items()

    def back() -> None:
        now = items()
        if list(map(id, now.values())) == list(map(id, before.values())) and len(now) == len(
            before.keys() & now.keys()
        ):
            return
        for key in now:
            if leave is None or key not in before:
                del value[key]
        value.update(before)

    return back


def _sequence(value: list[Any] | deque[Any]) -> Back:
    before = list(value)

    def back() -> None:
        if len(value) != len(before) or any(a is not b for a, b in zip(value, before, strict=True)):
            value.clear()
            value.extend(before)

    return back


def _set(value: set[Any]) -> Back:
    before = set(value)

    def back() -> None:
        value.clear()
        value.update(before)

    return back


def _array(value: np.ndarray) -> Back | None:
    if not value.flags.writeable:
        return None
    before = value.copy()

    def back() -> None:
        value[...] = before

    return back
