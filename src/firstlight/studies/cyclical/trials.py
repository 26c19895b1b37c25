"""The trainings of the cyclical study: what each of them is given, and how it is done."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, count
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight import seeds
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data.batches import Loader, shuffled
from firstlight.data.split import Split, split, standardized
from firstlight.models.minigooglenet import MiniGoogLeNet, resized
from firstlight.ranges.batch_range import batch_size
from firstlight.ranges.lr_range import learning_rate
from firstlight.ranges.noise_scale import gradient_noise_scale
from firstlight.ranges.trainable import ModelStep
from firstlight.record.store import TrialResult
from firstlight.schedules.cycles import exp_range
from firstlight.schedules.sampler import CyclicBatchSampler
from firstlight.schedules.shapes import Schedule, constant
from firstlight.studies.cyclical.config import CyclicalConfig, Policy
from firstlight.studies.cyclical.labels import BATCHES, MEASURES
from firstlight.train.acceleration import choose, use
from firstlight.train.evaluation import evaluate
from firstlight.train.loop import fit
from firstlight.types import Tick

NOISE_SAMPLES, NOISE_DRAWS = 512, 4
"""The gradient noise scale comes from this many batches of about this many images."""

POINTS = 6
"""How often a training of fewer epochs is scored; a longer one is scored after each epoch."""


@dataclass(frozen=True)
class RangeTrial:
    """A range test of the learning rate.

    Args:
        config: the study's parameters.
        test: the ramp, or the candidates.
        repeat: number of the repeat, from 0; it decides on weights and order of the images.
        candidate: number of the only candidate of this trial; None where it goes through all.
    """

    config: CyclicalConfig
    test: Literal["ramp", "candidates"]
    repeat: int
    candidate: int | None = None

    @property
    def rates(self) -> list[float]:
        """The candidates that are tried in this trial."""
        config, at = self.config, self.candidate
        rates = np.geomspace(config.rate_low, config.rate_high, config.candidates)
        return list(rates.tolist() if at is None else rates[at : at + 1].tolist())


@dataclass(frozen=True)
class BatchTrial:
    """A training at one batch size and a fixed rate, for equal epochs or equal updates.

    Args:
        config: the study's parameters.
        budget: what is the same for every size.
        size: images in each update.
        rate: the learning rate.
        repeat: number of the repeat, from 0.
    """

    config: CyclicalConfig
    budget: str
    size: int
    rate: float
    repeat: int


@dataclass(frozen=True)
class PolicyTrial:
    """A training under one policy.

    Args:
        config: the study's parameters.
        policy: what moves, and how.
        index: number of the seed, from 0.
        rates: bounds of the learning rate.
        sizes: bounds of the batch size.
    """

    config: CyclicalConfig
    policy: Policy
    index: int
    rates: tuple[float, float]
    sizes: tuple[int, int]


@lru_cache(maxsize=1)
def images(dataset: Dataset, config: CyclicalConfig, device: str) -> Split:
    """Return the run's images, standardized, shape (n, 1, 32, 32); made once in each process."""
    parts = standardized(
        split(
            dataset, seed=config.seed, images=config.train_images,
            validation_share=config.validation_share, test_images=config.test_images, device=device,
        )
    )  # fmt: skip
    train, validation, test = (
        (resized(x[:, None]), y) for x, y in (parts.train, parts.validation, parts.test)
    )
    return Split(train, validation, test)


def network(config: CyclicalConfig, index: int, device: str = "cpu") -> MiniGoogLeNet:
    """Return an untrained network; networks of one index start from the same weights.

    Args:
        config: the study's parameters.
        index: number of the seed or repeat, from 0.
        device: where the network shall lie.
    """
    model = MiniGoogLeNet(
        seeds.torch_generator(config.seed, "weights", index),
        masks=seeds.torch_generator(config.seed, "masks", index, device=device),
        width=config.width,
    )
    return model.to(device)


def sgd(model: nn.Module, config: CyclicalConfig, rate: float) -> torch.optim.SGD:
    """Return stochastic gradient descent with the study's momentum and no weight decay."""
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=config.momentum)


