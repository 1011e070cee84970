"""Which requests get a WebSocket, and what the others are told: paths, origins, proxies, admission."""

from __future__ import annotations

import http
import logging
import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collab_protocol.errors import NameRefused
from collab_protocol.names import ROOM_PATH, check_room_name
from collab_protocol.versions import SUBPROTOCOL
from collab_server.access import Access
from collab_server.account import account_behind
from collab_server.admission import Admission, Refusal
from collab_server.doorway import Knock
from collab_server.grants import elsewhere
from collab_server.lock import HAND_OVER_PATH, VERSION_HEADER
from collab_server.log_fields import Kind, about
from collab_server.meters import Meters, Reason
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.peers import Proxies, counted_as, is_loopback

_log = logging.getLogger(__name__)

CLIENT_HEADER: Final = "Collab-Client"
"""What a client's process calls itself, drawn at its start: 16 hex digits."""

_CLIENT: Final = re.compile(r"[0-9a-f]{16}")


class Handshakes:
    """Checks what comes before a WebSocket, on either kind of socket."""

    def __init__(
        self,
        access: Access,
        *,
        admission: Admission,
        proxies: Proxies,
        is_tls: bool,
        origins: Sequence[str],
        hand_over: Callable[[str], bool],
        meters: Meters,
    ) -> None:
        """`is_tls` says whether TLS ends here; the rest is as for `Listener`."""
        self._access = access
        self._admission = admission
        self._proxies = proxies
        self._is_tls = is_tls
        self._origins = frozenset(origins)
        self._hand_over = hand_over
        self._meters = meters

    def check_unix(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what only the account that owns the socket may ask; the rest is as on any socket.

        Who comes by a restricted relay may ask for one room, and for nothing else.
        """
        account = account_behind(connection)
        held_to = account.restriction
        if held_to is not None and request.path != f"{ROOM_PATH}{held_to.room}":
            self._meters.refuse(Reason.DENIED)
            return connection.respond(http.HTTPStatus.FORBIDDEN, f"{elsewhere(held_to)}\n")
        if request.path in (HAND_OVER_PATH, ADMIN_PATH) and not request.headers.get_all("Origin"):
            if not account.is_operator:
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

    def check_tcp(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse before the handshake who may not come in now, or not from there."""
        is_admin = request.path == ADMIN_PATH
        refused = (self._check_admin if is_admin else self._check_request)(connection, request)
        knock = cast(Knock, connection)
        if refused is not None:
            status = refused.status_code
            _log.debug("%s was not let in: HTTP %d", knock.peer, status, extra=about(kind=Kind.REFUSED))
            return refused
        is_proxy = self._proxies.trusts(knock.peer)
        if self._proxies and not self._is_tls and not is_proxy and not is_loopback(knock.peer):
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
            check_room_name(room_of(request))
        except NameRefused as error:
            self._meters.refuse(Reason.PATH)
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"{error}\n")
        return None


def select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol:
    """Select what is spoken at the path that was asked for. Raises: NegotiationError."""
    request = connection.request
    is_admin = request is not None and request.path == ADMIN_PATH
    spoken = Subprotocol(ADMIN_SUBPROTOCOL if is_admin else SUBPROTOCOL)
    if spoken not in offered:
        raise NegotiationError(f"this server speaks {spoken} here")
    return spoken


def room_of(request: Request) -> str:
    """Return the name of the room that is asked for."""
    return request.path.removeprefix(ROOM_PATH)


def _busy(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{refusal.message}\n")
    response.headers["Retry-After"] = str(refusal.retry_s)
    return response
