"""``firstlight born-dead``: how likely a ReLU network is dead before it is trained."""

import sys
from dataclasses import dataclass

from firstlight.cli.arguments import options_as_typed, parse
from firstlight.cli.help import Help
from firstlight.errors import ConfigError
from firstlight.studies.dying_relu.config import Init

LIMITS = {"width": (1, 1000), "depth": (2, 1000), "inputs": (1, 1000), "networks": (1, 100_000_000)}
MOST_PARAMETERS = 10_000_000


@dataclass(frozen=True)
class BornDead:
    """Estimate how likely a ReLU network is born dead: some hidden layer zero on the whole domain.

    The domain is [−√7, √7] for every input. A network born dead is constant, and no training
    revives it.
    """

    width: int
    """Units in each hidden layer, from 1 to 1000; to be given."""
    depth: int
    """Layers with the linear output, from 2 to 1000; to be given. 10 means 9 hidden layers."""
    inputs: int = 1
    """Input dimension, from 1 to 1000."""
    init: Init = "he"
    """Initialization of weights and biases."""
    networks: int = 200_000
    """Networks to draw, from 1 to 100000000."""
    seed: int = 0
    """The number from which the random numbers follow, from 0."""
    risk: float = 0.01
    """Accepted probability to be born dead, between 0 and 1; the safe width is printed for it."""
    json: bool = False
    """Print the numbers as JSON and nothing else."""


def _check(options: BornDead) -> None:
    for name, (low, high) in LIMITS.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise ConfigError(f"{name}: expected from {low} to {high}, got {value}")
    if options.seed < 0:
        raise ConfigError(f"seed: expected from 0, got {options.seed}")
    if not 0 < options.risk < 1:
        raise ConfigError(f"risk: expected between 0 and 1, got {options.risk}")
    hidden = options.width * (options.width + 1) * (options.depth - 2)
    parameters = hidden + options.width * (options.inputs + 2) + 1
    if parameters > MOST_PARAMETERS:
        raise ConfigError(
            f"--width and --depth: expected at most {MOST_PARAMETERS:,} parameters in a network, got "
            f"{parameters:,}; choose a smaller shape"
        )


def _help() -> Help:
    return Help(
        "firstlight born-dead --width N --depth N [OPTIONS]",
        f"{BornDead.__doc__}",
        {"firstlight born-dead --width 2 --depth 10": "networks of 9 hidden layers of 2 units"},
        {
            "the network": (BornDead, ("width", "depth", "inputs", "init")),
            "the estimate": (BornDead, ("networks", "seed", "risk")),
            "what is printed": (BornDead, ("json",)),
        },
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(BornDead, arguments, "firstlight born-dead", _help)
    with options_as_typed([*LIMITS, "seed", "risk"]):
        _check(options)

    from firstlight.cli import terminal
    from firstlight.cli.progress import progress
    from firstlight.ensemble import born_dead, theory
    from firstlight.ensemble.spec import Network
    from firstlight.record.facts import Fact
    from firstlight.record.files import to_json

    width, depth, init = options.width, options.depth, options.init
    network = Network((options.inputs, *[width] * (depth - 1), 1))
    with progress("born-dead") as report:
        fact = theory.probability(network, init, options.networks, options.seed, progress=report)
    normal, symmetric = init in theory.NORMAL, init in theory.SYMMETRIC
    known = {
        "exact": theory.exact(width, depth, options.inputs) if normal else None,
        "lower_bound": theory.lower_bound(width, depth) if normal and options.inputs == 1 else None,
        "upper_bound": theory.upper_bound(width, depth) if symmetric else None,
    }
    if options.json:
        drawn = {"probability": fact.value, "low": fact.low, "high": fact.high}
        sys.stdout.write(to_json({**drawn, **known, "networks": fact.n}))
        return 0
    there = [(n.replace("_", " "), Fact(v), "") for n, v in known.items() if v is not None]
    title = f"P(born dead), width {width}, depth {depth}, {init}"
    terminal.show(terminal.facts_table([("drawn", fact, ""), *there], title))
    if not born_dead.is_exact(network, zero_bias=init not in ("torch", "rai")):
        points = born_dead.POINTS
        print(f"The domain is sampled at {points} points: read 'drawn' as an upper estimate.")
    if not symmetric:
        print(f"No bound is known for {init}, hence no safe width.")
        return 0
    safe = theory.safe_width(depth, options.risk)
    print(
        f"At depth {depth}, width {safe} or more is born dead with probability at most "
        f"{theory.upper_bound(safe, depth):.3g}, within the accepted {options.risk:g}."
    )
    return 0
