"""Tests of `store.backup`: what is copied, where it may go, and that nothing is left half-done."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.keys import load_keys
from collab_server.store import backup as backup_module
from collab_server.store.backup import back_up, read_keys, read_note
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import reading, verify

from .stores import NOON, damage, files_in, text_in, write_room


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two rooms and keys."""
    folder = tmp_path / "data"
    store = SqliteStore(folder / "rooms.sqlite3")
    write_room(store, "notes", rows=12, snapshots=(4, 8))
    write_room(store, "plans", rows=5)
    store.close()
    load_keys(folder / "keys")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def test_a_backup_has_all_rooms_and_the_keys_and_is_for_its_owner_alone(data: Path, place: Path) -> None:
    mask = os.umask(0)
    try:
        made = back_up(data, place / "one.sqlite3", now=NOON, version="1.2.3")
    finally:
        os.umask(mask)
    assert files_in(place) == ["one.sqlite3"]
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.size_bytes == made.path.stat().st_size
    assert made.found.is_right
    assert [(room.room, room.seq) for room in made.found.rooms] == [("notes", 12), ("plans", 5)]
    with reading(made.path) as db:
        note, keys = read_note(db), read_keys(db)
    assert note is not None
    assert (note.made_at, note.collab, note.data_dir) == (NOON, "1.2.3", str(data))
    assert "".join(f"{kid} {secret.hex()}\n" for kid, secret in keys) == (data / "keys").read_text()
    assert text_in(made.path, "plans") == text_in(data / "rooms.sqlite3", "plans")


def test_a_store_without_keys_is_copied_without(data: Path, place: Path) -> None:
    (data / "keys").unlink()
    assert back_up(data, place, now=NOON, version="1").keys == 0


