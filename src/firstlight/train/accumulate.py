"""The gradient of one batch, however large, from micro-batches that fit into memory."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from firstlight.data.batches import batch_sizes, slices

Loss = Callable[[Any, Any], Tensor]
"""Outputs and targets → the mean loss over the samples, a tensor of one number."""


def check_lengths(images: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless there is one label for each image."""
    if labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"labels: expected shape ({len(images)},), one for each image, "
            f"got {tuple(labels.shape)}"
        )


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
