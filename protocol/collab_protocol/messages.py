"""The messages of the wire, as values. `codec` turns them into bytes; docs/protocol.md tells their story."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from collab_protocol.errors import FaultCode
from collab_protocol.limits import RoomLimits
from collab_protocol.presence import Activity, Author, Caret, Person, Role, View


@dataclass(frozen=True, slots=True)
class Hello:
    """Client → server, first. What this session is, and what it has.

    `lineage` is None for an empty start, `epoch` too; `last_seq` is 0 then. `nonce` (16 bytes) names
    the session over its reconnects; `device` (32 bytes) is the secret of the machine's journal.
    """

    versions: tuple[int, ...]
    nonce: bytes = field(repr=False)
    device: bytes = field(repr=False)
    client_ids: tuple[int, ...]
    name: str
    colour: int | None
    token: str | None = field(repr=False)
    lineage: bytes | None
    epoch: bytes | None
    last_seq: int
    state_vector: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """Server → client: the room at `seq`, committed. A Sync to the same seq follows.

    `state_vector` is the server's, against which the client trims what it has not had receipts for.
    `is_new`: this Hello created the room. `is_durable` is False on a `--memory` server.
    """

    version: int
    session: int
    lineage: bytes
    epoch: bytes
    seq: int
    role: Role
    limits: RoomLimits
    is_durable: bool
    is_new: bool
    roster: tuple[Presence, ...]
    settings: tuple[tuple[str, str], ...]
    state_vector: bytes
    person: Person | None = None
    """Who the receiver is to the others; None from a server before version 3."""


@dataclass(frozen=True, slots=True)
class Update:
    """Client → server: own rows up to number `n`, merged and in order; nobody else's work."""

    n: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """Server → client: own rows up to `n` are on disk, the last of them at `seq`. Cumulative.

    `alone`: no Batch comes for that seq, because everything in it was the receiver's own.
    """

    n: int
    seq: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Server → clients: rows `first`..`last` of the log, committed; one squashed update per author.

    `entries` are (session of the author, update). Empty entries tell a lagging reader that it has
    fallen behind `last`.
    """

    first: int
    last: int
    entries: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """Both ways: carets and activity, seen when the sender's log stood at `seen`.

    From a client `person` is None; the server stamps it, so nobody can speak for another. `following` is the
    session whose view the sender follows, 0 for none; `view` is the sender's own (both since version 3).
    """

    person: Person | None
    carets: tuple[Caret, ...]
    seen: int
    activity: Activity
    following: int = 0
    view: View | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """Both ways: what the room shares beside its text (language, tab width, title). Last write wins."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Resync:
    """Either way: I cannot go on from `from_seq`; send what I lack against `state_vector`.

    The answer is a Sync. A client's holds no text: it says that all rows without a receipt come again
    behind it, so that the server can tell them from those that it did not take (since version 2).
    """

    from_seq: int
    state_vector: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """Either way: with `update` the receiver stands at `seq`; `state_vector` is the sender's."""

    seq: int
    state_vector: bytes
    update: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """Client → server, with nothing unsent: at `seq` my lines have this SHA-256 (of the text in UTF-8).

    A server whose committed head is `seq` and whose text has another answers with a Fault `diverged`;
    in all other cases it says nothing. Since version 2.
    """

    seq: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """Server → client: what keeps it from storing, in words for a person; empty when that is over.

    Meanwhile it takes no Updates; behind the empty one comes a Resync, which asks for them again.
    Since version 2.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Say:
    """Client → server: a line of chat, at most `limits.CHAT_CHARACTERS` long. Since version 3."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """Server → client: line `n` of the room's chat, on disk, said at `at_ms` (UTC). Since version 3.

    The newest of them follow the first Sync of a link, in order; later ones, `is_new`, come as they are said.
    """

    n: int
    at_ms: int
    author: Author
    text: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Look:
    """Both ways: look where I am. The server stamps `person`, whose caret is the one that it said last.

    Since version 3.
    """

    person: Person | None


@dataclass(frozen=True, slots=True)
class AskAuthors:
    """Client → server: who wrote in this room? Answered with Authors. Since version 3.

    With `since`: in rows after that one; else: ever, and under which client ids.
    """

    since: int | None


@dataclass(frozen=True, slots=True)
class Authors:
    """Server → client: who wrote since `since`, by the log, which no client can change. Since version 3.

    `ids` is for a question without `since`: packed pairs of a client id and an index into `people`
    (`pack_ids`, `unpacking_ids`).
    """

    since: int | None
    people: tuple[Author, ...]
    ids: bytes


@dataclass(frozen=True, slots=True)
class AskPulse:
    """Client → server: how far away is everybody? Answered with Pulse. Since version 3."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Server → client: (session, round-trip time to the server in ms) where it is known. Since version 3."""

    entries: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """Server → client: something small that was asked for is not done, for the reason in `message`.

    The session goes on. Since version 3.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Credential:
    """Server → client: say this as the token from now on, in place of the invite, which may be spent.

    `expires_ms` is when it ends (UTC, by the server's clock); None for never. Comes before Welcome. Since
    version 4.
    """

    token: str = field(repr=False)
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Kick:
    """Client → server, of an admin: send `session` away, and let nobody like it back in for `ban_s` seconds.

    Answered with Declined when it is not done. Since version 4.
    """

    session: int
    ban_s: int


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """Client → server, of an admin: send everybody away and let in none but admins until it is opened again.

    With `is_closed` False: open it again. Since version 4.
    """

    is_closed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Either way: piece `index` of `of` of the encoded message number `id`; 32 KiB each but the last."""

    id: int
    index: int
    of: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Server → client, last: the session ends. With `retry_ms` one may come again after it, else not."""

    code: FaultCode
    message: str
    retry_ms: int | None


@dataclass(frozen=True, slots=True)
class Bye:
    """Either way, last: a clean goodbye. A server that restarts says when to come back."""

    reason: str
    retry_ms: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """Either way: answer with a Pong of the same `id`."""

    id: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Either way: the answer to a Ping."""

    id: int


Message = (
    Hello
    | Welcome
    | Update
    | Receipt
    | Batch
    | Presence
    | Setting
    | Resync
    | Sync
    | Check
    | Trouble
    | Say
    | Said
    | Look
    | AskAuthors
    | Authors
    | AskPulse
    | Pulse
    | Declined
    | Credential
    | Kick
    | CloseRoom
    | Part
    | Fault
    | Bye
    | Ping
    | Pong
)


_ID: Final = struct.Struct(">QH")


def pack_ids(ids: Iterable[tuple[int, int]]) -> bytes:
    """Return pairs of a client id and an index as Authors carries them: 8 and 2 bytes, big-endian."""
    return b"".join(_ID.pack(client_id, index) for client_id, index in ids)


def unpacking_ids(packed: bytes) -> Iterator[tuple[int, int]]:
    """Yield the pairs of client id and index; what is left over at the end is passed over."""
    whole = memoryview(packed)[: len(packed) // _ID.size * _ID.size]
    yield from _ID.iter_unpack(whole)
