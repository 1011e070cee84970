from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from collab_protocol import limits
from collab_protocol.errors import StoreError
from collab_server.store.base import (
    Ban,
    ChatLine,
    Invite,
    Row,
    SettingRow,
    Snapshot,
    StoreTrouble,
)
from collab_server.store.schema import VERSION
from collab_server.store.sqlite import SqliteStore

LINEAGE = b"l" * 16


def row(seq: int, room: str = "notes", data: bytes = b"x", session: int = 5) -> Row:
    return Row(room, seq, seq, session, "unix:ana", "ana", b"h" * 32, 1000.5, data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "rooms.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def test_what_is_written_comes_back_after_reopening(path: Path) -> None:
    store = SqliteStore(path)
    assert store.create("notes", LINEAGE, 1.0)
    rows = [row(1, data=b"\x00\xff"), row(2, data="日🙂".encode()), replace(row(3), session=6, name="bo")]
    store.write(rows, [SettingRow("notes", "title", "Plan", 2)])
    epoch = store.epoch
    store.close()
    again = SqliteStore(path)
    stored = again.load("notes")
    again.close()
    assert stored is not None
    assert (stored.name, stored.lineage, stored.snapshot) == ("notes", LINEAGE, None)
    assert list(stored.rows) == rows
    assert stored.settings == {"title": "Plan"}
    assert again.epoch == epoch
    assert len(epoch) == 16


def test_two_stores_have_two_epochs(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / f"{name}.sqlite3") for name in "ab"]
    assert stores[0].epoch != stores[1].epoch
    for store in stores:
        store.close()


def test_a_room_is_created_once_or_not_at_all(store: SqliteStore) -> None:
    assert store.create("notes", LINEAGE, 1.0)
    assert not store.create("notes", b"x" * 16, 2.0)
    stored = store.load("notes")
    assert stored is not None
    assert stored.lineage == LINEAGE


def test_a_room_that_never_was_is_none(store: SqliteStore) -> None:
    assert store.load("notes") is None
    assert store.room_names() == []


def test_rooms_are_kept_apart(store: SqliteStore) -> None:
    for room in ("b", "a"):
        store.create(room, LINEAGE, 1.0)
        store.write([row(1, room, room.encode())], [SettingRow(room, "title", room, 0)])
    stored = store.load("a")
    assert stored is not None
    assert [each.data for each in stored.rows] == [b"a"]
    assert stored.settings == {"title": "a"}
    assert store.room_names() == ["a", "b"]


def test_a_write_is_one_transaction(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1)], [])
    with pytest.raises(StoreError):
        store.write([row(2), row(1)], [SettingRow("notes", "title", "x", 1)])
    stored = store.load("notes")
    assert stored is not None
    assert [each.last for each in stored.rows] == [1]
    assert stored.settings == {}
    store.write([row(2)], [])


def test_a_full_disk_is_told_and_survived(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="full"):
        store.write([row(1, data=b"x" * 1_000_000)], [])
    store._db.execute("PRAGMA max_page_count = 1000000")
    store.write([row(1)], [])
    stored = store.load("notes")
    assert stored is not None
    assert len(stored.rows) == 1


def test_settings_keep_the_last_value(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([], [SettingRow("notes", "title", "a", 0), SettingRow("notes", "title", "b", 1)])
    stored = store.load("notes")
    assert stored is not None
    assert stored.settings == {"title": "b"}


def test_a_snapshot_stands_for_the_rows_that_it_covers(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1), row(2), row(3)], [])
    store.save_snapshot("notes", Snapshot(2, b"whole"))
    stored = store.load("notes")
    assert stored is not None
    assert stored.snapshot == Snapshot(2, b"whole")
    assert [each.first for each in stored.rows] == [3]


def test_a_snapshot_deletes_no_row_and_the_one_before_it_stays(store: SqliteStore, path: Path) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(seq) for seq in range(1, 5)], [])
    for covered in (1, 2, 3):
        store.save_snapshot("notes", Snapshot(covered, b"whole"))
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT covered FROM snapshot ORDER BY covered").fetchall() == [(2,), (3,)]
        assert db.execute("SELECT count(*) FROM row").fetchone() == (4,)
    db.close()


def test_a_damaged_snapshot_is_passed_over(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1), row(2), row(3)], [])
    store.save_snapshot("notes", Snapshot(1, b"good"))
    store.save_snapshot("notes", Snapshot(3, b"bad"))
    store._db.execute("UPDATE snapshot SET data = x'00' WHERE covered = 3")
    stored = store.load("notes")
    assert stored is not None
    assert stored.snapshot == Snapshot(1, b"good")
    assert [each.first for each in stored.rows] == [2, 3]