@contextmanager
def _step(
    config: CyclicalConfig, repeat: int, rate: float, updates: int, size: int, context: Context
) -> Iterator[ModelStep]:
    """Yield a repeat's network with its optimizer, made fast as far as so many updates pay for."""
    model = network(config, repeat, context.device)
    optimizer = sgd(model, config, rate)
    example = images(context.images(), config, context.device).train[0][: config.micro_batch]
    path = choose(model, example, optimizer=optimizer, samples=updates * size)
    with use(path, model, optimizer) as forward:
        yield ModelStep(
            model, optimizer, functional.cross_entropy, micro_batch=config.micro_batch,
            forward=forward,
        )  # fmt: skip


def _count(tick: Tick, total: int) -> Callable[[float, float], None]:
    """Return a range test's ``progress`` that passes on how many updates were made."""
    made = count(1)
    return lambda value, loss: tick(min(next(made), total), total)


def range_trial(spec: RangeTrial, context: Context, tick: Tick) -> TrialResult:
    """Run a range test of the learning rate; keep its rates and the loss at each of them."""
    config, rates = spec.config, spec.rates
    x, y = images(context.images(), config, context.device).train
    passed = len(x) / config.batch_size  # updates in an epoch
    loader = Loader(x, y, config.batch_size, config.seed, "range", spec.repeat)
    if spec.test == "ramp":
        total = max(5, round(config.ramp_epochs * passed))
        test = partial(learning_rate, low=config.rate_low, high=config.rate_high, steps=total)
    else:
        steps = max(1, round(config.range_epochs * passed / len(rates)))
        total = steps * len(rates)
        test = partial(learning_rate, mode=config.range_mode, candidates=rates, steps=steps)
    with _step(config, spec.repeat, 1.0, total, config.batch_size, context) as step:
        curve = test(step, loader, progress=_count(tick, total))
    result = TrialResult()
    result.arrays.put("values", curve.values)
    result.arrays.put("losses", curve.losses[0])
    return result


def batch_trial(spec: BatchTrial, context: Context, tick: Tick) -> TrialResult:
    """Train with one batch size at a fixed rate; keep its loss."""
    config, size = spec.config, spec.size
    data = images(context.images(), config, context.device).train
    length: dict[str, Any] = {"updates": config.batch_updates}
    updates = config.batch_updates
    if spec.budget == "epochs":
        length = {"epochs": config.batch_epochs}
        updates = max(1, round(config.batch_epochs * len(data[0]) / size))
    with _step(config, spec.repeat, spec.rate, updates, size, context) as step:
        curve = batch_size(
            step, data, lr=spec.rate, sizes=[size], micro_batch=min(config.micro_batch, size),
            seed=seeds.integer(config.seed, "batch size", spec.repeat),
            progress=_count(tick, updates), **length,
        )  # fmt: skip
    result = TrialResult()
    result.facts.put("loss", float(curve.losses[0, 0]))
    return result


def plan(spec: PolicyTrial, n: int) -> tuple[list[Tensor], Schedule]:
    """Return the batches of a whole training under a policy, and its rate by images seen.

    ``fixed_low`` and ``fixed_high`` stay at a bound of the learning rate; ``cyclical_rate`` moves
    between the bounds with a decaying amplitude; ``growing_batch`` and ``shrinking_batch`` move the
    batch size at the lower rate, geometrically: the dips toward small batches, or the peaks toward
    large ones, decay.

    Args:
        spec: the training.
        n: training images.
    """
    config, policy, (low, high) = spec.config, spec.policy, spec.rates
    total = n * config.epochs
    cycle, final = total / config.cycles, config.final_amplitude
    seed = seeds.integer(config.seed, "policy", spec.index)
    rate: Schedule = constant(high if policy == "fixed_high" else low)
    if policy == "cyclical_rate":
        rate = exp_range(low, high, cycle, total_samples=total, final=final)
    if policy in BATCHES:
        sampler = CyclicBatchSampler(
            n, *spec.sizes, cycle, total_samples=total, final=final, seed=seed,
            toward="high" if policy == "growing_batch" else "low",
        )  # fmt: skip
        return [torch.tensor(batch) for _ in range(config.epochs) for batch in sampler], rate
    draws = (seeds.generator(seed, "order", 0, epoch) for epoch in range(config.epochs))
    return [batch for draw in draws for batch in shuffled(n, config.batch_size, draw)], rate


