"""One integer becomes any number of named, independent generators."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def child(seed: int, *names: str | int) -> np.random.SeedSequence:
    """Return the seed sequence of the stream ``names`` under ``seed``.

    The names are hashed (SHA-256, joined by a separator that cannot occur in them), so a stream
    does not move when another is added: ``child(0, "data")`` is the same in every study.

    Args:
        seed: the run's seed, at least 0.
        names: what the stream is for, e.g. ``("weights", 3)``.
    """
    if seed < 0:
        raise ValueError(f"seed: expected at least 0, got {seed}; choose a non-negative integer")
    digest = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
    return np.random.SeedSequence([seed, *np.frombuffer(digest, dtype="<u4").tolist()])


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return NumPy's PCG64 generator of the stream ``names`` under ``seed``.

    Example:
        >>> bool(generator(0, "data").random() == generator(0, "data").random())
        True
    """
    return np.random.Generator(np.random.PCG64(child(seed, *names)))


def integer(seed: int, *names: str | int) -> int:
    """Return the stream's one non-negative 63-bit integer, for libraries that want a number."""
    high, low = child(seed, *names).generate_state(2, np.uint32).tolist()
    return int((high << 32) | low) >> 1


def torch_generator(seed: int, *names: str | int, device: str = "cpu") -> "torch.Generator":
    """Return a ``torch.Generator`` on ``device`` for the stream ``names`` under ``seed``."""
    import torch

    return torch.Generator(device=device).manual_seed(integer(seed, *names))
