"""`collab join`: an editor on a room, painted before what it needs to connect is even loaded."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from collab_cli.announce import open_announcements
from collab_cli.exits import SIGNAL, CommandError, ExitCode, UsageError, say
from collab_cli.identity import load_device
from collab_cli.logs import log_to_file
from collab_cli.recent import recent_rooms
from collab_cli.settings.flags import JoinFlags
from collab_cli.settings.joining import JoinSettings, join_settings
from collab_cli.ssh.asking import dialled
from collab_cli.targets import Target, parse_target
from collab_cli.terminal import can_draw_unicode, check_terminal, take_screen
from collab_cli.terminal_traits import TerminalQuery, tell_textual
from collab_cli.token_sources import take_token, with_token
from collab_protocol.errors import LinkError, StoreError

if TYPE_CHECKING:
    from collab_cli.window import Window
    from collab_tui.app_config import Outcome

_LOG: Final = "client.log"

_FRAMES_PER_S: Final = "120"
"""Textual's own 60 make p95 of a busy room 19.8 ms; 120 halve it (findings on the editor)."""


def run(flags: JoinFlags) -> int:
    """Edit a room until the person leaves; returns the exit code.

    Raises:
        CommandError: it cannot be done; the text says what to do.
    """
    variable = take_token(os.environ)
    settings = join_settings(flags, os.environ)
    for complaint in settings.complaints:
        say(complaint)
    target = _target(flags, settings)
    if target is None:
        return _list_rooms(settings)
    check_terminal(os.environ)
    os.umask(0o077)
    if not settings.is_offline:
        token_file = flags.token_file or own_token_file(target, settings)
        target = with_token(target, variable, token_file, settings.folders.credentials_file)
    announcements = open_announcements(settings.announce)
    log_file = settings.folders.logs / _LOG
    log_to_file(log_file)
    device = load_device(settings.folders.device_file)
    os.environ.setdefault("TEXTUAL_FPS", _FRAMES_PER_S)  # read when textual is imported
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    with dialled(target, settings) as dialler, take_screen(log_file) as screen:
        with TerminalQuery(settings.theme, os.environ, can_draw_unicode=can_draw_unicode()) as query:
            from collab_cli.window import Window  # loads while the terminal answers

            traits = query.traits()
        tell_textual(traits, os.environ)
        if traits.is_utf8:
            screen.speak_utf8()
        window = Window(target, settings, traits, device, screen, announcements, dialler)
        window.show()
    if announcements is not None:
        announcements.close()
    for place in window.outcome.copies:
        say(f"your text of before is in {place}")
    code, line = _ending(window, target, settings)
    if line is not None:
        needs_log = code not in (ExitCode.REFUSED, ExitCode.UNREACHABLE, ExitCode.UNSAVED)
        say(f"{line}; the log is {log_file}" if needs_log else line)
    return code


def _target(flags: JoinFlags, settings: JoinSettings) -> Target | None:
    """Return the room to join: the one that was typed, else the one joined last, else None.

    Raises:
        UsageError: what was typed names no room.
    """
    if flags.target is not None:
        if flags.server is not None and "://" in flags.target:
            raise UsageError(f"{flags.target.partition('#')[0]} names its server: leave out --server")
        return parse_target(flags.target, settings.server, is_insecure=settings.is_insecure)
    recent = recent_rooms(settings.folders.recent_file)
    if recent and flags.server is None:
        return parse_target(recent[0], is_insecure=settings.is_insecure)
    return None


def own_token_file(target: Target, settings: JoinSettings) -> str | None:
    """Return where the settings have the token for this room: it is for the server that they name alone."""
    is_theirs = target.server is not None and target.server.takes_token
    return settings.token_file if is_theirs and target.server == settings.server else None


def _list_rooms(settings: JoinSettings) -> int:
    """Print what may be joined on this machine; returns the exit code.

    Raises:
        UsageError: there is nothing.
    """
    from collab_server.store.sqlite import list_rooms

    file = settings.folders.data / "rooms.sqlite3"
    rooms = list_rooms(file) if file.exists() else []
    if not rooms:
        raise UsageError("which room? For a new one type its name, as in: collab join notes")
    sys.stdout.write("".join(f"collab join {room}\n" for room in rooms))
    return ExitCode.OK


def _ending(window: Window, target: Target, settings: JoinSettings) -> tuple[int, str | None]:
    """Return the exit code, and the line that goes with it."""
    outcome = window.outcome
    left = _left(outcome, target, settings)
    if window.ended_by is not None:
        return SIGNAL + window.ended_by, f"ended by {window.ended_by.name}" + (f"; {left}" if left else "")
    code, line = _failure(window, target)
    if left and code in (ExitCode.OK, ExitCode.UNREACHABLE):
        code = ExitCode.UNSAVED
    return code, "; ".join(filter(None, (line, left))) or None


def _failure(window: Window, target: Target) -> tuple[int, str]:
    """Return how it failed, if it did: the exit code, and the line that goes with it."""
    from collab_client.session import JoinRefused

    match window.outcome.error:
        case CommandError() as error:
            return error.code, str(error)
        case JoinRefused() as error:
            return ExitCode.REFUSED, f"{target.room}: {error}"
        case LinkError(is_final=True) as error:
            return ExitCode.REFUSED, str(error)
        case LinkError(__cause__=PermissionError()) as error:
            return ExitCode.REFUSED, str(error)
        case LinkError() as error:
            is_plain = target.server is None or target.server.ssh is not None
            hint = "" if is_plain else "; check the address, or run a server there"
            return ExitCode.UNREACHABLE, f"{error}{hint}"
        case None if not window.has_crashed:
            return ExitCode.OK, ""
        case StoreError() as error:
            return ExitCode.REFUSED, str(error)
        case _:
            return ExitCode.INTERNAL, "collab broke"


def _left(outcome: Outcome, target: Target, settings: JoinSettings) -> str:
    """Say where changes are that no server has; empty when there are none."""
    if not outcome.unsaved:
        return ""
    gone = outcome.unsaved - outcome.kept
    words = []
    if outcome.kept:
        they, go = ("it", "is") if outcome.kept == 1 else ("they", "are")
        kept = f"{_changes(outcome.kept)} in {target.room} {go} kept in {settings.folders.journals}"
        if outcome.refusal:
            them = "it" if outcome.kept == 1 else "them"
            words.append(
                f"{kept}, and not taken by the server: {outcome.refusal}; to see {them}: "
                f"collab join {target.typed} --offline"
            )
        else:
            goes = f"{they} {'goes' if outcome.kept == 1 else 'go'}"
            words.append(f"{kept}: {goes} up with the next: collab join {target.typed}")
    if gone:
        words.append(f"{_changes(gone)} in {target.room} had reached neither a server nor the disk")
    return "; ".join(words)


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"
