"""The sockets: who may knock, where, and what they are told when they may not."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CloseCode, NameRefused, StoreError
from collab_protocol.messages import Credential, Hello
from collab_protocol.names import ROOM_PATH, check_room_name
from collab_protocol.versions import SUBPROTOCOL
from collab_server.access import Access, Account, Grant
from collab_server.account import account_behind
from collab_server.admin import ADMIN_PATH, ADMIN_SUBPROTOCOL, Office, serve_admin
from collab_server.admission import Admission, Refusal
from collab_server.allowance import Budget, Holdings
from collab_server.config import Caps
from collab_server.connection import Connection
from collab_server.doorway import CLOSE_TIMEOUT_S, Doorway, Knock
from collab_server.lock import HAND_OVER_PATH, VERSION_HEADER
from collab_server.peers import Proxies, counted_as, is_loopback
from collab_server.registry import Registry
from collab_server.room_socket import RoomSocket
from collab_server.tls import Certificates
from collab_server.unix_socket import PortTaken, clear_the_way, look_at, remove

_log = logging.getLogger(__name__)

CLIENT_HEADER: Final = "Collab-Client"
"""What a client's process calls itself, drawn at its start: 16 hex digits."""

_CLIENT: Final = re.compile(r"[0-9a-f]{16}")


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
        self._origins = frozenset(origins)
        self._hand_over = hand_over
        self._on_grant = on_grant
        self._reassembly = Budget(caps.reassembly_bytes)
        self._holdings = Holdings(caps.large_bytes)
        self.connections: set[Connection] = set()
        self.nobody_here = asyncio.Event()
        self.nobody_here.set()
        self._servers: list[Server] = []
        self._doorways: list[Doorway] = []
        self._operators: set[ServerConnection] = set()

    @contextlib.asynccontextmanager
    async def on_unix(self, path: Path) -> AsyncIterator[Server]:
        """Listen on a Unix socket that only its owner may open. The caller holds the data folder's lock.

        Raises:
            PortTaken: somebody listens there.
            StoreError: the socket cannot be made there.
        """
        clear_the_way(path)
        before = os.umask(0o177)
        try:
            server = await unix_serve(
                self._serve_unix, str(path), **_options(), process_request=self._check_unix_request
            )
        except OSError as error:
            raise StoreError(f"cannot listen on {path}: {error.strerror or error}") from error
        finally:
            os.umask(before)
        self._servers.append(server)
        made = look_at(path)
        try:
            yield server
        finally:
            server.close(close_connections=False)
            remove(path, made)

    @contextlib.asynccontextmanager
    async def on_tcp(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen on TCP; gives the port.

        Raises:
            PortTaken: somebody else does.
        """
        doorway = Doorway(
            self._serve_tcp,
            self._check_tcp_request,
            admission=self._admission,
            proxies=self._proxies,
            certificates=self._certificates,
        )
        try:
            drawn = await doorway.open(host, port)
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
            await doorway.wait_closed()
        # Those who wait for an answer do so in vain from here; what they asked for is done all the same.
        await asyncio.gather(*(each.close(CloseCode.GOING_AWAY) for each in self._operators))
        for server in self._servers:
            server.close(close_connections=False)
            await server.wait_closed()

    def _check_unix_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what only the account that owns the socket may ask; the rest is as on any socket."""
        if request.path in (HAND_OVER_PATH, ADMIN_PATH) and not request.headers.get_all("Origin"):
            if not account_behind(connection).is_owner:
                return connection.respond(
                    http.HTTPStatus.FORBIDDEN, "only the owner of this server may ask\n"
                )
            if request.path == ADMIN_PATH:
                return None
            version = " ".join(request.headers.get_all(VERSION_HEADER))
            if self._hand_over(version):
                return connection.respond(http.HTTPStatus.OK, "ending\n")
            return connection.respond(http.HTTPStatus.CONFLICT, "this server goes on\n")
        return self._check_request(connection, request)

    def _check_tcp_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse before the handshake who may not come in now, or not from there."""
        refused = self._check_request(connection, request)
        if refused is not None:
            return refused
        knock = cast(Knock, connection)
        is_proxy = self._proxies.trusts(knock.peer)
        if self._proxies and self._certificates is None and not is_proxy and not is_loopback(knock.peer):
            return connection.respond(
                http.HTTPStatus.FORBIDDEN, "this server is reached through its proxy, and not directly\n"
            )
        address = knock.peer
        if is_proxy:
            address = self._proxies.client(knock.peer, request.headers.get_all("X-Forwarded-For"))
        client = " ".join(request.headers.get_all(CLIENT_HEADER))
        refusal = self._admission.ask(
            knock.visit, counted_as(address), client if _CLIENT.fullmatch(client) else ""
        )
        return None if refusal is None else _busy(connection, refusal)

    def _check_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what no client of ours sends."""
        if any(origin not in self._origins for origin in request.headers.get_all("Origin")):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "no web page may open a room here\n")
        if not request.path.startswith(ROOM_PATH):
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"rooms are under {ROOM_PATH}\n")
        try:
            check_room_name(_room(request))
        except NameRefused as error:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"{error}\n")
        return None

    async def _serve_unix(self, websocket: ServerConnection) -> None:
        if websocket.subprotocol == ADMIN_SUBPROTOCOL:
            self._operators.add(websocket)
            try:
                await serve_admin(websocket, self._office)
            finally:
                self._operators.discard(websocket)
        else:
            account = account_behind(websocket)
            await self._serve(cast(RoomSocket, websocket), account, _nothing, _nothing)

    async def _serve_tcp(self, knock: Knock) -> None:
        await self._serve(knock, None, knock.said_hello, lambda: self._admission.greeted(knock.visit))

    async def _serve(
        self,
        websocket: RoomSocket,
        account: Account | None,
        on_hello: Callable[[], None],
        on_greeted: Callable[[], None],
    ) -> None:
        room = "" if websocket.request is None else _room(websocket.request)

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
            reassembly=self._reassembly,
            holdings=self._holdings,
            on_greeted=on_greeted,
        )
        self.connections.add(connection)
        self.nobody_here.clear()
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            if not self.connections:
                self.nobody_here.set()


def _options() -> dict[str, Any]:
    return {
        "subprotocols": [Subprotocol(SUBPROTOCOL), Subprotocol(ADMIN_SUBPROTOCOL)],
        "select_subprotocol": _select_subprotocol,
        "compression": None,
        "max_size": limits.FRAME_BYTES,
        "open_timeout": limits.HELLO_TIMEOUT_S,
        "close_timeout": CLOSE_TIMEOUT_S,
        "ping_interval": None,
        "server_header": None,
        "create_connection": RoomSocket,
        "logger": logging.getLogger("collab_server.websockets"),
    }


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol:
    """Select what is spoken at the path that was asked for. Raises: NegotiationError."""
    request = connection.request
    is_admin = request is not None and request.path == ADMIN_PATH
    spoken = Subprotocol(ADMIN_SUBPROTOCOL if is_admin else SUBPROTOCOL)
    if spoken not in offered:
        raise NegotiationError(f"this server speaks {spoken} here")
    return spoken


def _nothing() -> None:
    """Do what a Unix socket needs for a Hello: it has no deadline of ours, and is not counted."""


def _room(request: Request) -> str:
    return request.path.removeprefix(ROOM_PATH)


def _busy(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{refusal.message}\n")
    response.headers["Retry-After"] = str(refusal.retry_s)
    return response
