"""The studies: each is ``run(config, context) -> Record`` in a file of its name."""

from importlib import import_module

from firstlight.configs import Config
from firstlight.context import Context
from firstlight.record import Record


def run(config: Config, context: Context | None = None) -> Record:
    """Run the study that ``config`` belongs to and return its record.

    Args:
        config: the parameters.
        context: run folder, data, device and progress; by default nothing is kept or shown.
    """
    module = import_module(f"firstlight.studies.{config.study.replace('-', '_')}")
    record: Record = module.run(config, context or Context())
    return record
