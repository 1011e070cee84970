"""Tests of `collab_server.store.replay`: a room that cannot be read is refused, and stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.text import Replica
from collab_server.store.base import Row, Snapshot
from collab_server.store.replay import check_snapshot
from collab_server.store.sqlite import SqliteStore

from .rooms import Writer
from .test_registry import Bench


def fill(store: SqliteStore) -> Replica:
    """Store six rows, and whole snapshots at 2 and 4; returns the document."""
    store.create("notes", b"l" * 16, 1.0)
    writer = Writer(11)
    for seq in range(1, 7):
        data = writer.type(f"{seq}é ")
        store.write([Row("notes", seq, seq, 5, "unix:ana", "ana", b"h" * 32, 1.0, data, (11,))], [])
        if seq in (2, 4):
            store.save_snapshot("notes", Snapshot(seq, writer.replica.update_since()))
    return writer.replica


def files(folder: Path) -> dict[str, bytes]:
    # -shm is an index of the log in memory, made anew by each who opens the file.
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


DAMAGE = {
    "a hole": "DELETE FROM row WHERE first = 5",
    "a row of garbage": "UPDATE row SET data = x'ffffff' WHERE first = 6",
    "no snapshot and not all rows": "UPDATE snapshot SET data = x'00'; DELETE FROM row WHERE first <= 2",
    "no snapshot and no rows": "UPDATE snapshot SET data = x'00'; DELETE FROM row",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_room_that_cannot_be_read_is_refused_and_its_files_stay(tmp_path: Path, damage: str) -> None:
    store = SqliteStore(tmp_path / "rooms.sqlite3")
    fill(store)
    store._db.executescript(DAMAGE[damage])
    store.close()
    closed = files(tmp_path)
    bench = Bench(tmp_path, 3600)
    opened = files(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError, match="notes"):
            await bench.registry.open("notes")
    assert files(tmp_path) == opened
    await bench.registry.close("over")
    bench.registry.dispose()
    await bench.committer.close()
    assert files(tmp_path) == closed


@pytest.mark.parametrize("is_hash_right", [True, False])
@pytest.mark.parametrize("broken", [[4], [2, 4]])
async def test_of_snapshots_that_do_not_read_back_the_one_before_is_used_with_the_rows_after_it(
    tmp_path: Path, broken: list[int], is_hash_right: bool
) -> None:
    bench = Bench(tmp_path, 3600)
    whole = fill(bench.store)
    for covered in broken:
        if is_hash_right:
            bench.store.save_snapshot("notes", Snapshot(covered, b"\xff\xff\xff"))
        else:
            bench.store._db.execute("UPDATE snapshot SET data = x'00' WHERE covered = ?", (covered,))
    opened = await bench.registry.open("notes")
    assert (opened.room.text(), opened.room.seq) == (whole.text(), 6)
    assert opened.covered == (2 if broken == [4] else 0)
    await bench.registry.close("over")
    bench.registry.dispose()
    await bench.committer.close()


def test_a_snapshot_must_have_the_text_and_the_clocks() -> None:
    writer = Writer(11)
    writer.type("kept gone")
    writer.delete(4, 5)
    replica = writer.replica
    text, clocks = replica.text(), replica.state_vector()
    check_snapshot(Snapshot(2, replica.update_since()), text, clocks)
    with pytest.raises(StoreError, match="another text"):
        check_snapshot(Snapshot(1, writer.rows[0]), text, clocks)
    with pytest.raises(StoreError, match="does not read back"):
        check_snapshot(Snapshot(2, b"\xff\xff"), text, clocks)
    same_text = Writer(12)
    same_text.type("kept")
    with pytest.raises(StoreError, match="clocks"):
        check_snapshot(Snapshot(2, same_text.replica.update_since()), text, clocks)


def test_clocks_are_the_same_in_any_order() -> None:
    one, other = Replica(1000), Replica(1001)
    for client_id in range(3, 40):
        writer = Writer(client_id)
        one.apply(writer.type("x"))
    other.apply(one.update_since())
    check_snapshot(Snapshot(37, one.update_since()), other.text(), other.state_vector())
