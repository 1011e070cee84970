"""One client: what it says goes to its room in the turn in which it came, and what is for it to its socket.

    _come    socket → codec → PeerSync → room
    deliver  room → PeerSync → sending → socket
    _watch   pings, and ends a connection that says or takes nothing

What cannot be done at once (a room to be loaded, a large update to be judged, questions to the store) is done
in tasks. Until they are done, or while a client is faster than it may be, nothing more is read from it.
Whatever goes wrong here ends this client and nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Final, Protocol

from websockets.exceptions import ConnectionClosed

from collab_protocol import limits
from collab_protocol.codec import Assembler
from collab_protocol.errors import (
    CloseCode,
    FaultCode,
    FrameError,
    ProtocolError,
    StoreError,
    VersionRefused,
)
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    Bye,
    Check,
    CloseRoom,
    Credential,
    Declined,
    Fault,
    Hello,
    Kick,
    Look,
    Message,
    Pong,
    Presence,
    Resync,
    Say,
    Setting,
    Sync,
    Update,
)
from collab_protocol.peer_sync import PeerPhase, PeerSync
from collab_protocol.presence import Activity, Person
from collab_server.access import Denied, Grant
from collab_server.allowance import Allowance, Budget, Holdings, Pace
from collab_server.config import Caps
from collab_server.log_fields import Kind, about, without_name
from collab_server.meters import Drop, Meters, Reason
from collab_server.registry import OpenRoom, Refused, Registry, guard
from collab_server.room_socket import RoomSocket
from collab_server.roster import Joiner
from collab_server.sending import Sending
from collab_server.store.base import StoreTrouble

_log = logging.getLogger(__name__)

_STORE_RETRY_MS: Final = 5000
_BUSY_RETRY_MS: Final = 5000

_HELLO_BYTES: Final = 1024 * 1024
"""What one may send before we know who it is: a Hello with many client ids and a long state vector."""

_UPDATE_BYTES: Final = limits.TEXT_BYTES + 1024 * 1024
"""The largest message of a client: a paste as large as a text may be, and what is around it."""

_UNSETTLED_BYTES: Final = 4 * 1024 * 1024
"""What one client may have under way to the disk; beyond it nothing more is read from it."""

_BURST_S: Final = 4.0
"""So many seconds' worth of messages and bytes may come at once: a large paste, a long time offline."""

_CLOSE_CODES: Final = {
    FaultCode.BUSY: CloseCode.TRY_AGAIN,
    FaultCode.SLOW: CloseCode.TRY_AGAIN,
    FaultCode.STORE: CloseCode.RESTART,
    FaultCode.TOO_LARGE: CloseCode.TOO_BIG,
    FaultCode.BROKEN: CloseCode.INTERNAL,
    FaultCode.DENIED: CloseCode.HOSTILE,
}

_DONE: Final = object()


