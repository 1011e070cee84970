from __future__ import annotations

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from collab_client import journal_file
from collab_client.journal_file import (
    RECEIPTED_KEPT_S,
    VERSION,
    Anew,
    Came,
    Contents,
    Entry,
    JournalDamaged,
    JournalFile,
    JournalNewer,
    Origin,
    Own,
    PutAside,
    Receipted,
    Stands,
    Step,
    Unsent,
    Written,
    salvage,
    set_aside,
)
from collab_client.replay import fold
from collab_protocol.errors import StoreError
from collab_protocol.text import Replica

ORIGIN = Origin("ws://host", "notes", b"d" * 32)
HERE, THERE, EPOCH = b"l" * 16, b"m" * 16, b"e" * 16
NOW = 1_000_000.0
DEADLINE_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "notes.sqlite3"


@pytest.fixture
def file(path: Path) -> Iterator[JournalFile]:
    with closing(JournalFile(path, ORIGIN)) as file:
        yield file


def own(n: int, data: bytes = b"row", *, client_id: int = 5, lineage: bytes | None = None) -> Own:
    return Own(client_id, n, data, NOW + n, lineage)


def aside(path: Path) -> list[tuple[str, int, int, bytes]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT reason, client_id, n, data FROM aside ORDER BY rowid").fetchall()


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def last_n(file: JournalFile) -> int:
    return file.load().entries[-1].n


def joined(base: bytes | None, updates: Sequence[bytes]) -> bytes:
    return b"|".join([base or b"", *updates])


# The file


def test_file_and_folder_are_for_their_owner_alone(path: Path) -> None:
    umask = os.umask(0)
    try:
        with closing(JournalFile(path, ORIGIN)) as file:
            file.write([own(1)])
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be opened"):
        JournalFile(path, ORIGIN)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match="cannot be opened"):
        JournalFile(tmp_path / "state" / "notes.sqlite3", ORIGIN)


