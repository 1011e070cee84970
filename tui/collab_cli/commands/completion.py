"""`collab completion`: the script with which a shell completes what is typed after `collab`."""

from __future__ import annotations

import sys

from collab_cli.completion import FOR_GOOD, Shell, script
from collab_cli.exits import ExitCode, UsageError, say


def run(shell: str) -> int:
    """Print the script for `shell`; returns the exit code. Raises: UsageError: there is none for it."""
    try:
        known = Shell(shell.lower())
    except ValueError as error:
        raise UsageError(f"there is no script for {shell!r}: use {', '.join(Shell)}") from error
    sys.stdout.write(script(known))
    if sys.stdout.isatty():
        say(f"for good: {FOR_GOOD[known]}")
    return ExitCode.OK
