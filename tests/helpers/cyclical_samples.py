"""A made-up run of the cyclical study: invented trials, put together by the real functions."""

import dataclasses
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np

from firstlight import data
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.ranges import algorithm, read_curve
from firstlight.ranges.curve.flip import read_flipped, read_straight
from firstlight.record.record import Array, Fact, Record
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import facts as facts_of
from firstlight.studies.cyclical.answers import answers
from firstlight.studies.cyclical.trials import POINTS, plan

CONFIG = CyclicalConfig(
    train_images=1200, range_repeats=3, seeds=3, epochs=4, batch_sizes=(64, 128, 256, 512, 1024)
)
SKILL = {
    "fixed_low": 0.80, "fixed_high": 0.87, "cyclical_rate": 0.90, "growing_batch": 0.82,
    "shrinking_batch": 0.83,
}  # fmt: skip
NOTICE = "Stand-in data: stripes took the place of Fashion-MNIST."


def stripes(notice: str | None = None) -> data.Dataset:
    """Return ten classes of stripes, a class by its period."""
    draw = np.random.default_rng(0)

    def part(n: int) -> tuple[Any, Any]:
        labels = np.arange(n, dtype=np.uint8) % 10
        wave = 128 + 90 * np.sin(np.arange(28) * (1 + labels[:, None]) / 3)[:, None, :]
        images = np.clip(wave + draw.normal(0, 20, (n, 28, 28)), 0, 255).astype(np.uint8)
        return images, labels

    names = tuple(f"Stripes {i}" for i in range(10))
    return data.Dataset("Stripes", *part(1500), *part(300), names, "a test", {}, notice)


def losses(values: Any, repeats: int, *, flat: bool, lost: bool) -> Any:
    """Return a plausible curve: level, descent, a rise at high rates; the last lost if wanted."""
    draw = np.random.default_rng(len(values))
    fall = 0.0 if flat else 1.6 / (1 + (values / 3e-3) ** -1.3)
    rise = 0.0 if flat else 40 * np.maximum(0, np.log10(values) + 0.3) ** 2
    y = 2.32 - fall + rise + draw.normal(0, 0.04, (repeats, len(values)))
    if lost:
        y[-1, -1] = np.nan
    return y


def trial(config: CyclicalConfig, policy: str, index: int, n: int, bounds: Any) -> TrialResult:
    """Return what a training might leave: its real plan, and scores that rise with the epochs."""
    same = {
        k: getattr(config, k) for k in ("epochs", "cycles", "final_amplitude", "batch_size", "seed")
    }
    batches, rate = plan({"policy": policy, "index": index, **bounds, **same}, n)
    seen = list(accumulate((len(b) for b in batches), initial=0))
    draw = np.random.default_rng([index, len(policy)])
    points = np.linspace(0, seen[-1], max(config.epochs, POINTS) + 1)[1:].astype(int)
    reach = SKILL[policy] * (1 - np.exp(-3 * points / seen[-1])) + draw.normal(
        0, 0.008, len(points)
    )
    curve = np.stack([2.3 - 2.2 * reach, 2.3 - 2 * reach, reach + 0.02, reach], axis=1)
    found = {
        "best_accuracy": reach.max(), "final_accuracy": reach[-1], "final_loss": curve[-1, 1],
        "test_accuracy": reach[-1] - 0.005, "test_loss": curve[-1, 1], "updates": len(batches),
        "noise_before": 30 + draw.normal(), "noise_after": 900 + 50 * draw.normal(),
        "seconds": 10.0, "images": seen[-1], "path": "plain",
    }  # fmt: skip
    arrays = {
        "curve": curve, "points": points, "samples": np.array(seen[:-1]), "sizes": np.diff(seen),
        "rates": np.array([rate(s) for s in seen[:-1]]), "step_losses": np.zeros(len(batches)),
        "test_correct": np.zeros(3, dtype=np.uint8),
    }  # fmt: skip
    return TrialResult(
        {k: float(v) if isinstance(v, np.floating) else v for k, v in found.items()}, arrays
    )


def ranges(
    config: CyclicalConfig, n: int, flat: bool, lost: bool
) -> tuple[dict[str, Fact], dict[str, Array], Any]:
    """Return facts, arrays and bounds of all range tests."""
    arrays, read, batch = {}, {}, {}
    repeats = config.range_repeats
    curves: dict[str, Any] = {}
    for kind, k in (("ramp", 200), ("candidates", config.candidates)):
        values = np.geomspace(config.rate_low, config.rate_high, k)
        curves[kind] = values, losses(values, repeats, flat=flat, lost=lost)
        read[kind] = read_curve(*curves[kind], bootstrap=30)
    sizes = np.array(config.batch_sizes, dtype=float)
    noise = np.random.default_rng(2).normal(0, 0.01, (2, repeats, len(sizes)))
    slope = 0.0 if flat else 1.5 / (1 + (sizes / 400) ** -2.0)
    for kind, way, reading in (("epochs", 1, read_flipped), ("updates", -0.2, read_straight)):
        curves[f"batch_{kind}"] = sizes, 0.7 + 1.5 * (way < 0) + way * slope + noise[int(way < 0)]
        batch[kind] = reading(*curves[f"batch_{kind}"], 0)
    for kind, (values, y) in curves.items():
        arrays |= {
            f"{kind}.values": Array(values, ("value",)),
            f"{kind}.losses": Array(y, ("repeat", "value")),
        }
    low, high, source = facts_of.chosen_rates(
        read["candidates"], read["ramp"], *curves["candidates"]
    )
    facts = facts_of.rate_facts(read, low, high, source)
    more, (small, large) = facts_of.batch_facts(batch, list(config.batch_sizes), n)
    return (
        facts | more,
        arrays,
        {"rate_low": low, "rate_high": high, "batch_low": small, "batch_high": large},
    )


def made(
    config: CyclicalConfig = CONFIG,
    *,
    flat: bool = False,
    lost: bool = False,
    notice: str | None = None,
) -> Record:
    """Return the record of a made-up run."""
    dataset = stripes(notice)
    about = facts_of.data_facts(dataset, config)
    n = int(about["images.train"].value or 0)
    facts, arrays, bounds = ranges(config, n, flat, lost)
    facts = about | facts
    trials = {
        p: [trial(config, p, i, n, bounds) for i in range(config.seeds)] for p in config.policies
    }
    facts |= facts_of.policy_facts(trials) | {"algorithm": Fact(algorithm.to_json())}
    arrays |= facts_of.data_arrays(dataset, config) | facts_of.policy_arrays(trials)
    told = answers(facts, config, None if notice is None else dataset.name)
    notices = () if notice is None else (notice,)
    return Record("cyclical", config.as_dict(), facts, told, arrays, {"seed": 0}, notices)


@cache
def case(name: str) -> Record:
    """Return one of the runs that differ from the usual, by name."""
    few = dataclasses.replace(CONFIG, seeds=1, range_repeats=1, epochs=2)
    if name == "one seed, one repeat":
        return made(few, notice=NOTICE)
    if name == "nothing to read":
        return made(few, flat=True, lost=True)
    if name == "runs":
        policies = ("growing_batch", "fixed_low")
        return made(dataclasses.replace(few, range_mode="runs", policies=policies))
    return made(dataclasses.replace(few, policies=("fixed_high",)))


CASES = ("one seed, one repeat", "nothing to read", "runs", "no cycles")
