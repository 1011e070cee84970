"""One client: a reader, one writer and a watch over its life.

    _read    frames → codec → PeerSync → room
    _write   room → PeerSync → outbox → codec → frames   (the only one that sends)
    _watch   pings, and ends a connection that says nothing
    _answer  what the store is asked for, one question after the other

The first of them to end ends the others. Whatever goes wrong here ends this client and nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
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
    Bye,
    Check,
    Declined,
    Fault,
    Hello,
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
from collab_protocol.peer_sync import PeerSync
from collab_server.allowance import Allowance
from collab_server.outbox import BatchEncoder, Outbox
from collab_server.registry import OpenRoom, Registry, guard
from collab_server.roster import Joiner
from collab_server.store.base import StoreTrouble

_log = logging.getLogger(__name__)

_STORE_RETRY_MS = 5000

_HELLO_BYTES = 1024 * 1024
"""What one may send before we know who it is: a Hello with many client ids and a long state vector."""

_UPDATE_BYTES = limits.TEXT_BYTES + 1024 * 1024
"""The largest message of a client: a paste as large as a text may be, and what is around it."""

_UNSETTLED_BYTES = 4 * 1024 * 1024
"""What one client may have under way to the disk; beyond it nothing more is read from it."""

_TURN_S = 0.002

_PROGRESS_S = 30.0
"""A reader that takes nothing for so long is given up, whatever it says meanwhile (DESIGN section 5)."""

_CLOSE_CODES = {
    FaultCode.BUSY: CloseCode.TRY_AGAIN,
    FaultCode.SLOW: CloseCode.TRY_AGAIN,
    FaultCode.STORE: CloseCode.RESTART,
    FaultCode.TOO_LARGE: CloseCode.TOO_BIG,
    FaultCode.BROKEN: CloseCode.INTERNAL,
}


class _Ended(Exception):
    """Ends the connection's tasks; carries the close code and reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Connection:
    """A client in one room; the room's `Member`."""

    def __init__(
        self,
        websocket: ServerConnection,
        *,
        session: int,
        room_name: str,
        registry: Registry,
        admit: Callable[[Hello], Joiner],
    ) -> None:
        """`admit` says who it is and what it may do, by its Hello and by where it came from."""
        self._websocket = websocket
        self._room_name = room_name
        self._registry = registry
        self._admit = admit
        self._peer = PeerSync(session=session)
        self._outbox = Outbox(BatchEncoder(), self._something_waits)
        self._waits = asyncio.Event()
        self._opened: OpenRoom | None = None
        self._last_word: Fault | Bye | None = None
        self._is_given_up = False
        self._progress = asyncio.Event()
        self._greeted = asyncio.Event()
        self._heard_at = time.monotonic()
        self._sending_since: float | None = None
        self._has_said_bye = False
        self._pings = 0
        self._pinged_at: float | None = None
        self._round_trip_ms: int | None = None
        self._questions: deque[AskAuthors] = deque()
        self._is_answering = False
        self._may_ask = Allowance(burst=4, every_s=1.0)

    @property
    def session(self) -> int:
        return self._peer.session

    @property
    def answers_resync(self) -> bool:
        return self._peer.version >= 2

    @property
    def round_trip_ms(self) -> int | None:
        return self._round_trip_ms

    def deliver(self, message: Message) -> None:
        """Queue what the room says; nothing is sent after a Fault or Bye."""
        self._progress.set()
        if self._last_word is not None or self._is_given_up:
            return
        self._peer.deliver(message)
        if isinstance(message, Fault | Bye):
            self._last_word = message
        self._flush()

    async def run(self) -> None:
        """Serve the client until either side ends it."""
        code, reason = CloseCode.NORMAL, ""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(tasks), name="read")
                tasks.create_task(self._write(), name="write")
                tasks.create_task(self._watch(), name="watch")
        except* _Ended as ended:
            first = ended.exceptions[0]
            if isinstance(first, _Ended):
                code, reason = first.code, str(first)
        except* ConnectionClosed:
            pass
        except* ProtocolError as broken:
            first_broken = broken.exceptions[0]
            if isinstance(first_broken, ProtocolError):
                code, reason = first_broken.close_code, str(first_broken)
            _log.warning("session %d of room %s: %s", self.session, self._room_name, reason)
        except* Exception:
            code, reason = CloseCode.INTERNAL, "the server failed"
            _log.exception("session %d of room %s failed", self.session, self._room_name)
        finally:
            self._leave()
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.close(code, _short(reason))

    def abort(self) -> None:
        """End without a word, for one that does not take any."""
        self._websocket.transport.abort()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        assembler = Assembler(_HELLO_BYTES, is_from_client=True)
        turn_began = time.monotonic()
        while not self._is_given_up:
            frame = await self._websocket.recv()
            self._heard_at = time.monotonic()
            if self._heard_at - turn_began > _TURN_S:
                # What lies in the buffer comes without a pause: others get the loop in between.
                await asyncio.sleep(0)
                turn_began = time.monotonic()
            if not isinstance(frame, bytes):
                raise FrameError("frames are binary")
            message = assembler.feed(frame)
            if message is not None:
                await self._receive(message, tasks)
                if isinstance(message, Hello):
                    assembler = Assembler(_UPDATE_BYTES, is_from_client=True)
            self._flush()
            await self._until_settled()
        raise _Ended(CloseCode.TRY_AGAIN, "too slow")

    async def _until_settled(self) -> None:
        """Read no more while much of what this client sent is not on disk yet."""
        while (
            self._opened is not None
            and self._opened.room.unsettled_bytes(self) > _UNSETTLED_BYTES
            and self._last_word is None
        ):
            self._progress.clear()
            await self._progress.wait()
            self._heard_at = time.monotonic()

    async def _receive(self, message: Message, tasks: asyncio.TaskGroup) -> None:
        if isinstance(message, Pong):
            self._ponged(message.id)
        try:
            request = self._peer.receive(message)
        except VersionRefused as error:
            self.deliver(Fault(FaultCode.VERSION, str(error), None))
            return
        if isinstance(request, Hello):
            # A task of its own: while a room is loaded, pings are answered.
            self._greeted.set()
            tasks.create_task(self._join(request), name="join")
            return
        if isinstance(request, Bye):
            self._has_said_bye = True
            raise _Ended(CloseCode.NORMAL, "")
        if self._opened is None or request is None:
            return
        room = self._opened.room
        with guard(room):
            match request:
                case Update(n, data):
                    # Large ones pass the gate in slices, and nothing else of this client is read meanwhile.
                    for _ in room.updating(self, n, data):
                        await asyncio.sleep(0)
                case Presence():
                    room.present(self, request)
                case Setting(key, value):
                    room.set(self, key, value)
                case Resync(_, state_vector):
                    if not self._outbox.has_sync:
                        room.resync(self, state_vector)
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
                    self._ask(request, tasks)

    async def _join(self, hello: Hello) -> None:
        try:
            opened = await self._registry.open(self._room_name)
        except StoreError as error:
            _log.error("room %s is refused: %s", self._room_name, error)
            why = f": {error.reason}" if isinstance(error, StoreTrouble) else ""
            self.deliver(Fault(FaultCode.STORE, f"{self._room_name} cannot be opened{why}", _STORE_RETRY_MS))
            return
        self._opened = opened
        self._outbox.encoder = opened.encoder
        with guard(opened.room):
            opened.room.join(self, hello, self._admit(hello))
        self._ping()  # so that the others learn soon how far away it is
        if opened.room.is_over:
            # It broke down before this one had a seat, and so could say nothing to it.
            self.deliver(Fault(FaultCode.STORE, f"{self._room_name} is loaded again", _STORE_RETRY_MS))

    def _ask(self, question: AskAuthors, tasks: asyncio.TaskGroup) -> None:
        if not self._may_ask.take(time.monotonic()):
            self.deliver(Declined("too many questions at once: wait a moment"))
            return
        self._questions.append(question)
        if not self._is_answering:
            self._is_answering = True
            tasks.create_task(self._answer(), name="answer")

    async def _answer(self) -> None:
        """Answer the questions that wait. A task of its own: what else comes does not wait for the store."""
        while self._questions and self._opened is not None:
            question = self._questions.popleft()
            try:
                self.deliver(await self._registry.authors(self._opened, question.since))
            except StoreError as error:
                _log.error("who wrote in room %s is not known: %s", self._room_name, error)
                self.deliver(Declined("who wrote here cannot be read at present"))
        self._is_answering = False

    async def _write(self) -> None:
        # Of a link that has ended there may be more to read, a goodbye above all: the reader ends it all.
        with contextlib.suppress(ConnectionClosed):
            await self._write_on()

    async def _write_on(self) -> None:
        splitter = Splitter()
        while True:
            while (encoded := self._outbox.take()) is not None:
                for frame in splitter.split(encoded):
                    while (urgent := self._outbox.take_urgent()) is not None:
                        await self._send(urgent)
                    await self._send(frame)
            if self._last_word is not None:
                raise _Ended(*_closing(self._last_word))
            self._waits.clear()
            await self._waits.wait()

    async def _send(self, frame: bytes) -> None:
        self._sending_since = time.monotonic()
        await self._websocket.send(frame)
        self._sending_since = None

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout(limits.HELLO_TIMEOUT_S):
                await self._greeted.wait()
        except TimeoutError as error:
            raise _Ended(CloseCode.PROTOCOL_ERROR, "no Hello") from error
        while True:
            await asyncio.sleep(limits.SERVER_PING_S)
            now = time.monotonic()
            is_silent = now - self._heard_at >= limits.SERVER_DEAD_S
            if is_silent or (self._sending_since is not None and now - self._sending_since >= _PROGRESS_S):
                self.abort()
                raise _Ended(CloseCode.GOING_AWAY, "silent" if is_silent else "reads nothing")
            self._ping()

    def _ping(self) -> None:
        self._pings += 1
        self._pinged_at = time.monotonic()
        self._peer.ping(self._pings)
        self._flush()

    def _ponged(self, number: int) -> None:
        if number == self._pings and self._pinged_at is not None:
            self._round_trip_ms = round((time.monotonic() - self._pinged_at) * 1000)
            self._pinged_at = None

    def _flush(self) -> None:
        for message in self._peer.to_send():
            self._outbox.put(message)
        if self._outbox.is_hopeless and self._last_word is None and not self._is_given_up:
            _log.warning("session %d of room %s is too slow", self.session, self._room_name)
            self._is_given_up = True
            self._progress.set()
            self.abort()

    def _something_waits(self) -> None:
        self._waits.set()

    def _leave(self) -> None:
        if self._opened is not None:
            with guard(self._opened.room):
                self._opened.room.leave(self, is_bye=self._has_said_bye)
            self._registry.left(self._opened)


def _closing(last_word: Fault | Bye) -> tuple[CloseCode, str]:
    match last_word:
        case Fault(code, message):
            return _CLOSE_CODES.get(code, CloseCode.NORMAL), message
        case Bye(reason):
            return CloseCode.RESTART, reason


def _short(reason: str) -> str:
    """Return what of `reason` fits into a close frame: 123 bytes (RFC 6455 section 5.5)."""
    return reason.encode()[:120].decode(errors="ignore")
