"""The parts of a run, each done once: in threads of this process, stored the moment it is done.

A part is a block of seeds whose size does not depend on the machine, and each part is computed by
one thread; so neither the number of threads nor an interruption changes a bit of the answer.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from firstlight.record import store
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.context import Context
from firstlight.record.provenance import cores
from firstlight.studies.initialization.data import Images
from firstlight.studies.initialization.training import learn, trained_activations
from firstlight.studies.initialization.measures import joined
from firstlight.studies.initialization.experiments import Arrays, before, deep, on_ball

BLOCK = 10
"""Seeds measured in one part."""


@dataclass(frozen=True)
class Part:
    """Some seeds of one kind of work: ``learning``, ``before``, ``deep`` or ``ball``."""

    kind: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """Return the part's name as a file name."""
        return f"{self.kind}-{self.first}"


def parts(config: InitializationConfig) -> list[Part]:
    """Return every part of a run, the longest first."""
    found = []
    if trained_activations(config):
        found = [Part("learning", index, index + 1) for index in range(config.training_seeds)]
    kinds = ["before", "deep", "ball"] if trained_activations(config) else ["before", "deep"]
    for kind in kinds:
        for first in range(0, config.seeds, BLOCK):
            found.append(Part(kind, first, min(first + BLOCK, config.seeds)))
    return found


def _do(part: Part, config: InitializationConfig, data: Images) -> Arrays:
    if part.kind == "learning":
        return learn(config, data, part.first)
    if part.kind == "ball":
        return on_ball(config, part.first, part.last, str(data.x.device))
    work = {"before": before, "deep": deep}[part.kind]
    return work(config, data, part.first, part.last)


def _one_thread() -> None:
    """Prepare a thread of the pool: no threads within, and numbers near zero are zero."""
    torch.set_num_threads(1)
    # Tiny numbers slow an x86 processor down a hundredfold; nothing here depends on them.
    torch.set_flush_denormal(True)


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool; torch's own number of threads is put back when it is closed."""
    own = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, initializer=_one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(own)


def perform(
    config: InitializationConfig, data: Images, fingerprint: str, context: Context
) -> dict[str, Arrays]:
    """Do every part and return the arrays of each kind, all seeds together.

    Args:
        config: the parameters.
        data: the images.
        fingerprint: names the content of the data set.
        context: parts that its folder holds are read, not done again; its progress is used.
    """
    every = parts(config)
    same = {"config": config.as_dict(), "data": fingerprint, "device": context.device}
    results: dict[Part, Arrays] = {}
    lock = Lock()

    def finish(part: Part) -> None:
        spec = {**same, "kind": part.kind, "first": part.first, "last": part.last}
        arrays = _kept_or_done(part, config, data, spec, context.folder)
        with lock:
            results[part] = arrays
            context.progress("initialization", len(results), len(every))

    with _threads(1 if context.device.startswith("cuda") else cores()) as pool:
        waiting = [pool.submit(finish, part) for part in every]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    kinds = dict.fromkeys(part.kind for part in every)
    return {k: joined([results[part] for part in every if part.kind == k]) for k in kinds}


def _kept_or_done(
    part: Part,
    config: InitializationConfig,
    data: Images,
    spec: Mapping[str, Any],
    folder: Path | None,
) -> Arrays:
    path = None if folder is None else folder / "trials" / f"{part.name}.safetensors"
    found = None if path is None else store.read_trial(path, spec)
    if found is None:
        found = store.TrialResult({}, _do(part, config, data))
        if path is not None:
            store.write_trial(path, spec, found)
    return found.arrays
