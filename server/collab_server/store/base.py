"""What a store of rooms does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from collab_protocol.errors import StoreError

if TYPE_CHECKING:
    from collab_server.store.retention import Grounds


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


@dataclass(frozen=True, slots=True)
class StoredSize:
    """What is kept of one room: rows in its log, bytes of it and of its snapshots, times in UTC seconds.

    `changed` is when its newest row came, or when it was made. `seq` is where its log stands.
    """

    name: str
    created: float
    changed: float
    rows: int
    size_bytes: int
    seq: int


@dataclass(frozen=True, slots=True)
class Invite:
    """Leave to come into a room, that somebody was given (times in UTC seconds).

    `name` is the display name of whoever uses it; "" lets them choose. `expires` is when all that came of it
    ends, None for never; `use_by` when its first use must have been, None for a reusable one.
    """

    id: str
    room: str
    role: str
    name: str
    made_at: float
    expires: float | None
    use_by: float | None
    is_reusable: bool
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody who is kept out of a room until then (UTC seconds).

    `who` is "invite:ID", "device:" and the hash of its secret in hex, "key:" and the id of an SSH key, or an
    account such as "unix:ana"; `name` is what they were called.
    """

    room: str
    who: str
    name: str
    until: float


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """Who may come in, and who may not, as it lies on disk.

    `uses` are hashes of the devices that used an invite, by its id; `closed` are rooms by name.
    """

    invites: tuple[Invite, ...] = ()
    uses: dict[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    bans: tuple[Ban, ...] = ()
    closed: frozenset[str] = frozenset()


class StoreTrouble(StoreError):
    """The disk fails, whatever is written; it may take writes again later.

    The text is for the log. `reason` is for people who are in a room, and names no path of the server.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class LogInUse(StoreTrouble):
    """Another program reads the store, and what it reads has to stay in the log until it is done."""


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

    def room_count(self) -> int:
        """Return how many rooms there are. O(rooms), without reading them."""

    def survey(self, after: str, most: int) -> list[StoredSize]:
        """Return what is kept of `most` rooms at most whose names come after `after`. O(rows of theirs)."""

    def delete_room(self, room: str) -> bool:
        """Remove a room and all that belongs to it: text, chat, invites, bans; returns whether it was there.

        Its bytes may lie in the file until `scrub`.
        """

    def rewrite_room(
        self, room: str, lineage: bytes, snapshot: Snapshot, nobodys: Iterable[int] = ()
    ) -> None:
        """Let `snapshot`, under a new `lineage`, take the place of all that a room was; one transaction.

        Rows, authors, bound client ids, older snapshots and chat go; settings, invites and bans stay. The
        client ids `nobodys` are bound to no device that there is: whoever claimed them would appear as the
        text's author. The next row comes at `snapshot.covered + 1`. Old bytes may lie in the file until
        `scrub`.
        """

    def scrub(self) -> None:
        """Leave no byte in the store's files of what was deleted from it. O(file): it is written anew.

        Copies that a migration made are not touched: `migrations.list_backups` names them.

        Raises:
            LogInUse: all is done but the log; `empty_log` does that.
        """

    def empty_log(self) -> None:
        """Leave nothing in the log beside the store's file; does not wait for others.

        Raises:
            LogInUse: another program reads the store.
        """

    def keep_snapshots(self, grounds: Grounds) -> bool:
        """Keep what is to stand for rows that go; returns whether the room still is what it was then."""

    def trim_log(self, grounds: Grounds, most_rows: int) -> tuple[int, int] | None:
        """Remove some rows that may go, in one transaction; returns how many, and their bytes.

        (0, 0) when all have gone; None when they may not go any more: find out anew.
        """

    def give_back(self, pages: int) -> int:
        """Give so many of the pages that nothing is in back to the disk; returns how many are left to give.

        A file that an older collab made gives none back until `scrub` has written it anew.
        """

    def load_access(self) -> StoredAccess:
        """Return who may come in and who may not."""

    def add_invite(self, invite: Invite) -> None:
        """Keep a new invite."""

    def use_invite(self, invite_id: str, device_hash: bytes, at: float) -> bool:
        """Note that a device uses an invite; returns whether it may.

        False when the invite is not there or was revoked, and, unless it is reusable, when another device
        came first. A device may use it again. This decides, whoever else asks at the same time.
        """

    def revoke_invite(self, invite_id: str, at: float) -> None:
        """Note that an invite is good for nothing since `at`; one that was revoked before stays so."""

    def put_ban(self, ban: Ban) -> None:
        """Keep somebody out, in place of an earlier ban of the same."""

    def drop_ban(self, room: str, who: str) -> None:
        """Let somebody in again."""

    def set_closed(self, room: str, is_closed: bool) -> None:
        """Note whether only admins may come into a room."""

    def prune_access(self, before: float) -> None:
        """Remove what ended before then: bans; invites that expired, were revoked or not used in time."""

    def close(self) -> None:
        """Close; nothing may be written after it."""
