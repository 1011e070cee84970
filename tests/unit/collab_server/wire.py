"""A server in this process, and clients that speak to it over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.messages import Hello, Message, Ping, Sync, Update, Welcome
from collab_protocol.names import ROOM_PATH
from collab_protocol.text import Replica
from collab_protocol.versions import SUBPROTOCOL
from collab_server.app import serve
from collab_server.config import ServerConfig
from collab_server.lock import Endpoints

from .rooms import hello

DEADLINE_S = 20.0

_CLIENT_IDS = itertools.count(2**29)
"""One is never used twice: it belongs to the machine that wrote under it first."""

Wanted = TypeVar("Wanted")


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """Give a folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="collab-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def config(folder: Path, **changes: Any) -> ServerConfig:
    made = ServerConfig(
        data_dir=folder / "data",
        unix_path=folder / "s.sock",
        host=None,
        port=None,
        insecure=False,
        memory=False,
        idle_exit_s=None,
        version="test",
    )
    return replace(made, **changes)


@contextlib.asynccontextmanager
async def running(
    settings: ServerConfig, *, reload: asyncio.Event | None = None, **beside: Any
) -> AsyncIterator[Endpoints]:
    """Serve until the block ends; then the server has stopped by itself, in order."""
    stop = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ready=ready.set_result, stop=stop, reload=reload, **beside))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                await serving
        yield ready.result()
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await serving


class Client:
    """One client on the wire: sends messages, waits for the ones that it wants."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.replica = Replica(next(_CLIENT_IDS))
        self.replica.on_update = self._row
        self.rows: list[bytes] = []
        self.welcome: Welcome | None = None
        self.heard: list[Message] = []
        self._splitter = Splitter()
        self._assembler = Assembler()

    def _row(self, data: bytes) -> None:
        self.rows.append(data)

    async def send(self, message: Message) -> None:
        """Send a message; a Hello claims the own replica's client id too."""
        if isinstance(message, Hello):
            message = replace(message, client_ids=(*message.client_ids, self.replica.client_id))
        for frame in self._splitter.frames(message):
            await self.websocket.send(frame)

    async def receive(self) -> Message:
        """Return the next message; the server's pings are not shown."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.websocket.recv(decode=False)
                message = self._assembler.feed(frame)
                if message is not None and not isinstance(message, Ping):
                    self.heard.append(message)
                    return message

    def feed(self, frame: bytes) -> Message | None:
        """Take a frame that was received past `receive`; returns the message that it completes."""
        return self._assembler.feed(frame)

    @contextlib.contextmanager
    def corked(self) -> Iterator[None]:
        """Let all that is sent in the block leave at its end, in one piece."""
        transport = self.websocket.transport
        cork = _Cork(transport)
        self.websocket.transport = cast(asyncio.Transport, cork)
        try:
            yield
        finally:
            self.websocket.transport = transport
            transport.write(bytes(cork.held))

    async def wait_for(self, kind: type[Wanted]) -> Wanted:
        """Return the next message of `kind`; passes over others."""
        while True:
            message = await self.receive()
            if isinstance(message, kind):
                return message

    async def enter(self, greeting: Hello) -> Sync:
        """Say Hello and wait until the text is here."""
        await self.send(greeting)
        self.welcome = await self.wait_for(Welcome)
        sync = await self.wait_for(Sync)
        self.replica.apply(sync.update)
        return sync

    async def type(self, text: str) -> int:
        """Type `text` at the end and send it; returns the row's number."""
        self.replica.edit(self.replica.size_utf8, 0, text)
        await self.send(Update(len(self.rows), self.rows[-1]))
        return len(self.rows)

    async def closed(self) -> tuple[int, str]:
        """Wait until the server ends it; returns code and reason."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.receive()
        return self.websocket.close_code or 0, self.websocket.close_reason or ""


class _Cork:
    """A transport that holds back what is written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.held = bytearray()

    def write(self, data: bytes) -> None:
        self.held += data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@contextlib.asynccontextmanager
async def dial(
    endpoints: Endpoints, room: str = "notes", *, tcp: bool = False, **options: Any
) -> AsyncIterator[Client]:
    """Open a link, over TLS if `ssl` is given; nothing has been said on it yet."""
    options = {
        "subprotocols": [Subprotocol(SUBPROTOCOL)],
        "compression": None,
        "max_size": limits.FRAME_BYTES,
        "ping_interval": None,
        "close_timeout": 1.0,
        **options,
    }
    if tcp:
        assert endpoints.tcp is not None
        host, port = endpoints.tcp
        scheme = "wss" if options.get("ssl") else "ws"
        websocket = await connect(f"{scheme}://{host}:{port}{ROOM_PATH}{room}", **options)
    else:
        websocket = await unix_connect(endpoints.unix, f"ws://localhost{ROOM_PATH}{room}", **options)
    client = Client(websocket)
    try:
        yield client
    finally:
        await websocket.close()
        client.replica.close()


@contextlib.asynccontextmanager
async def joined(
    endpoints: Endpoints, name: str = "ana", room: str = "notes", **options: Any
) -> AsyncIterator[Client]:
    """Open a link and enter the room."""
    async with dial(endpoints, room, **options) as client:
        await client.enter(hello(name))
        yield client
