"""The sockets, and the connections of rooms that come by them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CloseCode
from collab_protocol.messages import Credential, Hello
from collab_protocol.versions import SUBPROTOCOL
from collab_server.access import Access, Account, Grant
from collab_server.account import account_behind
from collab_server.admission import Admission
from collab_server.allowance import Budget, Holdings
from collab_server.config import Caps
from collab_server.connection import Connection
from collab_server.doorway import CLOSE_TIMEOUT_S, Doorway, Knock
from collab_server.handshakes import Handshakes, room_of, select_subprotocol
from collab_server.meters import Meters, Way
from collab_server.office.office import Office
from collab_server.office.serving import ADMIN_SUBPROTOCOL, serve_admin, serve_remote_admin
from collab_server.peers import Proxies
from collab_server.registry import Registry
from collab_server.room_socket import RoomSocket
from collab_server.tls import Certificates
from collab_server.unix_room_socket import UnixRoomSocket
from collab_server.unix_socket import PortTaken, bind, clear_the_way, look_at, remove

_log = logging.getLogger(__name__)

_STAYS: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""From 3.13 on the loop would unlink a Unix socket that it closes."""


_BACKLOG: Final = 1024
"""Of the Unix socket: when it is full, whoever comes is sent away at once, and does not wait (connect(2))."""

_SSH: Final = "SSH"
"""In place of an address: which one that is, sshd knows."""


