"""The initialization study: its facts and arrays, reproducibility, figures and page."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstlight import studies, sweep
from firstlight.context import Context
from firstlight.errors import ConfigError, FolderError
from firstlight.record import Record, load, save
from firstlight.report import page
from firstlight.studies import study_of
from firstlight.studies.initialization import run as study
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.labels import LARGEST_LOSS, MEASURES, distinct, inits
from firstlight.studies.initialization.run import agreement, deviation, grouped, predicted
from initialization_samples import CONFIG, INITS, bars

PLOTS = study_of("initialization").plots()
PAIR = ("tanh", "normal_1")


def test_every_promised_fact_is_there(record: Record) -> None:
    assert tuple(inits(CONFIG.sigmas)) == INITS
    facts = record.facts
    for activation in ("linear", "tanh", "sigmoid", "relu"):
        for init in INITS:
            network: dict[str, Any] = {"activation": activation, "init": init}
            for layer in (1, 2, 3):
                for name in ("activation_std", "gradient_std", "saturated", "mean_square", "z_std"):
                    fact = facts.get(name, **network, layer=layer)
                    assert fact.n == 12
                    if fact.low is None or fact.high is None:
                        assert (name, float(fact)) == ("saturated", 0.0)  # in every network
                    else:
                        assert fact.low <= float(fact) <= fact.high
                assert facts.value("prediction", **network, layer=layer) > 0
            assert facts.get("ratio", direction="gradient", **network).n == 12
            assert facts.get("deep_ratio", direction="gradient", **network).n == 12
            assert facts.has("median_ratio", **network) == (activation in ("tanh", "sigmoid"))
            if activation != "linear":
                assert facts.get("loss_after", **network).n == 2
    assert not facts.has("loss_after", activation="linear")
    at = {"activation": "tanh", "init": "xavier", "layer": 3}
    assert facts.get("ball", measure="activation_std", **at).n == 12


def test_names_on_disk_are_those_of_former_records(record: Record) -> None:
    for name in (
        "activation_std.relu.normal_0.01.3",
        "predicted_ratio.gradient.tanh.he",
        "closer.activation.relu.he.xavier",
        "difference.loss.tanh.xavier.normal_1",
        "agreement.deep_gradient.within_single",
        "ball.saturated.sigmoid.normal_0.01.2",
        "images",
    ):
        assert name in record.facts


def test_facts_repeat_what_the_arrays_hold(record: Record) -> None:
    facts, measured = record.facts, record.data["before_measured"]
    assert dict(measured.sizes) == {
        "seed": 12, "activation": 4, "init": 4, "layer": 3, "measure": 9
    }  # fmt: skip
    assert list(measured["measure"].values) == list(MEASURES)
    xavier = {"activation": "relu", "init": "xavier"}
    std = measured.sel(measure="activation_std", **xavier)
    mean = facts.value("activation_std", **xavier, layer=2)
    assert mean == pytest.approx(float(std.sel(layer=2).mean()))
    ratio = np.exp(np.log(std.sel(layer=3) / std.sel(layer=1)).mean())
    assert facts.value("ratio", direction="activation", **xavier) == pytest.approx(float(ratio))
    he = {"activation": "tanh", "init": "he"}
    gradient = measured.sel(measure="gradient_std", **he)
    back = np.exp(np.log(gradient.sel(layer=1) / gradient.sel(layer=3)).mean())
    assert facts.value("ratio", direction="gradient", **he) == pytest.approx(float(back))
    curve = record.data["loss_curve"]
    assert dict(curve.sizes) == {"training_seed": 2, "trained_activation": 3, "init": 4, "step": 4}
    assert list(record.data["loss_steps"].values) == [0, 1, 2, 3]
    end = curve.sel(trained_activation="relu", step=3)
    expected = float((end.sel(init="he") - end.sel(init="xavier")).mean())
    pair = {"activation": "relu", "first": "he", "second": "xavier"}
    assert facts.value("difference", quantity="loss", **pair) == pytest.approx(expected)
    assert record.data["before_sample"].shape == (4, 4, 3, 3, 2_000)
    assert record.data["deep_measured"].shape == (12, 4, 4, 6, 2)
    assert record.data["ball_sample"].shape == (3, 3, 4, 2_000)


def test_deep_ratios_compare_both_ends(record: Record) -> None:
    squares = record.data["deep_measured"].sel(activation="relu", init="xavier")
    ends = squares.sel(deep_layer=6) / squares.sel(deep_layer=1)
    expected = np.exp(np.log(ends.sel(direction="activation")).mean() / 2)
    where = {"direction": "activation", "activation": "relu", "init": "xavier"}
    assert record.facts.value("deep_ratio", **where) == pytest.approx(float(expected))


def test_what_is_an_exact_factor_is_no_measurement(record: Record) -> None:
    """ReLU networks of Xavier and of a small σ are the same numbers times a constant."""
    where = {"direction": "activation", "activation": "relu", "first": "xavier"}
    fact = record.facts.get("closer", **where, second="normal_0.01")
    assert (fact.low, fact.high) == (None, None)
    assert record.facts.get("closer", **where, second="normal_1").low is not None


def test_losses_stay_within_what_is_recorded(record: Record) -> None:
    for entry in record.facts.select("loss_after").entries():
        assert entry.value.low is None or entry.value.low >= 0
        assert entry.value.high is None or entry.value.high <= LARGEST_LOSS


def test_the_closer_ratio_has_the_smaller_logarithm(record: Record) -> None:
    gradient = record.data["before_measured"].sel(activation="tanh", measure="gradient_std")
    away = np.abs(np.log10(gradient.sel(layer=1) / gradient.sel(layer=3)))
    expected = float((away.sel(init="xavier") - away.sel(init="normal_0.01")).mean())
    pair = {"activation": "tanh", "first": "xavier", "second": "normal_0.01"}
    assert record.facts.value("closer", direction="gradient", **pair) == pytest.approx(expected)
    assert expected < -1
    relu = {"activation": "relu", "first": "he", "second": "xavier"}
    high = record.facts.get("closer", direction="activation", **relu).high
    assert high is not None
    assert high < 0


def test_theory_holds_in_the_small_networks(record: Record) -> None:
    """Width 20: ReLU and linear are exact, tanh is corrected for the width."""
    facts = record.facts
    counts = {
        count: facts.value("agreement", quantity="activation", count=count)
        for count in ("checked", "within")
    }
    assert counts == {"checked": 3 * 4 * 3, "within": 3 * 4 * 3}
    relu = {"direction": "activation", "activation": "relu"}
    assert facts.value("predicted_ratio", init="xavier", **relu) == pytest.approx(0.5, rel=1e-6)
    assert facts.value("predicted_ratio", init="he", **relu) == pytest.approx(1.0, rel=1e-6)
    small = {"direction": "activation", "activation": "tanh", "init": "normal_0.01"}
    assert facts.value("ratio", **small) == pytest.approx((20**0.5 * 0.01) ** 2, rel=0.3)


def test_same_seed_same_record_bit_for_bit(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of threads, the same numbers; and torch's own setting is put back."""
    monkeypatch.setattr(sweep, "cores", lambda: 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        again = studies.run(CONFIG, Context(dataset=bars()))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert again.facts == record.facts
    assert again.verdicts == record.verdicts
    for name, array in record.arrays.items():
        assert np.array_equal(array.values, again.arrays[name].values, equal_nan=True), name


def test_a_run_goes_on_where_it_stopped(
    record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = Context(dataset=bars(), folder=tmp_path)
    studies.run(CONFIG, place)
    stored = {path.stem for path in (tmp_path / "trials").iterdir()}
    assert {"learning-0", "learning-1", "before-0", "before-10", "deep-10", "ball-0"} <= stored

    def never(*_: Any) -> Any:
        raise AssertionError("a finished trial must not be run again")

    monkeypatch.setattr(study, "perform", never)
    assert studies.run(CONFIG, place).facts == record.facts
    with pytest.raises(FolderError, match="learning_rate"):
        studies.run(dataclasses.replace(CONFIG, learning_rate=0.2), place)


def test_provenance_counts_the_trials(record: Record) -> None:
    (work,) = record.provenance["work"]
    assert work["trials"] == 2 + 3 * 2
    assert (work["kind"], work["threads"]) == ("threads", 1)


def blank(_study: Any, record: Record) -> dict[str, page.Drawn]:
    """Return empty pictures in the place of the figures, which another test draws."""
    return {
        plot.name: page.Drawn(b"<svg/>", plot.caption_for(record), plot.alt_for(record), 9, 9)
        for plot in PLOTS
        if plot.when(record)
    }


@pytest.mark.slow
def test_figures_draw_from_a_saved_record(record: Record, tmp_path: Path) -> None:
    saved = load(save(record, tmp_path))
    for plot in PLOTS:
        assert plot.when(saved)
        assert all(ax.has_data() for ax in plot.figure(saved).axes), plot.name


def test_captions_name_the_run(record: Record) -> None:
    for plot in PLOTS:
        assert "{" not in plot.caption_for(record) + plot.alt_for(record), plot.name


def test_the_page_renders(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "draw_all", blank)
    html = page.render([record])
    assert 'id="question-2-1"' in html
    assert record.verdicts["2.1"].headline.split(";")[0] in html
    assert html.count("<figure>") == len(PLOTS)
    assert html.count('<span class="number">Table') == len(study_of("initialization").sheets())


def test_a_run_without_training_still_has_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    few = dataclasses.replace(CONFIG, activations=("linear",), sigmas=(0.5,), seeds=2)
    other = studies.run(few, Context(dataset=bars()))
    verdict = other.verdicts["2.1"]
    assert verdict.outcome == "not-run"
    assert "tanh, sigmoid and ReLU" in verdict.headline
    assert other.notices == ()
    assert [plot.name for plot in PLOTS if plot.when(other)] == ["scales", "deep"]
    monkeypatch.setattr(page, "draw_all", blank)
    html = page.render([other])
    assert html.count("<figure>") == 2
    assert html.count('<span class="number">Table') == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sigmas": [0.1, -1.0]}, "sigmas[1]: expected from 0.001 to 10, got -1"),
        ({"sigmas": [0.1, "x"]}, "sigmas[1]: expected a number, got 'x'"),
        ({"sigmas": [0.1, 0.1]}, "sigmas: expected each value once"),
        ({"sigmas": []}, "sigmas: expected one or more numbers"),
        ({"sigmas": 0.1}, "sigmas: expected one or more numbers, got 0.1"),
        ({"sigmas": [float("nan")]}, "sigmas[0]: expected from 0.001"),
        ({"activations": ["relu", "swish"]}, "activations[1]: expected one of linear, tanh"),
        ({"seeds": 1}, "seeds: expected from 2"),
    ],
)
def test_a_bad_parameter_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        InitializationConfig.from_dict(changes)
    assert words in str(caught.value)


