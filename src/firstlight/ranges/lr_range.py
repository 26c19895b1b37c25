"""The learning-rate range test: the training loss at rates from too small to too large."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.guard import Snapshot
from firstlight.ranges.curve.read import Curve, read_curve
from firstlight.ranges.plans import Mode, Plan, plan
from firstlight.ranges.trainable import ModelStep, Step
from firstlight.ranges.stream import Stream, mean_of, passes
from firstlight.ranges.subject import Progress, Subject, check_repeats, rewindable, said


def learning_rate(
    step: Step | ModelStep,
    batches: Iterable[Any],
    *,
    low: float = 1e-7,
    high: float = 10.0,
    mode: Mode = "ramp",
    candidates: int | Sequence[float] | None = None,
    steps: int | None = None,
    repeats: int = 1,
    seed: int = 0,
    reset: Callable[[], object] | None = None,
    generators: Iterable[Any] = (),
    progress: Progress | None = None,
) -> Curve:
    """Measure the training loss over the learning rate and read bounds off the curve.

    The rates are ηᵢ = low · (high / low)^(i / (k − 1)), both ends included. The loss of a rate is

    - ``ramp``: that of its one step, before the update;
    - ``plateaus``: the mean over the second half of its steps, the weights going on from rate to
      rate;
    - ``runs``: the mean over the last quarter of its steps, each rate starting from the same
      weights, random state and batches.

    A sweep ends at the first loss that is not finite, before the update where the step is a
    ``ModelStep``, or when parameters are no longer finite; the rates from there on have the loss
    NaN. With a ``ModelStep`` everything is put back afterwards, bit for bit, whatever happened (see
    ``guard.restored``); with a function the random states and the loader are, and the model is the
    caller's. A model in evaluation mode is trained in training mode.

    Args:
        step: batch and rate → loss before the update; or a ``ModelStep`` of model, optimizer, loss.
        batches: a DataLoader, a list or anything iterable, of (inputs, targets) for a
            ``ModelStep``; started again when it is through. An iterator lasts one pass.
        low: smallest rate, above 0.
        high: largest rate.
        mode: how the rates are tried.
        candidates: number of rates, at least 2 (5 or more to read bounds), or the rates in rising
            order; by default 20 plateaus or 10 runs.
        steps: updates at each rate, by default 10 for plateaus and one pass, at least 100, for
            runs; in a ramp, updates in all, by default one pass, at least 100.
        repeats: sweeps from the same weights. The random state goes on from one to the next; so
            they differ if the loader shuffles or the model is random. A list of batches is shuffled.
        seed: of the order of listed batches in repeats, and of the bootstrap.
        reset: called before every run and every repeat, to start afresh; with a function only.
        generators: further generators of random numbers to put back.
        progress: called after each step with the rate and the loss.

    Returns:
        The curve: losses of shape (repeats, k).

    Raises:
        ValueError: an argument is outside its range, there are no batches, or an iterator ends
            before the sweep.
        TypeError: the step returns something that is not one number.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = ModelStep(model, optimizer, torch.nn.functional.mse_loss)
        >>> batches = [(torch.ones(8, 2), torch.zeros(8, 1))]
        >>> curve = learning_rate(step, batches, low=1e-3, high=0.3, candidates=20)
        >>> curve.losses.shape, bool(curve.losses[0, -1] < curve.losses[0, 0])
        ((1, 20), True)

    Source: L. N. Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3.
    """
    wanted = plan(mode, low, high, candidates, steps, passes(batches))
    check_repeats(step, batches, repeats, reset, afresh=wanted.afresh)
    rows, ends = [], []
    generators, place = list(generators), rewindable(batches)
    with Snapshot(loader=place, generators=generators), Subject(step, reset) as subject:
        for repeat in range(repeats):
            stream = Stream(batches, seed=seed, repeat=repeat)
            luck = Snapshot(loader=place, generators=generators) if wanted.afresh else None
            sweep = _Sweep(subject, stream, wanted, luck, progress)
            row, end = sweep.run()
            rows.append(row)
            ends.append(end)
    losses = np.array(rows)
    return Curve(wanted.values, losses, read_curve(wanted.values, losses, seed=seed), said(ends))


@dataclass(frozen=True)
class _Sweep:
    """One repeat: every candidate in turn."""

    subject: Subject
    stream: Stream
    plan: Plan
    luck: Snapshot | None
    progress: Progress | None

    def run(self) -> tuple[NDArray[np.float64], str | None]:
        """Return one loss for each value, NaN after the end, and why it ended early."""
        row = np.full(self.plan.values.size, np.nan)
        self.subject.start()
        for at, value in enumerate(self.plan.values.tolist()):
            if self.luck is not None and at:
                self.subject.start()
                self.luck.restore()
                self.stream.restart()
            row[at], end = self._candidate(value)
            if end is not None:
                place = f"learning rate {value:.3g}, number {at + 1} of {row.size}"
                return row, f"{end} at {place}"
        return row, None

    def _candidate(self, value: float) -> tuple[float, str | None]:
        losses: list[float] = []
        for _ in range(self.plan.steps):
            loss = self.subject.take(self.stream.take(), value)
            losses.append(loss)
            if self.progress is not None:
                self.progress(value, loss)
            if not math.isfinite(loss):
                return loss, f"the loss became {loss}"
            if not self.subject.finite():
                whole = len(losses) == self.plan.steps
                known = mean_of(losses, self.plan.first) if whole else math.nan
                return known, "the parameters were no longer finite after the update"
        return mean_of(losses, self.plan.first), None
