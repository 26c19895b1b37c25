"""What can be put back: each function remembers an object and returns what restores it, in place.

A ``Restore`` holds the object itself and a copy of its content one level deep. What lies inside has
restores of its own, so that putting back is one pass over a flat list, and cycles do no harm.
"""

import copy
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from firstlight.torch_private import HOOK_ATTRIBUTES

Restore = Callable[[], None]
"""Puts one object back as it was."""

_PLAIN = (int, float, bool, str, bytes, complex, type(None))
FOLLOWED = (nn.Module, torch.optim.Optimizer, torch.amp.GradScaler)
"""Objects whose attributes are part of what is remembered."""

_POSITIONS = ("sampler", "batch_sampler", "dataset", "loader", "data_loader")
"""Attributes of a loader in which a position can lie."""


def restores(roots: Iterable[Any]) -> list[Restore]:
    """Remember everything that the roots hold and that can change.

    Followed are modules, optimizers, scalers, mappings, lists, tuples, sets and queues; remembered
    are their content, tensors with their gradients, arrays and generators. Other objects are put
    back where they were, not looked into.
    """
    seen: dict[int, Any] = {}
    stack, remembered = list(roots), list[Restore]()
    while stack:
        value = stack.pop()
        if not isinstance(value, _PLAIN) and id(value) not in seen:
            seen[id(value)] = value
            own, inside = _remember(value)
            remembered += own
            stack += inside
    return remembered


def _remember(value: Any) -> tuple[list[Restore], Iterable[Any]]:
    """Return what puts an object back, and what lies inside it."""
    if isinstance(value, Tensor):
        return [tensor(value)], ()
    if isinstance(value, FOLLOWED):
        own = [attributes(value)]
        held = [v for name, v in vars(value).items() if name not in HOOK_ATTRIBUTES]
        if isinstance(value, nn.Module):
            # Compiled modules hold all this outside their attributes.
            held += [*value.parameters(recurse=False), *value.buffers(recurse=False)]
            held += value.children()
            if "training" not in vars(value):
                own.append(state(lambda: value.training, partial(setattr, value, "training")))
            if type(value).get_extra_state is not nn.Module.get_extra_state:
                own.append(state(value.get_extra_state, value.set_extra_state))
        return own, held
    if isinstance(value, dict):
        return [_mapping(value)], [*value, *value.values()]
    if isinstance(value, list | deque | set):
        return [_collection(value)], list(value)
    if isinstance(value, tuple | frozenset):
        return [], value
    if isinstance(value, np.ndarray):
        writes = value.flags.writeable
        return [partial(value.__setitem__, ..., value.copy())] if writes else [], ()
    drawing = generator(value)
    return [] if drawing is None else [drawing], ()


def tensor(value: Tensor) -> Restore:
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
    restore_gradient = None if gradient is None else tensor(gradient)

    def restore() -> None:
        if restore_gradient is not None:
            restore_gradient()  # first, since a tensor takes no gradient of another type
        with torch.no_grad():
            written.copy_(before)
            if leaf:  # first one without a gradient again, so that anything can be set
                if not value.is_leaf:
                    value.detach_()
                value.grad = None
            if _place(value) != _place(place):
                value.data = place
            if leaf:
                value.requires_grad_(needs)
                value.grad = gradient

    return restore


def _written_once(place: Tensor) -> Tensor:
    """Return the part of a tensor in which no number stands for two, as in an expanded one."""
    for axis, (size, stride) in enumerate(zip(place.shape, place.stride(), strict=True)):
        if stride == 0 and size > 1:
            place = place.narrow(axis, 0, 1)
    return place


def _place(x: Tensor) -> tuple[object, ...]:
    memory = (x.data_ptr(), x.stride()) if x.layout == torch.strided else None
    return x.layout, x.dtype, x.device, x.shape, memory


def attributes(value: Any) -> Restore:
    """Remember which objects the attributes are, but for hooks: whose they are, registered them."""
    return _mapping(vars(value), HOOK_ATTRIBUTES)


