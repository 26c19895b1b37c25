"""The whole cyclical study on images that are quick to learn: its facts and arrays."""

import json
from itertools import combinations, pairwise

import numpy as np
import pytest

from cyclical_samples import SMALL, run
from firstlight import stats
from firstlight.ranges import Bounds
from firstlight.record import Fact, Facts, Record
from firstlight.studies.cyclical.bounds import (
    choose_rates,
    choose_sizes,
    sizes_to_try,
    two_digits,
)
from firstlight.studies.cyclical.config import POLICIES, CyclicalConfig
from firstlight.studies.cyclical.labels import LITERAL, MEASURES, POLICY

UNREAD = Bounds()


def read(low: float, high: float) -> Bounds:
    return Bounds(low=Fact(low), high=Fact(high), steepest=Fact(1.5 * low))


def test_every_policy_has_its_labels() -> None:
    assert set(POLICY) == set(POLICIES)


def seeds(policy: str) -> int:
    few = policy in ("fixed_low", *LITERAL)
    return SMALL.literal_seeds if few else SMALL.seeds


def test_every_fact_that_was_promised(record: Record) -> None:
    facts = record.facts
    for name in (
        "lr_min", "lr_max", "policy_rate", "batch_min", "batch_max", "images_per_second",
        "auto_rate", "parameters",
    ):  # fmt: skip
        assert facts.value(name) > 0
    assert facts.value("image_side") == 16
    for name in ("min", "max", "recommended", "noise_start", "noise_end", "verdict", "reason"):
        assert facts.has(f"auto_{name}")
    assert facts.value("batch_min") < facts.value("batch_max")
    for policy in POLICIES:
        fact = facts.get("test_accuracy", policy=policy)
        assert fact.n == facts.value("policy_seeds", policy=policy) == seeds(policy)
        assert fact.low is not None
        assert fact.high is not None
        assert 0 <= fact.low <= float(fact) <= fact.high <= 1
        for name in ("train_loss", "final_loss", "test_loss"):
            loss = facts.get(name, policy=policy)
            assert loss.n == seeds(policy)
            assert (loss.low or 0.0) >= 0.0
        assert facts.get("learned", policy=policy).value in (True, False)


@pytest.mark.parametrize(("first", "second"), [*combinations(POLICIES, 2)])
def test_policies_are_compared_over_the_seeds_that_both_have(
    record: Record, first: str, second: str
) -> None:
    n = min(seeds(first), seeds(second))
    one, other = (
        record.arrays.get("test_correct", policy=policy).values[:n].astype(float)
        for policy in (first, second)
    )
    difference = record.facts.get("difference", first=first, second=second)
    assert float(difference) == pytest.approx((one - other).mean(), abs=1e-12)
    assert difference.n == n
    p = [
        stats.mcnemar(int((a > b).sum()), int((a < b).sum()))
        for a, b in zip(one, other, strict=True)
    ]
    mcnemar = record.facts.get("mcnemar", first=first, second=second)
    assert mcnemar.value == pytest.approx(stats.combined_p(p))
    assert mcnemar.n == n


def test_the_noise_scale_is_measured_once_a_seed(record: Record) -> None:
    for when in ("before", "after"):
        fact = record.facts.get("noise_scale", when=when)
        assert fact.value is None or fact.n in range(1, SMALL.seeds + 1)


def test_the_search_for_a_batch_size_was_run(record: Record) -> None:
    """Its trace is a path through the diagram, and its curve begins at the smallest size."""
    ways = {
        block["name"]: {block["next"], block["otherwise"]}
        for block in json.loads(str(record.facts.get("algorithm").value))
    }
    trace = json.loads(str(record.facts.get("trace").value))
    assert (trace[0], trace[-1]) == ("set_aside", "put_back")
    assert all(to in ways[at] for at, to in pairwise(trace))
    assert record.data["auto_size"].values[0] == SMALL.batch_sizes[0]
    assert record.data["auto_losses"].shape[0] == SMALL.batch_repeats


