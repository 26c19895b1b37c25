"""Records of the cyclical study that are put together fact by fact, without its run."""

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np

from firstlight import studies
from firstlight.data.batches import batch_sizes
from firstlight.ranges import algorithm
from firstlight.record import Array, Arrays, Fact, Facts, Record
from firstlight.schedules.cycles import exp_range
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.cyclical.labels import BATCH_TESTS, MEASURES, PLACES, POLICY

NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
SKILL = {
    "fixed_low": 0.31, "fixed_high": 0.66, "cyclical_rate": 0.70, "growing_batch": 0.40,
    "shrinking_batch": 0.55, "growing_literal": 0.31, "shrinking_literal": 0.42,
}  # fmt: skip
"""Policy → test accuracy."""
IMAGES = {
    "total": 70_000, "official_train": 60_000, "official_test": 10_000, "loaded_train": 6_000,
    "loaded_test": 2_000, "train": 5_500, "validation": 500, "test": 2_000, "classes": 10,
    "least_per_class": 7_000, "most_per_class": 7_000,
}  # fmt: skip
TRACE = (
    "set_aside", "noise_at_start",
    *(("train", "clearly_worse", "larger_allowed", "double") * 3),
    "train", "clearly_worse", "read", "low_end_told", "smaller_allowed", "recommend",
    "noise_after_training", "put_back",
)  # fmt: skip
LOW, HIGH, RATE = 0.0011, 0.34, 0.02
SCALE: dict[str, Any] = {
    "policies": list(SKILL), "seeds": 4, "literal_seeds": 2, "epochs": 4, "cycles": 2,
    "width": 0.0625, "train_images": 6_000, "range_repeats": 2, "range_epochs": 4.0,
    "ramp_epochs": 2.0, "batch_repeats": 3, "batch_epochs": 1.0, "batch_updates": 100,
    "batch_sizes": [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192], "batch_size": 64,
    "candidates": 10, "range_mode": "plateaus", "final_amplitude": 0.1,
}  # fmt: skip
"""The scale of the usual record, whatever the presets are."""


def record(
    *changed: tuple[str, Any, Mapping[str, Any]],
    skill: Mapping[str, float] = SKILL,
    half: float = 0.02,
    failed: Sequence[str] = (),
    tests: Sequence[str] = ("batch_epochs", "batch_learning"),
    flat: bool = False,
    lost: bool = False,
    notices: tuple[str, ...] = (),
    **config: Any,
) -> Record:
    """Return a whole record with its verdicts.

    Args:
        changed: facts to replace: measure, fact (None: left out), coordinates.
        skill: policy → test accuracy.
        half: half the width of every interval of an accuracy or difference.
        failed: policies that did not learn.
        tests: the batch-size tests that ran.
        flat: whether nothing could be read off any curve.
        lost: whether the last loss of each range test is not finite.
        notices: of the record.
        config: parameters that differ from the quick preset's.
    """
    known = CyclicalConfig().as_dict() | SCALE | config
    facts, arrays = Facts(), Arrays()
    _put_images(facts, arrays)
    _put_rates(known, facts, arrays, flat, lost)
    _put_sizes(known, facts, arrays, tests, flat)
    _put_policies(known, facts, arrays, dict(skill), half, failed)
    places = [(measure, coords) for measure, _, coords in changed]
    facts = Facts(e for e in facts.entries() if (e.measure, e.coords) not in places)
    for measure, fact, coords in changed:
        if fact is not None:
            facts.put(measure, fact if isinstance(fact, Fact) else Fact(fact), **coords)
    made = Record("cyclical", known, facts, {}, arrays, {"seed": 0}, notices)
    return studies.study_of("cyclical").answered(made)


