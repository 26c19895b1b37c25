"""Many trials: each stored the moment it is done, never run twice, in processes or threads."""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, TypeVar

from firstlight.context import Context, Work
from firstlight.errors import FirstlightError, TrialError
from firstlight.record.provenance import cores
from firstlight.record.store import TrialResult, identity, read_trial, write_trial
from firstlight.types import Tick

S = TypeVar("S")
Function = Callable[[S, Context, Tick], TrialResult]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

_context = Context()  # in a worker: device and data set
_ticks: Any = None  # in a worker: the queue on which it reports progress


def run_trials(
    function: Function[S],
    specs: Mapping[str, S],
    context: Context,
    *,
    label: str = "trials",
    executor: Literal["processes", "threads"] = "processes",
    workers: int | None = None,
    threads: int = 1,
) -> dict[str, TrialResult]:
    """Run every trial once and return the results in the order of ``specs``.

    A trial that already lies in the run folder is read, not run; a finished one is stored at once
    under a temporary name and renamed. On an accelerator trials run one after the other.

    Args:
        function: called as ``function(spec, context, tick)``; where trials run in processes, a
            function of a module.
        specs: name → spec; names are file names, specs dataclasses whose values are all that the
            result depends on, besides the data set and the device.
        context: run folder, device, data set and progress.
        label: what the progress is called.
        executor: ``"processes"``, each with its own torch, or ``"threads"`` of this process.
        workers: processes or threads at a time; by default as many as the cores allow. One thread
            is the calling one, whose torch is left as it is.
        threads: threads within each; a fixed number, since the order of sums depends on it.

    Raises:
        FolderError: a stored trial is broken or has another spec.
        TrialError: a trial raised or its process died; finished ones are kept.
    """
    results: dict[str, TrialResult] = {}
    pending: dict[str, tuple[S, Path | None]] = {}
    for name, spec in specs.items():
        path = None if context.folder is None else context.folder / "trials" / f"{name}.safetensors"
        stored = None if path is None else read_trial(path, _identity(spec, context))
        if stored is None:
            pending[name] = (spec, path)
        else:
            results[name] = stored
    available = 1 if context.device.startswith("cuda") else max(1, cores() // threads)
    count = max(1, min(workers or available, len(pending) or len(specs)))
    progress = _Progress(context, label, len(results), len(specs))
    progress.show()
    if pending:
        pool = {"processes": _processes, "threads": _threads}[executor]
        if executor == "threads" and workers == 1:
            results |= _in_turn(function, pending, context, progress)
        else:
            with pool(count, threads, context, progress) as (submit, drain):
                results |= _all(function, pending, submit, drain, progress)
    ordered = {name: results[name] for name in specs}
    seconds = sum(result.seconds for result in ordered.values())
    context.done.append(Work(label, len(ordered), round(seconds, 3), count, executor, threads))
    return ordered


def _identity(spec: object, context: Context) -> dict[str, Any]:
    data = None if context.dataset is None else context.dataset.fingerprint
    return identity(spec, data, context.device)


def _perform(
    function: Function[S], spec: S, path: Path | None, context: Context, tick: Tick
) -> TrialResult:
    """Run one trial, store it, and return it."""
    started = perf_counter()
    result = function(spec, context, tick)
    result = replace(result, seconds=perf_counter() - started)
    if path is not None:
        write_trial(path, _identity(spec, context), result)
    return result


def _perform_in_worker(function: Function[S], name: str, spec: S, path: Path | None) -> TrialResult:
    return _perform(
        function, spec, path, _context, lambda done, total: _ticks.put((name, done, total))
    )


class _Progress:
    """Adds up the progress of all trials, in shares of a trial, and reports it."""

    def __init__(self, context: Context, label: str, done: int, total: int) -> None:
        self._report, self._label = context.progress, label
        self._done, self._total, self._shares = done, total, dict[str, float]()

    def share(self, name: str, done: int, total: int) -> None:
        self._shares[name] = done / total

    def show(self) -> None:
        percent = 100 * (self._done + sum(self._shares.values())) / max(1, self._total)
        self._report(self._label, round(percent), 100)


Pending = Mapping[str, tuple[S, Path | None]]
Submit = Callable[..., "Future[TrialResult]"]
Pool = Iterator[tuple[Submit, Callable[[], None]]]


def _in_turn(
    function: Function[S], pending: Pending[S], context: Context, progress: _Progress
) -> dict[str, TrialResult]:
    """Run one trial after the other in the calling thread."""
    results = {}
    for name, (spec, path) in pending.items():

        def tick(done: int, total: int, name: str = name) -> None:
            progress.share(name, done, total)
            progress.show()

        results[name] = _perform(function, spec, path, context, tick)
        tick(1, 1)
    return results


def _all(
    function: Function[S],
    pending: Pending[S],
    submit: Submit,
    drain: Callable[[], None],
    progress: _Progress,
) -> dict[str, TrialResult]:
    """Hand every trial to the pool and return the results as they come."""
    results: dict[str, TrialResult] = {}
    waiting = {submit(function, name, *spec): name for name, spec in pending.items()}
    while waiting:
        done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in done:
            name = waiting.pop(future)
            error = future.exception()
            if error is not None:
                raise _explain(name, error) from error
            results[name] = future.result()
            progress.share(name, 1, 1)
        drain()
        progress.show()
    return results


def _explain(name: str, error: BaseException) -> BaseException:
    """Return the error to show: bad input and a full disk speak for themselves."""
    if isinstance(error, (FirstlightError, OSError)):
        return error
    what = "its process ended" if isinstance(error, BrokenProcessPool) else repr(error)
    return TrialError(f"trial {name}: {what}; finished trials are kept, the same command goes on")


def _shut(pool: Executor) -> None:
    pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _threads(workers: int, threads: int, context: Context, progress: _Progress) -> Pool:
    """Yield a pool of threads; torch's own number of threads is put back when it is closed."""
    torch = sys.modules.get("torch")  # no trial uses it if none of its modules imports it
    own = None if torch is None else torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=partial(_limit_torch, threads))

    def submit(function: Function[S], name: str, spec: S, path: Path | None) -> Any:
        tick = partial(progress.share, name)
        return pool.submit(_perform, function, spec, path, context, tick)

    try:
        yield submit, lambda: None
    finally:
        _shut(pool)
        if torch is not None:
            torch.set_num_threads(own)


