"""What a store of rooms does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One update in a room's log: positions `first`..`last`, by whom, when (UTC seconds).

    `new_ids` are the client ids that write in this room for the first time with this row; they are bound
    to `device_hash` in the transaction that brings the row to disk.
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
class Snapshot:
    """A whole document at position `covered`."""

    covered: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room as it lies on disk: its newest snapshot, and the rows after it in order.

    `bindings` says for every client id that has written here which device (its hash) it belongs to.
    """

    name: str
    lineage: bytes
    snapshot: Snapshot | None
    rows: tuple[Row, ...]
    settings: dict[str, str]
    bindings: dict[int, bytes]


class Store(Protocol):
    """Bytes on disk. One thread at a time; every method raises StoreError when the disk fails."""

    @property
    def epoch(self) -> bytes:
        """The random id of this store's history (16 bytes)."""

    @property
    def is_durable(self) -> bool:
        """Whether what is written survives the process."""

    def create(self, room: str, lineage: bytes, now: float) -> bool:
        """Make `room` unless it is there already; returns whether this call made it."""

    def load(self, room: str) -> StoredRoom | None:
        """Return a room, or None when there is none of that name."""

    def write(self, rows: Sequence[Row], settings: Sequence[SettingRow]) -> None:
        """Bring rows and settings to disk in one transaction; they are durable on return."""

    def save_snapshot(self, room: str, snapshot: Snapshot) -> None:
        """Keep `snapshot` beside the one before it."""

    def probe(self) -> None:
        """Write something small, durably, to learn whether the disk takes it again."""

    def room_names(self) -> list[str]:
        """Return the names of all rooms, in order."""

    def close(self) -> None:
        """Close; nothing may be written after it."""
