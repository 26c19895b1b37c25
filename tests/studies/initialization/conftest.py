import pytest

from firstlight import studies
from firstlight.context import Context
from firstlight.record import Record
from initialization_samples import CONFIG, bars


@pytest.fixture(scope="session")
def record() -> Record:
    """The study's record, small."""
    return studies.run(CONFIG, Context(dataset=bars()))
