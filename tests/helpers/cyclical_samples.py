"""Small runs of the cyclical study: one that trains, and made-up ones that the real functions join."""

import dataclasses
from functools import cache, partial
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
import torch

from firstlight import studies, sweep
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.ranges import algorithm, read_curve
from firstlight.record import Array, Arrays, Fact, Facts, Record
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import run as study
from firstlight.studies.cyclical import trials
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.cyclical.labels import BUDGETS

SMALL = CyclicalConfig(
    width=0.05, train_images=480, test_images=100, batch_size=16, micro_batch=16,
    batch_sizes=(16, 32, 64, 128, 256), batch_epochs=0.5, epochs=1, seeds=2,
    range_epochs=2.0, ramp_epochs=2.0,
)  # fmt: skip
"""A run that trains."""

CONFIG = CyclicalConfig(
    train_images=1200, range_repeats=3, seeds=3, epochs=4, batch_sizes=(64, 128, 256, 512, 1024)
)
"""A run that is made up."""

SKILL = {
    "fixed_low": 0.80, "fixed_high": 0.87, "cyclical_rate": 0.90, "growing_batch": 0.82,
    "shrinking_batch": 0.83,
}  # fmt: skip
NOTICE = "Stand-in data: bars took the place of Fashion-MNIST."


def bars(notice: str | None = None, train: int = 500, test: int = 120) -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return images, labels

    names = tuple(f"Bar {i}" for i in range(10))
    return Dataset("Bars", *some(train), *some(test), names, "made up", {"bars": "0" * 64}, notice)


def run(config: CyclicalConfig = SMALL, notice: str | None = None, **changes: Any) -> Record:
    """Return the record of a run in this process, with a quick measure of the noise scale."""
    own = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        in_turn = partial(sweep.run_trials, executor="threads", workers=1)
        patch.setattr(study, "run_trials", in_turn)
        patch.setattr(trials, "NOISE_SAMPLES", 32)
        patch.setattr(trials, "NOISE_DRAWS", 2)
        context = Context(dataset=bars(notice))
        torch.set_num_threads(1)  # as in a worker
        try:
            return studies.run(dataclasses.replace(config, **changes), context)
        finally:
            torch.set_num_threads(own)


def losses(values: Any, repeats: int, *, flat: bool, lost: bool) -> Any:
    """Return a plausible curve: level, descent, a rise at high rates; the last lost if wanted."""
    draw = np.random.default_rng(len(values))
    fall = 0.0 if flat else 1.6 / (1 + (values / 3e-3) ** -1.3)
    rise = 0.0 if flat else 40 * np.maximum(0, np.log10(values) + 0.3) ** 2
    y = 2.32 - fall + rise + draw.normal(0, 0.04, (repeats, len(values)))
    if lost:
        y[-1, -1] = np.nan
    return y


def trial(spec: trials.PolicyTrial, n: int) -> TrialResult:
    """Return what a training might leave: its real plan, and scores that rise with the epochs."""
    batches, rate = trials.plan(spec, n)
    seen = list(accumulate((len(b) for b in batches), initial=0))
    draw = np.random.default_rng([spec.index, len(spec.policy)])
    points = np.linspace(0, seen[-1], max(spec.config.epochs, trials.POINTS) + 1)[1:].astype(int)
    noise = draw.normal(0, 0.008, len(points))
    reach = SKILL[spec.policy] * (1 - np.exp(-3 * points / seen[-1])) + noise
    curve = np.stack([2.3 - 2.2 * reach, 2.3 - 2 * reach, reach + 0.02, reach], axis=1)
    result = TrialResult()
    for measure, value in {
        "best_accuracy": reach.max(), "final_accuracy": reach[-1], "final_loss": curve[-1, 1],
        "test_accuracy": reach[-1] - 0.005, "test_loss": curve[-1, 1], "images_per_second": 100.0,
    }.items():  # fmt: skip
        result.facts.put(measure, float(value))
    result.facts.put("updates", len(batches))
    result.facts.put("fast_path", "float32")
    result.facts.put("noise_scale", 30 + draw.normal(), when="before")
    result.facts.put("noise_scale", 900 + 50 * draw.normal(), when="after")
    for measure, values in {
        "curve": curve, "points": points, "samples": np.array(seen[:-1]), "sizes": np.diff(seen),
        "rates": np.array([rate(s) for s in seen[:-1]]), "step_losses": np.zeros(len(batches)),
    }.items():  # fmt: skip
        result.arrays.put(measure, values)
    return result


def made(
    config: CyclicalConfig = CONFIG,
    *,
    flat: bool = False,
    lost: bool = False,
    notice: str | None = None,
    **changes: Any,
) -> Record:
    """Return the record of a made-up run."""
    config = dataclasses.replace(config, **changes)
    facts, arrays, repeats = Facts(), Arrays(), config.range_repeats
    study.describe(bars(notice, 1500, 300), config, facts, arrays)
    n = int(facts.value("images", part="train"))
    facts.put("algorithm", Fact(algorithm.to_json()))

    curves = {}
    for test, k, axis in (
        ("candidates", config.candidates, "candidate"), ("ramp", 200, "ramp_step")
    ):  # fmt: skip
        values = np.geomspace(config.rate_low, config.rate_high, k)
        curves[test] = values, losses(values, repeats, flat=flat, lost=lost)
        put_curve(arrays, test, axis, *curves[test])
    read = {test: read_curve(*curve, bootstrap=30) for test, curve in curves.items()}
    rates = study.choose_rates(read, *curves["candidates"], facts)

    sizes = np.array(config.batch_sizes, dtype=float)
    noise = np.random.default_rng(2).normal(0, 0.01, (2, repeats, len(sizes)))
    slope = 0.0 if flat else 1.5 / (1 + (sizes / 400) ** -2.0)
    batch = {}
    for (budget, direction), y in zip(
        BUDGETS.items(), (0.7 + slope + noise[0], 2.2 - 0.2 * slope + noise[1]), strict=True
    ):
        put_curve(arrays, f"batch_{budget}", "batch_size", sizes, y)
        batch[budget] = read_curve(sizes, y, direction=direction)
    bounds = study.choose_sizes(batch, config.batch_sizes, n, facts)

    specs = {
        p: [trials.PolicyTrial(config, p, i, rates, bounds) for i in range(config.seeds)]
        for p in config.policies
    }
    study.compare({p: [trial(s, n) for s in some] for p, some in specs.items()}, facts, arrays)
    notices = () if notice is None else (notice,)
    record = Record("cyclical", config.as_dict(), facts, {}, arrays, {"seed": 0}, notices)
    return studies.study_of("cyclical").answered(record)


def put_curve(arrays: Arrays, name: str, axis: str, values: Any, y: Any) -> None:
    """Add a range test's values and losses."""
    arrays.put(f"{name}_values", Array(values, (axis,)))
    arrays.put(f"{name}_losses", Array(y, ("repeat", axis)))


@cache
def case(name: str) -> Record:
    """Return one of the runs that differ from the usual, by name."""
    few: dict[str, Any] = {"seeds": 1, "range_repeats": 1, "epochs": 2}
    return made(**few | CASES[name])


CASES: dict[str, dict[str, Any]] = {
    "one seed, one repeat": {"notice": NOTICE},
    "nothing to read": {"flat": True, "lost": True},
    "runs": {"range_mode": "runs", "policies": ("growing_batch", "fixed_low")},
    "no cycles": {"policies": ("fixed_high",)},
}
"""Name → how the run differs."""
