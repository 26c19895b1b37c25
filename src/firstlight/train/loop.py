"""The training loop, and the gradient of a batch, however large, from micro-batches that fit."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.data.batches import batch_sizes, slices
from firstlight.schedules.shapes import Rate
from firstlight.train.acceleration import PLAIN, Acceleration, choose, use
from firstlight.train.evaluation import check_lengths

Loss = Callable[[Any, Any], Tensor]
"""Outputs and targets → the mean loss over the samples, a tensor of one number."""


@dataclass(frozen=True)
class Fit:
    """What a training leaves beside the trained network.

    Args:
        losses: shape (batches,): the mean loss of each batch before its update.
        path: what was done to train faster; ``str`` says it in words.

    Example: see ``fit``.
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

    Returns:
        The loss of each batch, and what was done to train faster.

    Raises:
        ValueError: ``images`` and ``labels`` differ in length.

    Example:
        >>> model = nn.Linear(4, 2)
        >>> optimizer = torch.optim.SGD(model.parameters())
        >>> x, y = torch.eye(4), torch.tensor([0, 1, 0, 1])
        >>> losses = fit(model, x, y, [torch.arange(4)] * 9, optimizer, lambda step: 0.1).losses
        >>> losses.shape, bool(losses[-1] < losses[0])
        (torch.Size([9]), True)
    """
    check_lengths(images, labels)
    rest = iter(batches)
    first = list(islice(rest, 1))
    if path is None and first:
        example = images[first[0][:micro_batch]]
        path = choose(model, example, optimizer=optimizer, samples=samples)
    path = path or PLAIN
    model.train()
    losses = []
    with use(path, model, optimizer) as forward:
        for step, batch in enumerate(chain(first, rest), first_step):
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.zero_grad(set_to_none=True)
            x, y = images[batch], labels[batch]
            loss = functional.cross_entropy
            losses.append(accumulate(forward, loss, x, y, micro_batch=micro_batch))
            optimizer.step()
            if after_step is not None:
                after_step(step + 1)
    return Fit(torch.stack(losses) if losses else torch.empty(0), path)


def length(batch: Any) -> int:
    """Return the number of samples in a tensor, or in the first tensor of a tuple or mapping."""
    if isinstance(batch, Tensor):
        return len(batch)
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)) and batch:
        return length(batch[0])
    raise TypeError(f"batch: expected tensors, or tuples or mappings of them, got {type(batch)}")


def map_tensors(function: Callable[[Tensor], Tensor], batch: Any) -> Any:
    """Return a batch with ``function`` applied to its tensors: itself, or those of tuples and mappings.

    Example:
        >>> map_tensors(lambda x: x[:2], {"a": torch.arange(3), "b": "text"})
        {'a': tensor([0, 1]), 'b': 'text'}
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {name: map_tensors(function, value) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        values = [map_tensors(function, value) for value in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    return batch


def accumulate(
    forward: Callable[[Any], Any],
    loss: Loss,
    inputs: Any,
    targets: Any,
    *,
    micro_batch: int | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> Tensor:
    """Add the gradient of a batch's mean loss to the parameters' gradients; return that loss.

    The batch runs through the network in micro-batches, each weighted by its number of samples:
    L = Σ (nᵢ / n) Lᵢ. So the gradient is that of the whole batch, but for batch normalization,
    which sees one micro-batch at a time.

    Args:
        forward: the network, inputs → outputs.
        loss: outputs and targets → mean loss.
        inputs: the batch: tensors with the samples on the first axis, or tuples or mappings.
        targets: likewise.
        micro_batch: most samples in one forward pass (one more where a single sample is left);
            None takes the whole batch.
        scaler: multiplies the loss for half precision; the gradients are left scaled.

    Returns:
        The mean loss, detached, on the device of the outputs.

    Raises:
        ValueError: there is no sample, or ``micro_batch`` is below 1.

    Example:
        >>> layer = torch.nn.Linear(2, 1)
        >>> x, y = torch.zeros(5, 2), torch.zeros(5, 1)
        >>> accumulate(layer, torch.nn.functional.mse_loss, x, y, micro_batch=2).shape
        torch.Size([])
    """
    samples = length(inputs)
    if samples == 0:
        raise ValueError("inputs: expected at least 1 sample, got 0")
    if micro_batch is not None and micro_batch < 1:
        raise ValueError(f"micro_batch: expected at least 1, got {micro_batch}")
    total: Tensor | None = None
    for part in slices(batch_sizes(samples, micro_batch or samples)):
        x, y = (map_tensors(itemgetter(part), batch) for batch in (inputs, targets))
        share = loss(forward(x), y) * ((part.stop - part.start) / samples)
        (share if scaler is None else scaler.scale(share)).backward()
        total = share.detach() if total is None else total + share.detach()
    assert total is not None  # there is at least one micro-batch
    return total
