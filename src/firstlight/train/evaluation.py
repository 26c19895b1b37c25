"""What a network scores: loss and accuracy in evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Evaluation:
    """What a network scores on some images.

    Args:
        loss: mean cross-entropy, in nats.
        correct: shape (n,), whether the most likely class is the right one.

    Example:
        >>> Evaluation(0.7, np.array([True, False])).accuracy
        0.5
    """

    loss: float
    correct: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of images classified correctly."""
        return float(self.correct.mean())


def check_lengths(images: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless there is one label for each image."""
    if labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"labels: expected shape ({len(images)},), one for each image, "
            f"got {tuple(labels.shape)}"
        )


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Put every module back into the mode, training or evaluation, that it had before.

    Args:
        model: its modules may have different modes.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> with modes_kept(model):
        ...     _ = model.eval()
        >>> model.training
        True
    """
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

    Raises:
        ValueError: there are no images, or not one label for each.

    Example:
        >>> evaluate(nn.Identity(), torch.eye(3), torch.tensor([0, 1, 0])).correct.tolist()
        [True, True, False]
    """
    check_lengths(images, labels)
    if len(images) == 0:
        raise ValueError("images: expected at least 1, got 0")
    loss, correct = 0.0, []
    with modes_kept(model), torch.inference_mode():
        model.eval()
        parts = (torch.split(tensor, batch_size) for tensor in (images, labels))
        for x, y in zip(*parts, strict=True):
            logits = model(x)
            loss += float(functional.cross_entropy(logits.double(), y, reduction="sum"))
            correct.append(logits.argmax(1) == y)
    return Evaluation(loss / len(images), torch.cat(correct).cpu().numpy())
