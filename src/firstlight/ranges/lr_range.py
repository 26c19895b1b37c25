"""The learning-rate range test: the training loss at rates from too small to too large."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np

from firstlight import seeds
from firstlight.guard.snapshot import Snapshot
from firstlight.ranges.curve.read import Curve
from firstlight.ranges.trainable import ModelStep, Step, StepProgress, Trainable, why_stopped
from firstlight.types import Floats

Mode = Literal["ramp", "plateaus", "runs"]


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
    progress: StepProgress | None = None,
) -> Curve:
    """Measure the training loss over the learning rate; the curve's ``bounds`` are read off it.

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
        reset: called before every run and every repeat, to start again; with a function only.
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
    pass_length = 100
    with suppress(TypeError):  # of an iterable without a length
        pass_length = max(pass_length, len(batches))  # type: ignore[arg-type]
    plan = sweep_plan(mode, low, high, candidates, steps, pass_length)
    generators, rows, endings = list(generators), [], []
    stateful = hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict")
    loader = None if isinstance(batches, Iterator) and not stateful else batches
    with (
        Snapshot(loader=loader, generators=generators),
        Trainable(step, reset, progress, repeats, batches, plan.restart) as trainable,
    ):
        for repeat in range(repeats):
            new_stream = partial(_endless, batches, seed, repeat)
            rng_state = Snapshot(loader=loader, generators=generators) if plan.restart else None
            row, ending = _sweep(trainable, plan, new_stream, rng_state)
            rows.append(row)
            endings.append(ending)
    return Curve(plan.values, np.array(rows), why_stopped(endings), seed=seed)


@dataclass(frozen=True)
class SweepPlan:
    """Which learning rates a range test tries, and for how many updates each."""

    values: Floats  # shape (k,), strictly increasing
    steps: int  # updates at each value
    first: int  # number of the first of them whose loss counts, from 0
    restart: bool  # whether each value starts from the same weights


def sweep_plan(
    mode: str,
    low: float,
    high: float,
    candidates: int | Sequence[float] | None,
    steps: int | None,
    pass_length: int,
) -> SweepPlan:
    """Return the plan of a learning-rate test; see ``learning_rate`` for the arguments.

    Example:
        >>> sweep_plan("plateaus", 0.01, 1.0, 3, 4, 100)
        SweepPlan(values=array([0.01, 0.1 , 1.  ]), steps=4, first=2, restart=False)
    """
    if mode not in ("ramp", "plateaus", "runs"):
        raise ValueError(f"mode: expected one of ramp, plateaus, runs, got {mode!r}")
    if steps is not None and (isinstance(steps, bool) or steps < 1):
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if mode == "ramp" and candidates is not None and steps is not None:
        raise ValueError(
            "steps: in a ramp every step has its own rate; give candidates or steps, not both"
        )
    counts = {"ramp": steps or pass_length, "plateaus": 20, "runs": 10}
    rates = _rates(low, high, counts[mode] if candidates is None else candidates)
    each = {"ramp": 1, "plateaus": steps or 10, "runs": steps or pass_length}[mode]
    counted = max(1, each // 4) if mode == "runs" else each - each // 2
    return SweepPlan(rates, each, each - counted, restart=mode == "runs")


def _rates(low: float, high: float, candidates: int | Sequence[float]) -> Floats:
    if isinstance(candidates, int):
        if candidates < 2:
            raise ValueError(f"candidates: expected at least 2 learning rates, got {candidates}")
        if not (0 < low < high and math.isfinite(high)):
            raise ValueError(f"low, high: expected 0 < low < high, got {low} and {high}")
        return np.geomspace(low, high, candidates, dtype=np.float64)
    rates = np.asarray(candidates, dtype=np.float64)
    if rates.ndim != 1 or rates.size < 1 or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(f"candidates: expected finite rates above 0, got {candidates}")
    if (np.diff(rates) <= 0).any():
        raise ValueError(f"candidates: expected strictly increasing rates, got {candidates}")
    return rates


def _endless(batches: Iterable[Any], seed: int, repeat: int) -> Iterator[Any]:
    """Yield the batches of a loader, pass after pass.

    A list or tuple is taken in its own order in the first repeat, and shuffled anew in every pass
    of the others; any other loader shuffles or not, as it is made.
    """
    rng = seeds.generator(seed, "batches", repeat)
    taken = 0
    while True:
        before, one_pass = taken, batches
        if repeat and isinstance(batches, list | tuple):
            one_pass = [batches[at] for at in rng.permutation(len(batches)).tolist()]
        for batch in one_pass:
            taken += 1
            yield batch
        if isinstance(batches, Iterator) and taken:
            raise ValueError(
                f"batches: an iterator ended after {taken} batches and cannot start again; "
                f"give a DataLoader or a list, or take fewer steps"
            )
        if taken == before:
            raise ValueError("batches: expected at least 1 batch, got none")


def _sweep(
    trainable: Trainable,
    plan: SweepPlan,
    new_stream: Callable[[], Iterator[Any]],
    rng_state: Snapshot | None,
) -> tuple[Floats, str | None]:
    """Return one loss for each rate, NaN after an early end, and the reason of that end."""
    row = np.full(plan.values.size, np.nan)
    trainable.restart()
    stream = new_stream()
    for at, rate in enumerate(plan.values.tolist()):
        if rng_state is not None and at:
            trainable.restart()
            rng_state.restore()
            stream = new_stream()
        losses, reason = _train(trainable, islice(stream, plan.steps), rate)
        if len(losses) == plan.steps:
            row[at] = np.mean(losses[plan.first :])
        elif not math.isfinite(losses[-1]):
            row[at] = losses[-1]
        if reason is not None:
            return row, f"{reason} at learning rate {rate:.3g}, number {at + 1} of {row.size}"
    return row, None


def _train(
    trainable: Trainable, batches: Iterable[Any], rate: float
) -> tuple[list[float], str | None]:
    """Return the losses at one rate, and why training ended there, or None."""
    losses: list[float] = []
    for batch in batches:
        losses.append(trainable.train(batch, rate, rate))
        if not math.isfinite(losses[-1]):
            return losses, f"the loss became {losses[-1]}"
        if not trainable.finite():
            return losses, "the parameters were no longer finite after the update"
    return losses, None
