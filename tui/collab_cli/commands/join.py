"""`collab join`: an editor on a room, painted before what it needs to connect is even loaded."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from collab_cli.config import JoinSettings, join_settings
from collab_cli.exits import SIGNAL, CommandError, ExitCode, UsageError, say
from collab_cli.flags import JoinFlags
from collab_cli.identity import load_device
from collab_cli.logs import log_to_file
from collab_cli.recent import recent_rooms
from collab_cli.targets import Target, parse_target
from collab_cli.terminal import can_draw_unicode, check_terminal, take_screen
from collab_protocol.errors import LinkError

if TYPE_CHECKING:
    from collab_cli.window import Window

_LOG: Final = "client.log"

_FRAMES_PER_S: Final = "120"
"""Textual's own 60 make p95 of a busy room 19.8 ms; 120 halve it (findings on the editor)."""


def run(flags: JoinFlags) -> int:
    """Edit a room until the person leaves; returns the exit code.

    Raises:
        CommandError: it cannot be done; the text says what to do.
    """
    settings = join_settings(flags, os.environ, can_draw_unicode=can_draw_unicode())
    for complaint in settings.complaints:
        say(complaint)
    target = _target(flags, settings)
    if target is None:
        return _list_rooms(settings)
    check_terminal(os.environ)
    os.umask(0o077)
    log_file = settings.folders.logs / _LOG
    log_to_file(log_file)
    device = load_device(settings.folders.device_file)
    os.environ.setdefault("TEXTUAL_FPS", _FRAMES_PER_S)  # read when textual is imported
    with take_screen(log_file) as screen:
        from collab_cli.window import Window

        window = Window(target, settings, device, screen)
        window.show()
    code, line = _ending(window, target)
    if line is not None:
        say(line if code in (ExitCode.REFUSED, ExitCode.UNREACHABLE) else f"{line}; the log is {log_file}")
    return code


def _target(flags: JoinFlags, settings: JoinSettings) -> Target | None:
    """Return the room to join: the one that was typed, else the one joined last, else None.

    Raises:
        UsageError: what was typed names no room.
    """
    if flags.target is not None:
        if flags.server is not None and "://" in flags.target:
            raise UsageError(f"{flags.target} names its server: leave out --server")
        return parse_target(flags.target, settings.server, is_insecure=settings.is_insecure)
    recent = recent_rooms(settings.folders.recent_file)
    if recent and flags.server is None:
        return parse_target(recent[0], is_insecure=settings.is_insecure)
    return None


def _list_rooms(settings: JoinSettings) -> int:
    """Print what may be joined on this machine; returns the exit code.

    Raises:
        UsageError: there is nothing.
    """
    from collab_server.store.sqlite import SqliteStore

    file = settings.folders.data / "rooms.sqlite3"
    rooms: list[str] = []
    if file.exists():
        store = SqliteStore(file)
        try:
            rooms = store.room_names()
        finally:
            store.close()
    if not rooms:
        raise UsageError("which room? For a new one type its name, as in: collab join notes")
    sys.stdout.write("".join(f"collab join {room}\n" for room in rooms))
    return ExitCode.OK


def _ending(window: Window, target: Target) -> tuple[int, str | None]:
    """Return the exit code, and the line that goes with it."""
    from collab_client.session import JoinRefused

    outcome = window.outcome
    lost = ""
    if outcome.unsaved:
        changes = "1 change" if outcome.unsaved == 1 else f"{outcome.unsaved} changes"
        lost = f"{changes} in {target.room} had not reached a server"
    if window.ended_by is not None:
        return SIGNAL + window.ended_by, f"ended by {window.ended_by.name}" + (f"; {lost}" if lost else "")
    match outcome.error:
        case CommandError() as error:
            return error.code, str(error)
        case JoinRefused() as error:
            return ExitCode.REFUSED, f"{target.room}: {error}"
        case LinkError(is_final=True) as error:
            return ExitCode.REFUSED, str(error)
        case LinkError() as error:
            hint = "" if target.server is None else "; check the address, or run a server there"
            return ExitCode.UNREACHABLE, f"{error}{hint}"
        case None if not window.has_crashed:
            return (ExitCode.UNREACHABLE, lost) if lost else (ExitCode.OK, None)
        case _:
            return ExitCode.INTERNAL, "collab broke" + (f"; {lost}" if lost else "")
