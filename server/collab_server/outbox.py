"""What waits for one connection: bounded, in order, and never an unbounded copy of a busy room.

A reader that falls behind loses Batches and carets, which it gets again by Resync, and answers that it
asked for too often; never Receipts or anything else. When what it was owed has left, an empty Batch shows
it the gap.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from collab_protocol.codec import encode
from collab_protocol.messages import (
    Authors,
    Batch,
    Bye,
    Declined,
    Fault,
    Message,
    Ping,
    Pong,
    Presence,
    Pulse,
    Sync,
)
from collab_server.meters import Meters
from collab_server.room_socket import framed

LAG_BYTES: Final = 1024 * 1024
"""Text waiting for one reader at most; past it the reader is lagging."""

LAG_S: Final = 2.0
"""… or the oldest of it waits so long: what it gets instead is less to send."""

LAG_MESSAGES: Final = 4096
"""… or so many wait: small ones take some 150 bytes each beside their own."""

OWED_BYTES: Final = 2 * 1024 * 1024
"""Everything waiting but text, Syncs and Authors; past it the reader is beyond help."""

OWED_MESSAGES: Final = 2 * LAG_MESSAGES
"""… and past so many, whatever they are, it is beyond help."""

_LARGE: Final = (Sync, Authors)
_LARGE_MOST: Final = 3
"""Syncs and Authors that wait at most, which nobody asks for again before they have come."""

_URGENT: Final = 16
"""Pings and Pongs that wait; the oldest go first, so that one who pings without reading fills nothing."""

_ANSWERS: Final = 16
"""Pulses and Declineds that wait: they cost little to ask for, and who does not read them fills nothing."""

_REPLACED: Final = 256
"""Carets that were replaced by newer ones are cleared away when so many lie in the queue."""


class BatchEncoder:
    """Encodes a Batch, Presence or Sync once for all who get it; one for each room's worth of connections."""

    def __init__(self) -> None:
        self._last: tuple[Message, bytes] | None = None
        self._last_large: tuple[Message, bytes] | None = None
        self._framed: tuple[bytes, bytes] = (b"", b"")

    def encode(self, message: Message) -> bytes:
        """Return the encoding of `message`; the newest of a Batch or Presence, and of a Sync, is kept."""
        if isinstance(message, Sync | Authors):
            if self._last_large is None or self._last_large[0] is not message:
                self._last_large = (message, encode(message))
            return self._last_large[1]
        if not isinstance(message, Batch | Presence):
            return encode(message)
        if self._last is None or self._last[0] is not message:
            self._last = (message, encode(message))
        return self._last[1]

    def framed(self, encoded: bytes) -> bytes:
        """Return what `encode` returned as a WebSocket frame; that of the newest is kept."""
        if self._framed[0] is not encoded:
            self._framed = (encoded, framed(encoded))
        return self._framed[1]


class _Waiting:
    """One message that waits, as bytes; an empty `encoded` says that a newer one has taken its place."""

    __slots__ = ("at", "encoded", "is_had_again", "kind", "session")

    def __init__(self, message: Message, encoded: bytes, at: float) -> None:
        self.kind = type(message)
        self.session = _session(message)
        self.is_had_again = _is_had_again(message)
        self.encoded = encoded
        self.at = at


