"""Running statistics of each unit of a layer: mergeable, of fixed size, never the values themselves."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from firstlight.probing import kernel
from firstlight.probing.reading import Array, Counter, Reading

ROW, MOST = 256, 16
"""Thinned statistics take one row in (its numbers / ``ROW``), rounded down, at most ``MOST``."""

SKETCHED = 32
"""At most so many numbers of a row (one sample, or one position of a sequence) enter the sketch."""

_PLAIN = (Tensor, torch.nn.Parameter)
_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor

_STRIDED = torch.strided

_Like = tuple[torch.Size, int, torch.dtype, Callable[[int, int], None], int]

Bounds = tuple[float, float] | tuple[None, None]
OPEN: Bounds = (None, None)
"""Bounds where nothing is counted as saturated."""

_DIRECT = (torch.float32, torch.float64)
"""Precisions that are added up as they are; others become float32 first."""


def arranged(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` as (outer, units, inner), contiguous: no copy is made where it can be avoided.

    Args:
        x: any shape.
        axis: where the units lie, counted from the end (below 0).
    """
    x, shape = x.detach(), x.shape
    if not shape:
        return x.reshape(1, 1, 1)
    units, end = shape[axis], len(shape) + axis
    if not x.is_contiguous():
        last = x.movedim(axis, -1)
        if last.is_contiguous():  # the layout that PyTorch calls channels last
            return last.view(-1, units, 1) if x.numel() else last.reshape(0, units, 1)
        x = x.contiguous()
    return x.view(math.prod(shape[:end]), units, math.prod(shape[end + 1 :]))


def stride_of(cells: int) -> int:
    """Return a step through rows of ``cells`` numbers that visits every place of the row in turn.

    It takes at most ``SKETCHED`` numbers of a row and shares no factor with the row's length, so
    that it does not keep to a few units.
    """
    stride = max(1, math.ceil(cells / SKETCHED))
    while math.gcd(stride, cells) != 1:
        stride += 1
    return stride


def _stream(dtype: torch.dtype) -> Callable[[int, int], None]:
    """Return the compiled code that adds numbers of a precision."""
    single = dtype is torch.float32
    add: Callable[[int, int], None] = kernel.compiled(
        kernel.stream_single if single else kernel.stream_double
    )
    return add