def _limit_torch(threads: int) -> None:
    """Give torch so many threads here, and let numbers near zero be zero."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
        # Tiny numbers slow an x86 processor down a hundredfold; no study depends on them.
        torch.set_flush_denormal(True)


@contextmanager
def _processes(workers: int, threads: int, context: Context, progress: _Progress) -> Pool:
    """Yield a pool of processes to which the data set is given once."""
    spawn = multiprocessing.get_context("spawn")
    ticks = spawn.Queue()
    place = Context(device=context.device, dataset=context.dataset)
    with _environment(threads):
        pool = ProcessPoolExecutor(workers, spawn, _start_worker, (ticks, threads, place))

        def drain() -> None:
            while True:
                try:
                    progress.share(*ticks.get_nowait())
                except queue.Empty:
                    return

        def submit(function: Function[S], name: str, spec: S, path: Path | None) -> Any:
            return pool.submit(_perform_in_worker, function, name, spec, path)

        try:
            yield submit, drain
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()
            raise
        finally:
            _shut(pool)
            ticks.close()
            ticks.cancel_join_thread()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set the thread counts that spawned workers inherit; put back what was there before."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker(ticks: Any, threads: int, context: Context) -> None:
    global _ticks, _context
    _ticks, _context = ticks, context
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone answers Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()
    import torch  # noqa: F401  # before its threads are limited

    _limit_torch(threads)


def _follow_parent() -> None:
    """End this worker when the process that started it is gone, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
