"""A room on a bench: its log and its turns are worked by hand."""

from __future__ import annotations

from collections.abc import Callable

from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Hello, Message
from collab_protocol.presence import Role
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica
from collab_protocol.versions import VERSIONS
from collab_server.room import Room, RoomState
from collab_server.roster import Joiner
from collab_server.store.base import ChatLine, Row

LINEAGE = b"l" * 16
EPOCH = b"e" * 16


def hello(
    name: str = "ana",
    *,
    nonce: bytes | None = None,
    device: bytes | None = None,
    client_ids: tuple[int, ...] | None = None,
    colour: int | None = None,
    lineage: bytes | None = None,
    state_vector: bytes = EMPTY_STATE_VECTOR,
    versions: tuple[int, ...] = VERSIONS,
) -> Hello:
    """Return a Hello from a device of that person's; ana writes under 11, all others under 12."""
    device = name.encode().ljust(32, b".") if device is None else device
    client_ids = (
        ((11,) if name == "ana" else (12,) if name == "bo" else ()) if client_ids is None else client_ids
    )
    nonce = name.encode().ljust(16, b".") if nonce is None else nonce
    return Hello(versions, nonce, device, client_ids, name, colour, None, lineage, None, 0, state_vector)


class Guest:
    """A member that keeps what it is told."""

    answers_resync = True
    round_trip_ms: int | None = None

    def __init__(self, session: int) -> None:
        self.session = session
        self.told: list[Message] = []

    def deliver(self, message: Message) -> None:
        self.told.append(message)

    def take(self) -> list[Message]:
        """Return what was told since the last call."""
        told, self.told = self.told, []
        return told


class Bench:
    """A room, what it logged, and what it put off to the end of the turn or to a later time."""

    def __init__(
        self,
        *,
        limits: RoomLimits | None = None,
        is_new: bool = False,
        seq: int = 0,
        replica: Replica | None = None,
        bindings: dict[int, bytes] | None = None,
        chat: tuple[ChatLine, ...] = (),
        settings: dict[str, str] | None = None,
    ) -> None:
        self.now = 5000.0
        """Seconds, monotonic."""
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.rows: list[Row] = []
        self.lines: list[ChatLine] = []
        self.settings: list[tuple[str, str]] = []
        self.deferred: list[Callable[[], None]] = []
        self.replica = Replica(2) if replica is None else replica
        self._next_session = 100
        self.room = Room(
            RoomState(
                "notes", LINEAGE, EPOCH, seq, self.replica, settings or {}, is_new, bindings or {}, chat
            ),
            log=self,
            defer=self.deferred.append,
            later=lambda delay_s, call: self.timers.append((self.now + delay_s, call)),
            now=lambda: 1000.0,
            clock=lambda: self.now,
            is_durable=True,
            limits=RoomLimits() if limits is None else limits,
            draw_retry_ms=lambda: 700,
        )

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self.settings.append((key, value))

    def say(self, line: ChatLine) -> None:
        self.lines.append(line)

    def turn(self) -> None:
        """End the turn of the loop."""
        while self.deferred:
            self.deferred.pop(0)()

    def commit(self) -> None:
        """End the turn, and bring all rows and lines of chat to disk."""
        self.turn()
        self.room.committed(self.room.seq)
        lines, self.lines = self.lines, []
        for line in lines:
            self.room.said(line)

    def wait(self, seconds: float) -> None:
        """Let time pass, and run what was put off until then."""
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, call in sorted(due, key=lambda timer: timer[0]):
            call()

    def join(self, name: str = "ana", *, role: Role = Role.WRITE, principal: str | None = None) -> Guest:
        """Seat a guest, told of everything and with nothing left to read."""
        guest = self.knock(name, role=role, principal=principal)
        self.commit()
        for other in self.guests:
            other.take()
        return guest

    def knock(self, name: str = "ana", *, role: Role = Role.WRITE, principal: str | None = None) -> Guest:
        """Let a guest ask to come in; it keeps the answer."""
        guest = self.guest()
        self.room.join(guest, hello(name), Joiner(principal or f"device:{name}", role))
        return guest

    def guest(self) -> Guest:
        self._next_session += 1
        guest = Guest(self._next_session)
        self.guests.append(guest)
        return guest

    @property
    def guests(self) -> list[Guest]:
        return self.__dict__.setdefault("_guests", [])


class Writer:
    """A replica of a client, and the rows that it makes."""

    def __init__(self, client_id: int) -> None:
        self.replica = Replica(client_id)
        self.rows: list[bytes] = []
        self.replica.on_update = self.rows.append

    def type(self, text: str, at: int | None = None) -> bytes:
        """Type `text`, at the end unless told where; returns the row."""
        self.replica.edit(self.replica.size_utf8 if at is None else at, 0, text)
        return self.rows[-1]

    def delete(self, at: int, size: int) -> bytes:
        self.replica.edit(at, size, "")
        return self.rows[-1]
