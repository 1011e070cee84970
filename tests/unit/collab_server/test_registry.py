from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.messages import Bye, Receipt, Welcome
from collab_protocol.presence import Role
from collab_protocol.text import Replica
from collab_server import snapshots
from collab_server.committer import Committer
from collab_server.comparing import Comparing
from collab_server.config import Caps
from collab_server.meters import Meters
from collab_server.registry import Refused, Registry
from collab_server.room import Room
from collab_server.roster import Joiner
from collab_server.store.base import Snapshot, StoredRoom
from collab_server.store.sqlite import SqliteStore

from .rooms import Guest, Writer, hello
from .wire import DEADLINE_S, config

WRITER = Joiner("device:ana", Role.WRITE)


class Bench:
    """A registry over a real file."""

    def __init__(
        self,
        folder: Path,
        room_idle_s: float,
        probe_s: tuple[float, float] = (1.0, 5.0),
        caps: Caps | None = None,
    ) -> None:
        self.store = SqliteStore(folder / "rooms.sqlite3")
        self.committer = Committer(self.store, asyncio.get_running_loop())
        self.meters = Meters()
        self.registry = Registry(
            config(folder, room_idle_s=room_idle_s, caps=Caps() if caps is None else caps),
            self.committer,
            epoch=self.store.epoch,
            is_durable=True,
            probe_first_s=probe_s[0],
            probe_most_s=probe_s[1],
            meters=self.meters,
        )

    async def stored(self, room: str = "notes") -> StoredRoom:
        """Return what is on disk by now."""
        found = await self.committer.run(lambda store: store.load(room))
        assert found is not None
        return found

    async def write(self, room: Room, guest: Guest, writer: Writer, count: int) -> None:
        """Let a guest type so many rows, each in a turn of its own, all on disk at the end."""
        for _ in range(count):
            room.update(guest, len(writer.rows) + 1, writer.type("x"))
            room.flush()
        await self.committer.run(lambda _: None)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                await asyncio.sleep(0)

    async def close(self) -> None:
        await self.registry.close("over")
        self.registry.dispose()
        await self.committer.close()


async def bench(folder: Path, room_idle_s: float) -> AsyncIterator[Bench]:
    made = Bench(folder, room_idle_s)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def capped(folder: Path, *, room_idle_s: float = 3600, **caps: Any) -> AsyncIterator[Bench]:
    """A registry with caps of its own."""
    made = Bench(folder, room_idle_s, caps=Caps(**caps))
    yield made
    await made.close()


@pytest.fixture
async def keeping(tmp_path: Path) -> AsyncIterator[Bench]:
    """A registry that keeps rooms loaded."""
    async for made in bench(tmp_path, 3600):
        yield made


@pytest.fixture
async def unloading(tmp_path: Path) -> AsyncIterator[Bench]:
    """A registry that unloads a room as soon as nobody is there."""
    async for made in bench(tmp_path, 0):
        yield made


def enter(room: Room, session: int = 7) -> Guest:
    guest = Guest(session)
    room.join(guest, hello("ana", nonce=session.to_bytes(16, "big")), WRITER)
    return guest


