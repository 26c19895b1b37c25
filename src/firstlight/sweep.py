"""Many trials: each stored the moment it is done, never run twice, in local processes."""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.context import Context, cores
from firstlight.errors import FirstlightError, TrialError
from firstlight.store import Scalar, TrialResult, read_trial, write_trial

Tick = Callable[[int, int], None]
Work = Callable[[dict[str, Any], Tick], tuple[dict[str, Scalar], dict[str, np.ndarray]]]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
Pending = dict[str, tuple[dict[str, Any], Path | None]]

_ticks: Any = None  # in a worker: the queue on which it reports progress


def _follow_parent() -> None:
    """End this worker when the process that started it is gone, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _start_worker(ticks: Any, threads: int) -> None:
    global _ticks
    _ticks = ticks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone answers Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    # Tiny numbers slow an x86 processor down a hundredfold; no study depends on them.
    torch.set_flush_denormal(True)


def _identity(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial is; keys with a leading underscore only say where things lie today."""
    return {name: value for name, value in spec.items() if not name.startswith("_")}


def _perform(work: str, name: str, spec: dict[str, Any], path: Path | None) -> TrialResult:
    """Run one trial in a worker, store it, and return it."""
    module, function = work.split(":")
    run: Work = getattr(import_module(module), function)
    facts, arrays = run(spec, lambda done, total: _ticks.put((name, done, total)))
    result = TrialResult(facts, arrays)
    if path is not None:
        write_trial(path, _identity(spec), result)
    return result


class _Progress:
    """Adds up the progress of all trials, in shares of a trial, and reports it."""

    def __init__(self, context: Context, label: str, done: int, total: int) -> None:
        self._report, self._label = context.progress, label
        self._done, self._total, self._shares = done, total, dict[str, float]()

    def drain(self, ticks: Any) -> None:
        while True:
            try:
                name, done, total = ticks.get_nowait()
            except queue.Empty:
                break
            self._shares[name] = done / total
        self.show()

    def finish(self, name: str) -> None:
        self._shares[name] = 1.0

    def show(self) -> None:
        percent = 100 * (self._done + sum(self._shares.values())) / max(1, self._total)
        self._report(self._label, round(percent), 100)


def _environment(threads: int) -> dict[str, str | None]:
    """Set the thread counts that spawned workers inherit; return what was there before."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    return before


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _explain(name: str, error: BaseException) -> BaseException:
    """Return the error to show: bad input and a full disk speak for themselves."""
    if isinstance(error, (FirstlightError, OSError)):
        return error
    what = "its process ended" if isinstance(error, BrokenProcessPool) else repr(error)
    return TrialError(f"trial {name}: {what}; finished trials are kept, the same command goes on")


def _run_pending(
    work: str,
    pending: Mapping[str, tuple[dict[str, Any], Path | None]],
    workers: int,
    threads: int,
    progress: _Progress,
) -> dict[str, TrialResult]:
    spawn = multiprocessing.get_context("spawn")
    ticks, results = spawn.Queue(), dict[str, TrialResult]()
    pool = ProcessPoolExecutor(workers, spawn, _start_worker, (ticks, threads))
    try:
        waiting: dict[Future[TrialResult], str] = {
            pool.submit(_perform, work, name, spec, path): name
            for name, (spec, path) in pending.items()
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                name = waiting.pop(future)
                error = future.exception()
                if error is not None:
                    raise _explain(name, error) from error
                results[name] = future.result()
                progress.finish(name)
            progress.drain(ticks)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ticks.close()
        ticks.cancel_join_thread()
    return results


def run_trials(
    work: str,
    trials: Mapping[str, dict[str, Any]],
    context: Context,
    *,
    label: str = "trials",
    threads: int = 1,
) -> dict[str, TrialResult]:
    """Run every trial once and return the results in the order of ``trials``.

    A trial that already lies in the run folder is read, not run; a finished one is stored at once
    under a temporary name and renamed. On an accelerator trials run one after the other.

    Args:
        work: ``"module:function"``, called as ``function(spec, tick) -> (facts, arrays)``.
        trials: name → spec; names are file names, specs JSON-ready. A key with a leading underscore
            (a folder, say) is no part of what the trial is.
        context: run folder, device and progress.
        label: what the progress is called.
        threads: threads in each process; a fixed number, since the order of sums depends on it.

    Raises:
        FolderError: a stored trial is broken or has another spec.
        TrialError: a trial raised or its process died; finished ones are kept.
    """
    results: dict[str, TrialResult] = {}
    pending: Pending = {}
    for name, spec in trials.items():
        path = None if context.folder is None else context.folder / "trials" / f"{name}.safetensors"
        found = None if path is None else read_trial(path, _identity(spec))
        if found is None:
            pending[name] = (spec, path)
        else:
            results[name] = found
    progress = _Progress(context, label, len(results), len(trials))
    progress.show()
    if pending:
        available = 1 if context.device.startswith("cuda") else max(1, cores() // threads)
        before = _environment(threads)
        try:
            results |= _run_pending(work, pending, min(available, len(pending)), threads, progress)
        finally:
            _restore(before)
    return {name: results[name] for name in trials}
