"""What running statistics say: mean, deviation, counts and quantiles, read when asked for."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firstlight.probing import kernel

Array = NDArray[np.float64]


class Counter:
    """A whole number that the compiled code counts on as well."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __get__(self, owner: "Reading", kind: type) -> int:
        return int(owner._state[self._place])

    def __set__(self, owner: "Reading", value: int) -> None:
        owner._state[self._place] = value


class Reading:
    """The numbers that are kept of what was seen, and what they say.

    Args:
        units: units of the layer.
        device: where the values come from.
    """

    def __init__(self, units: int, device: torch.device) -> None:
        self.units = units
        self._device = device if device.type == "cuda" else torch.device("cpu")
        # Statistics outlive the inference mode that they may have been started in.
        with torch.inference_mode(False):
            kwargs: dict[str, Any] = {"device": self._device, "dtype": torch.float64}
            self._pivot = torch.zeros(units, **kwargs)
            self._sums = torch.zeros((4, units), **kwargs)
            self._sketch = torch.zeros(kernel.BINS, device=self._device, dtype=torch.int64)
        self._state = np.zeros(kernel.PLACES, np.int64)

    n = Counter(kernel.TAKEN)

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
