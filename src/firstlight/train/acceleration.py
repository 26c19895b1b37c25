"""How to train a network fastest on the machine at hand, chosen by fixed rules."""

import ctypes
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from firstlight.train.evaluation import modes_kept

# glibc's numbers of M_TRIM_THRESHOLD and M_MMAP_MAX
_DEFAULTS = {-1: 128 * 1024, -4: 65_536}
_KEEPING = {-1: 2**31 - 1, -4: 0}

COMPILE_PAYS = {"amx": 9e13, "cuda": 3e15}
"""Floating point operations of a whole training above which compiling the network pays back.

For AMX it follows from 302 images/s uncompiled, 392 compiled, and 48 s of compiling MiniGoogLeNet.
On a processor without AMX, where convolutions take nearly all of the time, no training was long
enough: MiniGoogLeNet was slower compiled.
"""


@dataclass(frozen=True)
class Acceleration:
    """What is done to train faster; by default, nothing.

    Args:
        channels_last: images and convolution weights lie with the channels innermost.
        bfloat16: forward passes under ``torch.autocast`` in bfloat16.
        fused: the optimizer updates all parameters in one operation.
        compiled: the network runs under ``torch.compile``.
        memory_kept: freed memory is kept for the next step (see ``keep_freed_memory``).

    Example:
        >>> print(Acceleration(bfloat16=True, fused=True))
        bfloat16, fused optimizer
    """

    channels_last: bool = False
    bfloat16: bool = False
    fused: bool = False
    compiled: bool = False
    memory_kept: bool = False

    def __str__(self) -> str:
        """Return what was chosen, in words."""
        words = {
            "channels last": self.channels_last,
            "fused optimizer": self.fused,
            "compiled": self.compiled,
            "freed memory kept": self.memory_kept,
        }
        precision = "bfloat16" if self.bfloat16 else "float32"
        return ", ".join([precision, *(word for word, chosen in words.items() if chosen)])


PLAIN = Acceleration()
"""The network as it is, in its own precision and layout."""


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (_processor_has("amx_tile") or _processor_has("avx512_bf16"))


def _processor_has(feature: str) -> bool:
    ask = getattr(torch.cpu, f"_is_{feature}_supported", None)
    return ask is not None and bool(ask())


def _compile_pays(device: torch.device) -> float:
    """Return the operations above which compiling pays here; infinite where it fails."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:  # what PyTorch compiles with
        return math.inf
    if device.type == "cuda":
        return COMPILE_PAYS["cuda"] if find_spec("triton") else math.inf
    amx = device.type == "cpu" and _processor_has("amx_tile")
    return COMPILE_PAYS["amx"] if amx else math.inf


def _can_fuse(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether ``fused`` may be switched on: known to the optimizer, and nothing begun."""
    others = ("foreach", "differentiable", "capturable")
    return not optimizer.state and all(
        "fused" in group and not any(group.get(other) for other in others)
        for group in optimizer.param_groups
    )


def operations(model: nn.Module, example: Any) -> float:
    """Return the floating point operations of one training step on ``example``.

    A forward pass counted by PyTorch, and twice as many backward. The model's mode, buffers and
    random state are as before.
    """
    counter = FlopCounterMode(display=False)
    with modes_kept(model), torch.no_grad(), counter:
        model.eval()
        model(example)
    return 3.0 * counter.get_total_flops()


def choose(
    model: nn.Module,
    example: Tensor,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    samples: int = 0,
) -> Acceleration:
    """Return the fastest way to train a network here, by fixed rules.

    bfloat16 where the processor (AMX, AVX-512 BF16) or the GPU (compute capability 8 and above)
    multiplies it faster; channels last for convolutions on images; the fused optimizer where it has
    one and has not begun; ``torch.compile`` where the whole training is so long that compiling pays
    back. The rules look only at the machine and at the training, never at a measured time, so that
    the same training gives the same result again.

    Args:
        model: the network, on its device.
        example: one micro-batch of inputs, the first axis being the samples.
        optimizer: what will be used, if known.
        samples: samples that the training will pass in all, 0 for unknown: then nothing is
            compiled.

    Returns:
        What to do; ``use`` does it.

    Example:
        >>> choose(nn.Linear(2, 1), torch.zeros(4, 2)).channels_last
        False
    """
    device, pays = example.device, _compile_pays(example.device)
    weighed = samples > 0 and len(example) > 0 and pays < math.inf
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    return Acceleration(
        channels_last=example.ndim >= 3 and convolves,
        bfloat16=has_fast_bfloat16(device) and example.dtype is torch.float32,
        fused=optimizer is not None and _can_fuse(optimizer),
        compiled=weighed and operations(model, example[:1]) * samples > pays,
        memory_kept=device.type == "cpu",
    )


@contextmanager
def use(
    path: Acceleration, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> Iterator[Callable[..., Any]]:
    """Train fast in this block: yield the forward pass, inputs → outputs in the inputs' precision.

    The model's weights change their layout, not their values, and keep it; so does the optimizer's
    ``fused``. A batch of another size than the first runs uncompiled, for compiling it anew would
    cost more than it saves.

    Args:
        path: what to do, from ``choose``; or ``PLAIN``.
        model: the network.
        optimizer: the one that will be stepped.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> with use(PLAIN, model) as forward:
        ...     forward(torch.zeros(4, 2)).shape
        torch.Size([4, 1])
    """
    if path.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if path.fused and optimizer is not None:
        for group in optimizer.param_groups:
            group["fused"] = True
    with keep_freed_memory() if path.memory_kept else nullcontext():
        yield _forward(path, model)


def _forward(path: Acceleration, model: nn.Module) -> Callable[..., Any]:
    fast: Any = torch.compile(model, dynamic=False) if path.compiled else model
    device = next(model.parameters(), torch.empty(0)).device.type
    first: list[Any] | None = None

    def laid_out(x: Any) -> Any:
        images = path.channels_last and isinstance(x, Tensor) and x.ndim == 4
        return x.contiguous(memory_format=torch.channels_last) if images else x

    def forward(*inputs: Any, **named: Any) -> Any:
        nonlocal first
        shapes = [getattr(x, "shape", None) for x in (*inputs, *named.values())]
        first = shapes if first is None else first
        run = fast if shapes == first else model
        with torch.autocast(device, torch.bfloat16) if path.bfloat16 else nullcontext():
            outputs = run(*map(laid_out, inputs), **named)
        return outputs.float() if path.bfloat16 and isinstance(outputs, Tensor) else outputs

    return forward


@contextmanager
def keep_freed_memory() -> Iterator[bool]:
    """Let the C library keep freed memory while the body runs; yield whether it can.

    By default glibc gives every large block back to the system at once, which must then hand out
    and clear its pages anew in each step: a tenth of a convolutional network's training on a
    processor. At the end the defaults hold again and the memory is given back. It makes no
    difference to any result, and does nothing where the C library is another one.

    Example:
        >>> with keep_freed_memory() as can:
        ...     isinstance(can, bool)
        True

    Source: GNU C Library manual, section 3.2.3.8 "Malloc Tunable Parameters".
    """
    library: Any = None
    with suppress(OSError, TypeError):  # Windows has no library of all symbols
        library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
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
