"""Problems 2.2 and 2.3: how often deep narrow networks collapse, and whether leaky ReLU helps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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


def _compared(leaky: Outcome, relu: Outcome, epochs: Sequence[int], **where: str) -> Facts:
    """Return how leaky ReLU compares with ReLU on the same weights, points and order."""
    facts = Facts()
    for name in DEFINITIONS:
        a, b = leaky.traced[name], relu.traced[name]
        change, p = changed(a[-1], b[-1])
        facts.put("change", change, definition=name, **where)
        facts.put("mcnemar", p, definition=name, **where)
        facts.put("helps_from", Fact(helps_from(a, b, epochs)), definition=name, **where)
    return facts


def _facts(outcomes: Outcomes, epochs: Sequence[int]) -> Facts:
    """Return every fact: of each combination, of each pair, and the speed of training."""
    facts = Facts()
    for which, outcome in outcomes.items():
        facts.update(_final(outcome), **which._asdict())
        if which.activation == "leaky-relu":
            for epoch, flat in zip(epochs, outcome.traced["flat"], strict=True):
                if epoch in (10**k for k in range(6)):
                    facts.put("flat_after", share(flat), epoch=epoch, **which._asdict())
            relu = outcomes.get(which._replace(activation="relu"))
            if relu is not None:
                where = {"function": which.function, "init": which.init}
                facts.update(_compared(outcome, relu, epochs, **where))
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
        **{axis: getattr(config, axis) for axis in Combination._fields},
        "measure": list(TRACED),
        "epoch": config.checkpoints,
        "statistic": STATISTICS,
    }
    return Array(np.asarray(values), axes, {axis: known[axis] for axis in axes if axis in known})


def _statistics(estimates: Iterable[Fact]) -> Floats:
    """Return value, low and high of each estimate; what is missing becomes NaN."""
    return np.array([[f.value, f.low, f.high] for f in estimates], np.float64)


def _curves(config: DyingReluConfig, outcomes: Outcomes) -> Arrays:
    """Return each simulation at the end, and shares and the median R² at every checkpoint."""
    arrays = Arrays()

    def put(name: str, of: Callable[[Outcome], Numbers], *axes: str) -> None:
        values = np.stack([of(outcome) for outcome in outcomes.values()])
        many = [len(getattr(config, axis)) for axis in Combination._fields]
        table = values.reshape(*many, *values.shape[1:])
        arrays.put(name, _array(config, table, *Combination._fields, *axes))

    put("final_range", lambda o: o.traced["span"][-1], "simulation")
    put("final_r2", lambda o: o.traced["r2"][-1], "simulation")
    put("final_dead_layer", lambda o: o.traced["dead_layer"][-1], "simulation")
    put("born_dead", lambda o: o.born_dead, "simulation")

    def shares(outcome: Outcome) -> Numbers:
        return np.array([_statistics(map(share, outcome.traced[m])) for m in TRACED])

    def fits(outcome: Outcome) -> Numbers:
        return _statistics(stats.quantile(r2, 0.5) for r2 in outcome.traced["r2"])

    put("curve_share", shares, "measure", "epoch", "statistic")
    put("curve_r2", fits, "epoch", "statistic")
    arrays.put("curve_epochs", _array(config, config.checkpoints, "epoch"))
    return arrays


def _shown(collapsed: Flags) -> Numbers:
    """Return the first simulations that collapsed, then the first that did not, −1 for none."""
    firsts = (np.flatnonzero(kind)[:SHOWN] for kind in (collapsed, ~collapsed))
    pads = (np.pad(first, (0, SHOWN - first.size), constant_values=-1) for first in firsts)
    return np.concatenate(list(pads))


def _samples(config: DyingReluConfig, outcomes: Outcomes) -> Arrays:
    """Return the outputs of some trained networks, the same simulations for each activation.

    They are chosen by what became of them with the run's first activation, and begin from its first
    initialization; where there are too few, the rest is NaN.
    """
    x, arrays = toy.grid(SHOWN_POINTS), Arrays()
    many = len(config.function), len(config.activation), 2 * SHOWN
    lines, flags = np.full((*many, x.size), np.nan), np.zeros(many, dtype=bool)
    for row, function in enumerate(config.function):
        pair = [outcomes[Combination(function, a, config.init[0])] for a in config.activation]
        shown = _shown(pair[0].traced["collapsed"][-1, : len(pair[0].sample)])
        there = shown >= 0
        for col, (activation, outcome) in enumerate(zip(config.activation, pair, strict=True)):
            network = network_of(config, activation)
            lines[row, col, there] = outputs(network, outcome.sample[shown[there]], x)[0]
            flags[row, col] = there & outcome.traced["collapsed"][-1, shown]
    target = [toy.target(function, x) for function in config.function]
    axes = "function", "activation", "network"
    arrays.put("sample_x", _array(config, x, "point"))
    arrays.put("sample_target", _array(config, target, "function", "point"))
    arrays.put("sample_output", _array(config, lines, *axes, "point"))
    arrays.put("sample_collapsed", _array(config, flags, *axes))
    return arrays


def theory_arrays(config: DyingReluConfig) -> Arrays:
    """Return P(born dead) of He's weights, zero biases and one input, by width and depth.

    ``theory_lower`` and ``theory_upper`` are the bounds of Lu et al., ``theory_exact`` is for
    width 2, ``theory_simulated`` holds shares of networks drawn for this, and
    ``theory_safe_width`` the widths at which the upper bound stays below each risk. Of the config
    only the seed matters.
    """
    arrays, (widths, depths) = Arrays(), (THEORY["width"], THEORY["depth"])

    def put(name: str, values: Any, *axes: str) -> None:
        arrays.put(f"theory_{name}", _array(config, values, *axes))

    def simulated(width: int, depth: int) -> Fact:
        network = Network((1, *[width] * (depth - 1), 1))
        seed = seeds.integer(config.seed, config.study, "theory", width, depth)
        return theory.probability(network, "he", SIMULATED, seed)

    for axis, places in THEORY.items():
        put(axis, places, axis)
    put("upper", [[theory.upper_bound(w, d) for d in depths] for w in widths], "width", "depth")
    put("lower", [[theory.lower_bound(w, d) for d in depths] for w in widths], "width", "depth")
    exact = [theory.exact(2, d) for d in THEORY["exact_depth"]]
    put("exact", np.array(exact, np.float64), "exact_depth")
    safe = [[theory.safe_width(d, risk) for d in depths] for risk in THEORY["risk"]]
    put("safe_width", safe, "risk", "depth")
    drawn = [
        [simulated(w, d) for d in THEORY["simulated_depth"]] for w in THEORY["simulated_width"]
    ]
    shares = [_statistics(row) for row in drawn]
    put("simulated", shares, "simulated_width", "simulated_depth", "statistic")
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
    remarks = list(dict.fromkeys(o.remark for o in outcomes.values() if o.remark))
    about = {"engine": remarks or ["machine code"]}
    return Results(_facts(outcomes, config.checkpoints), arrays, about)