def test_what_a_server_writes_meanwhile_is_not_in_it_and_waits_for_nothing(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(data / "rooms.sqlite3")
    writing = backup_module.writing

    def written_meanwhile(draft: Path) -> sqlite3.Connection:
        write_room(store, "later", rows=3)  # the backup has begun to read by now
        return writing(draft)

    monkeypatch.setattr(backup_module, "writing", written_meanwhile)
    made = back_up(data, place, now=NOON, version="1")
    store.close()
    assert [room.room for room in made.found.rooms] == ["notes", "plans"]
    assert verify(data / "rooms.sqlite3").is_right


def test_in_a_folder_it_gets_a_name_and_the_newest_are_kept(data: Path, place: Path) -> None:
    (place / "collab-2020-01-01T000000Z.sqlite3").write_text("of somebody else, with the same name")
    (place / "collab.sqlite3").write_text("of somebody else")
    for number in range(3):
        back_up(data, place, now=NOON + number // 2, version="1")
    made = back_up(data, place, now=NOON + 86_400, version="1", keep=2)
    assert made.path.name == "collab-2027-01-02T120000Z.sqlite3"
    assert [path.name for path in made.removed] == [
        "collab-2027-01-01T120000Z-2.sqlite3",
        "collab-2027-01-01T120000Z.sqlite3",
    ]
    assert files_in(place) == [
        "collab-2020-01-01T000000Z.sqlite3",
        "collab-2027-01-01T120001Z.sqlite3",
        "collab-2027-01-02T120000Z.sqlite3",
        "collab.sqlite3",
    ]


def test_the_new_one_stays_whatever_the_clock_says_and_others_folders_are_left(
    data: Path, place: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    store = SqliteStore(other / "rooms.sqlite3")
    store.close()
    theirs = back_up(other, place, now=NOON, version="1")
    later = back_up(data, place, now=NOON + 86_400, version="1")
    before = back_up(data, place, now=NOON + 1, version="1", keep=1)
    ours = back_up(data, place, now=NOON + 2, version="1", keep=1)
    assert ours.removed == (before.path,), "one that a clock dated ahead is not the newest for ever"
    assert {file.name for file in place.iterdir()} == {made.path.name for made in (theirs, later, ours)}


def test_two_at_once_do_not_remove_each_other(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: list[backup_module.Backup] = []

    def overtaken(folder: Path) -> None:
        monkeypatch.undo()
        second.append(back_up(data, folder, now=NOON + 1, version="1", keep=1))

    monkeypatch.setattr(backup_module, "_sync", overtaken)
    first = back_up(data, place, now=NOON, version="1", keep=1)
    assert second[0].removed == (first.path,)
    assert first.removed == ()
    assert files_in(place) == [second[0].path.name]


def test_those_of_another_store_in_the_same_place_are_left(data: Path, place: Path) -> None:
    before = back_up(data, place, now=NOON, version="1")  # or another machine's, with a folder of that name
    damage(data / "rooms.sqlite3", "UPDATE store SET epoch = randomblob(16)")
    assert back_up(data, place, now=NOON + 1, version="1", keep=1).removed == ()
    assert before.path.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE row SET at = at + 1 WHERE room = 'plans' AND first = 5",
        "UPDATE backup_key SET secret = randomblob(32)",
        "DELETE FROM backup_key",
        "UPDATE author SET name = 'cy' WHERE name = 'bo'",
        "DELETE FROM row WHERE room = 'plans' AND first = 5",
        "UPDATE backup SET made_at = 1",
        "DELETE FROM backup_digest WHERE name = 'row'",
        "DROP TABLE backup_digest",
        "ALTER TABLE backup RENAME COLUMN data_dir TO other",
    ],
)
def test_one_that_is_not_as_it_was_made_says_so(data: Path, place: Path, sql: str) -> None:
    made = back_up(data, place, now=NOON, version="1")
    assert verify(made.path).is_right
    damage(made.path, sql)
    found = verify(made.path)
    assert not any(room.wrong for room in found.rooms), "all of it reads as if it were right"
    assert not found.is_right
    assert found.altered


def test_a_backup_put_in_place_by_hand_is_a_store(data: Path, place: Path, tmp_path: Path) -> None:
    made = back_up(data, place, now=NOON, version="1")
    there = tmp_path / "by-hand"
    there.mkdir()
    made.path.rename(there / "rooms.sqlite3")
    store = SqliteStore(there / "rooms.sqlite3")
    write_room(store, "more", rows=3)
    store.close()
    assert verify(there / "rooms.sqlite3").is_right
    assert back_up(there, place, now=NOON + 1, version="1").found.is_right


def test_over_another_backup_and_over_nothing_else(data: Path, place: Path) -> None:
    target = place / "it"
    back_up(data, target, now=NOON, version="1")
    back_up(data, target, now=NOON + 1, version="1")
    with reading(target) as db:
        note = read_note(db)
    assert note is not None
    assert note.made_at == NOON + 1
    text = place / "text"
    text.write_text("mine")
    (place / "link").symlink_to(text)
    for wrong in (text, place / "link", data / "rooms.sqlite3"):
        with pytest.raises(StoreError, match=r"is no backup|would be lost with it"):
            back_up(data, wrong, now=NOON, version="1")
    with pytest.raises(StoreError, match="would be lost with it"):
        back_up(data, data, now=NOON, version="1")
    with pytest.raises(StoreError, match="no folder"):
        back_up(data, place / "none" / "it", now=NOON, version="1")
    with pytest.raises(StoreError, match="no folder"):
        back_up(data, target, now=NOON, version="1", keep=3)
    with pytest.raises(StoreError, match="no server has kept"):
        back_up(place, target, now=NOON, version="1")
    assert text.read_text() == "mine"


@contextlib.contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_leaves_nothing_of_it_and_the_one_before(data: Path, place: Path) -> None:
    target = place / "it"
    back_up(data, target, now=NOON, version="1")
    before = target.read_bytes()
    for where in (target, place):
        with files_no_larger_than(40_000), pytest.raises(StoreError, match="nothing is left of it"):
            back_up(data, where, now=NOON + 1, version="1", keep=1 if where == place else None)
    assert [file.name for file in place.iterdir()] == ["it"]
    assert target.read_bytes() == before


def test_a_copy_that_does_not_read_back_is_no_backup(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = backup_module._copy
    for sql in (
        "DELETE FROM row WHERE room = 'plans' AND first = 5",
        "DELETE FROM room WHERE name = 'plans'",
        "DELETE FROM store",
    ):

        def copied_wrong(data_dir: Path, draft: Path, note: backup_module.Note, sql: str = sql) -> int:
            keys = copy(data_dir, draft, note)
            damage(draft, sql)
            return keys

        monkeypatch.setattr(backup_module, "_copy", copied_wrong)
        with pytest.raises(StoreError, match="the copy"):
            back_up(data, place, now=NOON, version="1")
    assert list(place.iterdir()) == []


def test_a_fault_of_the_store_is_told_and_the_others_are_kept(data: Path, place: Path) -> None:
    good = back_up(data, place, now=NOON, version="1")
    damage(data / "rooms.sqlite3", "DELETE FROM row WHERE room = 'notes' AND first = 10")
    made = back_up(data, place, now=NOON + 1, version="1", keep=1)
    assert [room.room for room in made.found.rooms if room.wrong] == ["notes"]
    assert made.removed == ()
    assert {file.name for file in place.iterdir()} == {good.path.name, made.path.name}


def test_what_a_killed_backup_left_is_removed_and_one_under_way_is_not(data: Path, place: Path) -> None:
    left = place / ".collab-backup-0123456789abcdef.part"
    for ending in ("", "-journal", "-wal", "-shm"):
        left.with_name(f"{left.name}{ending}").write_bytes(b"half")
    with backup_module._draft_in(place) as under_way:
        back_up(data, place, now=NOON, version="1")
        assert under_way.exists()
    assert [file.name for file in place.iterdir()] == ["collab-2027-01-01T120000Z.sqlite3"]
