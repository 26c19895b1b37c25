"""What the regularization study measures inside a network, beside its accuracy and loss."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from firstlight.models.lenet5 import LeNet5
from firstlight.studies.regularization.labels import SOURCES
from firstlight.train.evaluation import evaluate, modes_kept
from firstlight.types import Floats, Numbers


@contextmanager
def measuring(model: LeNet5, *, dropout: bool, batch_statistics: bool) -> Iterator[None]:
    """Look into a network without changing it: running statistics and modes stay as they were.

    Args:
        model: the network.
        dropout: whether outputs are dropped, as in training.
        batch_statistics: whether batch normalization uses the batch, as in training, or its running
            statistics, as at test time.
    """
    norms = [module for module in model.norms.values() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    with modes_kept(model), torch.inference_mode():
        try:
            model.train(dropout)
            for norm in norms:
                norm.train(batch_statistics)
                norm.momentum = 0.0  # the running statistics move by nothing
            yield
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


def batch_variances(
    model: LeNet5, images: Tensor, batch_size: int, *, training: bool
) -> dict[str, Floats]:
    """Return the variance that each batch normalization receives: layer → shape (units,).

    It is the mean over batches of the unbiased variance within a batch: the quantity whose moving
    average is ``running_var``.

    Args:
        model: a network with batch normalization somewhere.
        images: shape (n, 28, 28); a last short batch is left out.
        batch_size: images in a batch, as in training.
        training: dropout on and batch statistics, as in training, or neither, as at test time.
    """
    variances: dict[str, list[Tensor]] = {name: [] for name in model.norms}

    def watch(layer: str, what: str, values: Tensor) -> None:
        if what == "sum" and layer in variances:
            variances[layer].append(values.double().var(dim=1))

    with measuring(model, dropout=training, batch_statistics=training):
        for batch in torch.split(images, batch_size):
            if len(batch) == min(batch_size, len(images)):
                model(batch, watch)
    return {name: torch.stack(each).mean(0).cpu().numpy() for name, each in variances.items()}


def log_ratio_mean(numerator: Floats, denominator: Floats) -> float:
    """Return exp of the mean of log(numerator / denominator): a ratio over units.

    Example:
        >>> round(log_ratio_mean(np.array([2.0, 8.0]), np.array([1.0, 1.0])), 9)
        4.0
    """
    if numerator.shape != denominator.shape or numerator.size == 0:
        expected = f"equal shapes, got {numerator.shape}, {denominator.shape}"
        raise ValueError(f"ratio: expected {expected}")
    return float(np.exp(np.mean(np.log(numerator) - np.log(denominator))))


def outputs(model: LeNet5, images: Tensor, *, batch_statistics: bool = False) -> dict[str, Tensor]:
    """Return what every hidden layer hands on, without dropout: layer → (units, observations)."""
    by_layer: dict[str, Tensor] = {}

    def watch(layer: str, what: str, values: Tensor) -> None:
        if what == "output":
            by_layer[layer] = values

    with measuring(model, dropout=False, batch_statistics=batch_statistics):
        model(images, watch)
    return by_layer


def coadaptation(hidden: Numbers) -> float:
    """Return the mean absolute correlation between two units of a layer, from 0 to 1.

    Args:
        hidden: shape (units, images), outputs; a unit that never varies is left out. Where fewer
            than two vary, the result is NaN.

    Example:
        >>> round(coadaptation(np.array([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]])), 9)
        1.0
    """
    if hidden.ndim != 2 or hidden.shape[1] < 2:
        raise ValueError(f"hidden: expected (units, at least 2 images), got shape {hidden.shape}")
    x = hidden.astype(np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    lengths = np.sqrt((x * x).sum(axis=1))
    x = x[lengths > 0] / lengths[lengths > 0, None]
    units = len(x)
    if units < 2:
        return float("nan")
    total = float(np.abs(x @ x.T).sum()) - units
    return min(1.0, max(0.0, total / (units * (units - 1))))


def removal(
    model: LeNet5, images: Tensor, labels: Tensor, generator: np.random.Generator, repeats: int = 16
) -> float:
    """Return the accuracy lost when a random half of fc1's units is silenced, the rest doubled.

    A unit that relies on particular others fails when they are gone, so the loss grows with
    co-adaptation. The mean over ``repeats`` random halves is returned, a share of the images.

    Args:
        model: the network, used as at test time.
        images: shape (n, 28, 28).
        labels: shape (n,).
        generator: draws the halves.
        repeats: number of halves.
    """
    whole = evaluate(model, images, labels).accuracy
    with measuring(model, dropout=False, batch_statistics=False):
        hidden = model.body(images)
        units = hidden.shape[0]
        right = []
        for _ in range(repeats):
            factor = hidden.new_full((units, 1), 2.0)
            factor[torch.from_numpy(generator.permutation(units)[: units // 2])] = 0.0
            right.append((model.head(hidden * factor).argmax(1) == labels).double().mean())
    return whole - float(torch.stack(right).mean())


def layer_inputs(model: LeNet5, images: Tensor) -> dict[str, Floats]:
    """Return mean and standard deviation of the inputs of each layer behind the first.

    As in training, batch normalization uses the statistics of ``images``; nothing is dropped.

    Returns:
        Layer → shape (2, units).
    """
    hidden = {k: x.double() for k, x in outputs(model, images, batch_statistics=True).items()}
    moments = {k: torch.stack([x.mean(1), x.std(1, correction=0)]) for k, x in hidden.items()}
    return {layer: moments[source].cpu().numpy() for layer, source in SOURCES.items()}


def movement(before: dict[str, Floats], after: dict[str, Floats]) -> list[float]:
    """Return how far each layer's inputs moved: mean over inputs of |Δmean| / deviation before.

    Args:
        before: from ``layer_inputs``, at one checkpoint.
        after: at the next, on the same images.
    """
    pairs = ((before[layer], after[layer]) for layer in before)
    return [float(np.mean(np.abs(b[0] - a[0]) / np.maximum(a[1], 1e-12))) for a, b in pairs]
