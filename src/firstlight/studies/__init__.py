"""The studies: one package each, and ``REGISTRY``, in the assignment's order.

To add one: a folder, and a line here.
"""

from typing import TYPE_CHECKING

from firstlight.config import Config
from firstlight.errors import ConfigError
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.study import Study

if TYPE_CHECKING:
    from firstlight.context import Context
    from firstlight.record import Record

REGISTRY: dict[str, Study] = {
    config.study: Study(config)
    for config in (
        PerceptronConfig,
        InitializationConfig,
        DyingReluConfig,
        RegularizationConfig,
        CyclicalConfig,
    )
}
"""Every study by its name, in the assignment's order."""


def study_of(name: str) -> Study:
    """Return a study, or raise ``ConfigError`` naming the known ones.

    Example:
        >>> study_of("perceptron").config.__name__
        'PerceptronConfig'
    """
    if name not in REGISTRY:
        raise ConfigError(f"study: expected one of {', '.join(REGISTRY)}, got {name!r}")
    return REGISTRY[name]


def run(config: Config, context: "Context | None" = None) -> "Record":
    """Run the study that ``config`` belongs to and return its record.

    Args:
        config: the parameters.
        context: run folder, device, data set and progress; by default nothing is kept or shown, and
            the data set is searched in the known places.

    Example:
        >>> record = run(PerceptronConfig(repeats=50))
        >>> record.verdicts["1.3"].outcome in ("better", "cannot-tell")
        True
    """
    from firstlight.context import Context

    return study_of(config.study).run(config, context or Context())
