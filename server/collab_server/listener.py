"""The sockets: who may knock, where, and what they are told when they may not."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import os
import re
import secrets
import socket
import sys
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
from collab_server.admission import Admission, Refusal
from collab_server.allowance import Budget, Holdings
from collab_server.config import Caps
from collab_server.connection import Connection
from collab_server.doorway import CLOSE_TIMEOUT_S, Doorway, Knock
from collab_server.lock import HAND_OVER_PATH, VERSION_HEADER
from collab_server.log_fields import Kind, about
from collab_server.meters import Meters, Reason, Way
from collab_server.office.office import Office
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL, serve_admin, serve_remote_admin
from collab_server.peers import Proxies, counted_as, is_loopback
from collab_server.registry import Registry
from collab_server.room_socket import RoomSocket
from collab_server.tls import Certificates
from collab_server.unix_socket import PortTaken, clear_the_way, look_at, remove

_log = logging.getLogger(__name__)

CLIENT_HEADER: Final = "Collab-Client"
"""What a client's process calls itself, drawn at its start: 16 hex digits."""

_STAYS: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""From 3.13 on the loop would unlink a Unix socket that it closes."""

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
        self._origins = frozenset(origins)
        self._hand_over = hand_over
        self._on_grant = on_grant
        self._meters = Meters() if meters is None else meters
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
    async def on_unix(self, path: Path, passed: socket.socket | None = None) -> AsyncIterator[Server]:
        """Listen on a Unix socket that only its owner may open. The caller holds the data folder's lock.

        Where it was `passed` it listens already, and stays there afterwards.

        Raises:
            PortTaken: somebody listens there.
            StoreError: the socket cannot be made there.
        """
        if passed is not None:
            server = await unix_serve(
                self._serve_unix,
                sock=passed,
                **_options(),
                **_STAYS,
                process_request=self._check_unix_request,
            )
            self._servers.append(server)
            try:
                yield server
            finally:
                server.close(close_connections=False)
            return
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
    async def on_tcp(self, host: str, port: int, passed: Sequence[socket.socket] = ()) -> AsyncIterator[int]:
        """Listen on TCP, on the sockets that were `passed` if there are any; gives the port.

        Raises:
            PortTaken: somebody else does.
        """
        doorway = Doorway(
            self._serve_tcp,
            self._check_tcp_request,
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

    def _check_unix_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what only the account that owns the socket may ask; the rest is as on any socket."""
        if request.path in (HAND_OVER_PATH, ADMIN_PATH) and not request.headers.get_all("Origin"):
            if not account_behind(connection).is_owner:
                self._meters.refuse(Reason.NOT_OWNER)
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
        is_admin = request.path == ADMIN_PATH
        refused = (self._check_admin if is_admin else self._check_request)(connection, request)
        knock = cast(Knock, connection)
        if refused is not None:
            status = refused.status_code
            _log.debug("%s was not let in: HTTP %d", knock.peer, status, extra=about(kind=Kind.REFUSED))
            return refused
        is_proxy = self._proxies.trusts(knock.peer)
        if self._proxies and self._certificates is None and not is_proxy and not is_loopback(knock.peer):
            self._meters.refuse(Reason.NOT_BY_PROXY)
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
        if refusal is None:
            if is_admin:
                knock.protocol.available_subprotocols = [Subprotocol(ADMIN_SUBPROTOCOL)]
            return None
        _log.debug("%s was not let in: %s", address, refusal.message, extra=about(kind=Kind.REFUSED))
        return _busy(connection, refusal)

    def _check_admin(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who asks as an operator where there are none but the owner, and web pages."""
        if (refused := self._check_origin(connection, request)) is not None:
            return refused
        if self._access.keys is None:
            self._meters.refuse(Reason.NOT_OWNER)
            return connection.respond(
                http.HTTPStatus.FORBIDDEN,
                "this server knows no tokens: only its owner may ask, on its own machine\n",
            )
        return None

    def _check_origin(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse web pages, but those that were said."""
        if any(origin not in self._origins for origin in request.headers.get_all("Origin")):
            self._meters.refuse(Reason.ORIGIN)
            return connection.respond(http.HTTPStatus.FORBIDDEN, "no web page may open a room here\n")
        return None

    def _check_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what no client of ours sends."""
        if (refused := self._check_origin(connection, request)) is not None:
            return refused
        if not request.path.startswith(ROOM_PATH):
            self._meters.refuse(Reason.PATH)
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"rooms are under {ROOM_PATH}\n")
        try:
            check_room_name(_room(request))
        except NameRefused as error:
            self._meters.refuse(Reason.PATH)
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
            await self._serve(cast(RoomSocket, websocket), account, _nothing, _nothing, "the socket")

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
