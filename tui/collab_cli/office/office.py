"""Asks a server for what its operator may ask for: invites, bans, limits, erasing.

A server that runs is asked over its Unix socket, which only its owner may do. With none running the folder
is opened here for the one request, under the same lock that a server holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from collab_cli import __version__
from collab_cli.exits import CommandError, ExitCode, UsageError, say
from collab_cli.local_server import read_endpoints
from collab_cli.office.link import (
    ADMIN_URL,
    ANSWER_BYTES,
    SUBPROTOCOL,
    OfficeLink,
    local_link,
    refused,
    unpack,
)
from collab_cli.paths import Folders, find_folders, own_program
from collab_cli.settings.flags import OperatorFlags
from collab_cli.settings.serving import find_data_dir
from collab_protocol.errors import CollabError
from collab_server.lock import Endpoints, FolderTaken

_OPEN_S: Final = 5.0
_ANSWER_S: Final = 300.0
"""Erasing rewrites the whole file of the store, and waits for who is in the room."""

_CLOSE_S: Final = 0.5
"""What was asked for is answered by then: nothing is lost with one that does not say goodbye."""

_STARTING_S: Final = 5.0
"""How long a server that has the folder, and does not answer yet, is waited for."""

_POLL_S: Final = 0.1

_SERVER: Final = "collab_server"
"""The logger above those of a server's parts."""


class _NobodyThere(Exception):
    """No server listens behind the socket."""


