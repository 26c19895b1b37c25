"""``firstlight lab``: the studies, and one page with all the answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from firstlight.cli.parsing import folder, parse
from firstlight.config import Preset
from firstlight.studies import REGISTRY, study_of


@dataclass(frozen=True)
class Lab:
    """Run the studies and write one page with all the answers.

    What is already finished in the folder is not run again, so the same command goes on after an
    interruption.
    """

    studies: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[STUDY …]")
    ] = ()
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
    data = folder(options.data, "--data")

    from firstlight.report import page as report
    from firstlight.cli import terminal
    from firstlight.cli.running import find_data, pick_device, run_study
    from firstlight.record import RECORD_FILE

    device = pick_device(options.device)
    datasets = {config.study: find_data(config, data) for config in configs}
    stand_in = any(dataset is not None and dataset.notice for dataset in datasets.values())
    suffix = "-digits" if stand_in else ""
    out = options.out or Path("runs") / f"{options.preset}-seed{options.seed}{suffix}"
    records = [
        run_study(config, out, device=device, dataset=datasets[config.study]) for config in configs
    ]
    page = out / report.PAGE_FILE
    if not _is_newer(page, out.glob(f"*/{RECORD_FILE}")):
        page = report.write(out)
    terminal.show(terminal.answers_table(records))
    terminal.show_place("report", page.resolve())
    return 0


def _is_newer(page: Path, records: Iterable[Path]) -> bool:
    """Say whether the page was made after every record, so that it need not be made again."""
    if not page.exists():
        return False
    made = page.stat().st_mtime_ns
    return all(record.stat().st_mtime_ns < made for record in records)
