"""Tests of `collab_server.store.migrations`, from files of the versions before (samples/rooms-v*.sql)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.text import Replica
from collab_server.store import migrations
from collab_server.store.base import StoredAccess, StoredRoom
from collab_server.store.migrations import backup_path, list_backups
from collab_server.store.schema import VERSION
from collab_server.store.sqlite import SqliteStore, list_rooms

SAMPLES = Path(__file__).parent / "samples"

ANA, BO, CY, DI, EVE = (
    hashlib.sha256(who.encode()).digest()
    for who in ("ana's laptop", "bo's laptop", "cy's phone", "di's tablet", "eve's desktop")
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store as version 1 left it."""
    return made_from(1, tmp_path)


@pytest.fixture(params=range(1, VERSION))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[int, Path]:
    """A store as an earlier version left it, and which one."""
    return request.param, made_from(request.param, tmp_path)


def made_from(version: int, folder: Path) -> Path:
    made = folder / "rooms.sqlite3"
    made.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(made)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript((SAMPLES / f"rooms-v{version}.sql").read_text(encoding="utf-8"))
    return made


def version_of(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
        return found


def dump(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def load(store: SqliteStore, room: str) -> StoredRoom:
    stored = store.load(room)
    assert stored is not None
    return stored


def text_of(stored: StoredRoom) -> str:
    replica = Replica(2)
    if stored.snapshot is not None:
        replica.apply(stored.snapshot.data)
    for row in stored.rows:
        replica.apply(row.data)
    text = replica.text()
    replica.close()
    return text


def test_what_was_in_it_is_there_and_ids_are_bound_to_who_wrote_first(path: Path) -> None:
    store = SqliteStore(path)
    assert store.room_names() == ["notes", "ubung-less"]
    notes, other = load(store, "notes"), load(store, "ubung-less")
    assert store.epoch == b"\xe0" * 16
    store.close()
    assert version_of(path) == VERSION
    assert text_of(notes) == "!# Ziele für 2027\n日本語 🙂\n"
    assert text_of(other) == "null\neins\nzwei 🙂\n"
    assert (notes.lineage, other.lineage) == (b"n" * 16, b"m" * 16)
    assert notes.settings == {"title": "Pläne ✓"}
    assert notes.snapshot is not None
    assert (notes.snapshot.covered, notes.rows[-1].last, notes.rows[-1].name) == (4, 7, "cy")
    # 12 wrote from two devices; rows that the snapshot stands for, and one row with two ids, count too.
    assert notes.bindings == {11: ANA, 2**32 - 1: BO, 12: ANA}
    assert other.bindings == {21: CY, 22: CY, 11: ANA}


def test_who_wrote_is_known_of_what_version_2_had(tmp_path: Path) -> None:
    path = made_from(2, tmp_path)
    store = SqliteStore(path)
    notes, other = load(store, "notes"), load(store, "ubung-less")
    ever, since_6 = store.writers("notes", None), store.writers("notes", 6)
    there = store.writers("ubung-less", 1)
    store.close()
    assert text_of(notes).startswith("» ")
    assert notes.settings == {"title": "Pläne ✓", "language": "markdown"}
    assert (notes.chat, notes.bindings) == ((), {11: ANA, 12: ANA, 13: ANA, 2**32 - 1: BO})
    assert other.bindings[31] == DI
    names = [name for _, name in ever.people]
    assert names == ["Änna", "cy", "Bö", "ana", "bo"], "the newest first"
    assert {client_id: names[at] for client_id, at in ever.ids} == {
        11: "Änna",
        12: "Änna",
        13: "Änna",
        2**32 - 1: "Bö",
    }, "the newest name that was used on the machine that each id belongs to"
    assert since_6.people == (("unix:ana/Änna", "Änna"), ("device:cc", "cy"))
    assert there.people == (("device:dd", "di"), ("unix:ana", "ana"))


def test_what_version_3_had_is_there_and_nobody_is_kept_out(tmp_path: Path) -> None:
    path = made_from(3, tmp_path)
    store = SqliteStore(path)
    notes, other, empty = load(store, "notes"), load(store, "ubung-less"), load(store, "leer")
    writers, access = store.writers("notes", None), store.load_access()
    store.close()
    assert text_of(notes) == "» » !# Ziele für 2027\n日本語 🙂\n✓ geheim\n"
    assert text_of(other).endswith("\ndrei\nvier\n")
    assert (empty.lineage, text_of(empty)) == (b"k" * 16, "")
    assert notes.settings == {"title": "Pläne ✓", "language": "markdown", "tab_width": "4"}
    assert [(line.n, line.name, line.text) for line in notes.chat] == [
        (1, "eve", "Grüße 🙂"),
        (2, "ana", "da bin ich"),
        (3, "Eva", "!"),
    ]
    assert notes.bindings == {11: ANA, 12: ANA, 13: ANA, 2**32 - 1: BO, 41: EVE}
    assert writers.people[:2] == (("unix:eve/Eva", "Eva"), ("unix:eve", "eve"))
    assert writers.people[dict(writers.ids)[41]] == ("unix:eve", "eve")
    assert access == StoredAccess()


def test_copies_are_listed_until_they_are_removed(tmp_path: Path) -> None:
    path = made_from(1, tmp_path)
    assert list_backups(path) == []
    SqliteStore(path).close()
    ten = backup_path(path, 10)
    for other in (ten, path.with_name("rooms.sqlite3.v2-backup.part"), path.with_name("other.v1-backup")):
        other.touch()
    assert list_backups(path) == [backup_path(path, 1), ten]
    assert list_backups(tmp_path / "none" / "rooms.sqlite3") == []


def test_a_copy_of_the_older_file_is_beside_it_for_its_owner_alone(older: tuple[int, Path]) -> None:
    version, path = older
    before = dump(path)
    mask = os.umask(0)
    try:
        SqliteStore(path).close()
    finally:
        os.umask(mask)
    backup = backup_path(path, version)
    assert backup.name == f"rooms.sqlite3.v{version}-backup"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert version_of(backup) == version
    assert dump(backup) == before
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, backup.name]


def test_a_second_start_changes_nothing(older: tuple[int, Path]) -> None:
    _, path = older
    SqliteStore(path).close()
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    SqliteStore(path).close()
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == files


def test_a_migrated_file_is_made_as_a_new_one_is(older: tuple[int, Path], tmp_path: Path) -> None:
    _, path = older

    def tables(file: Path) -> set[str]:
        SqliteStore(file).close()
        with contextlib.closing(sqlite3.connect(file)) as db:
            found = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {"".join(sql.split()) for (sql,) in found}

    assert tables(path) == tables(tmp_path / "new" / "rooms.sqlite3")


def dying(after: int) -> Callable[..., sqlite3.Connection]:
    """Return a `sqlite3.connect` whose connections die after so many statements."""
    connect = sqlite3.connect
    left = [after]

    class Dying(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:
            self._count()
            return super().execute(*arguments)  # type: ignore[arg-type]

        def executemany(self, *arguments: object) -> sqlite3.Cursor:
            self._count()
            return super().executemany(*arguments)  # type: ignore[arg-type]

        def _count(self) -> None:
            if left[0] == 0:
                raise Crash
            left[0] -= 1

    return lambda *arguments, **options: connect(*arguments, **options, factory=Dying)


class Crash(BaseException):
    """Whatever ends a process."""


def test_a_crash_anywhere_leaves_all_of_it_or_nothing(
    older: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    version, path = older
    before = dump(path)
    crashes = 0
    for after in range(100):
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", dying(after))
            try:
                SqliteStore(path).close()
            except Crash:
                crashes += 1
        if version_of(path) == VERSION:
            break
        assert version_of(path) == version
        assert dump(path) == before
    assert crashes > 10
    assert version_of(path) == VERSION
    store = SqliteStore(path)
    assert {11: ANA, 2**32 - 1: BO, 12: ANA}.items() <= load(store, "notes").bindings.items()
    assert store.writers("notes", None).people
    store.close()
    assert dump(backup_path(path, version)) == before


def test_without_a_copy_nothing_is_changed(path: Path) -> None:
    before = dump(path)
    backup_path(path, 1).mkdir()  # where no file can be put
    with pytest.raises(StoreError, match=r"older collab.*left as it is"):
        SqliteStore(path)
    assert version_of(path) == 1
    assert dump(path) == before
    assert not list(path.parent.glob("*.part"))


def test_a_row_that_is_garbage_does_not_keep_the_others_from_being_migrated(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE row SET data = x'ffffff' WHERE room = 'ubung-less' AND first = 1")
    store = SqliteStore(path)
    assert load(store, "notes").bindings == {11: ANA, 2**32 - 1: BO, 12: ANA}
    assert load(store, "ubung-less").bindings == {11: ANA}
    store.close()


def test_every_version_has_a_way_to_the_newest() -> None:
    assert sorted(migrations._STEPS) == list(range(1, VERSION))


def test_listing_rooms_changes_nothing(path: Path) -> None:
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    assert list_rooms(path) == ["notes", "ubung-less"]
    assert path.read_bytes() == files[path]
    assert version_of(path) == 1
    with pytest.raises(StoreError):
        list_rooms(path.with_name("none.sqlite3"))
    assert not path.with_name("none.sqlite3").exists()
