"""Tests of `collab_server.store.verifying`: each fault is found in the room that has it, and nowhere else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.text import Replica
from collab_server.erasing import text_alone
from collab_server.store.base import Snapshot
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import Document, NoSuchRoom, RoomFound, verify

from .stores import damage, dump, write_room
from .test_migrations import made_from


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three rooms: one with two snapshots, one without, one that nobody wrote in."""
    made = tmp_path / "rooms.sqlite3"
    store = SqliteStore(made)
    write_room(store, "notes", rows=12, snapshots=(4, 8))
    write_room(store, "plans", rows=5)
    store.create("empty", b"e" * 16, 0.0)
    store.close()
    return made


def test_a_store_that_is_whole_is_right_and_stays_as_it_is(path: Path) -> None:
    before = dump(path)
    told: list[RoomFound] = []
    found = verify(path, on_room=told.append)
    assert found.is_right
    assert [(room.room, room.seq, room.rows, room.snapshots) for room in found.rooms] == [
        ("empty", 0, 0, 0),
        ("notes", 12, 12, 2),
        ("plans", 5, 5, 0),
    ]
    assert told == list(found.rooms)
    assert all(room.text_bytes for room in found.rooms[1:])
    assert dump(path) == before


def other_text(data: bytes) -> bytes:
    """Return a snapshot with the same clocks as `data` and another text."""
    replica = Replica(4)
    replica.apply(data)
    clocks = replica.text()
    replica.close()
    other = Replica(11)
    other.edit(0, 0, "z" * len(clocks))
    made = other.update_since()
    other.close()
    return made


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        (
            "UPDATE snapshot SET data = CAST(x'00' || data AS BLOB) WHERE room = 'notes' AND covered = 8",
            "at 8 is damaged",
        ),
        (
            "UPDATE snapshot SET data = 'a text' WHERE room = 'notes' AND covered = 4",
            "data is not of its kind",
        ),
        ("UPDATE row SET last = 'x' WHERE room = 'plans' AND first = 5", "last is not of its kind in 1"),
        ("UPDATE author SET name = CAST(x'ff' AS TEXT) WHERE room = 'plans'", "cannot be read"),
        ("UPDATE snapshot SET sha256 = x'00' WHERE room = 'notes' AND covered = 4", "at 4 is damaged"),
        ("DELETE FROM row WHERE room = 'notes' AND first = 10", "lacks what lay between 9 and 11"),
        ("DELETE FROM row WHERE room = 'notes' AND first = 6", "lacks what lay between 5 and 7"),
        ("DELETE FROM row WHERE room = 'notes' AND first > 6", "ends at 6, before the snapshot at 8"),
        ("DELETE FROM row WHERE room = 'plans' AND first = 1", "begins at 2, and no snapshot"),
        ("UPDATE row SET data = x'ffffff' WHERE room = 'notes' AND first = 11", "row 11"),
        ("UPDATE row SET data = x'0000' WHERE room = 'notes' AND first = 12", "row 12: it brings nothing"),
        (
            "UPDATE row SET author = 99 WHERE room = 'plans' AND first = 2",
            "nobody is known to have written 1",
        ),
        ("DELETE FROM binding WHERE room = 'plans' AND client_id = 12", "1 client ids that wrote here"),
    ],
)
def test_a_fault_is_found_in_its_room_alone(path: Path, sql: str, what: str) -> None:
    damage(path, sql)
    found = verify(path)
    room = "plans" if "'plans'" in sql else "notes"
    assert not found.is_right
    assert not found.wrong
    wrong = {each.room: each.wrong for each in found.rooms if each.wrong}
    assert list(wrong) == [room]
    assert any(what in line for line in wrong[room]), wrong


def test_a_snapshot_with_another_text_than_the_log_is_found(path: Path) -> None:
    store = SqliteStore(path)
    store.save_snapshot("notes", Snapshot(12, other_text(b"\x00\x00")))
    store.close()
    (notes,) = verify(path, ["notes"]).rooms
    assert any("has another" in line for line in notes.wrong)


