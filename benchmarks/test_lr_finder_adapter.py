"""Programs written for pytorch-lr-finder run on our engine, by an adapter with its names.

Not part of ``make test``. From the repository's root, with a checkout of pytorch-lr-finder and its
dependency tqdm (installed by ``make bench``)::

    FIRSTLIGHT_LR_FINDER_SUITE=…/pytorch-lr-finder/tests python -m pytest benchmarks/test_lr_finder_adapter.py

Without the variable their own tests are skipped, and two of ours run.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

# mypy does not check the tests, whose helper this is
from guard_models import (  # type: ignore[import-not-found]
    assert_same,
    fingerprint,
    groups,
    loader,
    normalized,
    train,
)

ADAPTER = Path(__file__).parent / "lr_finder_adapter"
SUITE = os.environ.get("FIRSTLIGHT_LR_FINDER_SUITE")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import the adapter under its borrowed name, for one test only."""
    for name in [n for n in sys.modules if n.split(".")[0] == "torch_lr_finder"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(ADAPTER))
    import torch_lr_finder

    yield torch_lr_finder
    for name in [n for n in sys.modules if n.split(".")[0] == "torch_lr_finder"]:
        del sys.modules[name]


def made() -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a model and its optimizer after two steps."""
    torch.manual_seed(0)
    model = normalized()
    optimizer = torch.optim.SGD(groups(model), lr=1e-4, momentum=0.9)
    train(model, optimizer, 2)
    return model, optimizer


def test_a_range_test_runs_and_reset_puts_everything_back(theirs: ModuleType) -> None:
    """Also with validation and accumulated gradients."""
    model, optimizer = made()
    batches = loader()
    before = fingerprint(model, optimizer)
    finder = theirs.LRFinder(model, optimizer, nn.CrossEntropyLoss())
    finder.range_test(batches, val_loader=loader(), end_lr=0.1, num_iter=20, accumulation_steps=2)
    assert len(finder.history["lr"]) == len(finder.history["loss"]) == 20
    assert (finder.history["lr"][0], finder.history["lr"][-1]) == (1e-4, 0.1)
    assert finder.curve.values.tolist() == finder.history["lr"]
    assert fingerprint(model, optimizer) != before
    finder.reset()
    assert_same(fingerprint(model, optimizer), before)


def test_a_range_test_ends_where_the_loss_diverges(theirs: ModuleType) -> None:
    """At five times the lowest loss, as theirs."""
    model, optimizer = made()
    finder = theirs.LRFinder(model, optimizer, nn.CrossEntropyLoss())
    finder.range_test(loader(), start_lr=1e-3, end_lr=1e6, num_iter=60, smooth_f=0)
    assert 10 < len(finder.history["lr"]) < 60
    assert finder.history["loss"][-1] > 5 * min(finder.history["loss"])
    assert finder.curve.stopped is not None


def outcomes(package: Path) -> dict[str, str]:
    """Run their tests against a package and return each test's outcome."""
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--tb=no"]
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=SUITE, env=env, capture_output=True, text=True, check=False)
    words = (line.split() for line in done.stdout.splitlines())
    return {w[1]: w[0] for w in words if len(w) > 1 and w[0] in ("PASSED", "FAILED", "ERROR")}


@pytest.mark.skipif(SUITE is None, reason="FIRSTLIGHT_LR_FINDER_SUITE does not name their tests")
def test_nothing_of_their_suite_fails_that_passes_with_theirs() -> None:
    """Run their suite twice: against their package and against the adapter."""
    assert SUITE is not None
    with_theirs, with_ours = outcomes(Path(SUITE).parent), outcomes(ADAPTER)
    passed = {name for name, outcome in with_theirs.items() if outcome == "PASSED"}
    assert len(passed) >= 41
    assert [name for name in passed if with_ours.get(name) != "PASSED"] == []
