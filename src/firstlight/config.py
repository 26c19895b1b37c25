"""What every config is made of: fields with ranges, checked; presets; the JSON form."""

import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal

from firstlight.errors import ConfigError

Preset = Literal["quick", "class", "full"]


def bounded(default: Any, low: float, high: float = math.inf, unit: str = "") -> Any:
    """Return a dataclass field whose value must lie in [low, high]; ``unit`` is for people.

    Where the default is a tuple, the value is one too: at least one number, all of them different.
    """
    return field(default=default, metadata={"low": low, "high": high, "unit": unit})


def _check_number(name: str, value: object, spec: Field[Any]) -> None:
    whole = isinstance(spec.default, int)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: expected {kind}, got {value!r}; give {name} as {kind}")
    low, high = spec.metadata["low"], spec.metadata["high"]
    if not (low <= value <= high and math.isfinite(value)):
        least, most = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (low, high))
        bounds = f"at least {least}" if math.isinf(high) else f"from {least} to {most}"
        unit = f" {spec.metadata['unit']}" if spec.metadata["unit"] else ""
        raise ConfigError(f"{name}: expected {bounds}{unit}, got {value}; change {name}")


def _check_each(name: str, values: object, spec: Field[Any]) -> None:
    """Check a tuple of numbers, or of names among the field's choices: some, each once."""
    choices = spec.metadata.get("choices")
    expected = f"one or more of {', '.join(choices)}" if choices else "one or more numbers"
    if not isinstance(values, tuple) or not values:
        raise ConfigError(f"{name}: expected {expected}, got {values!r}; give {name} some")
    for index, value in enumerate(values):
        if choices is None:
            _check_number(f"{name}[{index}]", value, spec)
        elif value not in choices:
            expected = f"one of {', '.join(choices)}"
            raise ConfigError(f"{name}[{index}]: expected {expected}, got {value!r}")
    if len(set(values)) != len(values):
        raise ConfigError(f"{name}: expected each value once, got {', '.join(map(str, values))}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all configs: checks every field against its declared range."""

    study: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    data_set: ClassVar[str | None] = None  # what the study trains on, if it needs a data set

    seed: int = bounded(0, 0, 2**32 - 1)
    """The number from which all random numbers follow: another seed, another run of the same size."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(spec.default, tuple):
                _check_each(spec.name, value, spec)
            elif "low" in spec.metadata:
                _check_number(spec.name, value, spec)
            elif "options" in spec.metadata and value not in spec.metadata["options"]:
                expected = " or ".join(spec.metadata["options"])
                raise ConfigError(f"{spec.name}: expected {expected}, got {value!r}")

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready values (tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """Return the config with these values; unknown names raise ``ConfigError``."""
        known = {spec.name: spec for spec in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"{cls.study}: unknown parameter {name!r}; known: {', '.join(known)}"
                )
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**given)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "Config":
        """Return the named preset (``quick``, ``class`` or ``full``) with some parameters changed."""
        if name not in cls.presets:
            raise ConfigError(f"preset: expected {' or '.join(cls.presets)}, got {name!r}")
        return cls.from_dict({**cls.presets[name], **changes})
