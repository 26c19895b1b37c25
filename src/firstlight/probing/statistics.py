"""Running statistics of each unit of a layer: mergeable, of fixed size, never the values themselves."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight.probing import kernel
from firstlight.torch_private import is_functorch_wrapped
from firstlight.types import Floats

ROW, MAX_STEP = 256, 16
"""Thinned statistics take one row in (its numbers / ``ROW``), rounded down, at most ``MAX_STEP``."""

SKETCHED = 32
"""Most numbers of a row (one sample, or one position of a sequence) that enter the sketch."""

Bounds = tuple[float, float] | tuple[None, None]
OPEN: Bounds = (None, None)
"""Bounds where nothing is counted as saturated."""

_STREAMS = {torch.float32: kernel.stream_single, torch.float64: kernel.stream_double}
"""Precision → what adds up such numbers; others become float32 first."""

# Looked up for every batch of every layer.
_PLAIN, _STRIDED = (Tensor, torch.nn.Parameter), torch.strided


def arranged(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` as (outer, units, inner), contiguous, uncopied where possible; ``axis`` < 0."""
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


def sorted_bins(counts: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the bins' middles in rising order, and their counts; not-a-number is left out."""
    half, octave = kernel.BINS // 2, 2 ** (23 - kernel.SHIFT)
    infinite = 255 * octave
    edges = (np.arange(infinite, dtype=np.uint32) << kernel.SHIFT).view(np.float32)
    upper = np.append(edges[1:].astype(np.float64), 2.0**128)
    middles = np.append((edges.astype(np.float64) + upper) / 2, math.inf)
    middles[:octave] = 0.0  # subnormal numbers
    positive, negative = counts[: infinite + 1], counts[half : half + infinite + 1]
    return np.append(-middles[::-1], middles), np.append(negative[::-1], positive)


def _counter(name: str) -> property:
    """Return a whole number of the statistics' state, on which the compiled code counts as well."""

    def write(stats: "RunningStats", value: int) -> None:
        stats._state[name] = value

    return property(lambda stats: int(stats._state[name]), write)


_Layout = tuple[torch.Size, int, torch.dtype, Callable[[int, int], None]]
"""How a tensor lies in memory (shape, axis, precision), and what adds its like without a new look."""


class RunningStats:
    """Mean, standard deviation, share of zeros and of saturated values, and a sketch of quantiles.

    For each unit the sums are kept in double precision about a pivot, its mean in the first row, so
    that neither the number of batches nor a large mean costs digits. Sums, zeros and saturated
    values count every number; the sketch takes a fixed stride through them, counted over all
    batches, so that nothing here depends on how the data are cut into batches.

    On a processor one pass of compiled code does it (``compiled``); on a CUDA device PyTorch does,
    and nothing is read back until asked for.

    Args:
        units: units of the layer.
        device: where the values come from.
        thin: of rows (samples, or positions of a sequence) of 512 numbers or more take only one in
            two to sixteen, by their length and by their place in the stream.

    Attributes:
        n: numbers of each unit that were added.
        rows, seen: rows, and numbers, that went by; the strides are counted through them.

    Example:
        >>> stats = RunningStats(2, torch.device("cpu"))
        >>> stats.add(torch.tensor([[0.0, 1.0], [2.0, 1.0]]).reshape(2, 2, 1))
        >>> stats.n, stats.mean.tolist(), stats.zero.tolist()
        (2, [1.0, 1.0], [1, 0])
    """

    n, rows, seen, step, stride = map(_counter, ("n", "rows", "seen", "step", "stride"))

    def __init__(self, units: int, device: torch.device, *, thin: bool = False) -> None:
        self.units = units
        self._thin, self.compiled = thin, device.type != "cuda"
        self._device = torch.device("cpu") if self.compiled else device
        # Statistics outlive the inference mode that they may have been started in.
        with torch.inference_mode(False):
            kwargs: dict[str, Any] = {"device": self._device, "dtype": torch.float64}
            self._pivot = torch.zeros(units, **kwargs)
            self._sums = torch.zeros((4, units), **kwargs)
            self._sketch = torch.zeros(kernel.BINS, device=self._device, dtype=torch.int64)
        self._state = np.zeros((), kernel.STATE)
        self.step = self.stride = 1
        self._bind()

    def _bind(self) -> None:
        """Write into the state where the sums lie."""
        for name, array in (("pivot", self._pivot), ("sums", self._sums), ("sketch", self._sketch)):
            self._state[name] = array.data_ptr()
        self._state_at = int(self._state.ctypes.data)
        self._layout: _Layout | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: its sums lie elsewhere."""
        return {k: v for k, v in vars(self).items() if k not in ("_layout", "_state_at")}

    def __setstate__(self, values: dict[str, Any]) -> None:
        """Become a copy."""
        vars(self).update(values)
        self._bind()

    @property
    def nbytes(self) -> int:
        """Bytes kept, whatever has been seen."""
        return int(self._pivot.nbytes + self._sums.nbytes + self._sketch.nbytes)

    @property
    def mean(self) -> Floats:
        """Mean of each unit, shape (units,); not a number where nothing was seen."""
        return _numpy(self._pivot) + _numpy(self._sums[0]) / float(self.n or math.nan)

    @property
    def std(self) -> Floats:
        """Standard deviation of each unit about its mean (divided by n), shape (units,)."""
        n = float(self.n or math.nan)
        first, second = _numpy(self._sums[0]) / n, _numpy(self._sums[1]) / n
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values leave no deviation
            return np.sqrt(np.maximum(second - first**2, 0.0))

    @property
    def zero(self) -> NDArray[np.int64]:
        """How often each unit was exactly zero, shape (units,)."""
        return _numpy(self._sums[2]).astype(np.int64)

    @property
    def saturated(self) -> NDArray[np.int64]:
        """How often each unit was saturated, shape (units,)."""
        return _numpy(self._sums[3]).astype(np.int64)

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

    def add(self, x: Tensor, bounds: Bounds = OPEN) -> None:
        """Add a batch of shape (outer, units, inner); numbers outside ``bounds`` are saturated."""
        outer, units, inner = x.shape
        if outer * units * inner == 0:
            return
        if x.dtype not in _STREAMS:
            x = x.float()
        if self.rows == 0:
            self.stride = stride_of(units * inner)
            self.step = max(1, min(MAX_STEP, units * inner // ROW)) if self._thin else 1
            first = x[0].to(self._device, torch.float64).mean(1)
            self._pivot.copy_(torch.nan_to_num(first, posinf=0.0, neginf=0.0))
        if not self.compiled:
            self._add_with_torch(x, bounds)
            return
        state, (low, high) = self._state, bounds
        state["outer"], state["units"], state["inner"] = outer, units, inner
        state["bounded"] = low is not None
        state["low"], state["high"] = low or 0.0, high or 0.0
        x = x.cpu().resolve_neg().contiguous()
        kernel.compiled(_STREAMS[x.dtype])(x.data_ptr(), self._state_at)

    def remember_layout(self, x: Tensor, axis: int) -> None:
        """Remember how ``x``, just added, lies in memory: the next like it takes the short way."""
        self._layout = None
        direct = x.is_cpu and x.dtype in _STREAMS and self.rows and x.shape[axis:] and x.numel()
        if direct and x.shape[axis] == self.units:
            self._layout = x.shape, axis, x.dtype, kernel.compiled(_STREAMS[x.dtype])

    def add_if_alike(self, x: Any) -> int | None:
        """Add ``x`` if it lies in memory as the tensor remembered, and return its units' axis.

        Nearly every batch goes this way, so it is kept short. None where it was not added.
        """
        layout = self._layout
        if layout is None or type(x) not in _PLAIN or x.is_nested:
            return None
        shape, axis, dtype, add = layout
        if x.shape != shape or x.dtype is not dtype or not x.is_cpu:
            return None
        if x.layout is not _STRIDED or not x.is_contiguous() or is_functorch_wrapped(x):
            return None
        add(x.data_ptr(), self._state_at)
        return axis

    def _add_with_torch(self, x: Tensor, bounds: Bounds) -> None:
        """Do what ``kernel.stream_single`` does, with PyTorch's operations."""
        outer, (low, high) = len(x), bounds
        x = x[-self.rows % self.step :: self.step]
        gap = x.double() - self._pivot[:, None]
        flat = torch.zeros_like(x) if low is None or high is None else (x <= low) | (x >= high)
        sums = gap.sum((0, 2)), gap.square_().sum((0, 2)), (x == 0).sum((0, 2)), flat.sum((0, 2))
        self._sums += torch.stack([each.double() for each in sums])
        bits = x.reshape(-1)[-self.seen % self.stride :: self.stride].float().view(torch.int32)
        bins = ((bits >> kernel.SHIFT) & (kernel.BINS - 1)).long()
        self._sketch.index_add_(0, bins, torch.ones_like(bins))
        self.rows, self.seen = self.rows + outer, self.seen + x.numel()
        self.n += x.numel() // self.units

    def add_saturated(self, x: Tensor, bands: Floats) -> None:
        """Count values of shape (outer, units, inner) in closed ``bands`` (b, 2) as saturated."""
        if self.compiled:
            x = x if x.dtype in _STREAMS else x.float()
            add = kernel.compiled(kernel.count_inside)
            add(x.contiguous().numpy(force=True), self._sums[3].numpy(), bands)
            return
        for low, high in bands.tolist():
            self._sums[3] += ((x >= low) & (x <= high)).sum((0, 2))

    def merge(self, other: "RunningStats", *, pooled: bool = False) -> None:
        """Add what another has seen, unit by unit, or ``pooled``: all its units as one."""
        sums, pivot = other._sums.to(self._device), other._pivot.to(self._device)
        if not self.n:
            self._pivot.copy_(pivot.mean() if pooled else pivot)
        # Σ(x − p)² about another pivot: expand the square.
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

    def as_one_unit(self) -> "RunningStats":
        """Return the same statistics with all units taken as one."""
        one = RunningStats(1, self._device)
        one.merge(self, pooled=True)
        return one


def _numpy(x: Tensor) -> Floats:
    return np.array(x.cpu().numpy())
