"""The batch-size range test: the training loss over the batch size at a fixed learning rate."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from firstlight.guard import Snapshot
from firstlight.ranges.batch_runs import SizeTest, with_micro_batch
from firstlight.ranges.batch_runs import last_quarter as last_quarter
from firstlight.ranges.budget import budget
from firstlight.ranges.curve.read import Curve
from firstlight.ranges.curve.flip import read_flipped, read_straight
from firstlight.ranges.batches import Make, Samples
from firstlight.ranges.trainable import ModelStep, Step
from firstlight.ranges.subject import Progress, Subject, check_repeats, said

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
    progress: Progress | None = None,
) -> Curve:
    """Measure the training loss over the batch size and read bounds off the curve.

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
        reset: starts a function's model afresh, called before each size.
        generators: further generators of random numbers to put back.
        progress: called after each update with the size and the loss.

    Returns:
        The curve over the sizes, losses of shape (repeats, k). ``stopped`` names the first size
        whose loss was not finite.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: data of another kind, or a step that returns no number.

    Example:
        >>> import torch
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
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr: expected a finite rate above 0, got {lr}")
    length, pool = budget(epochs, updates, samples), Samples(data, seed)
    tried = _sizes(sizes, pool.count)
    check_repeats(step, (), repeats, reset, afresh=True)
    own, kept = with_micro_batch(step, tried, micro_batch), list(generators)
    with Snapshot(generators=kept), Subject(own, reset) as subject:
        test = SizeTest(own, subject, pool, length, lr, tried, kept, progress)
        rows, ends = test.rows(repeats)
    values, losses = np.array(tried, dtype=np.float64), np.array(rows)
    read = read_straight if length.unit == "updates" else read_flipped
    return Curve(values, losses, read(values, losses, seed), said(ends))


def _sizes(sizes: Sequence[int] | None, count: int | None) -> list[int]:
    if sizes is None:
        doubled = [SMALLEST << k for k in range((LARGEST // SMALLEST).bit_length())]
        tried = [size for size in doubled if count is None or size <= count]
        if not tried:
            raise ValueError(
                f"sizes: expected at least {SMALLEST} samples, got {count}; give sizes"
            )
        return tried
    tried = [int(size) for size in sizes]
    rising = all(a < b for a, b in pairwise(tried))
    if not tried or tried != list(sizes) or tried[0] < 1 or not rising:
        raise ValueError(f"sizes: expected whole numbers above 0 in rising order, got {sizes}")
    if count is not None and tried[-1] > count:
        raise ValueError(f"sizes: expected at most {count}, all the samples, got {tried[-1]}")
    return tried
