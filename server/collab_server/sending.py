"""What goes out to one client: from its outbox to its socket, as much as that takes and not more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from collab_protocol import limits
from collab_protocol.codec import Splitter
from collab_protocol.messages import Authors, Batch, Bye, Fault, Message, Sync
from collab_server.allowance import Holdings
from collab_server.meters import Meters
from collab_server.outbox import BatchEncoder, Outbox
from collab_server.room_socket import RoomSocket

_PROGRESS_S: Final = 30.0
"""A reader that takes nothing for so long is given up, whatever it says meanwhile (DESIGN section 5); so is
one that has not taken a last word by then."""


class Sending:
    """One client's outbox, and the Parts of the message that is leaving it."""

    def __init__(self, websocket: RoomSocket, holdings: Holdings, meters: Meters) -> None:
        """`holdings` bounds what all connections have waiting of large messages."""
        self.outbox = Outbox(BatchEncoder(), _nothing, meters=meters)
        self._meters = meters
        self.last_word: Fault | Bye | None = None
        """Nothing is said after it."""
        self.progressed_at = time.monotonic()
        """When the other end was last seen to take something."""
        self._websocket = websocket
        self._holdings = holdings
        self._held: list[bytes] = []
        self._splitter = Splitter()
        self._parts: Iterator[bytes] | None = None
        self._full_at: float | None = None
        self._last_word_at: float | None = None
        self._waiting_before = 0

    def put(self, messages: Iterable[Message]) -> None:
        """Queue messages, none after the last word."""
        for message in messages:
            if self.last_word is not None:
                return
            self.outbox.put(message)
            if isinstance(message, Fault | Bye):
                self.last_word, self._last_word_at = message, time.monotonic()

    def holds(self, message: Sync | Authors) -> bool:
        """Return whether a message that may be large may wait here, beside all that waits elsewhere."""
        encoded = self.outbox.encoder.encode(message)
        if len(encoded) <= limits.PART_BYTES:
            return True
        if not self._holdings.hold(encoded):
            return False
        self._held.append(encoded)
        return True

    def let_go(self) -> None:
        """Note that nothing large waits here any more."""
        for encoded in self._held:
            self._holdings.let_go(encoded)
        self._held.clear()

    def pass_on(self, batch: Batch) -> bool:
        """Write a Batch if it may go out just so, which is most of what a server does in a busy room."""
        outbox, websocket = self.outbox, self._websocket
        if not outbox.is_empty or self._parts is not None or not websocket.is_open or websocket.is_full:
            return False
        encoded = outbox.encoder.encode(batch)
        if len(encoded) <= limits.PART_BYTES:
            self._write_frame(outbox.encoder.framed(encoded))
        else:
            self._parts = self._splitter.splitting(encoded)
            self.write()
        return True

    def write(self) -> bool:
        """Write as much as the socket takes; returns whether all has left."""
        websocket = self._websocket
        if not websocket.is_open:
            return False
        while not websocket.is_full:
            frame = self._next_frame()
            if frame is None:
                self.let_go()
                return True
            self._write_frame(frame)
        if self._full_at is None:
            self._full_at = time.monotonic()
        return False

    def took_some(self) -> None:
        """Note that the socket takes frames again."""
        self.progressed_at = time.monotonic()
        self._full_at = None

    def is_stuck(self, now: float) -> bool:
        """Return whether the other end has taken nothing for too long; to be asked again and again."""
        waiting, before = self._websocket.waiting_bytes, self._waiting_before
        self._waiting_before = waiting
        if waiting < before:
            self.progressed_at = now
        if self._last_word_at is not None:
            return now - self._last_word_at >= _PROGRESS_S
        return self._full_at is not None and now - max(self._full_at, self.progressed_at) >= _PROGRESS_S

    def _write_frame(self, frame: bytes) -> None:
        self._meters.messages_sent += 1
        self._meters.bytes_sent += len(frame)
        self._websocket.write(frame)

    def _next_frame(self) -> bytes | None:
        """Return what goes out next: of a large message a Part, with what is urgent between two."""
        encoder = self.outbox.encoder
        if self._parts is not None:
            urgent = self.outbox.take_urgent()
            if urgent is not None:
                return encoder.framed(urgent)
            part = next(self._parts, None)
            if part is not None:
                return encoder.framed(part)
            self._parts = None
        encoded = self.outbox.take()
        if encoded is None:
            return None
        if len(encoded) <= limits.PART_BYTES:
            return encoder.framed(encoded)
        self._parts = self._splitter.splitting(encoded)
        return self._next_frame()


def _nothing() -> None:
    """Stand in for one who waits to hear of what is queued: it is written at once."""
