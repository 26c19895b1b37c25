"""Tell that memory ran out, and what to try next."""

import torch

_SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")


def ran_out(error: BaseException) -> bool:
    """Say whether an error means that there was not enough memory, on any device.

    Example:
        >>> ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory")), ran_out(KeyError())
        (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _SIGNS)


def give_back() -> None:
    """Return the memory that torch holds in reserve to the device."""
    torch.cuda.empty_cache()  # does nothing without a GPU in use