def _put_images(facts: Facts, arrays: Arrays) -> None:
    facts.put("data", Fact("Fashion-MNIST"))
    for part, count in IMAGES.items():
        facts.put("images", Fact(count), part=part)
    for row, name in enumerate(NAMES):
        facts.put("class_name", Fact(name), row=row)
    for row, name in enumerate(("Trouser", "Pullover", "Ankle boot")):
        facts.put("example", Fact(name), row=row)
    draw = np.random.default_rng(0).integers(0, 255, (3, 3, 28, 28)).astype(np.uint8)
    arrays.put("examples", Array(draw, ("row", "image", "y", "x")))
    labels = {"part": ("train", "test"), "class": NAMES}
    per_class = np.array([[6_000] * 10, [1_000] * 10])
    arrays.put("per_class", Array(per_class, ("part", "class"), labels))
    facts.put("parameters", Fact(6_834))
    facts.put("image_side", Fact(16))
    facts.put("algorithm", Fact(algorithm.to_json()))


def range_losses(
    values: Any, repeats: int, *, flat: bool, lost: bool, level: float = 2.5, center: float = 2e-2
) -> Any:
    """Return a plausible curve: level, descent, a rise at high rates; the last lost if wanted."""
    draw = np.random.default_rng(len(values))
    fall = 0.0 if flat else 1.6 / (1 + (values / center) ** -1.3)
    rise = 0.0 if flat else 40 * np.maximum(0, np.log10(values) + 0.3) ** 2
    y = level - fall + rise + draw.normal(0, 0.04, (repeats, len(values)))
    if lost:
        y[-1, -1] = np.nan
    return y


def _around(value: float) -> Fact:
    return Fact(value, value / 1.5, value * 1.5, 2)


def _put_rates(
    config: dict[str, Any], facts: Facts, arrays: Arrays, flat: bool, lost: bool
) -> None:
    ends, repeats = (config["rate_low"], config["rate_high"]), config["range_repeats"]
    for test, k, axis in (
        ("candidates", config["candidates"], "candidate"), ("ramp", 172, "ramp_step"),
    ):  # fmt: skip
        values = np.geomspace(*ends, k)
        arrays.put(f"{test}_values", Array(values, (axis,)))
        losses = range_losses(values, repeats, flat=flat, lost=lost)
        arrays.put(f"{test}_losses", Array(losses, ("repeat", axis)))
        shift = 1.0 if test == "candidates" else 2.0
        read = {"low": LOW, "steepest": RATE, "high": HIGH, "minimum": 0.5, "rises_at": 2.0}
        for place in PLACES:
            known = place in read and not flat
            facts.put(test, _around(shift * read[place]) if known else Fact(None), place=place)
        facts.put(test, Fact("cannot tell" if flat else "read"), about="verdict")
        reason = "no fall of the loss stands out of the noise" if flat else ""
        facts.put(test, Fact(reason), about="reason")
    source = "lowest loss" if flat else "candidates"
    facts.put("lr_source", Fact(source))
    facts.put("lr_min", Fact(LOW) if flat else _around(LOW))
    facts.put("lr_max", Fact(HIGH) if flat else _around(HIGH))
    facts.put("policy_rate", Fact(RATE) if flat else _around(RATE))
    facts.put("policy_rate_source", Fact(source))
    facts.put("policy_rate_rule", Fact("lowest loss" if flat else "steepest"))


