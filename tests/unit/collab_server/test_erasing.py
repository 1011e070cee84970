from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import FaultCode, StoreError
from collab_protocol.messages import Bye, Fault, Message, Receipt, Trouble, Welcome
from collab_protocol.text import Replica
from collab_server import erasing
from collab_server.comparing import Comparing
from collab_server.erasing import text_alone
from collab_server.registry import OpenRoom
from collab_server.room import Room
from collab_server.store.base import StoreTrouble
from collab_server.store.sqlite import SqliteStore

from .rooms import Guest, Writer, hello
from .test_registry import WRITER, Bench, enter
from .wire import DEADLINE_S

SECRET = "hunter2-correct-horse"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, 3600)
    yield made
    await made.registry.close("over")
    made.registry.dispose()
    await made.committer.close()


class Gate:
    """Holds a method of the store, on the store's thread, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.reached = threading.Event()
        self.is_open = threading.Event()
        method = getattr(SqliteStore, name)

        def slow(*arguments: Any) -> Any:
            self.reached.set()
            assert self.is_open.wait(DEADLINE_S)
            return method(*arguments)

        monkeypatch.setattr(SqliteStore, name, slow)

    async def wait(self) -> None:
        """Wait until somebody stands before it."""
        assert await asyncio.to_thread(self.reached.wait, DEADLINE_S)

    def open(self) -> None:
        self.is_open.set()


def text_of(data: bytes) -> str:
    replica = Replica(3)
    try:
        replica.apply(data)
        return replica.text()
    finally:
        replica.close()


def traces(folder: Path, secret: str = SECRET) -> list[str]:
    """Return the files under `folder` that hold the bytes of `secret`."""
    return [
        path.name for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ]


def kinds(told: list[Message]) -> list[type[Message]]:
    return [type(message) for message in told]


async def live(bench: Bench, room: Room, session: int = 7) -> Guest:
    """Seat a guest that is told of everything."""
    guest = enter(room, session)
    await bench.committer.run(lambda _: None)
    assert Welcome in kinds(guest.told)
    return guest


async def with_secret(bench: Bench, rows: int = 5) -> tuple[OpenRoom, Guest, Writer]:
    """Open a room in which a secret was typed and deleted again, and said in the chat."""
    opened = await bench.registry.open("notes")
    guest, writer = await live(bench, opened.room), Writer(11)
    await bench.write(opened.room, guest, writer, rows)
    opened.room.update(guest, rows + 1, writer.type(SECRET, 1))
    opened.room.flush()
    opened.room.update(guest, rows + 2, writer.delete(1, len(SECRET)))
    opened.room.say(guest, f"the password is {SECRET}")
    opened.room.set(guest, "language", "python")
    opened.room.flush()
    await bench.committer.run(lambda _: None)
    return opened, guest, writer


@pytest.mark.parametrize("text", ["", "plain", "日本語 🙂\r\n\tñ" * 1000])
def test_a_text_alone_is_that_text_and_nothing_else(text: str) -> None:
    snapshot = text_alone(text, 7)
    assert text_of(snapshot.data) == text
    assert len(snapshot.data) <= len(text.encode()) + 40


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_forgetting_leaves_the_text_and_the_settings_and_no_byte_of_what_was_deleted(
    bench: Bench, tmp_path: Path, is_loaded: bool
) -> None:
    opened, guest, _ = await with_secret(bench, rows=150)
    before = await bench.stored()
    assert traces(tmp_path)
    if not is_loaded:
        opened.room.leave(guest)
        bench.registry.left(opened)
        bench.registry._unload_later(opened)
        assert opened.room.is_over
    assert await bench.registry.forget("notes") == 150
    assert traces(tmp_path) == []
    stored = await bench.stored()
    assert stored.lineage != before.lineage
    assert (stored.rows, stored.chat) == ((), ())
    [owner] = stored.bindings.values()
    assert owner not in before.bindings.values(), "nobody can claim to have written it"
    assert stored.settings == {"language": "python"}
    assert stored.snapshot is not None
    assert text_of(stored.snapshot.data) == "x" * 150
    writers = await bench.committer.run(lambda store: store.writers("notes", None))
    assert (writers.people, writers.ids) == ((), ())
    again = await bench.registry.open("notes")
    assert (again.room.text(), again.room.seq) == ("x" * 150, 1)
    again.room.update(await live(bench, again.room, 8), 1, Writer(11).type("more "))
    again.room.flush()
    await bench.committer.run(lambda _: None)
    assert [row.last for row in (await bench.stored()).rows] == [2]


async def test_forgetting_an_empty_room_leaves_an_empty_room(bench: Bench) -> None:
    opened = await bench.registry.open("notes")
    guest, writer = await live(bench, opened.room), Writer(11)
    await bench.write(opened.room, guest, writer, 1)
    opened.room.update(guest, 2, writer.delete(0, 1))
    assert await bench.registry.forget("notes") == 0
    assert (await bench.registry.open("notes")).room.text() == ""


async def test_who_is_there_is_sent_away_to_come_back_to_another_room_with_the_same_text(
    bench: Bench,
) -> None:
    _, guest, _ = await with_secret(bench)
    lineage = (await bench.stored()).lineage
    await bench.registry.forget("notes")
    assert kinds(guest.told)[-2:] == [Trouble, Bye]
    again = await bench.registry.open("notes")
    back = Guest(8)
    again.room.join(back, hello("ana", lineage=lineage), WRITER)
    assert [message.code for message in back.told if isinstance(message, Fault)] == [FaultCode.LINEAGE]
    again.room.join(back, hello("ana"), WRITER)
    assert Welcome in kinds(back.told)


async def test_rows_on_their_way_to_the_disk_are_in_the_text_and_have_their_receipts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await bench.registry.open("notes")
    guest = await live(bench, opened.room)
    gate, writer = Gate(monkeypatch, "write"), Writer(11)
    opened.room.update(guest, 1, writer.type("written, "))
    opened.room.flush()
    await gate.wait()
    opened.room.update(guest, 2, writer.type("not even logged"))
    forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
    await bench.until(lambda: "notes" not in bench.registry._rooms)
    gate.open()
    await forgetting
    assert [message.n for message in guest.told if isinstance(message, Receipt)] == [1, 2]
    assert (await bench.registry.open("notes")).room.text() == "written, not even logged"


async def test_all_of_a_burst_that_came_before_is_in_the_text(bench: Bench) -> None:
    opened = await bench.registry.open("notes")
    guest, writer = await live(bench, opened.room), Writer(11)
    for n in range(1, 5001):  # more than one turn applies
        opened.room.update(guest, n, writer.type("x"))
    assert await bench.registry.forget("notes") == 5000
    assert [message.n for message in guest.told if isinstance(message, Receipt)][-1] == 5000


async def test_what_comes_during_the_erasing_gets_no_receipt_and_is_not_in_the_text(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, guest, writer = await with_secret(bench)
    gate = Gate(monkeypatch, "rewrite_room")
    receipts = kinds(guest.told).count(Receipt)
    forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
    await gate.wait()
    opened.room.update(guest, len(writer.rows) + 1, writer.type("too late"))
    opened.room.flush()
    opened.room.say(guest, "too late")
    opened.room.set(guest, "language", "rust")
    gate.open()
    await forgetting
    assert kinds(guest.told).count(Receipt) == receipts
    assert (await bench.registry.open("notes")).room.text() == "xxxxx"
    assert (await bench.stored()).rows == ()
    assert (await bench.stored()).chat == ()


async def test_a_large_update_that_is_being_judged_when_the_erasing_begins_is_not_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await bench.registry.open("notes")
    guest, writer = await live(bench, opened.room), Writer(11)
    for _ in range(3_000):  # runs of their own, so that the gate takes more than one slice
        writer.type("ab", 0)
    copy = Replica(12)
    for row in writer.rows:
        copy.apply(row)
    slices = opened.room.updating(guest, 1, copy.update_since())
    next(slices)
    forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
    await bench.until(lambda: "notes" not in bench.registry._rooms)
    assert not opened.room.is_over
    for _ in slices:
        pass
    opened.room.flush()
    await forgetting
    assert Receipt not in kinds(guest.told)
    assert (await bench.registry.open("notes")).room.text() == ""


async def test_who_comes_during_the_erasing_waits_and_gets_the_new_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_secret(bench)
    lineage = (await bench.stored()).lineage
    gate = Gate(monkeypatch, "rewrite_room")
    forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
    await gate.wait()
    joins = [asyncio.ensure_future(bench.registry.open("notes")) for _ in range(3)]
    await asyncio.sleep(0)
    joins.pop().cancel()
    assert not bench.registry._loads
    gate.open()
    rooms = {(await each).room for each in joins}
    await forgetting
    assert [room.text() for room in rooms] == ["xxxxx"]
    assert (await bench.stored()).lineage != lineage


async def test_a_load_that_is_under_way_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, "create")
    opening = asyncio.ensure_future(bench.registry.open("notes"))
    await gate.wait()
    deleting = asyncio.ensure_future(bench.registry.delete("notes"))
    await asyncio.sleep(0)
    gate.open()
    await deleting
    await opening
    assert await bench.committer.run(lambda store: store.room_names()) == ["notes"], "made once more"
    assert await bench.registry.open("notes") is opening.result()


async def test_a_snapshot_that_is_to_be_kept_does_not_outlive_the_room(bench: Bench, tmp_path: Path) -> None:
    opened, _, _ = await with_secret(bench)
    deleting = asyncio.ensure_future(bench.registry.delete("notes"))
    await asyncio.sleep(0)  # the work of it comes next, and this after that
    bench.registry._keep_snapshot(opened)
    assert bench.registry._chores
    assert await deleting
    assert not bench.registry._chores
    count = "SELECT count(*) FROM snapshot"
    assert await bench.committer.run(lambda _: bench.store._db.execute(count).fetchone()[0]) == 0
    assert traces(tmp_path) == []


async def test_deleting_sends_all_away_for_good_and_the_next_one_makes_a_new_room(
    bench: Bench, tmp_path: Path
) -> None:
    opened, guest, _ = await with_secret(bench)
    assert await bench.registry.delete("notes")
    assert guest.told[-1] == Fault(FaultCode.DELETED, "notes was deleted", None)
    assert Bye not in kinds(guest.told)
    assert traces(tmp_path) == []
    assert await bench.committer.run(lambda store: store.load("notes")) is None
    opened.room.leave(guest)
    bench.registry.left(opened)
    assert not await bench.registry.delete("notes")
    again = await bench.registry.open("notes")
    assert (again.room.text(), again.room.seq) == ("", 0)
    newcomer = await live(bench, again.room, 8)
    assert [message.is_new for message in newcomer.told if isinstance(message, Welcome)] == [True]


async def test_other_rooms_are_not_touched(bench: Bench) -> None:
    other = await bench.registry.open("other")
    guest, writer = await live(bench, other.room), Writer(11)
    await bench.write(other.room, guest, writer, 3)
    await with_secret(bench)
    await bench.registry.forget("notes")
    await bench.registry.delete("notes")
    await bench.write(other.room, guest, writer, 2)
    assert not other.room.is_over
    assert [row.last for row in (await bench.stored("other")).rows] == [1, 2, 3, 4, 5]


async def test_two_who_forget_at_once_do_it_one_after_the_other(bench: Bench) -> None:
    await with_secret(bench)
    assert await asyncio.gather(*(bench.registry.forget("notes") for _ in range(3))) == [5, 5, 5]
    assert (await bench.registry.open("notes")).room.text() == "xxxxx"


async def test_forgetting_what_is_being_deleted_finds_no_room(bench: Bench) -> None:
    await with_secret(bench)
    deleted, forgotten = await asyncio.gather(
        bench.registry.delete("notes"), bench.registry.forget("notes"), return_exceptions=True
    )
    assert deleted is True
    assert isinstance(forgotten, StoreError)
    assert str(forgotten) == "there is no room notes"
    assert await bench.committer.run(lambda store: store.room_names()) == []


async def test_forgetting_makes_no_room(bench: Bench) -> None:
    with pytest.raises(StoreError, match="there is no room notes"):
        await bench.registry.forget("notes")
    assert await bench.committer.run(lambda store: store.room_names()) == []


@pytest.mark.parametrize("what", ["rewrite_room", "delete_room"])
async def test_when_the_disk_fails_all_is_as_it_was_and_people_come_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise StoreTrouble("database or disk is full", "the server's disk is full")

    _, guest, writer = await with_secret(bench)
    before = await bench.stored()
    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, what, full)
        with pytest.raises(StoreTrouble):
            await (bench.registry.forget if what == "rewrite_room" else bench.registry.delete)("notes")
    assert isinstance(guest.told[-1], Bye)
    assert await bench.stored() == before
    again = await bench.registry.open("notes")
    assert again.room.text() == "xxxxx"
    again.room.update(await live(bench, again.room, 8), len(writer.rows) + 1, writer.type("y"))
    again.room.flush()
    await bench.committer.run(lambda _: None)
    assert len((await bench.stored()).rows) == len(before.rows) + 1


async def test_nothing_is_erased_while_the_disk_takes_no_writes(bench: Bench) -> None:
    opened, guest, _ = await with_secret(bench)
    bench.registry._trouble = "the server's disk is full"
    with pytest.raises(StoreTrouble, match="notes cannot be deleted: the server's disk is full"):
        await bench.registry.delete("notes")
    assert not opened.room.is_over
    assert Bye not in kinds(guest.told)
    assert await bench.registry.open("notes") is opened


async def test_traces_that_are_left_are_told_and_doing_it_again_removes_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise StoreTrouble("database or disk is full", "the server's disk is full")

    await with_secret(bench)
    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "scrub", full)
        with pytest.raises(StoreError, match="notes was erased, but traces of it may be left"):
            await bench.registry.forget("notes")
    assert (await bench.registry.open("notes")).room.text() == "xxxxx"
    await bench.registry.forget("notes")
    assert traces(tmp_path) == []


async def test_a_program_that_reads_the_store_is_waited_for_while_others_write(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(erasing, "_LOG_PAUSE_S", 0.01)
    monkeypatch.setattr(erasing, "_LOG_TRIES", 3)
    await with_secret(bench)
    (path,) = tmp_path.rglob("rooms.sqlite3")
    seen, empty_log = 0, SqliteStore.empty_log

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:

        def counted(store: SqliteStore) -> None:
            nonlocal seen
            seen += 1
            store.create(f"made-meanwhile-{seen}", b"l" * 16, 1.0)
            empty_log(store)

        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM row").fetchone()
        with pytest.raises(StoreError, match="another program reads the store; when it is done do it again"):
            await bench.registry.forget("notes")
        monkeypatch.setattr(SqliteStore, "empty_log", counted)
        monkeypatch.setattr(erasing, "_LOG_TRIES", 10_000)
        forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
        async with asyncio.timeout(DEADLINE_S):
            while seen < 3:
                await asyncio.sleep(0.001)
            reader.close()
            await forgetting
    assert traces(tmp_path) == []


async def test_a_snapshot_that_is_broken_afterwards_is_not_served_as_an_empty_room(bench: Bench) -> None:
    await with_secret(bench)
    await bench.registry.forget("notes")
    await bench.committer.run(lambda _: bench.store._db.execute("UPDATE snapshot SET data = x'00'"))
    with pytest.raises(StoreError, match="room notes lacks what lay between 0 and 2"):
        await bench.registry.open("notes")


async def test_one_who_gives_up_waiting_does_not_end_the_erasing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await with_secret(bench)
    gate = Gate(monkeypatch, "rewrite_room")
    forgetting = asyncio.ensure_future(bench.registry.forget("notes"))
    await gate.wait()
    forgetting.cancel()
    closing = asyncio.ensure_future(bench.registry.close("stopping"))
    await asyncio.sleep(0)
    gate.open()
    await closing
    assert forgetting.cancelled()
    assert traces(tmp_path) == []
    for erase in (bench.registry.forget, bench.registry.delete):
        with pytest.raises(StoreError, match="stopping"):
            await erase("notes")


async def test_a_room_that_parted_from_what_joiners_read_keeps_what_they_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, guest, _ = await with_secret(bench)
    monkeypatch.setattr(Comparing, "reads_back", lambda _: False)
    opened.room.check(guest, opened.room.seq, b"?" * 32)
    assert opened.room.is_parted
    monkeypatch.setattr(Room, "whole_update", lambda room: text_alone("as joiners read it", 7).data)
    await bench.registry.forget("notes")
    assert (await bench.registry.open("notes")).room.text() == "as joiners read it"


async def test_a_room_that_nobody_is_in_is_erased_under_its_unload_timer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 0)
    opened, guest, _ = await with_secret(bench)
    opened.room.leave(guest)
    bench.registry.left(opened)
    assert await bench.registry.forget("notes") == 5
    again = await bench.registry.open("notes")
    assert again.room.text() == "xxxxx"
    bench.registry.left(again)
    await bench.until(lambda: not bench.registry._rooms)
    await bench.registry.close("over")
    bench.registry.dispose()
    await bench.committer.close()


class Watched(sqlite3.Connection):
    """A connection that calls `watch` before each statement that changes something."""

    watch: Callable[[], None] | None = None

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if self.watch is not None:
            self.watch()
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


async def test_a_crash_at_any_moment_leaves_the_old_room_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Watched, **k))
        bench = Bench(tmp_path / "live", 3600)
    await with_secret(bench)
    old = await bench.stored()
    crashes: list[Path] = []

    def crash() -> None:
        crashes.append(tmp_path / f"crash{len(crashes)}")
        shutil.copytree(tmp_path / "live", crashes[-1])

    assert isinstance(bench.store._db, Watched)
    bench.store._db.watch = crash
    await bench.registry.forget("notes")
    bench.store._db.watch = None
    new = await bench.stored()
    found = []
    for folder in crashes:
        store = SqliteStore(folder / "rooms.sqlite3")
        found.append(store.load("notes"))
        if found[-1] == new:
            assert traces(folder) == [], "what a crash left of the old one goes when the store is opened"
        store.close()
    assert old in found
    assert new in found
    assert all(each in (old, new) for each in found)
    await bench.registry.close("over")
    bench.registry.dispose()
    await bench.committer.close()
