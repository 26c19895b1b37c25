"""Small runs of the cyclical study: one that trains, and made-up ones that the real functions join."""

import dataclasses
import json
from functools import cache, partial
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
import torch

from cyclical_facts import range_losses
from firstlight import studies, sweep
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.ranges import Bounds, algorithm, read_curve
from firstlight.record import Array, Arrays, Fact, Facts, Record
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import bounds, trials
from firstlight.studies.cyclical import run as study
from firstlight.studies.cyclical.config import BATCH_TESTS, CyclicalConfig
from firstlight.studies.cyclical.labels import BATCH_TESTS as NAMES

SMALL = CyclicalConfig(
    width=0.05, train_images=480, test_images=100, calibration_images=64, batch_size=16,
    micro_batch=16, batch_sizes=(16, 32, 48, 64, 96), batch_epochs=1.0, batch_repeats=1,
    batch_tests=("batch_epochs",), epochs=1, seeds=2, literal_seeds=1, range_epochs=2.0,
    ramp_epochs=2.0, range_repeats=1,
)  # fmt: skip
"""A run that trains."""

CONFIG = CyclicalConfig(
    train_images=1200, test_images=240, range_repeats=3, seeds=3, literal_seeds=2, epochs=4,
    batch_sizes=(64, 128, 256, 512, 1024, 2048), batch_epochs=5.0, batch_tests=BATCH_TESTS,
)  # fmt: skip
"""A run that is made up."""

SKILL = {
    "fixed_low": 0.80, "fixed_high": 0.87, "cyclical_rate": 0.90, "growing_batch": 0.82,
    "shrinking_batch": 0.83, "growing_literal": 0.1, "shrinking_literal": 0.13,
}  # fmt: skip
NOTICE = "60,000 training images of Bars were asked for and 500 were there: those were used."


def bars(train: int = 500, test: int = 120) -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return images, labels

    names = tuple(f"Bar {i}" for i in range(10))
    return Dataset("Bars", *some(train), *some(test), names, "made up", {"bars": "0" * 64})


def run(config: CyclicalConfig = SMALL, **changes: Any) -> Record:
    """Return the record of a run in this process, with a quick measure of the noise scale."""
    own = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        in_turn = partial(sweep.run_trials, executor="threads", workers=1)
        patch.setattr(study, "run_trials", in_turn)
        patch.setattr(trials, "NOISE_SAMPLES", 32)
        patch.setattr(trials, "NOISE_DRAWS", 2)
        context = Context(dataset=bars())
        torch.set_num_threads(1)  # as in a worker
        try:
            return studies.run(dataclasses.replace(config, **changes), context)
        finally:
            torch.set_num_threads(own)


def trial(spec: trials.PolicyTrial, n: int) -> TrialResult:
    """Return what a training might leave: its real plan, and scores that rise with the epochs."""
    batches, rate = trials.plan(spec, n)
    seen = list(accumulate((len(b) for b in batches), initial=0))
    draw = np.random.default_rng([spec.index, *spec.policy.encode()])
    points = np.linspace(0, seen[-1], max(spec.config.epochs, trials.POINTS) + 1)[1:].astype(int)
    noise = draw.normal(0, 0.008, len(points))
    skill = SKILL[spec.policy]
    reach = np.maximum(0, skill * (1 - np.exp(-3 * points / seen[-1])) + noise)
    curve = np.stack([2.4 - 2.2 * reach, 2.4 - 2 * reach, reach + 0.02, reach], axis=1)
    # some images are hard for every network, so that images count as well as seeds
    hard = np.random.default_rng(0).normal(0, 0.15, spec.config.test_images)
    correct = draw.random(spec.config.test_images) < skill + hard * (skill > 0.2)
    result = TrialResult()
    for measure, value in {
        "test_loss": curve[-1, 1], "images_per_second": 100 + draw.normal(), "fast_path": "float32",
    }.items():  # fmt: skip
        result.facts.put(measure, value if isinstance(value, str) else float(value))
    if spec.policy == "cyclical_rate":
        result.facts.put("noise_scale", 30 + draw.normal(), when="before")
        result.facts.put("noise_scale", 900 + 50 * draw.normal(), when="after")
    for measure, values in {
        "curve": curve, "points": points, "samples": np.array(seen[:-1]), "sizes": np.diff(seen),
        "rates": np.array([rate(s) for s in seen[:-1]]), "step_losses": np.zeros(len(batches)),
        "test_correct": correct.astype(np.uint8),
    }.items():  # fmt: skip
        result.arrays.put(measure, values)
    return result


