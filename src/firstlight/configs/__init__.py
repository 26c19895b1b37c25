"""Every config: each parameter of a study, its default, its range and its unit.

A config is also the command line and the JSON. Standard library only, so that ``--help`` is
instant.
"""

from firstlight.configs.base import Config as Config
from firstlight.configs.base import Preset as Preset
from firstlight.configs.base import bounded as bounded
from firstlight.configs.cyclical import POLICIES as POLICIES
from firstlight.configs.cyclical import RANGE_MODES as RANGE_MODES
from firstlight.configs.cyclical import CyclicalConfig as CyclicalConfig
from firstlight.configs.cyclical import Policy as Policy
from firstlight.configs.cyclical import RangeMode as RangeMode
from firstlight.configs.studies import ACTIVATIONS as ACTIVATIONS
from firstlight.configs.studies import ARMS as ARMS
from firstlight.configs.studies import FUNCTIONS as FUNCTIONS
from firstlight.configs.studies import INITS as INITS
from firstlight.configs.studies import RECTIFIERS as RECTIFIERS
from firstlight.configs.studies import Activation as Activation
from firstlight.configs.studies import Arm as Arm
from firstlight.configs.studies import DyingReluConfig as DyingReluConfig
from firstlight.configs.studies import Function as Function
from firstlight.configs.studies import Init as Init
from firstlight.configs.studies import InitializationConfig as InitializationConfig
from firstlight.configs.studies import PerceptronConfig as PerceptronConfig
from firstlight.configs.studies import Rectifier as Rectifier
from firstlight.configs.studies import RegularizationConfig as RegularizationConfig
from firstlight.errors import ConfigError

STUDIES: dict[str, type[Config]] = {
    c.study: c
    for c in (
        PerceptronConfig, InitializationConfig, DyingReluConfig, RegularizationConfig,
        CyclicalConfig,
    )
}  # fmt: skip
"""Every study by its name, in the assignment's order."""


def config_of(study: str) -> type[Config]:
    """Return the config class of a study, or raise ``ConfigError`` naming the known ones."""
    if study not in STUDIES:
        raise ConfigError(f"study: expected one of {', '.join(STUDIES)}, got {study!r}")
    return STUDIES[study]
