"""The whole cyclical study on images that are quick to learn: its facts and arrays."""

from itertools import combinations

import numpy as np
import pytest

from cyclical_samples import SMALL, run
from firstlight.ranges import Bounds
from firstlight.record import Fact, Facts, Record
from firstlight.studies.cyclical.config import POLICIES
from firstlight.studies.cyclical.labels import MEASURES, POLICY
from firstlight.studies.cyclical.run import choose_rates, choose_sizes, two_digits

UNREAD = Bounds()


def read(low: float, high: float) -> Bounds:
    return Bounds(low=Fact(low), high=Fact(high), steepest=Fact(low))


def test_every_policy_has_its_labels() -> None:
    assert tuple(POLICY) == POLICIES


def test_every_fact_that_was_promised(record: Record) -> None:
    facts = record.facts
    for name in ("lr_min", "lr_max", "batch_min", "batch_max", "images_per_second"):
        assert facts.value(name) > 0
    assert facts.value("batch_min") < facts.value("batch_max")
    for policy in POLICIES:
        for name in ("best_accuracy", "test_accuracy"):
            fact = facts.get(name, policy=policy)
            assert fact.n == 2
            assert fact.low is not None
            assert fact.high is not None
            assert 0 <= fact.low <= float(fact) <= fact.high <= 1
    for a, b in combinations(POLICIES, 2):
        expected = facts.value("test_accuracy", policy=a) - facts.value("test_accuracy", policy=b)
        difference = facts.value("difference", first=a, second=b)
        assert difference == pytest.approx(expected, abs=1e-12)


def test_names_on_disk_are_those_of_former_records(record: Record) -> None:
    for name in (
        "images.least_per_class",
        "example.2",
        "candidates.rises_at",
        "ramp.verdict",
        "batch_epochs.low",
        "batch_updates.reason",
        "batch_max_source",
        "updates.fixed_low",
        "noise_scale.before",
        "best_difference.fixed_low.cyclical_rate",
    ):
        assert name in record.facts


def test_the_data_set_is_counted(record: Record) -> None:
    count = {p: record.facts.value("images", part=p) for p in ("total", "train", "validation")}
    assert count["total"] == 620
    assert count["train"] + count["validation"] == 480
    per_class = record.data["per_class"]
    assert per_class.sum("class").values.tolist() == [500, 120]
    least = record.facts.value("images", part="least_per_class")
    assert least == per_class.sum("part").min()
    assert record.data["examples"].shape == (3, 3, 28, 28)


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
    for policy in POLICIES:
        expected = record.facts.value("best_accuracy", policy=policy)
        assert float(best.sel(policy=policy)) == pytest.approx(expected)
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
    for name in ("candidates_losses", "ramp_losses", "batch_epochs_losses", "lr_min", "batch_max"):
        if name in record.arrays:
            assert np.array_equal(record.arrays[name].values, few.arrays[name].values), name
        else:
            assert record.facts[name] == few.facts[name]
    for policy in ("fixed_low", "growing_batch"):
        one, other = (r.arrays.get("curve", policy=policy).values[:1] for r in (record, few))
        assert np.array_equal(one, other), policy


@pytest.mark.slow
def test_fewer_policies_runs_and_stand_in_data() -> None:
    other = run(
        notice="Bars stand in.", policies=("fixed_low",), seeds=1, range_mode="runs",
        range_epochs=0.1, candidates=5, range_repeats=2, batch_epochs=0.2,
    )  # fmt: skip
    assert other.data["candidates_losses"].shape == (2, 5)
    assert other.data["candidate"].values == pytest.approx(np.geomspace(1e-9, 10, 5))
    assert other.facts.get("test_accuracy", policy="fixed_low").low is None
    assert all("stand-in" in verdict.headline for verdict in other.verdicts.values())
    assert [other.verdicts[q].outcome for q in ("4.3", "4.6", "4.7")] == ["not-run"] * 3


@pytest.mark.slow
def test_sizes_beyond_the_data_are_left_out() -> None:
    other = run(batch_sizes=(16, 32, 64, 128, 512), policies=("fixed_low",), seeds=1)
    assert other.data["batch_epochs_values"].values.tolist() == [16, 32, 64, 128]
    assert other.facts.get("batch_max_source").value == "edge"


@pytest.mark.parametrize(
    ("candidates", "ramp", "expected"),
    [
        (read(0.1, 0.2), read(0.3, 0.4), (0.1, 0.2, "candidates")),
        (UNREAD, read(0.3, 0.4), (0.3, 0.4, "ramp")),
        (read(0.2, 0.1), read(0.3, 0.4), (0.3, 0.4, "ramp")),
        (UNREAD, UNREAD, (0.01, 0.1, "lowest loss")),
    ],
)
def test_where_the_rates_come_from(
    candidates: Bounds, ramp: Bounds, expected: tuple[float, float, str]
) -> None:
    values, losses = np.geomspace(1e-3, 1, 4), np.array([[3.0, 2.0, 1.0, np.nan]])
    facts = Facts()
    rates = choose_rates({"candidates": candidates, "ramp": ramp}, values, losses, facts)
    assert rates == pytest.approx(expected[:2])
    assert facts.get("lr_source").value == expected[2]
    assert (facts.value("lr_min"), facts.value("lr_max")) == rates
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
    bounds = choose_sizes({"epochs": epochs, "updates": UNREAD}, tried, images, facts)
    assert bounds == (expected[0], expected[2])
    found = [facts.value(name) for name in ("batch_min", "batch_max", "batch_used")]
    assert tuple(found) == expected
    ends = ("batch_min", "batch_max")
    assert tuple(facts.get(f"{end}_source").value for end in ends) == sources
