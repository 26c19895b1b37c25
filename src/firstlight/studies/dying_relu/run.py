"""Problems 2.2 and 2.3: how often deep narrow networks collapse, and whether leaky ReLU helps."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from firstlight import seeds, stats
from firstlight.context import Context
from firstlight.data import toy
from firstlight.ensemble import theory
from firstlight.ensemble.spec import Network
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.studies.dying_relu.config import DyingReluConfig, Function, Init
from firstlight.studies.dying_relu.labels import DEFINITIONS, MOMENTS, STATISTICS, TRACED
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


def _flags(outcome: Outcome) -> dict[str, Flags]:
    """Return what is said of each network of a combination at the end of training."""
    last, born = {name: values[-1] for name, values in outcome.traced.items()}, outcome.born_dead
    return {
        **{name: last[name] for name in TRACED},
        "born_dead": born,
        "died_in_training": ~born & last["dead_layer"],
        "no_dead_layer": ~born & ~last["dead_layer"],
        "diverged": ~np.isfinite(last["span"]),
    }


def _final(outcomes: Sequence[Outcome]) -> Facts:
    """Return the shares of networks at the end of training, those of several functions together."""
    facts, flags = Facts(), [_flags(outcome) for outcome in outcomes]
    for name in flags[0]:
        facts.put(name, share(np.concatenate([part[name] for part in flags])))
    if len(outcomes) == 1:  # of another function R² means something else
        facts.put("r2", stats.quantile(outcomes[0].traced["r2"][-1], 0.5))
    return facts


def _compared(
    leaky: Sequence[Outcome], relu: Sequence[Outcome], epochs: Sequence[int], **where: str
) -> Facts:
    """Return how leaky ReLU compares with ReLU on the same weights, points and order."""
    facts = Facts()
    for name in DEFINITIONS:
        a, b = (np.concatenate([o.traced[name] for o in which], -1) for which in (leaky, relu))
        facts.put("change", changed(a[-1], b[-1]), definition=name, **where)
        facts.put("helps_from", Fact(helps_from(a, b, epochs)), definition=name, **where)
    return facts


def _first_epoch(leaky: Sequence[Outcome]) -> Facts:
    """Return how many leaky networks are constant after one epoch more than before, and why.

    ``silent_layers`` counts, in the networks that turn constant, the hidden layers without a
    positive unit: before, after, and after with the biases set back to zero.
    """
    facts = Facts()
    constant, silent = (
        np.concatenate([o.traced[name][:2] for o in leaky], -1) for name in ("collapsed", "silent")
    )
    facts.put("first_epoch", changed(constant[1], constant[0]))
    turned = constant[1] & ~constant[0]
    counts = (*silent, np.concatenate([outcome.unbiased for outcome in leaky]))
    for moment, layers in zip(MOMENTS, counts, strict=True):
        if turned.any():
            facts.put("silent_layers", stats.mean(layers[turned], within=(0, math.inf)), at=moment)
    return facts


def _together(config: DyingReluConfig, outcomes: Outcomes, init: Init) -> Facts:
    """Return the facts of one initialization: of each pair, and of all functions together."""
    facts, epochs = Facts(), config.checkpoints
    there: list[Function] = [f for f in config.function if init in config.inits_on(f)]
    every = {a: [outcomes[Combination(f, a, init)] for f in there] for a in config.activation}
    leaky, relu = every.get("leaky-relu", []), every.get("relu", [])
    if leaky and relu:
        for function, one, other in zip(there, leaky, relu, strict=True):
            facts.update(_compared([one], [other], epochs, function=function, init=init))
    if len(there) < len(config.function):
        return facts
    if leaky and relu:
        facts.update(_compared(leaky, relu, epochs, init=init))
    for activation, several in every.items():
        facts.update(_final(several), activation=activation, init=init)
    if leaky:
        facts.update(_first_epoch(leaky), init=init)
    return facts


def _facts(config: DyingReluConfig, outcomes: Outcomes) -> Facts:
    """Return every fact: of each combination, of functions together, and the speed of training."""
    facts = Facts()
    for which, outcome in outcomes.items():
        facts.update(_final([outcome]), **which._asdict())
    for init in config.init:
        facts.update(_together(config, outcomes, init))
        exact = theory.exact(config.width, config.depth) if init in theory.NORMAL else None
        if exact is not None:
            facts.put("born_dead_theory", Fact(exact), init=init)
    if len(config.function) == 1:  # its first activation and initialization
        facts.update(_final([next(iter(outcomes.values()))]))
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
    """Return each simulation at the end, and shares and the median R² at every checkpoint.

    What was not simulated is NaN.
    """
    arrays = Arrays()

    def put(name: str, of: Callable[[Outcome], Numbers], *axes: str) -> None:
        many = [len(getattr(config, axis)) for axis in Combination._fields]
        values = np.full((*many, *of(next(iter(outcomes.values()))).shape), np.nan)
        for which, outcome in outcomes.items():
            place = [getattr(config, axis).index(label) for axis, label in which._asdict().items()]
            values[*place] = of(outcome)
        arrays.put(name, _array(config, values, *Combination._fields, *axes))

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


def _samples(config: DyingReluConfig, outcomes: Outcomes) -> Arrays:
    """Return the outputs of the first trained networks, the same simulations for each activation.

    They begin from the run's first initialization.
    """
    x, arrays = toy.grid(SHOWN_POINTS), Arrays()
    shape = len(config.function), len(config.activation), -1
    several = {w: o for w, o in outcomes.items() if w.init == config.init[0]}.items()
    drawn = [outputs(network_of(config, w.activation), o.sample, x)[0] for w, o in several]
    lines = np.reshape(drawn, (*shape, x.size))
    flags = np.reshape([o.traced["collapsed"][-1, : len(o.sample)] for _, o in several], shape)
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
    ``labels.FINAL``, defined in ``measures``, and the median ``r2``. Shares without a function are
    those of all functions together, where all were simulated; a run of one function has those of its first activation and
    initialization without coordinates as well. For each function and init with both activations, by
    either definition of collapse: ``change`` (leaky ReLU − ReLU on the same networks) and
    ``helps_from`` (epoch from which on leaky ReLU has fewer by what matters, or None).
    ``first_epoch`` is how much the share of constant leaky networks changes in it, and
    ``silent_layers`` says why; ``born_dead_theory`` is the exact probability where it is known.

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
    return Results(_facts(config, outcomes), arrays, about)
