"""One combination of function, activation and initialization: drawn, trained, measured, stored.

Simulations are trained in chunks, and each chunk is stored the moment it is done. Every random
number belongs to a simulation by its index, so neither chunks nor a resumed run change a bit. The
names of the streams do not hold the activation: ReLU and leaky ReLU form pairs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.record import store
from firstlight.studies.dying_relu.config import DyingReluConfig, Function, Init, Rectifier
from firstlight.context import Context
from firstlight.data import toy
from firstlight.ensemble.train import train
from firstlight.ensemble.initial import initial
from firstlight.ensemble.spec import Network, Training
from firstlight.ensemble.theory import born_dead
from firstlight.seeds import child, generator
from firstlight.studies.dying_relu.measures import FIELDS, Flags, Measured, joined, measure

CHUNK = 4_096
"""Simulations trained at a time, at most; fewer where the networks are large."""
DRAWN = 16
"""Simulations whose initial weights come from one generator."""
MEMORY = 50_000_000
"""Numbers that the snapshots of a chunk may hold."""
SAMPLE = 64
"""The first simulations of a combination, whose trained weights are kept for the figure."""
GRID = 501
"""Points of the domain on which networks are measured."""

Data = Callable[[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Combination:
    """What is learned, with which activation, from which initialization."""

    function: Function
    activation: Rectifier
    init: Init

    @property
    def name(self) -> str:
        """Return the end of the names of its facts, ``abs.relu.he``."""
        return f"{self.function}.{self.activation}.{self.init}"


@dataclass(frozen=True)
class Outcome:
    """What the simulations of one combination left.

    Args:
        measured: arrays of shape (C, R), at each checkpoint.
        born_dead: shape (R,).
        sample: shape (S, P), the weights of the first simulations after training.
        steps: updates, summed over simulations.
        seconds: time of the training alone.
        remark: what the engine said about how it trained, or an empty text.
    """

    measured: Measured
    born_dead: Flags
    sample: NDArray[np.float64]
    steps: int
    seconds: float
    remark: str = ""


def combinations(config: DyingReluConfig) -> list[Combination]:
    """Return every combination, functions first, then activations, then initializations."""
    return [
        Combination(f, a, i)
        for f in config.function
        for a in config.activation
        for i in config.init
    ]


def checkpoints(epochs: int) -> list[int]:
    """Return 0, 1, 2, 5, 10, 20, 50, … up to and with ``epochs``.

    Example:
        >>> checkpoints(12)
        [0, 1, 2, 5, 10, 12]
    """
    series = (m * 10**e for e in range(6) for m in (1, 2, 5))
    return sorted({0, epochs} | {epoch for epoch in series if epoch <= epochs})


def network_of(config: DyingReluConfig, activation: Rectifier) -> Network:
    """Return the shape: one input, ``depth − 1`` hidden layers, one linear output."""
    widths = (1, *[config.width] * (config.depth - 1), 1)
    return Network(widths, activation, config.slope)


def weights(
    config: DyingReluConfig, which: Combination, first: int, last: int
) -> NDArray[np.float64]:
    """Return the initial parameters of simulations ``first`` to ``last`` − 1, shape (…, P)."""
    network, parts = network_of(config, "relu"), []
    start = first - first % DRAWN
    for block in range(start, last, DRAWN):
        rng = generator(
            config.seed, config.study, which.function, which.init, "weights", block // DRAWN
        )
        parts.append(initial(network, which.init, DRAWN, rng))
    return np.concatenate(parts)[first - start : last - start]


def data_of(config: DyingReluConfig, which: Combination, offset: int = 0) -> Data:
    """Return the function (first, last) → (x, y), each of shape (last − first, points, 1).

    Args:
        config: the parameters.
        which: only its function matters.
        offset: the simulation that the caller counts as 0.
    """

    def data(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rows = [
            toy.points(
                generator(config.seed, config.study, which.function, "points", offset + r),
                config.points,
                1,
            )
            for r in range(first, last)
        ]
        x = np.stack(rows)
        return x, toy.target(which.function, x)

    return data


def orders(
    config: DyingReluConfig, which: Combination, first: int, last: int
) -> NDArray[np.uint64]:
    """Return the seeds of the order in which simulations see their points, shape (last − first,)."""
    names = (config.study, which.function, "order")
    found = [
        child(config.seed, *names, r).generate_state(1, np.uint64)[0] for r in range(first, last)
    ]
    return np.array(found, dtype=np.uint64)


def chunks(config: DyingReluConfig) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of the simulations that are trained together."""
    size = len(checkpoints(config.epochs)) * network_of(config, "relu").parameters
    count = max(DRAWN, min(CHUNK, MEMORY // size // DRAWN * DRAWN))
    for first in range(0, config.simulations, count):
        yield first, min(first + count, config.simulations)


def _train(
    config: DyingReluConfig, which: Combination, first: int, last: int, device: str, tick: Tick
) -> store.TrialResult:
    """Train and measure some simulations of a combination."""
    network = network_of(config, which.activation)
    start = weights(config, which, first, last)
    trained = train(
        network,
        Training(batch_size=config.batch_size, epochs=config.epochs),
        start,
        data_of(config, which, first),
        seeds=orders(config, which, first, last),
        learning_rate=config.learning_rate,
        checkpoints=checkpoints(config.epochs),
        device=device,
        progress=tick,
    )
    born = np.zeros(last - first, dtype=bool)
    if network.activation == "relu":
        born = np.asarray(born_dead(network, start, toy.LOW, toy.HIGH), dtype=bool)
    kept = max(0, min(last, SAMPLE) - first)
    sample = np.asarray(trained.parameters[:kept], dtype=np.float64)
    facts: dict[str, store.Scalar] = {
        "steps": trained.steps * (last - first),
        "seconds": trained.seconds,
        "remark": trained.remark or "",
    }
    arrays = _traced(network, which.function, trained.snapshots)
    return store.TrialResult(facts, {**arrays, "born_dead": born, "sample": sample})


def _traced(network: Network, function: str, snapshots: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what is measured at each checkpoint, arrays of shape (C, R)."""
    x = toy.grid(GRID)
    y = toy.target(function, x)
    each = [measure(network, parameters, x, y) for parameters in snapshots]
    return {name: np.stack([getattr(m, name) for m in each]) for name in FIELDS}


def _spec(
    config: DyingReluConfig, which: Combination, first: int, last: int, device: str
) -> dict[str, Any]:
    """Return what a chunk is: the parameters it depends on, and which simulations it holds."""
    many = ("function", "activation", "init", "simulations")
    same = {name: value for name, value in config.as_dict().items() if name not in many}
    return {**same, **asdict(which), "first": first, "last": last, "device": device}


def _path(folder: Path | None, which: Combination, first: int) -> Path | None:
    name = f"{which.function}-{which.activation}-{which.init}-{first}.safetensors"
    return None if folder is None else folder / "trials" / name


def _gather(parts: Sequence[store.TrialResult]) -> Outcome:
    return Outcome(
        joined([Measured(**{n: p.arrays[n] for n in FIELDS}) for p in parts]),
        np.concatenate([p.arrays["born_dead"] for p in parts]),
        np.concatenate([p.arrays["sample"] for p in parts]),
        sum(int(p.facts["steps"]) for p in parts),
        sum(float(p.facts["seconds"]) for p in parts),
        str(parts[0].facts["remark"]),
    )


def simulate(
    config: DyingReluConfig, which: Combination, context: Context, done: int, total: int
) -> Outcome:
    """Return the outcome of a combination, reading the chunks that the run folder already holds.

    Args:
        config: the parameters.
        which: the combination.
        context: its folder and progress are used.
        done: simulations of earlier combinations, for the progress.
        total: simulations of all combinations.
    """
    parts = []
    for first, last in chunks(config):
        path = _path(context.folder, which, first)
        spec = _spec(config, which, first, last, context.device)
        part = None if path is None else store.read_trial(path, spec)
        if part is None:
            tick = partial(_tell, context, done + first, total)
            part = _train(config, which, first, last, context.device, tick)
            if path is not None:
                store.write_trial(path, spec, part)
        parts.append(part)
        _tell(context, done + last, total)
    return _gather(parts)


def _tell(context: Context, before: int, total: int, done: int = 0, _of: int = 0) -> None:
    """Report the simulations that are done, of all combinations together."""
    context.progress("simulations", before + done, total)
