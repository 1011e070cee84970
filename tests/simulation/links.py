"""Connections of a simulated world: frames under way, and the server's end of each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from collab_protocol.codec import Assembler, Splitter
from collab_protocol.messages import (
    Bye,
    Check,
    Fault,
    Hello,
    Message,
    Presence,
    Resync,
    Setting,
    Sync,
    Update,
)
from collab_protocol.peer_sync import PeerSync, Request
from collab_protocol.presence import Role
from collab_server.outbox import BatchEncoder, Outbox
from collab_server.room import Room
from collab_server.roster import Joiner

LAG_BYTES = 300
"""So little text may wait for one reader that many fall behind."""


@dataclass
class Link:
    """One connection: frames under way in both directions. A broken one may still deliver a tail upwards.

    A half-open one delivers nothing one way, for a while.
    """

    up: deque[bytes] = field(default_factory=deque)
    down: deque[bytes] = field(default_factory=deque)
    is_broken: bool = False
    is_up_dead: bool = False
    is_down_dead: bool = False


class Peer:
    """The server's end of one link: what a connection is to the room."""

    round_trip_ms: int | None = None

    def __init__(self, link: Link, session: int, parted: set[int] | None = None) -> None:
        """`parted` collects the sessions that ended with a goodbye, or were sent away for good."""
        self.session = session
        self.link = link
        self.sync = PeerSync(session=session)
        self._parted = set() if parted is None else parted
        self.is_closed = False
        self.outbox = Outbox(BatchEncoder(), lambda: None, lag_bytes=LAG_BYTES)
        self._assembler = Assembler()
        self._splitter = Splitter()

    @property
    def answers_resync(self) -> bool:
        return self.sync.version >= 2

    def deliver(self, message: Message) -> None:
        self.sync.deliver(message)
        self.flush()
        if isinstance(message, Fault | Bye):
            if message.retry_ms is None:
                self._parted.add(self.session)
            self.is_closed = True
            self.write()

    def flush(self) -> None:
        for message in self.sync.to_send():
            self.outbox.put(message)

    def write(self, count: int | None = None) -> bool:
        """Let the connection's writer send `count` messages, or all; returns whether there were any."""
        written = 0
        while written != count and (encoded := self.outbox.take()) is not None:
            self.link.down.extend(self._splitter.split(encoded))
            written += 1
        return written > 0

    def feed(self, room: Room, frame: bytes) -> None:
        """Take one frame. Raises: ProtocolError: the room takes it for hostile."""
        message = self._assembler.feed(frame)
        if message is None:
            return
        request = self.sync.receive(message)
        match request:
            case Hello():
                principal = "device:" + request.device.hex()[:12]
                room.join(self, request, Joiner(principal=principal, role=Role.WRITE))
            case Update(n, data):
                room.update(self, n, data)
            case Presence():
                room.present(self, request)
            case Setting(key, value):
                room.set(self, key, value)
            case Resync(from_seq, state_vector):
                room.resync(self, state_vector, from_seq)
            case Sync():
                room.sends_again(self)
            case Check(seq, sha256):
                room.check(self, seq, sha256)
            case Bye():
                self._parted.add(self.session)
                room.leave(self, is_bye=True)
                self.is_closed = True
            case None:
                pass
            case _:
                self.ask(room, request)
        self.flush()

    def ask(self, room: Room, request: Request) -> None:
        """Take what has nothing to do with the text: nobody in a simulation asks for it."""
