"""Tests of `collab_server.registry` on a disk that fails: nothing is receipted that is not stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.messages import Bye, Receipt
from collab_server import snapshots
from collab_server.room import Room
from collab_server.store.base import Snapshot, Store, StoreTrouble
from collab_server.store.sqlite import SqliteStore

from .rooms import Guest, Writer
from .test_registry import Bench, enter

PROBE_S = (0.001, 0.01)


class Disk(sqlite3.Connection):
    """A connection whose commits of something written fail while `is_broken`."""

    is_broken = False
    is_writing = False

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.is_writing = sql == "BEGIN IMMEDIATE"
        if self.is_broken and self.is_writing and sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


class TroubledBench(Bench):
    """A registry over a disk that can be made to fail, and what it told its rooms."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = sqlite3.connect
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Disk, **k))
            super().__init__(folder, 3600, PROBE_S)
        self.told: list[tuple[str, str | None]] = []
        self.probes = 0
        stop, resume, probe = Room.stop_storing, Room.resume_storing, SqliteStore.probe

        def stopping(room: Room, message: str) -> None:
            assert room.is_empty, "told before anyone joins"
            self.told.append((room.name, message))
            stop(room, message)

        def resuming(room: Room) -> None:
            self.told.append((room.name, None))
            resume(room)

        def probing(store: SqliteStore) -> None:
            self.probes += 1
            probe(store)

        monkeypatch.setattr(Room, "stop_storing", stopping)
        monkeypatch.setattr(Room, "resume_storing", resuming)
        monkeypatch.setattr(SqliteStore, "probe", probing)

    async def fail(self, kind: str) -> None:
        """Let the disk fail from here on: `full`, or `io`."""

        def fail(_: Store) -> None:
            if kind == "full":
                pages = self.store._db.execute("PRAGMA page_count").fetchone()[0]
                self.store._db.execute(f"PRAGMA max_page_count = {pages}")
            else:
                assert isinstance(self.store._db, Disk)
                self.store._db.is_broken = True

        await self.committer.run(fail)

    async def mend(self) -> None:
        def mend(_: Store) -> None:
            self.store._db.execute("PRAGMA max_page_count = 1000000")
            assert isinstance(self.store._db, Disk)
            self.store._db.is_broken = False

        await self.committer.run(mend)

    async def send(self, room: Room, guest: Guest, rows: list[bytes], first: int) -> None:
        """Let a guest send rows numbered from `first`, each in a turn of its own."""
        for n, row in enumerate(rows, first):
            room.update(guest, n, row)
            room.flush()
        await self.committer.run(lambda _: None)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TroubledBench]:
    made = TroubledBench(tmp_path, monkeypatch)
    yield made
    await made.registry.close("over")
    made.registry.dispose()
    await made.committer.close()


def receipts(guest: Guest) -> list[int]:
    return [message.n for message in guest.told if isinstance(message, Receipt)]


@pytest.mark.parametrize(
    ("kind", "reason"), [("full", "the server's disk is full"), ("io", "the server's disk fails")]
)
async def test_what_was_receipted_is_stored_nothing_after_and_recovery_brings_all(
    bench: TroubledBench, kind: str, reason: str
) -> None:
    opened = await bench.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    for number in range(6):
        writer.type(f"{number}日🙂" * 30_000)
    await bench.send(opened.room, guest, writer.rows[:3], 1)
    assert receipts(guest) == [1, 2, 3]
    await bench.fail(kind)
    await bench.send(opened.room, guest, writer.rows[3:5], 4)
    assert receipts(guest) == [1, 2, 3]
    assert isinstance(guest.told[-1], Bye)
    assert [row.last for row in (await bench.stored()).rows] == [1, 2, 3]

    again = await bench.registry.open("notes")
    assert again is not opened
    assert bench.told == [("notes", reason)]
    assert again.room.seq == 3
    tried = bench.probes
    await bench.until(lambda: bench.probes > tried + 3)
    assert bench.told == [("notes", reason)]
    assert bench.registry._probe_s == PROBE_S[1], "less and less often"

    await bench.mend()
    await bench.until(lambda: len(bench.told) == 2)
    assert bench.told[1] == ("notes", None)
    assert bench.registry._probing is None
    back = enter(again.room, 8)
    await bench.send(again.room, back, writer.rows[3:], 4)
    assert receipts(back) == [4, 5, 6]
    assert again.room.text() == writer.replica.text()
    assert [row.last for row in (await bench.stored()).rows] == [1, 2, 3, 4, 5, 6]
    check = "PRAGMA integrity_check"
    assert await bench.committer.run(lambda _: bench.store._db.execute(check).fetchall()) == [("ok",)]


