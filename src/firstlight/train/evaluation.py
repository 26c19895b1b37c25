"""What a network scores: loss and accuracy in evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from firstlight.data.batches import batch_sizes, slices

_Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


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


def _keeping_norms(model: nn.Module) -> list[_Norm]:
    """Return the batch norms that keep running statistics."""
    norms = [module for module in model.modules() if isinstance(module, _Norm)]
    return [norm for norm in norms if norm.running_mean is not None]


@contextmanager
def recalibrated(model: nn.Module, images: Tensor, *, batch_size: int = 250) -> Iterator[None]:
    """Give every batch normalization fresh statistics of ``images`` while the body runs.

    The running averages of a training lag behind the weights, badly so where the learning rate is
    large. Here they are replaced by the mean over these images' batches of

        E[z] and Var[z] = 1 / (m - 1) Σ (z - E[z])², m values of the channel in a batch,

    with each batch weighted by its images; a layer's inputs are those that the layers before it,
    normalized by the batch, hand on. Dropout is off. Afterwards the former statistics, momentum and
    counters are back bit for bit, so that a training goes on as if nothing had happened. No random
    number is drawn; a model without batch normalization is left alone.

    Args:
        model: images → anything; every module's mode is as before, in the body and after it.
        images: shape (n, …), n at least 2, on the model's device: about 1,000 of the training set.
        batch_size: images in one forward pass, at least 2.

    Raises:
        ValueError: there are fewer than 2 images, or the batch size is below 2.

    Example:
        >>> model = nn.BatchNorm1d(1)
        >>> with recalibrated(model, torch.tensor([[1.0], [3.0]])):
        ...     model.running_mean, model.running_var
        (tensor([2.]), tensor([2.]))
        >>> model.running_mean
        tensor([0.])

    Source: S. Ioffe and C. Szegedy, "Batch Normalization" (2015), algorithm 2, whose inference uses
    averages over many batches at fixed weights; Y. Wu and J. Johnson, "Rethinking 'Batch' in
    BatchNorm" (2021), section 3, who call it precise batch normalization.
    """
    norms = _keeping_norms(model)
    if norms and min(len(images), batch_size) < 2:
        raise ValueError(
            "images, batch_size: expected at least 2, since one image has no variance, "
            f"got {len(images)} and {batch_size}"
        )
    buffers = [buffer for norm in norms for buffer in norm.buffers(recurse=False)]
    kept = [buffer.clone() for buffer in buffers]
    momenta = [norm.momentum for norm in norms]
    try:
        if norms:
            _recalibrate(model, norms, images, batch_size)
        yield
    finally:
        with torch.no_grad():
            for buffer, former in zip(buffers, kept, strict=True):
                buffer.copy_(former)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _recalibrate(model: nn.Module, norms: list[_Norm], images: Tensor, batch_size: int) -> None:
    seen = 0
    with modes_kept(model), torch.no_grad():
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        for part in slices(batch_sizes(len(images), batch_size)):
            seen += part.stop - part.start
            for norm in norms:  # weights batches by their images: a cumulative average
                norm.momentum = (part.stop - part.start) / seen
            model(images[part])


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
