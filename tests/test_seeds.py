import numpy as np
import pytest

from firstlight.seeds import child, generator, integer, torch_generator


def test_same_name_same_stream_other_name_other_stream() -> None:
    one = generator(3, "weights", 0).random(1000)
    assert np.array_equal(one, generator(3, "weights", 0).random(1000))
    for other in (generator(3, "weights", 1), generator(4, "weights", 0), generator(3, "weights0")):
        assert abs(np.corrcoef(one, other.random(1000))[0, 1]) < 0.15


def test_names_do_not_run_together() -> None:
    assert integer(0, "ab", "c") != integer(0, "a", "bc")


def test_integer_fits_63_bits_and_uses_them() -> None:
    drawn = [integer(seed, "x") for seed in range(200)]
    assert all(0 <= value < 2**63 for value in drawn)
    assert max(drawn) > 2**61
    assert len(set(drawn)) == 200


def test_torch_stream_is_reproducible() -> None:
    import torch

    first, second = (torch.rand(5, generator=torch_generator(1, "x")) for _ in range(2))
    assert torch.equal(first, second)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        child(-1, "x")
