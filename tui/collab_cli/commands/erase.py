"""`collab delete` and `collab forget`: a room that goes, or its history alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collab_cli.exits import CommandError, ExitCode, UsageError, printable, say
from collab_cli.office import ask_office
from collab_cli.paths import find_folders
from collab_cli.serving import find_data_dir
from collab_cli.tables import write
from collab_cli.targets import room_name

_YES: Final = ("y", "yes")


def delete(room: str, *, is_sure: bool, data_dir: Path | None) -> int:
    """Delete a room with all that the server keeps of it; returns the exit code.

    Raises:
        CollabError: it is still there; the text says why.
    """
    room_name(room)
    folders = find_folders(os.environ)
    folder = find_data_dir(data_dir, folders)
    _make_sure(
        f"delete {room}, its history, chat and invites, for everybody?", is_sure, "nothing was deleted"
    )
    done = ask_office(folders, folder, {"do": "delete", "room": room})
    if not done["deleted"]:
        raise CommandError(f"there is no room {room} in {folder}", ExitCode.REFUSED)
    write(f"deleted {room}")
    _tell_what_is_left(_backups(folder))
    return ExitCode.OK


def forget(room: str, *, is_sure: bool, data_dir: Path | None) -> int:
    """Erase the history of a room, and keep its text; returns the exit code.

    Raises:
        CollabError: nothing was erased; the text says why.
    """
    room_name(room)
    folders = find_folders(os.environ)
    folder = find_data_dir(data_dir, folders)
    _make_sure(
        f"forget what {room} was before, who wrote what, and its chat? Its text stays",
        is_sure,
        "nothing was forgotten",
    )
    done = ask_office(folders, folder, {"do": "forget", "room": room})
    size = done["text_bytes"]
    write(f"forgot the history of {room}; its text stays ({size} {'byte' if size == 1 else 'bytes'})")
    _tell_what_is_left(done["backups"])
    return ExitCode.OK


def _make_sure(question: str, is_sure: bool, undone: str) -> None:
    """Ask for a y, unless one was given with --yes.

    Raises:
        UsageError: there is nobody to ask.
        CommandError: they do not want it.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError("this cannot be taken back: add --yes where nobody can be asked")
    sys.stderr.write(f"{printable(question)} This cannot be taken back. [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in _YES:
        raise CommandError(undone, ExitCode.INTERNAL)


def _backups(folder: Path) -> list[str]:
    from collab_server.store.migrations import list_backups

    return [str(path) for path in list_backups(folder / "rooms.sqlite3")]


def _tell_what_is_left(backups: Sequence[str]) -> None:
    """Name what the server does not reach."""
    if backups:
        say(f"copies that an upgrade made still hold what was there then: rm {' '.join(backups)}")
    say("on people's own machines, journals and copies of their text may still hold it")
