"""Publish the records of a run folder: docs/results, the package's own copies, the README's table.

    python tools/publish.py runs/class-seed0 [STUDY …]

Only records of a clean revision are taken. The studies named in ``COMPARED`` ship their record
without arrays, for the page to show beside a smaller run.
"""

import argparse
import shutil
import sys
from pathlib import Path

from firstlight import text
from firstlight.record import Record, load, load_facts
from firstlight.record.record import ARRAYS_FILE, RECORD_FILE
from firstlight.report import page
from firstlight.studies import REGISTRY
from firstlight.studies.study import PUBLISHED_FILE

ROOT = Path(__file__).resolve().parents[1]
RESULTS, README = ROOT / "docs" / "results", ROOT / "README.md"
COMPARED = ("regularization", "cyclical")
BEGIN, END = "<!-- results: written by tools/publish.py -->", "<!-- end of results -->"


def package(name: str) -> Path:
    """Return the folder of a study's package."""
    module = REGISTRY[name].config.__module__
    return ROOT.joinpath("src", *module.split(".")[:-1])


def answers(results: Path = RESULTS) -> str:
    """Return the README's part: each published study's scale, and each question's headline."""
    lines = []
    for name, study in REGISTRY.items():
        if (results / name / RECORD_FILE).is_file():
            record = study.answered(load_facts(results / name / RECORD_FILE))
            lines += [f"**{name}**: {study.scale(record)}.", "", "| | |", "|---|---|"]
            for question, verdict in record.verdicts.items():
                words = text.tie(verdict.headline).replace("|", "\\|")
                lines.append(f"| {question} | {words} |")
            lines.append("")
    return "\n".join(lines)


def with_answers(readme: str, part: str) -> str:
    """Return the README with its results replaced."""
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n\n{part}\n{END}{rest.split(END)[1]}"


def take(record: Record, source: Path, target: Path) -> None:
    """Copy one record; refuse what was made from a revision with uncommitted changes."""
    revision = record.provenance.get("revision")
    if not revision or str(revision).endswith("-dirty"):
        sys.exit(f"{source}: expected a record of a clean revision, got {revision}; run it again")
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for name in (RECORD_FILE, ARRAYS_FILE):
        shutil.copyfile(source / name, target / name)


def main() -> None:
    """Copy the records, write the page and the README's table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("studies", nargs="*", default=list(REGISTRY))
    options = parser.parse_args()
    for name in options.studies:
        record = load(options.folder / name)
        take(record, options.folder / name, RESULTS / name)
        if name in COMPARED:
            shutil.copyfile(RESULTS / name / RECORD_FILE, package(name) / PUBLISHED_FILE)
    print(page.write(RESULTS))
    readme = README.read_text(encoding="utf-8")
    README.write_text(with_answers(readme, answers()), encoding="utf-8")


if __name__ == "__main__":
    main()
