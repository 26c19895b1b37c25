"""What a study is made of, and how it is run: everything of one study lies in one package."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from importlib.resources import as_file, files
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firstlight.config import Config
from firstlight.errors import RecordError

if TYPE_CHECKING:
    from firstlight.context import Context
    from firstlight.data import Dataset
    from firstlight.plotting.style import Plot
    from firstlight.record import Arrays, Facts, Record


PUBLISHED_FILE = "published.json"
"""A study's published record without arrays, beside its config."""


def _always(record: "Record") -> bool:
    """Every record has what the table needs."""
    return True


def _shortage(config: Config, data: "Dataset") -> tuple[str, ...]:
    """Return a notice for each kind of images of which the config asks for more than were there."""
    there = {"train_images": data.train_images, "test_images": data.test_images}
    return tuple(
        f"{asked:,} {kind} images of {data.name} were asked for and {len(there[field]):,} were there: "
        "those were used. With --data official all are fetched."
        for field, kind in {"train_images": "training", "test_images": "test"}.items()
        if (asked := getattr(config, field, 0)) > len(there[field]) and not data.whole
    )


def checkpoints(last: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, … up to and with ``last``.

    Example:
        >>> checkpoints(12)
        [1, 2, 5, 10, 12]
    """
    series = (m * 10**e for e in range(len(str(last))) for m in (1, 2, 5))
    return [*(step for step in series if step < last), last]


@dataclass(frozen=True)
class Results:
    """What a study's ``run`` returns, to be made into its record.

    Args:
        facts: numbers with their intervals.
        arrays: numbers with axes.
        about: what provenance shall say beyond the usual.
    """

    facts: "Facts"
    arrays: "Arrays"
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """One table of a study's page.

    Args:
        name: short name, used in the page's template.
        headers: of the columns, or a function of the record.
        rows: Record → one cell for each header; text stays, numbers are written as the page does.
        caption: text above the table, or a function of the record.
        when: whether a record holds what the table needs; by default it always does.
    """

    name: str
    headers: "Sequence[str] | Callable[[Record], Sequence[str]]"
    rows: "Callable[[Record], Sequence[Sequence[Any]]]"
    caption: "str | Callable[[Record], str]"
    when: "Callable[[Record], bool]" = _always


@dataclass(frozen=True)
class Study:
    """A study, known by its config; the rest lies beside the config, in files of fixed names.

    ``run.py`` has ``run(config, context) -> Results``; ``answers.py`` has ``answers(record)``, the
    verdicts in the order of the questions, ``remarks(record)``, what the page says below them,
    question → paragraphs, and ``scale(record)``, how large the run was; ``figures.py`` has
    ``PLOTS``; ``tables.py``, if there is one, has ``SHEETS``; ``page.html`` places them. The page needs neither ``run.py`` nor torch.
    ``published.json``, if there is one, is the record of a larger run, to compare answers with.

    Args:
        config: the class of its parameters.

    Example:
        >>> from firstlight.studies.perceptron.config import PerceptronConfig
        >>> [plot.name for plot in Study(PerceptronConfig).plots()]
        ['lines', 'accuracies', 'epochs', 'convergence']
    """

    config: type[Config]

    @property
    def name(self) -> str:
        """Return the study's name on the command line."""
        return self.config.study

    def _file(self, name: str) -> Any:
        return import_module(f"{self.config.__module__.rpartition('.')[0]}.{name}")

    def plots(self) -> "tuple[Plot, ...]":
        """Return its figures, in the order of the page."""
        found: tuple[Plot, ...] = self._file("figures").PLOTS
        return found

    def sheets(self) -> tuple[Sheet, ...]:
        """Return its tables, in the order of the page."""
        place = files(self.config.__module__.rpartition(".")[0])
        if not place.joinpath("tables.py").is_file():
            return ()
        found: tuple[Sheet, ...] = self._file("tables").SHEETS
        return found

    def page(self) -> str:
        """Return the template of its part of the page."""
        package = self.config.__module__.rpartition(".")[0]
        return files(package).joinpath("page.html").read_text(encoding="utf-8")

    def answered(self, record: "Record") -> "Record":
        """Return the record with its verdicts, computed from its facts.

        Raises:
            RecordError: a verdict rests on a fact that is not there.
        """
        verdicts = {}
        for verdict in self._file("answers").answers(record):
            for reference in verdict.evidence:
                if record.facts.find(reference.measure, **dict(reference.coords)) is None:
                    raise RecordError(
                        f"{self.name}: verdict {verdict.question} rests on {reference}, which the "
                        "record lacks; run the study again"
                    )
            verdicts[verdict.question] = verdict
        return replace(record, verdicts=verdicts)

    def remarks(self, record: "Record") -> dict[str, list[str]]:
        """Return what the page says below each verdict: question → paragraphs."""
        found: dict[str, list[str]] = self._file("answers").remarks(record)
        return found

    def scale(self, record: "Record") -> str:
        """Return how large a run was, in words: seeds, epochs, images."""
        words: str = self._file("answers").scale(record)
        return words

    def unit(self, measure: str, *coords: str) -> str:
        """Return the unit of a fact, by its measure and the labels of its coordinates.

        It is a kind of ``text.KINDS`` or a word; "" for none.
        """
        units: dict[Any, str] = getattr(self._file("labels"), "UNITS", {})
        closer = (units[measure, label] for label in coords[::-1] if (measure, label) in units)
        return next(closer, units.get(measure, ""))

    def published(self) -> "Record | None":
        """Return the published run, without its arrays and with its answers; None if there is none."""
        from firstlight.record import load_facts

        with as_file(files(self.config.__module__.rpartition(".")[0])) as package:
            path = package / PUBLISHED_FILE
            return self.answered(load_facts(path)) if path.is_file() else None

    def run(self, config: Config, context: "Context") -> "Record":
        """Run the study and return its record.

        Args:
            config: of this study's class.
            context: run folder, device, data set and progress.

        Raises:
            TypeError: the config is another study's.
        """
        from firstlight.record import Record
        from firstlight.record.provenance import collect

        if not isinstance(config, self.config):
            expected, got = self.config.__name__, type(config).__name__
            raise TypeError(f"config: expected a {expected}, got a {got}")
        started = perf_counter()
        context = replace(context, dataset=context.dataset or self._data())
        results: Results = self._file("run").run(config, context)
        data = context.dataset
        origin = collect(
            seed=config.seed, started=started, device=context.device,
            data=None if data is None else data.sha256, work=[asdict(w) for w in context.done],
        )  # fmt: skip
        images = {} if data is None else {"images": data.origin}
        record = Record(
            study=self.name,
            config=config.as_dict(),
            facts=results.facts,
            arrays=results.arrays,
            provenance=origin | images | results.about,
            notices=() if data is None else _shortage(config, data),
        )
        return self.answered(record)

    def _data(self) -> "Dataset | None":
        if self.config.data_set is None:
            return None
        from firstlight.data import load

        return load(self.config.data_set)
