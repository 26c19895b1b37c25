"""Ctrl-C that waits while something must not be left half done."""

import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any]


class Shield:
    """Between ``open`` and ``close``, Ctrl-C waits while a certain function runs, and only then.

    It is opened before there is something to protect, so that no moment is left between the end of
    what may be interrupted and the beginning of what may not. Only the main thread gets Ctrl-C; in
    others, and where Ctrl-C does not run Python code, a shield does nothing.

    Args:
        code: of the function that calls ``close`` at its end.
    """

    def __init__(self, code: CodeType) -> None:
        self._code, self._waiting = code, False
        self._before: _Handler | None = None
        self._last: _Handler = signal.default_int_handler

    def open(self) -> None:
        """Begin to listen to Ctrl-C."""
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):
            return
        outer = getattr(before, "__self__", None)
        self._last = outer._last if isinstance(outer, Shield) else before
        self._before = before
        signal.signal(signal.SIGINT, self._handle)

    def close(self) -> None:
        """Stop listening, and let a Ctrl-C that has waited act."""
        if self._before is None:
            return
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._before)
        if self._waiting:
            self._waiting = False
            self._last(signal.SIGINT, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        inside = frame
        while inside is not None:
            if inside.f_code is self._code:
                self._waiting = True
                return
            inside = inside.f_back
        self._last(number, frame)
