"""Determine the batch size from nothing but a model, its data and the learning rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from firstlight.guard.snapshot import Snapshot
from firstlight.ranges.algorithm import BlockName
from firstlight.ranges.batch_range import LARGEST, SMALLEST, Trainings, normalized, with_micro_batch
from firstlight.ranges.batches import Make, Samples, budget
from firstlight.ranges.curve.read import CANNOT_TELL, UNKNOWN, Curve
from firstlight.ranges.curve.sizes import FLAT, LARGER, SizeBounds, read_sizes
from firstlight.ranges.noise_scale import gradient_noise_scale
from firstlight.ranges.trainable import ModelStep, Step, StepProgress, Trainable, ran_out_of_memory
from firstlight.record import Fact
from firstlight.stats import direction, paired_difference
from firstlight.types import Floats

_PART, _PARTS = 16, 16  # of the noise scale: samples in a part, parts in a draw
_HARDLY = 0.1  # share of the whole rise below which a doubling hardly adds to it

Losses = dict[int, Floats]
"""Batch size → the losses of its trainings, shape (repeats,)."""


@dataclass(frozen=True)
class BatchSizes:
    """The batch sizes that the search has determined.

    Args:
        low: b_min: below it, smaller batches hardly help.
        high: b_max: above it, a batch hardly learns in this budget.
        recommended: the largest size tried that learns practically as well as the best; None if
            it could not be determined.
        noise_at_start: gradient noise scale at the first weights, in samples.
        noise_scale: the same after training at the recommended size; None if there is no model, or
            where the gradient does not stand out of its noise.
        curve: the sizes tried and their losses, shape (repeats, sizes).
        trace: the names of the steps taken, in order; see ``algorithm.BLOCKS``.
        verdict: "read", "at the edge", "flat", "larger is better" or "cannot tell"; see
            ``SizeBounds``.
        reason: what was not read and why; empty when read.

    Example: see ``auto_batch_size``.
    """

    low: Fact
    high: Fact
    recommended: int | None
    noise_at_start: Fact
    noise_scale: Fact
    curve: Curve
    trace: tuple[BlockName, ...]
    verdict: str
    reason: str


def auto_batch_size(
    step: Step | ModelStep,
    data: tuple[Any, Any] | Dataset[Any] | Make,
    *,
    lr: float,
    start: int = SMALLEST,
    limit: int | None = None,
    floor: int = 4,
    epochs: float | None = None,
    samples: int | None = None,
    micro_batch: int | None = None,
    repeats: int = 3,
    noise_draws: int = 20,
    seed: int = 0,
    reset: Callable[[], object] | None = None,
    generators: Iterable[Any] = (),
    progress: StepProgress | None = None,
) -> BatchSizes:
    """Determine b_min, b_max and a batch size by short trainings on equally many samples.

    The size is doubled from ``start`` until larger batches hardly learn, and then halved until
    smaller ones hardly help; the steps are drawn and explained in docs/auto_batch_size.md.
    Afterwards everything is put back, bit for bit, as after ``batch_size``, whose large batches are
    exact as well.

    Args:
        step: batch and rate → loss before the update; or a ``ModelStep`` of model, optimizer, loss.
        data: a pair (inputs, targets) of tensors, a map-style data set, or a function batch size →
            the batches of one epoch.
        lr: learning rate, above 0, the same for all sizes.
        start: first size.
        limit: largest size; by default a tenth of the samples, at most 8192 and at least ``start``.
        floor: smallest size, at least 2.
        epochs: passes over the data in each training; 1 if no budget is given.
        samples: number of samples in each training, instead of ``epochs``.
        micro_batch: most samples in one forward pass; with batch normalization the number that it
            sees, below which no size is tried; then ``start`` by default.
        repeats: trainings of each size, with other orders of the samples; with 1 there is no noise
            to compare with, and sizes go up to the limit.
        noise_draws: draws behind each gradient noise scale, at least 1.
        seed: of the orders, the noise scale's samples and the bootstrap.
        reset: starts a function's model again.
        generators: further generators of random numbers to put back.
        progress: called after each update with the size and the loss.

    Returns:
        Both bounds, the recommended size, the noise scale, and all losses behind them.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: data of another kind, or a step that returns no number.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = ModelStep(model, optimizer, torch.nn.functional.mse_loss)
        >>> data = torch.ones(512, 2), torch.zeros(512, 1)
        >>> sizes = auto_batch_size(step, data, lr=0.01, repeats=2)
        >>> sizes.trace[:3], sizes.trace[-1]
        (('set_aside', 'noise_at_start', 'train'), 'put_back')

    Source: S. McCandlish et al., "An empirical model of large-batch training" (2018), for the noise
    scale; L. N. Smith (2017), section 3.3, for the rule that the bounds are read by.
    """
    pool = Samples(data, seed)
    limit = _limit(start, limit, floor, pool.count)
    length = budget(1 if epochs is None and samples is None else epochs, None, samples)
    step, generators = with_micro_batch(step, [start], micro_batch), list(generators)
    search = _Search()
    losses, trace = search.losses, search.trace
    with (
        Snapshot(generators=generators) as rng_state,
        Trainable(step, reset, progress, repeats) as trainable,
    ):
        trainings = Trainings(trainable, pool, length, lr, generators)
        train = partial(_train, trainings, losses, repeats=repeats, rng_state=rng_state)
        noise_at_start = _noise_scale(step, data, pool.count, start, noise_draws, seed)
        search.double(train, start, limit)
        bounds = search.halve(train, lambda: max(floor, normalized(step) or 1), seed)
        trace.append("recommend")
        recommended = _recommended(losses, bounds)
        trace.append("noise_after_training")
        noise_after_training = UNKNOWN
        if recommended is not None:
            rng_state.restore()
            trainings.losses([recommended], 1)
            noise_after_training = _noise_scale(step, data, pool.count, start, noise_draws, seed)
    diverged = sorted(set(losses) - set(_learned(losses)))
    stopped = f"The loss was not finite with batch size {diverged[0]:g}." if diverged else None
    sizes, table = search.curve()
    return BatchSizes(
        low=bounds.low,
        high=bounds.high,
        recommended=recommended,
        noise_at_start=noise_at_start,
        noise_scale=noise_after_training,
        curve=Curve(np.array(sizes, dtype=np.float64), table, stopped, "rising", seed),
        trace=(*trace, "put_back"),
        verdict=bounds.verdict,
        reason=_reason(bounds, sizes[0], search.too_large, floor, normalized(step)),
    )


@dataclass
class _Search:
    """Which sizes have been tried, on which way."""

    losses: Losses = field(default_factory=dict)
    trace: list[BlockName] = field(default_factory=lambda: ["set_aside", "noise_at_start"])
    too_large: int | None = None  # the size for which there was no memory

    def double(self, train: Callable[[int], None], size: int, limit: int) -> None:
        """Train at larger and larger sizes, until they hardly learn."""
        while True:
            self.trace.append("train")
            try:
                train(size)
            except Exception as error:
                if not ran_out_of_memory(error) or not self.losses:  # the first must be possible
                    raise
                self.too_large = size
            self.trace.append("clearly_worse")
            if _larger_hardly_learn(self.losses):
                break
            self.trace.append("larger_allowed")
            if self.too_large is not None or 2 * size > limit:
                break
            self.trace.append("double")
            size *= 2

    def halve(
        self, train: Callable[[int], None], smallest: Callable[[], int], seed: int
    ) -> SizeBounds:
        """Train at smaller and smaller sizes, until b_min can be read; return the bounds."""
        while True:
            self.trace.append("read")
            sizes, table = self.curve()
            bounds = read_sizes(sizes, table, seed=seed)
            self.trace.append("low_end_told")
            if bounds.low_inside or bounds.verdict == FLAT:
                return bounds
            self.trace.append("smaller_allowed")
            if sizes[0] not in _learned(self.losses) or sizes[0] // 2 < smallest():
                return bounds
            self.trace.append("train_smaller")
            train(sizes[0] // 2)

    def curve(self) -> tuple[list[int], Floats]:
        """Return the sizes, rising, and their losses, shape (repeats, sizes)."""
        sizes = sorted(self.losses)
        return sizes, np.stack([self.losses[size] for size in sizes], axis=1)


def _limit(start: int, limit: int | None, floor: int, count: int | None) -> int:
    """Return the largest size allowed, after a check of all that bounds the sizes."""
    if floor < 2 or start < floor:
        raise ValueError(f"floor, start: expected 2 <= floor <= start, got {floor} and {start}")
    if count is not None and max(start, limit or 0) > count:
        raise ValueError(
            f"start, limit: expected at most {count}, all the samples, got {start} and {limit}"
        )
    if limit is None:
        return max(start, LARGEST if count is None else min(LARGEST, count // 10))
    if limit < start:
        raise ValueError(f"limit: expected at least start = {start}, got {limit}")
    return limit


def _train(
    trainings: Trainings, losses: Losses, size: int, *, repeats: int, rng_state: Snapshot
) -> None:
    """Add the losses of a size; and of all again if batch normalization must see fewer samples."""
    waiting = [size]
    while waiting:
        size, before = waiting.pop(0), normalized(trainings.trainable.step)
        rng_state.restore()
        losses[size] = trainings.losses([size], repeats)[0][:, 0]
        if normalized(trainings.trainable.step) != before:
            waiting = [other for other in sorted(losses) if other != size]


def _learned(losses: Losses) -> list[int]:
    """Return the sizes at which no training diverged, rising."""
    return [size for size in sorted(losses) if np.isfinite(losses[size]).all()]


def _best(losses: Losses) -> Floats:
    """Return the losses of the best size, of those learned."""
    return min((losses[size] for size in _learned(losses)), key=np.mean)


def _worse(losses: Losses, size: int) -> bool:
    """Say whether a size is worse than the best one beyond the noise of the repeats."""
    return direction(paired_difference(losses[size], _best(losses))) > 0


def _larger_hardly_learn(losses: Losses) -> bool:
    """Say whether the two largest sizes are both worse than the best, and the loss hardly rises."""
    largest = sorted(losses)[-2:]
    learned = set(largest) <= set(_learned(losses))
    if not learned or not all(_worse(losses, size) for size in largest):
        return False
    before, last = (float(losses[size].mean()) for size in largest)
    return last - before < _HARDLY * (last - float(_best(losses).mean()))


def _recommended(losses: Losses, bounds: SizeBounds) -> int | None:
    """Return the largest size that learns practically as well as the best."""
    learned = _learned(losses)
    if not learned:
        return None
    if bounds.verdict in (FLAT, LARGER):
        return learned[-1]
    if bounds.verdict == CANNOT_TELL:
        return max(size for size in learned if not _worse(losses, size))
    return max((size for size in learned if size <= float(bounds.low)), default=learned[0])


def _noise_scale(
    step: Step | ModelStep, data: Any, count: int | None, start: int, draws: int, seed: int
) -> Fact:
    """Return the noise scale at the present weights; unknown without a model or memory for it."""
    if not isinstance(step, ModelStep):
        return UNKNOWN
    small = normalized(step) or min(_PART, step.micro_batch or _PART, start)
    parts = _PARTS if count is None else min(_PARTS, count // small)
    big = small * parts
    if parts < 2:
        return UNKNOWN
    try:
        noise = gradient_noise_scale(
            step.model, step.loss, data, small=small, big=big, draws=draws, seed=seed,
            autocast=step.autocast,
        )  # fmt: skip
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        return UNKNOWN
    return noise.scale


def _reason(
    bounds: SizeBounds, smallest: int, too_large: int | None, floor: int, normalized: int | None
) -> str:
    """Return why a bound was not read, with what kept the search from trying further sizes."""
    reasons = [bounds.reason] if bounds.reason else []
    if too_large is not None and not bounds.high_inside:
        reasons.append(f"There was no memory for {too_large} samples.")
    limiting = normalized is not None and smallest // 2 < normalized and normalized > floor
    if limiting and not bounds.low_inside:
        reasons.append(
            f"Batch normalization sees {normalized} samples at every size; for smaller sizes give "
            f"a smaller micro_batch."
        )
    return " ".join(reasons)