def test_a_room_whose_history_was_forgotten_is_right(path: Path) -> None:
    store = SqliteStore(path)
    store.rewrite_room("notes", b"n" * 16, text_alone("what stays", 77), (77,))
    store.close()
    found = verify(path)
    assert found.is_right, found
    assert [room.text_bytes for room in found.rooms if room.room == "notes"] == [10]
    damage(path, "DELETE FROM row WHERE room = 'plans'")
    damage(path, "INSERT INTO snapshot VALUES ('plans', 3, x'0000', x'00')")
    assert [room.room for room in verify(path).rooms if room.wrong] == ["plans"]


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("DELETE FROM room WHERE name = 'plans'", "something of room plans, and no such room"),
        ("CREATE TRIGGER t AFTER INSERT ON row BEGIN DELETE FROM room; END", "triggers"),
        ("UPDATE store SET epoch = x'00'", "does not say which store"),
        ("UPDATE store SET epoch = '0123456789abcdef'", "epoch is not of its kind"),
        ("ALTER TABLE setting RENAME COLUMN value TO other", "setting: the table is another"),
        ("ALTER TABLE chat RENAME TO talk", "chat: the table is another"),
        ("INSERT INTO ban VALUES ('notes', x'00', 'ana', 0)", "ban: who is not of its kind"),
    ],
)
def test_a_fault_of_the_file_is_told_as_such(path: Path, sql: str, what: str) -> None:
    damage(path, sql)
    found = verify(path)
    assert not found.is_right
    assert any(what in line for line in found.wrong)
    assert not any(room.wrong for room in found.rooms)


def test_a_damaged_page_is_found(path: Path) -> None:
    damage(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    at = content.index(b"unix:bo")
    page = at // 4096 * 4096
    path.write_bytes(content[:page] + b"\xff" * 64 + content[page + 64 :])
    found = verify(path)
    assert not found.is_right


def test_rooms_are_read_by_name(path: Path) -> None:
    damage(path, "DELETE FROM row WHERE room = 'notes' AND first = 10")
    assert verify(path, ["plans"]).is_right
    assert [room.room for room in verify(path, ["notes", "plans"]).rooms] == ["notes", "plans"]
    with pytest.raises(NoSuchRoom, match="no room other"):
        verify(path, ["other"])


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_formats_are_read_as_they_are(tmp_path: Path, version: int) -> None:
    path = made_from(version, tmp_path)
    before = dump(path)
    found = verify(path)
    assert found.version == version
    assert found.is_right, found
    assert dump(path) == before


def test_what_is_no_store_of_ours_is_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(StoreError, match="there is no"):
        verify(tmp_path / "none")
    (tmp_path / "text").write_text("a text, and no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        verify(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE row (x)")
    other.close()
    with pytest.raises(StoreError, match="is no store"):
        verify(tmp_path / "other")
    damage(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer collab.*upgrade"):
        verify(path)


def test_a_schema_that_is_no_text_is_told(path: Path) -> None:
    damage(path, "PRAGMA journal_mode = DELETE")
    content = path.read_bytes()
    for before, after in ((b"CREATE TABLE row", b"\xffREATE TABLE \xc5ow"), (b"tablerow", b"table\xffow")):
        path.write_bytes(content.replace(before, after, 1))
        with pytest.raises(StoreError, match=r"cannot be read|is no store"):
            verify(path)


def test_a_server_may_write_meanwhile(path: Path) -> None:
    store = SqliteStore(path)

    def go_on(found: RoomFound) -> None:
        store.delete_room("plans")
        store.create(f"{found.room}-2", b"x" * 16, 0.0)

    found = verify(path, on_room=go_on)
    store.close()
    assert found.is_right
    assert [room.room for room in found.rooms] == ["empty", "notes"], "what was deleted meanwhile is no fault"


def test_bytes_that_would_end_the_process_are_told_and_not_applied() -> None:
    # A struct whose clock leaves a gap (docs of the gate): the CRDT crashes over it.
    with Document() as document:
        for data in (b"\x01\x01\x06\x0f\x84\x07\x0e\x01a\x00", b"", b"\xff" * 40):
            with pytest.raises(StoreError):
                document.apply(data)
        assert document.state().text_bytes == 0
