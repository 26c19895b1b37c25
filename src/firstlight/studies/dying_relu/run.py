"""Problems 2.2 and 2.3: how often deep narrow networks collapse, and whether leaky ReLU helps."""

from collections.abc import Mapping
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from firstlight.record import provenance
from firstlight import stats
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.context import Context
from firstlight.data import toy
from firstlight.record import Array, Fact, Record
from firstlight.studies.dying_relu import measures
from firstlight.studies.dying_relu.answers import verdicts
from firstlight.studies.dying_relu.theory import theory_arrays
from firstlight.studies.dying_relu.trials import (
    GRID,
    Combination,
    Outcome,
    checkpoints,
    combinations,
    network_of,
    simulate,
)

SHOWN = 4
"""Networks drawn for each function: so many that collapsed with ReLU and so many that did not."""
SHOWN_POINTS = 201
"""Points at which they are drawn."""

Facts = dict[str, Fact]
Outcomes = Mapping[Combination, Outcome]
Flags = dict[str, NDArray[np.bool_]]


def _target_span(function: str) -> float:
    """Return the range of a function on the grid."""
    return float(measures.span_of(toy.target(function, toy.grid(GRID))))


def _flags(which: Combination, outcome: Outcome) -> Flags:
    """Return each of ``MEASURES`` at each checkpoint, shape (C, R)."""
    return outcome.measured.flags(_target_span(which.function))


def _final(which: Combination, outcome: Outcome) -> Facts:
    """Return the facts of one combination at the end of training, without its name."""
    flags = {name: values[-1] for name, values in _flags(which, outcome).items()}
    born = outcome.born_dead
    flags |= {
        "born_dead": born,
        "died_in_training": ~born & flags["dead_layer"],
        "trained": ~born & ~flags["dead_layer"],
        "diverged": ~np.isfinite(outcome.measured.span[-1]),
    }
    facts = {name: measures.share(values) for name, values in flags.items()}
    return facts | {"r2": stats.quantile(outcome.measured.r2[-1], 0.5)}


def all_facts(outcomes: Outcomes, epochs: list[int]) -> Facts:
    """Return every fact: of each combination, of each pair, and the speed of training.

    Args:
        outcomes: combination → what its simulations left.
        epochs: the checkpoints.
    """
    facts: Facts = {}
    for which, outcome in outcomes.items():
        facts |= {f"{name}.{which.name}": fact for name, fact in _final(which, outcome).items()}
        if which.activation == "leaky-relu":
            facts |= _in_time(which, outcome, epochs)
    for which in outcomes:
        relu = Combination(which.function, "relu", which.init)
        if which.activation == "leaky-relu" and relu in outcomes:
            facts |= _pair(which, outcomes[which], outcomes[relu], epochs)
    if len({which.function for which in outcomes}) == 1:  # its first activation and initialiser
        facts |= _final(*next(iter(outcomes.items())))
    seconds = sum(outcome.seconds for outcome in outcomes.values())
    steps = sum(outcome.steps for outcome in outcomes.values())
    facts["grid_points"] = Fact(GRID)
    facts["network_steps_per_second"] = Fact(steps / seconds if seconds > 0 else None)
    return facts


def _in_time(which: Combination, outcome: Outcome, epochs: list[int]) -> Facts:
    """Return the share of flat networks after 1, 10, 100, … epochs, as far as they were trained."""
    flat = _flags(which, outcome)["flat"]
    decades = [10**k for k in range(6) if 10**k in epochs]
    return {
        f"flat_after.{epoch}.{which.name}": measures.share(flat[epochs.index(epoch)])
        for epoch in decades
    }


def _pair(which: Combination, leaky: Outcome, relu: Outcome, epochs: list[int]) -> Facts:
    """Return how leaky ReLU compares with ReLU on the same weights, points and order."""
    end, facts = f"{which.function}.{which.init}", {}
    a, b = _flags(which, leaky), _flags(which, relu)
    for name in ("collapsed", "flat"):
        change, p = measures.changed(a[name][-1], b[name][-1])
        facts[f"change.{name}.{end}"], facts[f"mcnemar.{name}.{end}"] = change, p
        facts[f"helps_from.{name}.{end}"] = Fact(measures.helps_from(a[name], b[name], epochs))
    return facts


def _table(fact: Fact) -> tuple[float, float, float]:
    """Return value, low and high; what is missing becomes NaN."""
    found = (float("nan") if v is None else float(v) for v in (fact.value, fact.low, fact.high))
    value, low, high = found
    return value, low, high


