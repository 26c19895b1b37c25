"""Dropout from a named generator: its mean, its independence, its edges."""

import pytest
import torch

from firstlight.models._dropout import drop


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.95])
def test_drop_keeps_the_expected_value(p: float) -> None:
    n = 200_001
    y = drop(torch.ones(n), p, generator())
    kept = float((y > 0).double().mean())
    assert abs(kept - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5
    assert torch.allclose(y[y > 0], torch.tensor(1 / (1 - p)), rtol=1e-3)
    assert abs(float(y.double().mean()) - 1) < 5 * (p / (1 - p) / n) ** 0.5


def test_neighbouring_masks_are_independent() -> None:
    """Four masks come from one random number; none of them follows from another."""
    kept = (drop(torch.ones(400_000), 0.5, generator()) > 0).double().view(-1, 4)
    off_diagonal = torch.corrcoef(kept.t()) - torch.eye(4, dtype=torch.float64)
    assert float(off_diagonal.abs().max()) < 5 / kept.shape[0] ** 0.5


def test_drop_is_repeatable_and_off_at_zero() -> None:
    x = torch.rand(3, 5, generator=generator())
    assert torch.equal(drop(x, 0.5, generator(1)), drop(x, 0.5, generator(1)))
    assert drop(x, 0.0, generator(1)) is x
    assert drop(x[:0], 0.5, generator(1)).shape == (0, 5)
    with pytest.raises(ValueError, match="probability: expected at least 0 and below 1"):
        drop(x, 1.0, generator())
