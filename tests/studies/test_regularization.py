"""The regularization study: its measures, its facts, its verdicts, its figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstlight import data, stats
from firstlight.studies.regularization.config import ARMS, RegularizationConfig
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.data import split as data_split
from firstlight.plotting import plots
from firstlight.models.lenet5 import LAYERS, LeNet5
from firstlight.record.record import Fact, Record, load, save
from firstlight.record.store import TrialResult
from firstlight.studies.regularization import run as study
from firstlight.studies.regularization import data as regularization_data, trials as regularization_trial
from firstlight.studies.regularization import measures
from firstlight.studies.regularization.answers import answers, compared, oriented

CONFIG = RegularizationConfig(train_images=130, test_images=100, epochs=2, batch_size=16)


def blobs(notice: str | None = None) -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label] += 150
        return images, labels

    (a, b), (c, d) = some(140), some(120)
    names = tuple("0123456789")
    return Dataset("bars", a, b, c, d, names, "made up", {"bars": "0" * 64}, notice)


def in_process(
    work: str, trials: Mapping[str, dict[str, Any]], context: Context, **_: Any
) -> dict[str, TrialResult]:
    assert work == "firstlight.studies.regularization.trials:train_arm"
    return {
        name: TrialResult(*regularization_trial.train_arm(spec, lambda done, total: None))
        for name, spec in trials.items()
    }


def run(patch: pytest.MonkeyPatch, config: RegularizationConfig, notice: str | None) -> Record:
    patch.setattr(data, "load", lambda name, **_: blobs(notice))
    patch.setattr(data_split, "load", lambda name, **_: blobs(notice))
    patch.setattr(study, "run_trials", in_process)
    data_split.loaded.cache_clear()
    try:
        return study.run(config, Context())
    finally:
        data_split.loaded.cache_clear()


@pytest.fixture(scope="module")
def record() -> Record:
    with pytest.MonkeyPatch.context() as patch:
        return run(patch, CONFIG, None)


def test_facts_and_their_intervals(record: Record) -> None:
    for arm in ARMS:
        for name in ("test_accuracy", "train_accuracy", "test_loss", "train_loss", "removal"):
            fact = record.facts[f"{name}.{arm}"]
            assert fact.n == 2
            assert fact.low is not None
            assert fact.high is not None
            assert fact.low <= float(fact.value) <= fact.high  # type: ignore[arg-type]
    differences = [name for name in record.facts if name.startswith("difference.")]
    assert len(differences) == 10
    assert differences[0] == "difference.plain.norm_hidden"
    for name in differences:
        _, a, b = name.split(".")
        expected = record.value(f"test_accuracy.{a}") - record.value(f"test_accuracy.{b}")
        assert record.value(name) == pytest.approx(expected, abs=1e-12)


def test_arrays_and_their_axes(record: Record) -> None:
    widths = {"input": 1, "conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84}
    for layer, width in widths.items():
        for head in ("gamma", "beta"):
            array = record.arrays[f"{head}.{layer}"]
            assert array.axes == ("seed", "channel")
            assert array.values.shape == (2, width)
            same = record.arrays[f"{head}.norm_input.{layer}"].values
            assert np.array_equal(array.values, same)
    assert "gamma.norm_hidden.input" not in record.arrays
    assert record.arrays["running_var.norm_dropout.fc1"].values.shape == (2, 120)
    assert record.arrays["curve.plain.validation_loss"].axes == ("seed", "epoch")
    assert record.arrays["test_correct.plain"].values.shape == (2, 100)
    correct = record.arrays["test_correct.plain"].values
    assert record.value("test_accuracy.plain") == pytest.approx(correct.mean())


def test_mcnemar_is_the_combined_exact_test(record: Record) -> None:
    a, b = (record.arrays[f"test_correct.{arm}"].values > 0 for arm in ("plain", "dropout"))
    each = [
        stats.mcnemar(int((x & ~y).sum()), int((~x & y).sum())) for x, y in zip(a, b, strict=True)
    ]
    assert record.value("mcnemar.plain.dropout") == pytest.approx(min(1.0, 2 * min(each)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.03], 0.03), ([0.03, 0.9], 0.06), ([0.9, 0.01, 0.02], 0.03), ([0.9, 0.8], 1.0)],
)
def test_combined_p(values: list[float], expected: float) -> None:
    assert study.combined_p(values) == pytest.approx(expected)


def test_combined_p_is_never_too_small() -> None:
    """Under no difference a result below .05 is at most as likely as .05, dependent or not."""
    rng = np.random.default_rng(0)
    one = rng.random(4_000)
    for sets in (rng.random((4_000, 5)), np.repeat(one[:, None], 5, axis=1)):
        small = np.mean([study.combined_p(list(row)) < 0.05 for row in sets])
        assert small < 0.05 + 3 * (0.05 * 0.95 / 4_000) ** 0.5
    with pytest.raises(ValueError, match="expected at least one"):
        study.combined_p([])


def test_same_seed_same_record_bit_for_bit(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    again = run(monkeypatch, CONFIG, None)
    assert again.facts == record.facts
    assert again.arrays.keys() == record.arrays.keys()
    for name, array in record.arrays.items():
        assert np.array_equal(array.values, again.arrays[name].values), name


def test_another_seed_another_record(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    few = RegularizationConfig(**{**CONFIG.as_dict(), "arms": ("plain",), "seed": 1, "seeds": 1})
    other = run(monkeypatch, few, None)
    assert other.value("train_loss.plain") != record.value("train_loss.plain")
    assert other.facts["test_accuracy.plain"].low is None
    assert "Not answered: this run left out norm_hidden" in other.verdicts["3.2"]
    drawable = [plot.name for plot in plots("regularization") if plot.when(other)]
    assert drawable == ["curves", "accuracy", "coadaptation", "covariate_shift"]


def test_stand_in_data_are_named_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    few = RegularizationConfig(**{**CONFIG.as_dict(), "arms": ("norm_hidden",), "seeds": 1})
    other = run(monkeypatch, few, "Bars stand in for MNIST.")
    assert other.notices == ("Bars stand in for MNIST.",)
    assert all(v.startswith("On bars (stand-in data): ") for v in other.verdicts.values())
    assert np.array_equal(
        other.arrays["gamma.fc1"].values, other.arrays["gamma.norm_hidden.fc1"].values
    )


def test_no_notice_no_prefix(record: Record) -> None:
    assert set(record.verdicts) == {"3.1", "3.2", "3.3", "3.4", "3.5"}
    assert not any("stand-in" in text for text in record.verdicts.values())


def test_figures_draw_from_a_saved_record(record: Record, tmp_path: Path) -> None:
    kept = load(save(record, tmp_path))
    for plot in plots("regularization"):
        figure = plot.figure(kept)
        assert figure.axes
        assert all(ax.has_data() for ax in figure.axes), plot.name
        assert plot.caption_for(kept)
        assert plot.alt_for(kept)


def test_splits_do_not_overlap_and_take_what_there_is() -> None:
    parts = regularization_data.split(blobs(), RegularizationConfig())
    assert [len(y) for _, y in (parts.train, parts.validation, parts.test)] == [128, 12, 120]
    pixels = torch.cat([parts.train[0], parts.validation[0]]).flatten(1)
    assert len(torch.unique(pixels, dim=0)) == 140
    standard = data_split.standardized(parts)
    assert float(standard.train[0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(standard.train[0].std(correction=0)) == pytest.approx(1, abs=1e-5)
    shift = parts.test[0][0, 0, 0] * 1.0 - parts.train[0].mean()
    expected = shift / parts.train[0].std(correction=0)
    assert float(standard.test[0][0, 0, 0]) == pytest.approx(float(expected), abs=1e-5)


def test_test_images_do_not_touch_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the test images are, the network that is tested is the same."""
    parts = regularization_data.split(blobs(), CONFIG)
    noise = (torch.rand(parts.test[0].shape), parts.test[1])
    other = data_split.Split(parts.train, parts.validation, noise)
    a, x = regularization_trial.train_on(parts, "norm_hidden", CONFIG, 0, lambda *_: None)
    b, y = regularization_trial.train_on(other, "norm_hidden", CONFIG, 0, lambda *_: None)
    assert a["train_loss"] == b["train_loss"]
    assert a["test_loss"] != b["test_loss"]
    assert np.array_equal(x["gamma.fc1"], y["gamma.fc1"])


