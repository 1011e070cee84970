"""`collab man`: the man pages, made from the help texts of this very version."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.man_pages import Page, man_pages
from collab_cli.tables import print_table


def run(app: typer.Typer, folder: Path | None) -> int:
    """Write all pages of `app` below `folder`, or list them; returns the exit code.

    Raises:
        UsageError: they cannot be written there.
    """
    pages = man_pages(app, os.environ)
    if folder is None:
        print_table([("page", "about"), *((f"{page.name}({page.section})", page.about) for page in pages)])
        say("`collab man DIR` writes them, as in: collab man ~/.local/share/man")
        return ExitCode.OK
    folder = folder.expanduser()
    for page in pages:
        try:
            _write(folder, page)
        except OSError as error:
            raise UsageError(f"cannot write man pages into {folder}: {error.strerror or error}") from error
    sys.stdout.write(f"{len(pages)} man pages are in {folder}; to read one there: man -M {folder} collab\n")
    return ExitCode.OK


def _write(folder: Path, page: Page) -> None:
    place = folder / f"man{page.section}"
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    (place / page.file_name).write_text(page.roff, encoding="ascii")
