"""The sockets: who may knock, where, and what they are told when they may not."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http
import logging
import os
import pwd
import secrets
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CollabError, NameRefused, StoreError
from collab_protocol.messages import Hello
from collab_protocol.names import ROOM_PATH, check_room_name
from collab_protocol.presence import Role
from collab_protocol.versions import SUBPROTOCOL
from collab_server.connection import Connection
from collab_server.lock import HAND_OVER_PATH, VERSION_HEADER
from collab_server.registry import Registry
from collab_server.roster import Joiner

_log = logging.getLogger(__name__)

_UNIX_PATH_BYTES: Final = 100
"""Longer paths do not fit into sockaddr_un everywhere (108 on Linux, 104 on macOS, with a NUL)."""

_PROBE_S: Final = 1.0

_LOCAL_PEERCRED: Final = 1
"""<sys/un.h> of macOS: getsockopt(0, LOCAL_PEERCRED) gives a struct xucred."""


class PortTaken(CollabError):
    """Somebody else listens on the port or socket."""


class Listener:
    """Turns WebSocket handshakes into connections of rooms; counts who is there."""

    def __init__(self, registry: Registry, *, hand_over: Callable[[str], bool]) -> None:
        """`hand_over(version)` says whether we end for a collab of that version, which asks for it."""
        self._registry = registry
        self._hand_over = hand_over
        self.connections: set[Connection] = set()
        self.nobody_here = asyncio.Event()
        self.nobody_here.set()
        self._servers: list[Server] = []

    @contextlib.asynccontextmanager
    async def on_unix(self, path: Path) -> AsyncIterator[Server]:
        """Listen on a Unix socket that only its owner may open. The caller holds the data folder's lock.

        Raises:
            PortTaken: somebody listens there.
            StoreError: the socket cannot be made there.
        """
        if len(os.fsencode(path)) > _UNIX_PATH_BYTES:
            raise StoreError(f"the path {path} is too long for a socket: give a shorter one with --unix")
        _clear_the_way(path)
        before = os.umask(0o177)
        try:
            server = await unix_serve(
                self._serve, str(path), **self._options(), process_request=self._check_unix_request
            )
        except OSError as error:
            raise StoreError(f"cannot listen on {path}: {error.strerror or error}") from error
        finally:
            os.umask(before)
        self._servers.append(server)
        made = _stat(path)
        try:
            yield server
        finally:
            server.close(close_connections=False)
            _unlink(path, made)

    @contextlib.asynccontextmanager
    async def on_tcp(self, host: str, port: int) -> AsyncIterator[Server]:
        """Listen on TCP.

        Raises:
            PortTaken: somebody else does.
        """
        try:
            server = await serve(self._serve, host, port, **self._options(), process_request=_check_request)
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with --port"
            ) from error
        self._servers.append(server)
        try:
            yield server
        finally:
            server.close(close_connections=False)

    async def end(self) -> None:
        """End the connections that are left without a word, and wait until they and the sockets are gone."""
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            server.close(close_connections=False)
            await server.wait_closed()

    def _options(self) -> dict[str, Any]:
        return {
            "subprotocols": [Subprotocol(SUBPROTOCOL)],
            "compression": None,
            "max_size": limits.FRAME_BYTES,
            "open_timeout": limits.HELLO_TIMEOUT_S,
            "close_timeout": 1.0,
            "ping_interval": None,
            "server_header": None,
            "logger": logging.getLogger("collab_server.websockets"),
        }

    def _check_unix_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what only the account that owns the socket may ask; the rest is as on any socket."""
        if request.path != HAND_OVER_PATH or request.headers.get_all("Origin"):
            return _check_request(connection, request)
        version = " ".join(request.headers.get_all(VERSION_HEADER))
        if self._hand_over(version):
            return connection.respond(http.HTTPStatus.OK, "ending\n")
        return connection.respond(http.HTTPStatus.CONFLICT, "this server goes on\n")

    async def _serve(self, websocket: ServerConnection) -> None:
        request = websocket.request
        room = "" if request is None else request.path.removeprefix(ROOM_PATH)
        account = _account(websocket)

        def admit(hello: Hello) -> Joiner:
            return Joiner(_principal(account, hello), Role.WRITE)

        connection = Connection(
            websocket,
            session=secrets.randbelow(2**31 - 1) + 1,
            room_name=room,
            registry=self._registry,
            admit=admit,
        )
        self.connections.add(connection)
        self.nobody_here.clear()
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            if not self.connections:
                self.nobody_here.set()


def _stat(path: Path) -> os.stat_result:
    return path.stat()


def _unlink(path: Path, made: os.stat_result) -> None:
    """Remove the socket, unless another one stands there by now."""
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), made):
            path.unlink()


def _clear_the_way(path: Path) -> None:
    """Remove the socket that a dead server left; nothing else that may lie at `path`.

    Raises:
        PortTaken: a server listens there.
        StoreError: it is no socket, or cannot be removed.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise StoreError(
                f"{path} exists and is no socket: it was left as it is, give another with --unix"
            )
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise PortTaken(
                    f"another server listens on {path}: stop it first, or give another with --unix"
                )
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot listen on {path}: {error.strerror or error}") from error


def _check_request(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse before the handshake whatever no client of ours sends."""
    if request.headers.get_all("Origin"):
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no web page may open a room here\n")
    if not request.path.startswith(ROOM_PATH):
        return connection.respond(http.HTTPStatus.NOT_FOUND, f"rooms are under {ROOM_PATH}\n")
    try:
        check_room_name(request.path.removeprefix(ROOM_PATH))
    except NameRefused as error:
        return connection.respond(http.HTTPStatus.NOT_FOUND, f"{error}\n")
    return None


def _principal(account: str | None, hello: Hello) -> str:
    """Return who that is: the account that the kernel vouches for, or the machine's secret.

    One who gives a name of their own is somebody else: two people may share an account.
    """
    who = f"unix:{account}" if account else f"device:{hashlib.sha256(hello.device).hexdigest()[:12]}"
    return who if hello.name == account else f"{who}/{hello.name[:64]}"


def _account(websocket: ServerConnection) -> str | None:
    """Return the account behind a Unix socket; None over TCP."""
    peer: socket.socket | None = websocket.transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    if sys.platform == "linux":
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    else:
        _, uid = struct.unpack_from("Ii", peer.getsockopt(0, _LOCAL_PEERCRED, 76))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
