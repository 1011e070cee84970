"""What one connection can make pile up at the door, against asyncssh itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncssh

from collab_cli.ssh_door.flow import bound_environment, hold_back

_DEADLINE_S = 20.0
_WINDOW = 2**31 - 1
_SENT_BYTES = 8 * 1024 * 1024
_PIECE = b"x" * 64 * 1024


class _Session(asyncssh.SSHServerSession[bytes]):
    """Takes note of the variables that it was sent, and says as much as may be."""

    def __init__(self, connection: _Server) -> None:
        self._connection = connection

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        bound_environment(chan)

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self._connection.sent.set_result(dict(self._channel.get_environment()))
        self._connection.talking = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        said = 0
        while said < _SENT_BYTES:
            if not self._connection.is_full:
                self._channel.write(_PIECE)
                said += len(_PIECE)
                transport: Any = self._connection.transport
                self._connection.most = max(self._connection.most, transport.get_write_buffer_size())
            await asyncio.sleep(0)


class _Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def __init__(self) -> None:
        self.full: list[bool] = []
        self.sent: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self.talking: asyncio.Task[None] | None = None
        self.most = 0
        self.was_full = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self.full[-1:] == [True]

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.transport = conn._transport
        hold_back(conn, self._note_full)

    def _note_full(self, is_full: bool) -> None:
        self.full.append(is_full)
        self.was_full.set()

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> _Session:
        return _Session(self)


async def _serve(sock: socket.socket, server: _Server, key: asyncssh.SSHKey) -> asyncssh.SSHServerConnection:
    return await asyncssh.run_server(
        sock, server_factory=lambda: server, server_host_keys=[key], encoding=None, line_editor=False
    )


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[_Server, asyncssh.SSHClientConnection]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    server = _Server()
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncio.timeout(_DEADLINE_S):
        serving = asyncio.create_task(_serve(ours, server, key))
        async with asyncssh.run_client(
            theirs, known_hosts=None, config=None, username="notes", client_keys=[], agent_path=None
        ) as client:
            yield server, client
            if server.talking is not None:
                server.talking.cancel()
        (await serving).abort()


async def test_output_that_nobody_takes_waits_whatever_the_window_says() -> None:
    async with connected() as (server, client):
        process = await client.create_process(encoding=None, window=_WINDOW, term_type="xterm")
        reading: Any = client
        reading._transport.pause_reading()
        server.was_full.clear()
        while not server.is_full:
            await server.was_full.wait()
        assert not server.transport.is_reading()  # no request is answered meanwhile
        reading._transport.resume_reading()
        assert len(await process.stdout.readexactly(_SENT_BYTES)) == _SENT_BYTES
        assert server.most < 4 * len(_PIECE)


async def test_of_variables_only_those_that_count_are_kept() -> None:
    async with connected() as (server, client):
        sent = {"COLORTERM": "truecolor", "NO_COLOR": "1" * 30_000}
        sent |= {f"V{number}": "x" * 30_000 for number in range(20)}
        await client.create_process(encoding=None, env=sent, term_type="xterm")
        assert await server.sent == {"COLORTERM": "truecolor"}
