"""What a range test trains: a model with all that training touches, or the caller's function."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import nn

from firstlight.guard import Snapshot
from firstlight.ranges.trainable import ModelStep, Step

Progress = Callable[[float, float], object]
"""Called after each step with the value tried and the step's loss."""


class Subject(Snapshot):
    """A step that can start afresh; after a ``with`` block the model is as it was before it.

    Args:
        step: a ``ModelStep``, whose model is trained in training mode, or a function.
        reset: starts a function's model afresh; None where that is not needed.

    Raises:
        TypeError: ``step`` cannot be called.
        ValueError: ``reset`` with a ``ModelStep``, which needs none.
    """

    def __init__(self, step: Step | ModelStep, reset: Callable[[], object] | None) -> None:
        if not callable(step):
            raise TypeError(f"step: expected a function or ModelStep, got {type(step).__name__}")
        self._step, self._reset = step, reset
        if not isinstance(step, ModelStep):
            super().__init__(randomness=False)
            return
        if reset is not None:
            raise ValueError("reset: expected None, a ModelStep starts afresh by itself")
        losses = [step.loss] if isinstance(step.loss, nn.Module) else []
        super().__init__(
            step.model, step.optimizer, scaler=step.scaler, also=losses, randomness=False
        )

    def start(self) -> None:
        """Go back to where the weights, and all that goes with them, were at first."""
        self.restore()
        if isinstance(self._step, ModelStep) and not self._step.model.training:
            self._step.model.train()
        if self._reset is not None:
            self._reset()

    def take(self, batch: Any, value: float) -> float:
        """Train on one batch and return the loss before the update."""
        loss = self._step(batch, value)
        try:
            if getattr(loss, "ndim", 0) == 0:
                return float(loss)
        except (TypeError, ValueError):
            pass
        raise TypeError(f"step: expected to return the loss, one number, got {type(loss).__name__}")

    def finite(self) -> bool:
        """Say whether the parameters are finite; those of a function are taken to be."""
        return not isinstance(self._step, ModelStep) or self._step.finite()


def check_repeats(
    step: Step | ModelStep,
    batches: Iterable[Any],
    repeats: int,
    reset: Callable[[], object] | None,
    *,
    afresh: bool,
) -> None:
    """Raise ``ValueError`` if training cannot start as often as it must."""
    if isinstance(repeats, bool) or repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {repeats}")
    if repeats == 1 and not afresh:
        return
    if not isinstance(step, ModelStep) and reset is None:
        raise ValueError(
            "reset: expected a function that starts afresh, since training starts more than once; "
            "give one, or a ModelStep"
        )
    if isinstance(batches, Iterator):
        raise ValueError(
            "batches: expected what can be iterated more than once, got an iterator; "
            "give a DataLoader or a list"
        )


def rewindable(batches: Any) -> Any:
    """Return the batches if their position can be put back, else None."""
    stateful = hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict")
    return None if isinstance(batches, Iterator) and not stateful else batches


def said(ends: list[str | None]) -> str | None:
    """Return one sentence on the repeats that ended early, or None."""
    early = [(at, end) for at, end in enumerate(ends) if end is not None]
    if not early:
        return None
    at, end = early[0]
    if len(ends) == 1:
        return f"{end[0].upper()}{end[1:]}."
    return f"{len(early)} of {len(ends)} repeats ended early; in repeat {at + 1} {end}."
