"""What a journal holds, and the steps by which it grows, as values."""

from __future__ import annotations

from dataclasses import dataclass

from collab_protocol.errors import StoreError


class JournalDamaged(StoreError):
    """The file does not read back; it was not changed."""


class JournalNewer(StoreError):
    """A newer collab wrote the file; it was not changed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose journal it is: the room, the server it is on, and the secret of the machine that made it."""

    server: str
    room: str
    device: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the queue; `client_id` is None for what came from the server. Times in UTC seconds."""

    client_id: int | None
    n: int
    data: bytes
    receipted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a journal holds. `lineage` and `epoch` are None while no server was ever reached."""

    origin: Origin
    lineage: bytes | None = None
    epoch: bytes | None = None
    seq: int = 0
    base: bytes | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsent:
    """What `collab status` says of a journal: rows without a receipt, and when the first was made."""

    origin: Origin
    rows: int
    since: float | None


@dataclass(frozen=True, slots=True)
class Own:
    """An own row was made, in a room of `lineage` as far as its process knows."""

    client_id: int
    n: int
    data: bytes
    at: float
    lineage: bytes | None


@dataclass(frozen=True, slots=True)
class Came:
    """The server of the room of `lineage` sent `data`; this end now stands at `seq`."""

    data: bytes
    seq: int
    lineage: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stands:
    """A server let us in: this is its room; which history it was is not known of a damaged journal."""

    lineage: bytes
    epoch: bytes | None


@dataclass(frozen=True, slots=True)
class Receipted:
    """Own rows of `client_id` up to `n` are on the server's disk."""

    client_id: int
    n: int
    at: float


@dataclass(frozen=True, slots=True)
class Anew:
    """The text begins again with what the server of the room of `lineage` sends next.

    `rows` are the own rows of this window's text, by client id and number. Without `aside` they stay, and
    count as not received. With it they belong to no room any more, for that reason; and so do those of other
    windows, when the room is another than the journal's.
    """

    at: float
    lineage: bytes
    epoch: bytes
    rows: tuple[tuple[int, int], ...]
    aside: str | None = None


@dataclass(frozen=True, slots=True)
class PutAside:
    """These own rows will never find their place, for that reason."""

    rows: tuple[tuple[int, int], ...]
    at: float
    reason: str


Step = Own | Came | Stands | Receipted | Anew | PutAside
