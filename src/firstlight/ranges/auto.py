"""Determine the batch size without being told anything but the learning rate."""

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from firstlight.ranges.algorithm import walk
from firstlight.ranges.auto_search import Search, Task
from firstlight.ranges.batch_runs import with_micro_batch
from firstlight.ranges.batch_range import LARGEST, SMALLEST
from firstlight.ranges.budget import budget
from firstlight.ranges.curve.read import Curve
from firstlight.ranges.curve.flip import read_flipped
from firstlight.ranges.batches import Make, Samples
from firstlight.ranges.curve.sizes import SizeBounds
from firstlight.ranges.trainable import ModelStep, Step
from firstlight.ranges.subject import Progress, check_repeats
from firstlight.record import Fact


@dataclass(frozen=True)
class BatchSizes:
    """The batch sizes that the algorithm has determined.

    Args:
        low: b_min: below it, smaller batches hardly help.
        high: b_max: above it, a batch hardly learns in this budget.
        recommended: the largest size tried that learns practically as well as the best; None if
            nothing can be told.
        noise_at_start: gradient noise scale at the first weights, in samples.
        noise_scale: the same after training at the recommended size; None if there is no model, or
            where the gradient does not stand out of its noise.
        curve: the sizes tried and their losses, shape (repeats, sizes).
        trace: the blocks that were walked through, in order; see ``algorithm.BLOCKS``.
        verdict: "read", "at the edge", "flat", "larger is better" or "cannot tell"; see
            ``sizes.SizeBounds``.
        reason: what was not read and why; empty when read.
    """

    low: Fact
    high: Fact
    recommended: int | None
    noise_at_start: Fact
    noise_scale: Fact
    curve: Curve
    trace: tuple[str, ...]
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
    seed: int = 0,
    reset: Callable[[], object] | None = None,
    generators: Iterable[Any] = (),
    progress: Progress | None = None,
) -> BatchSizes:
    """Determine b_min, b_max and a batch size by short trainings on equally many samples.

    The size is doubled from ``start`` until larger batches hardly learn, and then halved until
    smaller ones hardly help; the steps are those of ``algorithm.BLOCKS``, drawn and explained in
    docs/auto_batch_size.md. Afterwards everything is put back, bit for bit, as after
    ``ranges.batch_size``, whose large batches are exact as well.

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
        seed: of the orders, the noise scale's samples and the bootstrap.
        reset: starts a function's model afresh.
        generators: further generators of random numbers to put back.
        progress: called after each update with the size and the loss.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: data of another kind, or a step that returns no number.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = ModelStep(model, optimizer, torch.nn.functional.mse_loss)
        >>> data = torch.ones(512, 2), torch.zeros(512, 1)
        >>> found = auto_batch_size(step, data, lr=0.01, repeats=2)
        >>> found.trace[:3], found.trace[-1]
        (('set_aside', 'noise_at_start', 'train'), 'put_back')

    Source: S. McCandlish et al., "An empirical model of large-batch training" (2018), for the noise
    scale; L. N. Smith (2017), section 3.3, for the rule that the bounds are read by.
    """
    count, kept = Samples(data, seed).count, list(generators)
    most = _limit(lr, start, limit, floor, count)
    check_repeats(step, (), repeats, reset, afresh=True)
    length = budget(1 if epochs is None and samples is None else epochs, None, samples)
    own = with_micro_batch(step, [start], micro_batch)
    task = Task(
        own, data, length, lr, start, most, floor, repeats, seed, reset, kept, progress
    )  # fmt: skip
    with ExitStack() as stack:
        search = Search(task, stack)
        trace = walk(search.actions())
    found = search.found
    return BatchSizes(
        low=found.low,
        high=found.high,
        recommended=search.recommended,
        noise_at_start=search.noise_before,
        noise_scale=search.noise_after,
        curve=_curve(search),
        trace=trace,
        verdict=found.verdict,
        reason=_reason(search, found),
    )


def _limit(lr: float, start: int, limit: int | None, floor: int, count: int | None) -> int:
    """Return the largest size allowed, after a check of all that bounds the sizes."""
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr: expected a finite rate above 0, got {lr}")
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


def _curve(search: Search) -> Curve:
    values = np.array(search.tried, dtype=np.float64)
    losses = np.stack([search.losses[b] for b in search.tried], axis=1)
    lost = values[~np.isfinite(losses).all(axis=0)]
    stopped = f"The loss was not finite with batch size {lost[0]:g}." if lost.size else None
    return Curve(values, losses, read_flipped(values, losses, search.task.seed), stopped)


def _reason(search: Search, found: SizeBounds) -> str:
    """Return the reason, with what kept the search from trying further sizes."""
    reasons = [found.reason] if found.reason else []
    if search.without_memory is not None and not found.high_told:
        reasons.append(f"There was no memory for {search.without_memory} samples.")
    kept = search.smallest_allowed > search.task.floor
    if kept and not found.low_told and search.tried[0] // 2 < search.smallest_allowed:
        reasons.append(
            f"Batch normalization sees {search.smallest_allowed} samples at every size; for smaller "
            f"sizes give a smaller micro_batch."
        )
    return " ".join(reasons)
