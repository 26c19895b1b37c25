import pytest

import cyclical_samples
from firstlight.record import Record


@pytest.fixture(scope="session")
def record() -> Record:
    """A small run that trains."""
    return cyclical_samples.run()


@pytest.fixture(scope="session")
def made() -> Record:
    """A made-up run of the usual kind, whose last loss is not finite."""
    return cyclical_samples.made(lost=True)
