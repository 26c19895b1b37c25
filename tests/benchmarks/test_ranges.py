"""How the comparison with other learning-rate finders counts."""

import numpy as np
import pytest

from benchmarks import ranges as bench
from benchmarks import ranges_peers as peers
from benchmarks.ranges_shapes import SHAPES


def test_the_bench_counts_answers_and_right_answers() -> None:
    values = np.logspace(-4, 0, 5)
    curves = np.zeros((4, 5))
    curves[:, 0] = [1, 2, 3, 4]
    rates = {1.0: 1e-2, 2.0: 1.5e-2, 3.0: 1.0, 4.0: None}
    answered, right = bench.near(lambda _, y: rates[float(y[0])], values, curves, 1e-2)
    assert (answered, right) == (0.75, 0.5)


def test_the_bench_reads_our_rule_and_names_what_is_missing() -> None:
    row = bench.accuracy("firstlight", peers.ours, 0.05, 3, SHAPES[:3])
    assert row.middle == pytest.approx(1, rel=0.2)
    assert row.answered == 1
    text = bench.table([row], {"flat": {"firstlight": (0.0, np.nan)}}, ["Lightning"])
    assert "Not installed, so not shown: Lightning." in text


def test_a_sweep_of_a_peer_stops_above_its_multiple_of_the_best() -> None:
    smooth = np.array([3.0, 2.0, 1.0, 3.9, 4.1, 1.0])
    assert peers._until(smooth, 4.0, 0) == 5
    assert peers._until(smooth[:4], 4.0, 0) == 4


@pytest.mark.parametrize("make", [peers.lightning, peers.torch_lr_finder])
def test_peers_answer_where_they_are_installed(make: object) -> None:
    pytest.importorskip("lightning" if make is peers.lightning else "torch_lr_finder")
    values = np.logspace(-6, 0, 100)
    found = make()(values, 2.3 - 1.9 / (1 + (values / 1e-3) ** -2))  # type: ignore[operator]
    assert values[0] <= found <= values[-1]