class Listener:
    """Turns WebSocket handshakes into connections of rooms; counts who is there."""

    def __init__(
        self,
        registry: Registry,
        access: Access,
        office: Office,
        *,
        caps: Caps,
        admission: Admission,
        proxies: Proxies,
        certificates: Certificates | None,
        origins: Sequence[str],
        hand_over: Callable[[str], bool],
        on_grant: Callable[[Grant], None],
        meters: Meters | None = None,
    ) -> None:
        """`hand_over(version)` says whether we end for a collab of that version, which asks for it.

        `on_grant` hears of everybody who was admitted.
        """
        self._registry = registry
        self._access = access
        self._office = office
        self._caps = caps
        self._admission = admission
        self._proxies = proxies
        self._certificates = certificates
        self._on_grant = on_grant
        self._meters = Meters() if meters is None else meters
        self._handshakes = Handshakes(
            access,
            admission=admission,
            proxies=proxies,
            is_tls=certificates is not None,
            origins=origins,
            hand_over=hand_over,
            meters=self._meters,
        )
        self.reassembly = Budget(caps.reassembly_bytes)
        self.holdings = Holdings(caps.large_bytes)
        self.open = dict.fromkeys(Way, 0)
        """How many connections of rooms there are, by how they came."""
        self.connections: set[Connection] = set()
        self.nobody_here = asyncio.Event()
        self.nobody_here.set()
        self._servers: list[Server] = []
        self._doorways: list[Doorway] = []
        self._operators: set[ServerConnection] = set()

    @property
    def caps(self) -> Caps:
        """What is heeded at present."""
        return self._caps

    def change_caps(self, caps: Caps) -> None:
        """Heed `caps` from now on, of those who are connected too."""
        self._caps = caps
        self.reassembly.change(caps.reassembly_bytes)
        self.holdings.most = caps.large_bytes
        for connection in self.connections:
            connection.change_caps(caps)

    @contextlib.asynccontextmanager
    async def on_unix(
        self, path: Path, passed: socket.socket | None = None, *, group: int | None = None
    ) -> AsyncIterator[Server]:
        """Listen on a Unix socket that its owner may open, and the accounts of `group` (a gid).

        The caller holds the data folder's lock.

        Where it was `passed` it listens already, and stays there afterwards.

        Raises:
            PortTaken: somebody listens there.
            StoreError: the socket cannot be made there.
        """
        made = None
        if passed is None:
            clear_the_way(path)
            passed = bind(path, group)
            made = look_at(path)
        try:
            server = await unix_serve(
                self._serve_unix,
                sock=passed,
                backlog=_BACKLOG,
                **_options(),
                **_STAYS,
                process_request=self._handshakes.check_unix,
            )
            self._servers.append(server)
            try:
                yield server
            finally:
                server.close(close_connections=False)
        finally:
            if made is not None:
                remove(path, made)

    @contextlib.asynccontextmanager
    async def on_tcp(self, host: str, port: int, passed: Sequence[socket.socket] = ()) -> AsyncIterator[int]:
        """Listen on TCP, on the sockets that were `passed` if there are any; gives the port.

        Raises:
            PortTaken: somebody else does.
        """
        doorway = Doorway(
            self._serve_tcp,
            self._handshakes.check_tcp,
            admission=self._admission,
            proxies=self._proxies,
            certificates=self._certificates,
            meters=self._meters,
        )
        try:
            drawn = doorway.take(passed) if passed else await doorway.open(host, port)
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with --port"
            ) from error
        self._doorways.append(doorway)
        try:
            yield drawn
        finally:
            doorway.close()

    async def end(self) -> None:
        """End the connections that are left without a word, and wait until they and the sockets are gone."""
        for connection in list(self.connections):
            connection.abort()
        for doorway in self._doorways:
            doorway.close()
        # Those who wait for an answer do so in vain from here; what they asked for is done all the same.
        await asyncio.gather(*(each.close(CloseCode.GOING_AWAY) for each in self._operators))
        for doorway in self._doorways:
            await doorway.wait_closed()
        for server in self._servers:
            server.close(close_connections=False)
            await server.wait_closed()

    async def _serve_unix(self, websocket: ServerConnection) -> None:
        if websocket.subprotocol == ADMIN_SUBPROTOCOL:
            self._operators.add(websocket)
            try:
                await serve_admin(websocket, self._office)
            finally:
                self._operators.discard(websocket)
        else:
            account = account_behind(websocket)
            way, address = ("the socket", "") if account.restriction is None else (_SSH, _SSH)
            await self._serve(cast(RoomSocket, websocket), account, _nothing, _nothing, way, address)

    async def _serve_tcp(self, knock: Knock) -> None:
        def on_greeted() -> None:
            self._admission.greeted(knock.visit)

        if knock.subprotocol == ADMIN_SUBPROTOCOL:
            self._operators.add(knock)
            try:
                await serve_remote_admin(
                    knock, self._office, self._access, on_hello=knock.said_hello, on_greeted=on_greeted
                )
            finally:
                self._operators.discard(knock)
            return
        address = knock.visit.address or knock.peer
        await self._serve(knock, None, knock.said_hello, on_greeted, f"TCP from {address}", address)

    async def _serve(
        self,
        websocket: RoomSocket,
        account: Account | None,
        on_hello: Callable[[], None],
        on_greeted: Callable[[], None],
        way: str,
        address: str = "",
    ) -> None:
        room = "" if websocket.request is None else room_of(websocket.request)

        async def admit(hello: Hello) -> tuple[Grant, Credential | None]:
            on_hello()
            grant, credential = await self._access.admit(room, hello, account)
            # Access may have been taken back while it was being stored that this one has it.
            if (over := self._access.why_over(grant)) is not None:
                raise over
            self._on_grant(grant)
            return grant, credential

        connection = Connection(
            websocket,
            session=secrets.randbelow(2**31 - 1) + 1,
            room_name=room,
            registry=self._registry,
            admit=admit,
            office=self._office,
            caps=self._caps,
            reassembly=self.reassembly,
            holdings=self.holdings,
            on_greeted=on_greeted,
            way=way,
            address=address,
            meters=self._meters,
        )
        way = Way.TCP if account is None else Way.UNIX
        self.connections.add(connection)
        self.nobody_here.clear()
        self._meters.connections_opened[way] += 1
        self.open[way] += 1
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            self.open[way] -= 1
            if not self.connections:
                self.nobody_here.set()


def _options() -> dict[str, Any]:
    return {
        "subprotocols": [Subprotocol(SUBPROTOCOL), Subprotocol(ADMIN_SUBPROTOCOL)],
        "select_subprotocol": select_subprotocol,
        "compression": None,
        "max_size": limits.FRAME_BYTES,
        "open_timeout": limits.HELLO_TIMEOUT_S,
        "close_timeout": CLOSE_TIMEOUT_S,
        "ping_interval": None,
        "server_header": None,
        "create_connection": UnixRoomSocket,
        "logger": logging.getLogger("collab_server.websockets"),
    }


def _nothing() -> None:
    """Do what a Unix socket needs for a Hello: it has no deadline of ours, and is not counted."""
