"""A schedule by samples seen as a learning-rate scheduler of PyTorch."""

import copy
import math
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from firstlight.schedules.shapes import Schedule, check_count

_NOT_SAVED = ("optimizer", "schedule")


class SampleScheduler(LRScheduler):
    """Sets the learning rate from a schedule by the samples seen; nothing else is touched.

    The first parameter group gets schedule(samples seen); every other one keeps the ratio that its
    initial rate has to the first group's. Making the scheduler sets the rates for the first batch.

    Call ``step`` after ``optimizer.step``, with the batch's samples, or without an argument where
    all batches have ``batch_size``. Inside ``SequentialLR`` and ``ChainedScheduler``, which step
    without an argument, ``batch_size`` is needed; in a chain it replaces what earlier members set.

    As with PyTorch's own, ``load_state_dict`` leaves the rates in the optimizer alone, since they
    come with the optimizer's own state; the schedule itself is not saved.

    Args:
        optimizer: its groups' ``lr`` are replaced; ``initial_lr`` is what they were.
        schedule: samples seen → learning rate of the first group; picklable if the scheduler is to be.
        batch_size: samples in each step that is given no number; None where every step is.
        samples: samples seen so far, where a training continues without a saved state.

    Raises:
        ValueError: an argument is outside its range, or the first group's initial rate is 0 and
            another's is not.

    Example:
        >>> import torch
        >>> from firstlight.schedules import triangle
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> scheduler = SampleScheduler(optimizer, triangle(0.1, 0.5, 400))
        >>> rates = []
        >>> for images in (100, 100, 200):
        ...     rates += scheduler.get_last_lr()
        ...     _ = optimizer.step()
        ...     scheduler.step(images)
        >>> [round(rate, 6) for rate in rates], scheduler.samples
        ([0.1, 0.3, 0.5], 400.0)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule,
        *,
        batch_size: float | None = None,
        samples: float = 0,
    ) -> None:
        if batch_size is not None:
            check_count("batch_size", batch_size)
        self.schedule, self.batch_size = schedule, batch_size
        self.samples = check_count("samples", samples)
        super().__init__(optimizer)

    def step(self, samples: float | None = None) -> None:
        """Count the samples of the batch just used, and set the rates for the next one.

        Args:
            samples: samples in the batch, at least 0; None: ``batch_size``.

        Raises:
            ValueError: the count is missing or outside its range.
        """
        if self.last_epoch >= 0:  # below: PyTorch's own first step, for the first batch
            count = self.batch_size if samples is None else samples
            if count is None:
                raise ValueError(
                    "samples: expected the number of samples in the batch, got None; "
                    "give it to step, or batch_size to the scheduler"
                )
            self.samples += check_count("samples", count)
        super().step()

    def get_lr(self) -> list[float | Tensor]:
        """Return each group's rate at the samples seen so far."""
        rate = self.schedule(self.samples)
        if not 0 <= rate < math.inf:
            raise ValueError(
                f"schedule: expected a finite rate of at least 0, got {rate} at "
                f"{self.samples:g} samples"
            )
        initial = [float(rate) for rate in self.base_lrs]
        if initial[0] == 0 and any(initial):
            raise ValueError(
                "optimizer: expected a first group with a rate above 0, which the others are "
                f"relative to, got {initial}"
            )
        return [rate * (1.0 if own == initial[0] else own / initial[0]) for own in initial]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain numbers, without optimizer and schedule."""
        return copy.deepcopy({n: value for n, value in vars(self).items() if n not in _NOT_SAVED})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state; ``state_dict`` itself is not changed.

        Raises:
            ValueError: the state is of another scheduler, or of another number of groups.
        """
        missing = self.state_dict().keys() - state_dict.keys()
        if missing:
            raise ValueError(
                f"state: expected one of SampleScheduler, got none of {sorted(missing)}"
            )
        saved, own = len(state_dict["base_lrs"]), len(self.base_lrs)
        if saved != own:
            raise ValueError(f"state: expected {own} parameter groups, as here, got {saved}")
        vars(self).update(copy.deepcopy(state_dict))