async def test_one_that_is_loaded_during_the_trouble_is_told_too(bench: TroubledBench) -> None:
    for room in ("one", "two"):
        await bench.registry.open(room)
    await bench.fail("io")
    opened = await bench.registry.open("one")
    await bench.send(opened.room, enter(opened.room), [Writer(11).type("x")], 1)
    await asyncio.gather(*(bench.registry.open(room) for room in ("one", "two")))
    assert bench.told == [("one", "the server's disk fails")], "two has lost nothing"
    del bench.registry._rooms["two"]
    await bench.registry.open("two")
    await bench.mend()
    await bench.until(lambda: len(bench.told) == 4)
    assert sorted(bench.told[2:]) == [("one", None), ("two", None)]


async def test_a_room_that_cannot_be_made_is_refused_with_the_reason(bench: TroubledBench) -> None:
    await bench.registry.open("old")
    await bench.fail("io")
    with pytest.raises(StoreTrouble) as refusal:
        await bench.registry.open("new")
    assert refusal.value.reason == "the server's disk fails"
    assert (await bench.registry.open("old")).room.text() == ""
    await bench.mend()
    assert (await bench.registry.open("new")).room.text() == ""


async def test_a_room_can_be_read_from_a_disk_that_takes_no_writes(bench: TroubledBench) -> None:
    opened = await bench.registry.open("notes")
    await bench.send(opened.room, enter(opened.room), [Writer(11).type("there")], 1)
    opened.room.fail("unloaded")
    await bench.committer.run(lambda _: bench.store._db.execute("PRAGMA query_only = ON"))
    assert (await bench.registry.open("notes")).room.text() == "there"
    with pytest.raises(StoreTrouble, match="readonly") as refusal:
        await bench.registry.open("new")
    assert refusal.value.reason == "the server's store may not be written"


async def test_a_snapshot_that_cannot_be_kept_is_no_trouble(
    bench: TroubledBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def full(_: SqliteStore, __: str, snapshot: Snapshot) -> None:
        tried.append(snapshot.covered)
        raise StoreTrouble("database or disk is full", "the server's disk is full")

    monkeypatch.setattr(snapshots, "_EVERY_ROWS", 5)
    monkeypatch.setattr(SqliteStore, "save_snapshot", full)
    opened = await bench.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await bench.write(opened.room, guest, writer, 12)
    await bench.until(lambda: not bench.registry._chores)
    assert tried
    assert receipts(guest)[-1] == 12
    assert not opened.room.is_over
    assert (bench.told, bench.probes) == ([], 0)


async def test_a_row_that_the_store_refuses_is_no_trouble_of_the_disk(
    bench: TroubledBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clash(*_: object) -> None:
        raise StoreError("UNIQUE constraint failed")

    opened = await bench.registry.open("notes")
    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "write", clash)
        await bench.send(opened.room, enter(opened.room), [Writer(11).type("x")], 1)
    assert opened.room.is_over
    await bench.registry.open("notes")
    assert (bench.told, bench.probes) == ([], 0)


async def test_closing_in_the_midst_of_trouble_leaves_no_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TroubledBench(tmp_path, monkeypatch)
    opened = await made.registry.open("notes")
    await made.fail("io")
    await made.send(opened.room, enter(opened.room), [Writer(11).type("x")], 1)
    assert made.registry._probing is not None
    await made.registry.close("stopping")
    assert not {task.get_name() for task in asyncio.all_tasks()} & {"probe the store"}
    made.registry.dispose()
    await made.committer.close()


async def test_a_setting_that_somebody_wishes_for_sends_nobody_away_again(bench: TroubledBench) -> None:
    opened = await bench.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    writer.type("x")
    await bench.fail("io")
    await bench.send(opened.room, guest, writer.rows, 1)
    again = await bench.registry.open("notes")
    guest = enter(again.room)
    again.room.set(guest, "readers_chat", "on")
    await bench.committer.run(lambda _: None)
    assert not again.room.is_over
    await bench.mend()
    async with asyncio.timeout(5):
        while again.room.settings.get("readers_chat") != "on":
            await asyncio.sleep(0)
