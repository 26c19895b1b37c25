"""The batch-size range test: the training loss over the batch size at a fixed learning rate."""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.utils.data import Dataset

from firstlight.guard.snapshot import Snapshot
from firstlight.ranges.batches import Budget, Make, Samples, budget
from firstlight.ranges.curve.read import Curve, Direction
from firstlight.ranges.trainable import (
    ModelStep,
    Step,
    StepProgress,
    Trainable,
    ran_out_of_memory,
    why_stopped,
)
from firstlight.types import Floats

SMALLEST, LARGEST = 64, 8192


def batch_size(
    step: Step | ModelStep,
    data: tuple[Any, Any] | Dataset[Any] | Make,
    *,
    lr: float,
    sizes: Sequence[int] | None = None,
    epochs: float | None = None,
    updates: int | None = None,
    samples: int | None = None,
    micro_batch: int | None = None,
    repeats: int = 1,
    seed: int = 0,
    reset: Callable[[], object] | None = None,
    generators: Iterable[Any] = (),
    progress: StepProgress | None = None,
) -> Curve:
    """Measure the training loss over the batch size; the curve's ``bounds`` are read off it.

    Every size starts from the same weights, random state and order of samples, and is trained at
    the same rate for the same budget. Its loss is the mean over the samples of the last quarter of
    its updates, each before its update.

    What can be read depends on the budget, of which one is given:

    - ``epochs`` or ``samples``: the loss rises with the batch size, since larger batches make fewer
      updates. The curve is read from the largest size down: 10 % of the descent has happened at
      ``bounds.high`` and 90 % at ``bounds.low``; below ``low`` smaller batches hardly help, above
      ``high`` the loss is close to its worst.
    - ``updates``: the loss falls with the batch size, since larger batches see more samples. The
      curve is read upward: above ``bounds.high`` larger batches hardly help.

    Batches are exact however large: their gradient is summed over micro-batches weighted by their
    samples. When memory runs out the size starts again with micro-batches of half the samples. A
    model with batch normalization normalizes over a micro-batch, which is therefore the same over
    the whole curve, and the whole curve starts again. Afterwards everything is put back, as after
    ``learning_rate``. A size whose loss is not finite is left at once, and the next one is tried.

    Args:
        step: batch and rate → loss before the update; or a ``ModelStep`` of model, optimizer, loss.
        data: a pair (inputs, targets) of tensors, a map-style data set, or a function batch size →
            the batches of one epoch, of which it decides the order.
        lr: learning rate, above 0.
        sizes: samples in an update, rising; by default 64, 128, … 8192, as far as the data go.
        epochs: passes over the data; 5 if no budget is given. Each ends with a smaller batch.
        updates: number of updates, each of the whole size.
        samples: number of samples in all.
        micro_batch: most samples in one forward pass of a ``ModelStep``; by default the step's own,
            or else the smallest size if there is batch normalization, or else all.
        repeats: curves from the same weights with other orders of the samples.
        seed: of the orders, and of the bootstrap.
        reset: starts a function's model again, called before each size.
        generators: further generators of random numbers to put back.
        progress: called after each update with the size and the loss.

    Returns:
        The curve over the sizes, losses of shape (repeats, k). ``stopped`` names the first size
        whose loss was not finite.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: data of another kind, or a step that returns no number.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = ModelStep(model, optimizer, torch.nn.functional.mse_loss)
        >>> data = torch.ones(512, 2), torch.zeros(512, 1)
        >>> curve = batch_size(step, data, lr=0.01, epochs=2)
        >>> curve.values.tolist()
        [64.0, 128.0, 256.0, 512.0]

    Source: L. N. Smith (2017), section 3.3, after its range test for the learning rate; S. McCandlish
    et al., "An empirical model of large-batch training" (2018), for what equal budgets show.
    """
    length, pool = budget(epochs, updates, samples), Samples(data, seed)
    tried = _sizes(sizes, pool.count)
    step, generators = with_micro_batch(step, tried, micro_batch), list(generators)
    with Snapshot(generators=generators), Trainable(step, reset, progress, repeats) as trainable:
        trainings = Trainings(trainable, pool, length, lr, generators)
        rows, endings = trainings.losses(tried, repeats)
    expected: Direction = "rising" if updates is None else "falling"
    return Curve(np.array(tried, dtype=np.float64), rows, why_stopped(endings), expected, seed)


