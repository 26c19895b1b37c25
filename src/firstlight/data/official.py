"""The official files of each data set: names, shapes, hashes, and who hands them out."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from firstlight.errors import DataError


@dataclass(frozen=True)
class OfficialFile:
    """One file of a data set.

    Args:
        part: which array of the data set it fills.
        name: the file's name without ``.gz``.
        shape: the sizes of its array.
        packed_bytes: size of the published ``.gz`` file.
        packed_sha256: hash of the published ``.gz`` file; downloads must have it.
        sha256: hash of the unpacked content; every file must have it, however it was packed.
    """

    part: str
    name: str
    shape: tuple[int, ...]
    packed_bytes: int
    packed_sha256: str
    sha256: str

    @property
    def packed_name(self) -> str:
        """Return the name of the published file."""
        return f"{self.name}.gz"


@dataclass(frozen=True, eq=False)
class OfficialSet:
    """One data set.

    Args:
        key: its name on the command line and in folders.
        title: its name for people.
        torchvision: the folder in which torchvision keeps it.
        classes: the name of each class, in the order of the labels.
        class_sizes: ``"train"`` and ``"test"`` → how many images each class has.
        files: its four files.
        mirrors: where they can be fetched, tried in this order; each ends with a slash.

    Example:
        >>> official("mnist").class_sizes["test"][:3]
        (980, 1135, 1032)
    """

    key: str
    title: str
    torchvision: str
    classes: tuple[str, ...]
    class_sizes: Mapping[str, tuple[int, ...]]
    files: tuple[OfficialFile, ...]
    mirrors: tuple[str, ...]


def _read(key: str, about: dict[str, Any]) -> OfficialSet:
    """Return the description of one data set from its table in ``official.toml``."""
    files = tuple(
        OfficialFile(part, **{**file, "shape": tuple(file["shape"])})
        for part, file in about["files"].items()
    )
    return OfficialSet(
        key=key,
        title=about["title"],
        torchvision=about["torchvision"],
        classes=tuple(about["classes"]),
        class_sizes={part: tuple(sizes) for part, sizes in about["class_sizes"].items()},
        files=files,
        mirrors=tuple(about["mirrors"]),
    )


_TEXT = resources.files("firstlight.data").joinpath("official.toml").read_text(encoding="utf-8")

SETS: Mapping[str, OfficialSet] = {k: _read(k, about) for k, about in tomllib.loads(_TEXT).items()}
"""Every data set by its name on the command line."""


def official(name: str) -> OfficialSet:
    """Return a data set's description, or raise ``DataError`` naming the known ones."""
    if name not in SETS:
        raise DataError(f"data set: expected {' or '.join(SETS)}, got {name!r}; use a known name")
    return SETS[name]
