"""``firstlight run STUDY``: one study, every parameter of its config as an option."""

import hashlib
import sys
from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from firstlight.cli.common import check_folder, find_data, parse, pick_device, run_study
from firstlight.config import Config, Preset
from firstlight.errors import ConfigError
from firstlight.studies import REGISTRY, study_of

USAGE = f"""usage: firstlight run STUDY [OPTIONS]

Run one study; 'firstlight run STUDY --help' lists the parameters of its config.

studies: {", ".join(REGISTRY)}"""


def _options(kind: type[Config], preset: str) -> Any:
    """Return the dataclass of the command's options, with the preset's values as defaults."""
    rows = {
        "preset": (Preset, preset, "Where the defaults below come from."),
        "out": (Path | None, None, "The run folder; by default one for each config."),
        "json": (bool, False, "Print the record, without arrays, and nothing else."),
        "data": (Path | None, None, "A folder with the data sets."),
        "device": (Literal["auto", "cpu", "cuda"], "auto", "Where networks train."),
    }
    config = "config", Annotated[kind, tyro.conf.arg(name="")], kind.preset(preset)
    options = [(n, Annotated[t, tyro.conf.arg(help=h)], d) for n, (t, d, h) in rows.items()]
    return make_dataclass("Run", [config, *options], namespace={"__doc__": kind.__doc__})


def _preset(arguments: list[str]) -> str:
    """Return the preset named in the arguments, since it sets the other options' defaults."""
    for index, text in enumerate(arguments):
        if text == "--preset" and index + 1 < len(arguments):
            return arguments[index + 1]
        if text.startswith("--preset="):
            return text.removeprefix("--preset=")
    return "quick"


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if not arguments:
        raise ConfigError(f"study: expected one of {', '.join(REGISTRY)}, got none")
    if arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    kind = study_of(arguments[0]).config
    command = f"firstlight run {kind.study}"
    options = parse(_options(kind, _preset(arguments)), arguments[1:], command)
    check_folder(options.data, "--data")

    from firstlight.cli import terminal
    from firstlight.record.files import to_json

    config: Config = options.config
    dataset = find_data(config, options.data)
    # Each config has a folder of its own, so that two never meet.
    identity = {"config": config.as_dict(), "data": dataset.fingerprint if dataset else ""}
    digest = hashlib.sha256(to_json(identity).encode()).hexdigest()[:8]
    out = options.out or Path("runs") / f"{config.study}-{digest}"
    record = run_study(config, out, pick_device(options.device), dataset)
    if options.json:
        sys.stdout.write(to_json(record.as_dict()))
        return 0
    facts = terminal.facts_table(record.facts.items(), config.study)
    terminal.show(facts, terminal.answers_table([record]))
    print(f"record: {(out / config.study).resolve()}")
    return 0
