"""Rooms in one SQLite file: WAL, `synchronous=FULL`, one transaction a commit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from collab_protocol import limits
from collab_protocol.errors import StoreError
from collab_server.store import access_tables, retention
from collab_server.store.base import (
    Ban,
    ChatLine,
    Invite,
    LogInUse,
    Row,
    SettingRow,
    Snapshot,
    StoredAccess,
    StoredRoom,
    StoredSize,
    StoreTrouble,
    Writers,
)
from collab_server.store.migrations import migrate
from collab_server.store.retention import Grounds
from collab_server.store.schema import SCHEMA, VERSION
from collab_server.store.survey import survey

_SNAPSHOTS_KEPT: Final = 2

_INCREMENTAL: Final = 2
"""What `auto_vacuum` is in a file that can give pages back one by one (sqlite.org/pragma.html)."""

_LAST: Final = 2**63 - 1
"""The largest integer of SQLite."""

_PROBE_BYTES: Final = 65_536
"""Enough to need new pages: a few bytes fit into pages that are there, and say nothing of a full disk."""

_DAMAGED: Final = "the server's store is damaged"
_NOT_WRITABLE: Final = "the server's store may not be written"
_BUSY: Final = "the server's store is locked by another program"

_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the server's disk is full",
    sqlite3.SQLITE_IOERR: "the server's disk fails",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_NOMEM: "the server is out of memory",
}
"""Primary result codes (sqlite.org/rescode.html) that are the machine's fault, in words for people."""


