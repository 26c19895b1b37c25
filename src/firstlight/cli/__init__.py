"""The command line: the only place that parses arguments, shows progress, prints and exits."""

import os
import signal
import sys
import threading
from importlib import import_module
from types import FrameType
from typing import NoReturn

from firstlight import __version__
from firstlight.errors import ConfigError, FirstlightError, TrialError

COMMANDS = {
    "lab": "run the studies and write one page with all the answers",
    "run": "run one study, with every parameter of its config as an option",
    "report": "make the page of a run folder again, from its records alone",
    "data": "list the data sets and where they were found, or fetch them",
    "born-dead": "how likely a ReLU network of a given shape is dead before it is trained",
}

USAGE = f"""usage: firstlight COMMAND [OPTIONS]

The first look at a neural network before you train it.

commands:
{chr(10).join(f"  {name:<11}{text}" for name, text in COMMANDS.items())}

options:
  -h, --help     show this help and exit
  --version      show the version and exit

'firstlight COMMAND --help' tells more about a command."""


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Answer a request to terminate as Ctrl-C is answered: end cleanly and keep what is done."""
    raise KeyboardInterrupt


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise ConfigError(f"command: expected one of {', '.join(COMMANDS)}, got none; try --help")
    name, rest = arguments[0], arguments[1:]
    if name in ("-h", "--help"):
        print(USAGE)
        return 0
    if name == "--version":
        print(f"firstlight {__version__}")
        return 0
    if name not in COMMANDS:
        raise ConfigError(f"command: expected one of {', '.join(COMMANDS)}, got {name!r}")
    module = import_module(f"firstlight.cli.{name.replace('-', '_')}")
    status: int = module.main(rest)
    return status


def _say(error: Exception) -> None:
    text = " ".join(str(error).split())
    print(f"firstlight: {text}", file=sys.stderr)


def _os_error(error: OSError) -> FirstlightError:
    """Return one line for an error of the operating system."""
    what = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    advice = "free some space" if "space" in what.lower() else "choose another place"
    return FirstlightError(f"{where}expected to read or write here, got {what!r}; {advice}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done. 1: a trial failed. 2: bad input, said in one line on standard error. 130: stopped by
    Ctrl-C; what had finished is kept.
    """
    if threading.current_thread() is threading.main_thread():  # no other may set a handler
        signal.signal(signal.SIGTERM, _stop)
    try:
        status = _dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say(
            FirstlightError(
                "stopped; what had finished is kept, the same command goes on from there"
            )
        )
        return 130
    except TrialError as error:
        _say(error)
        return 1
    except FirstlightError as error:
        _say(error)
        return 2
    except BrokenPipeError:
        # The reader of our output went away: nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(_os_error(error))
        return 2
