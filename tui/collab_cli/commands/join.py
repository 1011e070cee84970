"""`collab join`: an editor on a room, painted before what it needs to connect is even loaded."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from collab_cli.commands.run import say
from collab_cli.config import JoinFlags, JoinSettings, join_settings
from collab_cli.exits import SIGNAL, CommandError, ExitCode, UsageError
from collab_cli.identity import load_device
from collab_cli.logs import log_to_file
from collab_cli.recent import recent_rooms
from collab_cli.starting import start_session
from collab_cli.targets import Target, parse_target
from collab_cli.terminal import Screen, can_draw_unicode, check_terminal, take_screen
from collab_protocol.errors import LinkError

if TYPE_CHECKING:
    from collab_tui.app import CollabApp

_log = logging.getLogger(__name__)

_LOG: Final = "client.log"

_FRAMES_PER_S: Final = "120"
"""Textual's own 60 make p95 of a busy room 19.8 ms; 120 halve it (findings on the editor)."""

_LEAVE_WITHIN_S: Final = 5.0
"""How long after SIGTERM or SIGHUP the terminal is given back by force."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """How it ended: the exit code, and what is said about it once the terminal is given back."""

    code: int
    line: str | None = None


def run(flags: JoinFlags) -> int:
    """Edit a room until the person leaves; returns the exit code.

    Raises:
        CommandError: it cannot be done; the text says what to do.
    """
    settings = join_settings(flags, os.environ, can_draw_unicode=can_draw_unicode())
    target = _target(flags, settings)
    check_terminal(os.environ)
    os.umask(0o077)
    for complaint in settings.complaints:
        say(complaint)
    log_file = settings.folders.logs / _LOG
    log_to_file(log_file)
    device = load_device(settings.folders.device_file)
    os.environ.setdefault("TEXTUAL_FPS", _FRAMES_PER_S)  # read when textual is imported
    with take_screen(log_file) as screen:
        ending = _edit(target, settings, device, screen)
    if ending.line is not None:
        say(f"{ending.line}; the log is {log_file}")
    return ending.code


def _target(flags: JoinFlags, settings: JoinSettings) -> Target:
    """Return the room to join: the one that was typed, else the one joined last.

    Raises:
        UsageError: neither is there; the text lists the rooms there are.
    """
    if flags.target is not None:
        if flags.server is not None and "://" in flags.target:
            raise UsageError(f"{flags.target} names its server: leave out --server")
        return parse_target(flags.target, settings.server, is_insecure=settings.is_insecure)
    recent = recent_rooms(settings.folders.recent_file)
    if recent and flags.server is None:
        return parse_target(recent[0], is_insecure=settings.is_insecure)
    rooms = ", ".join(_local_rooms(settings.folders.data))
    raise UsageError(f"which room? {f'there are: {rooms}' if rooms else 'for a new one type: collab join notes'}")
