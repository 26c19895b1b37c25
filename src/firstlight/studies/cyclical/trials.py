"""One training of the cyclical study under one policy."""

import math
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from firstlight import seeds
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.data.split import Split
from firstlight.ranges import gradient_noise_scale
from firstlight.ranges.budget import Budget, index_batches
from firstlight.schedules import CyclicBatchSampler, Schedule, constant, exp_range
from firstlight.studies.cyclical.data import config_from, loaded, network, sgd
from firstlight.train import evaluate, fit

Tick = Callable[[int, int], None]
Facts = dict[str, float | int | str]
Arrays = dict[str, NDArray[Any]]

NOISE_SAMPLES, NOISE_DRAWS = 512, 4
"""The gradient noise scale is measured on so many batches of about so many images."""

POINTS = 6
"""A training of fewer epochs than this is scored so many times, a longer one after each epoch."""


def plan(spec: dict[str, Any], n: int) -> tuple[list[Tensor], Schedule]:
    """Return the batches of a whole training under a policy, and its rate by images seen.

    ``fixed_low`` and ``fixed_high`` stay at a bound of the learning rate; ``cyclical_rate`` moves
    between the bounds with a decaying amplitude; ``growing_batch`` and ``shrinking_batch`` move the
    batch size at the lower rate, geometrically: the dips toward small batches, or the peaks toward
    large ones, decay.

    Args:
        spec: ``policy``, ``rate_low``, ``rate_high``, ``batch_low``, ``batch_high``, ``epochs``,
            ``cycles``, ``final_amplitude``, ``batch_size``, ``seed``, ``index``.
        n: training images.
    """
    policy, total = spec["policy"], n * spec["epochs"]
    decay = {"total_samples": total, "final": spec["final_amplitude"]}
    cycle = total / spec["cycles"]
    low, high = spec["rate_low"], spec["rate_high"]
    seed = seeds.integer(spec["seed"], "policy", spec["index"])
    rate: Schedule = constant(high if policy == "fixed_high" else low)
    if policy == "cyclical_rate":
        rate = exp_range(low, high, cycle, **decay)
    if policy.endswith("_batch"):
        sampler = CyclicBatchSampler(
            n, spec["batch_low"], spec["batch_high"], cycle, **decay, seed=seed,
            toward="high" if policy == "growing_batch" else "low",
        )  # fmt: skip
        return [torch.tensor(batch) for _ in range(spec["epochs"]) for batch in sampler], rate
    budget = Budget("epochs", spec["epochs"])
    batches = index_batches(n, spec["batch_size"], budget, seed, 0)
    return [torch.from_numpy(batch) for batch in batches], rate


def policy_trial(spec: dict[str, Any], tick: Tick) -> tuple[Facts, Arrays]:
    """Train under one policy; the validation set is scored on the way, the test set once.

    Args:
        spec: as for ``plan``, with the shared parameters, ``device`` and ``_data``.
        tick: called as ``tick(images done, images in all)``.
    """
    config, device = config_from(spec), spec["device"]
    parts = loaded(spec["_data"], config, device)
    images, labels = parts.train
    batches, rate = plan(spec, len(images))
    model = network(config, spec["index"], device)
    seen = list(accumulate((len(batch) for batch in batches), initial=0))
    curve = _Curve(model, parts, seen, seen[-1] / max(spec["epochs"], POINTS), tick)
    before = _noise(model, parts, config)
    fitted = fit(
        model, images, labels, (batch.to(device) for batch in batches),
        sgd(model, config, rate(0)), lambda step: rate(seen[step]),
        after_step=curve, micro_batch=config.micro_batch, samples=seen[-1],
    )  # fmt: skip
    test = evaluate(model, *parts.test)
    values = curve.result()
    facts: Facts = {
        "best_accuracy": float(values[:, 3].max()), "final_accuracy": float(values[-1, 3]),
        "final_loss": float(values[-1, 1]), "test_accuracy": test.accuracy, "test_loss": test.loss,
        "updates": len(batches), "seconds": curve.seconds, "images": seen[-1],
        "path": str(fitted.path), "noise_before": before,
        "noise_after": _noise(model, parts, config),
    }  # fmt: skip
    arrays: Arrays = {
        "curve": values, "points": np.array(curve.points),
        "step_losses": fitted.losses.cpu().numpy(),
        "samples": np.array(seen[:-1]), "sizes": np.diff(seen),
        "rates": np.array([rate(s) for s in seen[:-1]]),
        "test_correct": test.correct.astype(np.uint8),
    }  # fmt: skip
    return facts, arrays


def _noise(model: nn.Module, parts: Split, config: CyclicalConfig) -> float:
    """Return the gradient noise scale on the training images, NaN where it cannot be told."""
    small = config.micro_batch
    big = max(2, min(NOISE_SAMPLES, len(parts.train[0])) // small) * small
    found = gradient_noise_scale(
        model, functional.cross_entropy, parts.train,
        small=small, big=big, draws=NOISE_DRAWS, seed=config.seed,
    )  # fmt: skip
    return math.nan if found.scale.value is None else float(found.scale.value)


class _Curve:
    """Scores the network on some training images and the validation images, again and again."""

    def __init__(self, model: Any, parts: Any, seen: list[int], every: float, tick: Tick) -> None:
        some = slice(len(parts.validation[0]))
        self._sets = (parts.train[0][some], parts.train[1][some]), parts.validation
        self._model, self._seen, self._every, self._tick = model, seen, every, tick
        self._rows: list[list[float]] = []
        self._began = time.perf_counter()
        self.seconds = 0.0
        self.points: list[int] = []

    def __call__(self, step: int) -> None:
        seen, before = self._seen[step], self._seen[step - 1]
        if step % 10 == 0 or step == len(self._seen) - 1:
            self._tick(seen, self._seen[-1])
        if seen // self._every > before // self._every or step == len(self._seen) - 1:
            self.seconds += time.perf_counter() - self._began
            scores = [evaluate(self._model, x, y) for x, y in self._sets]
            self._rows.append([s.loss for s in scores] + [s.accuracy for s in scores])
            self.points.append(seen)
            self._began = time.perf_counter()

    def result(self) -> NDArray[np.float64]:
        """Return shape (points, 4): train and validation loss, train and validation accuracy."""
        return np.array(self._rows)
