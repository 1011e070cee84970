"""Exit codes, and the error that ends a command with one line and one of them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

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


class CommandError(CollabError):
    """Ends the command: the text is one line that says what to do, `code` is the exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """What was typed, set or configured cannot be done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)