async def test_those_who_come_at_once_share_one_load(keeping: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = SqliteStore.load
    monkeypatch.setattr(SqliteStore, "load", lambda store, room: loads.append(room) or load(store, room))
    opened = await asyncio.gather(*(keeping.registry.open("notes") for _ in range(20)))
    assert len({id(each.room) for each in opened}) == 1
    assert loads == ["notes", "notes"], "looked for, made and loaded; once for all of them"


async def test_one_who_gives_up_waiting_does_not_end_the_load(keeping: Bench) -> None:
    first = asyncio.ensure_future(keeping.registry.open("notes"))
    second = asyncio.ensure_future(keeping.registry.open("notes"))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(DEADLINE_S):
        assert (await second).room.name == "notes"
    assert first.cancelled()


async def test_a_failed_load_is_told_to_each_and_tried_anew_by_the_next(
    keeping: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "load", broken)
        outcomes = await asyncio.gather(
            *(keeping.registry.open("notes") for _ in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StoreError] * 3
    assert (await keeping.registry.open("notes")).room.text() == ""


async def test_a_room_that_nobody_is_in_is_unloaded_and_comes_back_with_its_text(unloading: Bench) -> None:
    opened = await unloading.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await unloading.write(opened.room, guest, writer, 3)
    opened.room.leave(guest)
    unloading.registry.left(opened)
    await unloading.until(lambda: opened.room.is_over)
    again = await unloading.registry.open("notes")
    assert again is not opened
    assert again.room.text() == "xxx"
    assert again.room.seq == 3


async def test_a_room_is_not_unloaded_under_those_who_came_back(keeping: Bench) -> None:
    opened = await keeping.registry.open("notes")
    guest = enter(opened.room)
    opened.room.leave(guest)
    keeping.registry.left(opened)
    assert opened.unload_timer is not None
    again = await keeping.registry.open("notes")
    assert again is opened
    assert opened.unload_timer is None


async def test_a_room_whose_only_caller_vanished_during_the_load_is_unloaded_too(unloading: Bench) -> None:
    calling = asyncio.ensure_future(unloading.registry.open("notes"))
    await asyncio.sleep(0)
    calling.cancel()
    await unloading.until(lambda: not unloading.registry._loads)
    await unloading.until(lambda: not unloading.registry._rooms)


async def test_a_room_with_rows_under_way_is_unloaded_once_they_are_on_disk(
    unloading: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = SqliteStore.write

    def slow(store: SqliteStore, *entries: object) -> None:
        assert gate.wait(DEADLINE_S)
        write(store, *entries)  # type: ignore[arg-type]

    monkeypatch.setattr(SqliteStore, "write", slow)
    opened = await unloading.registry.open("notes")
    guest = enter(opened.room)
    opened.room.update(guest, 1, Writer(11).type("kept"))
    opened.room.leave(guest)
    unloading.registry.left(opened)
    assert opened.unload_timer is not None
    first_timer = opened.unload_timer
    await unloading.until(lambda: opened.unload_timer is not first_timer)
    assert not opened.room.is_over
    gate.set()
    await unloading.until(lambda: opened.room.is_over)
    assert (await unloading.registry.open("notes")).room.text() == "kept"


async def test_unloading_after_many_rows_leaves_a_snapshot_that_stands_for_them(unloading: Bench) -> None:
    opened = await unloading.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await unloading.write(opened.room, guest, writer, 150)
    opened.room.leave(guest)
    unloading.registry.left(opened)
    await unloading.until(lambda: opened.room.is_over and not unloading.registry._chores)
    stored = await unloading.stored()
    assert stored.snapshot is not None
    assert (stored.snapshot.covered, stored.rows) == (150, ())
    again = await unloading.registry.open("notes")
    assert (again.room.seq, again.room.text()) == (150, "x" * 150)


async def test_a_room_in_use_gets_a_snapshot_now_and_then(keeping: Bench) -> None:
    opened = await keeping.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await keeping.write(opened.room, guest, writer, 600)
    await keeping.until(lambda: not keeping.registry._chores)
    snapshot = (await keeping.stored()).snapshot
    assert snapshot is not None
    assert 500 <= snapshot.covered <= 600
    copy = Replica(12)
    copy.apply(snapshot.data)
    assert copy.text() == "x" * snapshot.covered
    assert not opened.room.is_over


async def test_a_snapshot_never_holds_what_is_not_on_disk(
    keeping: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_EVERY_ROWS", 5)
    taken: list[tuple[Snapshot, int]] = []
    save = SqliteStore.save_snapshot

    def watched(store: SqliteStore, room: str, snapshot: Snapshot) -> None:
        last = store._db.execute("SELECT max(last) FROM row").fetchone()[0]
        taken.append((snapshot, last))
        save(store, room, snapshot)

    monkeypatch.setattr(SqliteStore, "save_snapshot", watched)
    opened = await keeping.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    for _ in range(30):
        await keeping.write(opened.room, guest, writer, 4)
    await keeping.until(lambda: len(taken) > 3)
    assert all(snapshot.covered <= last for snapshot, last in taken)


async def test_a_failed_commit_gives_the_room_up_and_the_next_one_loads_what_is_on_disk(
    keeping: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("database or disk is full")

    opened = await keeping.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await keeping.write(opened.room, guest, writer, 1)
    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "write", full)
        await keeping.write(opened.room, guest, writer, 2)
    assert isinstance(guest.told[-1], Bye)
    assert [message.n for message in guest.told if isinstance(message, Receipt)] == [1]
    again = await keeping.registry.open("notes")
    assert again is not opened
    assert (again.room.seq, again.room.text()) == (1, "x")
    newcomer = enter(again.room, 8)
    for n, row in enumerate(writer.rows[1:], 2):
        again.room.update(newcomer, n, row)
    again.room.flush()
    await keeping.committer.run(lambda _: None)
    assert (await keeping.stored()).rows[-1].last == 2
    assert again.room.text() == "xxx"


async def test_closing_receipts_what_was_sent_and_lets_nobody_in(tmp_path: Path) -> None:
    made = Bench(tmp_path, 3600)
    opened = await made.registry.open("notes")
    guest = enter(opened.room)
    opened.room.update(guest, 1, Writer(11).type("last words"))
    await made.registry.close("stopping")
    assert [type(message) for message in guest.told[-2:]] == [Receipt, Bye]
    with pytest.raises(StoreError, match="stopping"):
        await made.registry.open("notes")
    made.registry.dispose()
    await made.committer.close()


async def test_closing_waits_for_a_load_that_is_under_way(tmp_path: Path) -> None:
    made = Bench(tmp_path, 3600)
    calling = asyncio.ensure_future(made.registry.open("notes"))
    await asyncio.sleep(0)
    await made.registry.close("stopping")
    with pytest.raises(StoreError):
        await calling
    made.registry.dispose()
    await made.committer.close()


async def test_only_the_one_who_made_a_room_is_told_that_it_is_new(keeping: Bench) -> None:
    opened = await keeping.registry.open("notes")
    new = [message.is_new for message in enter(opened.room).told if isinstance(message, Welcome)]
    old = [message.is_new for message in enter(opened.room, 8).told if isinstance(message, Welcome)]
    assert (new, old) == ([True], [False])


async def test_a_room_whose_text_parts_from_what_joiners_read_goes_on_with_what_they_read(
    keeping: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await keeping.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await keeping.write(opened.room, guest, writer, 3)
    monkeypatch.setattr(Comparing, "reads_back", lambda _: False)
    opened.room.check(guest, 3, b"?" * 32)
    assert opened.room.is_over
    assert isinstance(guest.told[-1], Bye), "all come back, and say again what text they have"
    again = await keeping.registry.open("notes")
    assert (again.room.text(), again.room.seq) == ("xxx", 3)
    assert again.covered == 3, "it was loaded from what joiners read, not from its rows"


async def test_one_makes_so_many_rooms_and_goes_into_as_many_as_there_are(tmp_path: Path) -> None:
    async with capped(tmp_path, rooms_per_day=2) as made:
        for name in ("one", "two", "one"):
            await made.registry.open(name, "unix:ana")
        with pytest.raises(Refused, match="three cannot be made: one may make 2 new rooms a day here"):
            await made.registry.open("three", "unix:ana")
        assert made.meters.load_failures == 0, "nothing is wrong with the room"
        assert await made.committer.run(lambda store: store.room_names()) == ["one", "two"]
        await made.registry.open("three", "unix:bo")
        assert (await made.registry.open("three", "unix:ana")).room.name == "three"


async def test_one_who_may_make_a_room_is_not_refused_with_another_who_may_not(tmp_path: Path) -> None:
    async with capped(tmp_path, rooms_per_day=1) as made:
        await made.registry.open("one", "unix:ana")
        ana, bo, ana_again = await asyncio.gather(
            *(made.registry.open("two", maker) for maker in ("unix:ana", "unix:bo", "unix:ana/x")),
            return_exceptions=True,
        )
        assert isinstance(ana, Refused)
        assert not isinstance(bo, BaseException)
        assert ana_again is bo


async def test_rooms_of_earlier_lives_of_the_server_count_among_those_that_it_keeps(tmp_path: Path) -> None:
    async with capped(tmp_path) as made:
        await asyncio.gather(*(made.registry.open(name) for name in ("one", "two")))
    async with capped(tmp_path, rooms=3) as made:
        await made.registry.open("three", "unix:ana")
        with pytest.raises(Refused, match="four cannot be made: this server keeps 3 rooms at most"):
            await made.registry.open("four", "unix:ana")
        await made.registry.open("one", "unix:ana")
        assert await made.registry.delete("two")
        await made.registry.open("four", "unix:ana")
        assert not await made.registry.delete("two"), "one that is not there makes no place for another"
        with pytest.raises(Refused):
            await made.registry.open("five", "unix:ana")


async def test_the_room_that_nobody_was_in_for_longest_makes_place_for_another(tmp_path: Path) -> None:
    async with capped(tmp_path, loaded_rooms=3) as made:
        opened = {name: await made.registry.open(name) for name in ("one", "two", "three")}
        enter(opened["one"].room)
        for name in ("two", "three", "one"):
            made.registry.left(opened[name])
        await made.registry.open("two")
        made.registry.left(opened["two"])
        await made.registry.open("four")
        assert sorted(made.registry._rooms) == ["four", "one", "two"]
        assert opened["three"].room.is_over
        await made.registry.open("five")
        assert sorted(made.registry._rooms) == ["five", "four", "one"]
        with pytest.raises(Refused, match="six cannot be opened: this server has 3 rooms open at most"):
            await made.registry.open("six")
        assert sorted(made.registry._rooms) == ["five", "four", "one"]
        assert not made.registry._loads
        assert await made.registry.open("one") is opened["one"]


async def test_a_room_that_makes_place_has_its_rows_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = SqliteStore.write

    def slow(store: SqliteStore, *entries: object) -> None:
        assert gate.wait(DEADLINE_S)
        write(store, *entries)  # type: ignore[arg-type]

    async with capped(tmp_path, loaded_rooms=1) as made:
        opened = await made.registry.open("one")
        guest = enter(opened.room)
        monkeypatch.setattr(SqliteStore, "write", slow)
        opened.room.update(guest, 1, Writer(11).type("kept"))
        opened.room.leave(guest)
        made.registry.left(opened)
        other = asyncio.ensure_future(made.registry.open("two"))
        await asyncio.sleep(0)
        assert not opened.room.is_over
        gate.set()
        made.registry.left(await other)
        assert (await made.registry.open("one")).room.text() == "kept"


async def test_many_who_come_at_once_get_no_more_rooms_than_may_be_open(tmp_path: Path) -> None:
    async with capped(tmp_path, loaded_rooms=5) as made:
        came = await asyncio.gather(
            *(made.registry.open(f"r{number}") for number in range(8)), return_exceptions=True
        )
        refused = [each for each in came if isinstance(each, Refused)]
        assert len(made.registry._rooms) <= 5
        assert len(refused) + len(made.registry._rooms) >= 8
        assert all(
            isinstance(each, Refused) or each.room.name for each in came if not isinstance(each, Exception)
        )


async def test_a_room_that_broke_down_and_that_nobody_comes_back_to_is_let_go(unloading: Bench) -> None:
    opened = await unloading.registry.open("notes")
    guest = enter(opened.room)
    opened.room.fail("broken")
    opened.room.leave(guest)
    unloading.registry.left(opened)
    await unloading.until(lambda: not unloading.registry._rooms)
    assert (await unloading.registry.open("notes")) is not opened


async def test_a_parted_room_that_nobody_comes_back_to_keeps_what_joiners_read(
    unloading: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await unloading.registry.open("notes")
    guest, writer = enter(opened.room), Writer(11)
    await unloading.write(opened.room, guest, writer, 3)
    monkeypatch.setattr(Comparing, "reads_back", lambda _: False)
    opened.room.check(guest, 3, b"?" * 32)
    assert opened.room.is_parted
    unloading.registry.left(opened)
    await unloading.until(lambda: not unloading.registry._rooms)
    assert (await unloading.registry.open("notes")).covered == 3


async def test_rooms_that_were_opened_and_left_leave_nothing_behind(unloading: Bench) -> None:
    freed: list[weakref.ref[Replica]] = []
    rooms: list[weakref.ref[Room]] = []
    for number in range(200):
        opened = await unloading.registry.open(f"r{number % 100}", f"unix:u{number}")
        freed.append(weakref.ref(opened.replica))
        rooms.append(weakref.ref(opened.room))
        unloading.registry.left(opened)
    del opened
    registry = unloading.registry
    await unloading.until(lambda: not (registry._rooms or registry._chores))
    assert not (registry._idle or registry._loads or registry._callers)
    gc.collect()
    assert [ref() for ref in (*freed, *rooms) if ref() is not None] == []
