"""Answers in lines: the marks, the wrapping, and simpler characters where the output lacks some."""

import io
import os
from dataclasses import replace

import pytest

from firstlight import studies
from firstlight.cli import terminal
from firstlight.record import OUTCOMES, Fact, Record, Verdict
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.study import Study

WIDE = (
    "The hinge loss gets 94.3\u202f% of the points right, 10.2 % more than before, and that is it."
)


def record(*verdicts: Verdict) -> Record:
    return Record("perceptron", {}, verdicts={v.question: v for v in verdicts})


def test_every_outcome_has_its_mark() -> None:
    verdicts = [Verdict(f"1.{i}", outcome, "So.") for i, outcome in enumerate(OUTCOMES)]
    marks = {
        outcome: line.split()[1] for outcome, line in zip(OUTCOMES, lines(*verdicts), strict=True)
    }
    assert marks == {
        "answered": "✓", "better": "✓", "no-difference": "=", "cannot-tell": "?",
        "did-not-learn": "✗", "not-run": "–",
    }  # fmt: skip  # in few lines


def lines(*verdicts: Verdict, width: int | None = None) -> list[str]:
    return terminal.answers([record(*verdicts)], width=width)


@pytest.mark.parametrize("width", range(20, 100, 3))
def test_lines_hang_and_no_number_is_parted_from_its_unit(width: int) -> None:
    first, *rest = lines(Verdict("1.1", "better", WIDE), width=width)
    assert first.startswith("1.1 ✓ The")
    assert all(line.startswith("      ") and line[6] != " " for line in rest)
    assert max(map(len, [first, *rest])) <= width
    assert not [line for line in (first, *rest) if line.lstrip().startswith("%")]
    assert not [line for line in (first, *rest) if line.endswith(("94.3", "10.2"))]
    joined = " ".join(line.strip() for line in (first, *rest))
    assert joined.removeprefix("1.1 ✓ ").replace("\u202f", " ") == WIDE.replace("\u202f", " ")


def test_where_there_is_no_terminal_every_question_has_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal.columns(io.StringIO()) is None
    assert len(lines(Verdict("1.1", "better", WIDE * 9))) == 1
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal.columns(io.StringIO()) == 72


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1.1 ✓ 94.3\u202f%, −0.5, ±2 – so…", "1.1 + 94.3 %, -0.5, +-2 - so..."),
        ("3.9 × 10⁻⁷ and σ² of Glorot’s é", "3.9 x 10^-7 and sigma^2 of Glorot's e"),
        ("✗ 漢", "x ?"),
    ],
)
def test_what_an_encoding_lacks_is_spelled_simply(text: str, plain: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal.spell(stream)
    stream.write(text)
    stream.flush()
    assert stream.buffer.getvalue().decode() == plain  # type: ignore[attr-defined]  # a BytesIO


def test_facts_are_shown_in_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("share", Fact(0.9645, 0.96, 0.97, 20), "percent"),
        ("loss", Fact(0.25), "nats"),
        ("count", Fact(7), ""),
    ]
    terminal.show(terminal.facts_table(rows, "Facts"))
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "share 96.5\u202f% 96.0 to 97.0\u202f% 20".replace("\u202f", " ") in shown
    assert "loss (nats) 0.25 – –" in shown
    assert "count 7 – –" in shown


def test_the_width_of_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 1

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((91, 30)))
    assert terminal.columns(Screen()) == 91


@pytest.mark.parametrize(
    ("decision", "words"),
    [("hinge", "The two runs agree."), ("perceptron", "The two runs disagree."), ("", "better.")],
)
def test_in_full_the_published_run_stands_beside_the_answer(
    decision: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of another seed takes the part of the published one."""
    here, there = (studies.run(PerceptronConfig(repeats=20, seed=seed)) for seed in (0, 1))
    verdicts = {
        "here": Verdict("1.3", "better", "The hinge loss is better.", decision="hinge"),
        "there": Verdict("1.3", "better", "The hinge loss is better.", decision=decision),
    }
    here = replace(here, verdicts={"1.3": verdicts["here"]})
    there = replace(there, verdicts={"1.3": verdicts["there"]})
    assert not [s for s in terminal.answers([here], full=True) if "Published run" in s]
    monkeypatch.setattr(Study, "published", lambda _: there)
    shown = [s for s in terminal.answers([here], full=True) if "Published run" in s]
    assert len(shown) == 1
    assert "Published run (20 training sets of 20 points): ✓ The hinge loss is better." in shown[0]
    assert shown[0].endswith(words)
