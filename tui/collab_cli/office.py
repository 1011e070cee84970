"""Asks the server of a data folder for what its operator may ask for: invites, bans, erasing.

A server that runs is asked over its Unix socket, which only its owner may do. With none running the folder
is opened here for the one request, under the same lock that a server holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from collab_cli import __version__
from collab_cli.exits import CommandError, ExitCode, UsageError, say
from collab_cli.local_server import read_endpoints
from collab_cli.paths import Folders
from collab_protocol.errors import CollabError
from collab_server.lock import Endpoints, FolderTaken

ADMIN_URL: Final = "ws://localhost/admin"
SUBPROTOCOL: Final = "collab.admin.v1"

_OPEN_S: Final = 5.0
_ANSWER_S: Final = 300.0
"""Erasing rewrites the whole file of the store, and waits for who is in the room."""

_ANSWER_BYTES: Final = 64 * 1024 * 1024
_STARTING_S: Final = 5.0
"""How long a server that has the folder, and does not answer yet, is waited for."""

_POLL_S: Final = 0.1

_SERVER: Final = "collab_server"
"""The logger above those of a server's parts."""


class _NobodyThere(Exception):
    """No server listens behind the socket."""


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
        try:
            return asyncio.run(_do_it_here(folders, data_dir, request))
        except FolderTaken as error:
            if time.monotonic() > deadline:
                raise CommandError(f"{error} (it does not answer)", ExitCode.UNREACHABLE) from error
        time.sleep(_POLL_S)


def _ask(data_dir: Path, running: Endpoints, request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises: CommandError; _NobodyThere."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
    from websockets.sync.client import unix_connect
    from websockets.typing import Subprotocol

    server = f"the server of {data_dir} (pid {running.pid})"
    try:
        with unix_connect(
            running.unix,
            ADMIN_URL,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            open_timeout=_OPEN_S,
            max_size=_ANSWER_BYTES,
            user_agent_header=None,
            proxy=None,
        ) as websocket:
            websocket.send(json.dumps(request))
            return _unpack(websocket.recv(timeout=_ANSWER_S))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _NobodyThere from error
    except InvalidStatus as error:
        raise _refused(server, running, error.response.status_code, error.response.body) from error
    except TimeoutError as error:
        raise CommandError(f"{server} does not answer", ExitCode.UNREACHABLE) from error
    except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:
        raise CommandError(f"{server} ended before it answered: {error}", ExitCode.UNREACHABLE) from error


def _refused(server: str, running: Endpoints, status: int, body: bytes | bytearray | None) -> CommandError:
    said = (body or b"").decode("utf-8", "replace").strip().splitlines()
    if status == 404:
        return CommandError(
            f"{server} is collab {running.version}, which knows nothing of this: restart it", ExitCode.REFUSED
        )
    why = said[0] if said else f"HTTP {status}"
    return CommandError(f"{server} does not take this from you: {why}", ExitCode.REFUSED)


def _unpack(answer: str | bytes) -> dict[str, Any]:
    """Raises: CommandError: the server did not do it."""
    try:
        note = json.loads(answer)
        if "error" in note:
            raise CommandError(str(note["error"]), ExitCode.REFUSED)
        return dict(note["ok"])
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError("the server's answer makes no sense: upgrade collab", ExitCode.REFUSED) from error


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
    raised = ""
    try:
        yield
    except CollabError as error:
        raised = str(error)
        raise
    finally:
        log.removeHandler(warnings)
        for text in warnings.texts:
            if not raised or raised not in text:
                say(text)


class _Warnings(logging.Handler):
    """Gathers them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
