"""Reading a store through, to learn whether all of it comes back: each log, each snapshot, whose each id is.

Nothing is changed, nothing is migrated, and one room is in memory at a time. What a damaged disk left is
never handed to the CRDT as it is: it would end the process, so each row passes the gate first.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from collab_protocol.errors import CollabError, StoreError, UpdateError
from collab_protocol.gate import Gate, Verdict, decode_state_vector
from collab_protocol.text import Replica
from collab_server.store.base import Snapshot
from collab_server.store.digests import altered
from collab_server.store.schema import VERSION
from collab_server.store.shape import check_shape, odd_values

STORE: Final = "rooms.sqlite3"
"""What the file of a store is called in its folder."""

_BUSY_S: Final = 5.0
"""How long a lock of another program is waited for."""

_COMPLAINTS: Final = 10
"""Faults of one kind that are told one by one."""

_TABLES: Final = ("store", "room", "row", "author", "snapshot", "setting")
"""What every format has had."""

_OF_ROOMS: Final = ("row", "author", "snapshot", "setting", "binding", "chat")

_OF_ACCESS: Final = ("store", "invite", "invite_use", "ban", "closed")

_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite says of a schema that is damaged has pieces of it, and these may be no text."""

_FORGOTTEN: Final = 1
"""Where the snapshot stands that is all of a room whose history was erased (`erasing`)."""

_BINDINGS_SINCE: Final = 2
"""The format that first noted whose each client id is."""


class NoSuchRoom(CollabError):
    """There is no room of that name in the file."""


@dataclass(frozen=True, slots=True)
class State:
    """What a document is at a position: its text, and up to where each client id has written."""

    sha256: bytes
    text_bytes: int
    clocks: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class RoomFound:
    """A room as it was read; `wrong` says, a line each, what is not as it must be.

    `seq` is the last row. `rows` are those in the log, of `row_bytes`.
    """

    room: str
    seq: int
    rows: int
    row_bytes: int
    snapshots: int
    text_bytes: int
    wrong: tuple[str, ...] = ()


class Document:
    """A document that grows row by row, each judged before it is applied. Close it."""

    def __init__(self, base: bytes | None = None) -> None:
        """Begin empty, or with a snapshot, whose bytes are known to be whole.

        Raises:
            StoreError: it cannot be read.
        """
        self._replica = Replica(secrets.randbelow(2**31 - 2) + 2)
        try:
            if base is not None:
                self._replica.apply(base)
            self._gate = Gate(self._replica)
        except UpdateError as error:
            self._replica.close()
            raise StoreError(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._replica.close()

    def apply(self, data: bytes) -> None:
        """Apply a row.

        Raises:
            StoreError: it does not go on from what is here, or is no row at all.
        """
        judgement = self._gate.judge(data, may_try=False)
        if judgement.verdict is Verdict.KNOWN:
            raise StoreError("it brings nothing new, as no row does")
        if judgement.verdict is not Verdict.ACCEPT:
            raise StoreError(judgement.reason)
        try:
            self._replica.apply(data)
        except UpdateError as error:
            raise StoreError(str(error)) from error
        self._gate.applied(judgement)

    def state(self) -> State:
        """Return what stands here now. O(document)."""
        text = self._replica.text().encode("utf-8", "surrogatepass")
        clocks = decode_state_vector(self._replica.state_vector())
        return State(hashlib.sha256(text).digest(), len(text), clocks)

    def snapshot(self, covered: int) -> Snapshot:
        """Return all of it as a snapshot, read back and compared.

        Raises:
            StoreError: it reads back as something else.
        """
        snapshot = Snapshot(covered, self._replica.update_since())
        with Document(snapshot.data) as copy:
            if copy.state() != self.state():
                raise StoreError(f"a snapshot at {covered} reads back as another text")
        return snapshot


@dataclass(frozen=True, slots=True)
class FileFound:
    """A store as it was read; `wrong` is what is not as it must be of the file as a whole.

    `altered` is what a backup no longer has as it was made, though all of it can be read.
    """

    version: int
    rooms: tuple[RoomFound, ...]
    wrong: tuple[str, ...]
    altered: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.wrong or self.altered or any(room.wrong for room in self.rooms))


def store_in(path: Path) -> Path:
    """Return the file of a store: the one in `path`, when that is a folder, else `path`."""
    try:
        return path / STORE if path.is_dir() else path
    except OSError:
        return path  # it is told when it is opened


