"""What is in each table of a file, as one hash: a backup has them, and what alters it later is noticed.

A store checks its snapshots and little else by itself; most of a flipped bit is still a row, a name or a key.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Container
from typing import Final

DIGESTS: Final = "backup_digest"
"""The table of a backup that has them."""


def digests(db: sqlite3.Connection, *, without: Container[str] = ()) -> dict[str, bytes]:
    """Return the SHA-256 of all that is in each table, in the order of its key, by its name. O(file)."""
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: _digest(db, name)
        for name in names
        if name not in without and name != DIGESTS and not name.startswith("sqlite_")
    }


def altered(db: sqlite3.Connection) -> list[str]:
    """Return what a backup no longer has as it was made, a line each; none for what has no digests.

    One that a server was started on is in WAL mode, and a store like any other.
    """
    if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return []
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'backup'").fetchone() is None:
        return []
    noted = dict(db.execute(f"SELECT name, sha256 FROM {DIGESTS}").fetchall())  # noqa: S608  # a name of ours
    found = digests(db)
    return [
        f"{name}: what the backup has of it is not what was copied"
        for name in sorted(noted.keys() | found.keys(), key=str)
        if noted.get(name) != found.get(name)
    ]


def _digest(db: sqlite3.Connection, table: str) -> bytes:
    total, quoted = hashlib.sha256(), '"' + table.replace('"', '""') + '"'
    # By the table itself, in its order: an index would have another.
    rows = db.execute(f"SELECT * FROM {quoted} NOT INDEXED")  # noqa: S608
    total.update(repr([column[0] for column in rows.description]).encode("utf-8", "surrogatepass"))
    for row in rows:
        for value in row:
            told = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
            total.update(b"%s %d " % (type(value).__name__.encode(), len(told)))
            total.update(told)
    return total.digest()
