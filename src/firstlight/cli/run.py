"""``firstlight run STUDY``: one study, every parameter of its config as an option."""

import hashlib
import sys
from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from firstlight.cli.parsing import folder, parse
from firstlight.config import Config, Preset
from firstlight.errors import ConfigError
from firstlight.record.files import to_json
from firstlight.studies import REGISTRY, study_of

USAGE = f"""usage: firstlight run STUDY [OPTIONS]

Run one study; 'firstlight run STUDY --help' lists the parameters of its config.

studies: {", ".join(REGISTRY)}"""


def _options(kind: type[Config], preset: str) -> Any:
    """Return the dataclass of the command's options, with the preset's values as defaults."""

    def option(kind: Any, text: str) -> Any:
        return Annotated[kind, tyro.conf.arg(help=text)]

    default = kind.preset(preset)
    return make_dataclass(
        "Run",
        [
            ("config", Annotated[kind, tyro.conf.arg(name="")], default),
            ("preset", option(Preset, "Where the defaults below come from."), preset),
            ("out", option(Path | None, "The run folder; by default one for each config."), None),
            ("json", option(bool, "Print the record, without arrays, and nothing else."), False),
            ("data", option(Path | None, "A folder with the data sets."), None),
            ("device", option(Literal["auto", "cpu", "cuda"], "Where networks train."), "auto"),
        ],
        frozen=True,
        namespace={"__doc__": kind.__doc__},
    )


def _preset(arguments: list[str]) -> str:
    """Return the preset named in the arguments, since it sets the other options' defaults."""
    for index, text in enumerate(arguments):
        if text == "--preset" and index + 1 < len(arguments):
            return arguments[index + 1]
        if text.startswith("--preset="):
            return text.removeprefix("--preset=")
    return "quick"


def _default_folder(config: Config, data: str) -> Path:
    """Return a folder of this config's own, so that two configs never meet."""
    text = to_json({"config": config.as_dict(), "data": data})
    return Path("runs") / f"{config.study}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
    data = folder(options.data, "--data")

    from firstlight.cli import terminal
    from firstlight.cli.running import find_data, pick_device, run_study

    dataset = find_data(options.config, data)
    identity = "" if dataset is None else dataset.fingerprint
    out = options.out or _default_folder(options.config, identity)
    device = pick_device(options.device)
    record = run_study(options.config, out, device=device, dataset=dataset)
    if options.json:
        sys.stdout.write(to_json(record.as_dict()))
        return 0
    terminal.show(
        terminal.facts_table(record.facts.items(), kind.study), terminal.answers_table([record])
    )
    terminal.show_place("record", (out / kind.study).resolve())
    return 0
