"""Where data are found: the order of the places, the layouts, and what is refused by name."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data_files import (
    idx_bytes,
    needs_official,
    official_folder,
    pack,
    tiny_arrays,
    tiny_set,
    write,
)
from firstlight import data
from firstlight.data import official, sources
from firstlight.errors import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Four empty places and a tiny MNIST whose hashes are the known ones."""
    which, contents = tiny_set()
    monkeypatch.setattr(official, "SETS", {"mnist": which})
    folders = {name: tmp_path / name for name in ("given", "env", "cache", "debian")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(folders["env"]))
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(folders["cache"]))
    monkeypatch.setattr(sources, "DEBIAN", folders["debian"])
    return SimpleNamespace(**folders, which=which, contents=contents)


def assert_tiny(loaded):
    for part, expected in tiny_arrays().items():
        np.testing.assert_array_equal(getattr(loaded, part), expected)
        assert getattr(loaded, part).flags.writeable


def test_the_places_are_searched_in_their_order(places):
    """The last place first: each place that is filled then wins over those behind it."""
    embedded = "6,000 training and 2,000 test images of MNIST that come with firstlight"
    official = "all 60 images of MNIST, from "
    assert data.load("mnist").origin == embedded
    write(places.debian / "mnist", places.contents)
    assert data.load("mnist").origin == official + "Debian's package dataset-mnist"
    write(places.cache / "mnist", places.contents)
    assert data.load("mnist").origin == official + "the cache"
    write(places.env / "mnist", places.contents)
    assert data.load("mnist").origin == official + "the folder in FIRSTLIGHT_DATA"
    write(places.given / "mnist", places.contents)
    found = data.load("mnist", places.given)
    assert found.origin == official + "the folder given"
    assert found.name == "MNIST"
    assert found.whole
    assert_tiny(found)


