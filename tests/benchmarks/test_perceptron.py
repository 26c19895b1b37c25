from typing import Any

import pytest

from benchmarks import perceptron as bench


def test_the_bench_compares_equal_weights(monkeypatch: Any) -> None:
    rows = bench.measure(sets=10, rounds=1, max_epochs=200)
    assert [row["fits"] for row in rows] == [20, 20]
    assert rows[0]["largest_difference"] <= 1e-12
    assert "firstlight, all at once" in bench.table(rows)
    monkeypatch.setattr(bench, "_largest_difference", lambda ours, theirs: float("nan"))
    with pytest.raises(ArithmeticError, match="weights: expected equal"):
        bench.measure(sets=2, rounds=1, max_epochs=5)
