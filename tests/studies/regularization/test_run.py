"""The regularization study from its trials to its record."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from firstlight import stats
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.models import lenet5
from firstlight.record import Fact, Record
from firstlight.studies import study_of
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.regularization.labels import ARMS, LAYERS, VARIANTS
from firstlight.studies.regularization.run import Trial, images_of, train_on

SIZES = {"input": 1, "conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84}


def test_labels_agree_with_the_config_and_the_network() -> None:
    assert tuple(VARIANTS) == ARMS
    assert LAYERS == lenet5.LAYERS


def test_facts_and_their_intervals(record: Record) -> None:
    for arm in ARMS:
        for name in ("test_accuracy", "train_accuracy", "test_loss", "train_loss"):
            fact = record.facts.get(name, arm=arm)
            assert fact.n == 2
            assert fact.low is not None
            assert fact.high is not None
            assert fact.low <= float(fact) <= fact.high
            assert fact.low >= 0
            assert fact.high <= 1 or "loss" in name
        lost = [record.facts.get("removal", arm=arm, images=n) for n in ("train", "validation")]
        assert all(-1 <= (fact.low or 0) <= float(fact) <= 1 for fact in lost)
    differences = list(record.facts.select("difference").entries())
    assert len(differences) == 15
    assert differences[0].coords == {"first": "plain", "second": "norm_hidden"}
    for _, pair, fact in differences:
        first, second = (record.facts.value("test_accuracy", arm=pair[side]) for side in pair)
        assert float(fact) == pytest.approx(first - second, abs=1e-12)


def test_movement_is_averaged_over_layers(record: Record) -> None:
    for arm in ARMS:
        layers = [
            float(e.value)
            for e in record.facts.select("covariate_shift", arm=arm).entries()
            if "layer" in e.coords
        ]
        assert len(layers) == 4
        mean = record.facts.value("covariate_shift", arm=arm)
        assert mean == pytest.approx(np.mean(layers))


def test_arrays_and_their_axes(record: Record) -> None:
    for layer, width in SIZES.items():
        for measure in ("gamma", "beta", "running_mean", "running_var"):
            array = record.arrays.get(measure, arm="norm_input", layer=layer)
            assert array.axes == ("seed", "channel")
            assert array.values.shape == (2, width)
    assert not record.arrays.has("gamma", arm="norm_hidden", layer="input")
    assert record.data["curve"].sizes == {"arm": 6, "measure": 4, "seed": 2, "epoch": 2}
    correct = record.data["test_correct"].sel(arm="plain")
    assert correct.shape == (2, 100)
    assert record.facts.value("test_accuracy", arm="plain") == pytest.approx(float(correct.mean()))
    movement = record.data["movement"].sel(arm="dropout").mean(("seed", "checkpoint"))
    expected = record.facts.value("covariate_shift", arm="dropout", layer="fc2")
    assert float(movement.sel(receiver="fc2")) == pytest.approx(expected)


def test_mcnemar_is_the_combined_exact_test(record: Record) -> None:
    a, b = (record.data["test_correct"].sel(arm=arm).values > 0 for arm in ("plain", "dropout"))
    each = [
        stats.mcnemar(int((x & ~y).sum()), int((~x & y).sum())) for x, y in zip(a, b, strict=True)
    ]
    pair = {"first": "plain", "second": "dropout"}
    assert record.facts.value("mcnemar", **pair) == pytest.approx(min(1.0, 2 * min(each)))
    assert record.facts.get("mcnemar_seeds", **pair) == Fact(sum(p < 0.05 for p in each), n=2)


def test_same_seed_same_record_bit_for_bit(
    record: Record, run_small: Callable[..., Record]
) -> None:
    """Also when other arms are not trained beside."""
    again = run_small(arms=("norm_input", "norm_dropout"))
    for measure, at, fact in again.facts.entries():
        assert fact == record.facts.get(measure, **at), (measure, at)
    assert len(list(again.arrays)) > 40
    for name, array in again.arrays.items():
        assert np.array_equal(array.values, record.arrays[name].values), name


def test_one_arm_alone(record: Record, run_small: Callable[..., Record]) -> None:
    other = run_small(arms=("plain",), seed=1, seeds=1)
    train_loss = record.facts.value("train_loss", arm="plain")
    assert other.facts.value("train_loss", arm="plain") != train_loss
    assert other.facts.get("train_loss", arm="plain").low is None
    lone = other.facts.get("test_accuracy", arm="plain")  # of one seed the images are a sample
    assert lone.n == 1
    assert lone.low is not None
    assert {verdict.outcome for verdict in other.verdicts.values()} == {"not-run"}
    study = study_of("regularization")
    drawn = [plot.name for plot in study.plots() if plot.when(other)]
    assert drawn == ["terms", "covariate_shift", "curves", "accuracy"]
    made = [sheet.name for sheet in study.sheets() if sheet.when(other)]
    assert made == ["arms", "inside", "correlation", "accuracy", "loss"]
    assert study.remarks(other) == {}


def test_test_images_do_not_touch_training(config: RegularizationConfig, dataset: Dataset) -> None:
    """Whatever the test images are, the network that is tested is the same."""
    images = images_of(config, Context(dataset=dataset))
    other = replace(images, test=(torch.rand(images.test[0].shape), images.test[1]))
    trial = Trial(config, "norm_hidden", 0)
    a, b = (train_on(parts, trial, lambda *_: None) for parts in (images, other))
    assert a.facts.get("train_loss") == b.facts.get("train_loss")
    assert a.facts.get("test_loss") != b.facts.get("test_loss")
    gammas = [result.arrays.get("gamma", layer="fc1") for result in (a, b)]
    assert np.array_equal(*gammas)


def test_ticks_reach_the_end(config: RegularizationConfig, dataset: Dataset) -> None:
    ticks: list[tuple[int, int]] = []
    images = images_of(config, Context(dataset=dataset))
    train_on(images, Trial(config, "plain", 0), lambda *tick: ticks.append(tick))
    assert ticks[-1][0] == ticks[-1][1] > 0
