"""``firstlight lab``: the studies, and one page with all the answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from firstlight.cli.common import check_folder, find_data, parse, pick_device, run_study
from firstlight.config import Preset
from firstlight.studies import REGISTRY, study_of


@dataclass(frozen=True)
class Lab:
    """Run the studies and write one page with all the answers.

    What is already finished in the folder is not run again, so the same command goes on after an
    interruption.
    """

    studies: Annotated[tuple[str, ...], Positional, arg(metavar="[STUDY …]")] = ()
    """Which studies; all of them when none is named."""
    preset: Preset = "quick"
    """quick: minutes on 2 cores; full: the assignment's own numbers."""
    out: Path | None = None
    """The run folder; by default runs/<preset>-seed<seed>."""
    seed: int = 0
    """Every random number follows from this one."""
    data: Path | None = None
    """A folder with the data sets; otherwise the known places are searched."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks are trained."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse(Lab, arguments, "firstlight lab")
    names = list(dict.fromkeys(options.studies)) or list(REGISTRY)
    configs = [study_of(name).config.preset(options.preset, seed=options.seed) for name in names]
    check_folder(options.data, "--data")

    from firstlight.cli import terminal
    from firstlight.record.record import RECORD_FILE
    from firstlight.report import page

    device = pick_device(options.device)
    datasets = [find_data(config, options.data) for config in configs]
    suffix = "-digits" if any(d is not None and d.notice for d in datasets) else ""
    out = options.out or Path("runs") / f"{options.preset}-seed{options.seed}{suffix}"
    records = [run_study(c, out, device, d) for c, d in zip(configs, datasets, strict=True)]
    path = out / page.PAGE_FILE
    made = path.stat().st_mtime_ns if path.exists() else 0
    if not all(record.stat().st_mtime_ns < made for record in out.glob(f"*/{RECORD_FILE}")):
        path = page.write(out)  # it is not newer than every record
    terminal.show(terminal.answers_table(records))
    print(f"report: {path.resolve()}")
    return 0