def _sizes(sizes: Sequence[int] | None, most: int | None) -> list[int]:
    if sizes is None:
        doubled = [SMALLEST << k for k in range((LARGEST // SMALLEST).bit_length())]
        tried = [size for size in doubled if most is None or size <= most]
        if not tried:
            raise ValueError(f"sizes: expected at least {SMALLEST} samples, got {most}; give sizes")
        return tried
    tried = [int(size) for size in sizes]
    rising = all(a < b for a, b in pairwise(tried))
    if not tried or tried != list(sizes) or tried[0] < 1 or not rising:
        raise ValueError(f"sizes: expected whole numbers above 0 in rising order, got {sizes}")
    if most is not None and tried[-1] > most:
        raise ValueError(f"sizes: expected at most {most}, all the samples, got {tried[-1]}")
    return tried


@dataclass(frozen=True)
class Trainings:
    """Trainings at one batch size after another, with smaller micro-batches where memory runs out."""

    trainable: Trainable  # the micro-batch of its ``ModelStep`` is set here
    samples: Samples
    budget: Budget  # the length of each training
    lr: float
    generators: Sequence[Any]  # put back with the shared random state before every size

    def __post_init__(self) -> None:
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ValueError(f"lr: expected a finite rate above 0, got {self.lr}")

    def losses(self, sizes: Sequence[int], repeats: int) -> tuple[Floats, list[str | None]]:
        """Return losses of shape (repeats, sizes), and why each repeat ended early, or None.

        A loss is not finite where its training ended early.
        """
        start = Snapshot(generators=self.generators)
        while True:
            try:
                curves = [self._curve(sizes, repeat) for repeat in range(repeats)]
            except _SmallerMicroBatch:
                start.restore()
                continue
            losses = np.array([[loss for loss, _ in curve] for curve in curves])
            return losses, [next((why for _, why in curve if why), None) for curve in curves]

    def _curve(self, sizes: Sequence[int], repeat: int) -> list[tuple[float, str | None]]:
        rng_state = Snapshot(generators=self.generators)
        return [self._at_size(size, repeat, rng_state) for size in sizes]

    def _at_size(self, size: int, repeat: int, rng_state: Snapshot) -> tuple[float, str | None]:
        while True:
            self.trainable.restart()
            rng_state.restore()
            try:
                return self._train(size, repeat)
            except Exception as error:
                if not ran_out_of_memory(error) or not self._halve(size):
                    raise
            torch.cuda.empty_cache()  # out here, where the error no longer holds tensors
            if normalized(self.trainable.step) is not None:
                raise _SmallerMicroBatch

    def _train(self, size: int, repeat: int) -> tuple[float, str | None]:
        """Return the loss at one size, and why its training ended early, or None."""
        losses, counts = [], []
        for batch, samples in self.samples.batches(size, self.budget, repeat):
            loss = self.trainable.train(batch, self.lr, float(size))
            losses.append(loss)
            counts.append(samples)
            place = f"at update {len(losses)} with batch size {size}"
            if not math.isfinite(loss):
                return loss, f"the loss became {loss} {place}"
            if not self.trainable.finite():
                return math.nan, f"the parameters were no longer finite {place}"
        return last_quarter(losses, counts), None

    def _halve(self, size: int) -> bool:
        """Halve the micro-batch and say whether that was possible."""
        step = self.trainable.step
        if not isinstance(step, ModelStep):
            return False
        now = min(size, step.micro_batch or size)
        least = 2 if step.has_batch_norm() else 1
        step.micro_batch = max(least, now // 2)
        return now > least


class _SmallerMicroBatch(Exception):  # noqa: N818  # it starts the curve again and reaches nobody
    """Batch normalization has to see fewer samples from now on, at every size."""


def last_quarter(losses: ArrayLike, samples: ArrayLike) -> float:
    """Return the mean loss of a sample over the last quarter of the updates, at least one.

    Example:
        >>> last_quarter([9, 9, 9, 9, 9, 9, 2, 5], [8, 8, 8, 8, 8, 8, 8, 4])
        3.0
    """
    y, weight = np.asarray(losses, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    if y.ndim != 1 or y.shape != weight.shape or y.size == 0:
        raise ValueError(
            f"losses, samples: expected two vectors of one length, got shapes {y.shape} and "
            f"{weight.shape}"
        )
    first = y.size - max(1, y.size // 4)
    return float(np.average(y[first:], weights=weight[first:]))


def normalized(step: Step | ModelStep) -> int | None:
    """Return how many samples batch normalization sees at every size; None where there is none."""
    return step.micro_batch if isinstance(step, ModelStep) and step.has_batch_norm() else None


def with_micro_batch(
    step: Step | ModelStep, sizes: Sequence[int], micro_batch: int | None
) -> Step | ModelStep:
    """Return a copy of the step that takes micro-batches; a function as it is."""
    if not isinstance(step, ModelStep):
        if micro_batch is not None:
            raise ValueError("micro_batch: expected None, a function makes its own; use ModelStep")
        return step
    own, normalizes = copy.copy(step), step.has_batch_norm()
    chosen = step.micro_batch if micro_batch is None else micro_batch
    own.micro_batch = sizes[0] if chosen is None and normalizes else chosen
    if own.micro_batch is not None and own.micro_batch < 1:
        raise ValueError(f"micro_batch: expected at least 1, got {own.micro_batch}")
    if normalizes and own.micro_batch is not None and not 2 <= own.micro_batch <= sizes[0]:
        raise ValueError(
            f"micro_batch: expected 2 to {sizes[0]}, the smallest size, got {own.micro_batch}; "
            f"batch normalization must see the same number of samples at every size"
        )
    return own
