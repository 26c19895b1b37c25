"""Downloads from a server on this machine: verified, retried, and never half a file."""

import os
import socket
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from data_files import tiny_arrays, tiny_set, write
from firstlight import data
from firstlight.data import download, official, sources
from firstlight.errors import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


class Handler(BaseHTTPRequestHandler):
    """The first part of the path chooses how this mirror behaves."""

    def do_GET(self):
        _, mood, name = self.path.split("/")
        self.server.asked.append((mood, name))
        content = self.server.contents[name]
        if mood == "stalls":
            time.sleep(0.4)
        if mood in ("gone", "stalls"):
            return self.send_error(404)
        if mood == "other":
            content = b"\0" * len(content)
        if mood == "flaky":  # breaks off the first time it is asked for a file
            mood = "broken" if self.server.asked.count((mood, name)) == 1 else "good"
        self.send_response(200)
        if mood != "uncounted":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if mood == "broken" else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A server with a tiny MNIST, an empty cache, and no other place to find data."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    _, server.contents = tiny_set()
    server.asked = []
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(download, "PAUSE", 0.0)

    def mirrors(*moods):
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{mood}/" for mood in moods)
        monkeypatch.setattr(official, "SETS", {"mnist": tiny_set(urls)[0]})

    mirrors("good")
    yield SimpleNamespace(server=server, mirrors=mirrors, cache=tmp_path / "cache" / "mnist")
    server.shutdown()
    server.server_close()
    thread.join()


def kept(world) -> list[str]:
    return sorted(path.name for path in world.cache.iterdir()) if world.cache.is_dir() else []


def test_fetched_verified_and_then_found_in_the_cache(world):
    first = data.load("mnist", "official")
    assert first.origin == "all 60 images of MNIST, from the public mirrors"
    for part, expected in tiny_arrays().items():
        np.testing.assert_array_equal(getattr(first, part), expected)
    assert kept(world) == sorted(world.server.contents)
    asked = len(world.server.asked)
    second = data.load("mnist")
    assert second.origin == "all 60 images of MNIST, from the cache"
    assert second.fingerprint == first.fingerprint
    assert len(world.server.asked) == asked, "the cache was not used"


@pytest.mark.parametrize("mood", ["good", "uncounted", "flaky"])
def test_progress_counts_each_files_bytes(world, mood):
    world.mirrors(mood)
    calls = []
    data.fetch("mnist", lambda *call: calls.append(call))
    sizes = {f"MNIST {name}": len(raw) for name, raw in world.server.contents.items()}
    assert {label for label, _, _ in calls} == set(sizes)
    for label, size in sizes.items():
        mine = [(done, total) for name, done, total in calls if name == label]
        assert all(total == size and 0 <= done <= size for done, total in mine)
        assert mine[-1] == (size, size)


@pytest.mark.parametrize("first", ["gone", "broken", "other"])
def test_the_next_mirror_helps_out(world, first):
    """The first mirror lacks the file, breaks off in its middle, or hands out another."""
    world.mirrors(first, "good")
    assert data.fetch("mnist") == world.cache
    assert kept(world) == sorted(world.server.contents)
    for name, raw in world.server.contents.items():
        assert (world.cache / name).read_bytes() == raw


def test_a_mirror_that_breaks_off_is_asked_again(world):
    world.mirrors("flaky")
    data.fetch("mnist")
    assert world.server.asked.count(("flaky", TRAIN_IMAGES)) == 2
    assert kept(world) == sorted(world.server.contents)


@pytest.mark.parametrize("mood", ["gone", "broken", "other"])
def test_no_half_file_stays_and_nothing_stands_in_for_all_images(world, mood):
    world.mirrors(mood)
    for call in (data.fetch, partial(data.load, source="official")):
        with pytest.raises(download.UnreachableError, match=f"expected {TRAIN_IMAGES} from") as it:
            call("mnist")
        assert kept(world) == []
        assert "--data embedded" in str(it.value)
        assert "\n" not in str(it.value)