def _shape(config: DyingReluConfig, values: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return one array with the axes function, activation, init, … from one for each combination."""
    many = (len(config.function), len(config.activation), len(config.init))
    return np.stack(values).reshape(*many, *values[0].shape)


def _curves(config: DyingReluConfig, outcomes: Outcomes) -> dict[str, Array]:
    """Return shares and the median R² at every checkpoint, and each simulation at the end."""
    which = ("function", "activation", "init")
    shares, fits = [], []
    for combination, outcome in outcomes.items():
        flags = _flags(combination, outcome)
        shares.append(
            np.array([[_table(measures.share(f)) for f in flags[m]] for m in measures.MEASURES])
        )
        fits.append(np.array([_table(stats.quantile(r, 0.5)) for r in outcome.measured.r2]))
    ends = {
        "final.range": [o.measured.span[-1] for o in outcomes.values()],
        "final.r2": [o.measured.r2[-1] for o in outcomes.values()],
        "final.dead_layer": [o.measured.dead_layer[-1] for o in outcomes.values()],
        "born_dead": [o.born_dead for o in outcomes.values()],
    }
    arrays = {n: Array(_shape(config, v), (*which, "simulation")) for n, v in ends.items()}
    axes = (*which, "measure", "epoch", "value_low_high")
    arrays["curve.share"] = Array(_shape(config, shares), axes)
    arrays["curve.r2"] = Array(_shape(config, fits), (*which, "epoch", "value_low_high"))
    arrays["curve.epochs"] = Array(np.array(checkpoints(config.epochs)), ("epoch",))
    return arrays


def _shown(collapsed: NDArray[np.bool_]) -> list[int]:
    """Return the first simulations that collapsed, then the first that did not, −1 for none."""
    found = []
    for kind in (collapsed, ~collapsed):
        places = np.flatnonzero(kind)[:SHOWN].tolist()
        found += places + [-1] * (SHOWN - len(places))
    return found


def _samples(config: DyingReluConfig, outcomes: Outcomes) -> dict[str, Array]:
    """Return the outputs of some trained networks, the same simulations for each activation.

    They are chosen by what became of them with the run's first activation, and begin from its first
    initialization; where too few are found, the rest is NaN.
    """
    x = toy.grid(SHOWN_POINTS)
    found = np.full((len(config.function), len(config.activation), 2 * SHOWN, x.size), np.nan)
    flags = np.zeros(found.shape[:-1], dtype=bool)
    for i, function in enumerate(config.function):
        pair = [Combination(function, a, config.init[0]) for a in config.activation]
        collapsed = [
            o.measured.span[-1][: len(o.sample)] < measures.CONSTANT
            for o in (outcomes[which] for which in pair)
        ]
        for k, index in enumerate(_shown(collapsed[0])):
            for j, which in enumerate(pair):
                if index >= 0:
                    network = network_of(config, which.activation)
                    sample = outcomes[which].sample[index : index + 1]
                    found[i, j, k] = measures.outputs(network, sample, x)[0][0]
                    flags[i, j, k] = collapsed[j][index]
    target = np.array([toy.target(function, x) for function in config.function])
    return {
        "sample.x": Array(x, ("point",)),
        "sample.target": Array(target, ("function", "point")),
        "sample.output": Array(found, ("function", "activation", "network", "point")),
        "sample.collapsed": Array(flags, ("function", "activation", "network")),
    }


def run(config: DyingReluConfig, context: Context) -> Record:
    """Simulate every combination and answer questions 2.2 and 2.3.

    Facts, for each FUNCTION.ACTIVATION.INIT and at the end of training: the shares ``collapsed``
    (output range below 10⁻⁶), ``flat`` (below 1 % of the target's), ``dead_layer`` (some hidden
    layer exactly zero on the grid), ``born_dead`` (on the whole domain, before training),
    ``died_in_training`` (not born dead, but a dead layer), ``trained`` (neither), ``fitted``
    (R² > 0.9), ``diverged`` (output not finite), each with a Wilson interval, and the median
    ``r2``. A run of one function has those of its first activation and initialiser under their plain
    names as well. For each
    FUNCTION.INIT with both activations: ``change.collapsed`` and ``change.flat`` (leaky ReLU − ReLU
    on the same networks), ``mcnemar.…`` (p-value), ``helps_from.…`` (epoch from which on leaky ReLU
    has significantly fewer, or None). ``flat_after.EPOCH.…`` traces leaky ReLU. ``grid_points`` is
    the number of points on which networks are measured.

    The same config gives the same record, whether resumed or not, but for
    ``network_steps_per_second``: updates of all networks over the time of the training alone. It
    counts born-dead networks, of which only the output bias moves.

    Args:
        config: the parameters.
        context: each finished chunk is kept in its folder; its progress is used.
    """
    started = perf_counter()
    every = combinations(config)
    total, outcomes = len(every) * config.simulations, dict[Combination, Outcome]()
    for index, which in enumerate(every):
        outcomes[which] = simulate(config, which, context, index * config.simulations, total)
    facts = all_facts(outcomes, checkpoints(config.epochs))
    origin = provenance.collect(seed=config.seed, started=started, device=context.device)
    remarks = {o.remark: None for o in outcomes.values() if o.remark}
    return Record(
        study=config.study,
        config=config.as_dict(),
        facts=facts,
        verdicts=verdicts(facts, config),
        arrays=_curves(config, outcomes) | _samples(config, outcomes) | theory_arrays(config),
        provenance=origin | {"engine": list(remarks) or ["machine code"]},
    )