def verify(
    path: Path, rooms: Sequence[str] = (), *, on_room: Callable[[RoomFound], None] = lambda _: None
) -> FileFound:
    """Read a store through, or these rooms of it; a server may be running on it.

    `on_room` is called for each room as soon as it was read.

    Raises:
        NoSuchRoom: there is none of a name in `rooms`.
        StoreError: it is no store, a newer collab wrote it, or it cannot be opened.
    """
    with reading(path) as db:
        with at_one_moment(db):
            names = room_names(db)
            for room in rooms:
                if room not in names:
                    raise NoSuchRoom(f"there is no room {room} in {path}")
            wrong = _what_can_be_read(db, check_file)
            changed = [] if wrong else _what_can_be_read(db, altered)
        found: list[RoomFound] = []
        for name in rooms or names:
            with contextlib.suppress(NoSuchRoom), at_one_moment(db):  # deleted since
                found.append(_check_room_that_may_be_damaged(db, name))
                on_room(found[-1])
        return FileFound(format_of(db), tuple(found), tuple(wrong), tuple(changed))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store to read it, whoever else has it open, and whichever format it is in up to ours.

    Raises:
        StoreError: it is no store, a newer collab wrote it, or it cannot be read, now or in the block.
    """
    try:
        if not path.is_file():
            raise StoreError(f"there is no {path}")
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
        ) as db:
            db.execute("PRAGMA trusted_schema = OFF")
            check_format(db, path)
            yield db
    except (*_UNREADABLE, PermissionError) as error:
        why = error.strerror if isinstance(error, PermissionError) else error
        raise StoreError(f"{path} cannot be read: {why}") from error


def format_of(db: sqlite3.Connection) -> int:
    """Return the format of a store."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Check that it is a store, of a format that we know.

    Raises:
        StoreError: it is not; the text says what to do.
    """
    version = format_of(db)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer collab (format {version}, this one knows {VERSION}):"
            " upgrade collab"
        )
    if version < 1 or not tables.issuperset(_TABLES):
        raise StoreError(f"{path} is no store of collab's rooms")


@contextlib.contextmanager
def at_one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """Read all that is read in the block as it is on disk now, whatever is written meanwhile."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def room_names(db: sqlite3.Connection) -> list[str]:
    """Return the names of all rooms, in order."""
    return [name for (name,) in db.execute("SELECT name FROM room ORDER BY name")]


def last_seq(db: sqlite3.Connection, room: str) -> int:
    """Return the position of a room: its last row, or what its newest snapshot stands for. O(log rows)."""
    row = db.execute("SELECT last FROM row WHERE room = ? ORDER BY first DESC LIMIT 1", (room,)).fetchone()
    covered = db.execute("SELECT max(covered) FROM snapshot WHERE room = ?", (room,)).fetchone()[0]
    return max(0 if row is None else row[0], covered or 0)