class SqliteStore:
    """A store in the file at `path`, or in memory without one. Use it from one thread at a time."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file.

        Raises:
            StoreError: it cannot be opened, is broken, or a newer collab wrote it; it stays as it is.
        """
        self._path = path
        self._name = ":memory:" if path is None else str(path)
        if path is not None:
            _make_private(path)
        with self._errors():
            self._db = sqlite3.connect(self._name, isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    @property
    def epoch(self) -> bytes:
        return self._epoch

    @property
    def is_durable(self) -> bool:
        return self._path is not None

    def create(self, room: str, lineage: bytes, now: float) -> bool:
        with self._transaction() as db:
            made = db.execute(
                "INSERT INTO room VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (room, lineage, now)
            )
            return made.rowcount == 1

    def load(self, room: str, *, before: int | None = None) -> StoredRoom | None:
        # Deferred: a disk that takes no writes can still be read.
        with self._transaction("DEFERRED") as db:
            found = db.execute("SELECT lineage FROM room WHERE name = ?", (room,)).fetchone()
            if found is None:
                return None
            snapshot = self._newest_snapshot(room, before)
            covered = 0 if snapshot is None else snapshot.covered
            newest = db.execute("SELECT max(covered) FROM snapshot WHERE room = ?", (room,)).fetchone()[0]
            rows = db.execute(
                "SELECT first, last, session, principal, name, device_hash, at, data FROM row"
                " JOIN author ON author.id = row.author WHERE row.room = ? AND last > ? ORDER BY first",
                (room, covered),
            ).fetchall()
            settings = dict(db.execute("SELECT key, value FROM setting WHERE room = ?", (room,)).fetchall())
            bindings = dict(
                db.execute("SELECT client_id, device_hash FROM binding WHERE room = ?", (room,)).fetchall()
            )
            chat = db.execute(
                "SELECT room, n, at, principal, name, colour, text FROM chat WHERE room = ?"
                " ORDER BY n DESC LIMIT ?",
                (room, limits.CHAT_SHOWN),
            ).fetchall()
        _check_no_hole(room, covered, rows, newest or 0)
        return StoredRoom(
            name=room,
            lineage=found[0],
            snapshot=snapshot,
            rows=tuple(Row(room, *row) for row in rows),
            settings=settings,
            bindings=bindings,
            chat=tuple(ChatLine(*line) for line in reversed(chat)),
        )

    def probe(self) -> None:
        # Two transactions: what one writes and deletes again never gets to the disk.
        with self._transaction() as db:
            db.execute("INSERT INTO probe VALUES (zeroblob(?))", (_PROBE_BYTES,))
        with self._transaction() as db:
            db.execute("DELETE FROM probe")

    def write(
        self, rows: Sequence[Row], settings: Sequence[SettingRow], chat: Sequence[ChatLine] = ()
    ) -> None:
        with self._transaction() as db:
            for row in rows:
                who = (row.room, row.session, row.device_hash, row.principal, row.name)
                db.execute(
                    "INSERT INTO author (room, session, device_hash, principal, name, newest_row)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET newest_row = excluded.newest_row",
                    (*who, row.last),
                )
                db.execute(
                    "INSERT INTO row SELECT ?, ?, ?, id, ?, ? FROM author WHERE room = ? AND session = ?"
                    " AND device_hash = ? AND principal = ? AND name = ?",
                    (row.room, row.first, row.last, row.at, row.data, *who),
                )
                db.executemany(
                    "INSERT INTO binding VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    [
                        (row.room, client_id, row.device_hash, row.principal, row.name)
                        for client_id in row.new_ids
                    ],
                )
            for setting in settings:
                db.execute(
                    "INSERT INTO setting VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET value = excluded.value, seq = excluded.seq",
                    (setting.room, setting.key, setting.value, setting.seq),
                )
            for line in chat:
                db.execute(
                    "INSERT INTO chat VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (line.room, line.n, line.at, line.principal, line.name, line.colour, line.text),
                )
                db.execute(
                    "DELETE FROM chat WHERE room = ? AND n <= ?", (line.room, line.n - limits.CHAT_KEPT)
                )

    def writers(self, room: str, since: int | None) -> Writers:
        with self._transaction("DEFERRED") as db:
            people = db.execute(
                "SELECT principal, name FROM author WHERE room = ? AND newest_row > ?"
                " GROUP BY principal, name ORDER BY max(newest_row) DESC, max(id) DESC LIMIT ?",
                (room, -1 if since is None else since, limits.AUTHORS),
            ).fetchall()
            if since is not None:
                return Writers(tuple(people))
            index = {who: at for at, who in enumerate(people)}
            # With max(), SQLite takes the other columns from that row (sqlite.org/lang_select.html, 2.5).
            newest = {
                device: (principal, name)
                for device, principal, name, _ in db.execute(
                    "SELECT device_hash, principal, name, max(id) FROM author WHERE room = ?"
                    " GROUP BY device_hash",
                    (room,),
                )
            }
            found = [
                (client_id, index.get((principal, name) if principal is not None else newest.get(device)))
                for client_id, device, principal, name in db.execute(
                    "SELECT client_id, device_hash, principal, name FROM binding WHERE room = ?", (room,)
                )
            ]
        return Writers(tuple(people), tuple((client_id, at) for client_id, at in found if at is not None))

    def save_snapshot(self, room: str, snapshot: Snapshot) -> None:
        with self._transaction() as db:
            _insert_snapshot(db, room, snapshot)
            db.execute(
                "DELETE FROM snapshot WHERE room = ? AND covered NOT IN"
                " (SELECT covered FROM snapshot WHERE room = ? ORDER BY covered DESC LIMIT ?)",
                (room, room, _SNAPSHOTS_KEPT),
            )

    def room_names(self) -> list[str]:
        with self._transaction("DEFERRED") as db:
            return [name for (name,) in db.execute("SELECT name FROM room ORDER BY name")]

    def room_count(self) -> int:
        with self._transaction("DEFERRED") as db:
            count: int = db.execute("SELECT count(*) FROM room").fetchone()[0]
            return count

    def survey(self, after: str, most: int) -> list[StoredSize]:
        with self._transaction("DEFERRED") as db:
            return survey(db, after, most)

    def delete_room(self, room: str) -> bool:
        with self._transaction() as db:
            _delete_history(db, room)
            access_tables.delete_room(db, room)
            db.execute("DELETE FROM setting WHERE room = ?", (room,))
            return db.execute("DELETE FROM room WHERE name = ?", (room,)).rowcount == 1

    def rewrite_room(
        self, room: str, lineage: bytes, snapshot: Snapshot, nobodys: Iterable[int] = ()
    ) -> None:
        with self._transaction() as db:
            if db.execute("UPDATE room SET lineage = ? WHERE name = ?", (lineage, room)).rowcount != 1:
                raise StoreError(f"there is no room {room}")
            _delete_history(db, room)
            _insert_snapshot(db, room, snapshot)
            for client_id in nobodys:
                db.execute(
                    "INSERT INTO binding VALUES (?, ?, ?, NULL, NULL)",
                    (room, client_id, secrets.token_bytes(32)),
                )
            # Where a setting was made does not outlive the log that it was made in.
            db.execute("UPDATE setting SET seq = min(seq, ?) WHERE room = ?", (snapshot.covered, room))

    def scrub(self) -> None:
        with self._errors():
            # What is deleted is overwritten (`secure_delete`), but older collabs left bytes in free pages,
            # and pages that were rearranged may have some: a new file has none. The log has all of them
            # until it is cut.
            self._db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")  # one of an older collab may not have it
            self._db.execute("VACUUM")
        self.empty_log()

    def empty_log(self) -> None:
        with self._errors():
            # Whoever reads may do so for long, and everybody's commits would wait for it here.
            patience_ms = self._db.execute("PRAGMA busy_timeout").fetchone()[0]
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                is_busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {patience_ms:d}")
        if is_busy:
            raise LogInUse(f"{self._name}-wal cannot be emptied while another program reads the store", _BUSY)

    def keep_snapshots(self, grounds: Grounds) -> bool:
        with self._transaction() as db:
            return retention.keep_snapshots(db, grounds)

    def trim_log(self, grounds: Grounds, most_rows: int) -> tuple[int, int] | None:
        with self._transaction() as db:
            return retention.trim(db, grounds, most_rows)

    def give_back(self, pages: int) -> int:
        with self._errors():
            if self._db.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
                return 0
            # All of its (empty) answer is fetched: it goes on a page at a time only while it is read.
            self._db.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
            left: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
            return left

    def load_access(self) -> StoredAccess:
        with self._transaction("DEFERRED") as db:
            return access_tables.load(db)

    def add_invite(self, invite: Invite) -> None:
        with self._transaction() as db:
            access_tables.add_invite(db, invite)

    def use_invite(self, invite_id: str, device_hash: bytes, at: float) -> bool:
        with self._transaction() as db:
            return access_tables.use_invite(db, invite_id, device_hash, at)

    def revoke_invite(self, invite_id: str, at: float) -> None:
        with self._transaction() as db:
            access_tables.revoke_invite(db, invite_id, at)

    def put_ban(self, ban: Ban) -> None:
        with self._transaction() as db:
            access_tables.put_ban(db, ban)

    def drop_ban(self, room: str, who: str) -> None:
        with self._transaction() as db:
            access_tables.drop_ban(db, room, who)

    def set_closed(self, room: str, is_closed: bool) -> None:
        with self._transaction() as db:
            access_tables.set_closed(db, room, is_closed)

    def prune_access(self, before: float) -> None:
        with self._transaction() as db:
            access_tables.prune(db, before)

    def close(self) -> None:
        with self._errors():
            self._db.close()

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"{self._name} was written by a newer collab (format {version}, this one knows {VERSION}):"
                " upgrade collab, the file was left as it is"
            )
        if version == 0:
            # Before WAL, which writes the first page: after that it can only be changed by VACUUM.
            self._db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        if version == 0:
            # All in one transaction: a crash in the first start must leave a file that opens.
            self._db.executescript(
                f"BEGIN; {SCHEMA} INSERT INTO store VALUES (x'{secrets.token_hex(16)}');"  # noqa: S608  # our digits
                f" PRAGMA user_version = {VERSION}; COMMIT;"
            )
        elif version < VERSION and self._path is not None:
            migrate(self._db, self._path, version)
        self._epoch: bytes = self._db.execute("SELECT epoch FROM store").fetchone()[0]
        # A crash between erasing and `scrub` leaves in the log what was erased. A full disk is read anyhow.
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _newest_snapshot(self, room: str, before: int | None) -> Snapshot | None:
        """Return the newest snapshot that is whole; one that is not is passed over for the one before."""
        found = self._db.execute(
            "SELECT covered, data, sha256 FROM snapshot WHERE room = ? AND covered < ? ORDER BY covered DESC",
            (room, _LAST if before is None else before),
        )
        for covered, data, digest in found:
            if hashlib.sha256(data).digest() == digest:
                return Snapshot(covered, data)
        return None

    @contextlib.contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._db.execute(f"BEGIN {kind}")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already, and then a second ROLLBACK is an error.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _told(error, self._name) from error


