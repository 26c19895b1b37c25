import pytest

from firstlight import studies
from firstlight.record import Record
from firstlight.studies.perceptron.config import PerceptronConfig


@pytest.fixture(scope="session")
def record() -> Record:
    """The study's record, small."""
    return studies.run(PerceptronConfig(repeats=300, max_epochs=2_000))
