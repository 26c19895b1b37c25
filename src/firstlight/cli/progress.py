"""What a person sees while something runs: a bar in a terminal, a line for each quarter elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from firstlight.types import Progress

Unit = Literal["", "bytes"]

NOT_WORTH_IT = 2.0
"""Seconds; what takes less leaves no line."""


@dataclass
class Stage:
    """One part of the work: how far it is, since when, and what follows from that.

    Args:
        first: what was done already when it began, from an earlier run.
        began: when that was, in seconds of any clock.
        total: how much there is to do.
        done: how much is done by ``now``.
        now: on the same clock.
        unit: ``"bytes"``, or nothing.

    Example:
        >>> stage = Stage(first=50, began=0.0, total=100, done=60, now=20.0)
        >>> stage.words()
        '60 %, 20 s, 30 %/min, about 1 min 20 s left'
    """

    first: int
    began: float
    total: int
    done: int
    now: float
    unit: Unit = ""

    @property
    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return self.now - self.began

    def rate(self) -> str:
        """Return how much is done in a second or a minute; nothing before there is something."""
        made = self.done - self.first
        if made <= 0 or self.elapsed <= 0:
            return ""
        pace = made / self.elapsed
        if self.unit == "bytes":
            return f"{pace / 1e6:.1f} MB/s"
        unit = " %" if self.total == 100 else ""  # a stage of many trials counts in per cent
        return f"{pace:,.0f}{unit}/s" if pace >= 1 else f"{60 * pace:,.2g}{unit}/min"

    def left(self) -> str:
        """Return the time that is left at this pace; nothing before it is known."""
        made = self.done - self.first
        if made <= 0 or self.elapsed <= 0 or self.done >= self.total:
            return ""
        return duration(self.elapsed * (self.total - self.done) / made)

    def words(self) -> str:
        """Return share, time, rate and time left in one phrase."""
        left = self.left()
        share = f"{100 * self.done // max(self.total, 1)} %"
        parts = [share, duration(self.elapsed), self.rate(), f"about {left} left" if left else ""]
        return ", ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    Example:
        >>> [duration(s) for s in (0.4, 75, 3 * 3600 + 61, 90_000)]
        ['0 s', '1 min 15 s', '3 h 1 min', '1 d 1 h']
    """
    rest, words = round(seconds), list[str]()
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        words += [f"{count} {name}"] if count or words else []
    return " ".join(word for word in words[:2] if not word.startswith("0 ")) or "0 s"


def say(words: str) -> None:
    """Tell the person something, on standard error, so that standard output stays the answer."""
    print(words, file=sys.stderr, flush=True)


class _Stages:
    """The stages of one piece of work, by label."""

    def __init__(self, title: str, unit: Unit, clock: Callable[[], float]) -> None:
        self.title, self.began, self.clock = title, clock(), clock
        self._unit: Unit = unit
        self._stages: dict[str, Stage] = {}

    def at(self, label: str, done: int, total: int) -> Stage:
        """Return the label's stage, brought up to date; the first began with the work itself."""
        now = self.clock()
        if label not in self._stages:
            began = now if self._stages else self.began
            self._stages[label] = Stage(done, began, total, done, now, self._unit)
        stage = self._stages[label]
        stage.done, stage.total, stage.now = done, total, now
        return stage

    def name(self, label: str) -> str:
        """Return "cyclical: policies" for the label "policies", or for one that says so itself."""
        named = label == self.title or label.startswith(f"{self.title}:")
        return label if named else f"{self.title}: {label}"


@contextmanager
def progress(
    title: str, unit: Unit = "", clock: Callable[[], float] = time.monotonic
) -> Iterator[Progress]:
    """Show progress on standard error: bars in a terminal, a line for each quarter elsewhere.

    Args:
        title: what is being done.
        unit: what is counted: ``"bytes"``, or nothing to say of it.
        clock: seconds.
    """
    console, stages = Console(stderr=True), _Stages(title, unit, clock)
    if not console.is_terminal:
        yield _lines(stages)
        return
    with bars.Progress(
        bars.TextColumn("{task.description}"), bars.BarColumn(), _Words(stages),
        console=console, transient=True,
    ) as bar:  # fmt: skip  # one line of columns
        yield _bars(stages, bar)


def _lines(stages: _Stages) -> Progress:
    """Return a report that says a line whenever a quarter is done and it took a while."""
    quarters = dict[str, int]()

    def report(label: str, done: int, total: int) -> None:
        stage, quarter = stages.at(label, done, total), 4 * done // max(total, 1)
        if quarter > quarters.setdefault(label, quarter if done < total else 0):
            quarters[label] = quarter
            if stage.elapsed >= NOT_WORTH_IT:
                say(f"{stages.name(label)} {stage.words()}")

    return report


def _bars(stages: _Stages, bar: bars.Progress) -> Progress:
    """Return a report that moves bars: one for each stage, and one for the time between them."""
    tasks: dict[str, bars.TaskID] = {}
    idle = bar.add_task(stages.title, total=None)
    busy: set[str] = set()

    def report(label: str, done: int, total: int) -> None:
        stage = stages.at(label, done, total)
        if label not in tasks:
            tasks[label] = bar.add_task(stages.name(label), total=total, stage=stage)
        bar.update(tasks[label], completed=done, total=total)
        (busy.add if done < total else busy.discard)(label)
        bar.update(idle, visible=not busy)

    return report


class _Words(bars.ProgressColumn):
    """What is beside a bar: share, time, rate and time left."""

    def __init__(self, stages: _Stages) -> None:
        self._stages = stages
        super().__init__()

    def render(self, task: bars.Task) -> Text:
        """Return the words as of now."""
        now, stage = self._stages.clock(), task.fields.get("stage")
        if stage is None:
            return Text(duration(now - self._stages.began))
        return Text(stage.words() if task.finished else replace(stage, now=now).words())
