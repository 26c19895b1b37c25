"""Everything that training touches, remembered in memory and put back in place."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn

from firstlight.guard.state import FOLLOWED, Back, pieces
from firstlight.guard.rng import given_states, global_states, loader_states
from firstlight.guard.interrupt import Shield


def restored(
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    scaler: torch.amp.GradScaler | None = None,
    loader: Any = None,
    generators: Iterable[Any] = (),
    also: Iterable[Any] = (),
) -> "Snapshot":
    """Put everything back, bit for bit, that a block does to a model and all around it.

    However the block ends, with an exception and Ctrl-C too, these are as they were before it:
    parameters and buffers, in place, so that every reference to them still holds; their gradients,
    ``requires_grad``, data type, device and memory format; training or evaluation mode and the
    plain attributes of every module; the optimizer's state and groups; the scaler; the random
    states of torch on every device in use, NumPy and Python; generators that the modules hold, and
    those of the loader and its samplers; whether torch records gradients and uses ``autocast``.
    State that the block created is gone.

    The copy lies in memory, on the device of each tensor: about as much as the model, its gradients
    and the optimizer's state together. Hooks that the block hangs up or takes down are left alone.

    Args:
        model: any module; a lazy one must have run once.
        optimizer: over any parameters.
        scaler: as used for half precision.
        loader: a DataLoader, or any loader with samplers or a ``state_dict``; its workers'
            memory, where they live on between epochs, is out of reach.
        generators: of torch, NumPy or Python's ``random``; samplers with a ``state_dict``.
        also: more objects whose attributes are put back, e.g. schedulers, averages, losses.

    Raises:
        TypeError: an argument of another kind, or a loader that is an iterator without state.
        ValueError: the model has lazy parameters.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> before = model.weight.clone()
        >>> with restored(model):
        ...     _ = nn.init.zeros_(model.weight)
        >>> torch.equal(model.weight, before)
        True
    """
    return Snapshot(
        model, optimizer, scaler=scaler, loader=loader, generators=generators, also=also
    )


class Snapshot:
    """What ``restored`` remembers, to be put back any number of times.

    Args:
        model: see ``restored``.
        optimizer: see ``restored``.
        scaler: see ``restored``.
        loader: see ``restored``.
        generators: see ``restored``.
        also: see ``restored``.
        randomness: whether the random states shared by everybody are part of it.

    Example:
        >>> start = Snapshot()
        >>> first = torch.rand(1)
        >>> start.restore()
        >>> bool(torch.rand(1) == first)
        True
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        *,
        scaler: torch.amp.GradScaler | None = None,
        loader: Any = None,
        generators: Iterable[Any] = (),
        also: Iterable[Any] = (),
        randomness: bool = True,
    ) -> None:
        _check("model", model, nn.Module)
        _check("optimizer", optimizer, torch.optim.Optimizer)
        _check("scaler", scaler, torch.amp.GradScaler)
        self._pieces: list[Back] = []
        self._shields = [Shield(Snapshot.__init__.__code__)]
        self._shields[0].open()
        try:
            shared = global_states() if randomness else []  # first, since what follows may draw
            roots = [model, optimizer, scaler, *(root for one in also for root in _roots(one))]
            self._pieces += pieces(root for root in roots if root is not None)
            self._pieces += given_states(generators)
            self._pieces += [] if loader is None else loader_states(loader)
            self._pieces += shared
        finally:
            self._shields.pop().close()

    def restore(self) -> None:
        """Put everything back; Ctrl-C waits until that is done.

        A part that cannot be put back does not keep the others from it.

        Raises:
            Exception: whatever the first such part raised.
        """
        with self:
            pass

    def __enter__(self) -> Self:
        self._shields.append(Shield(Snapshot.__exit__.__code__))
        self._shields[-1].open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed: list[Exception] = []
        for back in self._pieces:
            try:
                back()
            except Exception as failure:
                failed.append(failure)
        self._shields.pop().close()
        if failed:
            raise failed[0]


def _roots(value: Any) -> list[Any]:
    """Return where to begin with any object: itself, or its attributes if it is of no kind known."""
    return [value] if isinstance(value, FOLLOWED) else [value, getattr(value, "__dict__", None)]


def _check(name: str, value: Any, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}: expected {kind.__name__} or None, got {type(value).__name__}")
