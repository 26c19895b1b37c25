"""One training loop, used by every study that trains a network."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Rate = Callable[[int], float]
"""A schedule: step, from 0 → learning rate of that step."""


def one_cycle(peak: float, steps: int, *, warm_up: float = 0.3) -> Rate:
    """Return the one-cycle schedule: a rise from peak / 25 to the peak, then a fall to almost zero.

    Both parts are half periods of a cosine; the last step has peak / 250,000.

    Args:
        peak: largest learning rate, above 0.
        steps: updates in the whole training, at least 1.
        warm_up: share of the steps spent rising, between 0 and 1.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> rate = one_cycle(0.1, 11, warm_up=0.5)
        >>> rate(0), max(rate(step) for step in range(11)) <= 0.1
        (0.004, True)

    Source: L. N. Smith and N. Topin, "Super-convergence" (2018); as ``OneCycleLR`` in PyTorch.
    """
    if not (peak > 0 and steps >= 1 and 0 < warm_up < 1):
        raise ValueError(
            f"one_cycle: expected peak > 0, steps >= 1 and 0 < warm_up < 1, "
            f"got {peak}, {steps}, {warm_up}"
        )
    low, end, turn = peak / 25, peak / 25 / 1e4, warm_up * steps - 1

    def rate(step: int) -> float:
        if step <= turn:
            return _cosine(low, peak, step / turn if turn > 0 else 1.0)
        return _cosine(peak, end, (step - turn) / max(steps - 1 - turn, 1e-12))

    return rate


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))


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
) -> Tensor:
    """Take one optimizer step for each batch, with cross-entropy, and return the losses.

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

    Returns:
        Loss of each batch before its update, shape (batches,).

    Raises:
        ValueError: ``images`` and ``labels`` differ in length.
    """
    _same_length(images, labels)
    model.train()
    losses = []
    for step, batch in enumerate(batches, first_step):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimizer.step()
        losses.append(loss.detach())
        if after_step is not None:
            after_step(step + 1)
    return torch.stack(losses) if losses else torch.empty(0)


def _same_length(images: Tensor, labels: Tensor) -> None:
    if labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"labels: expected shape ({len(images)},), one for each image, "
            f"got {tuple(labels.shape)}"
        )


@dataclass(frozen=True)
class Evaluation:
    """What a network scores on some images.

    Args:
        loss: mean cross-entropy, in nats.
        correct: shape (n,), whether the most likely class is the right one.
    """

    loss: float
    correct: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of images classified correctly."""
        return float(self.correct.mean())


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Put every module back into the mode, training or evaluation, that it had before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = 250
) -> Evaluation:
    """Return loss and accuracy in evaluation mode; every module's mode is put back.

    Args:
        model: images → logits, shape (batch, classes).
        images: shape (n, …), n at least 1.
        labels: shape (n,), class indices as int64.
        batch_size: images in one forward pass; it does not change the answer beyond rounding.
    """
    _same_length(images, labels)
    if len(images) == 0:
        raise ValueError("images: expected at least 1, got 0")
    loss, correct = 0.0, []
    with modes_kept(model), torch.inference_mode():
        model.eval()
        for x, y in zip(
            torch.split(images, batch_size), torch.split(labels, batch_size), strict=True
        ):
            logits = model(x)
            loss += float(functional.cross_entropy(logits.double(), y, reduction="sum"))
            correct.append(logits.argmax(1) == y)
    return Evaluation(loss / len(images), torch.cat(correct).cpu().numpy())
