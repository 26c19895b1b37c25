"""The probe's benchmark: it times what it says, and its verdict follows from its numbers."""

import pytest
import torch
from torch import nn

from benchmarks import probe as bench


def small() -> bench.Case:
    x = torch.randn(5, 3)
    return bench.Case(
        "small",
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
        lambda model: model(x).square().sum(),
        turns=3,
        passes=2,
    )


def test_every_way_is_timed_on_the_same_model() -> None:
    threads = torch.get_num_threads()
    rows = bench.measure(small())
    assert torch.get_num_threads() == threads
    assert [row["way"] for row in rows][:3] == ["nothing", bench.OURS, "hooks that copy, histc"]
    assert rows[0]["added"] == 0
    assert all(row["seconds"] > 0 for row in rows)
    # 5 samples of 4, 4 and 2 outputs, 26 parameters, and 7 histograms, in single precision.
    assert rows[2]["megabytes"] * 1e6 == pytest.approx(4 * (50 + 26 + 7 * bench.BINS))


def test_the_doctor_of_skorch_keeps_every_output() -> None:
    pytest.importorskip("skorch")
    row = bench.measure(small())[3]
    assert row["way"] == "skorch's doctor"
    assert row["megabytes"] * 1e6 == pytest.approx(4 * (50 + 26))


@pytest.mark.parametrize(("added", "word"), [(0.02, "within"), (0.3, "OVER")])
def test_the_verdict_is_computed(added: float, word: str) -> None:
    row = {"case": "small", "way": bench.OURS, "seconds": 1.0, "megabytes": 0.0}
    text = bench.table([{**row, "added": added, "added_low": 0.0, "added_high": 0.4}])
    assert f"The probe is {word} its limit of 10% on: small." in text


def test_the_models_are_those_of_the_claim() -> None:
    assert sum(p.numel() for p in bench.lenet5().parameters()) == 61_706
    assert len(bench.transformer().layers) == 12
    assert len(bench.cases()) == 3
