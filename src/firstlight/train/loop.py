"""The training loop itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.schedules.shapes import Rate
from firstlight.train.acceleration import Acceleration, choose, use
from firstlight.train.accumulate import accumulate, check_lengths


@dataclass(frozen=True)
class Fit:
    """What a training leaves beside the trained network.

    Args:
        losses: shape (batches,): the mean loss of each batch before its update.
        path: what was chosen to train faster; ``str`` says it in words.
    """

    losses: Tensor
    path: Acceleration


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    batches: Iterable[Tensor],
    optimizer: torch.optim.Optimizer,
    rate: Rate,
    *,
    first_step: int = 0,
    after_step: Callable[[int], None] | None = None,
    micro_batch: int | None = None,
    samples: int = 0,
    path: Acceleration | None = None,
) -> Fit:
    """Take one optimizer step for each batch, with cross-entropy.

    The model is left in training mode. Nothing is read back from the device in the loop.

    Args:
        model: images → logits, shape (batch, classes).
        images: shape (n, …), on the model's device.
        labels: shape (n,), class indices as int64.
        batches: index tensors into ``images``, e.g. from ``firstlight.data.batches.shuffled``.
        optimizer: over the model's parameters; its learning rate is set before each step.
        rate: schedule, given the step's number.
        first_step: number of the first batch's step.
        after_step: called with the number of steps taken so far, after each.
        micro_batch: most images in one forward pass; larger batches are accumulated exactly, with
            batch normalization over each micro-batch. None: the whole batch at once.
        samples: images that will be passed in all, so that compiling can be weighed; 0: unknown.
        path: how to train fast; None chooses by itself (``firstlight.train.choose``), ``PLAIN`` leaves
            everything as it is.

    Raises:
        ValueError: ``images`` and ``labels`` differ in length.
    """
    check_lengths(images, labels)
    rest = iter(batches)
    first = next(rest, None)
    if first is None:
        model.train()
        return Fit(torch.empty(0), path or Acceleration())
    if path is None:
        example = images[first[:micro_batch]]
        path = choose(model, example, optimizer=optimizer, samples=samples)
    model.train()
    losses = []
    with use(path, model, optimizer) as forward:
        for step, batch in enumerate(chain([first], rest), first_step):
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.zero_grad(set_to_none=True)
            x, y = images[batch], labels[batch]
            losses.append(
                accumulate(forward, functional.cross_entropy, x, y, micro_batch=micro_batch)
            )
            optimizer.step()
            if after_step is not None:
                after_step(step + 1)
    return Fit(torch.stack(losses), path)
