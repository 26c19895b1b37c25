"""What a range test trains: a step of a model or the caller's own, which can start again."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from firstlight.guard.snapshot import Snapshot
from firstlight.train.loop import Loss, accumulate, map_tensors

Step = Callable[[Any, float], Any]
"""Batch and learning rate → the training loss of that step, before its update."""

StepProgress = Callable[[float, float], object]
"""Called after each step with the value tried and the step's loss."""


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
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
            raise ValueError(
                f"batches: expected pairs of (inputs, targets), got {got}; "
                f"give a step of your own for others"
            )
        x, y = on_device(tuple(batch), self._device)
        set_rates(self.optimizer, lr, self._ratios)
        self.optimizer.zero_grad(set_to_none=True)
        total = accumulate(
            self._forward, self._one_loss, x, y, micro_batch=self.micro_batch, scaler=self.scaler
        )
        value = float(total)
        if not math.isfinite(value):
            return value
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return value

    def _forward(self, inputs: Any) -> Any:
        with precision(self.autocast, self._device):
            return call(self._call, inputs)

    def _one_loss(self, outputs: Any, targets: Any) -> Tensor:
        with precision(self.autocast, self._device):
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
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
        return any(isinstance(module, kinds) for module in self.model.modules())


class Trainable(Snapshot):
    """A step that can start again; after a ``with`` block the model is as it was before it.

    The model of a ``ModelStep`` is trained in training mode. ``reset`` starts a function's model
    again; without it, a function is trained only if no more than one start is needed.

    Raises:
        TypeError: ``step`` cannot be called.
        ValueError: training cannot start as often as it must, or a ``ModelStep`` has a ``reset``.
    """

    def __init__(
        self,
        step: Step | ModelStep,
        reset: Callable[[], object] | None,
        progress: StepProgress | None,
        repeats: int,
        batches: Iterable[Any] = (),
        restarts: bool = True,
    ) -> None:
        if not callable(step):
            raise TypeError(f"step: expected a function or ModelStep, got {type(step).__name__}")
        if isinstance(repeats, bool) or repeats < 1:
            raise ValueError(f"repeats: expected at least 1, got {repeats}")
        if (restarts or repeats > 1) and not isinstance(step, ModelStep) and reset is None:
            raise ValueError(
                "reset: expected a function that starts afresh, since training starts more than "
                "once; give one, or a ModelStep"
            )
        if (restarts or repeats > 1) and isinstance(batches, Iterator):
            raise ValueError(
                "batches: expected what can be iterated more than once, got an iterator; "
                "give a DataLoader or a list"
            )
        self.step, self._reset, self._progress = step, reset, progress
        if not isinstance(step, ModelStep):
            super().__init__(randomness=False)
            return
        if reset is not None:
            raise ValueError("reset: expected None, a ModelStep starts afresh by itself")
        also = [step.loss] if isinstance(step.loss, nn.Module) else []
        super().__init__(
            step.model, step.optimizer, scaler=step.scaler, also=also, randomness=False
        )

    def restart(self) -> None:
        """Go back to the first weights, and to all else that training has changed."""
        self.restore()
        if isinstance(self.step, ModelStep) and not self.step.model.training:
            self.step.model.train()
        if self._reset is not None:
            self._reset()

    def train(self, batch: Any, lr: float, value: float) -> float:
        """Train on one batch and return the loss before the update; ``value`` is what is tried."""
        loss = self.step(batch, lr)
        number = None
        with suppress(TypeError, ValueError):
            number = float(loss) if getattr(loss, "ndim", 0) == 0 else None
        if number is None:
            got = type(loss).__name__
            raise TypeError(f"step: expected to return the loss, one number, got {got}")
        if self._progress is not None:
            self._progress(value, number)
        return number

    def finite(self) -> bool:
        """Say whether the parameters are finite; those of a function are taken to be."""
        return not isinstance(self.step, ModelStep) or self.step.finite()


def why_stopped(endings: list[str | None]) -> str | None:
    """Return one sentence on the repeats that ended early, each with its reason, or None."""
    early = [(repeat, reason) for repeat, reason in enumerate(endings, 1) if reason is not None]
    if not early:
        return None
    repeat, reason = early[0]
    if len(endings) == 1:
        return f"{reason[0].upper()}{reason[1:]}."
    return f"{len(early)} of {len(endings)} repeats ended early; in repeat {repeat} {reason}."


def ran_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that there was not enough memory, on any device.

    Example:
        >>> error = RuntimeError("DefaultCPUAllocator: can't allocate memory")
        >>> ran_out_of_memory(error), ran_out_of_memory(KeyError())
        (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)


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


def on_device(batch: Any, device: torch.device) -> Any:
    """Return a batch with all its tensors on ``device``."""
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), batch)


def call(forward: Callable[..., Any], inputs: Any) -> Any:
    """Return a model's outputs; a tuple or list is its arguments, a mapping its named ones."""
    if isinstance(inputs, Mapping):
        return forward(**inputs)
    return forward(*inputs) if isinstance(inputs, tuple | list) else forward(inputs)


def precision(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[Any]:
    """Return ``torch.autocast`` to a data type, or a context that changes nothing for None."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
