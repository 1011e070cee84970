"""`collab delete` and `collab forget`: a room that goes, or its history alone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from collab_cli.asking import make_sure
from collab_cli.exits import CommandError, ExitCode, say
from collab_cli.humane import counted
from collab_cli.office.office import ask
from collab_cli.paths import find_folders
from collab_cli.settings.flags import OperatorFlags
from collab_cli.settings.serving import find_data_dir
from collab_cli.tables import print_json, write
from collab_cli.targets import room_name


def delete(place: OperatorFlags, room: str, *, is_sure: bool, as_json: bool) -> int:
    """Delete a room with all that the server keeps of it; returns the exit code.

    Raises:
        CollabError: it is still there; the text says why.
    """
    room_name(room)
    make_sure(f"delete {room}, its history, chat and invites, for everybody?", is_sure, "nothing was deleted")
    done = ask(place, {"do": "delete", "room": room})
    if not done["deleted"]:
        raise CommandError(f"there is no room {room}{_where(place)}", ExitCode.REFUSED)
    if as_json:
        return print_json({"room": room, "deleted": True, "backups": done.get("backups", ())})
    write(f"deleted {room}")
    _tell_what_is_left(place, done.get("backups", ()))
    return ExitCode.OK


def forget(place: OperatorFlags, room: str, *, is_sure: bool, as_json: bool) -> int:
    """Erase the history of a room, and keep its text; returns the exit code.

    Raises:
        CollabError: nothing was erased; the text says why.
    """
    room_name(room)
    make_sure(
        f"forget what {room} was before, who wrote what, and its chat? Its text stays",
        is_sure,
        "nothing was forgotten",
    )
    done = ask(place, {"do": "forget", "room": room})
    size = done["text_bytes"]
    if as_json:
        return print_json({"room": room, "text_bytes": size, "backups": done.get("backups", ())})
    write(f"forgot the history of {room}; its text stays ({counted(size, 'byte')})")
    _tell_what_is_left(place, done.get("backups", ()))
    return ExitCode.OK


def _where(place: OperatorFlags) -> str:
    if place.server is not None:
        return f" at {place.server}"
    return f" in {find_data_dir(place.data_dir, find_folders(os.environ))}"


def _tell_what_is_left(place: OperatorFlags, backups: Sequence[str]) -> None:
    """Name what the server does not reach."""
    if backups:
        there = "" if place.server is None else "on the server's machine, "
        say(
            f"{there}copies that an upgrade or a restore kept still hold what was there then:"
            f" rm {shlex.join(backups)}"
        )
    say("backups may still hold it, and on people's own machines journals and copies of their text")
