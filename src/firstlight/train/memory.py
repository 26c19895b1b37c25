"""Keep the memory that a training step frees for the next step."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's names: M_TRIM_THRESHOLD, M_MMAP_MAX
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65_536}
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


def _library() -> Any:
    """Return the C library if it is glibc, else None."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


@contextmanager
def kept() -> Iterator[bool]:
    """Let the C library keep freed memory while the body runs; yield whether it can.

    By default glibc gives every large block back to the system at once, which must then hand out
    and clear its pages anew in each step: a tenth of a convolutional network's training on a
    processor. At the end the defaults hold again and the memory is given back. It makes no
    difference to any result, and does nothing where the C library is another one.

    Example:
        >>> with kept() as can:
        ...     isinstance(can, bool)
        True

    Source: GNU C Library manual, section 3.2.3.8 "Malloc Tunable Parameters".
    """
    library = _library()
    if library is None:
        yield False
        return
    for name, value in _KEEPING.items():
        library.mallopt(name, value)
    try:
        yield True
    finally:
        for name, value in _DEFAULTS.items():
            library.mallopt(name, value)
        library.malloc_trim(0)
