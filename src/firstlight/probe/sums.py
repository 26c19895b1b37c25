"""Running statistics of each unit of a layer: mergeable, of fixed size, never the values themselves."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight.probe import kernel

Array = NDArray[np.float64]

ROW, MOST = 512, 8
"""Thinned statistics skip rows longer than ``ROW``: at most ``MOST`` − 1 of ``MOST`` rows."""

SKETCHED = 64
"""At most so many numbers of a row (one sample, or one position of a sequence) enter the sketch."""

_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor

_Like = tuple[torch.Size, int, torch.dtype, tuple[int, int, int]]

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


class Sums:
    """Mean, standard deviation, share of zeros and of saturated values, and a sketch of quantiles.

    For each unit the sums are kept in double precision about a pivot, the first value seen, so that
    neither the number of batches nor a large mean costs digits. Sums, zeros and saturated values
    count every number; the sketch takes a fixed stride through them, counted over all batches, so
    that nothing here depends on how the data are cut into batches.

    On a processor one pass of compiled code does it; on a CUDA device PyTorch does, and nothing is
    read back until asked for.

    Args:
        units: units of the layer.
        device: where the values come from.
        thin: of rows (samples, or positions of a sequence) longer than 1,023 numbers take one in
            two to eight, by their length and by their number in the stream.
    """

    def __init__(self, units: int, device: torch.device, *, thin: bool = False) -> None:
        self.units, self.n, self.seen, self.stride = units, 0, 0, 1
        self.rows, self.step, self._thin = 0, 1, thin
        self._device = device if device.type == "cuda" else torch.device("cpu")
        # Statistics outlive the inference mode that they may have been started in.
        with torch.inference_mode(False):
            kwargs: dict[str, Any] = {"device": self._device, "dtype": torch.float64}
            self._pivot = torch.zeros(units, **kwargs)
            self._sums = torch.zeros((4, units), **kwargs)
            self._sketch = torch.zeros(kernel.BINS, device=self._device, dtype=torch.int64)
        self.like: _Like | None = None
        self._arrays: tuple[Any, ...] = ()
        if self._device.type == "cpu":
            self._arrays = self._pivot.numpy(), self._sums.numpy(), self._sketch.numpy()

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
            first = x[0, :, 0].to(self._device, torch.float64)
            self._pivot.copy_(torch.nan_to_num(first, posinf=0.0, neginf=0.0))
        if self._arrays:
            self._add_array(x.numpy(force=True), bounds)
        else:
            self._add_with_torch(x, bounds)
            self._count(outer, units, inner)

    def remember(self, x: Tensor, axis: int) -> None:
        """Remember how ``x`` was arranged, so that the next one like it takes the short way."""
        if x.is_cpu and x.dtype in _DIRECT and self.rows and x.shape[axis:] and x.numel():
            outer = math.prod(x.shape[: x.ndim + axis])
            if x.shape[axis] == self.units:
                inner = x.numel() // (outer * self.units)
                self.like = x.shape, axis, x.dtype, (outer, self.units, inner)

    def add_again(self, x: Tensor, bounds: Bounds) -> bool:
        """Add ``x`` if it is like the one remembered, and say whether it was.

        This is the way of nearly every batch, so it is kept short.
        """
        if self.like is None or x.is_nested or x.layout is not torch.strided:
            return False
        shape, _, dtype, arrangement = self.like
        if x.shape != shape or x.dtype is not dtype or not x.is_cpu or not x.is_contiguous():
            return False
        if _is_wrapped(x):
            return False
        self._add_array(x.detach().numpy().reshape(arrangement), bounds)
        return True

    def _add_array(self, x: Any, bounds: Bounds) -> None:
        pivot, sums, sketch = self._arrays
        low, high = bounds
        rows, places = (-self.rows % self.step, self.step), (-self.seen % self.stride, self.stride)
        kernel.stream(x, pivot, sums, low, high, rows, sketch, places)
        self._count(*x.shape)

    def _count(self, outer: int, units: int, inner: int) -> None:
        taken = outer if self.step == 1 else len(range(-self.rows % self.step, outer, self.step))
        self.rows += outer
        self.n += taken * inner
        self.seen += taken * units * inner

    def _add_with_torch(self, x: Tensor, bounds: Bounds) -> None:
        """Do what ``kernel.stream`` does, with PyTorch's operations."""
        x = x[-self.rows % self.step :: self.step]
        gap = x.double() - self._pivot[:, None]
        low, high = bounds
        flat = torch.zeros_like(x) if low is None or high is None else (x <= low) | (x >= high)
        parts = gap.sum((0, 2)), gap.square_().sum((0, 2)), (x == 0).sum((0, 2)), flat.sum((0, 2))
        self._sums += torch.stack([part.double() for part in parts])
        bits = x.reshape(-1)[-self.seen % self.stride :: self.stride].float().view(torch.int32)
        places = ((bits >> kernel.SHIFT) & (kernel.BINS - 1)).long()
        self._sketch.index_add_(0, places, torch.ones_like(places))

    def add_saturated(self, x: Tensor, bands: Array) -> None:
        """Count values of shape (outer, units, inner) in closed ``bands`` (b, 2) as saturated."""
        if self._arrays:
            x = x if x.dtype in _DIRECT else x.float()
            kernel.count_inside(x.numpy(force=True), self._arrays[1][3], bands)
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

    @property
    def nbytes(self) -> int:
        """Bytes kept, whatever has been seen."""
        return int(self._pivot.nbytes + self._sums.nbytes + self._sketch.nbytes)

    @property
    def mean(self) -> Array:
        """Mean of each unit, shape (units,); not a number where nothing was seen."""
        return self._read(self._pivot) + self._read(self._sums[0]) / (self.n or math.nan)

    @property
    def std(self) -> Array:
        """Standard deviation of each unit about its mean (divided by n), shape (units,)."""
        n = self.n or math.nan
        first, second = self._read(self._sums[0]) / n, self._read(self._sums[1]) / n
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values leave no deviation
            return np.sqrt(np.maximum(second - first**2, 0.0))

    @property
    def zero(self) -> NDArray[np.int64]:
        """How often each unit was exactly zero, shape (units,)."""
        return self._read(self._sums[2]).astype(np.int64)

    @property
    def saturated(self) -> NDArray[np.int64]:
        """How often each unit was saturated, shape (units,)."""
        return self._read(self._sums[3]).astype(np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many numbers fell into each bin of the sketch, shape (BINS,)."""
        return np.asarray(self._sketch.cpu().numpy())

    def quantile(self, q: float) -> float:
        """Return the quantile of all units together, from the sketch.

        It lies within 1/32 of the true quantile, relative to its size, of the numbers sketched:
        every ``stride``-th of those seen. Numbers below 2⁻¹²⁶ count as zero.

        Args:
            q: between 0 and 1.

        Raises:
            ValueError: ``q`` is outside its range.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q: expected between 0 and 1, got {q}")
        values, counts = sorted_bins(self.counts)
        if counts.sum() == 0:
            return math.nan
        place = np.searchsorted(np.cumsum(counts), max(1.0, q * counts.sum()))
        return float(values[min(place, len(values) - 1)])

    @staticmethod
    def _read(x: Tensor) -> Array:
        return np.array(x.cpu().numpy())


def sorted_bins(counts: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Return the bins' middles in rising order, and their counts; not-a-number is left out."""
    half, octave = kernel.BINS // 2, 2 ** (23 - kernel.SHIFT)
    infinite = 255 * octave
    edges = (np.arange(infinite, dtype=np.uint32) << kernel.SHIFT).view(np.float32)
    upper = np.append(edges[1:].astype(np.float64), 2.0**128)
    middles = np.append((edges.astype(np.float64) + upper) / 2, math.inf)
    middles[:octave] = 0.0  # subnormal numbers
    up, down = counts[: infinite + 1], counts[half : half + infinite + 1][::-1]
    return np.append(-middles[::-1], middles), np.append(down, up)