def ask(flags: OperatorFlags, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to `request`, {"do": NAME, …}, of the server that `flags` name.

    Raises:
        CommandError: it cannot be asked, or does not do it; the text says why.
        CollabError: the same, of a folder that no server has.
    """
    return asker(flags, request.get("room"))(request)


def asker(flags: OperatorFlags, room: str | None = None) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what asks the server that `flags` name, as often as it is called; it raises what `ask` does.

    `room` is the room that all of it is about, if it is about one: its admin may ask, too.

    Raises:
        UsageError: the flags do not go together, or there is no token for that server.
    """
    check_place(flags)
    folders = find_folders(os.environ)
    if flags.server is None:
        data_dir = find_data_dir(flags.data_dir, folders)
        return lambda request: ask_office(folders, data_dir, request)
    from collab_cli.office.remote import ask_remote, find_door

    door = find_door(folders, flags.server, flags, room)
    return lambda request: ask_remote(door, request)


def link_maker(flags: OperatorFlags) -> Callable[[], OfficeLink]:
    """Return what makes links to the server that `flags` name; nothing is asked before they are used.

    Raises:
        UsageError: the flags do not go together, or there is no token for that server.
    """
    check_place(flags)
    folders = find_folders(os.environ)
    if flags.server is None:
        data_dir = find_data_dir(flags.data_dir, folders)
        return lambda: local_link(data_dir)
    from collab_cli.office.remote import find_door, remote_link

    door = find_door(folders, flags.server, flags, None)
    return lambda: remote_link(door)


def check_place(flags: OperatorFlags) -> None:
    """Raises: UsageError: the flags do not go together."""
    if flags.server is None and (flags.token_file is not None or flags.insecure):
        raise UsageError("--token-file and --insecure are for a server elsewhere: name it with --server")
    if flags.server is not None and flags.data_dir is not None:
        raise UsageError("--data-dir is for a server on this machine, and --server for one elsewhere")


def ask_office(folders: Folders, data_dir: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to `request`, {"do": NAME, …}, of the server that keeps its rooms in `data_dir`.

    Raises:
        CommandError: it cannot be asked, or does not do it; the text says why.
        CollabError: the same, of a folder that no server has.
    """
    if not data_dir.is_dir() and data_dir != folders.data:
        raise UsageError(
            f"no server keeps rooms in {data_dir}: start `collab serve`, or name its folder with --data-dir"
        )
    deadline = time.monotonic() + _STARTING_S
    while True:
        running = read_endpoints(data_dir)
        if running is not None:
            try:
                return _ask(data_dir, running, request)
            except _NobodyThere:
                pass  # it was killed, or is leaving
        _check_owner(data_dir)
        try:
            return asyncio.run(_do_it_here(folders, data_dir, request))
        except FolderTaken as error:
            if time.monotonic() > deadline:
                raise CommandError(f"{error} (it does not answer)", ExitCode.UNREACHABLE) from error
        time.sleep(_POLL_S)


def _check_owner(data_dir: Path) -> None:
    """Refuse to open another account's folder: the server could not open the files that we would leave there.

    Raises:
        UsageError: it is another's.
    """
    owner = _owner_of(data_dir)
    if owner is not None and owner != os.geteuid():
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"'#{owner}'"
        raise UsageError(
            f"{data_dir} belongs to {name}, and no server runs on it: sudo -u {name} {own_program()} …"
        )


def _owner_of(data_dir: Path) -> int | None:
    """Return whose folder it is; None where it is not there, or cannot be looked at."""
    try:
        return data_dir.stat().st_uid
    except OSError:
        return None


def _ask(data_dir: Path, running: Endpoints, request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises: CommandError; _NobodyThere."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

    server = f"the server of {data_dir} (pid {running.pid})"
    try:
        return unpack(exchange(running, request, open_s=_OPEN_S, answer_s=_ANSWER_S))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _NobodyThere from error
    except InvalidStatus as error:
        response = error.response
        raise refused(server, running.version, response.status_code, response.body) from error
    except TimeoutError as error:
        raise CommandError(f"{server} does not answer", ExitCode.UNREACHABLE) from error
    except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:
        raise CommandError(f"{server} ended before it answered: {error}", ExitCode.UNREACHABLE) from error


def exchange(
    running: Endpoints, request: Mapping[str, Any], *, open_s: float, answer_s: float
) -> str | bytes:
    """Return what a server says to `request` over its Unix socket, as it comes.

    Raises:
        OSError, EOFError, TimeoutError, websockets' InvalidHandshake and ConnectionClosed: it says nothing.
    """
    from websockets.sync.client import unix_connect
    from websockets.typing import Subprotocol

    with unix_connect(
        running.unix,
        ADMIN_URL,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        open_timeout=open_s,
        close_timeout=_CLOSE_S,
        max_size=ANSWER_BYTES,
        user_agent_header=None,
        proxy=None,
    ) as websocket:
        websocket.send(json.dumps(request))
        return websocket.recv(timeout=answer_s)


async def _do_it_here(folders: Folders, data_dir: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises: CollabError."""
    from collab_server.administering import administer
    from collab_server.config import ServerConfig

    config = ServerConfig(
        data_dir=data_dir,
        unix_path=folders.socket(data_dir, is_private=False),
        host=None,
        port=None,
        insecure=False,
        memory=False,
        idle_exit_s=None,
        version=__version__,
        auth=True,  # what is signed here is for when the server runs with --auth
    )
    with _saying_warnings():
        return await administer(config, request)


@contextlib.contextmanager
def _saying_warnings() -> Iterator[None]:
    """Say afterwards of what the server's parts have warned: here is no log for it.

    What is raised is said by itself, and not twice.
    """
    warnings = _Warnings()
    log = logging.getLogger(_SERVER)
    log.addHandler(warnings)
    raised = False
    try:
        yield
    except CollabError:
        raised = True
        raise
    finally:
        log.removeHandler(warnings)
        for text in warnings.texts(but_errors=raised):
            say(text)


class _Warnings(logging.Handler):
    """Gathers them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: list[logging.LogRecord] = []

    def texts(self, *, but_errors: bool) -> list[str]:
        """Return what was said; `but_errors` leaves out what was more than a warning."""
        most = logging.WARNING if but_errors else logging.CRITICAL
        return [record.getMessage() for record in self._records if record.levelno <= most]

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
