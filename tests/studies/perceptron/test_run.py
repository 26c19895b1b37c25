"""The perceptron study: known values, pairs, reproducibility, figures and page."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from firstlight import studies as study
from firstlight.context import Context
from firstlight.record import Record
from firstlight.record.files import to_json
from firstlight.report import page
from firstlight.studies.perceptron.answers import remarks, scale
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.figures import PLOTS
from firstlight.studies.perceptron.labels import CRITERIA
from firstlight.studies.study import checkpoints

CONFIG = PerceptronConfig(repeats=300, max_epochs=2_000)


def test_checkpoints_end_with_the_last_epoch() -> None:
    assert checkpoints(1) == [1]
    assert checkpoints(100) == [1, 2, 5, 10, 20, 50, 100]
    assert checkpoints(300)[-2:] == [200, 300]


@pytest.mark.parametrize("seed", range(2))
def test_known_values_are_met(seed: int) -> None:
    """Expected: 20,000 sets of another implementation; tolerance: 5 standard errors at 2,000."""
    facts = study.run(PerceptronConfig(seed=seed)).facts
    expected = {
        "accuracy.perceptron": (0.9665, 0.005),
        "accuracy.hinge": (0.973, 0.005),
        "disagreement.perceptron": (0.053, 0.006),
        "disagreement.hinge": (0.040, 0.006),
        "early.accuracy.hinge": (0.889, 0.01),
        "early.disagreement.hinge": (0.165, 0.02),
    }
    for name, (value, tolerance) in expected.items():
        assert facts[name].value == pytest.approx(value, abs=tolerance), name


def test_the_same_seed_gives_the_same_bits(record: Record) -> None:
    again = study.run(CONFIG)
    assert again.facts == record.facts
    assert again.verdicts == record.verdicts
    for name, array in record.arrays.items():
        np.testing.assert_array_equal(again.arrays[name].values, array.values)
    other = study.run(replace(CONFIG, seed=1))
    assert other.facts != record.facts


def test_differences_are_hinge_minus_perceptron(record: Record) -> None:
    facts = record.facts
    for name in (
        "accuracy", "test_accuracy", "disagreement", "test_disagreement", "reordered", "offcentre",
    ):  # fmt: skip
        gap = facts.value(name, criterion="hinge") - facts.value(name, criterion="perceptron")
        assert facts.value(name, criterion="difference") == pytest.approx(gap, abs=1e-12)
    early = facts["early.accuracy.hinge"], facts["early.accuracy.perceptron"]
    gap = float(early[0]) - float(early[1])
    assert float(facts["early.difference"]) == pytest.approx(gap, abs=1e-12)
    assert facts["accuracy.hinge"].n == 300


def test_the_first_draw_is_counted_on_its_own_points(record: Record) -> None:
    points, weights = (record.data[name].values for name in ("test_points", "first_weights"))
    right = (points @ weights.T > 0) == (points[:, :1] > points[:, 1:])
    facts = record.facts
    assert facts["first.accuracy.perceptron"].value == right[:, 0].mean()
    assert facts["first.accuracy.hinge"].value == right[:, 1].mean()
    areas = [float(facts[f"first.area.{name}"]) for name in CRITERIA]
    assert facts["first.area.difference"].value == areas[1] - areas[0]


def test_without_the_sets_that_did_not_converge(record: Record) -> None:
    done = record.data["converged"].values.all(axis=0)
    assert 0 < done.sum() < done.size
    for row, name in enumerate(CRITERIA):
        fact = record.facts.get("accuracy_converged", criterion=name)
        assert fact.value == pytest.approx(record.data["accuracy"].values[row, done].mean())
        assert fact.n == done.sum()


def test_a_line_in_the_middle_depends_less_on_the_order(record: Record) -> None:
    fact = record.facts.get("reordered", criterion="difference")
    assert fact.high is not None
    assert fact.high < 0


def test_the_last_point_of_the_curve_is_the_answer(record: Record) -> None:
    for name in CRITERIA:
        curve = record.data["curve_accuracy"].sel(arm=name)
        fact = record.facts.get("accuracy", criterion=name)
        assert curve[-1].values.tolist() == [fact.value, fact.low, fact.high]


def test_many_small_chunks_equal_one(monkeypatch: Any) -> None:
    from firstlight.studies.perceptron import run as perceptron

    config = PerceptronConfig(repeats=200, max_epochs=50)
    whole, calls = study.run(config), []
    monkeypatch.setattr(perceptron, "_chunks", lambda config: iter([64, 64, 72]))
    parts = study.run(config, Context(progress=lambda *call: calls.append(call)))
    assert parts.facts == whole.facts
    assert calls == [("training sets", done, 200) for done in (64, 128, 200)]


TINY = [
    {"repeats": 2, "train_points": 2, "test_points": 1, "max_epochs": 1},
    {"repeats": 3, "train_points": 2, "max_epochs": 3, "learning_rate": 1e-12},
    {"repeats": 20, "train_points": 2, "max_epochs": 3, "learning_rate": 1e6},
]


@pytest.mark.parametrize("changes", TINY, ids=str)
def test_extreme_configs_still_give_a_page(changes: dict[str, Any]) -> None:
    check_page(study.run(PerceptronConfig(**changes)))


def check_page(record: Record) -> None:
    json.loads(to_json(record.as_dict()))
    text = page.render([record])
    assert text.count("<figure>") == len(PLOTS)
    assert "Not answered" not in text
    for plot in PLOTS:
        assert len(plot.alt_for(record)) > 40
        assert "{" not in plot.caption_for(record) + plot.alt_for(record)


def test_a_run_says_how_large_it_was(record: Record) -> None:
    assert scale(record) == "300 training sets of 20 points"


def test_the_page_shows_figures_and_verdicts(record: Record) -> None:
    check_page(record)


def test_unconverged_sets_are_counted() -> None:
    record = study.run(PerceptronConfig(repeats=50, max_epochs=1))
    assert record.facts["converged.hinge"].value == 0.0
    assert record.facts["first.converged.hinge"].value is False
    assert "50 of 50 trainings that had not converged" in remarks(record)["1.2"][1]
    assert not record.facts.has("accuracy_converged", criterion="hinge")