def _told(error: sqlite3.Error, name: str) -> StoreError:
    """Return what an error of SQLite is to the server: trouble with the disk, or with what was asked for."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    # The low byte of an extended code is the primary one (sqlite.org/rescode.html).
    reason = None if code is None else _REASONS.get(code & 0xFF)
    message = f"{name}: {error}"
    return StoreError(message) if reason is None else StoreTrouble(message, reason)


def list_rooms(path: Path) -> list[str]:
    """Return the names of all rooms in the file at `path`, in order, without making or changing anything.

    For those who do not hold the folder's lock: opening a `SqliteStore` would migrate an older file
    under the older server that is running on it.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return [name for (name,) in db.execute("SELECT name FROM room ORDER BY name")]
    except sqlite3.Error as error:
        raise _told(error, str(path)) from error


def _insert_snapshot(db: sqlite3.Connection, room: str, snapshot: Snapshot) -> None:
    db.execute(
        "INSERT INTO snapshot VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET data = excluded.data, sha256 = excluded.sha256",
        (room, snapshot.covered, snapshot.data, hashlib.sha256(snapshot.data).digest()),
    )


def _delete_history(db: sqlite3.Connection, room: str) -> None:
    """Remove a room's log and what rests on it: authors, bound client ids, snapshots, chat."""
    for table in ("row", "author", "binding", "snapshot", "chat"):
        db.execute(f"DELETE FROM {table} WHERE room = ?", (room,))  # noqa: S608  # names from the line above


def _check_no_hole(room: str, covered: int, rows: Sequence[Sequence[int]], newest: int) -> None:
    """Check that rows go on from `covered` without a hole, behind which a CRDT would show nothing.

    They have to get to `newest`, where the newest snapshot stood: that one may not be whole.
    """
    last = covered
    for first, row_last, *_ in rows:
        if first != last + 1:
            raise StoreError(f"room {room} lacks what lay between {last} and {first}")
        last = row_last
    if last < newest:
        raise StoreError(f"room {room} lacks what lay between {last} and {newest + 1}")


def _make_private(path: Path) -> None:
    """Make the folder (0700) and the file (0600) before SQLite makes them with the umask's rights."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from error
