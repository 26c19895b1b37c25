"""An empty place to run commands in, and a lab that is done at once."""

from pathlib import Path

import pytest

from firstlight.cli import common
from firstlight.studies.perceptron.config import PerceptronConfig


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with no data in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # a runner of tests may set it
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the quick preset of the first study small."""
    small = {"repeats": 20, "test_points": 50, "max_epochs": 200}
    monkeypatch.setattr(PerceptronConfig, "presets", {**PerceptronConfig.presets, "quick": small})


@pytest.fixture
def _code_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code be older than every record, also where someone edits it meanwhile."""
    monkeypatch.setattr(common, "newest_source", lambda *_: 0)
