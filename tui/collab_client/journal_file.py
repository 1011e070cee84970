"""The journal of one room on one machine, as a file: SQLite, WAL, `synchronous=FULL`, 0600.

    base     the text as of some time, one update; may be absent
    entry    one queue, in the order in which it happened here: what came from the server (no client id),
             and own rows (client id and number), which have a time once a receipt named them
    aside    own rows that belong to no room any more; nothing reads them but a person

Several processes of one person may have it open: each appends, in transactions of its own, and each
loads what the others left. Nothing here knows threads or CRDTs; `journal` and `replay` do.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collab_client.journal_steps import (
    Anew,
    Came,
    Contents,
    Entry,
    JournalDamaged,
    JournalNewer,
    Origin,
    Own,
    PutAside,
    Receipted,
    Stands,
    Step,
    Unsent,
)
from collab_protocol.errors import StoreError

VERSION: Final = 1
"""`user_version` of the files that this code writes."""

RECEIPTED_KEPT_S: Final = 600.0
"""Own rows stay so long after their receipt: a server that lost its tail gets them again."""

_BUSY_S: Final = 5.0
_BUSY_RETRY_S: Final = 0.01

_TABLES: Final = {"journal", "base", "entry", "aside"}

_SCHEMA: Final = """
CREATE TABLE journal (
    server TEXT NOT NULL, room TEXT NOT NULL, device BLOB NOT NULL,
    lineage BLOB, epoch BLOB, seq INTEGER NOT NULL
);
CREATE TABLE base (data BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE entry (
    pos INTEGER PRIMARY KEY AUTOINCREMENT, client_id INTEGER, n INTEGER NOT NULL,
    at REAL NOT NULL, receipted_at REAL, data BLOB NOT NULL, crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX own ON entry (client_id, n) WHERE client_id IS NOT NULL;
CREATE TABLE aside (
    at REAL NOT NULL, reason TEXT NOT NULL, client_id INTEGER NOT NULL, n INTEGER NOT NULL, data BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of steps.

    `is_all_queued`: no own row was put aside because another window has met the room that took this one's
    place. `left_behind` is the journal of before (base, updates) where rows were put aside that this window
    has never had in its text: somebody has to be told.
    """

    is_all_queued: bool
    left_behind: tuple[bytes | None, list[bytes]] | None


class JournalFile:
    """A journal at `path`, or in memory without one. Use it from one thread at a time."""

    def __init__(self, path: Path | None, origin: Origin | None) -> None:
        """Open it, or make it for `origin`; without one nothing is made of an empty file.

        Raises:
            JournalDamaged: it is no journal, or damaged.
            JournalNewer: a newer collab wrote it.
            StoreError: it cannot be opened.
        """
        self._name = ":memory:" if path is None else str(path)
        self._left_behind: tuple[bytes | None, list[bytes]] | None = None
        if path is not None:
            _make_private(path)
        with self._errors():
            self._db = sqlite3.connect(
                self._name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors():
                self._open(origin)
        except BaseException:
            self._db.close()
            raise

    def load(self) -> Contents:
        """Return everything.

        Raises:
            JournalDamaged: something does not read back.
        """
        with self._transaction() as db:
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise self._damaged()
            if not self._tables() >= _TABLES:
                raise self._damaged()
            whose = db.execute("SELECT * FROM journal").fetchall()
            base = db.execute("SELECT data, crc FROM base").fetchone()
            rows = db.execute(
                "SELECT client_id, n, data, receipted_at, crc FROM entry ORDER BY pos"
            ).fetchall()
        if len(whose) != 1 or not all(_is_whole(data, crc) for *_, data, _, crc in rows):
            raise self._damaged()
        if base is not None and not _is_whole(*base):
            raise self._damaged()
        server, room, device, lineage, epoch, seq = whose[0]
        entries = tuple(Entry(client_id, n, data, at) for client_id, n, data, at, _ in rows)
        return Contents(Origin(server, room, device), lineage, epoch, seq, base and base[0], entries)

    def unsent(self) -> Unsent | None:
        """Return how much no server has acknowledged; None when the file was begun and never made.

        Raises:
            JournalDamaged: nothing says whose it is.
        """
        with self._errors():
            return _unsent(self._db, self._name)

    def write(self, steps: Sequence[Step]) -> Written:
        """Bring steps to disk in one transaction; they are durable on return."""
        with self._transaction() as db:
            self._left_behind = None
            queued = [self._write(db, step) for step in steps]
            return Written(all(queued), self._left_behind)

    def lineage(self) -> bytes | None:
        """Return which room the journal is of by now; another window may have changed that."""
        with self._transaction() as db:
            found: tuple[bytes | None] = db.execute("SELECT lineage FROM journal").fetchone()
            return found[0]

    def compact(self, fold: Callable[[bytes | None, Sequence[bytes]], bytes | None], now: float) -> bool:
        """Put the queue into the base; own rows without a receipt, or a young one, stay in the queue too.

        `fold(base, updates)` returns one update with all of it, or None when something has no place
        yet; then nothing is done. Returns whether it was.
        """
        with self._transaction() as db:
            base = db.execute("SELECT data FROM base").fetchone()
            updates = [data for (data,) in db.execute("SELECT data FROM entry ORDER BY pos")]
            folded = fold(base and base[0], updates)
            if folded is None:
                return False
            db.execute("DELETE FROM base")
            db.execute("INSERT INTO base VALUES (?, ?)", (folded, zlib.crc32(folded)))
            db.execute(
                "DELETE FROM entry WHERE client_id IS NULL OR receipted_at < ?", (now - RECEIPTED_KEPT_S,)
            )
        return True

    def close(self) -> None:
        with self._errors():
            self._db.close()

    def _write(self, db: sqlite3.Connection, step: Step) -> bool:
        """Do one step; returns False for an own row that is of another room than the journal by now."""
        match step:
            case Own():
                return self._write_own(db, step)
            case Came(data, seq, lineage):
                if self._is_of_another(db, lineage):
                    return True  # it is on its server, and its window begins again with the journal's room
                db.execute(
                    "INSERT INTO entry (n, at, data, crc) VALUES (0, 0, ?, ?)", (data, zlib.crc32(data))
                )
                db.execute("UPDATE journal SET seq = ?", (seq,))
            case Stands(lineage, epoch):
                if not self._is_of_another(db, lineage):
                    db.execute("UPDATE journal SET lineage = ?, epoch = ?", (lineage, epoch))
            case Receipted(client_id, n, at):
                db.execute(
                    "UPDATE entry SET receipted_at = ?"
                    " WHERE client_id = ? AND n <= ? AND receipted_at IS NULL",
                    (at, client_id, n),
                )
            case Anew():
                self._begin_anew(db, step)
            case PutAside(rows, at, reason):
                _put_aside(db, rows, at, reason)
        return True

    def _begin_anew(self, db: sqlite3.Connection, step: Anew) -> None:
        is_another = self._is_of_another(db, step.lineage)
        base = db.execute("SELECT data FROM base").fetchone()
        updates = [data for (data,) in db.execute("SELECT data FROM entry ORDER BY pos")]
        before = (base and base[0], updates)
        db.execute("DELETE FROM base")
        db.execute("DELETE FROM entry WHERE client_id IS NULL")
        db.execute("UPDATE journal SET lineage = ?, epoch = ?, seq = 0", (step.lineage, step.epoch))
        if step.aside is None:
            db.execute("DELETE FROM entry WHERE receipted_at < ?", (step.at - RECEIPTED_KEPT_S,))
            db.executemany("UPDATE entry SET receipted_at = NULL WHERE client_id = ? AND n = ?", step.rows)
            return
        _put_aside(db, step.rows, step.at, step.aside)
        if is_another:
            if db.execute("SELECT 1 FROM entry WHERE receipted_at IS NULL LIMIT 1").fetchone():
                self._left_behind = before
            db.execute(
                "INSERT INTO aside SELECT ?, ?, client_id, n, data FROM entry WHERE receipted_at IS NULL",
                (step.at, step.aside),
            )
            db.execute("DELETE FROM entry")

    def _write_own(self, db: sqlite3.Connection, own: Own) -> bool:
        if self._is_of_another(db, own.lineage):
            row = (own.at, "another window met another room", own.client_id, own.n, own.data)
            db.execute("INSERT INTO aside VALUES (?, ?, ?, ?, ?)", row)
            return False
        db.execute(
            "INSERT INTO entry (client_id, n, at, data, crc) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (own.client_id, own.n, own.at, own.data, zlib.crc32(own.data)),
        )
        return True

    def _is_of_another(self, db: sqlite3.Connection, lineage: bytes | None) -> bool:
        (here,) = db.execute("SELECT lineage FROM journal").fetchone()
        return None not in (here, lineage) and here != lineage

    def _open(self, origin: Origin | None) -> None:
        # Before WAL: a file that a newer collab wrote stays as it is.
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise JournalNewer(
                f"{self._name} was written by a newer collab (format {version}, this one knows {VERSION}):"
                " upgrade collab, the file was left as it is"
            )
        self._switch_to_wal()
        self._db.execute("PRAGMA synchronous = FULL")
        if version == 0 and origin is not None:
            with self._transaction() as db:
                # Of two processes that open it at once, the second finds it made.
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in filter(str.strip, _SCHEMA.split(";")):
                        db.execute(statement)
                    db.execute(
                        "INSERT INTO journal VALUES (?, ?, ?, NULL, NULL, 0)",
                        (origin.server, origin.room, origin.device),
                    )
                    db.execute(f"PRAGMA user_version = {VERSION}")

    def _switch_to_wal(self) -> None:
        """Switch, once nobody else is at it: SQLite does not wait there, whatever the timeout says."""
        until = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_BUSY_RETRY_S)
            else:
                return

    def _tables(self) -> set[str]:
        rows = self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {name for (name,) in rows if not name.startswith("sqlite_")}

    def _damaged(self) -> JournalDamaged:
        return JournalDamaged(f"{self._name} is damaged")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
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
            is_damage = isinstance(error, sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
            )
            raise (JournalDamaged if is_damage else StoreError)(f"{self._name}: {error}") from error


def read_unsent(path: Path) -> Unsent | None:
    """Return how much of the journal at `path` no server has, without writing to it or waiting for a writer.

    Raises:
        JournalDamaged: nothing says whose it is.
        StoreError: it cannot be read, or a newer collab wrote it.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _unsent(db, str(path))
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise JournalDamaged(f"{path}: {error}") from error


def may_hold_text(path: Path) -> bool:
    """Tell whether a journal has what could be text; also True for one that cannot be read so simply."""
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute(
                "SELECT EXISTS (SELECT 1 FROM base) OR EXISTS (SELECT 1 FROM entry)"
            ).fetchone()
            return bool(found[0])
    except sqlite3.Error:
        return True


def _unsent(db: sqlite3.Connection, name: str) -> Unsent | None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        return None
    if version > VERSION:
        raise JournalNewer(f"{name} was written by a newer collab: upgrade collab")
    whose = db.execute("SELECT server, room, device FROM journal").fetchone()
    if whose is None:
        raise JournalDamaged(f"{name} is damaged")
    rows, since = db.execute(
        "SELECT count(*), min(at) FROM entry WHERE client_id IS NOT NULL AND receipted_at IS NULL"
    ).fetchone()
    return Unsent(Origin(*whose), rows, since)


def _put_aside(db: sqlite3.Connection, rows: Sequence[tuple[int, int]], at: float, reason: str) -> None:
    """Take own rows out of the queue; those that have a receipt are on a server, and need no place aside."""
    for key in rows:
        db.execute(
            "INSERT INTO aside SELECT ?, ?, client_id, n, data FROM entry"
            " WHERE client_id = ? AND n = ? AND receipted_at IS NULL",
            (at, reason, *key),
        )
        db.execute("DELETE FROM entry WHERE client_id = ? AND n = ?", key)


def salvage(path: Path) -> tuple[Origin | None, bytes | None, list[Entry]]:
    """Return what a damaged journal still gives: whose it was, its lineage, own rows without a receipt."""
    origin: Origin | None = None
    lineage: bytes | None = None
    rows: list[Entry] = []
    with (
        contextlib.suppress(sqlite3.Error, TypeError),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        server, room, device, lineage = db.execute(
            "SELECT server, room, device, lineage FROM journal"
        ).fetchone()
        origin = Origin(server, room, device)
        found = db.execute("SELECT client_id, n, data, crc, receipted_at FROM entry ORDER BY pos")
        for client_id, n, data, crc, receipted_at in found:
            if client_id is not None and receipted_at is None and _is_whole(data, crc):
                rows.append(Entry(client_id, n, data))
    return origin, lineage, rows


def set_aside(path: Path) -> Path:
    """Give a damaged journal another name, which is returned, so that a new one can take its place.

    Raises:
        StoreError: that cannot be done.
    """
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    kept, number = path.with_name(stem), 1
    while kept.exists():
        kept, number = path.with_name(f"{stem}-{number}"), number + 1
    try:
        path.rename(kept)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    except OSError as error:
        raise StoreError(f"{path} is damaged, and cannot be renamed: {error.strerror or error}") from error
    return kept


def _is_whole(data: object, crc: object) -> bool:
    return isinstance(data, bytes) and zlib.crc32(data) == crc


def _make_private(path: Path) -> None:
    """Make the folder (0700) and the file (0600) before SQLite makes them with the umask's rights."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror or error}") from error
