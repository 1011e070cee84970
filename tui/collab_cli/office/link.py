"""A link to a server's office that stays open: one question after the other, opened again when it broke.

How it is opened is the caller's: `local_link` is that of the Unix socket of a data folder.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from collab_cli.exits import CommandError, ExitCode
from collab_cli.local_server import read_endpoints

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

ADMIN_URL: Final = "ws://localhost/admin"
SUBPROTOCOL: Final = "collab.admin.v1"
ANSWER_BYTES: Final = 64 * 1024 * 1024

_OPEN_S: Final = 5.0
_ANSWER_S: Final = 10.0
"""How long a question for figures may take: what takes longer is as good as none."""


class OfficeLink:
    """Asks one server again and again; close it, or use it in an `async with`."""

    def __init__(
        self, connect: Callable[[], Awaitable[ClientConnection]], *, answer_s: float = _ANSWER_S
    ) -> None:
        """`connect` opens a connection that takes requests; CommandError: it cannot, the text says why."""
        self._connect = connect
        self._answer_s = answer_s
        self._connection: ClientConnection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to `request`, {"do": NAME, …}.

        A link that broke since the last question is opened again, once: its server may have been
        restarted. So ask for nothing that must not be done twice.

        Raises:
            CommandError: it cannot be asked, or does not do it; the text says why.
        """
        async with self._turn:
            if self._connection is not None:
                try:
                    return unpack(await self._exchange(self._connection, request))
                except _Broken:
                    pass
            self._connection = await self._connect()
            try:
                return unpack(await self._exchange(self._connection, request))
            except _Broken as error:
                raise CommandError("the server ended before it answered", ExitCode.UNREACHABLE) from error

    async def close(self) -> None:
        """End the link; nothing is waited for."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abort()
            await connection.wait_closed()

    async def _exchange(self, connection: ClientConnection, request: Mapping[str, Any]) -> str | bytes:
        """Send a request and return its answer; whatever else happens ends the link: answers have no number.

        Raises:
            CommandError: there was no answer in time.
            _Broken: the link is gone.
        """
        from websockets.exceptions import ConnectionClosed

        answer: str | bytes | None = None
        try:
            async with asyncio.timeout(self._answer_s):
                await connection.send(json.dumps(request))
                answer = await connection.recv()
                return answer
        except TimeoutError as error:
            raise CommandError("the server does not answer", ExitCode.UNREACHABLE) from error
        except (ConnectionClosed, OSError) as error:
            raise _Broken from error
        finally:
            if answer is None:
                await self.close()


class _Broken(Exception):
    """The link is gone."""


def local_link(data_dir: Path) -> OfficeLink:
    """Return a link to whichever server keeps its rooms in `data_dir`, over its Unix socket."""

    async def connect() -> ClientConnection:
        return await _open_local(data_dir)

    return OfficeLink(connect)


async def _open_local(data_dir: Path) -> ClientConnection:
    """Raises: CommandError."""
    from websockets.asyncio.client import unix_connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.typing import Subprotocol

    running = await asyncio.to_thread(read_endpoints, data_dir)
    if running is None:
        raise CommandError(f"no server runs on {data_dir}: start `collab serve`", ExitCode.UNREACHABLE)
    server = f"the server of {data_dir} (pid {running.pid})"
    try:
        return await unix_connect(
            running.unix,
            ADMIN_URL,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            open_timeout=_OPEN_S,
            ping_interval=None,
            max_size=ANSWER_BYTES,
            user_agent_header=None,
            proxy=None,
        )
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise CommandError(f"{server} is gone: start `collab serve`", ExitCode.UNREACHABLE) from error
    except InvalidStatus as error:
        response = error.response
        raise refused(server, running.version, response.status_code, response.body) from error
    except TimeoutError as error:
        raise CommandError(f"{server} does not answer", ExitCode.UNREACHABLE) from error
    except (OSError, EOFError, InvalidHandshake) as error:
        raise CommandError(f"{server} cannot be asked: {error}", ExitCode.UNREACHABLE) from error


def refused(server: str, version: str, status: int, body: bytes | bytearray | None) -> CommandError:
    """Return what to say of a server that refused the handshake."""
    said = (body or b"").decode("utf-8", "replace").strip().splitlines()
    if status == 404:
        return CommandError(
            f"{server} is collab {version}, which knows nothing of this: restart it", ExitCode.REFUSED
        )
    why = said[0] if said else f"HTTP {status}"
    return CommandError(f"{server} does not take this from you: {why}", ExitCode.REFUSED)


class _Answer(dict[str, Any]):
    """An object of an answer. To look for what another version left out ends the command."""

    def __missing__(self, key: str) -> NoReturn:
        raise CommandError(
            f"the server's answer lacks {key!r}: upgrade collab, here or there", ExitCode.REFUSED
        )


def unpack(answer: str | bytes) -> dict[str, Any]:
    """Return what a server answered, in which nothing is looked for in vain without a clear error.

    Raises:
        CommandError: it did not do it.
    """
    try:
        note = json.loads(answer, object_hook=_Answer)
        if "error" in note:
            raise CommandError(str(note["error"]), ExitCode.REFUSED)
        return _Answer(note["ok"])
    except (ValueError, TypeError, RecursionError) as error:
        raise CommandError("the server's answer makes no sense: upgrade collab", ExitCode.REFUSED) from error
