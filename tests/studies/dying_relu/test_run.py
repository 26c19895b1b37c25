"""The dying ReLU study: names, facts, arrays, known shares, theory, figures and page."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight import studies
from firstlight.cli import main
from firstlight.errors import ConfigError
from firstlight.record import Record, load, save
from firstlight.record.files import to_json
from firstlight.report import page
from firstlight.studies.dying_relu import labels
from firstlight.studies.dying_relu.config import FUNCTIONS, INITS, RECTIFIERS, DyingReluConfig
from firstlight.studies.dying_relu.figures import PLOTS
from firstlight.studies.dying_relu.tables import SHEETS

ONE: dict[str, Any] = {"function": ("abs",), "activation": ("relu",), "init": ("he",)}
FINAL = {*labels.FINAL, "r2"}


def test_everything_has_a_label() -> None:
    assert list(labels.FUNCTIONS) == list(FUNCTIONS)
    assert list(labels.ACTIVATIONS) == list(RECTIFIERS)
    assert list(labels.INITS) == list(INITS)


def test_checkpoints() -> None:
    assert DyingReluConfig(epochs=1).checkpoints == [0, 1]
    assert DyingReluConfig(epochs=100).checkpoints == [0, 1, 2, 5, 10, 20, 50, 100]
    assert DyingReluConfig(epochs=300).checkpoints[-2:] == [200, 300]


def test_facts_of_many_combinations_have_coordinates(record: Record) -> None:
    for function in FUNCTIONS:
        for init in ("he", "rai", "torch"):
            where = {"function": function, "init": init}
            for activation in RECTIFIERS:
                for name in FINAL:
                    assert record.facts.get(name, activation=activation, **where).n == 48
            for definition in labels.DEFINITIONS:
                for name in ("change", "helps_from"):
                    assert record.facts.has(name, definition=definition, **where)
    assert not FINAL & set(record.facts)
    assert {"collapsed.abs.relu.he", "change.flat.step.rai"} <= set(record.facts)
    assert record.facts.value("network_steps_per_second") > 0
    assert record.provenance["engine"] == ["machine code"]


@pytest.mark.parametrize("name", ["collapsed", "born_dead", "flat"])
def test_functions_are_pooled(record: Record, name: str) -> None:
    where = {"activation": "relu", "init": "torch"}
    each = [record.facts.get(name, function=f, **where) for f in FUNCTIONS]
    pooled = record.facts.get(name, **where)
    assert pooled.n == 3 * 48
    assert pooled.value == pytest.approx(np.mean([float(fact) for fact in each]))


def test_what_was_not_simulated_is_left_out(small: dict[str, Any]) -> None:
    config = DyingReluConfig(**{**small, "other_inits": "first", "simulations": 4})
    record = studies.run(config)
    where = {"activation": "relu", "init": "rai"}
    assert record.facts.has("collapsed", function="abs", **where)
    assert not record.facts.has("collapsed", function="step", **where)
    assert record.facts.find("collapsed", **where) is None
    born = record.data["born_dead"].sel(where)
    assert np.isnan(born.sel(function="step")).all()
    assert np.isfinite(born.sel(function="abs")).all()
    rows = next(s for s in SHEETS if s.name == "others").rows(record)
    assert [row[0] for row in rows] == [labels.FUNCTIONS["abs"]] * 4


def test_one_combination_has_plain_names_too(small: dict[str, Any]) -> None:
    record = studies.run(DyingReluConfig(**small, **ONE))
    for name in FINAL:
        assert record.facts[name] == record.facts[f"{name}.abs.relu.he"]
    assert record.verdicts["2.3"].outcome == "not-run"
    assert not {"change", "first_epoch"} & set(record.facts.measures())


@pytest.mark.parametrize(
    "end", ["abs relu he", "step relu rai", "xsin leaky-relu torch"], ids=str.split
)
def test_fates_add_up(record: Record, end: str) -> None:
    where = dict(zip(("function", "activation", "init"), end.split(), strict=True))
    assert sum(record.facts.value(fate, **where) for fate in labels.FATES) == pytest.approx(1)


def test_differences_are_leaky_minus_relu(record: Record) -> None:
    where = {"function": "xsin", "init": "he"}
    for name in labels.DEFINITIONS:
        leaky, relu = (
            record.facts.value(name, activation=a, **where) for a in ("leaky-relu", "relu")
        )
        change = record.facts.value("change", definition=name, **where)
        assert change == pytest.approx(leaky - relu)
    for name in ("dead_layer", "born_dead"):
        assert record.facts.value(name, function="abs", activation="leaky-relu", init="he") == 0


def test_arrays_agree_with_facts(record: Record) -> None:
    data = record.data
    where = {"function": "xsin", "activation": "relu", "init": "torch"}
    assert data["final_range"].shape == (3, 2, 3, 48)
    collapsed = (data["final_range"].sel(where) < labels.CONSTANT).mean()
    assert float(collapsed) == record.facts.value("collapsed", **where)
    where = {"function": "step", "activation": "leaky-relu", "init": "rai"}
    fact = record.facts.get("flat", **where)
    curve = data["curve_share"].sel(where).sel(measure="flat", epoch=2)
    assert curve.values.tolist() == [fact.value, fact.low, fact.high]
    born, dead = (data[n].sel(activation="relu").values for n in ("born_dead", "final_dead_layer"))
    assert dead[born == 1].all()  # a network that is born dead never revives
    spans = data["sample_output"].max("point") - data["sample_output"].min("point")
    np.testing.assert_array_equal(spans < labels.CONSTANT, data["sample_collapsed"])


@pytest.mark.parametrize("seed", range(2))
def test_known_shares_are_met(seed: int) -> None:
    """Born dead: the exact probability; collapsed after 10 epochs: between it and 92.4 %, measured
    elsewhere after 300 epochs on 5,000 networks. Tolerance: 5 standard errors at n = 300."""
    config = DyingReluConfig(
        function=("abs",), init=("he",), simulations=300, epochs=10, points=1_000, seed=seed
    )
    facts = studies.run(config).facts
    error = 5 * np.sqrt(0.88 * 0.12 / 300)
    assert facts.value("born_dead") == pytest.approx(0.880, abs=error)
    assert 0.880 - error < facts.value("collapsed") < 0.924 + error
    change = facts.get("change", definition="collapsed", function="abs", init="he")
    assert change.high is not None
    assert change.high < -0.5


@pytest.fixture(scope="module")
def thousand() -> Record:
    one = {"activation": ("relu",), "init": ("he",), "points": 64, "epochs": 1}
    return studies.run(DyingReluConfig(simulations=1_000, **one))


def test_born_dead_is_found_again_by_plain_numpy(thousand: Record) -> None:
    """Own draws, own loops: with zero biases a network of one input is decided at x = ±1.

    Tolerance: 4 standard errors.
    """
    rng, many = np.random.default_rng(7), 40_000
    h, alive = np.broadcast_to([[1.0, -1.0]], (many, 1, 2)), np.ones(many, bool)
    for inputs in (1, *[2] * 8):
        h = np.maximum(rng.normal(size=(many, 2, inputs)) @ h, 0)
        h = h / np.maximum(h.max(axis=(1, 2), keepdims=True), 1e-300)
        alive &= (h > 0).any(axis=(1, 2))
    again, error = 1 - alive.mean(), np.sqrt(0.88 * 0.12)
    exact = thousand.facts.value("born_dead_theory", init="he")
    pooled = thousand.facts.get("born_dead", activation="relu", init="he")
    assert again == pytest.approx(exact, abs=4 * error / np.sqrt(many))
    assert pooled.n == 3_000
    assert pooled.value == pytest.approx(again, abs=4 * error / np.sqrt(3_000))
    born = thousand.data["born_dead"].sel(activation="relu", init="he")
    assert float(born.mean()) == pytest.approx(pooled.value)


def check_page(record: Record) -> None:
    json.loads(to_json(record.as_dict()))
    text = page.render([record])
    assert text.count("<figure>") == sum(plot.when(record) for plot in PLOTS)
    assert text.count("</table>") >= sum(sheet.when(record) for sheet in SHEETS)
    for plot in PLOTS:
        assert len(plot.alt_for(record)) > 40
        assert len(plot.caption_for(record)) > 40


@pytest.mark.slow
def test_the_page_shows_all_figures_and_tables(record: Record, tmp_path: Path) -> None:
    check_page(load(save(record, tmp_path)))
    assert all(item.when(record) for item in (*PLOTS, *SHEETS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"simulations": 1, "points": 2, "epochs": 1, "depth": 2, "width": 1, **ONE},
        {
            "simulations": 5, "points": 20, "epochs": 1, "function": ("abs",),
            "activation": ("leaky-relu",), "init": ("xavier", "orthogonal"),
        },
        {
            "simulations": 3, "points": 20, "epochs": 3, "function": ("step", "abs"),
            "init": ("he",), "learning_rate": 10.0,
        },
    ],
    ids=["one", "leaky", "wild"],
)  # fmt: skip  # one config a line reads better
def test_unusual_configs_still_give_a_page(changes: dict[str, Any]) -> None:
    check_page(studies.run(DyingReluConfig(**changes)))


def test_the_command_line_takes_one_value_or_several(tmp_path: Path, capsys: Any) -> None:
    small = ["--simulations", "4", "--points", "8", "--epochs", "1", "--init", "he", "--json"]
    several = ["--function", "abs", "xsin", "--activation", "relu", "--out", str(tmp_path / "a")]
    assert main(["run", "dying-relu", *several, *small]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert {"collapsed.abs.relu.he", "collapsed.xsin.relu.he"} <= set(facts)
    one = ["--function", "abs", "--activation", "relu", "--out", str(tmp_path / "b")]
    assert main(["run", "dying-relu", *one, *small]) == 0
    assert "collapsed" in json.loads(capsys.readouterr().out)["facts"]


def test_theory_lies_between_its_bounds(record: Record) -> None:
    """The formulas of Lu et al., written out again; simulated shares to 5 standard errors."""
    data = record.data
    lower, upper, exact = (data[f"theory_{name}"] for name in ("lower", "upper", "exact"))
    formula = 1 - (1 - 2.0**-upper.width) ** (upper.depth - 1)
    np.testing.assert_allclose(upper, formula, rtol=1e-9)
    assert bool((lower <= upper).all())
    assert float(exact.sel(exact_depth=3)) == pytest.approx(5 / 32, abs=1e-6)
    assert float(exact.sel(exact_depth=10)) == pytest.approx(0.880, abs=0.002)
    shares = data["theory_simulated"].sel(statistic="value")
    for share in shares.stack(shape=shares.dims):
        place = {"width": int(share.simulated_width), "depth": int(share.simulated_depth)}
        error = 5 * np.sqrt(max(float(share * (1 - share)), 1e-3) / 2_000)
        assert lower.sel(place) - error < share < upper.sel(place) + error
    safe = data["theory_safe_width"]
    bound = 1 - (1 - 2.0**-safe) ** (safe.depth - 1)
    narrower = 1 - (1 - 2.0 ** -(safe - 1)) ** (safe.depth - 1)
    assert bool(((bound <= safe.risk) & (narrower > safe.risk)).all())


def test_presets_and_choices() -> None:
    for name in ("class", "full"):
        preset = DyingReluConfig.preset(name).as_dict()
        assert (preset["epochs"], preset["simulations"], preset["points"]) == (300, 1_000, 3_000)
        assert preset["other_inits"] == "all"
    with pytest.raises(ConfigError, match="function"):
        DyingReluConfig.from_dict({"function": ["sin"]})


@pytest.mark.slow
def test_torch_is_not_imported() -> None:
    code = (
        "import sys\nfrom firstlight import studies\n"
        "from firstlight.studies.dying_relu.config import DyingReluConfig\n"
        "one = {'function': ('abs',), 'init': ('he',)}\n"
        "studies.run(DyingReluConfig(simulations=2, points=8, epochs=1, **one))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
