"""Tests of `collab_server.store.retention`: what may go, what has to be sure before, and what stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.store.base import Snapshot
from collab_server.store.retention import Grounds, Plan, RoomChanged, find_grounds, plan, reads_back
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import Document, reading, rows_after, verify

from .stores import MINUTE_S, NOON, damage, text_in, write_room

ROWS = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    yield made
    made.close()


def plan_of(path: Path, *, upto_minute: float | None = None, size_bytes: int | None = None) -> Plan | None:
    before = None if upto_minute is None else NOON + (upto_minute + 0.5) * MINUTE_S
    with reading(path) as db:
        return plan(db, "notes", before=before, size_bytes=size_bytes)


def grounds_of(path: Path, upto: int) -> Grounds:
    due = plan_of(path, upto_minute=upto)
    assert due is not None
    assert due.upto == upto
    with reading(path) as db:
        return find_grounds(db, due)


def trim_all(store: SqliteStore, path: Path, grounds: Grounds) -> int:
    assert store.keep_snapshots(grounds)
    with reading(path) as db:
        assert reads_back(db, grounds)
    count = 0
    while (gone := store.trim_log(grounds, 2)) != (0, 0):
        assert gone is not None
        count += gone[0]
    return count


def positions(path: Path) -> tuple[list[int], list[int]]:
    """Return the rows and the snapshots of the room."""
    with reading(path) as db:
        rows = [first for first, _, _ in rows_after(db, "notes", 0)]
        covered = [at for (at,) in db.execute("SELECT covered FROM snapshot ORDER BY covered")]
    return rows, covered


def test_what_is_older_goes_up_to_the_first_that_is_not(store: SqliteStore, path: Path) -> None:
    write_room(store, rows=ROWS)
    due = plan_of(path, upto_minute=5)
    assert due is not None
    assert (due.seq, due.upto, due.rows, due.kept_rows) == (12, 5, 5, 7)
    assert (due.oldest_at, due.newest_at) == (NOON + MINUTE_S, NOON + 5 * MINUTE_S)
    assert plan_of(path, upto_minute=0) is None
    # A row that was written while the clock was ahead keeps what came after it.
    damage(path, "UPDATE row SET at = at + 86400 WHERE first = 3")
    due = plan_of(path, upto_minute=5)
    assert due is not None
    assert due.upto == 2


def test_what_is_beyond_a_size_goes_and_the_newest_row_stays(store: SqliteStore, path: Path) -> None:
    write_room(store, rows=ROWS)
    with reading(path) as db:
        sizes = [len(data) for _, _, data in rows_after(db, "notes", 0)]
    due = plan_of(path, size_bytes=sum(sizes[7:]))
    assert due is not None
    assert (due.upto, due.row_bytes, due.kept_bytes) == (7, sum(sizes[:7]), sum(sizes[7:]))
    due = plan_of(path, size_bytes=sum(sizes[7:]) - 1)
    assert due is not None
    assert due.upto == 8
    due = plan_of(path, size_bytes=0)
    assert due is not None
    assert due.upto == ROWS - 1
    assert plan_of(path, size_bytes=sum(sizes)) is None
    assert plan_of(path) is None


@pytest.mark.parametrize(
    "snapshots", [(), (3,), (7,), (9,), (12,), (3, 5), (7, 12), (8, 10), (3, 7), (3, 10)]
)
@pytest.mark.parametrize("upto", [1, 7, 11])
def test_two_snapshots_stand_for_all_that_went(
    store: SqliteStore, path: Path, snapshots: tuple[int, ...], upto: int
) -> None:
    text = write_room(store, rows=ROWS, snapshots=snapshots)
    before = verify(path).rooms[0]
    people = store.writers("notes", None)
    stored = store.load("notes")
    assert stored is not None
    assert trim_all(store, path, grounds_of(path, upto)) == upto
    rows, covered = positions(path)
    assert rows == list(range(upto + 1, ROWS + 1))
    assert len(covered) == 2
    assert covered[0] >= upto
    found = verify(path)
    assert found.is_right, found
    assert (found.rooms[0].seq, found.rooms[0].text_bytes) == (ROWS, before.text_bytes)
    assert text_in(path) == text
    assert store.writers("notes", None) == people
    after = store.load("notes")
    assert after is not None
    assert (after.bindings, after.lineage) == (stored.bindings, stored.lineage)
    # The newest snapshot may be damaged then: all comes from the one before.
    damage(path, "UPDATE snapshot SET data = zeroblob(9) WHERE covered = ?", covered[1])
    assert text_in(path) == text


def test_it_goes_on_where_it_ended(store: SqliteStore, path: Path) -> None:
    text = write_room(store, rows=40, snapshots=(10, 20))
    for upto in (5, 11, 12, 30, 39):
        trim_all(store, path, grounds_of(path, upto))
        assert positions(path)[0] == list(range(upto + 1, 41))
        assert verify(path).is_right
        assert text_in(path) == text


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE snapshot SET data = zeroblob(9) WHERE covered = 8", "snapshot at 8 is damaged"),
        ("UPDATE snapshot SET data = zeroblob(9) WHERE covered = 4", "snapshot at 4 is damaged"),
        ("DELETE FROM row WHERE first = 10", "lacks what lay between 9 and 11"),
        ("UPDATE row SET data = x'0000' WHERE first = 12", "row 12"),
        ("UPDATE row SET data = (SELECT data FROM row WHERE first = 2) WHERE first = 3", "row 3"),
        ("DELETE FROM row WHERE first < 7", "lacks what came after the snapshot at 4"),
    ],
)
def test_nothing_goes_where_anything_is_doubtful(store: SqliteStore, path: Path, sql: str, why: str) -> None:
    write_room(store, rows=ROWS, snapshots=(4, 8))
    damage(path, sql)
    with pytest.raises(StoreError, match=why):
        grounds_of(path, 9)


def test_nothing_goes_when_snapshot_and_log_do_not_agree(store: SqliteStore, path: Path) -> None:
    write_room(store, rows=ROWS, snapshots=(4,))
    with reading(path) as db, Document() as document:
        for first, _, data in rows_after(db, "notes", 0):
            if first <= 6:
                document.apply(data)
        other = document.snapshot(8)
    store.save_snapshot("notes", other)
    with pytest.raises(StoreError, match="at 8 has another text"):
        grounds_of(path, 3)


def test_nothing_goes_any_more_once_the_room_is_another(store: SqliteStore, path: Path) -> None:
    write_room(store, rows=ROWS, snapshots=(4,))
    grounds = grounds_of(path, 7)
    store.rewrite_room("notes", b"n" * 16, Snapshot(1, b"\x00\x00"))
    assert not store.keep_snapshots(grounds)
    assert store.trim_log(grounds, 100) is None
    store.delete_room("notes")
    assert not store.keep_snapshots(grounds)
    assert store.trim_log(grounds, 100) is None


def test_a_room_that_is_another_by_then_is_no_fault_of_its_log(store: SqliteStore, path: Path) -> None:
    write_room(store, rows=60, snapshots=(4,))
    due = plan_of(path, upto_minute=7)
    assert due is not None

    def no_room() -> None:
        with reading(path) as db, pytest.raises(RoomChanged):
            find_grounds(db, due)

    def forget() -> None:
        store.rewrite_room("notes", b"n" * 16, Snapshot(1, b"\x00\x00"))

    with reading(path) as db, pytest.raises(RoomChanged):
        find_grounds(db, due, rest=forget)
    no_room()
    store.delete_room("notes")
    no_room()


def test_nothing_goes_once_snapshots_are_others_than_those_that_were_read(
    store: SqliteStore, path: Path
) -> None:
    write_room(store, rows=ROWS, snapshots=(8, 10))
    grounds = grounds_of(path, 7)
    assert grounds.new == ()
    with reading(path) as db:
        at_12 = _whole(db)
    store.save_snapshot("notes", at_12)  # the server made one: the older is 10 now, which was read
    assert not store.keep_snapshots(grounds)
    assert store.trim_log(grounds, 1) is not None
    damage(path, "UPDATE snapshot SET sha256 = zeroblob(32) WHERE covered = 10")
    assert store.trim_log(grounds, 1) is None
    damage(path, "DELETE FROM snapshot WHERE covered = 10")
    assert store.trim_log(grounds, 1) is None
    with reading(path) as db:
        assert not reads_back(db, grounds)


def _whole(db: sqlite3.Connection) -> Snapshot:
    with Document() as document:
        for _, _, data in rows_after(db, "notes", 0):
            document.apply(data)
        return document.snapshot(ROWS)


def test_the_file_becomes_smaller_page_by_page(store: SqliteStore, path: Path) -> None:
    store.probe()
    with store._transaction() as db:
        db.execute("INSERT INTO probe VALUES (zeroblob(2000000))")
    with store._transaction() as db:
        db.execute("DELETE FROM probe")
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before, steps = path.stat().st_size, 0
    while store.give_back(100):
        steps += 1
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert steps > 2
    assert path.stat().st_size < before - 1_900_000


def test_a_file_of_an_older_collab_gives_back_once_it_was_written_anew(tmp_path: Path) -> None:
    damage(tmp_path / "rooms.sqlite3", "PRAGMA auto_vacuum = NONE")
    damage(tmp_path / "rooms.sqlite3", "CREATE TABLE t (x)")
    damage(tmp_path / "rooms.sqlite3", "DROP TABLE t")
    store = SqliteStore(tmp_path / "rooms.sqlite3")
    assert store._db.execute("PRAGMA auto_vacuum").fetchone()[0] == 0
    assert store.give_back(100) == 0
    store.scrub()
    assert store._db.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    store.close()