@pytest.mark.parametrize("missing", [1, 2])
def test_a_log_with_a_hole_is_refused_not_served_short(store: SqliteStore, missing: int) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1), row(2), row(3)], [])
    store._db.execute("DELETE FROM row WHERE first = ?", (missing,))
    with pytest.raises(StoreError, match="notes"):
        store.load("notes")


def test_a_log_that_ends_before_its_damaged_snapshot_is_refused_not_served_short(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1), row(2), row(3)], [])
    store.save_snapshot("notes", Snapshot(3, b"bad"))
    store._db.execute("UPDATE snapshot SET data = x'00'")
    stored = store.load("notes")
    assert stored is not None
    assert (stored.snapshot, len(stored.rows)) == (None, 3), "the log alone is enough"
    store._db.execute("DELETE FROM row WHERE first = 3")
    with pytest.raises(StoreError, match="notes"):
        store.load("notes")
    store._db.execute("DELETE FROM row")
    with pytest.raises(StoreError, match="notes"):
        store.load("notes")


def test_a_snapshot_that_was_passed_over_can_be_made_anew(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1), row(2)], [])
    store.save_snapshot("notes", Snapshot(1, b"older"))
    store.save_snapshot("notes", Snapshot(2, b"bad"))
    before = store.load("notes", before=2)
    assert before is not None
    assert (before.snapshot, [each.first for each in before.rows]) == (Snapshot(1, b"older"), [2])
    store.save_snapshot("notes", Snapshot(2, b"good"))
    stored = store.load("notes")
    assert stored is not None
    assert stored.snapshot == Snapshot(2, b"good")


def test_the_first_device_that_writes_under_a_client_id_has_it(store: SqliteStore) -> None:
    largest = 2**53 - 1
    for room in ("notes", "other"):
        store.create(room, LINEAGE, 1.0)
    mine, other = b"m" * 32, b"o" * 32
    first = replace(row(1), device_hash=mine, new_ids=(7, largest))
    second = replace(row(2), device_hash=other, new_ids=(7, 8))
    elsewhere = replace(row(1, "other"), device_hash=other, new_ids=(7,))
    store.write([first, second, elsewhere], [])
    stored, stored_elsewhere = store.load("notes"), store.load("other")
    assert stored is not None
    assert stored_elsewhere is not None
    assert stored.bindings == {7: mine, largest: mine, 8: other}
    assert stored_elsewhere.bindings == {7: other}


def test_no_id_is_bound_by_a_row_that_is_not_stored(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1)], [])
    with pytest.raises(StoreError):
        store.write([replace(row(2), new_ids=(7,)), row(1)], [])
    stored = store.load("notes")
    assert stored is not None
    assert stored.bindings == {}


class TestTrouble:
    """What the disk is to blame for carries a reason for people; the rest does not."""

    def test_a_full_disk(self, store: SqliteStore) -> None:
        store.create("notes", LINEAGE, 1.0)
        fill(store)
        with pytest.raises(StoreTrouble) as trouble:
            store.write([row(1, data=b"x" * 1_000_000)], [])
        assert trouble.value.reason == "the server's disk is full"
        with pytest.raises(StoreTrouble):
            store.probe()
        assert store.load("notes") is not None, "what is there can be read"
        store._db.execute("PRAGMA max_page_count = 1000000")
        for _ in range(3):
            store.probe()
        assert store._db.execute("SELECT count(*) FROM probe").fetchone() == (0,)

    def test_a_store_that_may_not_be_written(self, store: SqliteStore) -> None:
        store.create("notes", LINEAGE, 1.0)
        store._db.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreTrouble) as trouble:
            store.write([row(1)], [])
        assert trouble.value.reason == "the server's store may not be written"
        assert store.load("notes") is not None

    def test_a_store_that_another_program_holds(self, store: SqliteStore, path: Path) -> None:
        store.create("notes", LINEAGE, 1.0)
        store._db.execute("PRAGMA busy_timeout = 0")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreTrouble) as trouble:
                store.write([row(1)], [])
            assert store.load("notes") is not None
        assert trouble.value.reason == "the server's store is locked by another program"
        store.write([row(1)], [])

    def test_a_row_that_cannot_be_stored_is_no_trouble(self, store: SqliteStore) -> None:
        store.create("notes", LINEAGE, 1.0)
        with pytest.raises(StoreError) as error:
            store.write([row(1), row(1)], [])
        assert not isinstance(error.value, StoreTrouble)


