"""What a network scores: loss and accuracy in evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from firstlight.train.accumulate import check_lengths


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
    check_lengths(images, labels)
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
