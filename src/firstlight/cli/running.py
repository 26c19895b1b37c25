"""One study in one folder: claim it, run what is missing, save the record."""

import shutil
from pathlib import Path

from firstlight import __version__, studies
from firstlight.cli.terminal import progress, say
from firstlight.config import Config
from firstlight.context import Context
from firstlight.data import datasets
from firstlight.data.datasets import Dataset
from firstlight.errors import ConfigError
from firstlight.record import RECORD_FILE, Record, load, save
from firstlight.record.store import claim


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


def find_data(config: Config, folder: Path | None) -> Dataset | None:
    """Return the study's data set, fetched if need be, and say where stand-in data are used."""
    if config.data_set is None:
        return None
    with progress(config.study) as report:
        dataset = datasets.load(config.data_set, folder=folder, progress=report)
    if dataset.notice is not None:
        say(f"{config.study}: {dataset.notice}")
    return dataset


def run_study(config: Config, out: Path, device: str, dataset: Dataset | None) -> Record:
    """Return the study's record in ``out/<study>``: the one that lies there, or a new one."""
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
        record = studies.run(config, Context(folder, device, report, dataset))
    save(record, folder)
    return record
