"""``firstlight lab``: the studies, and one page with all the answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from firstlight.cli import common
from firstlight.cli.arguments import check_source, options_as_typed, parse
from firstlight.cli.help import Help, presets
from firstlight.studies import REGISTRY, study_of


@dataclass(frozen=True)
class Lab(common.Common):
    """Run the studies, print a line for each question and write one page with all the answers.

    What is finished is not run again, here or in another folder of runs, so the same command goes
    on after an interruption.
    """

    studies: Annotated[tuple[str, ...], Positional] = ()
    """Which studies; all of them when none is named."""
    out: Path | None = None
    """The run folder; by default runs/<preset>-seed<seed>, with -official for all 70,000 images."""
    seed: int = 0
    """The number from which all random numbers follow: another seed, another run of the same size."""


def _help() -> Help:
    return Help(
        "firstlight lab [STUDY …] [OPTIONS]",
        Lab.__doc__ or "",
        {
            "firstlight lab": "everything in about 7 minutes",
            "firstlight lab cyclical --preset class": "one study, larger",
            "firstlight lab --seed 1": "again, with other random numbers",
        },
        {
            "what is run": (Lab, ("studies", "preset", "seed", "data", "device")),
            "what is printed and kept": (Lab, ("full", "out")),
        },
        {**common.HEADS, "studies": "[STUDY …]"},
        (f"studies: {', '.join(REGISTRY)}", presets()),
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(Lab, arguments, "firstlight lab", _help)
    names = list(dict.fromkeys(options.studies)) or list(REGISTRY)
    kinds = [study_of(name).config for name in names]
    with options_as_typed(["seed"]):
        configs = [kind.preset(options.preset, seed=options.seed) for kind in kinds]
    check_source(options.data)
    device = common.pick_device(options.device)
    datasets = [common.find_data(config, options.data, options.preset) for config in configs]
    suffix = "-official" if any(d is not None and d.whole for d in datasets) else ""
    out = options.out or common.RUNS / f"{options.preset}-seed{options.seed}{suffix}"
    records = [common.run_study(c, out, device, d) for c, d in zip(configs, datasets, strict=True)]
    common.conclude(records, out, options.full)
    return 0
