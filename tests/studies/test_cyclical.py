"""The cyclical study: its trials, its facts, its answers, on images that are quick to learn."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from firstlight import data
from firstlight.studies.cyclical.config import POLICIES, CyclicalConfig
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data import split as data_split
from firstlight.ranges.curve.read import Bounds
from firstlight.record.record import Fact, Record
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical import run as study
from firstlight.studies.cyclical import (
    data as cyclical_data,
    trials as cyclical_policies,
    stages as cyclical_stages,
)
from firstlight.studies.cyclical.answers import answers, compared
from firstlight.studies.cyclical.facts import batch_facts, chosen_rates, two_digits

CONFIG = CyclicalConfig(
    width=0.05, train_images=480, test_images=100, batch_size=16, micro_batch=16,
    batch_sizes=(16, 32, 64, 128, 256), batch_epochs=0.5, epochs=1, seeds=2,
    range_epochs=2.0, ramp_epochs=2.0,
)  # fmt: skip
UNTOLD = Bounds(*[Fact(None)] * 7, "cannot tell", "no fall of the loss stands out of the noise")


def bars(notice: str | None = None) -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return images, labels

    (a, b), (c, d) = some(500), some(120)
    names = tuple("0123456789")
    return Dataset("bars", a, b, c, d, names, "made up", {"bars": "0" * 64}, notice)


def in_process(
    work: str, trials: Mapping[str, dict[str, Any]], context: Context, **_: Any
) -> dict[str, TrialResult]:
    module, function = work.split(":")
    run = getattr(import_module(module), function)
    return {
        name: TrialResult(*run(spec, lambda done, total: None)) for name, spec in trials.items()
    }


def run(patch: pytest.MonkeyPatch, config: CyclicalConfig, notice: str | None = None) -> Record:
    patch.setattr(data, "load", lambda name, **_: bars(notice))
    patch.setattr(data_split, "load", lambda name, **_: bars(notice))
    patch.setattr(cyclical_stages, "run_trials", in_process)
    patch.setattr(cyclical_policies, "NOISE_SAMPLES", 32)
    patch.setattr(cyclical_policies, "NOISE_DRAWS", 2)
    caches = data_split.loaded.cache_clear, cyclical_data._CACHE.clear
    for clear in caches:
        clear()
    try:
        return study.run(config, Context())
    finally:
        for clear in caches:
            clear()


@pytest.fixture(scope="module")
def record() -> Record:
    with pytest.MonkeyPatch.context() as patch:
        return run(patch, CONFIG)


def test_every_fact_that_was_promised(record: Record) -> None:
    for name in ("lr_min", "lr_max", "batch_min", "batch_max", "images_per_second"):
        assert record.value(name) > 0
    assert record.value("batch_min") < record.value("batch_max")
    for policy in POLICIES:
        for name in ("best_accuracy", "test_accuracy"):
            fact = record.facts[f"{name}.{policy}"]
            assert fact.n == 2
            assert 0 <= fact.low <= float(fact.value) <= fact.high <= 1  # type: ignore[arg-type,operator]
    pairs = [name for name in record.facts if name.startswith("difference.")]
    assert len(pairs) == 10
    for name in pairs:
        _, a, b = name.split(".")
        expected = record.value(f"test_accuracy.{a}") - record.value(f"test_accuracy.{b}")
        assert record.value(name) == pytest.approx(expected, abs=1e-12)


def test_the_data_set_is_counted(record: Record) -> None:
    assert record.value("images.total") == 620
    assert record.value("images.train") + record.value("images.validation") == 480
    counts = record.arrays["per_class"].values
    assert counts.shape == (2, 10)
    assert counts.sum(axis=1).tolist() == [500, 120]
    assert record.value("images.least_per_class") == counts.sum(axis=0).min()
    assert record.arrays["examples"].values.shape == (3, 3, 28, 28)


def test_curves_and_their_axes(record: Record) -> None:
    assert record.arrays["candidates.values"].values == pytest.approx(np.geomspace(1e-9, 10, 10))
    assert record.arrays["candidates.losses"].values.shape == (1, 10)
    assert record.arrays["ramp.losses"].values.shape == (1, 55)  # 2 epochs of 440 images in 16s
    assert record.arrays["batch_epochs.values"].values.tolist() == list(CONFIG.batch_sizes)
    for policy in POLICIES:
        curve = record.arrays[f"curve.{policy}"]
        assert curve.axes == ("seed", "point", "measure")
        assert curve.values.shape[::2] == (2, 4)
        best = record.value(f"best_accuracy.{policy}")
        assert best == pytest.approx(curve.values[:, :, 3].max(axis=1).mean())
        assert record.arrays[f"points.{policy}"].values[-1] == 440


def test_every_policy_sees_the_same_number_of_images(record: Record) -> None:
    for policy in POLICIES:
        samples, sizes = (record.arrays[f"{n}.{policy}"].values for n in ("samples", "sizes"))
        assert samples[-1] + sizes[-1] == 440
        assert samples.tolist() == [0, *np.cumsum(sizes)[:-1].tolist()]
        assert len(sizes) == record.value(f"updates.{policy}")


def spec(policy: str, **more: Any) -> dict[str, Any]:
    return {
        "policy": policy, "rate_low": 0.01, "rate_high": 0.09, "batch_low": 8, "batch_high": 128,
        "epochs": 4, "cycles": 2, "final_amplitude": 0.25, "batch_size": 10, "seed": 0, "index": 0,
        **more,
    }  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_a_plan_takes_every_image_once_an_epoch(policy: str) -> None:
    batches, _ = cyclical_policies.plan(spec(policy), 1_000)
    order = np.concatenate([batch.numpy() for batch in batches])
    for epoch in range(4):
        assert sorted(order[1_000 * epoch : 1_000 * (epoch + 1)].tolist()) == list(range(1_000))


def test_the_rate_follows_the_formula_of_the_decaying_cycle() -> None:
    _, rate = cyclical_policies.plan(spec("cyclical_rate"), 1_000)
    for seen in range(0, 4_001, 50):
        height = 1 - abs(2 * (seen % 2_000) / 2_000 - 1)
        expected = 0.01 + 0.08 * height * 0.25 ** (seen / 4_000)
        assert rate(seen) == pytest.approx(expected)
    for policy, value in (("fixed_low", 0.01), ("fixed_high", 0.09), ("growing_batch", 0.01)):
        _, fixed = cyclical_policies.plan(spec(policy), 1_000)
        assert fixed(0) == fixed(1_234) == value


def test_batches_grow_under_one_policy_and_shrink_under_the_other() -> None:
    edges = {}
    for policy in ("growing_batch", "shrinking_batch"):
        batches, _ = cyclical_policies.plan(spec(policy), 1_000)
        sizes = np.array([len(batch) for batch in batches])
        assert sizes.min() >= 2
        assert sizes.max() <= 129
        seen = np.cumsum(sizes)
        edges[policy] = [(s.min(), s.max()) for s in (sizes[seen <= 2_000], sizes[seen > 2_000])]
    (first, _), (second, _) = edges["growing_batch"]
    assert second > 2 * first
    (_, first), (_, second) = edges["shrinking_batch"]
    assert second < first / 2


def test_same_seed_same_record(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    again = run(monkeypatch, CONFIG)
    for name, fact in record.facts.items():
        assert name == "images_per_second" or again.facts[name] == fact, name
    for name, array in record.arrays.items():
        assert np.array_equal(array.values, again.arrays[name].values, equal_nan=True), name


def test_fewer_policies_runs_and_stand_in_data(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {
        "policies": ("fixed_low",), "seeds": 1, "range_mode": "runs", "range_epochs": 0.1,
        "candidates": 5, "range_repeats": 2, "batch_epochs": 0.2,
    }  # fmt: skip
    few = CyclicalConfig(**{**CONFIG.as_dict(), **changes, "batch_sizes": CONFIG.batch_sizes})
    other = run(monkeypatch, few, "Bars stand in.")
    assert other.arrays["candidates.losses"].values.shape == (2, 5)
    assert other.facts["test_accuracy.fixed_low"].low is None
    assert all(text.startswith("On bars (stand-in data): ") for text in other.verdicts.values())
    assert "was not trained" in other.verdicts["4.3"]
    assert "nothing to compare" in other.verdicts["4.7"]


def test_sizes_beyond_the_data_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"batch_sizes": (16, 32, 64, 128, 512), "policies": ("fixed_low",), "seeds": 1}
    other = run(monkeypatch, CyclicalConfig(**{**CONFIG.as_dict(), **changes}))
    assert other.arrays["batch_epochs.values"].values.tolist() == [16, 32, 64, 128]
    assert other.facts["batch_max_source"].value == "edge"


def told(low: float, high: float) -> Bounds:
    return Bounds(Fact(low), Fact(high), *[Fact(low)] * 5, "read", "")


def test_where_the_rates_come_from() -> None:
    values, losses = np.geomspace(1e-3, 1, 4), np.array([[3.0, 2.0, 1.0, np.nan]])
    assert chosen_rates(told(0.1, 0.2), told(0.3, 0.4), values, losses) == (0.1, 0.2, "candidates")
    assert chosen_rates(UNTOLD, told(0.3, 0.4), values, losses) == (0.3, 0.4, "ramp")
    low, high, source = chosen_rates(UNTOLD, UNTOLD, values, losses)
    assert (low, high, source) == (pytest.approx(0.01), pytest.approx(0.1), "lowest loss")
    assert two_digits(0.012345) == 0.012


def test_where_the_batch_sizes_come_from() -> None:
    tried = [16, 32, 64, 128, 256]
    facts, bounds = batch_facts({"epochs": told(20.4, 101.0), "updates": UNTOLD}, tried, 10_000)
    assert bounds == (20, 100)
    assert facts["batch_min"].value == 20
    assert facts["batch_max_source"].value == "read"
    facts, bounds = batch_facts({"epochs": UNTOLD, "updates": UNTOLD}, tried, 1_000)
    assert bounds == (16, 100)  # a tenth of the images
    assert facts["batch_max"].value == 256
    assert facts["batch_max_source"].value == "edge"


def test_answers_follow_the_facts(record: Record) -> None:
    assert set(record.verdicts) == {f"4.{i}" for i in range(1, 8)}
    facts = dict(record.facts)
    pair = "difference.fixed_low.cyclical_rate"
    facts[pair] = Fact(-0.05, -0.06, -0.04, 3)
    better = "the cyclical learning rate is better than the fixed rate lr_min: +5.00 points"
    assert better in compared(facts, "fixed_low", "cyclical_rate")
    assert better in compared(facts, "cyclical_rate", "fixed_low")
    facts[pair] = Fact(0.01, -0.04, 0.06, 3)
    assert compared(facts, "fixed_low", "cyclical_rate").startswith("cannot tell at this n")
    facts["difference.growing_batch.shrinking_batch"] = Fact(-0.02, -0.03, -0.01, 3)
    assert "contradicts" in answers(facts, CONFIG, None)["4.6"]
