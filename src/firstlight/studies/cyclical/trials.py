"""The trainings of the cyclical study: what each of them is given, and how it is done."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import accumulate, count
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight import seeds
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data.batches import Loader, shuffled, slices
from firstlight.data.split import Split, split, standardized
from firstlight.models.minigooglenet import SIDE, MiniGoogLeNet, resized, scaled
from firstlight.ranges.batch_range import batch_size
from firstlight.ranges.lr_range import learning_rate
from firstlight.ranges.noise_scale import gradient_noise_scale
from firstlight.ranges.search import auto_batch_size
from firstlight.ranges.trainable import ModelStep
from firstlight.record import Fact
from firstlight.record.store import TrialResult
from firstlight.schedules.cycles import Toward, exp_range
from firstlight.schedules.sampler import CyclicBatchSampler
from firstlight.schedules.shapes import Schedule, constant
from firstlight.studies.cyclical.bounds import updates_of
from firstlight.studies.cyclical.config import BatchTest, CyclicalConfig, Policy
from firstlight.studies.cyclical.labels import BATCHES, LITERAL, MEASURES
from firstlight.train.acceleration import choose, use
from firstlight.train.evaluation import evaluate, recalibrated
from firstlight.train.loop import fit
from firstlight.types import Tick

NOISE_SAMPLES, NOISE_DRAWS = 512, 4
"""The gradient noise scale comes from this many draws of about this many images."""

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
        test: the test that it belongs to; it says what is the same for every size.
        size: images in each update.
        rate: the learning rate.
        repeat: number of the repeat, from 0.
    """

    config: CyclicalConfig
    test: BatchTest
    size: int
    rate: float
    repeat: int


@dataclass(frozen=True)
class SearchTrial:
    """The search for a batch size, ``auto_batch_size``.

    Args:
        config: the study's parameters.
        rate: the learning rate.
        sizes: the first size, and the largest allowed.
    """

    config: CyclicalConfig
    rate: float
    sizes: tuple[int, int]


@dataclass(frozen=True)
class PolicyTrial:
    """A training under one policy.

    Args:
        config: the study's parameters.
        policy: what moves, and how.
        index: number of the seed, from 0.
        rates: bounds of the learning rate.
        fixed: the rate at which the batch size moves, but for the literal policies.
        sizes: bounds of the batch size.
    """

    config: CyclicalConfig
    policy: Policy
    index: int
    rates: tuple[float, float]
    fixed: float
    sizes: tuple[int, int]


