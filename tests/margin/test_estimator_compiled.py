"""The compiled loop: as plain Python, and where compiled code cannot be kept."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import firstlight
from firstlight.margin import estimator
from firstlight.margin.estimator import MarginClassifier
from margin_problems import identical, separable

# Some trainings stop early on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:not converged after")


def test_the_loop_gives_the_same_compiled_and_as_plain_python(monkeypatch):
    X, y = separable(n=15)
    compiled = MarginClassifier(1.0, max_epochs=20, random_state=0).fit(X, y)
    monkeypatch.setattr(estimator, "_run_pass", estimator.one_pass)
    identical(MarginClassifier(1.0, max_epochs=20, random_state=0).fit(X, y), compiled)


@pytest.fixture
def fresh_loop():
    """Forget the compiled loop before the test and after it."""
    estimator._compiled.cache_clear()
    yield
    estimator._compiled.cache_clear()


def test_a_full_disk_does_not_stop_training(fresh_loop, monkeypatch, tmp_path):
    from numba.core import caching, config

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    X, y = separable()
    assert MarginClassifier(random_state=0).fit(X, y).converged_
    assert not list(tmp_path.rglob("*.nbc"))


def test_without_a_writable_folder_training_works_and_import_loads_no_numba(tmp_path):
    """Files stand where numba would make its folders, which stops even the superuser."""
    source, package = Path(firstlight.__file__).parent, tmp_path / "firstlight"
    (package / "margin").mkdir(parents=True)
    for name in ("__init__.py", "types.py", "margin/__init__.py", "margin/estimator.py"):
        shutil.copy(source / name, package / name)
    (package / "margin" / "__pycache__").touch()
    (tmp_path / "home").touch()
    home = str(tmp_path / "home")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": home, "XDG_CACHE_HOME": home}
    env.pop("NUMBA_CACHE_DIR", None)
    program = (
        "import sys, firstlight.margin as margin; print(margin.__file__, 'numba' in sys.modules)\n"
        "model = margin.MarginClassifier().fit([[1.0], [-1.0]], [1, 0]); print(model.converged_)\n"
        "print(type(margin.estimator._compiled(True)._cache).__name__)"
    )
    command = [sys.executable, "-B", "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where = str(package / "margin" / "__init__.py")
    assert done.stdout.split() == [where, "False", "True", "NullCache"]
