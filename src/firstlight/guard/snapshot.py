"""Everything that training touches, remembered in memory and put back in place."""

import signal
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from functools import partial
from types import FrameType
from typing import Any, Self

import torch
from torch import nn

from firstlight.guard import state

_WAITING: ContextVar[list[int] | None] = ContextVar("_WAITING", default=None)
"""The signals that have come while they had to wait; None where one may act at once."""


class _Uninterrupted:
    """A method during which Ctrl-C waits, from the very moment at which it is called.

    Python may deliver Ctrl-C between the end of a ``with`` block and the first line of ``__exit__``,
    which is too early for a mark that this line sets. ``Context.run`` is compiled: it sets the mark
    and calls the method without such a moment in between.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        if instance is None:
            return lambda instance, *args: self.__get__(instance, owner)(*args)
        context = copy_context()
        context.run(_WAITING.set, [])
        return partial(context.run, self._method, instance)


class _Interrupts:
    """Between ``open`` and ``close``, Ctrl-C waits in uninterrupted methods; elsewhere it acts.

    Only the main thread gets Ctrl-C; in others, and where it runs no Python code, nothing changes.
    """

    def __init__(self) -> None:
        self._handler: Callable[[int, FrameType | None], Any] | None = None
        self._outer = _WAITING.get()

    def open(self) -> None:
        """Handle Ctrl-C from now on."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._handler = handler
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        waiting = _WAITING.get()
        if waiting is not None:
            waiting.append(number)
        elif self._handler is not None:
            self._handler(number, frame)

    def close(self) -> None:
        """Leave Ctrl-C to whoever handled it before, and let one that has waited act."""
        waiting = _WAITING.get()
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._handler)
        _WAITING.set(self._outer)  # a guard that is being closed around this one still waits
        if waiting and self._handler is not None:
            self._handler(waiting[0], None)


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
    and the optimizer's state together. Hooks that the block registers or removes are left alone.

    Args:
        model: any module; a lazy one must have run once.
        optimizer: over any parameters.
        scaler: as used for half precision.
        loader: a DataLoader, or any loader with samplers or a ``state_dict``; its workers'
            memory, where they live on between epochs, is out of reach.
        generators: of torch, NumPy or Python's ``random``; samplers with a ``state_dict``.
        also: more objects whose attributes are put back, e.g. schedulers, averages, losses.

    Returns:
        A context manager; what it remembers is taken at this call.

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

    As a context manager it puts everything back at the end of the block, as ``restored`` does.

    Args:
        model, optimizer, scaler, loader, generators, also: see ``restored``.
        randomness: whether the random states shared by everybody are part of it.

    Raises:
        TypeError: an argument of another kind, or a loader that is an iterator without state.
        ValueError: the model has lazy parameters.

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
        for name, value, kind in (
            ("model", model, nn.Module),
            ("optimizer", optimizer, torch.optim.Optimizer),
            ("scaler", scaler, torch.amp.GradScaler),
        ):
            if value is not None and not isinstance(value, kind):
                got = type(value).__name__
                raise TypeError(f"{name}: expected {kind.__name__} or None, got {got}")
        shared = state.global_states() if randomness else []  # first, since what follows may draw
        roots: list[Any] = [model, optimizer, scaler]
        for value in also:
            roots.append(value)
            if not isinstance(value, state.FOLLOWED):  # else its attributes are followed from it
                roots.append(getattr(value, "__dict__", None))
        self._restores = state.restores(roots) + state.given_states(generators)
        self._restores += [] if loader is None else state.loader_states(loader)
        self._restores += shared
        self._interrupts: list[_Interrupts] = []

    def restore(self) -> None:
        """Put everything back; Ctrl-C waits until that is done.

        A part that cannot be put back does not keep the others from it.

        Raises:
            Exception: whatever the first such part raised.
        """
        with self:
            pass

    def __enter__(self) -> Self:
        self._interrupts.append(_Interrupts())
        self._interrupts[-1].open()
        return self

    @_Uninterrupted
    def __exit__(self, *error: object) -> None:
        failures: list[Exception] = []
        for restore in self._restores:
            try:
                restore()
            except Exception as failure:
                failures.append(failure)
        self._interrupts.pop().close()
        if failures:
            raise failures[0]