def test_the_data_set_is_counted(record: Record) -> None:
    count = {p: record.facts.value("images", part=p) for p in ("total", "train", "validation")}
    assert count["total"] == 620
    assert count["train"] + count["validation"] == 480
    per_class = record.data["per_class"]
    assert per_class.sum("class").values.tolist() == [500, 120]
    least = record.facts.value("images", part="least_per_class")
    assert least == per_class.sum("part").min()
    assert record.data["examples"].shape == (3, 3, 28, 28)
    names = [entry.value.value for entry in record.facts.select("class_name").entries()]
    assert names == [f"Bar {i}" for i in range(10)]


def test_curves_and_their_axes(record: Record) -> None:
    data = record.data
    assert data["candidate"].values == pytest.approx(np.geomspace(1e-9, 10, 10))
    assert data["candidates_losses"].dims == ("repeat", "candidate")
    assert data["ramp_losses"].shape == (1, 55)  # 2 epochs of 440 images in 16s
    assert data["batch_size"].values.tolist() == list(SMALL.batch_sizes)
    curve = data["curve"]
    assert curve.dims == ("policy", "seed", "point", "measure")
    assert tuple(curve["measure"].values) == MEASURES
    best = curve.sel(measure="validation_accuracy").max("point").mean("seed")
    end = curve.sel(measure="train_loss").isel(point=-1).mean("seed")
    for policy in POLICIES:
        for name, values in (("best_accuracy", best), ("train_loss", end)):
            expected = record.facts.value(name, policy=policy)
            assert float(values.sel(policy=policy)) == pytest.approx(expected)
        assert record.arrays.get("points", policy=policy).values[-1] == 440


def test_every_policy_sees_the_same_number_of_images(record: Record) -> None:
    for policy in POLICIES:
        samples, sizes = (record.arrays.get(n, policy=policy).values for n in ("samples", "sizes"))
        assert samples[-1] + sizes[-1] == 440
        assert samples.tolist() == [0, *np.cumsum(sizes)[:-1].tolist()]
        assert len(sizes) == record.facts.value("updates", policy=policy)


@pytest.mark.slow
def test_same_seed_same_trials_whatever_else_is_run(record: Record) -> None:
    few = run(policies=("fixed_low", "growing_batch"), seeds=1)
    assert not few.facts.has("noise_scale")
    for name in (
        "candidates_losses",
        "ramp_losses",
        "batch_epochs_losses",
        "auto_losses",
        "lr_min",
        "batch_max",
        "trace",
    ):
        if name in record.arrays:
            assert np.array_equal(record.arrays[name].values, few.arrays[name].values), name
        else:
            assert record.facts[name] == few.facts[name]
    for policy in ("fixed_low", "growing_batch"):
        one, other = (r.arrays.get("curve", policy=policy).values[:1] for r in (record, few))
        assert np.array_equal(one, other), policy


@pytest.mark.slow
def test_fewer_policies_and_runs() -> None:
    other = run(
        policies=("fixed_low",), seeds=1, range_mode="runs",
        range_epochs=0.1, candidates=5, range_repeats=2, batch_repeats=2,
        batch_sizes=(16, 20, 24, 28, 32), batch_tests=("batch_learning", "batch_updates"),
        batch_updates=4,
    )  # fmt: skip
    assert other.data["batch_learning_losses"].shape == (2, 5)
    assert other.facts.get("batch_source").value == "batch_learning"
    assert other.data["candidates_losses"].shape == (2, 5)
    assert other.data["candidate"].values == pytest.approx(np.geomspace(1e-9, 10, 5))
    one = other.facts.get("test_accuracy", policy="fixed_low")  # of one seed: over images alone
    assert (one.n, one.low is not None) == (1, True)
    assert [other.verdicts[q].outcome for q in ("4.3", "4.6", "4.7")] == ["not-run"] * 3


