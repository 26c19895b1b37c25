"""Random states, and the place where a loader of batches stands."""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from firstlight.guard.state import Back, attributes, generator, state

_PARTS = ("sampler", "batch_sampler", "dataset", "loader", "data_loader")
"""Attributes of a loader in which a position can lie."""


def global_states() -> list[Back]:
    """Remember the states that torch, NumPy and Python share among all their callers.

    Besides random states these are whether torch records gradients and computes in half precision,
    since an exception at an unlucky moment leaves them changed.
    """
    found = [
        state(torch.get_rng_state, torch.set_rng_state),
        state(lambda: np.random.get_state(legacy=False), np.random.set_state),
        state(random.getstate, random.setstate),
        state(torch.is_grad_enabled, torch.set_grad_enabled),
    ]
    found += [
        state(partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind))
        for kind in ("cpu", "cuda")
    ]
    found += [
        state(device.get_rng_state_all, device.set_rng_state_all)
        for device in (torch.cuda, torch.xpu)
        if device.is_available() and device.is_initialized()
    ]
    if torch.backends.mps.is_available():
        found.append(state(torch.mps.get_rng_state, torch.mps.set_rng_state))
    return found


def given_states(generators: Any) -> list[Back]:
    """Remember generators, or objects with a ``state_dict``.

    Raises:
        TypeError: one of them is neither.
    """
    found = []
    for at, one in enumerate(generators):
        back = generator(one) or _own_state(one)
        if back is None:
            raise TypeError(
                f"generators[{at}]: expected a generator of torch, NumPy or random, or an object "
                f"with state_dict and load_state_dict, got {type(one).__name__}"
            )
        found.append(back)
    return found


def loader_states(loader: Any) -> list[Back]:
    """Remember where a loader stands: its own state, its samplers' and their generators'.

    Raises:
        TypeError: an iterator that cannot tell its position.
    """
    if isinstance(loader, Iterator) and _own_state(loader) is None:
        raise TypeError(
            f"loader: expected something that can be iterated again or has a state_dict, "
            f"got an iterator ({type(loader).__name__}), whose position cannot be put back"
        )
    found: list[Back] = []
    seen: list[Any] = []
    waiting = [loader]
    while waiting:
        part = waiting.pop()
        held = getattr(part, "__dict__", None)
        if held is None or any(part is other for other in seen):
            continue
        seen.append(part)
        found.append(attributes(part))
        found += [back for value in held.values() if (back := generator(value)) is not None]
        if (own := _own_state(part)) is not None:
            found.append(own)
        waiting += [held[name] for name in _PARTS if name in held]
    return found


def _own_state(value: Any) -> Back | None:
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return state(value.state_dict, value.load_state_dict)
    return None
