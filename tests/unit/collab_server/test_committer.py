from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from collab_protocol.errors import StoreError
from collab_server.committer import Committer
from collab_server.store.base import ChatLine, Row, SettingRow, Snapshot, StoredRoom, StoreTrouble, Writers

DEADLINE_S = 10.0


class SlowDisk:
    """A store whose commits wait until they are let through."""

    epoch = b"e" * 16
    is_durable = True

    def __init__(self) -> None:
        self.commits: list[list[Row | SettingRow | ChatLine]] = []
        self.errors: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[str] = set()
        self.is_closed = False

    def write(
        self, rows: Sequence[Row], settings: Sequence[SettingRow], chat: Sequence[ChatLine] = ()
    ) -> None:
        assert self.gate.wait(DEADLINE_S)
        self.threads.add(threading.current_thread().name)
        for each in (*rows, *settings, *chat):
            if each.room in self.errors:
                raise self.errors[each.room]
        self.commits.append([*rows, *settings, *chat])

    def create(self, room: str, lineage: bytes, now: float) -> bool:
        return True

    def load(self, room: str, *, before: int | None = None) -> StoredRoom | None:
        return None

    def writers(self, room: str, since: int | None) -> Writers:
        return Writers(())

    def probe(self) -> None: ...

    def save_snapshot(self, room: str, snapshot: Snapshot) -> None: ...

    def room_names(self) -> list[str]:
        return []

    def close(self) -> None:
        self.is_closed = True


def row(seq: int, room: str = "notes") -> Row:
    return Row(room, seq, seq, 5, "unix:ana", "ana", b"h" * 32, 1.0, b"x")


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
async def committer(disk: SlowDisk) -> AsyncIterator[Committer]:
    opened = Committer(disk, asyncio.get_running_loop())
    yield opened
    disk.gate.set()
    await opened.close()


class Told:
    """What became of what was written."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, int, bool]] = []

    def write(self, committer: Committer, entry: Row) -> None:
        committer.write(entry, lambda error: self.outcomes.append((entry.room, entry.last, error is None)))


async def settle(committer: Committer) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await committer.run(lambda _: None)


async def test_rows_are_told_in_order_once_they_are_on_disk(committer: Committer, disk: SlowDisk) -> None:
    told = Told()
    disk.gate.clear()
    for seq in range(1, 4):
        told.write(committer, row(seq))
    await asyncio.sleep(0)
    assert told.outcomes == []
    disk.gate.set()
    await settle(committer)
    assert told.outcomes == [("notes", 1, True), ("notes", 2, True), ("notes", 3, True)]
    assert disk.threads == {"store"}


async def test_what_gathers_during_a_commit_is_the_next_group(committer: Committer, disk: SlowDisk) -> None:
    told = Told()
    disk.gate.clear()
    for seq in range(1, 101):
        told.write(committer, row(seq))
    disk.gate.set()
    await settle(committer)
    assert sum(map(len, disk.commits)) == 100
    assert len(disk.commits) <= 2, "no commit of its own for each row"


async def test_a_call_comes_after_all_that_was_put_before_it(committer: Committer, disk: SlowDisk) -> None:
    told = Told()
    disk.gate.clear()
    told.write(committer, row(1))
    reading = asyncio.ensure_future(committer.run(lambda _: len(disk.commits)))
    disk.gate.set()
    async with asyncio.timeout(DEADLINE_S):
        assert await reading == 1
    assert told.outcomes == [("notes", 1, True)], "told before the answer to the call"


async def test_an_error_of_a_call_comes_back_to_the_caller(committer: Committer) -> None:
    def fail(_: object) -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        await committer.run(fail)


async def test_a_caller_that_gives_up_harms_nobody(committer: Committer, disk: SlowDisk) -> None:
    disk.gate.clear()
    told = Told()
    told.write(committer, row(1))
    waiting = asyncio.ensure_future(committer.run(lambda _: 1))
    await asyncio.sleep(0)
    waiting.cancel()
    disk.gate.set()
    await settle(committer)
    assert waiting.cancelled()


async def test_after_a_failure_a_room_writes_nothing_until_it_is_loaded_again(
    committer: Committer, disk: SlowDisk
) -> None:
    told = Told()
    disk.errors["notes"] = StoreError("full")
    told.write(committer, row(1))
    await settle(committer)
    disk.errors.clear()
    told.write(committer, row(2))
    await settle(committer)
    assert told.outcomes == [("notes", 1, False), ("notes", 2, False)]
    assert disk.commits in ([], [[]])
    await committer.run(lambda _: None, reopens="notes")
    told.write(committer, row(1))
    await settle(committer)
    assert told.outcomes[-1] == ("notes", 1, True)


async def test_a_failure_in_one_room_spares_the_others(committer: Committer, disk: SlowDisk) -> None:
    told = Told()
    disk.errors["bad"] = StoreError("its rows clash")
    disk.gate.clear()
    told.write(committer, row(1, "other"))
    for room in ("good", "bad", "fine"):
        told.write(committer, row(1, room))
    disk.gate.set()
    await settle(committer)
    assert sorted(told.outcomes) == [
        ("bad", 1, False),
        ("fine", 1, True),
        ("good", 1, True),
        ("other", 1, True),
    ]


async def test_a_disk_that_fails_is_not_tried_once_for_each_room(
    committer: Committer, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    tries: list[int] = []

    def locked(rows: Sequence[Row], _: Sequence[SettingRow]) -> None:
        assert disk.gate.wait(DEADLINE_S)
        tries.append(len(rows))
        raise StoreTrouble("database is locked", "the server's store is locked by another program")

    monkeypatch.setattr(disk, "write", locked)
    disk.gate.clear()
    for room in ("first", "a", "b", "c"):
        told.write(committer, row(1, room))
    disk.gate.set()
    await settle(committer)
    assert sorted(told.outcomes) == [("a", 1, False), ("b", 1, False), ("c", 1, False), ("first", 1, False)]
    assert len(tries) <= 2


async def test_an_error_that_nobody_foresaw_is_a_failure_not_the_end(
    committer: Committer, disk: SlowDisk
) -> None:
    told = Told()
    disk.errors["notes"] = OverflowError("Python int too large to convert to SQLite INTEGER")
    told.write(committer, row(1))
    await settle(committer)
    assert told.outcomes == [("notes", 1, False)]


async def test_a_listener_that_breaks_down_harms_nobody(committer: Committer, disk: SlowDisk) -> None:
    told = Told()

    def breaks(error: StoreError | None) -> None:
        raise ValueError

    disk.gate.clear()
    committer.write(row(1, "bad"), breaks)
    told.write(committer, row(1, "good"))
    disk.gate.set()
    await settle(committer)
    assert told.outcomes == [("good", 1, True)]


async def test_closing_finishes_what_is_queued(disk: SlowDisk) -> None:
    committer = Committer(disk, asyncio.get_running_loop())
    told = Told()
    for seq in range(1, 51):
        told.write(committer, row(seq))
    async with asyncio.timeout(DEADLINE_S):
        await committer.close()
    assert sum(map(len, disk.commits)) == 50
    assert len(told.outcomes) == 50
    assert disk.is_closed
    assert "store" not in {thread.name for thread in threading.enumerate()}
