"""What a store of rooms does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collab_protocol.errors import StoreError


@dataclass(frozen=True, slots=True)
class Row:
    """One update in a room's log: positions `first`..`last`, by whom, when (UTC seconds).

    `new_ids` are the client ids that write in this room for the first time with this row; they are bound
    to `device_hash`, and to who it was, in the transaction that brings the row to disk.
    """

    room: str
    first: int
    last: int
    session: int
    principal: str
    name: str
    device_hash: bytes
    at: float
    data: bytes
    new_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of a room, as it was made when the log stood at `seq`."""

    room: str
    key: str
    value: str
    seq: int


@dataclass(frozen=True, slots=True)
class ChatLine:
    """Line `n` of a room's chat: said by whom, when (UTC seconds)."""

    room: str
    n: int
    at: float
    principal: str
    name: str
    colour: int
    text: str


@dataclass(frozen=True, slots=True)
class Writers:
    """Who wrote in a room, as (principal, name), the newest first.

    `ids` are pairs of a client id and the index of who writes under it.
    """

    people: tuple[tuple[str, str], ...]
    ids: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole document at position `covered`."""

    covered: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room as it lies on disk: its newest snapshot, and the rows after it in order.

    `bindings` says for every client id that has written here which device (its hash) it belongs to; `chat`
    has the newest lines, as many as a newcomer is shown.
    """

    name: str
    lineage: bytes
    snapshot: Snapshot | None
    rows: tuple[Row, ...]
    settings: dict[str, str]
    bindings: dict[int, bytes]
    chat: tuple[ChatLine, ...] = ()


class StoreTrouble(StoreError):
    """The disk fails, whatever is written; it may take writes again later.

    The text is for the log. `reason` is for people who are in a room, and names no path of the server.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Store(Protocol):
    """Bytes on disk. One thread at a time.

    Every method raises StoreTrouble when the disk fails, and plain StoreError when it is what was asked
    for that cannot be done.
    """

    @property
    def epoch(self) -> bytes:
        """The random id of this store's history (16 bytes)."""

    @property
    def is_durable(self) -> bool:
        """Whether what is written survives the process."""

    def create(self, room: str, lineage: bytes, now: float) -> bool:
        """Make `room` unless it is there already; returns whether this call made it."""

    def load(self, room: str, *, before: int | None = None) -> StoredRoom | None:
        """Return a room, or None when there is none of that name. Writes nothing.

        `before` passes over the snapshots at that position and later, with which something is wrong.
        """

    def write(
        self, rows: Sequence[Row], settings: Sequence[SettingRow], chat: Sequence[ChatLine] = ()
    ) -> None:
        """Bring rows, their new client ids, settings and chat to disk in one transaction; durable on return.

        A client id that is bound already stays with the device that it has. Of the chat of a room the newest
        `limits.CHAT_KEPT` lines are kept.
        """

    def writers(self, room: str, since: int | None) -> Writers:
        """Return who wrote in rows after `since`; for None who ever did, and under which client ids.

        The newest `limits.AUTHORS` people; ids of others are left out. Costs O(sessions that ever wrote).
        """

    def save_snapshot(self, room: str, snapshot: Snapshot) -> None:
        """Keep `snapshot` beside the one before it."""

    def probe(self) -> None:
        """Write something small, durably, to learn whether the disk takes it again."""

    def room_names(self) -> list[str]:
        """Return the names of all rooms, in order."""

    def close(self) -> None:
        """Close; nothing may be written after it."""