def check_file(db: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the file as a whole, a line each. O(file)."""
    wrong = [
        f"the file: {said}"
        for (said,) in db.execute(f"PRAGMA integrity_check({_COMPLAINTS})")
        if said != "ok"
    ]
    if wrong:
        return wrong
    (odd,) = db.execute(
        "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE 'CREATE VIRTUAL %'"
    ).fetchone()
    if odd:
        wrong.append("the file has triggers, views or virtual tables, which no collab makes")
    if wrong := [*wrong, *check_shape(db)]:
        return wrong
    (stores,) = db.execute("SELECT count(*) FROM store WHERE length(epoch) = 16").fetchone()
    if stores != 1:
        wrong.append("the file does not say which store it is")
    for table in _OF_ACCESS:
        wrong += odd_values(db, table)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in _OF_ROOMS:
        if table in tables:
            wrong += [
                f"{table}: there is something of room {room}, and no such room"
                for room in _named_in(db, table)
                if db.execute("SELECT 1 FROM room WHERE name = ?", (room,)).fetchone() is None
            ]
    return wrong


def check_room(db: sqlite3.Connection, room: str) -> RoomFound:
    """Read a room in every way that there is, and compare.

    From each snapshot with the rows after it, and from the first row where the log has that, the same text
    has to come.

    Raises:
        NoSuchRoom: there is none of that name.
        sqlite3.Error: the file cannot be read.
    """
    if db.execute("SELECT 1 FROM room WHERE name = ?", (room,)).fetchone() is None:
        raise NoSuchRoom(f"there is no room {room}")
    odd = [
        line
        for table, key in (("room", "name"), *((table, "room") for table in _OF_ROOMS))
        for line in odd_values(db, table, key, room)
    ]
    if odd:
        return RoomFound(room, 0, 0, 0, 0, 0, tuple(odd))
    log = _check_log(db, room)
    wrong = list(log.wrong)
    whole = dict[int, bytes]()
    covered: list[int] = []
    for at, data, digest in db.execute(
        "SELECT covered, CAST(data AS BLOB), sha256 FROM snapshot WHERE room = ? ORDER BY covered", (room,)
    ):
        covered.append(at)
        if hashlib.sha256(data).digest() == digest:
            whole[at] = data
        else:
            wrong.append(f"the snapshot at {at} is damaged")
    seq = last_seq(db, room)
    # What was forgotten leaves a snapshot and no log; else the newest row always stays.
    if covered and log.last < covered[-1] and (log.rows or covered != [_FORGOTTEN]):
        wrong.append(f"the log ends at {log.last}, before the snapshot at {covered[-1]}")
    if not (log.begins == 1 or any(at >= log.begins - 1 for at in whole) or not (log.rows or covered)):
        wrong.append(f"its log begins at {log.begins}, and no snapshot has what was before")
    states = _states(db, room, whole, log, wrong)
    newest = next(iter(states.values()), None)
    for name, state in states.items():
        if newest is not None and state != newest:
            what = "text" if state.sha256 != newest.sha256 else "history"
            wrong.append(f"{name}, it has another {what} than {next(iter(states))}")
    if newest is not None and format_of(db) >= _BINDINGS_SINCE:
        wrong += _check_bindings(db, room, newest.clocks)
    text_bytes = 0 if newest is None else newest.text_bytes
    return RoomFound(room, seq, log.rows, log.size, len(covered), text_bytes, tuple(wrong))


def rows_after(
    db: sqlite3.Connection, room: str, after: int, *, at_once: int = 50
) -> Iterator[tuple[int, int, bytes]]:
    """Yield first, last and content of the rows after a position, in order.

    A few are read at a time: nothing is held open between these.
    """
    begin = db.execute(
        "SELECT max(first) FROM row WHERE room = ? AND first <= ?", (room, after + 1)
    ).fetchone()[0]
    next_first = begin or 0
    while found := db.execute(
        "SELECT first, last, CAST(data AS BLOB) FROM row WHERE room = ? AND first >= ?"
        " ORDER BY first LIMIT ?",
        (room, next_first, at_once),
    ).fetchall():
        yield from (row for row in found if row[1] > after)
        next_first = found[-1][0] + 1


def _what_can_be_read(db: sqlite3.Connection, check: Callable[[sqlite3.Connection], list[str]]) -> list[str]:
    try:
        return check(db)
    except _UNREADABLE as error:
        return [f"the file: {error}"]


def _check_room_that_may_be_damaged(db: sqlite3.Connection, room: str) -> RoomFound:
    try:
        return check_room(db, room)
    except _UNREADABLE as error:
        return RoomFound(room, 0, 0, 0, 0, 0, (f"it cannot be read: {error}",))


@dataclass(frozen=True, slots=True)
class _Log:
    """A log: where it begins (1 when it has no row), its last position, how many rows of how many bytes."""

    begins: int
    last: int
    rows: int
    size: int
    wrong: tuple[str, ...]


def _check_log(db: sqlite3.Connection, room: str) -> _Log:
    """Look whether rows follow on each other, and have authors."""
    begins, last, count, size = 1, 0, 0, 0
    wrong: list[str] = []
    unsigned = 0
    for first, row_last, length, author in db.execute(
        "SELECT first, last, length(data), author.id FROM row LEFT JOIN author"
        " ON author.id = row.author AND author.room = row.room WHERE row.room = ? ORDER BY first",
        (room,),
    ):
        if count == 0:
            begins = first
        elif first != last + 1 and len(wrong) < _COMPLAINTS:
            wrong.append(f"its log lacks what lay between {last} and {first}")
        if row_last < first and len(wrong) < _COMPLAINTS:
            wrong.append(f"row {first} ends before it begins")
        unsigned += author is None
        last, count, size = max(last, row_last), count + 1, size + length
    if unsigned:
        wrong.append(f"nobody is known to have written {unsigned} of its rows, which are passed over")
    return _Log(begins, last, count, size, tuple(wrong))


def _states(
    db: sqlite3.Connection, room: str, snapshots: Mapping[int, bytes], log: _Log, wrong: list[str]
) -> dict[str, State]:
    """Return what comes out of each way of reading a room, the one that a server takes first."""
    ways: list[tuple[str, int, bytes | None]] = [
        (f"read from the snapshot at {at}", at, snapshots[at]) for at in sorted(snapshots, reverse=True)
    ]
    if log.begins == 1 and (log.rows or not ways):
        ways.append(("read from its first row", 0, None))
    states: dict[str, State] = {}
    for name, after, base in ways:
        try:
            states[name] = _read(db, room, after, base)
        except StoreError as error:
            wrong.append(f"{name}, it cannot be read: {error}")
    return states


def _read(db: sqlite3.Connection, room: str, after: int, base: bytes | None) -> State:
    """Raises: StoreError."""
    with Document(base) as document:
        for first, _, data in rows_after(db, room, after):
            try:
                document.apply(data)
            except StoreError as error:
                raise StoreError(f"row {first}: {error}") from error
        return document.state()


def _check_bindings(db: sqlite3.Connection, room: str, clocks: Iterable[int]) -> Sequence[str]:
    bound = {client for (client,) in db.execute("SELECT client_id FROM binding WHERE room = ?", (room,))}
    free = sorted(set(clocks) - bound)
    if not free:
        return ()
    return (f"{len(free)} client ids that wrote here belong to nobody, and anybody may claim them",)


def _named_in(db: sqlite3.Connection, table: str) -> Iterator[str]:
    """Yield the rooms that a table knows, a look-up each: reading all of it would take in every row."""
    room = ""
    while (
        found := db.execute(
            f"SELECT room FROM {table} WHERE room > ? ORDER BY room LIMIT 1",  # noqa: S608  # a name of ours
            (room,),
        ).fetchone()
    ) is not None:
        room = found[0]
        yield room
