"""``firstlight born-dead``: how likely a ReLU network is dead before it is trained."""

import sys
from dataclasses import dataclass

from firstlight.cli.parsing import parse
from firstlight.errors import ConfigError
from firstlight.record.files import to_json
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
    """Units in each hidden layer, from 1 to 1000."""
    depth: int
    """Layers with the linear output, from 2 to 1000: 10 means 9 hidden layers."""
    inputs: int = 1
    """Input dimension, from 1 to 1000."""
    init: Init = "he"
    """Initialization of weights and biases."""
    networks: int = 200_000
    """Networks to draw, from 1 to 100000000."""
    seed: int = 0
    """From 0."""
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
            f"width and depth: expected at most {MOST_PARAMETERS:,} parameters in a network, got "
            f"{parameters:,}; choose a smaller shape"
        )


def _known(options: BornDead) -> dict[str, float | None]:
    """Return what theory knows; None where it knows nothing."""
    from firstlight.ensemble import theory

    shape = (options.width, options.depth)
    normal = options.init in theory.NORMAL
    return {
        "exact": theory.exact(*shape, options.inputs) if normal else None,
        "lower_bound": theory.lower_bound(*shape) if normal and options.inputs == 1 else None,
        "upper_bound": theory.upper_bound(*shape) if options.init in theory.SYMMETRIC else None,
    }


def _advice(options: BornDead) -> str:
    from firstlight.ensemble import theory

    if options.init not in theory.SYMMETRIC:
        return f"No bound is known for {options.init}, hence no safe width."
    width = theory.safe_width(options.depth, options.risk)
    bound = theory.upper_bound(width, options.depth)
    return (
        f"At depth {options.depth}, width {width} or more is born dead with probability at most "
        f"{bound:.3g}, within the accepted {options.risk:g}."
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(BornDead, arguments, "firstlight born-dead")
    _check(options)

    from firstlight.cli import terminal
    from firstlight.ensemble import born_dead as dead
    from firstlight.ensemble import theory
    from firstlight.ensemble.spec import Network
    from firstlight.record import Fact

    network = Network((options.inputs, *[options.width] * (options.depth - 1), 1))
    with terminal.progress("born-dead") as report:
        fact = theory.probability(
            network, options.init, options.networks, options.seed, progress=report
        )
    known = _known(options)
    if options.json:
        drawn = {"probability": fact.value, "low": fact.low, "high": fact.high}
        sys.stdout.write(to_json({**drawn, **known, "networks": fact.n}))
        return 0
    rows = {"drawn": fact} | {
        n.replace("_", " "): Fact(v) for n, v in known.items() if v is not None
    }
    title = f"P(born dead), width {options.width}, depth {options.depth}, {options.init}"
    terminal.show(terminal.facts_table(rows.items(), title))
    if not dead.is_exact(network, zero_bias=options.init not in ("torch", "rai")):
        print(f"The domain is sampled at {dead.POINTS} points: read 'drawn' as an upper estimate.")
    print(_advice(options))
    return 0
