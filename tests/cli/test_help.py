"""``--help``: instant, and with everything that a person must know."""

import os
import subprocess
import sys
from typing import Any

import pytest

from firstlight.cli import main
from firstlight.cli.help import described, flag
from firstlight.studies import REGISTRY
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.studies.regularization.config import RegularizationConfig


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["lab", "--help"],
        ["run", "perceptron", "--help"],
        ["run", "--help"],
    ],
)
def test_help_is_instant_and_imports_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom firstlight.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    before = sum(os.times()[2:4])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert not {"torch", "numpy", "matplotlib", "scipy"} & set(done.stderr.split())
    # In seconds of the processor. The goal is 0.3; a slow one is allowed more before this fails.
    assert sum(os.times()[2:4]) - before < 1.0


@pytest.mark.parametrize("study", REGISTRY)
def test_every_field_of_a_config_is_an_option(
    study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", study, "--help"])
    text = capsys.readouterr().out
    for name in REGISTRY[study].config().as_dict():
        assert f"\n  {flag(name)} " in text


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what --help prints, in lines of 80 columns."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    return text


COMMANDS = [["lab"], ["report"], ["born-dead"], *(["run", study] for study in REGISTRY)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", ["60", "200"])
def test_help_has_an_example_and_no_words_of_python(
    command: list[str], columns: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip  # arguments in two lines
    monkeypatch.setenv("COLUMNS", columns)
    text = helped(capsys, *command)
    assert f"\nexamples:\n  firstlight {' '.join(command)} " in text
    assert not [word for word in ("None", "True", "False", "(default )", "INT") if word in text]


def test_help_says_how_long_a_preset_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["lab"], ["run", "perceptron"]):
        text = " ".join(helped(capsys, *command).split())
        assert "quick about 7 minutes" in text
        assert "class about 1 hour, estimated" in text
        assert "full days" in text
    images: Any = CyclicalConfig.preset("full")
    assert f"trains on about {images.images_trained / 1e6:.0f} million images" in text


def test_the_images_of_a_preset_are_counted() -> None:
    config = CyclicalConfig(
        train_images=1_000, validation_share=0.1, policies=("fixed_low", "growing_literal"),
        seeds=3, literal_seeds=2, epochs=4, range_mode="runs", candidates=10, range_epochs=0.5,
        ramp_epochs=2.0, range_repeats=2, batch_sizes=(2, 4, 8, 16, 32), batch_epochs=1.0,
        batch_updates=10, batch_repeats=3, batch_tests=("batch_epochs", "batch_updates"),
    )  # fmt: skip  # settings in few lines
    policies, ranges, batches = (3 + 2) * 4 * 900, 2 * (10 * 0.5 + 2) * 900, 3 * 5 * 900
    assert config.images_trained == policies + ranges + batches + 3 * 10 * 62


@pytest.mark.parametrize("preset", ["quick", "class", "full"])
def test_help_shows_the_defaults_of_the_preset_that_is_named(
    preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(helped(capsys, "run", "regularization", "--preset", preset).split())
    config: Any = RegularizationConfig.preset(preset)
    assert f"with the defaults of the preset {preset}:" in text
    assert f"(default {config.train_images} images; from 100 to 60000)" in text
    assert f"(default {config.epochs} epochs; from 1 to 1000)" in text


def test_help_tells_seed_from_seeds_and_explains_the_range_mode(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = " ".join(helped(capsys, "run", "cyclical").split())
    assert "--seed says which random numbers are drawn; --seeds says how many" in text
    assert "runs trains a new network at each rate" in text
    assert "--seeds says" not in helped(capsys, "run", "perceptron")


def test_a_field_is_described_by_the_words_below_it_or_below_its_base() -> None:
    words = described(RegularizationConfig)
    assert words["batch_size"] == "Images per update."
    assert words["seed"].startswith("The number from which all random numbers follow")


def test_where_the_encoding_lacks_a_character_another_stands_for_it() -> None:
    command = [sys.executable, "-m", "firstlight", "lab", "--help"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert done.stdout.decode("ascii").startswith("usage: firstlight lab [STUDY ...] [OPTIONS]")
