"""Tests of `store.restoring`: one store or the other, whatever happens, and nothing deleted."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.keys import load_keys, rotate_keys
from collab_server.lock import FolderLock, FolderTaken
from collab_server.store import restoring
from collab_server.store.backup import back_up
from collab_server.store.restoring import restore, stores_set_aside
from collab_server.store.schema import VERSION
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import verify

from .stores import NOON, damage, dump, files_in, text_in, write_room
from .test_backup import files_no_larger_than
from .test_migrations import made_from, version_of

ASIDE = "before-restore-2027-01-01T120000Z"


def make_store(folder: Path, rows: int) -> None:
    store = SqliteStore(folder / "rooms.sqlite3")
    write_room(store, "notes", rows=rows, snapshots=(4,))
    store.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose room has gone on since the backup, and whose keys are others."""
    folder = tmp_path / "data"
    make_store(folder, 9)
    load_keys(folder / "keys")
    back_up(folder, tmp_path / "backup", now=NOON, version="1")
    (folder / "rooms.sqlite3").unlink()
    make_store(folder, 12)
    rotate_keys(folder / "keys")
    return folder


@pytest.fixture
def backup(data: Path) -> Path:
    return data.with_name("backup")


def epoch_of(path: Path) -> bytes:
    store = SqliteStore(path)
    store.close()
    return store.epoch


def test_the_backup_is_in_place_under_a_new_epoch_and_what_was_there_is_aside(
    data: Path, backup: Path
) -> None:
    store = data / "rooms.sqlite3"
    before, before_keys, text = dump(store), (data / "keys").read_text(), text_in(backup)
    epochs = {epoch_of(store), epoch_of(backup)}
    (data / "rooms.sqlite3.v2-backup").write_text("what an upgrade left")
    done = restore(backup, data, now=NOON)
    assert done.note is not None
    assert (done.note.made_at, done.keys, done.aside) == (NOON, 1, data / ASIDE)
    assert text_in(store) == text
    assert verify(store).is_right
    assert epoch_of(store) not in epochs
    assert (data / "keys").read_text() == before_keys.splitlines(keepends=True)[1]
    for file in (store, data / "keys", data / ASIDE / "rooms.sqlite3"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert files_in(data) == [ASIDE, "keys", "rooms.sqlite3"]
    assert files_in(data / ASIDE) == ["keys", "rooms.sqlite3", "rooms.sqlite3.v2-backup"]
    assert stores_set_aside(data) == [
        data / ASIDE / "rooms.sqlite3",
        data / ASIDE / "rooms.sqlite3.v2-backup",
    ]
    assert dump(data / ASIDE / "rooms.sqlite3") == before
    assert (data / ASIDE / "keys").read_text() == before_keys
    assert b"CREATE TABLE backup" not in store.read_bytes()


def test_the_secrets_of_a_backup_are_not_left_in_the_store(data: Path, backup: Path) -> None:
    secret = bytes.fromhex((data / "keys").read_text().splitlines()[1].split()[1])
    assert secret in backup.read_bytes()
    restore(backup, data, now=NOON)
    assert secret not in (data / "rooms.sqlite3").read_bytes()


def test_one_can_go_back(data: Path, backup: Path) -> None:
    text, keys = text_in(data / "rooms.sqlite3"), (data / "keys").read_text()
    aside = restore(backup, data, now=NOON).aside
    assert aside is not None
    done = restore(aside, data, now=NOON)
    assert text_in(data / "rooms.sqlite3") == text
    assert (data / "keys").read_text() == keys
    assert done.aside == data / f"{ASIDE}-2"


def test_rows_that_were_only_in_the_log_of_sqlite_are_set_aside_too(data: Path, backup: Path) -> None:
    text = text_in(data / "rooms.sqlite3")
    store = SqliteStore(data / "rooms.sqlite3")
    write_room(store, "late", rows=3)
    for name in ("rooms.sqlite3", "rooms.sqlite3-wal"):
        (data / f"killed-{name}").write_bytes((data / name).read_bytes())
    store.close()
    for name in ("rooms.sqlite3", "rooms.sqlite3-wal"):
        (data / f"killed-{name}").replace(data / name)
    assert (data / "rooms.sqlite3-wal").stat().st_size
    restore(backup, data, now=NOON)
    assert not (data / "rooms.sqlite3-wal").exists()
    assert text_in(data / ASIDE / "rooms.sqlite3", "late")
    assert text_in(data / ASIDE / "rooms.sqlite3") == text


def test_into_a_folder_with_nothing_in_it(tmp_path: Path, backup: Path) -> None:
    done = restore(backup, tmp_path / "new" / "data", now=NOON)
    assert done.aside is None
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700
    assert files_in(tmp_path / "new" / "data") == ["keys", "rooms.sqlite3"]


@pytest.mark.parametrize("left", [b"no database" * 999, b""])
def test_a_store_that_is_damaged_is_set_aside_as_it_is(data: Path, backup: Path, left: bytes) -> None:
    (data / "rooms.sqlite3").write_bytes(left)
    (data / "rooms.sqlite3-wal").write_bytes(b"all of it" * 999)
    restore(backup, data, now=NOON)
    assert verify(data / "rooms.sqlite3").is_right
    assert not (data / "rooms.sqlite3-wal").exists()
    assert (data / ASIDE / "rooms.sqlite3").read_bytes() == left
    assert (data / ASIDE / "rooms.sqlite3-wal").read_bytes() == b"all of it" * 999


def nothing_changes(data: Path, source: Path, error: type[Exception], match: str) -> None:
    before = {file.name: file.read_bytes() for file in data.iterdir() if file.is_file()}
    with pytest.raises(error, match=match):
        restore(source, data, now=NOON)
    after = {file.name: file.read_bytes() for file in data.iterdir() if file.is_file()}
    after.pop("server.lock", None)
    before.pop("server.lock", None)
    assert after == before


def test_under_a_server_it_is_refused(data: Path, backup: Path) -> None:
    with FolderLock(data):
        nothing_changes(data, backup, FolderTaken, "stop it first")


def test_a_backup_of_a_newer_collab_or_of_none_is_refused(data: Path, backup: Path) -> None:
    damage(backup, f"PRAGMA user_version = {VERSION + 1}")
    nothing_changes(data, backup, StoreError, "newer collab")
    backup.write_text("none" * 9999)
    nothing_changes(data, backup, StoreError, "cannot be read")
    nothing_changes(data, data.with_name("none"), StoreError, "there is no")


def test_a_damaged_backup_is_refused_unless_that_is_meant(data: Path, backup: Path) -> None:
    damage(backup, "DELETE FROM row WHERE room = 'notes' AND first = 6")
    nothing_changes(data, backup, StoreError, r"room notes is wrong.*--damaged")
    done = restore(backup, data, now=NOON, may_be_damaged=True)
    assert [room.room for room in done.found.rooms if room.wrong] == ["notes"]
    damage(backup, "DELETE FROM store")
    with pytest.raises(StoreError, match="is damaged"):
        restore(backup, data, now=NOON, may_be_damaged=True)


def test_a_backup_that_was_altered_is_refused_unless_that_is_meant(data: Path, backup: Path) -> None:
    damage(backup, "UPDATE author SET name = 'cy' WHERE name = 'bo'")
    nothing_changes(data, backup, StoreError, r"not as it was made: author.*--damaged")
    done = restore(backup, data, now=NOON, may_be_damaged=True)
    assert done.found.altered
    assert verify(data / "rooms.sqlite3").is_right


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("UPDATE backup SET made_at = 'noon'", "says of itself is damaged"),
        ("UPDATE backup SET made_at = 9e999", "says of itself is damaged"),
        ("UPDATE backup_key SET secret = 'no bytes'", "keys in the backup are damaged"),
        ("UPDATE backup_key SET kid = 'no id' || char(10)", "keys in the backup are damaged"),
        ("UPDATE backup_key SET secret = x'00'", "keys in the backup are damaged"),
    ],
)
def test_what_no_backup_has_is_refused_before_anything_is_done(
    data: Path, backup: Path, sql: str, match: str
) -> None:
    damage(backup, sql)
    for may_be_damaged in (False, True):
        with pytest.raises(StoreError, match=match):
            restore(backup, data, now=NOON, may_be_damaged=may_be_damaged)
    assert files_in(data) == ["keys", "rooms.sqlite3"]


