"""TCP: accepts connections, and has each in sight from its first byte until its Hello was admitted.

asyncio and websockets show a connection once its TLS handshake is done and its request is here. One that
stalls before that costs a file and a buffer all the same, so accepting is done here: `Admission` hears of a
connection as soon as the kernel does, and may drop it in any state. One deadline spans TLS, request and
Hello, however slowly they trickle in.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CloseCode
from collab_protocol.versions import SUBPROTOCOL
from collab_server.admission import Admission, Visit
from collab_server.log_fields import Kind, about
from collab_server.meters import Meters
from collab_server.peers import Proxies, counted_as
from collab_server.room_socket import RoomSocket
from collab_server.tls import Certificates

_log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_ACCEPTS_A_TURN: Final = 64
_FULL: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_FULL_PAUSE_S: Final = 1.0

CLOSE_TIMEOUT_S: Final = 1.0

GOODBYES: Final = 64
"""So many at a time are told why their time is over, which may take them CLOSE_TIMEOUT_S; others just end."""


class Knock(RoomSocket):
    """A connection over TCP: what `Admission` knows of it, and its deadline."""

    visit: Visit
    peer: str
    """The address at the other end of the socket, which may be a proxy's."""

    def __init__(self, doorway: Doorway, limit: asyncio.Timeout) -> None:
        protocol = ServerProtocol(
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=limits.FRAME_BYTES,
            logger=logging.getLogger("collab_server.websockets"),
        )
        # Of its server a connection asks only whether it goes on.
        server = cast(Server, doorway)
        super().__init__(protocol, server, ping_interval=None, close_timeout=CLOSE_TIMEOUT_S)
        self._limit = limit
        self.ending = (CloseCode.PROTOCOL_ERROR, "no Hello")
        self.is_dropped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not the library's: that starts a task for the handshake, and here the doorway has one already.
        super(ServerConnection, self).connection_made(transport)

    def drop(self, reason: str) -> None:
        """End it, whatever it is at."""
        self.is_dropped = True
        self.ending = (CloseCode.TRY_AGAIN, reason)
        self._set_deadline(self.loop.time())

    def said_hello(self) -> None:
        """Lift the deadline: what takes longer from here is ours."""
        if not self.is_dropped:
            self._set_deadline(None)

    def _set_deadline(self, when: float | None) -> None:
        # One that has just run out can be moved no more; its task hears of that in the next turn.
        if not self._limit.expired():
            self._limit.reschedule(when)


class Doorway:
    """Listens on TCP until closed."""

    def __init__(
        self,
        handler: Callable[[Knock], Awaitable[None]],
        check: Callable[[ServerConnection, Request], Response | None],
        *,
        admission: Admission,
        proxies: Proxies,
        certificates: Certificates | None,
        meters: Meters | None = None,
    ) -> None:
        """`check` answers a request that may not go on; `handler` serves one that does, from Hello to end."""
        self._handler = handler
        self._check = check
        self._admission = admission
        self._proxies = proxies
        self._certificates = certificates
        self._meters = Meters() if meters is None else meters
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._knocks: set[Knock] = set()
        self._goodbyes = 0

    async def open(self, host: str, port: int) -> int:
        """Listen on every address that `host` stands for; returns the port, which 0 draws.

        Raises:
            OSError: somebody else listens there, or it is no address of ours.
        """
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._listening.append(_listen(family, (address[0], port, *address[2:])))
                port = self._listening[-1].getsockname()[1]
        except OSError:
            self.close()
            raise
        for listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)
        return port

    def take(self, passed: Sequence[socket.socket]) -> int:
        """Listen on sockets that listen already, and do not block; returns the port of the first."""
        self._listening = list(passed)
        for listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)
        port: int = self._listening[0].getsockname()[1]
        return port

    def is_serving(self) -> bool:
        """Tell whether connections are still taken; the library asks."""
        return bool(self._listening)

    def close(self) -> None:
        """Accept no more; those who are in stay."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        self._listening.clear()
        for timer in self._waiting.values():
            timer.cancel()

    async def wait_closed(self) -> None:
        """Drop those who have not said Hello, and wait for the others to end."""
        for knock in list(self._knocks):
            self._admission.give_up(knock.visit, "the server is stopping")
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    # Linux says here what went wrong with the one that was coming (accept(2)).
                    _log.warning(
                        "a connection was not taken: %s", error.strerror, extra=about(kind=Kind.REFUSED)
                    )
                    return
                _log.error("no connection can be taken for a moment: %s", error.strerror)
                self._loop.remove_reader(listening)
                self._waiting[listening] = self._loop.call_later(_FULL_PAUSE_S, self._go_on, listening)
                return
            self._meters.sockets_accepted += 1
            task = self._loop.create_task(self._attend(sock, str(address[0])), name="attend")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _go_on(self, listening: socket.socket) -> None:
        if self._waiting.pop(listening, None) is not None and listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    async def _attend(self, sock: socket.socket, peer: str) -> None:
        """Take one connection from its first byte to its end."""
        knock: Knock | None = None
        try:
            async with asyncio.timeout(limits.HELLO_TIMEOUT_S) as limit:
                knock = Knock(self, limit)
                knock.peer = peer
                address = None if self._proxies.trusts(peer) else counted_as(peer)
                knock.visit = self._admission.knock(address, knock.drop)
                self._knocks.add(knock)
                await self._shake_hands(sock, knock)
                if knock.is_open:
                    await self._handler(knock)
        except TimeoutError:
            if knock is not None:
                self._admission.gone(knock.visit)
                fields = about(kind=Kind.REFUSED)
                _log.debug("a connection from %s had its time: %s", peer, knock.ending[1], extra=fields)
                await self._say_goodbye(knock)
        except OSError as error:
            fields = about(kind=Kind.REFUSED)
            _log.debug("a connection from %s came to nothing: %s", peer, error, extra=fields)
        except Exception:
            _log.exception("a connection from %s failed", peer, extra=about(kind=Kind.FAILED))
        finally:
            if knock is not None:
                self._knocks.discard(knock)
                self._admission.gone(knock.visit)
                if (transport := getattr(knock, "transport", None)) is not None:
                    transport.abort()
            sock.close()

    async def _shake_hands(self, sock: socket.socket, knock: Knock) -> None:
        """TLS where there is a certificate, then the request and its answer."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls: dict[str, Any] = {}
        if self._certificates is not None:
            tls = {
                "ssl": self._certificates.context,
                # Only so that it does not end before our own deadline.
                "ssl_handshake_timeout": 2 * limits.HELLO_TIMEOUT_S,
                "ssl_shutdown_timeout": CLOSE_TIMEOUT_S,
            }
        await self._loop.connect_accepted_socket(lambda: knock, sock, **tls)
        await knock.handshake(self._check, None, None)

    async def _say_goodbye(self, knock: Knock) -> None:
        """Tell one whose time is over why, where it is so far that it understands."""
        if getattr(knock, "transport", None) is None or not knock.is_open or self._goodbyes >= GOODBYES:
            return
        self._goodbyes += 1
        try:
            await knock.close(*knock.ending)
        except (ConnectionClosed, OSError):
            pass
        finally:
            self._goodbyes -= 1


def _listen(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
