"""The simulations of each combination of function, activation and initialization: the trials.

A trial is a chunk of simulations, trained as one program. Every random number belongs to a
simulation by its index, so chunks change no bit. The names of the streams do not hold the
activation: ReLU and leaky ReLU form pairs.
"""

from dataclasses import dataclass
from itertools import groupby, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstlight.context import Context
from firstlight.data import toy
from firstlight.ensemble.born_dead import born_dead
from firstlight.ensemble.initial import initial
from firstlight.ensemble.spec import Network, Training
from firstlight.ensemble.train import Trained, train
from firstlight.record import Table
from firstlight.record.provenance import cores
from firstlight.record.store import Scalar, TrialResult
from firstlight.seeds import child
from firstlight.studies.dying_relu.config import DyingReluConfig, Function, Init, Rectifier
from firstlight.studies.dying_relu.labels import SAMPLE
from firstlight.studies.dying_relu.measures import measure, outputs, without_biases
from firstlight.sweep import run_trials
from firstlight.types import Floats, Numbers, Tick

CHUNK = 4_096
"""Simulations trained at a time, at most; fewer where the networks are large."""
DRAWN = 16
"""Simulations whose initial weights come from one generator."""
MEMORY = 50_000_000
"""Numbers that the snapshots of a chunk may hold."""
GRID = 501
"""Points of the domain on which networks are measured."""


class Combination(NamedTuple):
    """What is learned, with which activation, from which initialization: a fact's coordinates."""

    function: Function
    activation: Rectifier
    init: Init


@dataclass(frozen=True)
class Chunk:
    """Simulations ``first`` to ``last`` − 1 of a combination; the spec of one trial."""

    config: DyingReluConfig
    which: Combination
    first: int
    last: int

    def stream(self, *names: str | int) -> np.random.SeedSequence:
        """Return the seeds of a stream of random numbers of this function."""
        return child(self.config.seed, self.config.study, self.which.function, *names)

    def weights(self) -> Floats:
        """Return the initial parameters, shape (last − first, P)."""
        network, init = network_of(self.config, "relu"), self.which.init
        blocks = range(self.first // DRAWN, (self.last - 1) // DRAWN + 1)
        sources = (np.random.default_rng(self.stream(init, "weights", block)) for block in blocks)
        drawn = np.concatenate([initial(network, init, DRAWN, source) for source in sources])
        start = blocks[0] * DRAWN
        return drawn[self.first - start : self.last - start]

    def data(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Return x and y of its simulations ``first`` to ``last`` − 1, (last − first, points, 1)."""
        places = range(self.first + first, self.first + last)
        streams = (np.random.default_rng(self.stream("points", place)) for place in places)
        x = np.stack([toy.points(source, self.config.points, 1) for source in streams])
        return x, toy.target(self.which.function, x)

    def orders(self) -> NDArray[np.uint64]:
        """Return the seeds of the order in which simulations see their points."""
        streams = (self.stream("order", place) for place in range(self.first, self.last))
        return np.array([s.generate_state(1, np.uint64)[0] for s in streams], dtype=np.uint64)


@dataclass(frozen=True)
class Outcome:
    """What the simulations of one combination left."""

    traced: dict[str, Numbers]  # what ``measure`` returns, at each checkpoint, shape (C, R)
    born_dead: Numbers  # shape (R,)
    unbiased: Numbers  # shape (R,), silent layers after the first epoch, with all biases set to 0
    sample: Floats  # shape (S, P), the weights of the first simulations after training
    steps: int  # updates, summed over simulations
    seconds: float  # of the training alone
    remark: str  # why machine code was not used, or an empty text


def network_of(config: DyingReluConfig, activation: Rectifier) -> Network:
    """Return the shape: one input, ``depth − 1`` hidden layers, one linear output."""
    return Network((1, *[config.width] * (config.depth - 1), 1), activation, config.slope)


def chunks(config: DyingReluConfig) -> dict[str, Chunk]:
    """Return all simulations by the name of their trial, as many in each as memory allows.

    Functions come first, then activations, then initializations.
    """
    size = len(config.checkpoints) * network_of(config, "relu").parameters
    count = max(DRAWN, min(CHUNK, MEMORY // size // DRAWN * DRAWN))
    return {
        "-".join([*which, str(first)]): Chunk(
            config, Combination(*which), first, min(first + count, config.simulations)
        )
        for which in product(config.function, config.activation, config.init)
        if which[2] in config.inits_on(which[0])
        for first in range(0, config.simulations, count)
    }


def train_networks(chunk: Chunk, context: Context, tick: Tick) -> Trained:
    """Train the networks of a chunk: each from its own weights, on its own points, in its order."""
    config = chunk.config
    return train(
        network_of(config, chunk.which.activation),
        # Squared error and Adam are what a training has if nothing else is said.
        Training(batch_size=config.batch_size, epochs=config.epochs),
        chunk.weights(),
        chunk.data,
        seeds=chunk.orders(),
        learning_rate=config.learning_rate,
        checkpoints=config.checkpoints,
        device=context.device,
        progress=tick,
    )


def train_chunk(chunk: Chunk, context: Context, tick: Tick) -> TrialResult:
    """Train and measure the simulations of a chunk."""
    trained, x = train_networks(chunk, context, tick), toy.grid(GRID)
    network, start = network_of(chunk.config, chunk.which.activation), chunk.weights()
    facts, arrays = Table[Scalar](), Table[Numbers]()
    facts.put("steps", trained.steps * len(start))
    facts.put("training_seconds", trained.seconds)
    facts.put("remark", trained.remark or "")
    y = toy.target(chunk.which.function, x)
    measured = [measure(network, parameters, x, y) for parameters in trained.snapshots]
    for name in measured[0]:
        arrays.put(name, np.stack([snapshot[name] for snapshot in measured]))
    born = np.zeros(len(start), dtype=bool)
    if network.activation == "relu":
        born = np.asarray(born_dead(network, start, toy.LOW, toy.HIGH), dtype=bool)
    arrays.put("born_dead", born)
    arrays.put("unbiased", outputs(network, without_biases(network, trained.snapshots[1]), x)[1])
    sampled = max(0, min(chunk.last, SAMPLE) - chunk.first)
    arrays.put("sample", np.asarray(trained.parameters[:sampled], dtype=np.float64))
    return TrialResult(facts, arrays)


def simulate(config: DyingReluConfig, context: Context) -> dict[Combination, Outcome]:
    """Return what the simulations of every combination left."""
    specs, outcomes = chunks(config), dict[Combination, Outcome]()
    results = run_trials(
        train_chunk,
        specs,
        context,
        label="chunks of simulations",
        executor="threads",
        workers=1,
        threads=cores(),  # the machine code of one trial uses them all
    )
    for which, names in groupby(specs, lambda name: specs[name].which):
        parts = [results[name] for name in names]
        arrays = {
            name: np.concatenate([p.arrays.get(name) for p in parts], 0 if name == "sample" else -1)
            for name in parts[0].arrays.measures()
        }
        outcomes[which] = Outcome(
            born_dead=arrays.pop("born_dead"),
            unbiased=arrays.pop("unbiased"),
            sample=arrays.pop("sample"),
            traced=arrays,
            steps=sum(int(part.facts.get("steps")) for part in parts),
            seconds=sum(float(part.facts.get("training_seconds")) for part in parts),
            remark=str(parts[0].facts.get("remark")),
        )
    return outcomes