def test_ticks_reach_the_end() -> None:
    ticks: list[tuple[int, int]] = []
    parts = regularization_data.split(blobs(), CONFIG)
    regularization_trial.train_on(parts, "plain", CONFIG, 0, lambda a, b: ticks.append((a, b)))
    assert ticks[-1][0] == ticks[-1][1] > 0


def test_coadaptation_against_numpy() -> None:
    hidden = np.random.default_rng(0).normal(size=(6, 40))
    matrix = np.abs(np.corrcoef(hidden))
    expected = matrix[np.triu_indices(6, 1)].mean()
    assert measures.coadaptation(hidden) == pytest.approx(expected)
    with_dead = np.vstack([hidden, np.ones(40)])
    assert measures.coadaptation(with_dead) == pytest.approx(expected)
    assert np.isnan(measures.coadaptation(with_dead[-2:]))
    with pytest.raises(ValueError, match="hidden: expected"):
        measures.coadaptation(hidden[:, :1])


def model_and_images() -> tuple[LeNet5, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    model = LeNet5(draw, norm=LAYERS, hidden_dropout=0.5, input_dropout=0.2, masks=draw)
    return model, torch.rand(64, 28, 28, generator=draw)


def test_batch_variances_of_the_input_against_numpy() -> None:
    model, x = model_and_images()
    found = measures.batch_variances(model, x[:50], 16, training=False)
    expected = np.mean([x[i : i + 16].numpy().astype(float).var(ddof=1) for i in (0, 16, 32)])
    assert found["input"] == pytest.approx([expected], rel=1e-6)
    assert found["fc1"].shape == (120,)


def test_dropout_raises_the_variance_that_batch_normalization_sees() -> None:
    model, x = model_and_images()
    off = measures.batch_variances(model, x, 32, training=False)
    on = measures.batch_variances(model, x, 32, training=True)
    assert measures.geometric_mean(on["conv1"], off["conv1"]) > 1.02


def test_measuring_leaves_no_trace() -> None:
    model, x = model_and_images()
    model.train()
    model.norms["fc1"].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measures.batch_variances(model, x, 32, training=True)
    measures.outputs(model, x)
    measures.layer_inputs(model, x)
    measures.removal(model, x, torch.zeros(64, dtype=torch.int64), np.random.default_rng(0), 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model.norms["fc1"].training
    assert all(norm.momentum == 0.1 for norm in model.norms.values())
    assert not any(p.grad is not None for p in model.parameters())


def test_geometric_mean_refuses_unequal_shapes() -> None:
    with pytest.raises(ValueError, match="ratio: expected equal shapes"):
        measures.geometric_mean(np.ones(2), np.ones(3))


def test_movement_in_standard_deviations() -> None:
    a = {"fc1": measures.Moments(np.array([0.0, 1.0]), np.array([2.0, 0.5]))}
    b = {"fc1": measures.Moments(np.array([1.0, 0.0]), np.array([9.0, 9.0]))}
    assert measures.movement(a, b) == {"fc1": pytest.approx((0.5 + 2.0) / 2)}
    assert measures.movement(a, a) == {"fc1": 0.0}


def test_removal_of_units_that_do_not_matter_costs_nothing() -> None:
    model, x = model_and_images()
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.copy_(torch.arange(10.0))
    labels = torch.full((64,), 9)
    assert measures.removal(model, x, labels, np.random.default_rng(0), 3) == 0.0


def test_removal_silences_exactly_half() -> None:
    seen: list[torch.Tensor] = []
    model, x = model_and_images()
    head = model.head
    model.head = lambda h, *watch: (seen.append(h), head(h, *watch))[1]  # type: ignore[assignment, func-returns-value]
    hidden = model.eval().body(x)
    seen.clear()
    measures.removal(model, x, torch.zeros(64, dtype=torch.int64), np.random.default_rng(0), 3)
    silenced = seen[-3:]
    for values in silenced:
        off = (values == 0).all(1)
        assert int(off.sum()) == 60
        assert torch.allclose(values[~off], 2 * hidden[~off], atol=1e-6)


def facts_with(**differences: tuple[float, float, float]) -> dict[str, Fact]:
    """Return facts in which all arms are alike but for the named pairs (``a__b``)."""
    facts: dict[str, Fact] = {}
    for i, a in enumerate(ARMS):
        for b in ARMS[i + 1 :]:
            value, low, high = differences.get(f"{a}__{b}", (0.0, -0.01, 0.01))
            facts[f"difference.{a}.{b}"] = Fact(value, low, high, 5)
            facts[f"loss_difference.{a}.{b}"] = Fact(0.0, -0.01, 0.01, 5)
            facts[f"mcnemar.{a}.{b}"] = Fact(0.5, n=5)
    for name, a, b in study.CHANGES:
        facts[f"change.{name}.{a}.{b}"] = Fact(-0.02, -0.03, -0.01, 5)
    facts["test_accuracy.norm_hidden"] = Fact(0.99, 0.98, 0.995, 5)
    for layer in LAYERS[1:]:
        for head in ("gamma", "beta"):
            facts[f"{head}_low.norm_hidden.{layer}"] = Fact(-0.5)
            facts[f"{head}_high.norm_hidden.{layer}"] = Fact(1.5)
    return facts


@pytest.mark.parametrize(
    ("pair", "word"),
    [((-0.02, -0.03, -0.01), "Yes"), ((0.02, 0.01, 0.03), "No"), ((0.02, -0.01, 0.05), "Cannot")],
)
def test_verdict_on_the_input(pair: tuple[float, float, float], word: str) -> None:
    """The record holds norm_hidden − norm_input; the question asks the other way round."""
    text = answers(facts_with(norm_hidden__norm_input=pair), ARMS)["3.3"]
    assert text.startswith(word)
    sign = "+" if pair[0] < 0 else "−"
    assert f"{sign}2.00 points" in text


@pytest.mark.parametrize(
    ("hidden", "dropout", "words"),
    [
        ((-0.02, -0.03, -0.01), (-0.02, -0.03, -0.01), "The benefits add up"),
        ((0.02, 0.01, 0.03), (0.02, 0.01, 0.03), "worse than either alone"),
        ((0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), "they beat dropout alone but are worse"),
        ((-0.02, -0.03, -0.01), (0.02, 0.01, 0.03), "they beat batch normalization alone but"),
        ((0.0, -0.01, 0.01), (-0.02, -0.03, -0.01), "Cannot tell at this n whether the benefits"),
    ],
)
def test_verdict_on_both_together(
    hidden: tuple[float, float, float], dropout: tuple[float, float, float], words: str
) -> None:
    facts = facts_with(norm_hidden__norm_dropout=hidden, dropout__norm_dropout=dropout)
    assert words in answers(facts, ARMS)["3.5"]


def test_verdict_on_dropout_names_the_better() -> None:
    facts = facts_with(norm_hidden__dropout=(0.02, 0.01, 0.03))
    text = answers(facts, ARMS)["3.4"]
    assert "Batch normalization of the hidden layers is better than dropout: +2.00 points" in text
    assert "Cannot tell at this n whether dropout or batch normalization of the input" in text


def test_verdict_on_the_measures() -> None:
    facts = facts_with()
    text = answers(facts, ARMS)["3.1"]
    assert text.count("smaller with it") == 3
    facts["change.removal.dropout.plain"] = Fact(0.02, 0.01, 0.03, 5)
    facts["change.covariate_shift.norm_hidden.plain"] = Fact(0.02, -0.01, 0.03, 5)
    text = answers(facts, ARMS)["3.1"]
    assert "half of the fc1 units is larger with it: +2.00 points" in text
    assert "movement of a layer's inputs is not distinguishable at this n" in text


def test_oriented_turns_the_interval_too() -> None:
    facts = facts_with(plain__dropout=(0.02, 0.01, 0.05))
    assert oriented(facts, "dropout", "plain") == Fact(-0.02, -0.05, -0.01, 5)
    assert oriented(facts, "plain", "dropout") == Fact(0.02, 0.01, 0.05, 5)


def test_one_seed_tells_nothing() -> None:
    facts = facts_with()
    facts["difference.plain.dropout"] = Fact(0.02, n=1)
    text = compared(facts, "plain", "dropout")
    assert text.startswith("cannot tell at this n")
    assert "n = 1 seed, so no interval" in text