class Outbox:
    """The queue between a room and one connection's socket."""

    def __init__(
        self,
        encoder: BatchEncoder,
        on_ready: Callable[[], None],
        *,
        lag_bytes: int = LAG_BYTES,
        clock: Callable[[], float] = time.monotonic,
        meters: Meters | None = None,
    ) -> None:
        """`on_ready` is called whenever something has been put; `lag_bytes` of text may wait."""
        self.encoder = encoder
        self._on_ready = on_ready
        self._lag_bytes = lag_bytes
        self._clock = clock
        self._meters = Meters() if meters is None else meters
        self._queue: deque[_Waiting] = deque()
        self._urgent: list[bytes] = []
        self._carets: dict[int, _Waiting] = {}
        self._replaced = 0
        self._text_bytes = 0
        self._owed_bytes = 0
        self._large_bytes = 0
        self._large = 0
        self._syncs = 0
        self._answers = 0
        self._is_large_leaving = False
        self._missed_to: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, and the reader has missed nothing."""
        return not (self._queue or self._urgent) and self._missed_to is None

    @property
    def is_lagging(self) -> bool:
        """Whether Batches were dropped that the reader does not know of yet."""
        return self._missed_to is not None

    @property
    def has_sync(self) -> bool:
        """Whether a Sync waits that the reader has not had; one who waits for it asks for no other."""
        return self._syncs > 0

    @property
    def has_large(self) -> bool:
        """Whether a Sync or an Authors waits, which may be as large as the room's history."""
        return self._large > 0

    @property
    def size_bytes(self) -> int:
        """Bytes that wait, the urgent ones aside."""
        return self._text_bytes + self._owed_bytes + self._large_bytes

    @property
    def is_hopeless(self) -> bool:
        """Whether so much is owed that may not be dropped that the connection must end."""
        return (
            self._owed_bytes > OWED_BYTES
            or self._large > _LARGE_MOST
            or len(self._queue) - self._replaced > OWED_MESSAGES
        )

    def put(self, message: Message) -> None:
        """Queue `message`: urgent ones ahead of all, carets instead of older ones of the same person."""
        if isinstance(message, Batch):
            self._put_batch(message)
        elif isinstance(message, Ping | Pong):
            del self._urgent[: max(0, len(self._urgent) + 1 - _URGENT)]
            self._urgent.append(encode(message))
        elif isinstance(message, Pulse | Declined) and self._answers >= _ANSWERS:
            return
        else:
            if isinstance(message, Presence) and self._missed_to is not None and not message.activity.is_over:
                self._forget_caret(_session(message))
                return  # nothing to stand on; with the Sync that this reader asks for it comes again
            if isinstance(message, Fault | Bye):
                self._drop_batches()
            if isinstance(message, Fault | Bye | Sync):
                # A Sync holds all that was dropped before it. An empty Batch after it could name the very
                # next row, and then it would not look like a gap: the reader would pass a row it lacks.
                self.catch_up()
            self._add(_Waiting(message, self.encoder.encode(message), self._clock()))
        self._on_ready()

    def catch_up(self) -> None:
        """Note that the reader need not be told any more of what it missed."""
        if self._missed_to is not None:
            self._missed_to = None
            self._meters.lagging -= 1

    def _add(self, waiting: _Waiting) -> None:
        if waiting.session is not None:
            self._forget_caret(waiting.session)
            self._carets[waiting.session] = waiting
        self._queue.append(waiting)
        self._count(waiting, 1)

    def take_urgent(self) -> bytes | None:
        """Return the next frame that may go between the Parts of another message."""
        return self._urgent.pop(0) if self._urgent else None

    def take(self) -> bytes | None:
        """Return the next encoded message, or None when nothing waits."""
        if self._urgent:
            return self._urgent.pop(0)
        self._is_large_leaving = False
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.encoded:
                self._replaced -= 1
                continue
            self._count(waiting, -1)
            if waiting.session is not None:
                self._carets.pop(waiting.session, None)
            self._is_large_leaving = waiting.kind in _LARGE
            return waiting.encoded
        if self._missed_to is None:
            return None
        missed = self._missed_to
        self.catch_up()
        return encode(Batch(missed, missed, ()))

    def _put_batch(self, batch: Batch) -> None:
        if self._missed_to is not None:
            self._missed_to = batch.last
            return
        encoded = self.encoder.encode(batch)
        now = self._clock()
        if self._text_bytes and (
            self._text_bytes + len(encoded) > self._lag_bytes
            or len(self._queue) >= LAG_MESSAGES
            or self._is_late(now)
        ):
            self._drop_batches()
            self._missed_to = batch.last
            self._meters.fell_behind += 1
            self._meters.lagging += 1
            return
        self._add(_Waiting(batch, encoded, now))

    def _is_late(self, now: float) -> bool:
        """Return whether what is next has waited too long; behind a Sync it is that one that takes long."""
        return not self._large and not self._is_large_leaving and now - self._queue[0].at > LAG_S

    def _drop_batches(self) -> None:
        """Drop Batches, and carets, which have nothing to stand on without them."""
        waiting = [each for each in self._queue if each.encoded]
        self._queue = deque(each for each in waiting if not each.is_had_again)
        self._replaced = 0
        for each in waiting:
            if each.is_had_again:
                self._count(each, -1)
                if each.session is not None:
                    self._carets.pop(each.session, None)

    def _forget_caret(self, session: int | None) -> None:
        older = None if session is None else self._carets.pop(session, None)
        if older is None:
            return
        self._count(older, -1)
        older.encoded = b""
        self._replaced += 1
        if self._replaced > _REPLACED:
            self._queue = deque([waiting for waiting in self._queue if waiting.encoded])
            self._replaced = 0

    def _count(self, waiting: _Waiting, change: int) -> None:
        """Note that one comes (1) or goes (-1)."""
        size = change * len(waiting.encoded)
        if waiting.kind is Batch:
            self._text_bytes += size
        elif waiting.kind in _LARGE:
            self._large_bytes += size
            self._large += change
            self._syncs += change if waiting.kind is Sync else 0
        else:
            self._owed_bytes += size
            self._answers += change if waiting.kind in (Pulse, Declined) else 0


def _session(message: Message) -> int | None:
    """Return whom a Presence is of."""
    return message.person.session if isinstance(message, Presence) and message.person is not None else None


def _is_had_again(message: Message) -> bool:
    """Return whether a reader that asks for a Resync gets it again."""
    return isinstance(message, Batch) or (isinstance(message, Presence) and not message.activity.is_over)