class Administration(Protocol):
    """What a connection asks for in the name of a room's admin; each answers "" or why not."""

    async def kick(self, by: Person, room: str, session: int, ban_s: int) -> str:
        """Send a session away."""

    async def close_room(self, by: Person, room: str, is_closed: bool) -> str:
        """Close the room, or open it again."""


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
        self.since = time.time()
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
        self._is_busy = False
        self._is_unsettled = False
        now = time.monotonic()
        self._pace = Pace(caps.messages_per_s, caps.bytes_per_s, burst_s=_BURST_S, now=now)
        self._rests_until: asyncio.TimerHandle | None = None
        self._heard_at = now
        self._has_said_bye = False
        self._watching: asyncio.TimerHandle | None = None
        self._pings = 0
        self._pinged_at: float | None = None
        self._round_trip_ms: int | None = None
        self._questions: list[AskAuthors] = []
        self._answering: asyncio.Future[None] | None = None
        self._may_ask = Allowance(burst=4, every_s=1.0)
        self._may_resync = Allowance(burst=8, every_s=1.0)
        self._may_administer = Allowance(burst=8, every_s=1.0)

    @property
    def session(self) -> int:
        return self._peer.session

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
        return self._round_trip_ms

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
            message = Fault(FaultCode.BUSY, most, _BUSY_RETRY_MS)
        if isinstance(message, Fault | Bye):
            self._closing = _closing(message)  # as it is here: an older client may be told in other words
            what = f"fault {message.code}" if isinstance(message, Fault) else "goodbye"
            _log.debug("is told: %s", what, extra=self._about(Kind.TOLD))
            if isinstance(message, Fault):
                self._meters.faults[message.code] += 1
        elif isinstance(message, Declined):
            self._meters.declined += 1
        self._peer.deliver(message)
        self._flush()
        if self._is_unsettled:
            self._go_on()

    def change_caps(self, caps: Caps) -> None:
        """Read as fast as `caps` allow from now on."""
        self._pace.change(caps.messages_per_s, caps.bytes_per_s)

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
            await self._websocket.close(code, _short(reason))

    def abort(self) -> None:
        """End without a word, for one that does not take any."""
        self._websocket.transport.abort()

    async def _greet(self) -> None:
        """Take what comes as it comes; a Hello has to be there in time."""
        self._websocket.hand_over(
            on_message=self._come,
            on_control=self._come_control,
            on_writable=self._writable,
            on_lost=self._lost,
        )
        self._watching = self._loop.call_later(
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
        self._heard_at = time.monotonic()
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
        if not self._pace.take(0 if frame is None else len(frame)):
            self._rest()
        if self._has_much_under_way():
            self._is_unsettled = True
            self._websocket.pause()

    def _come_control(self) -> None:
        """Count what is no message; it costs as much."""
        if not self._pace.take(0):
            self._rest()

    def _rest(self) -> None:
        """Read nothing more for a while, where too much has come."""
        rest_s = self._pace.rest_s(time.monotonic())
        if rest_s > 0 and self._rests_until is None and not self._over.done():
            self._meters.slowed += 1
            self._rests_until = self._loop.call_later(rest_s, self._rested)
            self._websocket.pause()

    def _rested(self) -> None:
        self._rests_until = None
        self._go_on()

    @property
    def _must_wait(self) -> bool:
        return self._is_busy or self._is_unsettled or self._rests_until is not None

    def _go_on(self) -> None:
        """Read on, unless there is another reason not to."""
        self._is_unsettled = self._is_unsettled and self._has_much_under_way()
        if not self._must_wait and not self._over.done():
            self._heard_at = time.monotonic()  # what it said meanwhile was not heard
            self._websocket.resume()

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
                    _BUSY_RETRY_MS,
                )
            )
            return
        if more < 0:
            self._reassembly.give_back(-more)
        self._held = held

    def _receive(self, message: Message) -> None:
        if isinstance(message, Pong):
            self._ponged(message.id)
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
            self._watch_from_now()
            # A task: while somebody is looked up and a room is loaded, pings are answered.
            self._do(self._join(request))
        elif isinstance(request, Bye):
            self._has_said_bye = True
            self._end(CloseCode.NORMAL, "")
        elif self._opened is not None:
            with guard(self._opened.room):
                self._ask_room(request, self._opened)

    def _ask_room(self, request: Message, opened: OpenRoom) -> None:
        room = opened.room
        match request:
            case Update(n, data):
                slices = room.updating(self, n, data)
                # Large ones pass the gate in slices, and nothing else of this client is worked on meanwhile.
                if next(slices, _DONE) is not _DONE:
                    self._is_busy = True
                    self._websocket.pause()
                    self._do(self._go_through(slices, opened))
            case Presence():
                room.present(self, request)
            case Setting(key, value):
                room.set(self, key, value)
            case Resync(from_seq, state_vector):
                _log.debug("asks for all since row %d", from_seq, extra=self._about(Kind.TOLD))
                if self._sending.outbox.has_sync:
                    pass
                elif self._may_resync.take(time.monotonic()):
                    room.resync(self, state_vector, from_seq)
                else:
                    self.deliver(Fault(FaultCode.SLOW, "too many resyncs at once", _BUSY_RETRY_MS))
            case Sync():
                room.sends_again(self)
            case Check(seq, sha256):
                room.check(self, seq, sha256)
            case Say(text):
                room.say(self, text)
            case Look():
                room.look(self)
            case AskPulse():
                room.pulse(self)
            case AskAuthors():
                self._ask(request, opened)
            case Kick() | CloseRoom():
                self._administer(request, opened)
            case _:
                pass

    async def _go_through(self, slices: Generator[None, None, None], opened: OpenRoom) -> None:
        """Finish what was begun in slices, then go on with what came after it."""
        try:
            with guard(opened.room), contextlib.closing(slices):
                await asyncio.sleep(0)
                for _ in slices:
                    await asyncio.sleep(0)
        finally:
            self._is_busy = False
            self._is_unsettled = self._has_much_under_way()
            self._go_on()

    async def _join(self, hello: Hello) -> None:
        try:
            grant, credential = await self._admit(hello)
        except Denied as denied:
            self._meters.refuse(_why_denied(denied))
            _log.info("may not come in: %s", denied.code, extra=self._about(Kind.REFUSED))
            self.deliver(Fault(denied.code, str(denied), None))
            return
        except StoreError as error:
            why = without_name(error, self.room_name)
            _log.error("that an invite was used cannot be stored: %s", why, extra=self._about(Kind.FAILED))
            self.deliver(Fault(FaultCode.STORE, "your invite cannot be noted at present", _STORE_RETRY_MS))
            return
        self.grant = grant
        self._on_greeted()
        try:
            opened = await self._registry.open(self.room_name, grant.principal)
        except Refused as error:
            self._meters.refuse(Reason.ROOMS)
            self.deliver(Fault(FaultCode.BUSY, str(error), _BUSY_RETRY_MS))
            return
        except StoreError as error:
            told = without_name(error, self.room_name)
            _log.error("a room is refused: %s", told, extra=self._about(Kind.FAILED))
            why = f": {error.reason}" if isinstance(error, StoreTrouble) else ""
            self.deliver(Fault(FaultCode.STORE, f"{self.room_name} cannot be opened{why}", _STORE_RETRY_MS))
            return
        if self._over.done() or self._sending.last_word is not None:
            self._registry.left(opened)
            return
        self._opened = opened
        self._sending.outbox.encoder = opened.encoder
        if credential is not None:
            self.deliver(credential)
        with guard(opened.room):
            opened.room.join(self, hello, Joiner(grant.principal, grant.role, grant.name))
        self._tell_that_it_came(grant)
        self._ping()  # so that the others learn soon how far away it is
        if opened.room.is_over:
            # It broke down before this one had a seat, and so could say nothing to it.
            self.deliver(Fault(FaultCode.STORE, f"{self.room_name} is loaded again", _STORE_RETRY_MS))

    def _ask(self, question: AskAuthors, opened: OpenRoom) -> None:
        if not self._may_ask.take(time.monotonic()):
            self.deliver(Declined("too many questions at once: wait a moment"))
            return
        self._questions.append(question)
        if len(self._questions) == 1:
            self._do(self._answer(opened))

    async def _answer(self, opened: OpenRoom) -> None:
        """Answer the questions that wait. A task: what else comes does not wait for the store."""
        while self._questions:
            if self._sending.outbox.has_large:
                self._answering = self._loop.create_future()
                await self._answering
            try:
                self.deliver(await self._registry.authors(opened, self._questions[0].since))
            except StoreError as error:
                why = without_name(error, self.room_name)
                _log.error("who wrote in a room is not known: %s", why, extra=self._about(Kind.FAILED))
                self.deliver(Declined("who wrote here cannot be read at present"))
            self._questions.pop(0)

    def _administer(self, request: Kick | CloseRoom, opened: OpenRoom) -> None:
        person = self.person
        if person is None:
            return
        why = opened.room.why_no_admin(self)
        if not why and not self._may_administer.take(time.monotonic()):
            why = "too much at once: wait a moment"
        if why:
            self.deliver(Declined(why))
        elif isinstance(request, Kick):
            self._do(self._told(self._office.kick(person, self.room_name, request.session, request.ban_s)))
        else:
            self._do(self._told(self._office.close_room(person, self.room_name, request.is_closed)))

    async def _told(self, doing: Awaitable[str]) -> None:
        try:
            why = await doing
        except StoreError as error:
            told = without_name(error, self.room_name)
            _log.error("what an admin asked for failed: %s", told, extra=self._about(Kind.FAILED))
            why = "that cannot be stored at present"
        if why:
            self.deliver(Declined(why))

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
        if self._answering is not None:
            self._answering.set_result(None)
            self._answering = None
        if self._sending.last_word is not None:
            self._end(*self._closing)

    def _writable(self) -> None:
        self._sending.took_some()
        self._write()

    def _lost(self) -> None:
        """Note that nothing more can come."""
        self._end(CloseCode.NORMAL, "")

    def _watch(self) -> None:
        """Look after the client: who says nothing is gone, who takes nothing is given up.

        Taking counts as life: one that loads a large text over a slow link has nothing to say, and our pings
        are far behind.
        """
        now = time.monotonic()
        is_stuck = self._sending.is_stuck(now)
        heard_at = max(self._heard_at, self._sending.progressed_at)
        is_silent = not self._must_wait and now - heard_at >= limits.SERVER_DEAD_S
        if is_silent or is_stuck:
            self._meters.drops[Drop.SILENT if is_silent else Drop.STUCK] += 1
            self.abort()
            self._end(CloseCode.GOING_AWAY, "silent" if is_silent else "reads nothing")
            return
        self._ping()
        self._watch_from_now()

    def _watch_from_now(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._watching = self._loop.call_later(limits.SERVER_PING_S, self._watch)

    def _ping(self) -> None:
        self._pings += 1
        self._pinged_at = time.monotonic()
        self._peer.ping(self._pings)
        self._flush()

    def _ponged(self, number: int) -> None:
        if number == self._pings and self._pinged_at is not None:
            self._round_trip_ms = round((time.monotonic() - self._pinged_at) * 1000)
            self._pinged_at = None

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
        for timer in (self._watching, self._rests_until):
            if timer is not None:
                timer.cancel()
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


def _why_denied(denied: Denied) -> Reason:
    if denied.is_ban:
        return Reason.BANNED
    return Reason.CLOSED if denied.code is FaultCode.CLOSED else Reason.DENIED


def _closing(last_word: Fault | Bye) -> tuple[CloseCode, str]:
    match last_word:
        case Fault(code, message):
            return _CLOSE_CODES.get(code, CloseCode.NORMAL), message
        case Bye(reason):
            return CloseCode.RESTART, reason


def _short(reason: str) -> str:
    """Return what of `reason` fits into a close frame: 123 bytes (RFC 6455 section 5.5)."""
    return reason.encode()[:120].decode(errors="ignore")
