"""What a store holds, room by room: how many rows, how many bytes, since when. Reads no text.

A server's own connection is never used for it: one of its own, which may only read, sees what the last
commit left, and no commit waits for it (sqlite.org/wal.html, "Concurrency").
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.store.base import StoredSize

_ROOMS: Final = """
    SELECT name, created FROM room WHERE name > ? ORDER BY name LIMIT ?
"""
_ROWS: Final = """
    SELECT room, count(*), sum(length(data)), max(at), max(last) FROM row
    WHERE room BETWEEN ? AND ? GROUP BY room
"""
_SNAPSHOTS: Final = """
    SELECT room, sum(length(data)), max(covered) FROM snapshot WHERE room BETWEEN ? AND ? GROUP BY room
"""


def survey(db: sqlite3.Connection, after: str, most: int) -> list[StoredSize]:
    """Return `most` rooms at most whose names come after `after`, in the order of their names.

    O(rows of these rooms); what lies in the rows is not read (`length` looks at the header alone).
    """
    found = db.execute(_ROOMS, (after, most)).fetchall()
    if not found:
        return []
    between = (found[0][0], found[-1][0])
    rows = {room: rest for room, *rest in db.execute(_ROWS, between)}
    snapshots = {room: rest for room, *rest in db.execute(_SNAPSHOTS, between)}
    sizes = []
    for name, created in found:
        count, row_bytes, at, last = rows.get(name, (0, 0, created, 0))
        snapshot_bytes, covered = snapshots.get(name, (0, 0))
        sizes.append(StoredSize(name, created, at, count, row_bytes + snapshot_bytes, max(last, covered)))
    return sizes


def survey_file(path: Path, after: str, most: int) -> list[StoredSize]:
    """Return what `survey` does of the file at `path`, which is not made, changed or locked.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return survey(db, after, most)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
