"""``firstlight run STUDY``: one study, every parameter of its config as an option."""

import hashlib
import sys
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from firstlight.cli import common
from firstlight.cli.arguments import check_source, options_as_typed, parse
from firstlight.cli.help import Help, flag, presets
from firstlight.config import Config
from firstlight.errors import ConfigError
from firstlight.studies import REGISTRY, study_of

USAGE = f"""usage: firstlight run STUDY [OPTIONS]

Run one study, with every parameter of its config as an option, and write its page.
'firstlight run STUDY --help' lists them; with --preset class or full, as they are there.

studies: {", ".join(REGISTRY)}"""


@dataclass(frozen=True, kw_only=True)
class Options(common.Common):
    """The options of ``run`` beside the parameters of the study."""

    full: bool = False
    """Print also all numbers, what the page says below each answer, and what the marks mean."""
    out: Path | None = None
    """The run folder; by default one in runs for each config."""
    json: bool = False
    """Print the record, without its arrays, as JSON and nothing else; no page is made."""


def _preset(arguments: list[str]) -> str:
    """Return the preset named in the arguments, since it sets the other options' defaults."""
    for index, text in enumerate(arguments):
        if text == "--preset" and index + 1 < len(arguments):
            return arguments[index + 1]
        if text.startswith("--preset="):
            return text.removeprefix("--preset=")
    return "quick"


def _help(config: Config, preset: str) -> Help:
    call = f"firstlight run {config.study}"
    names = [field.name for field in fields(config)]
    changed = next(iter(config.presets.get("class", {})), names[-1])
    value = config.presets.get("class", {}).get(changed, 1)
    note = (
        "--seed says which random numbers are drawn; --seeds says how many independent networks "
        "are trained,\neach from random numbers of its own, and so how narrow the intervals are."
    )
    return Help(
        f"{call} [OPTIONS]",
        f"{type(config).__doc__}",
        {
            f"{call} --preset class": "larger",
            f"{call} --seed 1 --full": "other random numbers, everything printed",
            f"{call} {flag(changed)} {value}": "one parameter changed",
        },
        {
            "the run": (Options, ("preset", "data", "device")),
            "what is printed and kept": (Options, ("full", "json", "out")),
            f"parameters of the study, with the defaults of the preset {preset}": (config, names),
        },
        common.HEADS,
        (presets(), note) if "seeds" in names else (presets(),),
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if not arguments:
        raise ConfigError(f"study: expected one of {', '.join(REGISTRY)}, got none")
    if arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    kind, preset = study_of(arguments[0]).config, _preset(arguments)
    command = f"firstlight run {kind.study}"
    with options_as_typed(["preset"]):
        defaults = kind.preset(preset)
    config_field = "config", Annotated[kind, tyro.conf.arg(name="")], defaults
    both: Any = make_dataclass("Run", [config_field], bases=(Options,), frozen=True, kw_only=True)
    options = parse(both, arguments[1:], command, lambda: _help(defaults, preset))
    check_source(options.data)

    from firstlight.record.files import to_json

    config: Config = options.config
    device = common.pick_device(options.device)
    dataset = common.find_data(config, options.data, options.preset)
    # Each run has a folder of its own, so that two never meet.
    run = to_json(common.identity(config, device, dataset))
    digest = hashlib.sha256(run.encode()).hexdigest()[:8]
    out = options.out or common.RUNS / f"{config.study}-{digest}"
    record = common.run_study(config, out, device, dataset)
    if options.json:
        sys.stdout.write(to_json(record.as_dict()))
        return 0
    if options.full:
        from firstlight.cli import terminal

        terminal.show(terminal.record_table(record))
    common.conclude([record], out, options.full)
    return 0
