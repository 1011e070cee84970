"""How a command ends: one line on stderr that says what to do, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from signal import SIGINT
from typing import Final

from collab_cli.redaction import redact
from collab_protocol.errors import CollabError

SIGNAL: Final = 128
"""Ended by signal n: the code is 128 + n, as shells have it."""


class ExitCode(IntEnum):
    """What `collab` says to the shell (DESIGN section 10)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    UNSAVED = 5
    """Changes are kept in the journal that no server has; wins over UNREACHABLE."""


class CommandError(CollabError):
    """Ends the command: the text is one line that says what to do, `code` is the exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """What was typed, set or configured cannot be done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)


def run_command(command: Callable[[], int]) -> int:
    """Return the exit code of `command`; what is raised on purpose is said in one line.

    Anything else is a fault of ours and crashes, loudly.
    """
    try:
        return command()
    except CommandError as error:
        say(str(error))
        return error.code
    except CollabError as error:
        say(str(error))
        return ExitCode.REFUSED
    except KeyboardInterrupt:
        return SIGNAL + SIGINT
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it any more: nothing to flush at exit
        return ExitCode.INTERNAL


def printable(text: str) -> str:
    """Return `text` with a dot for each character that a terminal would obey, or that has no encoding."""
    return "".join(c if c.isprintable() else "·" for c in text)


def say(line: str) -> None:
    """Write one line to stderr, with nothing that a terminal would obey, and no token.

    Nobody may be there to read it.
    """
    try:
        sys.stderr.write(f"collab: {printable(redact(' '.join(line.split())))}\n")
        sys.stderr.flush()
    except OSError:
        sys.stderr = None  # what it holds cannot be written at exit either, and would change the exit code