def _put_sizes(
    config: dict[str, Any], facts: Facts, arrays: Arrays, tests: Sequence[str], flat: bool
) -> None:
    tried = [size for size in config["batch_sizes"] if 4 * size <= IMAGES["train"]]
    sizes, repeats = np.array(tried, dtype=float), config["batch_repeats"]
    slope = 0.0 if flat else 1.2 / (1 + (sizes / 300) ** -2.0)
    draw = np.random.default_rng(2)
    levels = {"batch_epochs": 1.3, "batch_learning": 0.7, "batch_updates": 2.2}
    for test in tests:
        up = 1 if BATCH_TESTS[test][1] == "rising" else -0.2
        losses = levels[test] + up * slope + draw.normal(0, 0.01, (repeats, len(sizes)))
        labels = {"batch_size": sizes.tolist()}
        arrays.put(f"{test}_values", Array(sizes, ("batch_size",), labels))
        arrays.put(f"{test}_losses", Array(losses, ("batch_repeat", "batch_size"), labels))
        read = {"low": 110.0, "steepest": 300.0, "high": 800.0}
        for place in PLACES:
            known = place in read and not flat
            facts.put(test, _around(read[place]) if known else Fact(None), place=place)
        facts.put(test, Fact("cannot tell" if flat else "read"), about="verdict")
        facts.put(test, Fact("no fall stands out" if flat else ""), about="reason")
        first, last = losses[:, 0].mean(), losses[:, -1].mean()
        facts.put("batch_loss", Fact(float(first)), test=test, place="smallest")
        facts.put("batch_loss", Fact(float(last)), test=test, place="largest")
        gap = float(last - first)
        facts.put("batch_change", Fact(gap, gap - 0.1, gap + 0.1, repeats), test=test)
    for size in tried:
        facts.put("batch_size_updates", Fact(IMAGES["train"] // size), size=size)
    left = [str(size) for size in config["batch_sizes"] if size not in tried]
    facts.put("batch_left_out", Fact(", ".join(left)))
    why = "fewer than 4 updates in 1 epoch of 5,500 images" if left else ""
    facts.put("batch_left_out_reason", Fact(why))
    facts.put("batch_source", Fact(tests[-1]))
    for name, at in (("min", 110), ("max", 800)):
        edge = tried[0] if name == "min" else tried[-1]
        facts.put(f"batch_{name}", Fact(edge) if flat else Fact(at, at / 1.5, at * 1.5, 2))
        facts.put(f"batch_{name}_source", Fact("edge" if flat else "read"))
        facts.put(f"auto_{name}", Fact(None) if flat else _around(at * 1.1))
    facts.put("batch_used", Fact(550))
    for name, value in {
        "recommended": None if flat else 64, "verdict": "read", "rate": RATE, "stopped": "",
        "reason": "The loss still falls at the smallest value; go lower.",
    }.items():  # fmt: skip
        facts.put(f"auto_{name}", Fact(value))
    for when in ("start", "end"):
        facts.put(f"auto_noise_{when}", _around(300.0))
    facts.put("trace", Fact(json.dumps(TRACE)))
    arrays.put("auto_values", Array(sizes[:4], ("auto_size",)))
    losses = 0.8 + 0.1 * np.arange(4) + draw.normal(0, 0.01, (repeats, 4))
    arrays.put("auto_losses", Array(losses, ("batch_repeat", "auto_size")))


def _put_policies(
    config: dict[str, Any], facts: Facts, arrays: Arrays, skill: dict[str, float], half: float,
    failed: Sequence[str],
) -> None:  # fmt: skip
    n, policies = IMAGES["train"], config["policies"]
    for policy in policies:
        reached = 0.104 if policy in failed else skill[policy]
        _put_policy(config, facts, arrays, policy, n, reached, half)
        facts.put("learned", Fact(policy not in failed), policy=policy)
        skill[policy] = reached
    for one, other in combinations(policies, 2):
        gap = skill[one] - skill[other]
        for measure in ("difference", "best_difference"):
            fact = Fact(gap, gap - half, gap + half, config["seeds"])
            facts.put(measure, fact, first=one, second=other)
        sure = abs(gap) > half
        facts.put("mcnemar", Fact(1e-9 if sure else 0.3), first=one, second=other)
    if "cyclical_rate" in policies:
        for cycle, rate in enumerate((0.34, 0.074), 1):
            facts.put("peak_rate", Fact(rate), cycle=cycle)
        facts.put("noise_scale", Fact(206.0, 120.0, 260.0, 4), when="after")
        facts.put("noise_growth", Fact(0.66, 0.5, 0.8, 4))
    facts.put("noise_scale", Fact(314.0, 306.0, 322.0, 4), when="before")
    facts.put("images_per_second", Fact(900.0, 850.0, 950.0, 4))
    facts.put("fast_path", Fact("bfloat16"))


def _put_policy(
    config: dict[str, Any], facts: Facts, arrays: Arrays, policy: str, n: int, reached: float,
    half: float,
) -> None:  # fmt: skip
    seeds = config["literal_seeds" if policy.endswith("literal") else "seeds"]
    total, low, high = n * config["epochs"], 110, 550
    cycle = total / config["cycles"]
    wave = partial(
        exp_range, cycle_samples=cycle, total_samples=total, final=config["final_amplitude"],
        after=cycle / 2,
    )  # fmt: skip
    rate = {"fixed_low": LOW, "fixed_high": HIGH}.get(policy, RATE)
    rates: Any = wave(LOW, HIGH) if policy == "cyclical_rate" else lambda seen: rate
    size: Any = lambda seen: config["batch_size"]  # noqa: E731
    if policy.startswith(("growing", "shrinking")):
        toward: Any = "high" if policy.startswith("growing") else "low"
        size = wave(low, high, geometric=True, toward=toward)
    sizes = np.array(batch_sizes(total, lambda seen: round(size(seen))))
    samples = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    points = np.linspace(0, total, max(config["epochs"], 6) + 1)[1:].astype(int)
    draw = np.random.default_rng([len(policy), seeds])
    reach = reached * (1 - np.exp(-4 * points / total)) + draw.normal(0, 0.01, (seeds, len(points)))
    curve = np.stack([2.6 - 2.2 * reach, 2.6 - 2 * reach, reach + 0.02, reach], axis=2)
    arrays.put(
        "curve", Array(curve, ("seed", "point", "measure"), {"measure": MEASURES}), policy=policy
    )
    arrays.put("points", Array(points, ("point",)), policy=policy)
    for name, values in {
        "samples": samples, "sizes": sizes, "rates": np.array([rates(s) for s in samples]),
        "step_losses": np.zeros(len(sizes)),
    }.items():  # fmt: skip
        arrays.put(name, Array(values, ("step",)), policy=policy)
    arrays.put(
        "test_accuracy", Array(reached + draw.normal(0, 0.01, seeds), ("seed",)), policy=policy
    )
    for name in ("best_accuracy", "final_accuracy", "train_accuracy", "test_accuracy"):
        facts.put(
            name, Fact(reached, max(0.0, reached - half), reached + half, seeds), policy=policy
        )
    for name in ("test_loss", "final_loss", "train_loss"):
        loss = 2.5 - 2 * reached
        facts.put(name, Fact(loss, loss - 0.1, loss + 0.1, seeds), policy=policy)
    facts.put("updates", Fact(len(sizes)), policy=policy)
    facts.put("policy_seeds", Fact(seeds), policy=policy)


@cache
def case(name: str) -> Record:
    """Return one of the runs that differ from the usual, by name."""
    return record(**CASES[name])


CASES: dict[str, dict[str, Any]] = {
    "usual": {},
    "everything": {"tests": tuple(BATCH_TESTS), "batch_sizes": [64, 128, 256, 512, 1024]},
    "one seed, one repeat": {
        "seeds": 1, "literal_seeds": 1, "range_repeats": 1, "batch_repeats": 1, "epochs": 2,
        "notices": ("60,000 training images were asked for and 6,000 were there.",),
    },
    "nothing to read": {"flat": True, "lost": True, "tests": ("batch_epochs",)},
    "nothing learned": {"failed": tuple(POLICY)},
    "runs": {"range_mode": "runs", "policies": ["growing_batch", "fixed_low"]},
    "no cycles": {"policies": ["fixed_high"]},
}  # fmt: skip
"""Name → how the run differs."""