def test_a_fetch_that_was_cut_short_goes_on_where_it_stopped(world):
    names = list(world.server.contents)
    write(world.cache, {name: world.server.contents[name] for name in names[:2]})
    data.fetch("mnist")
    assert [name for _, name in world.server.asked] == names[2:]
    assert kept(world) == sorted(names)


def test_an_interrupted_fetch_leaves_no_half_file(world):
    def stop(label, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.fetch("mnist", stop)
    assert kept(world) == []


def test_damage_in_the_cache_is_refused_not_replaced(world):
    data.fetch("mnist")
    path = world.cache / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-9])
    for call in (data.fetch, data.load, partial(data.load, source="official")):
        with pytest.raises(DataError, match=TRAIN_IMAGES) as caught:
            call("mnist")
        assert not isinstance(caught.value, download.UnreachableError)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_network_all_images_are_refused_at_once(world, monkeypatch):
    url = f"http://127.0.0.1:{unused_port()}/"
    monkeypatch.setattr(official, "SETS", {"mnist": tiny_set((url,))[0]})
    with pytest.raises(download.UnreachableError, match="check the network"):
        data.load("mnist", "official")
    assert not world.cache.parent.exists(), "the cache was made for nothing"


def test_a_name_service_that_hangs_is_not_waited_for(world, monkeypatch):
    release = threading.Event()

    def hang(gate, timeout):
        release.wait(30)
        raise OSError

    monkeypatch.setattr(download, "create_connection", hang)
    monkeypatch.setattr(download, "PROBE", 0.1)
    start = time.monotonic()
    with pytest.raises(download.UnreachableError):
        data.fetch("mnist")
    release.set()
    assert time.monotonic() - start < 20
    assert world.server.asked == []


def test_the_network_is_not_used_unless_asked_for(world, monkeypatch):
    monkeypatch.setattr(download, "create_connection", lambda *_: pytest.fail("a mirror was asked"))
    assert not data.load("mnist").whole
    assert not data.load("mnist", "embedded").whole
    assert world.server.asked == []


def test_firstlight_data_may_ask_for_all_images(world, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_DATA", "official")
    assert data.load("mnist").origin.endswith("the public mirrors")


def test_a_given_folder_without_the_set_is_not_made_up_for_by_a_download(world, tmp_path):
    with pytest.raises(DataError, match="got a folder without"):
        data.load("mnist", tmp_path)
    assert world.server.asked == []


def test_a_cache_that_cannot_be_written_is_one_clear_error(world, monkeypatch, tmp_path):
    """A file lies where the folder should be: no user, not even root, can write there."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="set FIRSTLIGHT_CACHE to another folder") as caught:
        data.load("mnist", "official")
    assert not isinstance(caught.value, download.UnreachableError)


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_file(world):
    def full(label, done, total):
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"got 'No space left on device'; make room") as caught:
        data.load("mnist", "official", progress=full)
    assert not isinstance(caught.value, download.UnreachableError)
    assert str(world.cache) in str(caught.value)
    assert kept(world) == []


def test_patience_ends_after_a_while_without_bytes(world, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    world.mirrors("stalls", "good")
    with pytest.raises(download.UnreachableError):
        data.fetch("mnist")
    assert world.server.asked == [("stalls", TRAIN_IMAGES)]


@pytest.mark.parametrize(
    ("variables", "gate"),
    [
        ({}, ("example.org", 443)),
        ({"https_proxy": "http://proxy:3128"}, ("proxy", 3128)),
        ({"https_proxy": "proxy:3128"}, ("proxy", 3128)),
        ({"http_proxy": "http://proxy:3128"}, ("example.org", 443)),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "example.org"}, ("example.org", 443)),
    ],
)
def test_the_probe_knocks_where_the_request_would(world, monkeypatch, variables, gate):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert download._gate("https://example.org/mnist/") == gate


def test_poochs_logger_is_left_as_it_was(world, capfd):
    import pooch

    level = pooch.get_logger().level
    data.fetch("mnist")
    assert pooch.get_logger().level == level
    assert capfd.readouterr() == ("", "")
