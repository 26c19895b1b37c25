"""The trials of each stage of the cyclical study, and how their results become curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight import data
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.context import Context
from firstlight.data.split import sizes
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical.data import spec_of
from firstlight.sweep import run_trials

WORK = "firstlight.studies."

Trials = dict[str, TrialResult]
Specs = dict[str, dict[str, Any]]
Losses = NDArray[np.float64]


class Stages:
    """Runs trials of this study: adds to each what all of them share.

    Args:
        config: the study's parameters.
        context: run folder, data, device and progress.
        dataset: the images.
    """

    def __init__(self, config: CyclicalConfig, context: Context, dataset: data.Dataset) -> None:
        self._config, self._context, self._fingerprint = config, context, dataset.fingerprint
        available = len(dataset.train_images)
        self.images = sizes(config.train_images, config.validation_share, available)[0]

    def run(self, work: str, trials: Mapping[str, Mapping[str, Any]], label: str) -> Trials:
        """Run every trial; ``work`` is ``module:function`` among the studies."""
        folder = None if self._context.data is None else str(self._context.data)
        place = {"device": self._context.device, "_data": folder}
        specs = {
            name: spec_of(self._config, self._fingerprint, {**names, **place})
            for name, names in trials.items()
        }
        return run_trials(WORK + work, specs, self._context, label=f"cyclical: {label}")


def range_trials(config: CyclicalConfig, n: int) -> Specs:
    """Return the range tests of the learning rate, by name.

    As runs, every candidate is a trial of its own; plateaus and the ramp are one trial a repeat.

    Args:
        config: the study's parameters.
        n: training images.
    """
    batch = {"batch_size": config.batch_size}
    values = np.geomspace(config.rate_low, config.rate_high, config.candidates).tolist()
    runs = config.range_mode == "runs"
    groups = [[value] for value in values] if runs else [values]
    steps = max(1, round(config.range_epochs * n / config.batch_size / len(groups[0])))
    ramp = {
        "mode": "ramp", "low": config.rate_low, "high": config.rate_high,
        "steps": max(5, round(config.ramp_epochs * n / config.batch_size)),
    }  # fmt: skip
    trials: dict[str, dict[str, Any]] = {}
    for repeat in range(config.range_repeats):
        same = {**batch, "repeat": repeat}
        for at, group in enumerate(groups):
            tried = {"mode": config.range_mode, "values": group, "steps": steps}
            trials[f"candidates-{repeat}-{at}"] = {**tried, **same}
        trials[f"ramp-{repeat}-0"] = {**ramp, **same}
    return trials


def range_curve(trials: Trials, kind: str, repeats: int) -> tuple[Losses, Losses]:
    """Return the values and the losses, shape (repeat, value), of one kind of range test."""
    rows: list[Losses] = []
    for repeat in range(repeats):
        found = [t.arrays for name, t in trials.items() if name.startswith(f"{kind}-{repeat}-")]
        values = np.concatenate([arrays["values"] for arrays in found])
        rows.append(np.concatenate([arrays["losses"] for arrays in found]))
    return values, np.stack(rows)


def batch_trials(config: CyclicalConfig, tried: list[int], rate: float) -> Specs:
    """Return the trainings at one batch size each, by name: equal epochs and equal updates."""
    budgets: dict[str, dict[str, Any]] = {
        "epochs": {"passes": config.batch_epochs},
        "updates": {"updates": config.batch_updates},
    }
    return {
        f"batch-{kind}-{repeat}-{size}": {
            **budget, "size": size, "rate": rate, "repeat": repeat,
        }
        for repeat in range(config.range_repeats)
        for kind, budget in budgets.items()
        for size in tried
    }  # fmt: skip


def batch_losses(trials: Trials, kind: str, tried: list[int], repeats: int) -> Losses:
    """Return the losses over the batch size, shape (repeat, size), at equal ``kind``."""
    return np.array(
        [
            [float(trials[f"batch-{kind}-{repeat}-{size}"].facts["loss"]) for size in tried]
            for repeat in range(repeats)
        ]
    )


def policy_trials(
    config: CyclicalConfig, rates: tuple[float, float], batches: tuple[int, int]
) -> Specs:
    """Return the trials of the comparison; seeds are the outer loop, so that pairs are whole.

    Args:
        config: the study's parameters.
        rates: bounds of the learning rate.
        batches: bounds of the batch size.
    """
    bounds = {
        "rate_low": rates[0], "rate_high": rates[1],
        "batch_low": batches[0], "batch_high": batches[1],
    }  # fmt: skip
    same = {
        name: getattr(config, name)
        for name in ("epochs", "cycles", "final_amplitude", "batch_size")
    }
    return {
        f"{policy}-{index}": {"policy": policy, "index": index, **bounds, **same}
        for index in range(config.seeds)
        for policy in config.policies
    }