class Sums(Reading):
    """Mean, standard deviation, share of zeros and of saturated values, and a sketch of quantiles.

    For each unit the sums are kept in double precision about a pivot, its mean in the first row, so that
    neither the number of batches nor a large mean costs digits. Sums, zeros and saturated values
    count every number; the sketch takes a fixed stride through them, counted over all batches, so
    that nothing here depends on how the data are cut into batches.

    On a processor one pass of compiled code does it (``compiled``); on a CUDA device PyTorch does,
    and nothing is read back until asked for.

    Args:
        units: units of the layer.
        device: where the values come from.
        thin: of rows (samples, or positions of a sequence) of 512 numbers or more take only one in
            two to sixteen, by their length and by their place in the stream.
    """

    def __init__(self, units: int, device: torch.device, *, thin: bool = False) -> None:
        super().__init__(units, device)
        self._thin, self.compiled = thin, self._device.type == "cpu"
        self.step = self.stride = 1
        self._bind()

    def _bind(self) -> None:
        """Tell the compiled code where the sums lie."""
        arrays = self._pivot, self._sums, self._sketch
        self._state[kernel.PIVOT :] = [x.data_ptr() for x in arrays]
        self._state_at = int(self._state.ctypes.data)
        self.like: _Like | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: its sums lie elsewhere."""
        return {k: v for k, v in vars(self).items() if k not in ("like", "_state_at")}

    def __setstate__(self, values: dict[str, Any]) -> None:
        """Become a copy."""
        vars(self).update(values)
        self._bind()

    rows, seen = Counter(kernel.ROWS), Counter(kernel.SEEN)
    step, stride = Counter(kernel.STEP), Counter(kernel.STRIDE)

    def add(self, x: Tensor, bounds: Bounds = OPEN) -> None:
        """Add a batch of shape (outer, units, inner); numbers outside ``bounds`` are saturated."""
        outer, units, inner = x.shape
        if outer * units * inner == 0:
            return
        if x.dtype not in _DIRECT:
            x = x.float()
        if self.rows == 0:
            self.stride = stride_of(units * inner)
            self.step = max(1, min(MOST, units * inner // ROW)) if self._thin else 1
            first = x[0].to(self._device, torch.float64).mean(1)
            self._pivot.copy_(torch.nan_to_num(first, posinf=0.0, neginf=0.0))
        self._expect((outer, units, inner), bounds)
        if self.compiled:
            x = x.cpu().resolve_neg().contiguous()
            _stream(x.dtype)(x.data_ptr(), self._state_at)
        else:
            self._add_with_torch(x, bounds)

    def _expect(self, shape: tuple[int, int, int], bounds: Bounds) -> None:
        """Tell the compiled code how the next batch is arranged, and what is saturated."""
        state, (low, high) = self._state, bounds
        state[kernel.OUTER : kernel.INNER + 1] = shape
        state[kernel.BOUNDED] = low is not None
        if low is not None:
            state[kernel.LOW : kernel.HIGH + 1].view(np.float64)[:] = low, high

    def remember(self, x: Tensor, axis: int) -> None:
        """Remember how ``x``, just added, was arranged, so that the next like it goes the short way."""
        self.like = None
        whole = x.is_cpu and x.dtype in _DIRECT and self.rows and x.shape[axis:] and x.numel()
        if whole and x.shape[axis] == self.units:
            self.like = x.shape, axis, x.dtype, _stream(x.dtype), self._state_at

    def add_again(self, x: Any) -> bool:
        """Add ``x`` if it is like the tensor remembered, and say whether it was.

        This is the way of nearly every batch, so it is kept short.
        """
        like = self.like
        if like is None or type(x) not in _PLAIN or x.is_nested:
            return False
        shape, _, dtype, stream, state_at = like
        if x.shape != shape or x.dtype is not dtype or not x.is_cpu:
            return False
        if x.layout is not _STRIDED or not x.is_contiguous() or _is_wrapped(x):
            return False
        stream(x.data_ptr(), state_at)
        return True

    def _add_with_torch(self, x: Tensor, bounds: Bounds) -> None:
        """Do what ``kernel.stream_single`` does, with PyTorch's operations."""
        outer, (low, high) = len(x), bounds
        x = x[-self.rows % self.step :: self.step]
        gap = x.double() - self._pivot[:, None]
        flat = torch.zeros_like(x) if low is None or high is None else (x <= low) | (x >= high)
        parts = gap.sum((0, 2)), gap.square_().sum((0, 2)), (x == 0).sum((0, 2)), flat.sum((0, 2))
        self._sums += torch.stack([part.double() for part in parts])
        bits = x.reshape(-1)[-self.seen % self.stride :: self.stride].float().view(torch.int32)
        bins = ((bits >> kernel.SHIFT) & (kernel.BINS - 1)).long()
        self._sketch.index_add_(0, bins, torch.ones_like(bins))
        self.rows, self.seen = self.rows + outer, self.seen + x.numel()
        self.n += x.numel() // self.units

    def add_saturated(self, x: Tensor, bands: Array) -> None:
        """Count values of shape (outer, units, inner) in closed ``bands`` (b, 2) as saturated."""
        if self.compiled:
            x = x if x.dtype in _DIRECT else x.float()
            add = kernel.compiled(kernel.count_inside)
            add(x.contiguous().numpy(force=True), self._sums[3].numpy(), bands)
            return
        for low, high in bands.tolist():
            self._sums[3] += ((x >= low) & (x <= high)).sum((0, 2))

    def merge(self, other: "Sums", *, pooled: bool = False) -> None:
        """Take in what another has seen, its units each for each or all as one unit."""
        sums, pivot = other._sums.to(self._device), other._pivot.to(self._device)
        # Σ(x − p)² about another pivot: expand the square.
        gap = pivot - self._pivot if self.n else torch.zeros_like(pivot)
        if not self.n:
            self._pivot.copy_(pivot.mean() if pooled else pivot)
            gap = pivot - self._pivot
        moved = sums.clone()
        moved[0] += other.n * gap
        moved[1] += 2 * gap * sums[0] + other.n * gap * gap
        self._sums += moved.sum(1, keepdim=True) if pooled else moved
        self._sketch += other._sketch.to(self._device)
        self.n += other.n * (other.units if pooled else 1)
        self.seen += other.seen
        self.rows += other.rows
        self.stride = max(self.stride, other.stride, 1)

    def as_one_unit(self) -> "Sums":
        """Return the same statistics with all units taken as one."""
        one = Sums(1, self._device)
        one.merge(self, pooled=True)
        return one