def policy_trial(spec: PolicyTrial, context: Context, tick: Tick) -> TrialResult:
    """Train under one policy; the validation set is scored on the way, the test set once."""
    config, device = spec.config, context.device
    parts = images(context.images(), config, device)
    order, rate = plan(spec, len(parts.train[0]))
    model = network(config, spec.index, device)
    seen = list(accumulate((len(batch) for batch in order), initial=0))
    every = seen[-1] / max(config.epochs, POINTS)
    scored = [
        step
        for step in range(1, len(seen))
        if seen[step] // every > seen[step - 1] // every or step == len(order)
    ]
    rows: list[dict[str, float]] = []
    scoring = 0.0

    def after_step(step: int) -> None:
        nonlocal scoring
        if step % 10 == 0 or step == len(order):
            tick(seen[step], seen[-1])
        if step in scored:
            began = perf_counter()
            rows.append(_scores(model, parts))
            scoring += perf_counter() - began

    result = TrialResult()
    facts, arrays = result.facts, result.arrays
    facts.put("noise_scale", _noise(model, parts, config), when="before")
    began = perf_counter()
    fitted = fit(
        model, *parts.train, (batch.to(device) for batch in order), sgd(model, config, rate(0)),
        lambda step: rate(seen[step]), after_step=after_step, micro_batch=config.micro_batch,
        samples=seen[-1],
    )  # fmt: skip
    facts.put("images_per_second", seen[-1] / (perf_counter() - began - scoring))
    facts.put("noise_scale", _noise(model, parts, config), when="after")
    test = evaluate(model, *parts.test)
    facts.put("best_accuracy", max(row["validation_accuracy"] for row in rows))
    facts.put("final_accuracy", rows[-1]["validation_accuracy"])
    facts.put("final_loss", rows[-1]["validation_loss"])
    facts.put("test_accuracy", test.accuracy)
    facts.put("test_loss", test.loss)
    facts.put("updates", len(order))
    facts.put("fast_path", str(fitted.path))
    arrays.put("curve", np.array([[row[name] for name in MEASURES] for row in rows]))
    arrays.put("points", np.array([seen[step] for step in scored]))
    arrays.put("samples", np.array(seen[:-1]))
    arrays.put("sizes", np.diff(seen))
    arrays.put("rates", np.array([rate(samples) for samples in seen[:-1]]))
    arrays.put("step_losses", fitted.losses.cpu().numpy())
    arrays.put("test_correct", test.correct.astype(np.uint8))
    return result


def _scores(model: nn.Module, parts: Split) -> dict[str, float]:
    """Return loss and accuracy on the validation images and on as many training images."""
    n = len(parts.validation[0])
    sets = {"train": tuple(x[:n] for x in parts.train), "validation": parts.validation}
    scores = {name: evaluate(model, *pair) for name, pair in sets.items()}
    losses = {f"{name}_loss": score.loss for name, score in scores.items()}
    return losses | {f"{name}_accuracy": score.accuracy for name, score in scores.items()}


def _noise(model: nn.Module, parts: Split, config: CyclicalConfig) -> float:
    """Return the gradient noise scale on the training images, NaN if it is not determined."""
    small = config.micro_batch
    big = max(2, min(NOISE_SAMPLES, len(parts.train[0])) // small) * small
    scale = gradient_noise_scale(
        model, functional.cross_entropy, parts.train,
        small=small, big=big, draws=NOISE_DRAWS, seed=config.seed,
    ).scale  # fmt: skip
    return math.nan if scale.value is None else float(scale)
