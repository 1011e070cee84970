"""Stores with rooms that people wrote in, made without a server."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from collab_protocol.gate import new_ids
from collab_protocol.text import Replica
from collab_server.store.base import Row, Snapshot
from collab_server.store.sqlite import SqliteStore

LINEAGE = b"l" * 16
NOON = 1_798_804_800.0
"""When the first row was written: 2027-01-01 12:00 UTC; each next one a minute later."""

MINUTE_S = 60.0


def write_room(
    store: SqliteStore, room: str = "notes", *, rows: int = 12, snapshots: Sequence[int] = ()
) -> str:
    """Let ana and bo write by turns, keep snapshots at these positions; returns the text.

    Some of it is deleted again, and some is not ASCII.
    """
    store.create(room, LINEAGE, NOON)
    whole = Replica(2)
    people = {"ana": Replica(11), "bo": Replica(12)}
    made: list[bytes] = []
    for each in people.values():
        each.on_update = made.append
    for seq in range(1, rows + 1):
        name = "ana" if seq % 2 else "bo"
        writer = people[name]
        writer.apply(whole.update_since(writer.state_vector()))
        if seq % 5 == 0:
            writer.edit(0, 2, "")
        else:
            writer.edit(
                writer.size_utf8 // 2 if seq % 3 == 0 and writer.text().isascii() else 0,
                0,
                f"{name} {seq} é\n",
            )
        data = made.pop()
        whole.apply(data)
        ids = tuple(new_ids(data)) if seq <= 2 else ()
        device = hashlib.sha256(name.encode()).digest()
        row = Row(
            room, seq, seq, 100 + len(name), f"unix:{name}", name, device, NOON + seq * MINUTE_S, data, ids
        )
        store.write([row], [])
        if seq in snapshots:
            store.save_snapshot(room, Snapshot(seq, whole.update_since()))
    text = whole.text()
    for each in (whole, *people.values()):
        each.close()
    return text


def text_in(path: Path, room: str = "notes") -> str:
    """Return what a server would show that starts on the file."""
    store = SqliteStore(path)
    stored = store.load(room)
    store.close()
    assert stored is not None
    replica = Replica(3)
    for data in [stored.snapshot.data] if stored.snapshot else []:
        replica.apply(data)
    for row in stored.rows:
        replica.apply(row.data)
    text = replica.text()
    replica.close()
    return text


def dump(path: Path) -> list[str]:
    """Return all that is in a file, as SQL."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def damage(path: Path, sql: str, *parameters: object) -> None:
    """Do what no collab does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql, parameters)


def files_in(folder: Path) -> list[str]:
    """Return the names in a folder, but for what SQLite and the lock leave there."""
    return sorted(
        file.name for file in folder.iterdir() if not file.name.endswith(("-wal", "-shm", "server.lock"))
    )
