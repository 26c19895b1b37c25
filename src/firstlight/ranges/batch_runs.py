"""Train with every batch size in turn, with smaller micro-batches where memory runs out."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.guard import Snapshot
from firstlight.ranges.budget import Budget
from firstlight.ranges.memory import give_back, ran_out
from firstlight.ranges.batches import Samples
from firstlight.ranges.trainable import ModelStep, Step
from firstlight.ranges.subject import Progress, Subject

Rows = tuple[list[NDArray[np.float64]], list[str | None]]
"""The losses of each repeat, and why it ended early."""


@dataclass(frozen=True)
class SizeTest:
    """A curve over batch sizes.

    Args:
        step: the subject's step; a ``ModelStep``'s micro-batch is set here.
        subject: what is trained.
        samples: the data.
        budget: the length of each training.
        lr: learning rate.
        sizes: rising.
        generators: of random numbers, put back with the shared ones before every size.
        progress: called with size and loss.
    """

    step: Step | ModelStep
    subject: Subject
    samples: Samples
    budget: Budget
    lr: float
    sizes: Sequence[int]
    generators: Sequence[Any]
    progress: Progress | None

    def rows(self, repeats: int) -> Rows:
        """Return the losses of each repeat, over the sizes; NaN where a training ended early."""
        start = Snapshot(generators=self.generators)
        while True:
            found = self._rows(repeats)
            if found is not None:
                return found
            start.restore()

    def _rows(self, repeats: int) -> Rows | None:
        """Return the rows, or None if the batch that is normalized over had to shrink."""
        rows, ends = [], []
        for repeat in range(repeats):
            luck = Snapshot(generators=self.generators)
            found = [self._size(size, repeat, luck) for size in self.sizes]
            losses = [one[0] for one in found if one is not None]
            if len(losses) < len(found):
                return None
            rows.append(np.array(losses))
            ends.append(next((one[1] for one in found if one is not None and one[1]), None))
        return rows, ends

    def _size(self, size: int, repeat: int, luck: Snapshot) -> tuple[float, str | None] | None:
        while True:
            self.subject.start()
            luck.restore()
            try:
                return self._train(size, repeat)
            except Exception as error:
                if not ran_out(error) or not self._halve(size):
                    raise
            give_back()
            if isinstance(self.step, ModelStep) and self.step.has_batch_norm():
                return None

    def _train(self, size: int, repeat: int) -> tuple[float, str | None]:
        losses, counts = [], []
        for batch, samples in self.samples.batches(size, self.budget, repeat):
            loss = self.subject.take(batch, self.lr)
            losses.append(loss)
            counts.append(samples)
            if self.progress is not None:
                self.progress(float(size), loss)
            place = f"at update {len(losses)} with batch size {size}"
            if not math.isfinite(loss):
                return loss, f"the loss became {loss} {place}"
            if not self.subject.finite():
                return math.nan, f"the parameters were no longer finite {place}"
        return last_quarter(losses, counts), None

    def _halve(self, size: int) -> bool:
        """Halve the micro-batch and say whether that was possible."""
        if not isinstance(self.step, ModelStep):
            return False
        now = min(size, self.step.micro_batch or size)
        least = 2 if self.step.has_batch_norm() else 1
        self.step.micro_batch = max(least, now // 2)
        return now > least


def last_quarter(losses: ArrayLike, samples: ArrayLike) -> float:
    """Return the mean loss of a sample over the last quarter of the updates, at least one.

    Args:
        losses: shape (updates,), mean loss of each update's batch.
        samples: shape (updates,), its samples.

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


def with_micro_batch(
    step: Step | ModelStep, sizes: Sequence[int], micro_batch: int | None
) -> Step | ModelStep:
    """Return a copy of the step that takes micro-batches; a function as it is.

    Raises:
        ValueError: ``micro_batch`` is outside its range, or given with a function.
    """
    if not isinstance(step, ModelStep):
        if micro_batch is not None:
            raise ValueError("micro_batch: expected None, a function makes its own; use ModelStep")
        return step
    own, ghost = copy.copy(step), step.has_batch_norm()
    chosen = step.micro_batch if micro_batch is None else micro_batch
    own.micro_batch = sizes[0] if chosen is None and ghost else chosen
    if own.micro_batch is not None and own.micro_batch < 1:
        raise ValueError(f"micro_batch: expected at least 1, got {own.micro_batch}")
    if ghost and own.micro_batch is not None and not 2 <= own.micro_batch <= sizes[0]:
        raise ValueError(
            f"micro_batch: expected 2 to {sizes[0]}, the smallest size, got {own.micro_batch}; "
            f"batch normalization must see the same number of samples at every size"
        )
    return own