@pytest.mark.parametrize("below", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_layouts_and_packings(places, below, direct, packed):
    contents = places.contents
    if not packed:
        contents = {
            f"{part_file.name}": idx_bytes(array)
            for part_file, array in zip(places.which.files, tiny_arrays().values(), strict=True)
        }
    folder = write(places.given / below, contents)
    loaded = data.load("mnist", folder if direct else places.given)
    assert_tiny(loaded)
    expected = {name: hashlib.sha256(raw).hexdigest() for name, raw in contents.items()}
    assert loaded.sha256 == expected


def test_torchvisions_folder_may_be_named_without_raw(places):
    write(places.given / "MNIST" / "raw", places.contents)
    assert_tiny(data.load("mnist", places.given / "MNIST"))


def test_the_folder_may_be_relative(places, monkeypatch):
    monkeypatch.chdir(write(places.given / "mnist", places.contents))
    assert_tiny(data.load("mnist", Path(".")))


def test_packed_anew_is_the_same_data(places):
    """Debian packs the files itself: other bytes, same content, same fingerprint."""
    write(places.given / "mnist", places.contents)
    original = data.load("mnist", places.given)
    arrays = zip(places.contents, tiny_arrays().values(), strict=True)
    write(places.debian / "mnist", {name: pack(idx_bytes(a), level=1) for name, a in arrays})
    again = data.load("mnist")
    assert again.sha256 != original.sha256
    assert again.fingerprint == original.fingerprint
    assert_tiny(again)


def test_the_fingerprint_tells_data_apart(places):
    write(places.given / "mnist", places.contents)
    real = data.load("mnist", places.given)
    assert data.load("mnist").fingerprint != real.fingerprint
    assert len(real.fingerprint) == 16
    for part in tiny_arrays():
        changed = getattr(real, part).copy()
        changed.flat[5] ^= 1
        assert replace(real, **{part: changed}).fingerprint != real.fingerprint


def spoil(contents: dict[str, bytes], damage: str) -> bytes:
    packed = contents[TRAIN_IMAGES]
    images = tiny_arrays()["train_images"]
    flipped = images.copy()
    flipped[3, 4, 5] ^= 1
    return {
        "empty": b"",
        "truncated": packed[: len(packed) // 2],
        "flipped bytes": packed[:60] + bytes(8) + packed[68:],
        "wrong magic": pack(b"\x01" + idx_bytes(images)[1:]),
        "wrong size": pack(idx_bytes(images[:-1])),
        "wrong rank": pack(idx_bytes(images.reshape(-1, 784))),
        "one pixel changed": pack(idx_bytes(flipped)),
        "another set's": pack(idx_bytes(images[::-1])),
        "a web page": b"<html>Sign in</html>",
    }[damage]


DAMAGES = (
    "empty",
    "truncated",
    "flipped bytes",
    "wrong magic",
    "wrong size",
    "wrong rank",
    "one pixel changed",
    "another set's",
    "a web page",
)


@pytest.mark.parametrize("place", ["given", "env", "cache", "debian"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name_and_never_passed_over(places, damage, place):
    """The other places hold good files; they must not be used in its stead."""
    for folder in (places.cache, places.debian):
        write(folder / "mnist", places.contents)
    root = getattr(places, place)
    if place == "debian":
        for path in (places.cache / "mnist").iterdir():
            path.unlink()
    bad = {**places.contents, TRAIN_IMAGES: spoil(places.contents, damage)}
    path = write(root / "mnist", bad) / TRAIN_IMAGES
    with pytest.raises(DataError) as caught:
        data.load("mnist", root if place == "given" else None)
    text = str(caught.value)
    assert text.startswith(f"{path}: expected ")
    assert "replace the file" in text
    assert "\n" not in text
    assert path.read_bytes() == bad[TRAIN_IMAGES], "the user's file was changed"


def test_messages_tell_sizes_and_hashes(places):
    for damage, message in (
        ("wrong size", r"expected sizes \(40, 28, 28\), got \(39, 28, 28\)"),
        ("one pixel changed", places.which.files[0].sha256[:16]),
    ):
        bad = {**places.contents, TRAIN_IMAGES: spoil(places.contents, damage)}
        write(places.given / "mnist", bad)
        with pytest.raises(DataError, match=message):
            data.load("mnist", places.given)


def test_a_given_folder_must_exist(places):
    with pytest.raises(DataError, match="expected a folder with MNIST, got 'No such file"):
        data.load("mnist", places.given / "typo")
    file = places.given / "file"
    file.write_text("x")
    with pytest.raises(DataError, match="got 'Not a directory'"):
        data.load("mnist", file)


def test_a_given_folder_must_hold_the_whole_set(places):
    with pytest.raises(DataError, match=r"without train-images-idx3-ubyte\.gz, train-labels"):
        data.load("mnist", places.given)
    write(places.given / "mnist", places.contents)
    (places.given / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"without t10k-labels-idx1-ubyte\.gz;"):
        data.load("mnist", places.given)


def test_part_of_a_set_in_firstlight_data_is_an_error(places):
    write(places.env / "mnist", {TRAIN_IMAGES: places.contents[TRAIN_IMAGES]})
    with pytest.raises(DataError, match=r"without train-labels-idx1-ubyte\.gz"):
        data.load("mnist")


def test_firstlight_data_without_the_set_falls_on(places):
    assert not data.load("mnist").whole
    write(places.debian / "mnist", places.contents)
    assert "Debian" in data.load("mnist").origin


@pytest.mark.parametrize("call", [data.load, data.locate])
def test_a_mistyped_firstlight_data_is_refused(places, monkeypatch, call):
    """Else a run would take other images than those that were meant, without a word."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(places.env / "typo"))
    with pytest.raises(DataError, match="FIRSTLIGHT_DATA: expected a folder, official or embedded"):
        call("mnist")
    assert not data.load("mnist", "embedded").whole


def test_a_word_names_the_source(places, monkeypatch):
    """``embedded`` passes every folder over; ``official`` never falls back to embedded images."""
    for root in (places.env, places.cache):
        write(root / "mnist", places.contents)
    assert not data.load("mnist", "embedded").whole
    assert data.load("mnist", "official").origin.endswith("the folder in FIRSTLIGHT_DATA")
    monkeypatch.setenv("FIRSTLIGHT_DATA", "embedded")
    assert not data.load("mnist").whole
    assert data.load("mnist", "official").origin.endswith("the cache")
    monkeypatch.setenv("FIRSTLIGHT_DATA", "official")
    assert data.load("mnist").origin.endswith("the cache")
    assert not data.load("mnist", "embedded").whole
    write(places.given / "mnist", places.contents)
    assert data.load("mnist", places.given).origin.endswith("the folder given")


def test_a_folder_may_be_named_like_a_word(places, monkeypatch):
    monkeypatch.chdir(places.given)
    write(places.given / "embedded" / "mnist", places.contents)
    assert not data.load("mnist", "embedded").whole
    assert data.load("mnist", "./embedded").whole


def test_an_empty_variable_counts_as_none(places, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_DATA", "")
    monkeypatch.setenv("FIRSTLIGHT_CACHE", "")
    assert sources.from_environment() is None
    assert sources.cache_folder().name == "firstlight"


def test_an_unknown_name_is_refused():
    with pytest.raises(DataError, match="expected mnist or fashion-mnist, got 'cifar'"):
        data.load("cifar")
    with pytest.raises(DataError, match="got 'cifar'"):
        data.locate("cifar")


def test_locate_tells_place_size_and_damage(places):
    *missing, first, _, _, _ = data.locate("mnist")
    assert (first.place, first.verified, first.problem) == ("firstlight itself", True, None)
    assert first.path is not None
    assert first.size == first.path.stat().st_size
    assert [row.path for row in missing] == [None] * 4
    assert [row.size for row in missing] == [len(raw) for raw in places.contents.values()]
    assert not any(row.verified for row in missing)

    write(places.cache / "mnist", places.contents)
    found = data.locate("mnist")[:4]
    assert all(row.verified and row.problem is None for row in found)
    assert {(row.dataset, row.place) for row in found} == {("MNIST", "the cache")}

    (places.cache / "mnist" / TRAIN_IMAGES).write_bytes(b"\0\0\x08")
    damaged = data.locate("mnist")[:4]
    assert [row.verified for row in damaged] == [False, True, True, True]
    assert damaged[0].size == 3
    assert damaged[0].problem is not None
    assert TRAIN_IMAGES in damaged[0].problem

    (places.cache / "mnist" / TRAIN_IMAGES).unlink()
    assert [row.path is None for row in data.locate("mnist")[:4]] == [True, False, False, False]


def test_torch_stays_out_and_nothing_is_fetched_at_import():
    code = "import sys, firstlight.data; print([m for m in ('torch', 'pooch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@needs_official
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_official_data_load_and_are_balanced_as_published(name):
    loaded = data.load(name, official_folder())
    assert loaded.train_images.shape == (60_000, 28, 28)
    assert loaded.test_images.shape == (10_000, 28, 28)
    assert loaded.whole
    assert len(loaded.classes) == 10
    for part, labels in (("train", loaded.train_labels), ("test", loaded.test_labels)):
        assert tuple(np.bincount(labels)) == loaded.official_sizes[part]
    # Fashion-MNIST has 6,000 images a class; MNIST's counts are those of LeCun's files.
    mnist = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    assert loaded.official_sizes["train"] == (mnist if name == "mnist" else (6000,) * 10)


@needs_official
def test_one_sets_files_under_the_other_name_are_refused(tmp_path):
    (tmp_path / "mnist").symlink_to(official_folder() / "fashion-mnist")
    with pytest.raises(DataError, match="expected the official content"):
        data.load("mnist", tmp_path)