def fill(store: SqliteStore) -> None:
    """Let the disk be full now."""
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")


def test_nobody_else_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        store.create("notes", LINEAGE, 1.0)
        files = list(path.parent.iterdir())
        assert len(files) > 1, "the write-ahead log is there too"
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        store.close()
    finally:
        os.umask(before)


def test_a_file_of_a_newer_collab_is_refused_and_left_as_it_is(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="newer"):
        SqliteStore(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"precious notes of somebody" * 100)
    with pytest.raises(StoreError):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"precious")


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "file" / "rooms.sqlite3")


def test_a_crash_in_the_midst_of_the_first_start_leaves_a_file_that_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever step the first start got to, there is all of it or nothing."""

    class Crash(BaseException):
        pass

    statements = 0

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            nonlocal statements
            if statements == 0:
                raise Crash
            statements -= 1
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    connect = sqlite3.connect
    for step in range(12):
        statements = step
        file = path.with_name(f"{step}.sqlite3")
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Dying, **k))
            with contextlib.suppress(Crash):
                SqliteStore(file).close()
        again = SqliteStore(file)
        assert len(again.epoch) == 16
        again.close()


def test_a_store_in_memory_says_that_it_does_not_last() -> None:
    store = SqliteStore(None)
    assert not store.is_durable
    assert store.create("notes", LINEAGE, 1.0)
    store.write([row(1)], [])
    stored = store.load("notes")
    assert stored is not None
    assert len(stored.rows) == 1
    store.close()


def test_it_waits_for_the_disk(store: SqliteStore) -> None:
    assert store.is_durable
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def line(n: int, room: str = "notes") -> ChatLine:
    return ChatLine(room, n, 1000.25, "unix:ana", "ana", 7, f"日🙂 {n}")


def test_the_newest_lines_of_chat_come_back_and_older_ones_go(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.create("other", LINEAGE, 1.0)
    store.write([], [], [line(1, "other")])
    for n in range(1, limits.CHAT_KEPT + 11):
        store.write([], [], [line(n)])
    stored, other = store.load("notes"), store.load("other")
    assert stored is not None
    assert other is not None
    last = limits.CHAT_KEPT + 10
    assert stored.chat == tuple(line(n) for n in range(last - limits.CHAT_SHOWN + 1, last + 1))
    assert other.chat == (line(1, "other"),)
    kept = [n for (n,) in store._db.execute("SELECT n FROM chat WHERE room = 'notes' ORDER BY n")]
    assert kept == list(range(11, last + 1))


def test_chat_is_in_one_transaction_with_the_rest(store: SqliteStore) -> None:
    store.create("notes", LINEAGE, 1.0)
    store.write([row(1)], [], [line(1)])
    with pytest.raises(StoreError):
        store.write([row(2)], [], [line(2), line(1)])
    stored = store.load("notes")
    assert stored is not None
    assert ([each.last for each in stored.rows], stored.chat) == ([1], (line(1),))


class TestWriters:
    @pytest.fixture
    def written(self, store: SqliteStore) -> SqliteStore:
        store.create("notes", LINEAGE, 1.0)
        store.create("other", LINEAGE, 1.0)
        ana = replace(row(1), new_ids=(11,))
        bo = replace(
            row(2, session=6), principal="unix:bo", name="bo", device_hash=b"b" * 32, new_ids=(12, 13)
        )
        # Another window of ana's machine, under another name, and again the first one.
        ann = replace(row(3, session=7), principal="unix:ana/Ann", name="Ann", new_ids=(14,))
        store.write([ana, bo, ann], [])
        store.write([row(4), replace(row(1, "other"), principal="unix:cy", name="cy", new_ids=(11,))], [])
        return store

    def test_since_a_row(self, written: SqliteStore) -> None:
        everybody = (("unix:ana", "ana"), ("unix:ana/Ann", "Ann"), ("unix:bo", "bo"))
        assert [written.writers("notes", since).people for since in range(5)] == [
            everybody,
            everybody,
            everybody[:2],
            everybody[:1],
            (),
        ]
        assert written.writers("notes", 0).ids == ()
        assert written.writers("nowhere", 0).people == ()

    def test_ever_and_under_which_ids(self, written: SqliteStore) -> None:
        writers = written.writers("notes", None)
        names = [name for _, name in writers.people]
        assert names == ["ana", "Ann", "bo"]
        assert {client_id: names[at] for client_id, at in writers.ids} == {
            11: "ana",
            12: "bo",
            13: "bo",
            14: "Ann",
        }
        assert written.writers("other", None).people == (("unix:cy", "cy"),)

    def test_an_id_stays_with_who_brought_it(self, written: SqliteStore) -> None:
        written.write([replace(row(5, session=9), principal="unix:eve", name="eve", new_ids=(11,))], [])
        writers = written.writers("notes", None)
        assert writers.people[dict(writers.ids)[11]] == ("unix:ana", "ana")

    def test_the_newest_people_only_and_their_ids(
        self, written: SqliteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "AUTHORS", 2)
        writers = written.writers("notes", None)
        assert [name for _, name in writers.people] == ["ana", "Ann"]
        assert dict(writers.ids) == {11: 0, 14: 1}


INVITE = Invite("0" * 16, "notes", "write", "Änna", 1000.25, 2000.5, 1500.5, False)


def filled(store: SqliteStore, room: str, text: bytes) -> None:
    """Make a room with something in every table, all of which has `text`."""
    store.create(room, LINEAGE, 1.0)
    told = text.decode()
    rows = [replace(row(seq, room, text * 40), name=told, new_ids=(seq,)) for seq in (1, 2, 3)]
    store.write(rows, [SettingRow(room, "title", told, 3)], [replace(line(1, room), text=told)])
    store.save_snapshot(room, Snapshot(2, text * 4000))
    store.save_snapshot(room, Snapshot(3, text * 4000))
    store.add_invite(replace(INVITE, id=f"{room}-1", room=room, name=told))
    store.use_invite(f"{room}-1", b"m" * 32, 1.0)
    store.put_ban(Ban(room, "unix:ana", told, 9.0))
    store.set_closed(room, True)


def traces(path: Path, text: bytes) -> list[str]:
    """Return the files beside `path` in which `text` can be found, in either byte of a page."""
    return sorted(file.name for file in path.parent.iterdir() if text in file.read_bytes())


ABOUT: Final = {
    **dict.fromkeys(
        ("row", "author", "binding", "snapshot", "chat", "setting", "invite", "ban", "closed"), "room = ?"
    ),
    "room": "name = ?",
    "invite_use": "invite LIKE ? || '-%'",
}
"""For each table with something about rooms, what finds that of one room."""


def rows_about(store: SqliteStore, room: str) -> dict[str, int]:
    """Count the rows of every table that are about a room."""
    return {
        table: store._db.execute(f"SELECT count(*) FROM {table} WHERE {where}", (room,)).fetchone()[0]
        for table, where in ABOUT.items()
    }


SECRET = b"correct horse battery"


class TestErasing:
    def test_a_deleted_room_is_gone_from_every_table_and_the_others_are_not(self, store: SqliteStore) -> None:
        filled(store, "notes", b"x")
        filled(store, "other", b"y")
        tables = {
            name for (name,) in store._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        assert tables == {*ABOUT, "store", "probe"}, "a new table has to be thought of here"
        before = rows_about(store, "other")
        assert min(before.values()) > 0
        assert store.room_count() == 2
        assert store.delete_room("notes")
        assert rows_about(store, "notes") == dict.fromkeys(ABOUT, 0)
        assert rows_about(store, "other") == before
        assert (store.room_count(), store.room_names(), store.load("notes")) == (1, ["other"], None)
        assert not store.delete_room("notes")

    def test_invites_into_a_room_that_never_was_go_too(self, store: SqliteStore) -> None:
        store.add_invite(INVITE)
        assert not store.delete_room("notes")
        assert store.load_access().invites == ()

    def test_a_room_can_be_made_again(self, store: SqliteStore) -> None:
        filled(store, "notes", b"x")
        store.delete_room("notes")
        assert store.create("notes", b"n" * 16, 2.0)
        store.write([row(1)], [])
        stored = store.load("notes")
        assert stored is not None
        assert (len(stored.rows), stored.snapshot, stored.chat, stored.bindings) == (1, None, (), {})

    def test_a_rewritten_room_has_its_text_and_settings_alone(self, store: SqliteStore) -> None:
        filled(store, "notes", b"x")
        filled(store, "other", b"y")
        before = rows_about(store, "other")
        store.rewrite_room("notes", b"n" * 16, Snapshot(1, b"text"))
        stored = store.load("notes")
        assert stored is not None
        assert (stored.lineage, stored.snapshot, stored.rows) == (b"n" * 16, Snapshot(1, b"text"), ())
        assert (stored.settings, stored.bindings, stored.chat) == ({"title": "x"}, {}, ())
        assert store.writers("notes", None).people == ()
        assert store._db.execute("SELECT seq FROM setting WHERE room = 'notes'").fetchone() == (1,)
        access = store.load_access()
        assert [invite.room for invite in access.invites] == ["notes", "other"]
        assert access.closed == {"notes", "other"}
        assert rows_about(store, "other") == before
        store.write([row(2)], [])
        stored = store.load("notes")
        assert stored is not None
        assert [each.first for each in stored.rows] == [2]

    def test_a_room_that_never_was_is_not_rewritten(self, store: SqliteStore) -> None:
        with pytest.raises(StoreError, match="no room notes"):
            store.rewrite_room("notes", LINEAGE, Snapshot(1, b"text"))
        assert store.room_count() == 0
        assert rows_about(store, "notes")["snapshot"] == 0

    def test_a_rewrite_is_all_or_nothing(self, store: SqliteStore) -> None:
        filled(store, "notes", b"x")
        before = store.load("notes")
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreTrouble):
            store.rewrite_room("notes", b"n" * 16, Snapshot(1, b"x" * 1_000_000))
        assert store.load("notes") == before

    @pytest.mark.parametrize("how", ["delete", "rewrite"])
    def test_no_byte_is_left_in_any_file(self, store: SqliteStore, path: Path, how: str) -> None:
        filled(store, "notes", SECRET)
        filled(store, "other", b"of others")
        assert traces(path, SECRET)
        if how == "delete":
            store.delete_room("notes")
        else:
            store.write([], [SettingRow("notes", "title", "plain", 3)])
            store.delete_room("notes")
            store.create("notes", LINEAGE, 1.0)
            store.write([row(1, data=SECRET)], [])
            store.rewrite_room("notes", b"n" * 16, Snapshot(1, b"text"))
        assert traces(path, SECRET), "the write-ahead log has it still"
        store.scrub()
        assert traces(path, SECRET) == []
        assert traces(path, b"of others")
        other = store.load("other")
        assert other is not None
        assert other.snapshot == Snapshot(3, b"of others" * 4000)
        store.write([row(4, "other")], [])
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_no_byte_is_left_that_an_older_collab_let_lie(self, path: Path) -> None:
        store = SqliteStore(path)
        filled(store, "notes", SECRET)
        store.close()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = OFF")
            for table in ("snapshot", "row"):
                db.execute(f"DELETE FROM {table}")
        store = SqliteStore(path)
        store.delete_room("notes")
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert traces(path, SECRET) == [path.name], "free pages have it"
        store.scrub()
        assert traces(path, SECRET) == []
        store.close()

    def test_what_is_deleted_is_overwritten_from_the_start(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect = sqlite3.connect

        def connect_without(*arguments: Any, **options: Any) -> sqlite3.Connection:
            """Connect as an SQLite does that was built without it; many have it on."""
            db = connect(*arguments, **options)
            db.execute("PRAGMA secure_delete = OFF")
            return db

        monkeypatch.setattr(sqlite3, "connect", connect_without)
        store = SqliteStore(path)
        store.create("notes", LINEAGE, 1.0)
        store.save_snapshot("notes", Snapshot(1, SECRET * 4000))
        store.delete_room("notes")
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert traces(path, SECRET) == []
        store.close()

    def test_a_reader_that_holds_the_log_is_told_of(self, store: SqliteStore, path: Path) -> None:
        filled(store, "notes", SECRET)
        store._db.execute("PRAGMA busy_timeout = 0")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM row").fetchone()
            store.delete_room("notes")
            with pytest.raises(StoreTrouble, match="another program"):
                store.scrub()
            assert traces(path, SECRET)
            reader.execute("COMMIT")
        store.scrub()
        assert traces(path, SECRET) == []

    def test_a_full_disk_is_told(self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        filled(store, "notes", b"x")
        store._db.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreTrouble):
            store.scrub()

    def test_a_store_in_memory_can_be_scrubbed(self) -> None:
        store = SqliteStore(None)
        filled(store, "notes", b"x")
        assert store.delete_room("notes")
        store.scrub()
        assert store.room_count() == 0
        store.close()
