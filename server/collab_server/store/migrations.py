"""Bringing an older rooms.sqlite3 to the version of this code: a copy first, then one transaction."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from collab_protocol.errors import StoreError, UpdateError
from collab_protocol.gate import new_ids
from collab_server.log_fields import about

_log = logging.getLogger(__name__)


def backup_path(path: Path, version: int) -> Path:
    """Return where the copy of `path` lies that was made before it was migrated from `version`."""
    return path.with_name(f"{path.name}.v{version}-backup")


def list_backups(path: Path) -> list[Path]:
    """Return the copies of `path` that migrations made, the oldest first: what is erased is still in them."""
    pattern = re.compile(re.escape(path.name) + r"\.v([0-9]+)-backup")
    try:
        found = [(match, file) for file in path.parent.iterdir() if (match := pattern.fullmatch(file.name))]
    except OSError:
        return []
    return [file for match, file in sorted(found, key=lambda each: int(each[0][1]))]


def migrate(db: sqlite3.Connection, path: Path, version: int) -> int:
    """Bring the file behind `db` from `version` to the newest; returns that one. O(rows) in time.

    All of it or nothing: whatever goes wrong, the file is what it was before.

    Raises:
        StoreError: the copy cannot be made.
        sqlite3.Error: the file cannot be read or written.
    """
    _back_up(db, path, backup_path(path, version))
    newest = version
    db.execute("BEGIN IMMEDIATE")
    try:
        while (step := _STEPS.get(newest)) is not None:
            step(db)
            newest += 1
        db.execute(f"PRAGMA user_version = {newest}")
        db.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already, and then a second ROLLBACK is an error.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    _log.info("%s was brought from format %d to %d; a copy is beside it", path, version, newest)
    return newest


def _back_up(db: sqlite3.Connection, path: Path, backup: Path) -> None:
    """Copy the file to `backup`, whole or not at all, readable by its owner alone.

    One that is there already is replaced: it comes from a migration that was cut short, and `path` may
    have been written to since.
    """
    draft = backup.with_name(f"{backup.name}.part")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                db.backup(copy)
                # Not in WAL mode: the copy is one file, with nothing beside it that could be forgotten.
                copy.execute("PRAGMA journal_mode = DELETE")
            draft.replace(backup)
            _sync_folder(backup.parent)
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path} was written by an older collab and must be copied before it is brought up to date,"
            f" which failed: {error}; make room beside it and start again, it was left as it is"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last: the copy must be there before the file is changed."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _from_1_to_2(db: sqlite3.Connection) -> None:
    """Bind each client id to the device that first wrote under it; give `probe` a place to write to."""
    db.execute(
        "CREATE TABLE binding (room TEXT NOT NULL, client_id INTEGER NOT NULL, device_hash BLOB NOT NULL,"
        " PRIMARY KEY (room, client_id)) WITHOUT ROWID"
    )
    db.execute("CREATE TABLE probe (data BLOB NOT NULL)")
    rows = db.execute(
        "SELECT row.room, first, data, device_hash FROM row JOIN author ON author.id = row.author"
        " ORDER BY row.room, first"
    )
    for room, first, data, device_hash in rows:
        try:
            ids = new_ids(data)
        except UpdateError as error:
            # Its room may be refused when it is loaded; the other rooms are not to suffer for it.
            _log.warning("row %d binds no client ids: %s", first, error, extra=about(room=room))
            continue
        db.executemany(
            "INSERT INTO binding VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(room, client_id, device_hash) for client_id in ids],
        )


def _from_2_to_3(db: sqlite3.Connection) -> None:
    """Make room for chat and for who brought each client id; note the newest row of each author."""
    db.execute("ALTER TABLE author ADD COLUMN newest_row INTEGER NOT NULL DEFAULT 0")
    newest = db.execute("SELECT max(last), author FROM row GROUP BY author").fetchall()
    db.executemany("UPDATE author SET newest_row = ? WHERE id = ?", newest)
    db.execute("ALTER TABLE binding ADD COLUMN principal TEXT")
    db.execute("ALTER TABLE binding ADD COLUMN name TEXT")
    db.execute(
        "CREATE TABLE chat (room TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL,"
        " principal TEXT NOT NULL, name TEXT NOT NULL, colour INTEGER NOT NULL, text TEXT NOT NULL,"
        " PRIMARY KEY (room, n)) WITHOUT ROWID"
    )


def _from_3_to_4(db: sqlite3.Connection) -> None:
    """Make room for who may come in: invites, the devices that used them, bans, closed rooms."""
    db.execute(
        "CREATE TABLE invite (id TEXT PRIMARY KEY, room TEXT NOT NULL, role TEXT NOT NULL,"
        " name TEXT NOT NULL, made_at REAL NOT NULL, expires REAL, use_by REAL,"
        " is_reusable INTEGER NOT NULL, revoked_at REAL) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE invite_use (invite TEXT NOT NULL, device_hash BLOB NOT NULL, at REAL NOT NULL,"
        " PRIMARY KEY (invite, device_hash)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE ban (room TEXT NOT NULL, who TEXT NOT NULL, name TEXT NOT NULL, until REAL NOT NULL,"
        " PRIMARY KEY (room, who)) WITHOUT ROWID"
    )
    db.execute("CREATE TABLE closed (room TEXT PRIMARY KEY) WITHOUT ROWID")


_STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {
    1: _from_1_to_2,
    2: _from_2_to_3,
    3: _from_3_to_4,
}
"""For each version, what makes the next one of it."""
