"""How a command ends: one line on stderr that says what to do, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from signal import SIGINT

from collab_cli.exits import SIGNAL, CommandError, ExitCode


def run_command(command: Callable[[], int]) -> int:
    """Return the exit code of `command`; what it raises on purpose is said in one line.

    Anything else is a fault of ours and crashes, loudly.
    """
    try:
        return command()
    except CommandError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        return SIGNAL + SIGINT
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it any more: nothing to flush at exit
        return ExitCode.INTERNAL


def say(line: str) -> None:
    """Write one line to stderr, with nothing that a terminal would obey; nobody may be there to read it."""
    printable = "".join(c if c.isprintable() else "·" for c in " ".join(line.split()))
    try:
        sys.stderr.write(f"collab: {printable}\n")
        sys.stderr.flush()
    except OSError:
        sys.stderr = None  # what it holds cannot be written at exit either, and would change the exit code
