"""Run the quick lab for several seeds and print what each question comes to.

    python tests/decided.py [--seeds 0 1 2 3] [--out runs/decided]

Every comparison of problems 1 to 3 and of questions 4.2 to 4.7 must be decided: one is better, there
is no difference that matters, or the question compares nothing. The status is 1 if one is not, but
for those in ``UNDECIDED``.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from firstlight.record import Record, load
from firstlight.studies import REGISTRY

UNDECIDED: dict[str, str] = {}
"""Question → why a quick run may leave it open; two at most."""

FREE = ("4.1",)
"""Questions that compare nothing and may have any outcome."""


def undecided(records: Iterable[Record]) -> dict[str, str]:
    """Return question → outcome and headline of all that should be decided and are not."""
    return {
        question: f"{verdict.outcome}: {verdict.headline}"
        for record in records
        for question, verdict in record.verdicts.items()
        if verdict.outcome in ("cannot-tell", "did-not-learn", "not-run")
        and question not in (*FREE, *UNDECIDED)
    }


def run(seed: int, out: Path) -> list[Record]:
    """Run the quick lab with a seed and return its records."""
    command = [
        "-m",
        "firstlight",
        "lab",
        "--data",
        "embedded",
        "--seed",
        str(seed),
        "--out",
        str(out),
    ]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return [load(out / name) for name in REGISTRY]


def main() -> int:
    """Run the lab, print every outcome, and return whether anything was left open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/decided"))
    options = parser.parse_args()
    status = 0
    for seed in options.seeds:
        records = run(seed, options.out / f"seed{seed}")
        for record in records:
            for question, verdict in record.verdicts.items():
                print(f"seed {seed}  {question}  {verdict.outcome:13}  {verdict.headline}")
        left = undecided(records)
        print(f"seed {seed}: {len(left)} left open", *left, flush=True)
        status |= bool(left)
    return status


if __name__ == "__main__":
    sys.exit(main())
