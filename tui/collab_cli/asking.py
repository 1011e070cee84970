"""Asking whoever typed a command whether they mean it."""

from __future__ import annotations

import sys
from typing import Final

from collab_cli.exits import CommandError, ExitCode, UsageError, printable

_YES: Final = ("y", "yes")


def make_sure(
    question: str, is_sure: bool, undone: str, *, warning: str = "This cannot be taken back."
) -> None:
    """Ask for a y, unless one was given with --yes.

    Raises:
        UsageError: there is nobody to ask.
        CommandError: they do not want it.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{warning[0].lower()}{warning[1:].rstrip('.')}: add --yes where nobody can be asked"
        )
    sys.stderr.write(f"{printable(question)} {warning} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in _YES:
        raise CommandError(undone, ExitCode.INTERNAL)