def test_predictions_are_of_the_hidden_layers() -> None:
    """By hand for linear: each layer multiplies the mean square by width · σ²."""
    p = predicted(CONFIG, np.array([0.1, 0.2, 0.3]), 784, 3)["linear", "normal_1"]
    first = 784 * 0.2 * 20
    assert p.activation_square == pytest.approx([first, first * 20, first * 400])
    assert p.gradient_ratio == pytest.approx([400, 20, 1])


def test_groups_of_images_predict_as_all_of_them() -> None:
    squares = np.random.default_rng(0).uniform(0.02, 0.3, 101)
    few = grouped(squares, 16)
    assert few.shape == (16,)
    assert few.mean() == pytest.approx(squares.mean())
    tanh = dataclasses.replace(CONFIG, activations=("tanh",))
    a, b = (predicted(tanh, s, 784, 3)[PAIR] for s in (squares, few))
    assert np.allclose(a.activation_square, b.activation_square, rtol=1e-3)
    assert np.allclose(a.gradient_ratio, b.gradient_ratio, rtol=5e-3)


@pytest.mark.parametrize(
    ("second", "within", "within_single"), [(12.2, 2, 2), (12.5, 2, 1), (14.0, 1, 1)]
)
def test_agreement_counts_intervals(second: float, within: int, within_single: int) -> None:
    """Each column: mean 2 or 11, standard error 0.408; t for 95 % is 3.18, for two at once 4.18."""
    values = np.array([[1.0, 10.0], [2.0, 11.0], [3.0, 12.0], [2.0, 11.0]])
    found = agreement([values], [np.array([2.0, second])])
    assert found == {"checked": 2, "within": within, "within_single": within_single}


def test_the_largest_deviation_is_of_root_mean_squares() -> None:
    squares = [np.array([[1.0, 2.0], [1.0, 6.0]]), np.array([[0.25], [0.25]])]
    assert deviation(squares, [np.array([1.0, 1.0]), np.array([1.0])]) == pytest.approx(1.0)
    assert deviation([], []) == 0.0


def test_a_sigma_that_is_xaviers_is_shown_once() -> None:
    assert list(distinct((0.01, 0.1, 0.14), 100)) == ["normal_0.01", "xavier", "he"]
    assert list(distinct((0.01, 0.1, 0.14), 50)) == ["normal_0.01", "normal_0.1", "xavier", "he"]


def test_agreement_of_nothing() -> None:
    assert agreement([], []) == {"checked": 0, "within": 0, "within_single": 0}
