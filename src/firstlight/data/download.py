"""Fetch the official files into the cache: verified, never half a file, quick to give up."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from firstlight.data import sources
from firstlight.data.official import OfficialFile, OfficialSet, official
from firstlight.errors import DataError

Progress = Callable[[str, int, int], None]

ROUNDS = 2  # times that every mirror is tried for a file
PAUSE = 0.5  # seconds between rounds
PROBE = 4.0  # seconds within which some mirror must accept a connection
CONNECT, READ = 3.0, 5.0  # seconds, of each request
PATIENCE = 10.0  # seconds without a new byte after which no further attempt starts

OTHERWISE = (
    "name a folder that holds the files with --data, or take the images that come with firstlight: "
    "--data embedded"
)


class UnreachableError(DataError):
    """No mirror could be reached, or none handed out the official file."""


class _Bar:
    """The progress bar that pooch fills; it passes bytes on and draws nothing."""

    def __init__(self, label: str, size: int, report: Progress | None) -> None:
        self.label, self.size, self.done, self.report = label, size, 0, report
        self.total = size  # pooch overwrites it with the server's word, which may be 0
        self.last = time.monotonic()

    def update(self, count: int) -> None:
        """Add bytes; pooch counts in whole chunks, so the sum may pass the size."""
        self.done, self.last = min(self.done + count, self.size), time.monotonic()
        if self.report:
            self.report(self.label, self.done, self.size)

    def reset(self) -> None:
        """Do nothing: pooch calls this only to fill the bar, which would make it jump back."""

    def close(self) -> None:
        """Do nothing: what is drawn belongs to the caller."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pooch from writing to the terminal, and put its logger back."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _gate(url: str) -> tuple[str, int]:
    """Return host and port of the first connection that a request for ``url`` makes."""
    parts = urlsplit(url)
    proxies = {} if proxy_bypass(parts.hostname or "") else getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _answers(mirrors: tuple[str, ...], seconds: float) -> bool:
    """Return whether any mirror accepts a connection in time.

    Name resolution has no time limit of its own and may hang for half a minute where a firewall
    swallows it, so every attempt has its own thread, which is left behind.
    """
    answers: queue.Queue[bool] = queue.Queue()

    def knock(gate: tuple[str, int]) -> None:
        try:
            create_connection(gate, timeout=seconds).close()
        except (OSError, UnicodeError):  # UnicodeError: a host name that cannot exist
            answers.put(False)
        else:
            answers.put(True)

    gates = {_gate(mirror) for mirror in mirrors}
    for gate in gates:
        threading.Thread(target=knock, args=(gate,), daemon=True).start()
    end = time.monotonic() + seconds
    try:
        return any(answers.get(timeout=max(0.0, end - time.monotonic())) for _ in gates)
    except queue.Empty:
        return False


def _retrieve(url: str, file: OfficialFile, folder: Path, bar: _Bar) -> None:
    """Fetch one file from one mirror: to a temporary name, verified, then renamed."""
    import pooch

    # Without `identity` some servers unpack the file on the way, which changes its hash.
    downloader = pooch.HTTPDownloader(
        progressbar=bar,  # type: ignore[arg-type, unused-ignore]  # pooch takes any object like tqdm
        chunk_size=1 << 16,
        timeout=(CONNECT, READ),
        headers={"Accept-Encoding": "identity"},
    )
    known = f"sha256:{file.packed_sha256}"
    with _quiet():
        pooch.retrieve(url, known, fname=file.packed_name, path=folder, downloader=downloader)  # type: ignore[arg-type, unused-ignore]  # it is a function of this kind


def _fetch_file(
    which: OfficialSet, file: OfficialFile, folder: Path, progress: Progress | None
) -> None:
    """Fetch one file from the first mirror that hands out the official one."""
    from requests import RequestException

    bar = _Bar(f"{which.title} {file.packed_name}", file.packed_bytes, progress)
    reasons: dict[str, str] = {}
    for attempt in range(ROUNDS):
        time.sleep(PAUSE if attempt else 0)
        for mirror in which.mirrors:
            if time.monotonic() - bar.last > PATIENCE:
                break
            bar.done = 0
            try:
                return _retrieve(mirror + file.packed_name, file, folder, bar)
            except (RequestException, ValueError) as error:  # ValueError: the hash differs
                reasons[urlsplit(mirror).netloc] = type(error).__name__
            except OSError as error:
                raise _unwritable(folder, error) from error
    told = ", ".join(f"{host}: {reason}" for host, reason in reasons.items())
    raise UnreachableError(
        f"{which.title}: expected {file.packed_name} from a mirror, got none ({told}); "
        f"try again later, {OTHERWISE}"
    )


def _unwritable(folder: Path, error: OSError) -> DataError:
    reason = error.strerror or " ".join(str(error).split())
    return DataError(
        f"{folder}: expected a cache folder to write to, got {reason!r}; make room or set "
        "FIRSTLIGHT_CACHE to another folder"
    )


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Fetch a data set into the cache and return its folder there; what is there is kept.

    Every file is written under a temporary name, compared with its known hash and then renamed,
    so the cache never holds half a file. A file in the cache that is damaged is refused by name.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``.
        progress: called as ``progress(label, done, total)``, in bytes.

    Raises:
        UnreachableError: no mirror hands out the official files (within seconds where there is
            no network).
        DataError: the name is unknown, the cache cannot be written, or holds a damaged file.

    Example:
        >>> fetch("cifar")
        Traceback (most recent call last):
        firstlight.errors.DataError: data set: expected mnist or fashion-mnist, got 'cifar'; use a known name
    """
    which = official(name)
    folder = sources.cache_folder() / which.key
    present = sources.files_in(which, folder.parent)
    wanted = [file for file in which.files if file.name not in present]
    for file in which.files:
        if file.name in present:
            sources.read_official(present[file.name], file)
    if wanted and not _answers(which.mirrors, PROBE):
        raise UnreachableError(
            f"{which.title}: expected a mirror to answer within {PROBE:g} s, got no connection; "
            f"check the network, {OTHERWISE}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    for file in wanted:
        _fetch_file(which, file, folder, progress)
    return folder
