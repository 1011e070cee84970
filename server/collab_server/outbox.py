"""What waits for one connection: bounded, in order, and never an unbounded copy of a busy room.

A reader that falls behind loses Batches and carets, which it gets again by Resync, and answers that it
asked for too often; never Receipts or anything else. When what it was owed has left, an empty Batch shows
it the gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from collab_protocol.codec import encode
from collab_protocol.messages import Batch, Bye, Declined, Fault, Message, Ping, Pong, Presence, Pulse, Sync

LAG_BYTES: Final = 1024 * 1024
"""Text waiting for one reader at most; past it the reader is lagging."""

OWED_BYTES: Final = 8 * 1024 * 1024
"""Everything waiting but Syncs; past it the reader is beyond help."""

_URGENT: Final = 16
"""Pings and Pongs that wait; the oldest go first, so that one who pings without reading fills nothing."""

_ANSWERS: Final = 16
"""Pulses and Declineds that wait: they cost little to ask for, and who does not read them fills nothing."""


class BatchEncoder:
    """Encodes a Batch or Presence once for all who get it; one for each room's worth of connections."""

    def __init__(self) -> None:
        self._last: tuple[Batch | Presence, bytes] | None = None

    def encode(self, message: Message) -> bytes:
        """Return the encoding of `message`; that of the newest Batch or Presence is kept."""
        if not isinstance(message, Batch | Presence):
            return encode(message)
        if self._last is None or self._last[0] is not message:
            self._last = (message, encode(message))
        return self._last[1]


class Outbox:
    """The queue between a room and one connection's writer."""

    def __init__(
        self, encoder: BatchEncoder, on_ready: Callable[[], None], *, lag_bytes: int = LAG_BYTES
    ) -> None:
        """`on_ready` is called whenever something has been put; `lag_bytes` of text may wait."""
        self.encoder = encoder
        self._on_ready = on_ready
        self._lag_bytes = lag_bytes
        self._queue: deque[tuple[Message, bytes]] = deque()
        self._urgent: deque[bytes] = deque(maxlen=_URGENT)
        self._text_bytes = 0
        self._other_bytes = 0
        self._answers = 0
        self._missed_to: int | None = None

    @property
    def is_lagging(self) -> bool:
        """Whether Batches were dropped that the reader does not know of yet."""
        return self._missed_to is not None

    @property
    def has_sync(self) -> bool:
        """Whether a Sync waits that the reader has not had; one who waits for it asks for no other."""
        return any(isinstance(message, Sync) for message, _ in self._queue)

    @property
    def size_bytes(self) -> int:
        """Bytes that wait, the urgent ones aside."""
        return self._text_bytes + self._other_bytes

    @property
    def is_hopeless(self) -> bool:
        """Whether so much is owed that may not be dropped that the connection must end."""
        if self._other_bytes <= OWED_BYTES:
            return False
        return self._other_bytes > OWED_BYTES + max(map(len, (data for _, data in self._queue)), default=0)

    def put(self, message: Message) -> None:
        """Queue `message`: urgent ones ahead of all, carets instead of older ones of the same person."""
        if isinstance(message, Ping | Pong):
            self._urgent.append(encode(message))
        elif isinstance(message, Pulse | Declined) and self._answers >= _ANSWERS:
            return
        elif isinstance(message, Batch):
            self._put_batch(message)
        else:
            if isinstance(message, Presence):
                self._drop_older(message)
                if self._missed_to is not None and not message.activity.is_over:
                    return  # nothing to stand on; with the Sync that this reader asks for it comes again
            if isinstance(message, Fault | Bye):
                self._drop_batches()
            if isinstance(message, Fault | Bye | Sync):
                # A Sync holds all that was dropped before it. An empty Batch after it could name the very
                # next row, and then it would not look like a gap: the reader would pass a row it lacks.
                self._missed_to = None
            encoded = self.encoder.encode(message)
            self._queue.append((message, encoded))
            self._other_bytes += len(encoded)
            self._answers += isinstance(message, Pulse | Declined)
        self._on_ready()

    def take_urgent(self) -> bytes | None:
        """Return the next frame that may go between the Parts of another message."""
        return self._urgent.popleft() if self._urgent else None

    def take(self) -> bytes | None:
        """Return the next encoded message, or None when nothing waits."""
        if self._urgent:
            return self._urgent.popleft()
        if not self._queue:
            if self._missed_to is None:
                return None
            missed, self._missed_to = self._missed_to, None
            return encode(Batch(missed, missed, ()))
        message, encoded = self._queue.popleft()
        self._count(message, -len(encoded))
        self._answers -= isinstance(message, Pulse | Declined)
        return encoded

    def _put_batch(self, batch: Batch) -> None:
        if self._missed_to is not None:
            self._missed_to = batch.last
            return
        encoded = self.encoder.encode(batch)
        if self._text_bytes and self._text_bytes + len(encoded) > self._lag_bytes:
            self._drop_batches()
            self._missed_to = batch.last
            return
        self._queue.append((batch, encoded))
        self._text_bytes += len(encoded)

    def _drop_batches(self) -> None:
        """Drop Batches, and carets, which have nothing to stand on without them."""
        kept = [(message, encoded) for message, encoded in self._queue if not _is_had_again(message)]
        self._queue = deque(kept)
        self._text_bytes = 0
        self._other_bytes = sum(len(encoded) for _, encoded in kept)

    def _drop_older(self, newer: Presence) -> None:
        if newer.person is None:
            return
        session = newer.person.session
        for index, (message, encoded) in enumerate(self._queue):
            if isinstance(message, Presence) and message.person and message.person.session == session:
                del self._queue[index]
                self._count(message, -len(encoded))
                return

    def _count(self, message: Message, change: int) -> None:
        if isinstance(message, Batch):
            self._text_bytes += change
        else:
            self._other_bytes += change


def _is_had_again(message: Message) -> bool:
    """Return whether a reader that asks for a Resync gets it again."""
    return isinstance(message, Batch) or (isinstance(message, Presence) and not message.activity.is_over)
