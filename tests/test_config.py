import json

import pytest

from firstlight.errors import ConfigError
from firstlight.studies import REGISTRY, study_of
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.regularization.config import RegularizationConfig


@pytest.mark.parametrize("study", REGISTRY)
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_a_config_survives_json(study: str, preset: str) -> None:
    kind = REGISTRY[study].config
    config = kind.preset(preset, seed=7)
    assert kind.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    assert config.seed == 7


def test_full_preset_is_the_assignments_scale() -> None:
    full = RegularizationConfig.preset("full").as_dict()
    assert (full["seeds"], full["epochs"], full["train_images"]) == (5, 10, 60_000)
    assert PerceptronConfig.preset("full").as_dict()["repeats"] == 20_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repeats": 1}, "repeats: expected from 2 to 1,000,000 training sets, got 1"),
        ({"repeats": 2.5}, "repeats: expected a whole number, got 2.5"),
        ({"repeats": True}, "repeats: expected a whole number, got True"),
        ({"learning_rate": float("nan")}, "learning_rate: expected from 1e-12 to 1e+06, got nan"),
        ({"learning_rate": -1.0}, "learning_rate: expected from 1e-12"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
        ({"seed": -1}, "seed: expected from 0"),
        ({"rate": 1}, "unknown parameter 'rate'"),
    ],
)
def test_a_bad_value_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PerceptronConfig.from_dict(changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arms", [(), ("plain", "plain"), ("plain", "nothing"), "plain"])
def test_arms_must_be_known_and_distinct(arms: object) -> None:
    with pytest.raises(ConfigError, match="arms"):
        RegularizationConfig.from_dict({"arms": arms})


def test_unknown_study_and_preset_are_named() -> None:
    with pytest.raises(ConfigError, match="perceptron, initialization, dying-relu, regularization"):
        study_of("nothing")
    with pytest.raises(ConfigError, match="quick or class or full"):
        PerceptronConfig.preset("slow")
