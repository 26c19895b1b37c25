"""``python -m benchmarks NAME``: time a part of firstlight against the plain way of doing it."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

NAMES = ("perceptron", "probe", "ensemble", "regularization", "ranges", "cyclical")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one comparison and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time a part of firstlight against the plain way of doing it, in one run. "
        "Leave the machine alone meanwhile: a busy second core makes every figure worthless.",
    )
    parser.add_argument("name", choices=NAMES, help="which comparison")
    parser.add_argument(
        "--data", type=Path, help="a folder with the data sets; otherwise the known places"
    )
    options = parser.parse_args(arguments)
    if options.data is not None and not options.data.is_dir():
        parser.error(f"--data: expected a folder, got {options.data}")
    # Only the one that is asked for: each loads what it is compared with.
    print(import_module(f"benchmarks.{options.name}").run(data=options.data))


if __name__ == "__main__":
    main()
