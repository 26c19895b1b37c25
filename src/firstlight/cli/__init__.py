"""The command line: the only place that parses arguments, shows progress, prints and exits."""

import os
import signal
import sys
import threading
from importlib import import_module

from firstlight import __version__
from firstlight.errors import ConfigError, FirstlightError, TrialError

COMMANDS = {
    "lab": "run the studies, print the answers and write one page, in about 7 minutes",
    "run": "run one study, with every parameter of its config as an option, and write its page",
    "report": "make the page of a run folder again, from its records alone",
    "data": "list the data sets and where they were found, or fetch them",
    "born-dead": "how likely a ReLU network of a given shape is dead before it is trained",
}

USAGE = f"""usage: firstlight COMMAND [OPTIONS]

The first look at a neural network before you train it.

commands:
{chr(10).join(f"  {name:<11}{text}" for name, text in COMMANDS.items())}

example:
  firstlight lab --preset class

options:
  -h, --help     show this help and exit
  --version      show the version and exit

'firstlight COMMAND --help' tells more about a command."""


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise ConfigError(f"command: expected one of {', '.join(COMMANDS)}, got none; try --help")
    name, *rest = arguments
    if name in ("-h", "--help", "--version"):
        print(f"firstlight {__version__}" if name == "--version" else USAGE)
        return 0
    if name not in COMMANDS:
        raise ConfigError(f"command: expected one of {', '.join(COMMANDS)}, got {name!r}")
    status: int = import_module(f"firstlight.cli.{name.replace('-', '_')}").main(rest)
    return status


def _failed(status: int, words: str) -> int:
    """Say in one line what went wrong, and return the exit code."""
    print(f"firstlight: {' '.join(words.split())}", file=sys.stderr)
    return status


def _spell_simply() -> None:
    """Where an output lacks characters such as ✓ or −, let others stand for them."""
    for stream in (sys.stdout, sys.stderr):
        if "utf" not in (stream.encoding or "utf").lower():
            from firstlight.cli.terminal import spell

            spell(stream)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done. 1: a trial failed. 2: bad input, said in one line on standard error. 130: stopped by
    Ctrl-C; what had finished is kept.
    """
    if threading.current_thread() is threading.main_thread():  # no other may set a handler
        # A request to terminate is answered as Ctrl-C is: end cleanly and keep what is done.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    _spell_simply()
    try:
        status = _dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        kept = "what had finished is kept, the same command goes on from there"
        return _failed(130, f"stopped; {kept}")
    except FirstlightError as error:
        return _failed(1 if isinstance(error, TrialError) else 2, str(error))
    except BrokenPipeError:
        # The reader of our output went away: nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        what = error.strerror or str(error)
        where = f"{error.filename}: " if error.filename else ""
        advice = "free some space" if "space" in what.lower() else "choose another place"
        return _failed(2, f"{where}expected to read or write here, got {what!r}; {advice}")