def test_what_a_newer_collab_wrote_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    execute(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(JournalNewer, match="upgrade collab"):
        JournalFile(path, ORIGIN)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_commit_waits_for_the_disk(file: JournalFile) -> None:
    assert file._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert file._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_first_who_makes_it_says_whose_it_is(path: Path, file: JournalFile) -> None:
    with closing(JournalFile(path, Origin("else", "where", b"x" * 32))) as again:
        assert again.load() == Contents(ORIGIN)


def test_without_a_path_it_is_in_memory() -> None:
    with closing(JournalFile(None, ORIGIN)) as file:
        file.write([own(1)])
        assert file.load().entries == (Entry(5, 1, b"row"),)


# Steps


def test_the_queue_is_in_the_order_of_the_steps(path: Path, file: JournalFile) -> None:
    file.write([Stands(HERE, EPOCH), Came(b"theirs", 3), own(1, b"mine", lineage=HERE), Came(b"more", 4)])
    entries = (Entry(None, 0, b"theirs"), Entry(5, 1, b"mine"), Entry(None, 0, b"more"))
    assert file.load() == Contents(ORIGIN, HERE, EPOCH, 4, None, entries)
    with closing(JournalFile(path, ORIGIN)) as again:
        assert again.load() == file.load()


def test_an_own_row_is_written_once(file: JournalFile) -> None:
    file.write([own(1, b"first"), own(1, b"again"), own(1, b"another's", client_id=6)])
    file.write([own(1, b"again")])
    assert file.load().entries == (Entry(5, 1, b"first"), Entry(6, 1, b"another's"))


def test_a_receipt_covers_all_before_it_of_its_client_id(file: JournalFile) -> None:
    file.write([own(1), own(1, client_id=6), own(2), own(3), Receipted(5, 2, NOW)])
    file.write([Receipted(5, 2, NOW + 9)])
    times = {(entry.client_id, entry.n): entry.receipted_at for entry in file.load().entries}
    assert times == {(5, 1): NOW, (6, 1): None, (5, 2): NOW, (5, 3): None}
    assert file.unsent() == Unsent(ORIGIN, 2, NOW + 1)


def test_nothing_unsent_has_no_beginning(file: JournalFile) -> None:
    file.write([own(1), Came(b"theirs", 1), Receipted(5, 1, NOW)])
    assert file.unsent() == Unsent(ORIGIN, 0, None)


def test_beginning_anew_keeps_own_rows_that_the_server_may_lack(path: Path, file: JournalFile) -> None:
    file.write([Stands(HERE, EPOCH), own(1), own(2), own(3), Came(b"theirs", 9)])
    file.write([Receipted(5, 1, NOW - RECEIPTED_KEPT_S - 1), Receipted(5, 2, NOW - 1)])
    assert file.compact(joined, 0)
    file.write([own(1, client_id=6), Receipted(6, 1, NOW - 1)])
    file.write([Anew(NOW, HERE, THERE, ((5, 2), (5, 3)))])
    kept = (Entry(5, 2, b"row"), Entry(5, 3, b"row"), Entry(6, 1, b"row", NOW - 1))
    assert file.load() == Contents(ORIGIN, HERE, THERE, entries=kept), "another window's receipt stands"
    assert aside(path) == []


def test_beginning_anew_in_another_room_puts_aside_what_no_server_has(path: Path, file: JournalFile) -> None:
    file.write([Stands(HERE, EPOCH), own(1), own(2, b"lost"), Came(b"theirs", 9), Receipted(5, 1, NOW)])
    anew = [Anew(NOW, THERE, EPOCH, ((5, 1), (5, 2)), "another room"), Came(b"new", 1, THERE)]
    assert file.write(anew) == Written(True, None)
    assert file.load() == Contents(ORIGIN, THERE, EPOCH, 1, None, (Entry(None, 0, b"new"),))
    assert aside(path) == [("another room", 5, 2, b"lost")]


def test_rows_of_a_window_that_is_gone_are_handed_back_when_the_room_is_another(file: JournalFile) -> None:
    file.write([Stands(HERE, EPOCH), Came(b"theirs", 9), own(1), own(1, b"of another", client_id=6)])
    written = file.write([Anew(NOW, THERE, EPOCH, ((5, 1),), "another room")])
    assert written == Written(True, (None, [b"theirs", b"row", b"of another"]))
    assert file.unsent() == Unsent(ORIGIN, 0, None)


def test_the_second_window_to_meet_another_room_spares_what_the_first_has_there(
    path: Path, file: JournalFile
) -> None:
    file.write(
        [Stands(HERE, EPOCH), own(1, b"old", lineage=HERE), own(1, b"old too", client_id=6, lineage=HERE)]
    )
    file.write(
        [Anew(NOW, THERE, EPOCH, ((6, 1),), "another room"), own(2, b"new", client_id=6, lineage=THERE)]
    )
    assert file.write([Anew(NOW, THERE, EPOCH, ((5, 1),), "another room")]) == Written(True, None)
    assert [(entry.client_id, entry.n) for entry in file.load().entries] == [(6, 2)]


def test_what_comes_late_from_the_room_of_before_is_let_go(file: JournalFile) -> None:
    file.write([Stands(THERE, EPOCH), Came(b"old", 9, HERE), Stands(HERE, EPOCH)])
    assert file.load() == Contents(ORIGIN, THERE, EPOCH)
    assert file.lineage() == THERE


def test_rows_put_aside_are_no_longer_unsent(path: Path, file: JournalFile) -> None:
    file.write([own(1), own(2, b"lost"), own(2, client_id=6)])
    file.write([PutAside(((5, 2), (7, 1)), NOW, "no place")])
    assert [(entry.client_id, entry.n) for entry in file.load().entries] == [(5, 1), (6, 2)]
    assert aside(path) == [("no place", 5, 2, b"lost")]


def test_a_row_of_another_room_goes_aside(path: Path, file: JournalFile) -> None:
    file.write([own(1, lineage=HERE), Stands(HERE, EPOCH), own(2, b"other", lineage=THERE)])
    file.write([own(3, lineage=None), own(4, lineage=HERE)])
    assert [entry.n for entry in file.load().entries] == [1, 3, 4]
    assert aside(path) == [("another window met another room", 5, 2, b"other")]


def test_all_of_a_write_or_nothing(file: JournalFile) -> None:
    broken: list[Step] = [own(1), Came(None, 1)]  # type: ignore[arg-type]  # the error comes half way
    with pytest.raises((TypeError, StoreError)):
        file.write(broken)
    assert file.load() == Contents(ORIGIN)
    file.write([own(2)])
    assert last_n(file) == 2


# Compaction


def test_folding_keeps_what_may_have_to_be_sent_again(file: JournalFile) -> None:
    file.write([own(1, b"old"), Came(b"theirs", 1), own(2, b"young"), own(3, b"unsent")])
    file.write([Receipted(5, 1, NOW - RECEIPTED_KEPT_S - 1), Receipted(5, 2, NOW - RECEIPTED_KEPT_S + 1)])
    assert file.compact(joined, NOW)
    contents = file.load()
    assert contents.base == b"|old|theirs|young|unsent"
    assert contents.entries == (Entry(5, 2, b"young", NOW - RECEIPTED_KEPT_S + 1), Entry(5, 3, b"unsent"))
    assert contents.seq == 1
    assert file.compact(joined, NOW)
    assert file.load().base == b"|old|theirs|young|unsent|young|unsent"


def test_what_has_no_place_is_not_folded(file: JournalFile) -> None:
    file.write([own(1), Came(b"theirs", 1)])
    before = file.load()
    assert not file.compact(lambda base, updates: None, NOW)
    assert file.load() == before


def test_the_text_is_the_same_after_folding_and_loading(path: Path, file: JournalFile) -> None:
    replica = Replica(5)
    rows: list[bytes] = []
    replica.on_update = rows.append
    for n, character in enumerate("zürich 🙂"):
        replica.edit(0, 0, character)
        file.write([own(n + 1, rows[-1])])
    file.write([Receipted(5, 4, 1.0)])
    assert file.compact(fold, NOW)
    with closing(JournalFile(path, ORIGIN)) as again:
        contents = again.load()
    assert len(contents.entries) == len(rows) - 4
    copy = Replica(6)
    copy.apply(contents.base or b"", *(entry.data for entry in contents.entries))
    assert copy.text() == replica.text() == "🙂 hcirüz"
    copy.close()
    replica.close()


# Several at once


def test_several_processes_write_into_one_queue(path: Path) -> None:
    with closing(JournalFile(path, ORIGIN)) as one, closing(JournalFile(path, ORIGIN)) as two:
        for n in range(1, 21):
            (one, two)[n % 2].write([own(n, lineage=HERE), Came(b"%d" % n, n)])
        one.write([Stands(HERE, EPOCH)])
        two.write([Receipted(5, 10, NOW)])
        assert one.load() == two.load()
        entries = one.load().entries
    assert [entry.n for entry in entries if entry.client_id] == list(range(1, 21))
    assert [entry.data for entry in entries if not entry.client_id] == [b"%d" % n for n in range(1, 21)]
    assert sum(entry.receipted_at is None for entry in entries if entry.client_id) == 10


@pytest.mark.parametrize("attempt", range(8))
def test_a_journal_is_made_once_however_many_open_it(path: Path, attempt: int) -> None:
    count = 8
    barrier = threading.Barrier(count)
    troubles: list[BaseException] = []

    def open_and_write(client_id: int) -> None:
        try:
            barrier.wait(DEADLINE_S)
            with closing(JournalFile(path, Origin("ws://host", "notes", bytes([client_id]) * 32))) as file:
                for n in range(1, 3):
                    file.write([own(n, client_id=client_id)])
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=open_and_write, args=(i + 1,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert troubles == [], attempt
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM journal").fetchone() == (1,)
        assert db.execute("SELECT count(*), count(DISTINCT client_id) FROM entry").fetchone() == (16, count)


def test_one_that_is_locked_for_long_is_trouble_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_BUSY_S", 0.01)
    with closing(JournalFile(path, ORIGIN)) as file, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as trouble:
            file.write([own(1)])
        assert not isinstance(trouble.value, JournalDamaged)
        other.execute("ROLLBACK")
        file.write([own(1)])
        assert last_n(file) == 1


# Damage


def filled(path: Path, rows: int = 3) -> bytes:
    """Make a journal with rows (5, 1…), the first receipted, and return the file's bytes."""
    with closing(JournalFile(path, ORIGIN)) as file:
        steps: list[Step] = [own(n, b"row number %d, " % n * 20, lineage=HERE) for n in range(1, rows + 1)]
        file.write([Stands(HERE, EPOCH), Came(b"theirs", 1), *steps, Receipted(5, 1, NOW)])
    return path.read_bytes()


def refuse(path: Path) -> None:
    with pytest.raises(JournalDamaged, match=path.name), closing(JournalFile(path, ORIGIN)) as file:
        file.load()


@pytest.mark.parametrize("damage", ["no database", "header", "truncated", "short"])
def test_a_damaged_file_is_refused_and_not_changed(path: Path, damage: str) -> None:
    good = filled(path, rows=200)
    bad = {
        "no database": b"this is no database at all. " * 300,
        "header": b"x" * 100 + good[100:],
        "truncated": good[: len(good) // 2],
        "short": good[:600],
    }[damage]
    path.write_bytes(bad)
    refuse(path)
    assert path.read_bytes() == bad


def test_a_flipped_byte_in_a_row_is_found_and_the_others_are_saved(path: Path) -> None:
    good = filled(path)
    at = good.index(b"row number 2")
    path.write_bytes(good[:at] + b"X" + good[at + 1 :])
    refuse(path)
    assert salvage(path) == (ORIGIN, HERE, [Entry(5, 3, b"row number 3, " * 20)])


def test_a_flipped_byte_in_the_base_is_found(path: Path) -> None:
    with closing(JournalFile(path, ORIGIN)) as file:
        file.write([Came(b"what came", 1), own(1)])
        assert file.compact(joined, NOW)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"|what came", b"|what fame", 1))
    refuse(path)
    assert salvage(path) == (ORIGIN, None, [Entry(5, 1, b"row")])


def test_a_row_that_is_no_blob_is_damage(path: Path) -> None:
    filled(path)
    execute(path, "UPDATE entry SET data = 7 WHERE n = 2")
    refuse(path)


def test_a_journal_of_nobody_is_damage(path: Path) -> None:
    filled(path)
    execute(path, "DELETE FROM journal")
    refuse(path)
    assert salvage(path) == (None, None, [])


def test_a_table_that_is_gone_is_damage(path: Path) -> None:
    filled(path)
    execute(path, "DROP TABLE base")
    refuse(path)
    assert [row.n for row in salvage(path)[2]] == [2, 3]


def test_nothing_is_saved_from_what_never_was_a_journal(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all. " * 300)
    assert salvage(path) == (None, None, [])


@pytest.mark.parametrize("folder", ["100%41", "what?", "a#b", "a b"])
def test_rows_are_saved_wherever_the_folder_is(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "notes.sqlite3"
    filled(path)
    assert [row.n for row in salvage(path)[2]] == [2, 3]


def test_saving_reads_what_is_still_in_the_wal(path: Path) -> None:
    with closing(JournalFile(path, ORIGIN)) as file:
        file.write([own(1)])
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        assert [row.n for row in salvage(path)[2]] == [1]


def test_set_aside_takes_the_wal_with_it(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    path.with_name(path.name + "-wal").write_bytes(b"its wal")
    kept = set_aside(path)
    assert kept.name.startswith(f"{path.name}.damaged-")
    assert kept.read_bytes() == b"damaged"
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"its wal"
    assert {each.name for each in path.parent.iterdir()} == {kept.name, f"{kept.name}-wal"}


def test_setting_aside_twice_in_a_second_keeps_both(path: Path) -> None:
    path.parent.mkdir()
    kept: list[Path] = []
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        kept.append(set_aside(path))
    assert [each.read_bytes() for each in kept] == [b"first", b"second", b"third"]


def test_what_cannot_be_set_aside_is_said(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be renamed"):
        set_aside(path)


# A full disk


def test_a_full_disk_takes_nothing_half_and_heals(file: JournalFile) -> None:
    file.write([own(1)])
    pages = file._db.execute("PRAGMA page_count").fetchone()[0]
    file._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full") as trouble:
        file.write([own(2, b"small"), Came(b"x" * 100_000, 9), own(3)])
    assert not isinstance(trouble.value, JournalDamaged)
    assert file.load() == Contents(ORIGIN, entries=(Entry(5, 1, b"row"),))
    file._db.execute("PRAGMA max_page_count = 1000000")
    file.write([own(2, b"small"), Came(b"x" * 100_000, 9), own(3)])
    assert [entry.n for entry in file.load().entries] == [1, 2, 0, 3]
    assert file.load().seq == 9


def test_folding_on_a_full_disk_loses_nothing(file: JournalFile) -> None:
    file.write([own(1), Came(b"theirs", 1)])
    before = file.load()
    pages = file._db.execute("PRAGMA page_count").fetchone()[0]
    file._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        file.compact(lambda base, updates: b"x" * 100_000, NOW)
    assert file.load() == before


def test_the_checksum_is_what_zlib_says(path: Path, file: JournalFile) -> None:
    file.write([own(1)])
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT crc FROM entry").fetchone() == (zlib.crc32(b"row"),)