def search(sizes: Any, y: Any) -> TrialResult:
    """Return what a search for a batch size might leave: it went up to the last size but one."""
    result = TrialResult()
    for part, fact in {
        "min": Fact(91.0, 80.0, 110.0, 3), "max": Fact(700.0, 600.0, 900.0, 3),
        "recommended": Fact(64), "noise_start": Fact(40.0, 30.0, 50.0, 4),
        "noise_end": Fact(400.0, 300.0, 600.0, 4), "verdict": Fact("read"), "reason": Fact(""),
        "stopped": Fact(""),
    }.items():  # fmt: skip
        result.facts.put("search", json.dumps(dataclasses.asdict(fact)), part=part)
    up = ["train", "clearly_worse", "larger_allowed", "double"] * (len(sizes) - 2)
    end = ["train", "clearly_worse", "read", "low_end_told", "recommend", "noise_after_training"]
    trace = ["set_aside", "noise_at_start", *up, *end, "put_back"]
    result.facts.put("trace", json.dumps(trace))
    result.arrays.put("values", sizes[:-1])
    result.arrays.put("losses", y[:, :-1])
    return result


def made(
    config: CyclicalConfig = CONFIG, *, flat: bool = False, lost: bool = False, **changes: Any
) -> Record:
    """Return the record of a made-up run."""
    config = dataclasses.replace(config, **changes)
    facts, arrays = Facts(), Arrays()
    study.describe(bars(1500, 300), config, facts, arrays)
    n = int(facts.value("images", part="train"))
    facts.put("algorithm", Fact(algorithm.to_json()))
    low, high, fixed = put_rates(config, facts, arrays, flat=flat, lost=lost)
    sizes = put_sizes(config, n, fixed, facts, arrays, flat=flat)
    specs = {
        policy: [
            trials.PolicyTrial(config, policy, index, (low, high), fixed, sizes)
            for index in range(study.seeds_of(config, policy))
        ]
        for policy in config.policies
    }
    study.compare({p: [trial(s, n) for s in some] for p, some in specs.items()}, facts, arrays)
    notices = (NOTICE,) if config.train_images > 1500 else ()
    record = Record("cyclical", config.as_dict(), facts, {}, arrays, {"seed": 0}, notices)
    return studies.study_of("cyclical").answered(record)


def put_rates(
    config: CyclicalConfig, facts: Facts, arrays: Arrays, *, flat: bool, lost: bool
) -> tuple[float, float, float]:
    """Add both range tests of the learning rate, and return what is chosen."""
    curves = {}
    for test, k, axis in (
        ("candidates", config.candidates, "candidate"), ("ramp", 200, "ramp_step")
    ):  # fmt: skip
        values = np.geomspace(config.rate_low, config.rate_high, k)
        curves[test] = (
            values,
            range_losses(
                values, config.range_repeats, flat=flat, lost=lost, level=2.32, center=3e-3
            ),
        )
        put_curve(arrays, test, axis, *curves[test])
    read = {test: read_curve(*curve, bootstrap=30) for test, curve in curves.items()}
    values, measured = curves["candidates"]
    return bounds.choose_rates(read, values, measured, facts)


def put_sizes(
    config: CyclicalConfig, n: int, rate: float, facts: Facts, arrays: Arrays, *, flat: bool
) -> tuple[int, int]:
    """Add the batch-size tests and the search, and return the bounds."""
    tried = bounds.sizes_to_try(config, n, facts)
    sizes = np.array(tried, dtype=float)
    slope = 0.0 if flat else 1.5 / (1 + (sizes / 400) ** -2.0)
    read: dict[str, Bounds] = {}
    draw = np.random.default_rng(2)
    for test in config.batch_tests:
        rise = 0.7 + slope if NAMES[test][1] == "rising" else 2.2 - 0.2 * slope
        y = rise + draw.normal(0, 0.01, (config.batch_repeats, len(sizes)))
        put_curve(arrays, test, "batch_size", sizes, y, "batch_repeat")
        bounds.put_ends(facts, test, y)
        read[test] = read_curve(sizes, y, direction=NAMES[test][1])
    y = 0.7 + slope + draw.normal(0, 0.01, (config.batch_repeats, len(sizes)))
    study.put_search(search(sizes, y), rate, facts, arrays)
    return bounds.choose_sizes(read, tried, n, config.micro_batch, facts)


def put_curve(
    arrays: Arrays, name: str, axis: str, values: Any, y: Any, repeat: str = "repeat"
) -> None:
    """Add a range test's values and losses."""
    arrays.put(f"{name}_values", Array(values, (axis,)))
    arrays.put(f"{name}_losses", Array(y, (repeat, axis)))


@cache
def case(name: str) -> Record:
    """Return one of the runs that differ from the usual, by name."""
    few: dict[str, Any] = {
        "seeds": 1, "literal_seeds": 1, "range_repeats": 1, "batch_repeats": 1, "epochs": 2,
    }  # fmt: skip
    return made(**few | CASES[name])


CASES: dict[str, dict[str, Any]] = {
    "one seed, one repeat": {"train_images": 60_000},
    "nothing to read": {"flat": True, "lost": True},
    "runs": {"range_mode": "runs", "policies": ("growing_batch", "fixed_low")},
    "no cycles": {"policies": ("fixed_high",)},
}
"""Name → how the run differs."""