def test_sizes_of_few_updates_are_left_out() -> None:
    facts = Facts()
    config = CyclicalConfig(batch_sizes=(16, 32, 64, 128, 256, 512, 1024), batch_epochs=2.0)
    assert sizes_to_try(config, 1_000, facts) == [16, 32, 64, 128, 256]
    assert facts.value("batch_size_updates", size=256) == 7
    assert facts.get("batch_left_out").value == "512, 1024"
    reason = facts.get("batch_left_out_reason").value
    assert reason == "fewer than 4 updates in 2 epochs of 1,000 images"
    few = Facts()
    assert sizes_to_try(config, 100, few) == [16, 32, 64]
    assert few.get("batch_left_out").value == "128, 256, 512, 1024"
    assert sizes_to_try(config, 10, Facts()) == [16]


@pytest.mark.parametrize(
    ("candidates", "ramp", "expected"),
    [
        (read(0.1, 0.2), read(0.3, 0.4), (0.1, 0.2, 0.15, "candidates", "steepest")),
        (UNREAD, read(0.3, 0.4), (0.3, 0.4, 0.45, "ramp", "steepest")),
        (read(0.2, 0.1), read(0.3, 0.4), (0.3, 0.4, 0.45, "ramp", "steepest")),
        (UNREAD, UNREAD, (0.01, 0.1, 0.01, "lowest loss", "lowest loss")),
    ],
)
def test_where_the_rates_come_from(
    candidates: Bounds, ramp: Bounds, expected: tuple[float, float, float, str, str]
) -> None:
    values, losses = np.geomspace(1e-3, 1, 4), np.array([[3.0, 2.0, 1.0, np.nan]])
    facts = Facts()
    rates = choose_rates({"candidates": candidates, "ramp": ramp}, values, losses, facts)
    assert rates == pytest.approx(expected[:3])
    assert facts.get("lr_source").value == facts.get("policy_rate_source").value == expected[3]
    assert facts.get("policy_rate_rule").value == expected[4]
    assert tuple(facts.value(n) for n in ("lr_min", "lr_max", "policy_rate")) == rates
    assert facts.get("ramp", about="verdict").value == ramp.verdict


def test_bounds_are_rounded_as_one_reads_them_off() -> None:
    assert two_digits(0.012345) == 0.012


@pytest.mark.parametrize(
    ("epochs", "images", "expected", "sources"),
    [
        (read(20.4, 101.0), 10_000, (20, 100, 100), ("read", "read")),
        (read(20.4, 1e6), 10_000, (20, 256, 256), ("read", "read")),
        (UNREAD, 1_000, (16, 256, 100), ("edge", "edge")),  # a tenth of the images
        (UNREAD, 100, (16, 256, 32), ("edge", "edge")),  # twice the lower bound
        (read(101.0, 20.4), 10_000, (16, 256, 256), ("edge", "edge")),
    ],
)
def test_where_the_batch_sizes_come_from(
    epochs: Bounds, images: int, expected: tuple[int, ...], sources: tuple[str, str]
) -> None:
    facts, tried = Facts(), [16, 32, 64, 128, 256]
    bounds = choose_sizes(
        {"batch_epochs": epochs, "batch_updates": UNREAD}, tried, images, 4, facts
    )
    assert bounds == (expected[0], expected[2])
    found = [facts.value(name) for name in ("batch_min", "batch_max", "batch_used")]
    assert tuple(found) == expected
    ends = ("batch_min", "batch_max")
    assert tuple(facts.get(f"{end}_source").value for end in ends) == sources


@pytest.mark.parametrize(
    ("literal", "learning", "source", "low"),
    [
        (read(20.0, 100.0), read(30.0, 90.0), "batch_epochs", 20),
        (UNREAD, read(30.0, 90.0), "batch_learning", 30),
        (UNREAD, UNREAD, "batch_epochs", 16),
    ],
)
def test_sizes_come_from_the_first_curve_that_shows_them(
    literal: Bounds, learning: Bounds, source: str, low: int
) -> None:
    facts, tried = Facts(), [16, 32, 64, 128, 256]
    found = {"batch_epochs": literal, "batch_learning": learning, "batch_updates": read(1.0, 2.0)}
    assert choose_sizes(found, tried, 1_000, 2, facts)[0] == low
    assert facts.get("batch_source").value == source
