"""What each block of the batch-size algorithm does; ``algorithm`` says in which order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.guard import Snapshot
from firstlight.ranges.algorithm import BLOCKS
from firstlight.ranges.batch_runs import SizeTest
from firstlight.ranges.budget import Budget
from firstlight.ranges.curve.read import CANNOT_TELL, UNKNOWN
from firstlight.ranges.memory import give_back, ran_out
from firstlight.ranges.noise_scale import gradient_noise_scale
from firstlight.ranges.batches import Samples
from firstlight.ranges.curve.sizes import FLAT, LARGER, SizeBounds, read_sizes
from firstlight.ranges.trainable import ModelStep, Step
from firstlight.ranges.subject import Progress, Subject
from firstlight.record import Fact
from firstlight.stats import direction, paired_difference

Array = NDArray[np.float64]

_PART, _PARTS, _DRAWS = 16, 16, 20  # of the noise scale: samples in a part, parts in a draw, draws
_HARDLY = 0.1  # share of the whole rise below which a doubling hardly adds to it

_UNREAD = SizeBounds(UNKNOWN, UNKNOWN, CANNOT_TELL, "Nothing was read.", False, False)


@dataclass(frozen=True)
class Task:
    """What is asked for.

    Args:
        step: a step of its own; the micro-batch of a ``ModelStep`` is set while searching.
        data: see ``ranges.batch_size``.
        budget: the length of each training.
        lr: learning rate.
        start: first size.
        limit: largest size allowed.
        floor: smallest size allowed.
        repeats: trainings of each size.
        seed: of orders and bootstrap.
        reset: starts a function's model afresh.
        generators: of random numbers, put back as well.
        progress: called with size and loss.
    """

    step: Step | ModelStep
    data: Any
    budget: Budget
    lr: float
    start: int
    limit: int
    floor: int
    repeats: int
    seed: int
    reset: Callable[[], object] | None
    generators: Sequence[Any]
    progress: Progress | None


@dataclass
class Search:
    """The state of one search; each method named like a block is what that block does.

    Args:
        task: what is asked for.
        stack: holds what is put back at the end, whatever happens.
    """

    task: Task
    stack: ExitStack
    losses: dict[int, Array] = field(default_factory=dict)
    found: SizeBounds = _UNREAD
    recommended: int | None = None
    noise_before: Fact = UNKNOWN
    noise_after: Fact = UNKNOWN
    without_memory: int | None = None

    def __post_init__(self) -> None:
        self.size = self.task.start
        self._samples = Samples(self.task.data, self.task.seed)

    def actions(self) -> dict[str, Callable[[], bool | None]]:
        """Return what is done in each block."""
        return {block.name: getattr(self, block.name) for block in BLOCKS}

    @property
    def tried(self) -> list[int]:
        """Return the sizes that were trained, rising."""
        return sorted(self.losses)

    @property
    def smallest_allowed(self) -> int:
        """Return the smallest size: batch normalization sees equally many samples at all sizes."""
        return max(self.task.floor, self._normalized or 1)

    @property
    def _normalized(self) -> int | None:
        step = self.task.step
        ghost = isinstance(step, ModelStep) and step.has_batch_norm()
        return step.micro_batch if isinstance(step, ModelStep) and ghost else None

    def set_aside(self) -> None:
        """Remember everything that training touches."""
        self._luck = self.stack.enter_context(Snapshot(generators=self.task.generators))
        self._subject = self.stack.enter_context(Subject(self.task.step, self.task.reset))

    def noise_at_start(self) -> None:
        """Measure the noise scale at the first weights."""
        self.noise_before = self._noise()

    def train(self) -> None:
        """Train at the present size, unless there is no memory for it."""
        try:
            self._try(self.size)
        except Exception as error:
            if not ran_out(error) or not self.losses:
                raise
            self.without_memory = self.size
            give_back()

    def clearly_worse(self) -> bool:
        """Say whether larger batches hardly learn any more."""
        means = {b: float(y.mean()) for b, y in self.losses.items() if np.isfinite(y).all()}
        best, last = min(means, key=means.__getitem__, default=0), self.tried[-2:]
        if len(last) < 2 or best in last or not set(last) <= set(means):
            return False
        worse = all(self._worse(b, best) for b in last)
        added, rise = means[last[1]] - means[last[0]], means[last[1]] - means[best]
        return worse and added < _HARDLY * rise

    def larger_allowed(self) -> bool:
        """Say whether the next size is within the limit and memory."""
        return self.without_memory is None and 2 * self.tried[-1] <= self.task.limit

    def double(self) -> None:
        """Go to the next larger size."""
        self.size = 2 * self.tried[-1]

    def read(self) -> None:
        """Read the bounds off all sizes tried."""
        losses = np.stack([self.losses[b] for b in self.tried], axis=1)
        self.found = read_sizes(self.tried, losses, seed=self.task.seed)

    def low_end_told(self) -> bool:
        """Say whether smaller sizes would add nothing."""
        return self.found.low_told or self.found.verdict == FLAT

    def smaller_allowed(self) -> bool:
        """Say whether half the smallest size can be tried."""
        smallest = self.tried[0]
        learns = bool(np.isfinite(self.losses[smallest]).all())
        return learns and smallest // 2 >= self.smallest_allowed

    def train_smaller(self) -> None:
        """Train at half the smallest size."""
        self._try(self.tried[0] // 2)

    def recommend(self) -> None:
        """Choose the largest size that learns practically as well as the best."""
        found = self.found
        learned = [b for b in self.tried if np.isfinite(self.losses[b]).all()]
        if not learned:
            return
        if found.verdict in (FLAT, LARGER):
            self.recommended = learned[-1]
        elif found.verdict == CANNOT_TELL:
            best = min(learned, key=lambda b: float(self.losses[b].mean()))
            self.recommended = max(b for b in learned if not self._worse(b, best))
        else:
            fits = [
                b for b in learned if isinstance(found.low.value, float) and b <= found.low.value
            ]
            self.recommended = max(fits, default=learned[0])

    def noise_after_training(self) -> None:
        """Train once more at the size recommended and measure the noise scale there."""
        if self.recommended is not None:
            self._row(self.recommended, 1)
            self.noise_after = self._noise()

    def put_back(self) -> None:
        """Put everything back."""
        self.stack.close()

    def _worse(self, size: int, best: int) -> bool:
        """Say whether a size is worse than the best one beyond the noise of the repeats."""
        return direction(paired_difference(self.losses[size], self.losses[best])) > 0

    def _try(self, size: int) -> None:
        """Train at a size; and at all others again if batch normalization must see fewer samples."""
        waiting = [size]
        while waiting:
            now, before = waiting.pop(0), self._normalized
            self.losses[now] = self._row(now, self.task.repeats)
            if self._normalized != before:
                waiting = [other for other in self.tried if other != now]

    def _row(self, size: int, repeats: int) -> Array:
        """Return the losses of one size, shape (repeats,), always from the same start."""
        task = self.task
        self._luck.restore()
        test = SizeTest(
            task.step, self._subject, self._samples, task.budget, task.lr, [size],
            task.generators, task.progress,
        )  # fmt: skip
        return np.concatenate(test.rows(repeats)[0])

    def _noise(self) -> Fact:
        """Return the noise scale at the present weights; None without a model or memory."""
        step, count = self.task.step, self._samples.count
        if not isinstance(step, ModelStep):
            return UNKNOWN
        small = self._normalized or min(_PART, step.micro_batch or _PART, self.task.start)
        parts = _PARTS if count is None else min(_PARTS, count // small)
        if parts < 2:
            return UNKNOWN
        try:
            found = gradient_noise_scale(
                step.model, step.loss, self.task.data, small=small, big=small * parts,
                draws=_DRAWS, seed=self.task.seed, autocast=step.autocast,
            )  # fmt: skip
        except Exception as error:
            if not ran_out(error):
                raise
            give_back()
            return UNKNOWN
        return found.scale
