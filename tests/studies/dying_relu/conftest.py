"""A small run of the dying ReLU study, and its theory computed once."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from firstlight import studies
from firstlight.record import Record
from firstlight.studies.dying_relu import run as study
from firstlight.studies.dying_relu.config import DyingReluConfig


@pytest.fixture(scope="package", autouse=True)
def theory_once() -> Iterator[None]:
    """Compute what depends on the seed alone a single time: it takes longer than these trainings."""
    real = study.theory_arrays

    @lru_cache
    def of_seed(seed: int) -> Any:
        return real(DyingReluConfig(seed=seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "theory_arrays", lambda config: of_seed(config.seed))
        yield


@pytest.fixture(scope="package")
def small() -> dict[str, Any]:
    return {"simulations": 48, "points": 100, "epochs": 2, "batch_size": 32, "other_inits": "all"}


@pytest.fixture(scope="package")
def record(small: dict[str, Any], theory_once: None) -> Record:
    return studies.run(DyingReluConfig(**small))
