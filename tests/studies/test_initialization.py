"""The initialization study: its record, its words, its figures and its page."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstlight import data, stats
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.context import Context
from firstlight.data import Dataset
from firstlight.errors import ConfigError, FolderError
from firstlight.plotting import plots
from firstlight.record.record import Fact, Record, load, save
from firstlight.report import page
from firstlight.report.view import Drawn
from firstlight.studies.initialization import run as study
from firstlight.studies.initialization import trials
from firstlight.studies.initialization.answers import answer, course, he_verdict, helps, label
from firstlight.studies.initialization.facts import compared, geometric_mean
from firstlight.studies.initialization.networks import names

CONFIG = InitializationConfig(
    seeds=12, images=32, width=20, layers=3, depth=6, training_seeds=2, steps=3, batch_size=8,
    sigmas=(0.01, 1.0),
)  # fmt: skip


def bars(notice: str | None = None) -> Dataset:
    """Return images that are easy to learn: a bright bar whose place is the class."""
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[Any, Any]:
        labels = np.arange(n, dtype=np.uint8) % 10
        images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        for image, label_ in zip(images, labels, strict=True):
            image[4 + 2 * label_ : 7 + 2 * label_] += 150
        return images, labels

    (a, b), (c, d) = some(60), some(50)
    return Dataset("bars", a, b, c, d, tuple("0123456789"), "made up", {"bars": "0" * 64}, notice)


def run(
    patch: pytest.MonkeyPatch,
    config: InitializationConfig = CONFIG,
    notice: str | None = None,
    folder: Path | None = None,
) -> Record:
    patch.setattr(data, "load", lambda name, **_: bars(notice))
    return study.run(config, Context(folder=folder))


@pytest.fixture(scope="module")
def record() -> Record:
    with pytest.MonkeyPatch.context() as patch:
        return run(patch)


def test_every_promised_fact_is_there(record: Record) -> None:
    inits = ("normal_0.01", "normal_1", "xavier", "he")
    assert names(CONFIG.sigmas) == inits
    for activation in ("linear", "tanh", "sigmoid", "relu"):
        for init in inits:
            for layer in (1, 2, 3):
                for name in ("activation_std", "gradient_std", "saturated", "mean_square", "z_std"):
                    fact = record.facts[f"{name}.{activation}.{init}.{layer}"]
                    assert fact.n == 12
                    assert fact.low is not None
                    assert fact.high is not None
                    assert fact.low <= float(fact.value) <= fact.high  # type: ignore[arg-type]
                assert record.value(f"prediction.{activation}.{init}.{layer}") > 0
            assert record.facts[f"ratio.gradient.{activation}.{init}"].n == 12
            if activation != "linear":
                assert record.facts[f"loss_after.{activation}.{init}"].n == 2
    assert "loss_after.linear.he" not in record.facts
    assert record.facts["ball.activation_std.tanh.xavier.3"].n == 12


def test_facts_repeat_what_the_arrays_hold(record: Record) -> None:
    measured = record.arrays["before.measured"]
    assert measured.axes == ("seed", "activation", "init", "layer", "measure")
    assert measured.values.shape == (12, 4, 4, 3, 8)
    deviation = measured.values[:, 3, 2, :, 3]  # ReLU, Xavier, standard deviation of activations
    assert record.value("activation_std.relu.xavier.2") == pytest.approx(deviation[:, 1].mean())
    ratio = np.exp(np.log(deviation[:, 2] / deviation[:, 0]).mean())
    assert record.value("ratio.activation.relu.xavier") == pytest.approx(ratio)
    gradient = measured.values[:, 1, 3, :, 5]  # tanh, He
    back = np.exp(np.log(gradient[:, 0] / gradient[:, 2]).mean())
    assert record.value("ratio.gradient.tanh.he") == pytest.approx(back)
    curve = record.arrays["loss.curve"].values
    assert curve.shape == (2, 3, 4, 4)
    expected = (curve[:, 2, 3, -1] - curve[:, 2, 2, -1]).mean()
    assert record.value("difference.loss.relu.he.xavier") == pytest.approx(expected)
    assert record.arrays["before.sample"].values.shape == (4, 4, 3, 3, 2_000)
    assert record.arrays["deep.measured"].values.shape == (12, 4, 4, 6, 2)


def test_the_closer_ratio_has_the_smaller_logarithm(record: Record) -> None:
    gradient = record.arrays["before.measured"].values[:, 1, :, :, 5]  # tanh
    away = np.abs(np.log10(gradient[:, :, 0] / gradient[:, :, -1]))
    expected = (away[:, 2] - away[:, 0]).mean()
    assert record.value("closer.gradient.tanh.xavier.normal_0.01") == pytest.approx(expected)
    assert expected < -1
    assert record.facts["closer.activation.relu.he.xavier"].high < 0  # type: ignore[operator]


def test_theory_holds_in_the_small_networks(record: Record) -> None:
    """Width 20: ReLU and linear are exact, tanh is corrected for the width."""
    checked = record.value("agreement.activation.checked")
    assert checked == 3 * 4 * 3
    assert record.value("agreement.activation.within") == checked
    assert record.value("predicted_ratio.activation.relu.xavier") == pytest.approx(0.5, rel=1e-6)
    assert record.value("predicted_ratio.activation.relu.he") == pytest.approx(1.0, rel=1e-6)
    expected = (20**0.5 * 0.01) ** 2
    assert record.value("ratio.activation.tanh.normal_0.01") == pytest.approx(expected, rel=0.3)


def test_same_seed_same_record_bit_for_bit(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of threads, the same numbers; and torch's own setting is put back."""
    monkeypatch.setattr(trials, "cores", lambda: 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        again = run(monkeypatch)
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
    run(monkeypatch, folder=tmp_path)
    kept = sorted(path.name for path in (tmp_path / "trials").iterdir())
    assert "before-10.safetensors" in kept
    assert "learning-1.safetensors" in kept

    def never(*_: Any) -> Any:
        raise AssertionError("a finished part must not be done again")

    monkeypatch.setattr(trials, "_do", never)
    assert run(monkeypatch, folder=tmp_path).facts == record.facts
    with pytest.raises(FolderError, match="learning_rate"):
        run(monkeypatch, dataclasses.replace(CONFIG, learning_rate=0.2), folder=tmp_path)


def test_progress_reaches_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(data, "load", lambda name, **_: bars())
    config = dataclasses.replace(CONFIG, seeds=2, sigmas=(0.5,))
    study.run(config, Context(progress=lambda *now: told.append(now)))
    assert told == [("initialization", done, 5) for done in range(1, 6)]


def test_figures_draw_from_a_saved_record(record: Record, tmp_path: Path) -> None:
    kept = load(save(record, tmp_path))
    for plot in plots("initialization"):
        figure = plot.figure(kept)
        assert plot.when(kept)
        assert all(ax.has_data() for ax in figure.axes), plot.name
        assert plot.caption_for(kept)
        assert plot.alt_for(kept)


def blank(record: Record) -> dict[str, Drawn]:
    """Return empty pictures in the place of the figures, which another test draws."""
    return {
        plot.name: Drawn(b"<svg/>", plot.caption_for(record), plot.alt_for(record), 9, 9)
        for plot in plots(record.study)
        if plot.when(record)
    }


def test_the_page_renders(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "draw_all", blank)
    html = page.render([record])
    assert 'id="question-2-1"' in html
    assert record.verdicts["2.1"].split(";")[0] in html
    assert html.count("<figure>") == len(plots("initialization"))


def test_a_run_without_training_still_has_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    few = dataclasses.replace(CONFIG, activations=("linear",), sigmas=(0.5,), seeds=2)
    other = run(monkeypatch, few, "Bars stand in for MNIST.")
    assert other.verdicts["2.1"] == (
        "On bars (stand-in data): Not answered: this run left out tanh, sigmoid and ReLU."
    )
    assert other.notices == ("Bars stand in for MNIST.",)
    drawable = [plot.name for plot in plots("initialization") if plot.when(other)]
    assert drawable == ["scales", "deep"]
    monkeypatch.setattr(page, "draw_all", blank)
    html = page.render([other])
    assert html.count("<figure>") == 2


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


def test_geometric_mean_and_its_edges() -> None:
    fact = geometric_mean(np.array([0.5, 2.0, 1.0]))
    assert fact.value == pytest.approx(1.0)
    assert fact.low == pytest.approx(1 / fact.high)  # type: ignore[operator]  # a number
    zero = geometric_mean(np.array([0.0, 1.0, 2.0]))
    assert (zero.value, zero.low, zero.n) == (1.0, None, 3)


@pytest.mark.parametrize(
    ("fact", "sign"),
    [
        (Fact(0.05, 0.01, 0.09, 9), -1), (Fact(0.05, 0.01, 0.11, 9), 0), (Fact(1.0, 0.9, 1.1, 9), 0),
        (Fact(20.0, 11.0, 30.0, 9), 1), (Fact(20.0, 9.0, 30.0, 9), 0), (Fact(0.0, n=9), 0),
    ],
)  # fmt: skip
def test_vanishing_needs_the_whole_interval(fact: Fact, sign: int) -> None:
    assert course(fact) == sign


def told(record: Record, **changes: Fact) -> str:
    """Return the answer where some facts, named with ``__`` for dots, are others."""
    others = {name.replace("__", "."): fact for name, fact in changes.items()}
    assert others.keys() <= record.facts.keys()
    return answer({**record.facts, **others}, CONFIG)


BETTER, WORSE, UNSURE = Fact(-1.0, -1.5, -0.5, 9), Fact(1.0, 0.5, 1.5, 9), Fact(-0.1, -1.0, 0.8, 9)


def test_he_is_called_better_only_by_all_measures(record: Record) -> None:
    keys = [
        f"{k}.relu.he.xavier" for k in ("closer.activation", "closer.gradient", "difference.loss")
    ]

    def verdict(*facts: Fact) -> str:
        return he_verdict({**record.facts, **dict(zip(keys, facts, strict=True))})

    assert verdict(BETTER, BETTER, BETTER) == "He suits ReLU better than Xavier"
    assert verdict(WORSE, WORSE, WORSE) == "Xavier suits ReLU better than He"
    mixed = verdict(BETTER, WORSE, UNSURE)
    assert "depends on the measure" in mixed
    assert "activations better with He, gradients better with Xavier, loss cannot tell" in mixed


def test_xaviers_help_is_computed(record: Record) -> None:
    def changed(scale: Fact, loss: Fact, after: float) -> str:
        facts = dict(record.facts)
        for other in ("normal_0.01", "normal_1"):
            facts[f"closer.gradient.tanh.xavier.{other}"] = scale
            facts[f"difference.loss.tanh.xavier.{other}"] = loss
        facts["loss_after.tanh.xavier"] = Fact(after, after, after, 9)
        return answer(facts, CONFIG)

    start = "Against σ = 0.01: "
    assert changed(BETTER, BETTER, 0.5).startswith(f"{start}Xavier helps tanh; ")
    assert changed(BETTER, WORSE, 0.5).startswith(
        f"{start}Xavier helps the gradients of tanh, but its loss is higher; "
    )
    assert "but cannot tell at this n" in changed(BETTER, UNSURE, 0.5)
    assert "neither learns" in changed(BETTER, BETTER, 2.3)
    assert changed(UNSURE, BETTER, 0.5).startswith(f"{start}Xavier is not shown to help tanh; ")
    assert changed(WORSE, WORSE, 0.5).count("farther from one; loss after 3 steps higher") == 2
    assert helps(record.facts, "tanh", "xavier", "normal_0.01")[0] == -stats.direction(
        record.facts["closer.gradient.tanh.xavier.normal_0.01"]
    )


def test_the_answer_says_whether_theory_agrees(record: Record) -> None:
    assert "Theory agrees: the predicted" in told(record)
    fewer = told(record, agreement__activation__within=Fact(30))
    assert "Theory does not agree everywhere: the predicted" in fewer
    assert "in 30 of 36 simultaneous" in fewer


def test_names_for_readers() -> None:
    assert [label(init) for init in names((0.14,))] == ["σ = 0.14", "Xavier", "He"]
    assert compared(("normal_1", "xavier", "he"))[-1] == ("he", "xavier")
