"""The images that come with firstlight: official byte for byte, balanced, and never damaged."""

import hashlib
import lzma
import time
from pathlib import Path

import numpy as np
import pytest

import embed_images
from data_files import idx_bytes, needs_official, official_folder, set_of, write
from firstlight import data
from firstlight.data import SETS, embedded, official
from firstlight.errors import DataError

NAMES = ["mnist", "fashion-mnist"]
PER_CLASS = {"train": 600, "test": 200}


def files() -> list[Path]:
    return sorted((embedded.ROOT / embedded.FOLDER).rglob("*.xz"))


def test_they_are_small_and_carry_their_licenses() -> None:
    assert len(files()) == 8
    assert sum(path.stat().st_size for path in files()) <= 4_500_000
    for name, words in {
        "mnist": ("Yann LeCun", "Corinna Cortes", "Burges", "licenses/by-sa/3.0/", "Changes:"),
        "fashion-mnist": ("MIT License", "Zalando SE", "Permission is hereby granted"),
    }.items():
        text = (embedded.ROOT / embedded.FOLDER / name / "LICENSE").read_text(encoding="utf-8")
        assert all(word in text for word in words)


@pytest.mark.parametrize("name", NAMES)
def test_every_class_has_as_many_and_the_order_is_shuffled(name: str) -> None:
    loaded = data.load(name, "embedded")
    parts = {"train": loaded.train_labels, "test": loaded.test_labels}
    for part, labels in parts.items():
        assert np.bincount(labels, minlength=10).tolist() == [PER_CLASS[part]] * 10
        each = np.stack([np.bincount(some, minlength=10) for some in np.split(labels, 5)])
        assert each.min() > PER_CLASS[part] / 10, "any fifth of them holds every class"
        follow = np.mean(labels[1:] == labels[:-1])
        assert 0.07 < follow < 0.13, "a class follows itself by chance"


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_there_twice(name: str) -> None:
    """MNIST and Fashion-MNIST have no two equal images with ranks as low as these."""
    loaded = data.load(name, "embedded")
    images = np.concatenate([loaded.train_images, loaded.test_images])
    assert len({image.tobytes() for image in images}) == 8_000


@needs_official
@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_official_byte_for_byte(name: str) -> None:
    """With its label, and of the same part: no test image is trained on."""
    part, whole = data.load(name, "embedded"), data.load(name, official_folder())
    for kind in ("train", "test"):
        mine, theirs = (
            [
                (image.tobytes(), int(label))
                for image, label in zip(
                    getattr(d, f"{kind}_images"), getattr(d, f"{kind}_labels"), strict=True
                )
            ]
            for d in (part, whole)
        )
        assert set(mine) <= set(theirs)


@needs_official
@pytest.mark.parametrize("name", NAMES)
def test_the_script_chooses_the_same_images_again(name: str) -> None:
    folder = official_folder()
    assert folder is not None
    parts = embed_images.subset(SETS[name], folder)
    for part, file in embedded.read(SETS[name]).items():
        assert embed_images.content(parts[part]) == file.content


def arrays(train: int = 60, test: int = 25) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {"train": train, "test": test}
    images = {f"{k}_images": rng.integers(0, 256, (n, 28, 28), np.uint8) for k, n in shapes.items()}
    labels = {f"{k}_labels": (np.arange(n) % 3).astype(np.uint8) for k, n in shapes.items()}
    return images | labels


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with the embedded part of a tiny MNIST: 4 + 2 images of each of 3 classes."""
    which, contents = set_of(arrays())
    write(tmp_path / "official" / "mnist", contents)
    monkeypatch.setattr(embed_images, "PER_CLASS", {"train": 4, "test": 2})
    for module in (embed_images, official):
        monkeypatch.setattr(module, "SETS", {"mnist": which})
    monkeypatch.setattr(embedded, "ROOT", tmp_path / "package")
    (tmp_path / "package").mkdir()
    assert embed_images.main([str(tmp_path / "official"), "--out", str(tmp_path / "package")]) == 0
    return tmp_path / "package"


def test_the_rule_by_hand(tiny: Path) -> None:
    """Of each class the images with the lowest SHA-256 of their name, shuffled."""
    whole, loaded = arrays(), data.load("mnist", "embedded")
    for part, file, n in (
        ("train", "train-images-idx3-ubyte", 4), ("test", "t10k-images-idx3-ubyte", 2),
    ):  # fmt: skip
        labels = whole[f"{part}_labels"]
        ranks = {
            hashlib.sha256(f"mnist/{file}/{i}".encode()).hexdigest(): i for i in range(len(labels))
        }
        taken = {
            rank
            for label in range(3)
            for rank in sorted(r for r, i in ranks.items() if labels[i] == label)[:n]
        }
        backwards = sorted(taken, key=lambda rank: bytes.fromhex(rank)[::-1])
        indices = [ranks[rank] for rank in backwards]
        for kind in ("images", "labels"):
            expected = whole[f"{part}_{kind}"][indices]
            np.testing.assert_array_equal(getattr(loaded, f"{part}_{kind}"), expected)


def test_the_same_input_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    assert embed_images.main([str(tmp_path / "official"), "--out", str(tmp_path / "again")]) == 0
    made, again = (
        {
            p.relative_to(root): p.read_bytes()
            for root_ in (root,)
            for p in sorted(root_.rglob("*.*"))
        }
        for root in (tiny, tmp_path / "again")
    )
    assert len(made) == 5
    assert made == again


def test_the_script_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert embed_images.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "expected MNIST in mnist/" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped", "other content"])
def test_a_damaged_file_is_one_clear_error(tiny: Path, damage: str) -> None:
    path = tiny / "embedded" / "mnist" / "train-images-idx3-ubyte.xz"
    raw = path.read_bytes()
    other = lzma.compress(idx_bytes(arrays()["train_images"][:12]))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "truncated": raw[:-40],
                "flipped": raw[:90] + bytes([raw[90] ^ 1]) + raw[91:],
                "other content": other,
            }[damage]
        )
    with pytest.raises(DataError) as caught:
        data.load("mnist", "embedded")
    text = str(caught.value)
    assert text.startswith(f"{path}: expected the images that come with firstlight, got ")
    assert text.endswith("; install firstlight again")
    assert "\n" not in text
    rows = data.locate("mnist")[4:]
    assert [row.verified for row in rows] == [False, True, True, True]
    assert rows[0].problem == text


def test_they_are_unpacked_once_and_quickly() -> None:
    embedded.read.cache_clear()
    times = []
    for _ in range(2):
        started = time.process_time()
        for name in NAMES:
            data.load(name, "embedded")
        times.append(time.process_time() - started)
    assert times[0] < 3.0, "0.35 s on a core of 2024"
    assert times[1] < times[0] / 4
