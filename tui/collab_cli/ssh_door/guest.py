"""A guest's process: the editor on a PTY, for somebody who has nothing of this account but that.

It has a folder of its own, by which the same key finds its unsent work again, a bare environment, and no
settings of the account. What it says to the server begins with what holds it to its room and role.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collab_cli.exits import SIGNAL, CommandError, ExitCode, say
from collab_cli.humane import counted
from collab_cli.paths import HOME_VARIABLE
from collab_cli.ssh_door.orders import SAVED, GuestOrder
from collab_protocol.errors import CollabError, LinkError

if TYPE_CHECKING:
    from collab_cli.window import Window
    from collab_client.link import WebSocketLink

_log = logging.getLogger(__name__)

_LOG: Final = "client.log"
_CONNECT_S: Final = 5.0

_OOM_SCORE: Final = "500"
"""/proc/PID/oom_score_adj (proc(5)): a guest goes before the server that all others are on."""


def run_guest(order: GuestOrder) -> int:
    """Edit the room until the guest leaves; returns the exit code. The process is theirs from here on."""
    _settle_in(order)
    try:
        return _edit(order)
    except CollabError as error:
        if isinstance(error.__cause__, OSError):  # where things are here is nothing to guests
            _log.error("a guest cannot begin: %s", error)
            return os.EX_OSERR
        say(str(error))
        return error.code if isinstance(error, CommandError) else ExitCode.REFUSED
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()


def _settle_in(order: GuestOrder) -> None:
    """Leave behind what is the account's."""
    os.umask(0o077)
    os.chdir("/")
    os.environ.clear()
    os.environ.update(order.environment)
    os.environ[HOME_VARIABLE] = os.environ["HOME"] = order.folder
    os.environ["PATH"] = os.defpath
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _edit(order: GuestOrder) -> int:
    from collab_cli.logs import log_to_file
    from collab_cli.settings.flags import JoinFlags
    from collab_cli.settings.joining import join_settings
    from collab_cli.targets import Server, Target
    from collab_cli.terminal import check_terminal, take_screen
    from collab_cli.terminal_traits import TerminalQuery, tell_textual
    from collab_cli.window import Window

    check_terminal(os.environ)
    settings = join_settings(JoinFlags(name=order.name), os.environ)
    target = Target(order.room, Server(unix_path=Path(order.unix_path)), order.token)
    log_file = settings.folders.logs / _LOG
    log_to_file(log_file)
    with take_screen(log_file) as screen:
        with TerminalQuery(settings.theme, os.environ, can_draw_unicode=True) as query:
            traits = query.traits()
        tell_textual(traits, os.environ)
        if traits.is_utf8:
            screen.speak_utf8()
        window = Window(
            target,
            settings,
            traits,
            bytes.fromhex(order.device),
            screen,
            None,
            connect=lambda: _connect(order),
            invitation=order.come_again,
        )
        window.show()
    for place in window.outcome.copies:
        say(f"your text of before is kept at the server, in {Path(place).name}: ask whoever runs it")
    code, line = _ending(window, order, settings.folders.journals)
    if line:
        say(line)
    return code


async def _connect(order: GuestOrder) -> WebSocketLink:
    """Open a link that begins with what this guest is held to. Raises: LinkError."""
    from collab_client.link import Address, open_link

    loop = asyncio.get_running_loop()
    pipe = socket.socket(socket.AF_UNIX)
    try:
        pipe.setblocking(False)
        async with asyncio.timeout(_CONNECT_S):
            await loop.sock_connect(pipe, order.unix_path)
            await loop.sock_sendall(pipe, order.first_line.encode())
        return await open_link(Address(order.room, unix_path=Path(order.unix_path)), pipe=pipe)
    except OSError as error:
        pipe.close()
        raise LinkError("the server does not answer") from error
    except BaseException:
        pipe.close()
        raise


def _is_all_saved(journals: Path) -> bool:
    """Return whether the journals are of no use any more; who left at once has not seen what is in them."""
    from collab_client.journal import unsent_journals

    unsent, unreadable = unsent_journals(journals)
    return not (unsent or unreadable or any(journals.glob("*.damaged-*")))


def _ending(window: Window, order: GuestOrder, journals: Path) -> tuple[int, str]:
    """Return the exit code, and the line that goes with it; why a guest was sent away says the door."""
    from collab_client.session import JoinRefused

    outcome, kept = window.outcome, ""
    if outcome.kept:
        count = counted(outcome.kept, "change")
        kept = f"{count} kept here, and not yet in the room: come again with the same command"
    if outcome.unsaved > outcome.kept:
        count = counted(outcome.unsaved - outcome.kept, "change")
        kept = "; ".join(filter(None, (kept, f"{count} lost, which had reached no disk")))
    error = outcome.error
    saved = SAVED if not kept and _is_all_saved(journals) else 0
    if window.ended_by is not None:
        return (saved or SIGNAL) + window.ended_by, kept
    if isinstance(error, JoinRefused) or (isinstance(error, LinkError) and error.is_final):
        return ExitCode.REFUSED, "; ".join(filter(None, (f"{order.room}: {error}", kept)))
    if window.has_crashed or error is not None:
        return ExitCode.INTERNAL, "; ".join(filter(None, ("the editor broke", kept)))
    return (ExitCode.UNSAVED, kept) if kept else (saved or ExitCode.OK, "")
