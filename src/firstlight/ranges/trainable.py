"""One training step at a given learning rate, made of a model, an optimizer and a loss."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from firstlight.train.accumulate import Loss, accumulate

Step = Callable[[Any, float], Any]
"""Batch and learning rate → the training loss of that step, before its update."""


class ModelStep:
    """One training step: gradients of a batch's mean loss, then an update at the given rate.

    Where the optimizer's groups have different rates, their ratios to the first group's, as they
    are when the step is made, are kept. A loss that is not finite is returned without an update.

    Args:
        model: called on the inputs; a tuple or list is taken as its arguments, a mapping as named
            ones.
        optimizer: over the model's parameters; its schedulers are not touched.
        loss: outputs and targets → mean loss over the samples, one number.
        scaler: for half precision; it skips updates whose gradients are not finite.
        autocast: data type of ``torch.autocast``, or None for the model's own.
        micro_batch: most samples in one forward pass; the gradient is the whole batch's, but for
            batch normalization. None takes the whole batch.
        forward: called instead of the model, e.g. the model compiled.

    Raises:
        ValueError: the optimizer's first rate is not above 0.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = ModelStep(model, optimizer, nn.functional.mse_loss)
        >>> batch = torch.ones(8, 2), torch.zeros(8, 1)
        >>> step(batch, 0.01) > step(batch, 0.01)
        True
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss,
        *,
        scaler: torch.amp.GradScaler | None = None,
        autocast: torch.dtype | None = None,
        micro_batch: int | None = None,
        forward: Callable[..., Any] | None = None,
    ) -> None:
        self._call = model if forward is None else forward
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.scaler, self.autocast, self.micro_batch = scaler, autocast, micro_batch
        self._ratios = ratios(optimizer)
        first = next(model.parameters(), None)
        self._device = torch.device("cpu") if first is None else first.device

    def __call__(self, batch: Any, lr: float) -> float:
        """Train on one batch of (inputs, targets) and return its loss before the update."""
        inputs, targets = _moved(_pair(batch), self._device)
        set_rates(self.optimizer, lr, self._ratios)
        self.optimizer.zero_grad(set_to_none=True)
        total = accumulate(
            self._forward,
            self._one_loss,
            inputs,
            targets,
            micro_batch=self.micro_batch,
            scaler=self.scaler,
        )
        value = float(total)
        if math.isfinite(value):
            self._update()
        return value

    def _update(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def _precision(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self.autocast)

    def _forward(self, inputs: Any) -> Any:
        with self._precision():
            if isinstance(inputs, Mapping):
                return self._call(**inputs)
            return self._call(*inputs) if isinstance(inputs, tuple | list) else self._call(inputs)

    def _one_loss(self, outputs: Any, targets: Any) -> Tensor:
        with self._precision():
            value = self.loss(outputs, targets)
        if not isinstance(value, Tensor) or value.ndim != 0:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"loss: expected a tensor of one number, the mean loss, got {got}")
        return value

    def finite(self) -> bool:
        """Say whether every parameter that is trained is finite."""
        trained = [p.detach() for p in self.model.parameters() if p.requires_grad]
        return not trained or bool(torch.stack([p.isfinite().all() for p in trained]).all())

    def has_batch_norm(self) -> bool:
        """Say whether a layer normalizes over the samples of a batch."""
        return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.model.modules())


def set_rates(optimizer: torch.optim.Optimizer, lr: float, ratios: tuple[float, ...]) -> None:
    """Give each group of an optimizer ``lr`` times its ratio."""
    for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr * ratio)
        else:
            group["lr"] = lr * ratio


def ratios(optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """Return each group's rate as a multiple of the first group's, which must be above 0."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if not (rates[0] > 0 and math.isfinite(rates[0])):
        raise ValueError(
            f"optimizer: expected a learning rate above 0 in its first group, got {rates[0]}; "
            f"the rates of the other groups are kept in proportion to it"
        )
    return tuple(rate / rates[0] for rate in rates)


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
        raise ValueError(
            f"batches: expected pairs of (inputs, targets), got {got}; "
            f"give a step of your own for others"
        )
    return batch[0], batch[1]


def _moved(value: Any, device: torch.device) -> Any:
    """Return tensors, or tuples, lists and mappings of them, on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [_moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
