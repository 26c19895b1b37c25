"""What a person sees of work in progress: share, time, rate and time left."""

import io

import pytest

from firstlight.cli.progress import Stage, duration, progress


class Clock:
    """A clock that a test moves on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage(0, 0, 2000, 500, 10), "25 %, 10 s, 50/s, about 30 s left"),
        (Stage(0, 0, 8, 2, 60), "25 %, 1 min, 2/min, about 3 min left"),
        (Stage(50, 0, 100, 75, 50), "75 %, 50 s, 30 %/min, about 50 s left"),
        (Stage(0, 5, 40_000_000, 10_000_000, 15, "bytes"), "25 %, 10 s, 1.0 MB/s, about 30 s left"),
        (Stage(0, 0, 100, 100, 200), "100 %, 3 min 20 s, 30 %/min"),
        (Stage(0, 0, 100, 0, 7), "0 %, 7 s"),
        (Stage(0, 0, 100, 50, 0), "50 %, 0 s"),
        (Stage(0, 0, 0, 0, 1), "0 %, 1 s"),
    ],
)
def test_a_stage_says_how_far_it_is(stage: Stage, words: str) -> None:
    assert stage.words() == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min"), (3_599, "59 min 59 s"), (3_601, "1 h"), (266_400, "3 d 2 h")],
)
def test_a_duration_has_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_line_for_each_quarter_of_what_takes_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress("cyclical", clock=clock) as report:
        for done in range(9):
            report("cyclical: policies", done, 8)
            clock.now += 10
        for done in (0, 1, 2):  # a short stage leaves no line
            report("examples", done, 2)
            clock.now += 0.5
        report("ranges", 50, 100)  # half of it was done in an earlier run
        clock.now += 30
        report("ranges", 75, 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "cyclical: policies 25 %, 20 s, 6/min, about 1 min left",
        "cyclical: policies 50 %, 40 s, 6/min, about 40 s left",
        "cyclical: policies 75 %, 1 min, 6/min, about 20 s left",
        "cyclical: policies 100 %, 1 min 20 s, 6/min",
        "cyclical: ranges 75 %, 30 s, 50 %/min, about 30 s left",
    ]


def test_in_a_terminal_a_bar_has_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = io.StringIO(), Clock()
    monkeypatch.setattr("sys.stderr", screen)
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "120"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    with progress("perceptron", clock=clock) as report:
        report("training sets", 0, 2000)
        clock.now += 10
        report("training sets", 500, 2000)
        clock.now += 1  # the bar is drawn again when the work ends
    shown = screen.getvalue()
    assert "perceptron: training sets" in shown
    assert "━" in shown
    assert "25 %, 11 s, 45/s, about 33 s left" in shown
