"""Problems 2.2 and 2.3: how often deep narrow networks collapse, and whether leaky ReLU helps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from firstlight import seeds, stats
from firstlight.context import Context
from firstlight.data import toy
from firstlight.ensemble import theory
from firstlight.ensemble.spec import Network
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.studies.dying_relu.labels import DEFINITIONS, SHOWN, STATISTICS, TRACED
from firstlight.studies.dying_relu.measures import Flags, changed, helps_from, outputs, share
from firstlight.studies.dying_relu.trials import GRID, Combination, Outcome, network_of, simulate
from firstlight.studies.study import Results
from firstlight.types import Floats, Numbers

SHOWN_POINTS = 201
"""Points at which some trained networks are drawn."""

THEORY: dict[str, tuple[Any, ...]] = {
    "width": tuple(range(1, 17)),
    "depth": tuple(range(2, 101)),
    "risk": (0.1, 0.01),
    "simulated_width": (2, 3, 4, 5, 6, 8),
    "simulated_depth": (3, 5, 10, 20),
    "exact_depth": tuple(range(2, 31)),
}
"""Where P(born dead) is computed: its bounds for every width and depth, the safe width for each
risk, the share of simulated networks, and the exact value of width 2."""
SIMULATED = 2_000
"""Networks of each shape whose share of born dead is compared with the theory."""

Outcomes = Mapping[Combination, Outcome]


def _final(outcome: Outcome) -> Facts:
    """Return the facts of one combination at the end of training."""
    last, born = {name: values[-1] for name, values in outcome.traced.items()}, outcome.born_dead
    flags = {
        **{name: last[name] for name in TRACED},
        "born_dead": born,
        "died_in_training": ~born & last["dead_layer"],
        "trained": ~born & ~last["dead_layer"],
        "diverged": ~np.isfinite(last["span"]),
    }
    facts = Facts()
    for name, values in flags.items():
        facts.put(name, share(values))
    facts.put("r2", stats.quantile(last["r2"], 0.5))
    return facts


def _pair(facts: Facts, which: Combination, leaky: Outcome, relu: Outcome, epochs: Any) -> None:
    """Add how leaky ReLU compares with ReLU on the same weights, points and order."""
    for name in DEFINITIONS:
        where = {"definition": name, "function": which.function, "init": which.init}
        a, b = leaky.traced[name], relu.traced[name]
        change, p = changed(a[-1], b[-1])
        facts.put("change", change, **where)
        facts.put("mcnemar", p, **where)
        facts.put("helps_from", Fact(helps_from(a, b, epochs)), **where)


def all_facts(outcomes: Outcomes, epochs: Sequence[int]) -> Facts:
    """Return every fact: of each combination, of each pair, and the speed of training.

    Args:
        outcomes: combination → what its simulations left.
        epochs: the checkpoints.
    """
    facts = Facts()
    for which, outcome in outcomes.items():
        facts.update(_final(outcome), **which._asdict())
        relu = Combination(which.function, "relu", which.init)
        if which.activation == "leaky-relu":
            for epoch, flat in zip(epochs, outcome.traced["flat"], strict=True):
                if epoch in (10**k for k in range(6)):
                    facts.put("flat_after", share(flat), epoch=epoch, **which._asdict())
            if relu in outcomes:
                _pair(facts, which, outcome, outcomes[relu], epochs)
    if len({which.function for which in outcomes}) == 1:  # its first activation and initialization
        facts.update(_final(next(iter(outcomes.values()))))
    seconds = sum(outcome.seconds for outcome in outcomes.values())
    steps = sum(outcome.steps for outcome in outcomes.values())
    facts.put("grid_points", Fact(GRID))
    facts.put("network_steps_per_second", Fact(steps / seconds if seconds > 0 else None))
    return facts


def _array(config: DyingReluConfig, values: Any, *axes: str) -> Array:
    """Return an array with the labels of its axes."""
    known: dict[str, Sequence[Any]] = {
        **THEORY,
        "function": config.function,
        "activation": config.activation,
        "init": config.init,
        "measure": list(TRACED),
        "epoch": config.checkpoints,
        "statistic": STATISTICS,
    }
    return Array(np.asarray(values), axes, {axis: known[axis] for axis in axes if axis in known})


def _by_combination(config: DyingReluConfig, values: Sequence[Numbers], *axes: str) -> Array:
    """Return one array with the axes function, activation, init, … from one per combination."""
    many = len(config.function), len(config.activation), len(config.init)
    table = np.stack(values).reshape(*many, *values[0].shape)
    return _array(config, table, "function", "activation", "init", *axes)


def _statistics(estimates: Iterable[Fact]) -> Floats:
    """Return value, low and high of each estimate; what is missing becomes NaN."""
    return np.array([[f.value, f.low, f.high] for f in estimates], np.float64)


def _curves(config: DyingReluConfig, outcomes: Outcomes) -> Arrays:
    """Return each simulation at the end, and shares and the median R² at every checkpoint."""
    arrays, every = Arrays(), list(outcomes.values())
    for name, measure in (("range", "span"), ("r2", "r2"), ("dead_layer", "dead_layer")):
        last = _by_combination(config, [o.traced[measure][-1] for o in every], "simulation")
        arrays.put(f"final_{name}", last)
    born = _by_combination(config, [o.born_dead for o in every], "simulation")
    arrays.put("born_dead", born)
    shares = [np.array([_statistics(map(share, o.traced[m])) for m in TRACED]) for o in every]
    arrays.put("curve_share", _by_combination(config, shares, "measure", "epoch", "statistic"))
    fits = [_statistics(stats.quantile(r2, 0.5) for r2 in o.traced["r2"]) for o in every]
    arrays.put("curve_r2", _by_combination(config, fits, "epoch", "statistic"))
    arrays.put("curve_epochs", _array(config, config.checkpoints, "epoch"))
    return arrays


def _shown(collapsed: Flags) -> Numbers:
    """Return the first simulations that collapsed, then the first that did not, −1 for none."""
    places = np.full((2, SHOWN), -1)
    for row, kind in zip(places, (collapsed, ~collapsed), strict=True):
        first = np.flatnonzero(kind)[:SHOWN]
        row[: first.size] = first
    return places.ravel()


def _samples(config: DyingReluConfig, outcomes: Outcomes) -> Arrays:
    """Return the outputs of some trained networks, the same simulations for each activation.

    They are chosen by what became of them with the run's first activation, and begin from its first
    initialization; where there are too few, the rest is NaN.
    """
    x, lines, flags = toy.grid(SHOWN_POINTS), [], []
    for function in config.function:
        pair = [outcomes[Combination(function, a, config.init[0])] for a in config.activation]
        shown = _shown(pair[0].traced["collapsed"][-1, : len(pair[0].sample)])
        there = shown >= 0
        for activation, outcome in zip(config.activation, pair, strict=True):
            line = np.full((shown.size, x.size), np.nan)
            network = network_of(config, activation)
            line[there] = outputs(network, outcome.sample[shown[there]], x)[0]
            lines.append(line)
            flags.append(there & outcome.traced["collapsed"][-1, shown])
    many = len(config.function), len(config.activation), 2 * SHOWN
    axes = "function", "activation", "network"
    target = [toy.target(function, x) for function in config.function]
    arrays = Arrays()
    arrays.put("sample_x", _array(config, x, "point"))
    arrays.put("sample_target", _array(config, target, "function", "point"))
    arrays.put("sample_output", _array(config, np.reshape(lines, (*many, -1)), *axes, "point"))
    arrays.put("sample_collapsed", _array(config, np.reshape(flags, many), *axes))
    return arrays


def _simulated(config: DyingReluConfig, width: int, depth: int) -> Fact:
    """Return the share of networks that are born dead, of some drawn for this."""
    network = Network((1, *[width] * (depth - 1), 1))
    seed = seeds.integer(config.seed, config.study, "theory", width, depth)
    return theory.probability(network, "he", SIMULATED, seed)


def theory_arrays(config: DyingReluConfig) -> Arrays:
    """Return P(born dead) of He's weights, zero biases and one input, by width and depth.

    ``theory_lower`` and ``theory_upper`` are the bounds of Lu et al., ``theory_exact`` is for
    width 2, ``theory_simulated`` holds shares of networks drawn for this, and
    ``theory_safe_width`` the widths at which the upper bound stays below each risk.

    Args:
        config: only its seed matters.
    """
    arrays, (widths, depths) = Arrays(), (THEORY["width"], THEORY["depth"])

    def put(name: str, values: Any, *axes: str) -> None:
        arrays.put(f"theory_{name}", _array(config, values, *axes))

    for axis, places in THEORY.items():
        put(axis, places, axis)
    put("upper", [[theory.upper_bound(w, d) for d in depths] for w in widths], "width", "depth")
    put("lower", [[theory.lower_bound(w, d) for d in depths] for w in widths], "width", "depth")
    exact = [theory.exact(2, d) for d in THEORY["exact_depth"]]
    put("exact", np.array(exact, np.float64), "exact_depth")
    safe = [[theory.safe_width(d, risk) for d in depths] for risk in THEORY["risk"]]
    put("safe_width", safe, "risk", "depth")
    drawn = [
        _statistics(_simulated(config, width, depth) for depth in THEORY["simulated_depth"])
        for width in THEORY["simulated_width"]
    ]
    put("simulated", drawn, "simulated_width", "simulated_depth", "statistic")
    put("simulated_count", [SIMULATED], "one")
    return arrays


def run(config: DyingReluConfig, context: Context) -> Results:
    """Simulate every combination.

    Facts, for each function, activation and init, at the end of training: the shares
    ``labels.FINAL``, defined in ``measures``, and the median ``r2``; a run of one function has those
    of its first activation and initialization without coordinates as well. For each function and
    init with both activations, by either definition of collapse: ``change`` (leaky ReLU − ReLU on
    the same networks), ``mcnemar`` (p-value) and ``helps_from`` (epoch from which on leaky ReLU has
    significantly fewer, or None). ``flat_after`` traces leaky ReLU by epoch.

    The same config gives the same record, whether resumed or not, but for
    ``network_steps_per_second``: updates of all networks over the time of the training alone. It
    counts born-dead networks, of which only the output bias moves.

    Args:
        config: the parameters.
        context: each finished chunk is kept in its folder; its device and progress are used.
    """
    outcomes = simulate(config, context)
    arrays = _curves(config, outcomes)
    arrays.update(_samples(config, outcomes))
    arrays.update(theory_arrays(config))
    remarks = dict.fromkeys(o.remark for o in outcomes.values() if o.remark)
    about = {"engine": list(remarks) or ["machine code"]}
    return Results(all_facts(outcomes, config.checkpoints), arrays, about)
