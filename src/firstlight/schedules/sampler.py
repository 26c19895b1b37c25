"""A batch sampler whose batch size follows a schedule, the same under any number of workers."""

import copy
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Sampler

from firstlight import seeds
from firstlight.data.batches import batch_sizes, slices
from firstlight.schedules.cycles import Toward, exp_range
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


class CyclicBatchSampler(Sampler[list[int]]):
    """Batches of changing size for any ``DataLoader``; every sample once an epoch.

    A batch has round(schedule(samples handed out before it)) samples, with epoch e beginning at
    ``start`` + e · ``n_samples``. The last batch of an epoch is what is left over; a single sample
    left over joins the batch before it, since batch normalization cannot learn from one sample.

    Sizes and order are functions of (seed, epoch) alone, so they do not depend on how far ahead a
    loader's workers ask. ``epoch``, ``len`` and ``state_dict`` are those of the *coming* epoch: as
    soon as its first batch is asked for, the next epoch is the coming one. Ask for a length before
    the loop, or take ``len(sampler.sizes(epoch))``.

    A loader fetches batches before training uses them, so only the training loop knows how many it
    has taken. It says so to continue in mid-epoch::

        saved = sampler.state_at(epoch, batches_done)  # when saving
        sampler.load_state_dict(saved)  # in the new process; or sampler.resume(epoch, batches_done)
        for epoch in range(sampler.epoch, epochs):
            sampler.set_epoch(epoch)  # keeps the place in the epoch that is resumed
            for batch in loader: ...

    Args:
        n_samples: samples in an epoch, at least 1.
        low: smallest batch size, at least 1.
        high: largest batch size, at least ``low``; more than ``n_samples`` is cut to it.
        cycle_samples: samples in one cycle of the size, there and back, above 0.
        schedule: the size by samples seen, instead of the cycle; cut to ``low`` and ``high``.
        toward: ``"low"`` begins at ``low``, and the peaks decay: batches shrink on the whole.
            ``"high"`` begins at ``high``, and the dips decay: batches grow.
        total_samples: samples in the whole training, needed for ``final``.
        final: amplitude at ``total_samples`` as a share of the first.
        gamma: factor of the amplitude for each sample, instead of ``final``. None of them: no decay.
        shuffle: whether each epoch is a permutation of its own, or in order.
        seed: of the permutations, at least 0.
        drop_last: whether to leave out a last batch that is smaller than the schedule says, unless
            it is the only one. Progress still counts it, so that epochs begin where they should.
        start: samples seen before epoch 0.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> sampler = CyclicBatchSampler(20, 2, 8, 20)
        >>> [len(batch) for batch in sampler]
        [2, 3, 4, 7, 4]

    Source: the cycle: L. N. Smith, "Cyclical learning rates" (2017), section 3; growing batches:
    S. L. Smith et al., "Don't decay the learning rate, increase the batch size" (2018).
    """

    def __init__(
        self,
        n_samples: int,
        low: float,
        high: float,
        cycle_samples: float | None = None,
        *,
        schedule: Schedule | None = None,
        toward: Toward = "low",
        total_samples: float | None = None,
        final: float | None = None,
        gamma: float | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        start: int = 0,
    ) -> None:
        if n_samples < 1:
            raise ValueError(f"n_samples: expected at least 1, got {n_samples}")
        if not 1 <= low <= high < math.inf:
            raise ValueError(f"batch size: expected 1 <= low <= high, got {low} and {high}")
        check_count("seed", seed)
        check_count("start", start)
        decay: dict[str, Any] = {"total_samples": total_samples, "final": final, "gamma": gamma}
        if schedule is None:
            if cycle_samples is None:
                raise ValueError("batch size: expected cycle_samples or schedule, got neither")
            if total_samples is final is gamma is None:
                decay["gamma"] = 1.0  # the amplitude stays
            schedule = exp_range(low, high, cycle_samples, **decay, toward=toward, geometric=True)
        elif not (cycle_samples is total_samples is final is gamma is None and toward == "low"):
            raise ValueError(
                "batch size: expected nothing of the cycle, its direction and its decay beside "
                f"schedule, got {cycle_samples}, {toward!r} and {tuple(decay.values())}"
            )
        self.n_samples, self.low, self.high, self.schedule = n_samples, low, high, schedule
        self.shuffle, self.seed, self.drop_last, self.start = shuffle, seed, drop_last, start
        self.epoch, self._first = 0, 0
        self._known: dict[int, tuple[int, ...]] = {}

    def sizes(self, epoch: int) -> tuple[int, ...]:
        """Return the batch sizes of an epoch, from 0; unless one is dropped, all the samples."""
        check_count("epoch", epoch)
        if epoch not in self._known:
            if len(self._known) > 1:
                self._known.clear()
            before = self.start + epoch * self.n_samples
            self._known[epoch] = batch_sizes(
                self.n_samples, lambda seen: self._size(before + seen), drop_last=self.drop_last
            )
        return self._known[epoch]

    def _size(self, seen: int) -> int:
        value = self.schedule(seen)
        if math.isnan(value):
            raise ValueError(f"schedule: expected a batch size, got {value} at {seen} samples")
        return round(min(max(value, self.low), self.high))

    def __len__(self) -> int:
        """Return the number of batches of the coming epoch, or of what is left of it."""
        return len(self.sizes(self.epoch)) - self._first

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the coming epoch's batches, as lists of indices; it is coming until the first is."""
        epoch, first = self.epoch, self._first  # not sooner: a loader may make iterators in vain
        self.epoch, self._first = epoch + 1, 0
        order = np.arange(self.n_samples)
        if self.shuffle:
            order = seeds.generator(self.seed, "batches", epoch).permutation(self.n_samples)
        for part in islice(slices(self.sizes(epoch)), first, None):
            yield order[part].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Let this epoch, from 0, be the coming one: from its beginning, or where it is resumed."""
        check_count("epoch", epoch)
        if epoch != self.epoch:
            self.epoch, self._first = epoch, 0

    def resume(self, epoch: int, batches_done: int) -> None:
        """Let what is left of an epoch be what comes.

        Args:
            epoch: from 0.
            batches_done: batches of that epoch that training has used; all of them is the next
                epoch's beginning.

        Raises:
            ValueError: the epoch has fewer batches.

        Example:
            >>> sampler = CyclicBatchSampler(20, 2, 8, 20)
            >>> whole = list(sampler)
            >>> sampler.resume(0, 3)
            >>> list(sampler) == whole[3:]
            True
        """
        self.load_state_dict(self.state_at(epoch, batches_done))

    def state_at(self, epoch: int, batches_done: int) -> dict[str, Any]:
        """Return the state from which to go on after some batches of an epoch.

        Args:
            epoch: from 0.
            batches_done: batches of that epoch that training has used, not fetched.

        Returns:
            Plain numbers; ``samples`` is the progress of the schedule.

        Raises:
            ValueError: the epoch has fewer batches.
        """
        sizes = self.sizes(epoch)
        if not 0 <= batches_done <= len(sizes):
            raise ValueError(
                f"batches_done: expected 0 to {len(sizes)}, the batches of epoch {epoch}, "
                f"got {batches_done}"
            )
        if batches_done == len(sizes):
            epoch, batches_done = epoch + 1, 0
        samples = self.start + epoch * self.n_samples + sum(sizes[:batches_done])
        place = {"epoch": epoch, "batches_done": batches_done, "samples": samples}
        return place | {"n_samples": self.n_samples, "seed": self.seed, "shuffle": self.shuffle}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the coming epoch; in mid-epoch use ``state_at``."""
        return self.state_at(self.epoch, self._first)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of ``state_at`` or ``state_dict``.

        Raises:
            ValueError: the state is of a sampler with other samples, order or batch sizes.
        """
        if not {"epoch", "batches_done"} <= state.keys():
            raise ValueError(f"state: expected one of state_at, got the keys {sorted(state)}")
        own = self.state_at(state["epoch"], state["batches_done"])
        for name, value in own.items():
            if state.get(name) != value:
                raise ValueError(
                    f"state: expected {name} {value} after {state['batches_done']} batches of epoch "
                    f"{state['epoch']}, got {state.get(name)}; make the sampler as it was made then"
                )
        self.epoch, self._first = own["epoch"], own["batches_done"]