@lru_cache(maxsize=1)
def images(dataset: Dataset, config: CyclicalConfig, device: str) -> Split:
    """Return the run's images, standardized, shape (n, 1, side, side); made once in each process."""
    parts = standardized(
        split(
            dataset, seed=config.seed, images=config.train_images,
            validation_share=config.validation_share, test_images=config.test_images, device=device,
        )
    )  # fmt: skip
    side = scaled(SIDE, config.resolution)
    train, validation, test = (
        (resized(x[:, None], side), y) for x, y in (parts.train, parts.validation, parts.test)
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
        resolution=config.resolution,
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


def size_trial(spec: BatchTrial | SearchTrial, context: Context, tick: Tick) -> TrialResult:
    """Train with one batch size at a fixed rate and keep its loss; or search for a batch size."""
    config = spec.config
    data = images(context.images(), config, context.device).train
    if isinstance(spec, SearchTrial):
        return _search(spec, data, context, tick)
    epochs: float | None = config.batch_epochs
    updates: int | None = None
    total = updates_of(config, spec.size, len(data[0]))
    if spec.test == "batch_updates":
        epochs, updates, total = None, config.batch_updates, config.batch_updates
    with _step(config, spec.repeat, spec.rate, total, spec.size, context) as step:
        curve = batch_size(
            step, data, lr=spec.rate, sizes=[spec.size], epochs=epochs, updates=updates,
            micro_batch=min(config.micro_batch, spec.size),
            seed=seeds.integer(config.seed, "batch size", spec.repeat),
            progress=_count(tick, total),
        )  # fmt: skip
    result = TrialResult()
    result.facts.put("loss", float(curve.losses[0, 0]))
    return result


def _search(
    spec: SearchTrial, data: tuple[Tensor, Tensor], context: Context, tick: Tick
) -> TrialResult:
    """Run the search; keep its curve, what it reads off it, and the steps that it took."""
    config, (start, limit) = spec.config, spec.sizes
    sizes = [start * 2**k for k in range(limit.bit_length()) if start * 2**k <= limit]
    updates = config.batch_repeats * sum(updates_of(config, size, len(data[0])) for size in sizes)
    with _step(config, 0, spec.rate, updates, start, context) as step:
        done = auto_batch_size(
            step, data, lr=spec.rate, start=start, limit=limit, epochs=config.batch_epochs,
            micro_batch=min(config.micro_batch, start), repeats=config.batch_repeats,
            noise_draws=NOISE_DRAWS, seed=seeds.integer(config.seed, "batch size"),
            progress=_count(tick, updates),
        )  # fmt: skip
    result = TrialResult()
    read = {
        "min": done.low, "max": done.high, "recommended": Fact(done.recommended),
        "noise_start": done.noise_at_start, "noise_end": done.noise_scale,
        "verdict": Fact(done.verdict), "reason": Fact(done.reason),
        "stopped": Fact(done.curve.stopped or ""),
    }  # fmt: skip
    for name, fact in read.items():
        result.facts.put("search", json.dumps(asdict(fact)), part=name)
    result.facts.put("trace", json.dumps(done.trace))
    result.arrays.put("values", done.curve.values)
    result.arrays.put("losses", done.curve.losses)
    return result


def plan(spec: PolicyTrial, n: int) -> tuple[list[Tensor], Schedule]:
    """Return the batches of a whole training under a policy, and its rate by images seen.

    ``fixed_low`` and ``fixed_high`` stay at a bound of the learning rate; ``cyclical_rate`` moves
    between the bounds. Growing and shrinking batches move the size, geometrically. From the first
    turn on, halfway through the first cycle, the amplitude decays: of the peaks of the rate, of the
    dips toward small batches, of the peaks toward large ones. A batch is a whole number of
    micro-batches, so that batch normalization sees equally many images everywhere. Batches run over
    the ends of epochs; less than half a batch left over at the very end joins the one before.

    Args:
        spec: the training.
        n: training images.
    """
    config, policy, (low, high) = spec.config, spec.policy, spec.rates
    total = n * config.epochs
    cycle, final = total / config.cycles, config.final_amplitude
    wave = partial(
        exp_range, cycle_samples=cycle, total_samples=total, final=final, after=cycle / 2
    )
    seed = seeds.integer(config.seed, "policy", spec.index)
    draws = [seeds.generator(seed, "order", 0, epoch) for epoch in range(config.epochs)]
    if policy not in (*BATCHES, *LITERAL):
        rate: Schedule = constant(high if policy == "fixed_high" else low)
        if policy == "cyclical_rate":
            rate = wave(low, high)
        return [batch for draw in draws for batch in shuffled(n, config.batch_size, draw)], rate
    toward: Toward = "high" if policy in ("growing_batch", "growing_literal") else "low"
    size = wave(*spec.sizes, toward=toward, geometric=True)
    unit = min(config.micro_batch, spec.sizes[0])
    sampler = CyclicBatchSampler(
        total, *spec.sizes, schedule=lambda seen: unit * round(size(seen) / unit), shuffle=False
    )
    sizes = list(sampler.sizes(0))
    if len(sizes) > 1 and 2 * sizes[-1] < sizes[-2]:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    order = torch.from_numpy(np.concatenate([draw.permutation(n) for draw in draws]))
    rate = constant(low if policy in LITERAL else spec.fixed)
    return [order[part] for part in slices(sizes)], rate


def policy_trial(spec: PolicyTrial, context: Context, tick: Tick) -> TrialResult:
    """Train under one policy; the validation set is scored on the way, the test set once.

    The gradient noise scale is measured where the rate is cyclical: once a seed, before and after.
    """
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
            rows.append(_scores(model, parts, config))
            scoring += perf_counter() - began

    result = TrialResult()
    _put_noise(result, model, parts, spec, "before")
    began = perf_counter()
    fitted = fit(
        model, *parts.train, (batch.to(device) for batch in order), sgd(model, config, rate(0)),
        lambda step: rate(seen[step]), after_step=after_step, micro_batch=config.micro_batch,
        samples=seen[-1],
    )  # fmt: skip
    result.facts.put("images_per_second", seen[-1] / (perf_counter() - began - scoring))
    result.facts.put("fast_path", str(fitted.path))
    _put_noise(result, model, parts, spec, "after")
    _put_test(result, model, parts, config)
    for name, values in {
        "curve": np.array([[row[name] for name in MEASURES] for row in rows]),
        "points": np.array([seen[step] for step in scored]),
        "samples": np.array(seen[:-1]),
        "sizes": np.diff(seen),
        "rates": np.array([rate(samples) for samples in seen[:-1]]),
        "step_losses": fitted.losses.cpu().numpy(),
    }.items():
        result.arrays.put(name, values)
    return result


def _put_test(result: TrialResult, model: nn.Module, parts: Split, config: CyclicalConfig) -> None:
    """Add the loss on the test images, and which of them are classified correctly."""
    with recalibrated(model, parts.train[0][: config.calibration_images]):
        test = evaluate(model, *parts.test)
    result.facts.put("test_loss", test.loss)
    result.arrays.put("test_correct", test.correct.astype(np.uint8))


def _scores(model: nn.Module, parts: Split, config: CyclicalConfig) -> dict[str, float]:
    """Return loss and accuracy on the validation images and on as many training images."""
    x, y = parts.train
    n = len(parts.validation[0])
    with recalibrated(model, x[: config.calibration_images]):
        pairs = {"train": (x[:n], y[:n]), "validation": parts.validation}
        scores = {name: evaluate(model, *pair) for name, pair in pairs.items()}
    losses = {f"{name}_loss": score.loss for name, score in scores.items()}
    return losses | {f"{name}_accuracy": score.accuracy for name, score in scores.items()}


def _put_noise(
    result: TrialResult, model: nn.Module, parts: Split, spec: PolicyTrial, when: str
) -> None:
    """Add the gradient noise scale on the training images, NaN if it is not determined."""
    if spec.policy != "cyclical_rate":
        return
    small = spec.config.micro_batch
    big = max(2, min(NOISE_SAMPLES, len(parts.train[0])) // small) * small
    scale = gradient_noise_scale(
        model, functional.cross_entropy, parts.train,
        small=small, big=big, draws=NOISE_DRAWS, seed=spec.config.seed,
    ).scale  # fmt: skip
    result.facts.put("noise_scale", math.nan if scale.value is None else float(scale), when=when)
