"""A batch sampler whose batch size follows a schedule, the same under any number of workers."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from firstlight import seeds
from firstlight.data.batches import batch_sizes, slices
from firstlight.schedules.cycles import Toward, exp_range
from firstlight.schedules.shapes import Schedule, check_count


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