def test_the_folder_of_another_account_is_refused(
    data: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    nothing_changes(data, backup, StoreError, "as that account")


def test_a_full_disk_leaves_all_as_it_was(data: Path, backup: Path) -> None:
    with files_no_larger_than(40_000):
        nothing_changes(data, backup, StoreError, "is as it was")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_format_is_brought_up_to_date_at_the_next_start(
    data: Path, tmp_path: Path, version: int
) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    made_from(version, folder)
    made = back_up(folder, tmp_path / "older-backup", now=NOON, version="1")
    assert made.found.version == version
    restore(made.path, data, now=NOON)
    assert version_of(data / "rooms.sqlite3") == version
    assert text_in(data / "rooms.sqlite3").endswith("日本語 🙂\n") or version == 3
    assert version_of(data / "rooms.sqlite3") == VERSION


class Crash(BaseException):
    """Whatever ends a process; what kill -9 leaves is seen in tests/e2e/test_backup.py."""


def crashing(after: int, calls: list[str]) -> dict[str, Callable[..., object]]:
    """Return stand-ins for what `restoring` does to the disk, of which one dies instead."""

    def counted(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            if len(calls) == after:
                raise Crash
            calls.append(name)
            return call(*arguments, **options)

        return step

    return {
        name: counted(name, getattr(restoring, name))
        for name in ("_copy", "_make_ours", "_empty_log", "_link", "put_keys", "sync_file")
    }


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_crash_anywhere_leaves_one_store_or_the_other(
    data: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    old, new = text_in(data / "rooms.sqlite3"), text_in(backup)
    old_keys = (data / "keys").read_text().split()
    new_keys = old_keys[2:]
    if is_damaged:
        for name in ("rooms.sqlite3", "rooms.sqlite3-wal"):
            (data / name).write_bytes(b"no database" * 999)
    seen: list[str] = []
    for after in range(100):
        calls: list[str] = []
        with monkeypatch.context() as patched:
            for name, stand_in in crashing(after, calls).items():
                patched.setattr(restoring, name, stand_in)
            try:
                restore(backup, data, now=NOON + after)
            except Crash:
                is_done = False
            else:
                is_done = True
        keys = (data / "keys").read_text().split()
        assert set(new_keys) <= set(keys), "tokens that either store knows are good"
        store = data / "rooms.sqlite3"
        if is_damaged and store.read_bytes().startswith(b"no database"):
            with pytest.raises(StoreError):
                SqliteStore(store)  # not served empty
            assert set(old_keys) <= set(keys)
        else:
            text = text_in(store)
            seen.append("new" if text == new else "old")
            assert text in (old, new)
            assert text == new or set(old_keys) <= set(keys)
        if is_done:
            break
        if seen and seen[-1] == "new" and not is_damaged:
            # Begin again from the old one, as it was set aside.
            assert any(_holds(aside, old) for aside in data.glob("before-restore-*"))
            break
    assert after > 5
    assert seen[-1] == "new"


def _holds(aside: Path, text: str) -> bool:
    try:
        return text_in(aside / "rooms.sqlite3") == text
    except (StoreError, sqlite3.Error):
        return False