def state(get: Callable[[], Any], put: Callable[[Any], Any]) -> Restore:
    """Remember a copy of what ``get`` returns; to put back, give ``put`` a copy of that."""
    before = copy.deepcopy(get())

    def restore() -> None:
        put(copy.deepcopy(before))

    return restore


def generator(value: Any) -> Restore | None:
    """Remember the state of a generator of random numbers; None if ``value`` is no generator."""
    if isinstance(value, torch.Generator | np.random.RandomState):
        return state(value.get_state, value.set_state)
    if isinstance(value, random.Random):
        return state(value.getstate, value.setstate)
    if isinstance(value, np.random.Generator):
        value = value.bit_generator
    if isinstance(value, np.random.BitGenerator):
        return state(partial(getattr, value, "state"), partial(setattr, value, "state"))
    return None


def _mapping(value: dict[Any, Any], ignored: frozenset[str] = frozenset()) -> Restore:
    """Remember the items of a mapping and their order, but for ignored names."""

    def items() -> dict[Any, Any]:
        return {k: v for k, v in value.items() if k not in ignored}

    before = items()

    def restore() -> None:
        now = items()
        if now.keys() != before.keys() or not all(map(is_, now.values(), before.values())):
            for key in now:
                if not ignored or key not in before:
                    del value[key]
            value.update(before)

    return restore


def _collection(value: list[Any] | deque[Any] | set[Any]) -> Restore:
    before = list(value)
    refill = value.update if isinstance(value, set) else value.extend

    def restore() -> None:
        if len(value) != len(before) or not all(map(is_, value, before)):
            value.clear()
            refill(before)

    return restore


def global_states() -> list[Restore]:
    """Remember the states that torch, NumPy and Python share among all their callers.

    Besides random states these are whether torch records gradients and computes in half precision,
    since an exception at an unlucky moment leaves them changed.
    """
    states = [
        state(torch.get_rng_state, torch.set_rng_state),
        state(lambda: np.random.get_state(legacy=False), np.random.set_state),
        state(random.getstate, random.setstate),
        state(torch.is_grad_enabled, torch.set_grad_enabled),
    ]
    states += [
        state(partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind))
        for kind in ("cpu", "cuda")
    ]
    states += [
        state(device.get_rng_state_all, device.set_rng_state_all)
        for device in (torch.cuda, torch.xpu)
        if device.is_available() and device.is_initialized()
    ]
    if torch.backends.mps.is_available():
        states.append(state(torch.mps.get_rng_state, torch.mps.set_rng_state))
    return states


def given_states(generators: Any) -> list[Restore]:
    """Remember generators, or objects with a ``state_dict``.

    Raises:
        TypeError: one of them is neither.
    """
    states = []
    for at, value in enumerate(generators):
        restore = generator(value) or _state_dict(value)
        if restore is None:
            raise TypeError(
                f"generators[{at}]: expected a generator of torch, NumPy or random, or an object "
                f"with state_dict and load_state_dict, got {type(value).__name__}"
            )
        states.append(restore)
    return states


def loader_states(loader: Any) -> list[Restore]:
    """Remember where a loader stands: its own state, its samplers' and their generators'.

    Raises:
        TypeError: an iterator that cannot tell its position.
    """
    if isinstance(loader, Iterator) and _state_dict(loader) is None:
        raise TypeError(
            f"loader: expected something that can be iterated again or has a state_dict, "
            f"got an iterator ({type(loader).__name__}), whose position cannot be put back"
        )
    states: list[Restore | None] = []
    seen: dict[int, Any] = {}
    waiting = [loader]
    while waiting:
        holder = waiting.pop()
        held = getattr(holder, "__dict__", None)
        if held is not None and id(holder) not in seen:
            seen[id(holder)] = holder
            states += [attributes(holder), *map(generator, held.values()), _state_dict(holder)]
            waiting += [held[name] for name in _POSITIONS if name in held]
    return [restore for restore in states if restore is not None]


def _state_dict(value: Any) -> Restore | None:
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return state(value.state_dict, value.load_state_dict)
    return None
