"""What commands share: arguments into dataclasses, and one study in one folder."""

import contextlib
import io
import shutil
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import tyro

from firstlight import __version__
from firstlight.config import Config
from firstlight.errors import ConfigError
from firstlight.studies import study_of

if TYPE_CHECKING:
    from firstlight.data.datasets import Dataset
    from firstlight.record.record import Record

T = TypeVar("T")

WORDS = {
    "Error parsing ": "",
    "invalid literal for int() with base 10:": "expected a whole number, got",
    "could not convert string to float:": "expected a number, got",
}
"""What stands in messages of tyro and Python → what is printed instead."""


def parse(kind: Callable[..., T], arguments: list[str], prog: str) -> T:
    """Return the dataclass ``kind`` filled from ``arguments``.

    Raises:
        ConfigError: an argument is unknown, missing or not of its kind.
        SystemExit: help was asked for and printed.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(kind, prog=prog, args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # The message is the first paragraph in tyro's frame.
        lines = (line.strip("╭╰│─╮╯| ") for line in box.getvalue().splitlines()[1:])
        words = " ".join(takewhile(bool, lines)) or "the arguments do not fit"
        for theirs, ours in WORDS.items():
            words = words.replace(theirs, ours)
        raise ConfigError(f"{words.rstrip('.')}; see '{prog} --help'") from None


def check_folder(path: Path | None, option: str) -> None:
    """Raise ``ConfigError`` where the user named something that is no folder."""
    if path is not None and not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise ConfigError(f"{option}: expected a folder, got {path} ({found}); check the path")


def pick_device(wanted: str) -> str:
    """Return ``cuda`` where it is wanted and there, else ``cpu``; ask torch only if need be."""
    if wanted == "cpu" or (wanted == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError("device: expected a CUDA device, got none; use --device cpu")
    return "cpu"


def find_data(config: Config, folder: Path | None) -> "Dataset | None":
    """Return the study's data set, fetched if need be, and say where stand-in data are used."""
    if config.data_set is None:
        return None
    from firstlight.cli.terminal import progress, say
    from firstlight.data import datasets

    with progress(config.study) as report:
        dataset = datasets.load(config.data_set, folder=folder, progress=report)
    if dataset.notice is not None:
        say(f"{config.study}: {dataset.notice}")
    return dataset


def run_study(config: Config, out: Path, device: str, dataset: "Dataset | None") -> "Record":
    """Return the study's record in ``out/<study>``: the one that lies there, or a new one."""
    from firstlight.cli.terminal import progress, say
    from firstlight.context import Context
    from firstlight.record.record import RECORD_FILE, load, save
    from firstlight.record.store import claim

    folder = out / config.study
    identity = {
        "study": config.study,
        "version": __version__,
        "config": config.as_dict(),
        "device": device,
        "data": None if dataset is None else f"{dataset.name} {dataset.fingerprint}",
    }
    claim(folder, identity)
    if (folder / RECORD_FILE).exists():
        finished = load(folder)
        say(f"{config.study}: already finished in {folder}")
        return finished
    with progress(config.study) as report:
        record = study_of(config.study).run(config, Context(folder, device, report, dataset))
    save(record, folder)
    return record
