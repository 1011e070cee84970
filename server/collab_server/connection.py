"""One client: what it says goes to its room in the turn in which it came, and what is for it to its socket.

    _come       socket → codec → PeerSync → client_requests → room
    deliver     room → PeerSync → sending → socket
    reading     pauses the socket
    life_signs  ends a connection that says or takes nothing

What cannot be done at once (a room to be loaded, a large update to be judged, questions to the store) is done
in tasks. Until they are done, or while a client is faster than it may be, nothing more is read from it.
Whatever goes wrong here ends this client and nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final

from websockets.exceptions import ConnectionClosed

from collab_protocol import limits
from collab_protocol.codec import Assembler
from collab_protocol.errors import (
    CloseCode,
    FaultCode,
    FrameError,
    ProtocolError,
    VersionRefused,
)
from collab_protocol.messages import (
    Authors,
    Batch,
    Bye,
    Credential,
    Declined,
    Fault,
    Hello,
    Message,
    Pong,
    Sync,
)
from collab_protocol.peer_sync import PeerPhase, PeerSync
from collab_protocol.presence import Activity, Person
from collab_server.access import Grant
from collab_server.allowance import Budget, Holdings
from collab_server.client_requests import Administration, ClientRequests
from collab_server.config import Caps
from collab_server.entering import enter
from collab_server.last_words import BUSY_RETRY_MS, STORE_RETRY_MS, closing, short
from collab_server.life_signs import LifeSigns
from collab_server.log_fields import Kind, about
from collab_server.meters import Drop, Meters, Reason
from collab_server.reading import Reading
from collab_server.registry import OpenRoom, Registry, guard
from collab_server.room_socket import RoomSocket
from collab_server.roster import Joiner
from collab_server.sending import Sending

_log = logging.getLogger(__name__)


_HELLO_BYTES: Final = 1024 * 1024
"""What one may send before we know who it is: a Hello with many client ids and a long state vector."""

_UPDATE_BYTES: Final = limits.TEXT_BYTES + 1024 * 1024
"""The largest message of a client: a paste as large as a text may be, and what is around it."""

_UNSETTLED_BYTES: Final = 4 * 1024 * 1024
"""What one client may have under way to the disk; beyond it nothing more is read from it."""


class Connection:
    """A client in one room; the room's `Member`."""

    def __init__(
        self,
        websocket: RoomSocket,
        *,
        session: int,
        room_name: str,
        registry: Registry,
        admit: Callable[[Hello], Awaitable[tuple[Grant, Credential | None]]],
        office: Administration,
        caps: Caps,
        reassembly: Budget,
        holdings: Holdings,
        on_greeted: Callable[[], None],
        address: str = "",
        way: str = "",
        meters: Meters | None = None,
    ) -> None:
        """`admit` says by a Hello who that is and what they may do, or raises Denied.

        `reassembly` bounds what all connections hold of messages in Parts, `holdings` what waits for them.
        `on_greeted` is called once, when a Hello was admitted. `way` is the way in, for the log; `address`
        where it came from over TCP.
        """
        self.room_name = room_name
        self._made_at = time.monotonic()
        self.grant: Grant | None = None
        self._websocket = websocket
        self._address = address
        self._way = way
        self._came_at: float | None = None
        self._registry = registry
        self._admit = admit
        self._office = office
        self._reassembly = reassembly
        self._held = 0
        self._on_greeted = on_greeted
        self._loop = asyncio.get_running_loop()
        self._peer = PeerSync(session=session)
        self._meters = Meters() if meters is None else meters
        self._sending = Sending(websocket, holdings, self._meters)
        self._holdings = holdings
        self._assembler = Assembler(_HELLO_BYTES, is_from_client=True)
        self._opened: OpenRoom | None = None
        self._closing = (CloseCode.NORMAL, "")
        self._over: asyncio.Future[tuple[CloseCode, str]] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_said_bye = False
        self._hello_due: asyncio.TimerHandle | None = None
        self._reading = Reading(
            websocket,
            caps,
            has_much_under_way=self._has_much_under_way,
            is_over=self._over.done,
            meters=self._meters,
        )
        self._life_signs = LifeSigns(self._reading, self._sending, ping=self._ping, give_up=self._give_up)
        self._requests: ClientRequests | None = None

    @property
    def session(self) -> int:
        return self._peer.session

    @property
    def since(self) -> float:
        """When it came, in UTC seconds of today's clock: so long ago it is, though that one was set."""
        return time.time() - (time.monotonic() - self._made_at)

    @property
    def address(self) -> str:
        return self._address

    @property
    def activity(self) -> Activity | None:
        """What its person is doing; None while it has no seat."""
        return None if self._opened is None else self._opened.room.activity(self)

    @property
    def answers_resync(self) -> bool:
        return self._peer.version >= 2

    @property
    def is_lagging(self) -> bool:
        """Whether it missed Batches that it does not know of yet."""
        return self._sending.outbox.is_lagging

    @property
    def round_trip_ms(self) -> int | None:
        return self._life_signs.round_trip_ms

    @property
    def person(self) -> Person | None:
        """Who it is to the others in its room; None while it has no seat."""
        return None if self._opened is None else self._opened.room.person(self)

    def deliver(self, message: Message) -> None:
        """Send what the room says, or queue it; nothing is sent after a Fault or Bye."""
        if self._sending.last_word is not None or self._over.done():
            return
        is_live = self._peer.phase is PeerPhase.LIVE
        if isinstance(message, Batch) and is_live and self._sending.pass_on(message):
            return
        if isinstance(message, Sync | Authors) and not self._sending.holds(message):
            most = f"{self._holdings.most} bytes of large texts wait for slow readers, and no more may"
            message = Fault(FaultCode.BUSY, most, BUSY_RETRY_MS)
        if isinstance(message, Fault | Bye):
            self._closing = closing(message)  # as it is here: an older client may be told in other words
            what = f"fault {message.code}" if isinstance(message, Fault) else "goodbye"
            _log.debug("is told: %s", what, extra=self._about(Kind.TOLD))
            if isinstance(message, Fault):
                self._meters.faults[message.code] += 1
        elif isinstance(message, Declined):
            self._meters.declined += 1
        self._peer.deliver(message)
        self._flush()
        if self._reading.is_unsettled:
            self._reading.go_on()

    def change_caps(self, caps: Caps) -> None:
        """Read as fast as `caps` allow from now on."""
        self._reading.change_caps(caps)

    def dismiss(self, code: FaultCode, message: str) -> None:
        """End the session for good, for a reason that has nothing to do with what it sent."""
        if self._opened is not None and self._opened.room.person(self) is not None:
            with guard(self._opened.room):
                self._opened.room.send_away(self, code, message)
        else:
            self.deliver(Fault(code, message, None))

    async def run(self) -> None:
        """Serve the client until either side ends it."""
        code, reason = CloseCode.NORMAL, ""
        try:
            await self._greet()
            code, reason = await self._over
        except ConnectionClosed:
            pass
        except ProtocolError as broken:
            code, reason = self._blame(broken)
        except Exception:
            code, reason = CloseCode.INTERNAL, "the server failed"
            _log.exception("a session failed", extra=self._about(Kind.FAILED))
        finally:
            self._end(code, reason)
            self._leave()
            self._tell_that_it_left()
        self._websocket.resume()  # to read its goodbye
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.close(code, short(reason))

    def abort(self) -> None:
        """End without a word, for one that does not take any."""
        self._websocket.transport.abort()

    async def _greet(self) -> None:
        """Take what comes as it comes; a Hello has to be there in time."""
        self._websocket.hand_over(
            on_message=self._come,
            on_control=self._reading.count_control,
            on_writable=self._writable,
            on_lost=self._lost,
        )
        self._hello_due = self._loop.call_later(
            limits.HELLO_TIMEOUT_S, self._end, CloseCode.PROTOCOL_ERROR, "no Hello"
        )
        # What came before is still the library's.
        with contextlib.suppress(TimeoutError):
            while not self._over.done():
                async with asyncio.timeout(0):
                    frame = await self._websocket.recv()
                self._come(frame if isinstance(frame, bytes) else None)

    def _come(self, frame: bytes | None) -> None:
        """Do what one message asks for, None for text; what it breaks ends the connection."""
        self._reading.heard_at = time.monotonic()
        self._meters.messages_received += 1
        self._meters.bytes_received += 0 if frame is None else len(frame)
        if self._over.done() or self._sending.last_word is not None:
            return
        try:
            self._handle(frame)
        except ProtocolError as broken:
            self._end(*self._blame(broken))
        except Exception:
            _log.exception("a session failed", extra=self._about(Kind.FAILED))
            self._end(CloseCode.INTERNAL, "the server failed")
        self._reading.count(0 if frame is None else len(frame))

    def _has_much_under_way(self) -> bool:
        """Return whether so much of what it sent is not on disk yet that no more is to be read."""
        return (
            self._opened is not None
            and self._sending.last_word is None
            and self._opened.room.unsettled_bytes(self) > _UNSETTLED_BYTES
        )

    def _handle(self, frame: bytes | None) -> None:
        if frame is None:
            raise FrameError("frames are binary")
        message = self._assembler.feed(frame)
        self._hold(self._assembler.held_bytes)
        if message is not None:
            self._receive(message)
        self._flush()

    def _hold(self, held: int) -> None:
        """Keep count of what lies here of a message in Parts."""
        more = held - self._held
        if more > 0 and not self._reassembly.take(more):
            self.deliver(
                Fault(
                    FaultCode.BUSY,
                    f"the server is receiving {self._reassembly.most} bytes of large messages at once,"
                    " and no more",
                    BUSY_RETRY_MS,
                )
            )
            return
        if more < 0:
            self._reassembly.give_back(-more)
        self._held = held

    def _receive(self, message: Message) -> None:
        if isinstance(message, Pong):
            self._life_signs.ponged(message.id)
        try:
            request = self._peer.receive(message)
        except VersionRefused as error:
            self._meters.refuse(Reason.VERSION)
            self.deliver(Fault(FaultCode.VERSION, str(error), None))
            return
        if request is None or self._sending.last_word is not None:
            return
        if isinstance(request, Hello):
            self._assembler = Assembler(_UPDATE_BYTES, is_from_client=True)
            if self._hello_due is not None:
                self._hello_due.cancel()
            self._life_signs.watch_from_now()
            # A task: while somebody is looked up and a room is loaded, pings are answered.
            self._do(self._join(request))
        elif isinstance(request, Bye):
            self._has_said_bye = True
            self._end(CloseCode.NORMAL, "")
        elif self._opened is not None and self._requests is not None:
            with guard(self._opened.room):
                self._requests.take(request)

    async def _join(self, hello: Hello) -> None:
        entered = await enter(
            hello,
            session=self.session,
            room_name=self.room_name,
            admit=self._admit,
            on_granted=self._granted,
            registry=self._registry,
            meters=self._meters,
        )
        if isinstance(entered, Fault):
            self.deliver(entered)
            return
        opened, grant = entered.opened, entered.grant
        if self._over.done() or self._sending.last_word is not None:
            self._registry.left(opened)
            return
        self._opened = opened
        self._requests = ClientRequests(
            self,
            opened,
            registry=self._registry,
            office=self._office,
            reading=self._reading,
            sending=self._sending,
            do=self._do,
        )
        self._sending.outbox.encoder = opened.encoder
        if entered.credential is not None:
            self.deliver(entered.credential)
        with guard(opened.room):
            opened.room.join(self, hello, Joiner(grant.principal, grant.role, grant.name))
        self._tell_that_it_came(grant)
        self._life_signs.ping()  # so that the others learn soon how far away it is
        if opened.room.is_over:
            # It broke down before this one had a seat, and so could say nothing to it.
            self.deliver(Fault(FaultCode.STORE, f"{self.room_name} is loaded again", STORE_RETRY_MS))

    def _granted(self, grant: Grant) -> None:
        self.grant = grant
        self._on_greeted()

    def _do(self, work: Coroutine[None, None, None]) -> None:
        """Do what takes longer than a turn; how it fails ends the connection."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._did)

    def _did(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ProtocolError):
            self._end(*self._blame(error))
        elif error is not None:
            _log.error("a session failed", exc_info=error, extra=self._about(Kind.FAILED))
            self._end(CloseCode.INTERNAL, "the server failed")

    def _flush(self) -> None:
        """Put what is to be said into the outbox, and write as much as the socket takes."""
        self._sending.put(self._peer.to_send())
        self._write()
        if self._sending.outbox.is_hopeless and self._sending.last_word is None and not self._over.done():
            _log.warning("a session is too slow", extra=self._about(Kind.LEFT))
            self._meters.drops[Drop.TOO_SLOW] += 1
            self.abort()
            self._end(CloseCode.TRY_AGAIN, "too slow")

    def _write(self) -> None:
        if self._over.done() or not self._sending.write():
            return
        if self._requests is not None:
            self._requests.all_has_left()
        if self._sending.last_word is not None:
            self._end(*self._closing)

    def _writable(self) -> None:
        self._sending.took_some()
        self._write()

    def _lost(self) -> None:
        """Note that nothing more can come."""
        self._end(CloseCode.NORMAL, "")

    def _ping(self, number: int) -> None:
        self._peer.ping(number)
        self._flush()

    def _give_up(self, drop: Drop) -> None:
        if self._over.done():
            return
        self._meters.drops[drop] += 1
        self.abort()
        self._end(CloseCode.GOING_AWAY, "silent" if drop is Drop.SILENT else "reads nothing")

    def _tell_that_it_came(self, grant: Grant) -> None:
        self._came_at = time.monotonic()
        _log.info(
            "came by %s as %s with protocol %d",
            self._way,
            grant.role,
            self._peer.version,
            extra=self._about(Kind.CAME),
        )

    def _tell_that_it_left(self) -> None:
        # Not with the reason: it is for people, and has their names.
        code = self._over.result()[0]
        ended = f"{code.name} {code.value}"
        if self._came_at is None:
            _log.debug("ended before it had a seat: %s", ended, extra=self._about(Kind.REFUSED))
            return
        passed_s = time.monotonic() - self._came_at
        bye = "with a goodbye" if self._has_said_bye else "without a goodbye"
        _log.info("left after %.1f s, %s: %s", passed_s, bye, ended, extra=self._about(Kind.LEFT))

    def _about(self, kind: Kind) -> Mapping[str, object]:
        return about(room=self.room_name, session=self.session, kind=kind)

    def _end(self, code: CloseCode, reason: str) -> None:
        if not self._over.done():
            self._over.set_result((code, reason))

    def _blame(self, broken: ProtocolError) -> tuple[CloseCode, str]:
        if broken.close_code is CloseCode.HOSTILE:
            self._meters.hostile += 1
        else:
            self._meters.malformed += 1
        _log.info("broke the protocol: %s", broken, extra=self._about(Kind.HOSTILE))
        return broken.close_code, str(broken)

    def _leave(self) -> None:
        if self._hello_due is not None:
            self._hello_due.cancel()
        self._life_signs.end()
        self._reading.end()
        for task in self._tasks:
            task.cancel()
        self._reassembly.give_back(self._held)
        self._held = 0
        self._sending.let_go()
        self._sending.outbox.catch_up()
        if self._opened is not None:
            with guard(self._opened.room):
                self._opened.room.leave(self, is_bye=self._has_said_bye)
            self._registry.left(self._opened)
