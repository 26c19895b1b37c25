"""The dying ReLU study: pairs, facts, resuming, verdicts, known shares, figures, page."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight.cli import main
from firstlight.studies import STUDIES
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.context import Context
from firstlight.errors import ConfigError, FolderError
from firstlight.studies.dying_relu.figures import PLOTS
from firstlight.record.files import to_json
from firstlight.record.record import Fact, Record, load, save
from firstlight.report import page
from firstlight.studies.dying_relu import run as dying_relu
from firstlight.studies.dying_relu import trials
from firstlight.studies.dying_relu.run import run
from firstlight.studies.dying_relu.answers import verdicts
from firstlight.studies.dying_relu.theory import theory_arrays
from firstlight.studies.dying_relu.trials import Combination

SMALL: dict[str, Any] = {"simulations": 48, "points": 100, "epochs": 2, "batch_size": 32}
ONE: dict[str, Any] = {"function": ("abs",), "activation": ("relu",), "init": ("he",)}
FINAL = (
    "dead_layer", "collapsed", "flat", "fitted", "born_dead", "died_in_training", "trained",
    "diverged", "r2",
)  # fmt: skip
RELU, LEAKY = Combination("abs", "relu", "he"), Combination("abs", "leaky-relu", "he")


@pytest.fixture(scope="module", autouse=True)
def theory_once() -> Iterator[None]:
    """Compute what no test here changes a single time: it takes longer than these trainings."""
    with pytest.MonkeyPatch.context() as patch:
        found: dict[int, Any] = {}

        def once(config: DyingReluConfig) -> Any:
            if config.seed not in found:
                found[config.seed] = theory_arrays(config)
            return found[config.seed]

        patch.setattr(dying_relu, "theory_arrays", once)
        yield


@pytest.fixture(scope="module")
def record() -> Record:
    return run(DyingReluConfig(**SMALL), Context())


def same(one: Record, two: Record) -> None:
    """Fail unless two records agree in every bit but for the speed."""
    assert {**one.facts, "network_steps_per_second": None} == {
        **two.facts, "network_steps_per_second": None,
    }  # fmt: skip
    assert one.verdicts == two.verdicts
    assert list(one.arrays) == list(two.arrays)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array.values, two.arrays[name].values, err_msg=name)


def test_both_activations_see_the_same_draws() -> None:
    config = DyingReluConfig(**SMALL)
    np.testing.assert_array_equal(
        trials.weights(config, RELU, 0, 9), trials.weights(config, LEAKY, 0, 9)
    )
    for a, b in zip(trials.data_of(config, RELU)(0, 3), trials.data_of(config, LEAKY)(0, 3), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        trials.orders(config, RELU, 0, 9), trials.orders(config, LEAKY, 0, 9)
    )


def test_draws_differ_by_function_seed_and_simulation() -> None:
    config, other = DyingReluConfig(**SMALL), DyingReluConfig(**SMALL, seed=1)
    xsin = Combination("xsin", "relu", "he")
    found = [
        trials.weights(c, w, 0, 40) for c, w in ((config, RELU), (config, xsin), (other, RELU))
    ]
    assert len({row.tobytes() for rows in found for row in rows}) == 3 * 40
    points = [
        trials.data_of(c, w)(0, 5)[0] for c, w in ((config, RELU), (config, xsin), (other, RELU))
    ]
    assert len({row.tobytes() for rows in points for row in rows}) == 3 * 5
    assert len(np.unique(trials.orders(config, RELU, 0, 1_000))) == 1_000


def test_draws_belong_to_a_simulation_by_its_index() -> None:
    config = DyingReluConfig(**SMALL)
    np.testing.assert_array_equal(
        trials.weights(config, RELU, 0, 50)[21:37], trials.weights(config, RELU, 21, 37)
    )
    np.testing.assert_array_equal(
        trials.orders(config, RELU, 0, 9)[4:], trials.orders(config, RELU, 4, 9)
    )
    x, y = trials.data_of(config, RELU)(5, 8)
    again, _ = trials.data_of(config, RELU, offset=4)(1, 4)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, abs(x))
    assert x.shape == (3, 100, 1)


def test_chunks_cover_every_simulation_and_bound_memory() -> None:
    for changes in ({}, {"simulations": 10_001}, {"width": 128, "depth": 100, "simulations": 40}):
        config = DyingReluConfig(**changes)
        found = list(trials.chunks(config))
        assert [r for first, last in found for r in range(first, last)] == list(
            range(config.simulations)
        )
        assert max(last - first for first, last in found) <= trials.CHUNK
    assert found == [(0, 16), (16, 32), (32, 40)]


def test_checkpoints() -> None:
    assert trials.checkpoints(1) == [0, 1]
    assert trials.checkpoints(100) == [0, 1, 2, 5, 10, 20, 50, 100]
    assert trials.checkpoints(300)[-2:] == [200, 300]


def test_many_combinations_have_dotted_names_only(record: Record) -> None:
    for function in ("abs", "xsin", "step"):
        for init in ("he", "rai", "torch"):
            for activation in ("relu", "leaky-relu"):
                for name in FINAL:
                    assert record.facts[f"{name}.{function}.{activation}.{init}"].n == 48
            for name in ("collapsed", "flat"):
                assert {f"change.{name}.{function}.{init}", f"mcnemar.{name}.{function}.{init}"} <= set(record.facts)  # fmt: skip
    assert not set(FINAL) & set(record.facts)
    assert record.value("network_steps_per_second") > 0


def test_one_combination_has_plain_names_too() -> None:
    record = run(DyingReluConfig(**SMALL, **ONE), Context())
    for name in FINAL:
        assert record.facts[name] == record.facts[f"{name}.abs.relu.he"]
    assert "Not answered" in record.verdicts["2.3"]
    assert not [name for name in record.facts if name.startswith(("change.", "flat_after."))]


def test_fates_add_up_and_differences_are_leaky_minus_relu(record: Record) -> None:
    for end in ("abs.relu.he", "step.relu.rai", "xsin.leaky-relu.torch"):
        fates = [record.value(f"{n}.{end}") for n in ("born_dead", "died_in_training", "trained")]
        assert sum(fates) == pytest.approx(1)
    for name in ("collapsed", "flat"):
        gap = record.value(f"{name}.xsin.leaky-relu.he") - record.value(f"{name}.xsin.relu.he")
        assert record.value(f"change.{name}.xsin.he") == pytest.approx(gap)
    assert record.value("dead_layer.abs.leaky-relu.he") == 0
    assert record.value("born_dead.abs.leaky-relu.he") == 0


def test_arrays_agree_with_facts(record: Record) -> None:
    spans, shares = record.arrays["final.range"].values, record.arrays["curve.share"].values
    assert spans.shape == (3, 2, 3, 48)
    assert (spans[1, 0, 2] < 1e-6).mean() == record.value("collapsed.xsin.relu.torch")
    fact = record.facts["flat.step.leaky-relu.rai"]
    assert shares[2, 1, 1, 2, -1].tolist() == [fact.value, fact.low, fact.high]
    born, dead = record.arrays["born_dead"].values, record.arrays["final.dead_layer"].values
    assert dead[:, 0][born[:, 0]].all()  # a network that is born dead never revives
    collapsed, drawn = (record.arrays[f"sample.{n}"].values for n in ("collapsed", "output"))
    for flags, lines in zip(collapsed[:, 0], drawn[:, 0], strict=True):
        known = ~np.isnan(lines[:, 0])
        np.testing.assert_array_equal(np.ptp(lines[known], axis=1) < 1e-6, flags[known])


def test_chunks_and_resuming_change_no_bit(monkeypatch: Any, tmp_path: Path) -> None:
    config = DyingReluConfig(**SMALL, function=("abs",), init=("he", "rai"))
    whole, calls, real = run(config, Context()), [], trials.train
    monkeypatch.setattr(trials, "CHUNK", 16)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(trials, "train", counted)
    context = Context(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(config, context)
    assert len(list((tmp_path / "trials").iterdir())) == 5
    same(run(config, context), whole)
    assert len(calls) == 1 + 4 * 3  # the one that was stopped is the only one begun twice
    again = run(config, context)
    assert len(calls) == 1 + 4 * 3
    same(again, whole)
    assert again.value("network_steps_per_second") > 0
    with pytest.raises(FolderError, match="is another trial"):
        run(DyingReluConfig(**{**SMALL, "epochs": 1}), context)


def test_progress_counts_every_simulation(tmp_path: Path) -> None:
    calls: list[Any] = []
    config = DyingReluConfig(**{**SMALL, **ONE, "activation": ("relu", "leaky-relu")})
    run(config, Context(progress=lambda *call: calls.append(call)))
    assert {(label, total) for label, _, total in calls} == {("simulations", 96)}
    done = [count for _, count, _ in calls]
    assert (done, done[-1]) == (sorted(done), 96)


@pytest.mark.parametrize("seed", range(2))
def test_known_shares_are_met(seed: int) -> None:
    """Born dead: the exact probability; collapsed after 10 epochs: between it and 92.4 %, measured
    elsewhere after 300 epochs on 5,000 networks. Tolerance: 5 standard errors at n = 300."""
    config = DyingReluConfig(
        function=("abs",), init=("he",), simulations=300, epochs=10, points=1_000, seed=seed
    )
    facts = run(config, Context()).facts
    error = 5 * np.sqrt(0.88 * 0.12 / 300)
    assert facts["born_dead.abs.relu.he"].value == pytest.approx(0.880, abs=error)
    collapsed = float(facts["collapsed.abs.relu.he"].value or 0)
    assert 0.880 - error < collapsed < 0.924 + error
    assert float(facts["change.collapsed.abs.he"].high or 0) < -0.5


def altered(record: Record, **values: Mapping[str, Fact] | Fact) -> dict[str, str]:
    return verdicts({**record.facts, **values}, DyingReluConfig(**SMALL))  # type: ignore[arg-type]


def collapsed(**shares: tuple[float, float]) -> dict[str, Any]:
    """Return facts with these intervals for ReLU and He, by function."""
    return {
        f"collapsed.{f}.relu.he": Fact((a + b) / 2, a, b, 1_000) for f, (a, b) in shares.items()
    }


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        (((0.91, 0.93),) * 3, "Yes, over 90 % collapsed, as Lu et al. report: 92.0 % (95 % interval 91.0 to 93.0 %) on |x|"),
        (((0.85, 0.89),) * 3, "No, fewer than the reported 90 % collapsed"),
        (((0.88, 0.91),) * 3, "Cannot tell at n = 48 whether over 90 % collapsed"),
        (((0.91, 0.93), (0.88, 0.91), (0.8, 0.85)), "It depends on the function: over 90 %, as Lu et al. report, on |x|; fewer than 90 % on 1{x>0} + 0.2·sin(5x); at n = 48 cannot tell on x·sin(5x)"),
    ],
)  # fmt: skip
def test_verdict_on_ninety_percent(record: Record, shares: Any, words: str) -> None:
    names = ("abs", "xsin", "step")
    assert words in altered(record, **collapsed(**dict(zip(names, shares, strict=True))))["2.2"]


@pytest.mark.parametrize(
    ("interval", "words"),
    [((0.3, 0.5), "With randomized asymmetric initialization: fewer;"), ((0.8, 0.9), "With randomized asymmetric initialization: the intervals overlap;"), ((0.98, 0.99), "With randomized asymmetric initialization: more;")],
)  # fmt: skip
def test_verdict_on_another_initialization(record: Record, interval: Any, words: str) -> None:
    changes = collapsed(abs=(0.85, 0.95), xsin=(0.85, 0.95), step=(0.85, 0.95))
    low, high = interval
    for f in ("abs", "xsin", "step"):
        changes[f"collapsed.{f}.relu.rai"] = Fact((low + high) / 2, low, high, 1_000)
    assert words in altered(record, **changes)["2.2"]


@pytest.mark.parametrize(
    ("constant", "flat", "words"),
    [
        (-1, -1, "Yes, by both definitions leaky ReLU leaves fewer"),
        (1, 1, "No, by both definitions"),
        (0, 0, "Cannot tell at this n whether leaky ReLU helped"),
        (-1, 0, "It depends on the definition: fewer networks are constant with leaky ReLU; whether fewer networks are flat cannot"),
        (-1, 1, "more networks are flat with leaky ReLU"),
        (None, -1, "It depends on the definition: whether fewer networks are constant depends on the function"),
        (None, None, "It depends on the function"),
    ],
)  # fmt: skip
def test_verdict_on_leaky_relu(record: Record, constant: Any, flat: Any, words: str) -> None:
    changes: dict[str, Any] = {}
    for name, sign in (("collapsed", constant), ("flat", flat)):
        for k, f in enumerate(("abs", "xsin", "step")):
            here = (-1 if k else 1) if sign is None else sign
            changes[f"mcnemar.{name}.{f}.he"] = Fact(0.01 if here else 0.4)
            changes[f"change.{name}.{f}.he"] = Fact(0.3 * here, 0.3 * here - 0.1, 0.3 * here + 0.1)
    assert words in altered(record, **changes)["2.3"]


def test_verdict_says_when_it_helps(record: Record) -> None:
    changes = {"helps_from.flat.abs.he": Fact(20), "helps_from.collapsed.abs.he": Fact(0)}
    said = altered(record, **changes)["2.3"]  # type: ignore[arg-type]
    assert "fewer from epoch 20 on" in said
    assert "fewer already before training" in said


def check_page(record: Record) -> None:
    json.loads(to_json(record.as_dict()))
    text = page.render([record])
    assert text.count("<figure>") == sum(plot.when(record) for plot in PLOTS)
    for plot in PLOTS:
        assert len(plot.alt_for(record)) > 40
        assert len(plot.caption_for(record)) > 40


def test_the_page_shows_figures_and_verdicts(record: Record, tmp_path: Path) -> None:
    check_page(load(save(record, tmp_path)))
    assert all(plot.when(record) for plot in PLOTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"simulations": 1, "points": 2, "epochs": 1, "depth": 2, "width": 1, **ONE},
        {"simulations": 5, "points": 20, "epochs": 1, "function": ("abs",), "activation": ("leaky-relu",), "init": ("xavier", "orthogonal")},
        {"simulations": 3, "points": 20, "epochs": 3, "function": ("step", "abs"), "init": ("he",), "learning_rate": 10.0},
    ],
    ids=["one", "leaky", "wild"],
)  # fmt: skip
def test_unusual_configs_still_give_a_page(changes: dict[str, Any]) -> None:
    check_page(run(DyingReluConfig(**changes), Context()))


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
    table = {n: a.values for n, a in record.arrays.items() if n.startswith("theory.")}
    width, depth = table["theory.width"][:, None], table["theory.depth"][None]
    np.testing.assert_allclose(
        table["theory.upper"], 1 - (1 - 2.0**-width) ** (depth - 1), rtol=1e-9
    )
    assert (table["theory.lower"] <= table["theory.upper"]).all()
    exact = table["theory.exact"]
    assert exact[1] == pytest.approx(5 / 32, abs=1e-6)  # depth 3
    assert exact[8] == pytest.approx(0.880, abs=0.002)  # depth 10
    for i, w in enumerate(table["theory.simulated_width"]):
        for j, d in enumerate(table["theory.simulated_depth"]):
            share = table["theory.simulated"][i, j, 0]
            error = 5 * np.sqrt(max(share * (1 - share), 1e-3) / 2_000)
            assert table["theory.lower"][w - 1, d - 2] - error < share
            assert share < table["theory.upper"][w - 1, d - 2] + error
    for k, risk in enumerate(table["theory.risk"]):
        safe = table["theory.safe_width"][k]
        bound = 1 - (1 - 2.0**-safe) ** (table["theory.depth"] - 1)
        narrower = 1 - (1 - 2.0 ** -(safe - 1)) ** (table["theory.depth"] - 1)
        assert ((bound <= risk) & (narrower > risk)).all()


def test_presets_and_order_of_studies() -> None:
    full = DyingReluConfig.preset("full").as_dict()
    assert (full["epochs"], full["simulations"], full["points"]) == (300, 1_000, 3_000)
    names = list(STUDIES)
    assert names.index("perceptron") < names.index("dying-relu") < names.index("regularization")
    with pytest.raises(ConfigError, match="function"):
        DyingReluConfig.from_dict({"function": ["sin"]})


def test_torch_is_not_imported() -> None:
    code = (
        "import sys\nfrom firstlight import studies\nfrom firstlight.configs import DyingReluConfig\n"
        "one = {'function': ('abs',), 'init': ('he',)}\n"
        "studies.run(DyingReluConfig(simulations=2, points=8, epochs=1, **one))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
