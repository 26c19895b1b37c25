"""What ``lab`` and ``run`` share: their options, one study in one folder, the answers, the page."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import firstlight
from firstlight.config import Config, Preset
from firstlight.errors import ConfigError, RecordError
from firstlight.studies import study_of

if TYPE_CHECKING:
    from firstlight.data.datasets import Dataset
    from firstlight.record.record import Record

RUNS = Path("runs")
"""Where runs lie that are given no other place."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options of a command that runs studies."""

    preset: Preset = "quick"
    """How large the run is."""
    data: Path | None = None
    """Which images: a folder with the official files; official: all 70,000 images of each set,
    fetched if need be; embedded: the 6,000 training and 2,000 test images that come with firstlight.
    Without it: FIRSTLIGHT_DATA, the cache, Debian's folder, embedded; the preset full means official.
    More under 'firstlight data --help'."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks are trained."""
    full: bool = False
    """Print also what the page says below each answer, and what the marks before the answers mean."""


HEADS = {"data": "--data DIR|official|embedded", "out": "--out DIR"}
"""How options are written in the help, where name and type do not say it."""


def pick_device(wanted: str) -> str:
    """Return ``cuda`` where it is wanted and there, else ``cpu``; ask torch only if need be."""
    if wanted == "cpu" or (wanted == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError("--device: expected a CUDA device, got none; use --device cpu")
    return "cpu"


def find_data(config: Config, source: Path | None, preset: str = "quick") -> "Dataset | None":
    """Return the study's data set, and say which images it is.

    Args:
        config: of the study.
        source: what --data names: a folder, ``official`` or ``embedded``.
        preset: ``"full"`` wants all images, and fetches them unless --data or FIRSTLIGHT_DATA
            names something else.
    """
    if config.data_set is None:
        return None
    from firstlight.cli.progress import progress, say
    from firstlight.data import datasets, sources

    wanted = sources.named(source) or ("official" if preset == "full" else None)
    with progress(config.study, "bytes") as report:
        dataset = datasets.load(config.data_set, wanted, progress=report)
    say(f"{config.study}: {dataset.origin}")
    return dataset


def identity(config: Config, device: str, dataset: "Dataset | None") -> dict[str, Any]:
    """Return everything that a run's answer depends on, JSON-ready."""
    return {
        "study": config.study,
        "version": firstlight.__version__,
        "config": config.as_dict(),
        "device": device,
        "data": None if dataset is None else f"{dataset.name} {dataset.fingerprint}",
    }


def run_study(config: Config, out: Path, device: str, dataset: "Dataset | None") -> "Record":
    """Return the study's record in ``out/<study>``.

    It is the one that lies there; or that of the same run in another folder of ``runs``; or a new
    one.
    """
    from firstlight.cli.progress import duration, progress, say
    from firstlight.context import Context
    from firstlight.record.record import RECORD_FILE, load, save
    from firstlight.record.store import claim

    folder, own = out / config.study, identity(config, device, dataset)
    claim(folder, own)
    if (folder / RECORD_FILE).exists():
        finished = load(folder)
        say(f"{config.study}: already finished in {folder}")
        return finished
    elsewhere = _elsewhere(own, folder)
    if elsewhere is not None:
        place, record = elsewhere
        save(record, folder)
        say(f"{config.study}: the same run is finished in {place}, its record is taken from there")
        return record
    with progress(config.study) as report:
        record = study_of(config.study).run(config, Context(folder, device, report, dataset))
    save(record, folder)
    say(f"{config.study}: done in {duration(record.provenance['duration_s'])}")
    return record


def _elsewhere(own: dict[str, Any], folder: Path) -> "tuple[Path, Record] | None":
    """Return the finished record of the same run in another folder of ``runs``, and that folder.

    Not one from before the code last changed.
    """
    from firstlight.record.record import RECORD_FILE, load
    from firstlight.record.store import CLAIM_FILE

    changed = newest_source("*.py")
    for claimed in sorted(RUNS.glob(f"*/{own['study']}/{CLAIM_FILE}")):
        place, record = claimed.parent, claimed.parent / RECORD_FILE
        if place.resolve() == folder.resolve() or not record.exists():
            continue
        try:
            same = json.loads(claimed.read_text(encoding="utf-8")) == own
            if same and record.stat().st_mtime_ns > changed:
                return place, load(place)
        except (ValueError, RecordError):  # a folder that cannot be read is none to take from
            continue
    return None


def newest_source(*patterns: str) -> int:
    """Return when the package's files of these names last changed, in nanoseconds."""
    package = Path(firstlight.__file__).parent
    return max(path.stat().st_mtime_ns for each in patterns for path in package.rglob(each))


def conclude(records: "Sequence[Record]", out: Path, full: bool) -> None:
    """Make the page of a run folder where it is not up to date, print the answers and its place."""
    import sys

    from firstlight.cli import terminal
    from firstlight.cli.progress import progress
    from firstlight.record.record import RECORD_FILE
    from firstlight.report import page

    path = out / page.PAGE_FILE
    made = path.stat().st_mtime_ns if path.exists() else 0
    stale = newest_source("*.py", "*.html", "*.css")
    newest = max([stale, *(r.stat().st_mtime_ns for r in out.glob(f"*/{RECORD_FILE}"))])
    if made <= newest:
        with progress("page") as report:
            path = page.write(out, report)
    print("\n".join(terminal.answers(records, full, terminal.columns(sys.stdout))))
    print(f"page: {path.resolve()}")
