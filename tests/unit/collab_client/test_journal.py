from __future__ import annotations

import asyncio
import sqlite3
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from collab_client import journal
from collab_client.journal import Journal, journal_path, open_journal, unsent_journals
from collab_client.journal_file import (
    VERSION,
    Anew,
    Came,
    Contents,
    Entry,
    JournalFile,
    JournalNewer,
    Origin,
    Own,
    PutAside,
    Receipted,
    Stands,
    Step,
    Written,
)
from collab_protocol.errors import StoreError
from collab_protocol.text import Replica

ORIGIN = Origin("ws://host", "notes", b"d" * 32)
HERE, EPOCH = b"l" * 16, b"e" * 16
DEADLINE_S = 10.0


class Disk(JournalFile):
    """A journal in memory whose disk obeys the test."""

    def __init__(self) -> None:
        super().__init__(None, ORIGIN)
        # What it holds is looked at after `close`; the connection goes with the object.
        weakref.finalize(self, self._db.close)
        self.turns = threading.Event()
        self.turns.set()
        self.is_full = False
        self.tried = threading.Event()
        self.writes: list[list[Step]] = []
        self.tries = 0
        self.folds = 0
        self.is_closed = threading.Event()

    def write(self, steps: Sequence[Step]) -> Written:
        self.tries += 1
        self.tried.set()
        assert self.turns.wait(DEADLINE_S)
        if self.is_full:
            raise StoreError("the disk is full")
        written = super().write(steps)
        self.writes.append(list(steps))
        return written

    def compact(self, fold: Callable[[bytes | None, Sequence[bytes]], bytes | None], now: float) -> bool:
        self.folds += 1
        return super().compact(fold, now)

    def close(self) -> None:
        self.is_closed.set()


class Desk:
    """A journal, and what it told."""

    def __init__(self, *, entries: int = 0) -> None:
        self.disk = Disk()
        self.journal = Journal(self.disk, Path("/nowhere"), entries=entries)
        self.kept: list[tuple[int, int]] = []
        self.troubles: list[str] = []
        self._told = asyncio.Event()
        self.journal.on_kept = self._on_kept
        self.journal.on_trouble = self._on_trouble
        self.journal.begin(asyncio.get_running_loop())

    def _on_kept(self, client_id: int, n: int) -> None:
        self.kept.append((client_id, n))
        self._told.set()

    def _on_trouble(self, message: str) -> None:
        self.troubles.append(message)
        self._told.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not claim():
                self._told.clear()
                await self._told.wait()

    def own(self, *ns: int, client_id: int = 5) -> None:
        for n in ns:
            self.journal.own(client_id, n, b"row", None)

    def entries(self) -> list[tuple[int | None, int]]:
        return [(entry.client_id, entry.n) for entry in self.disk.load().entries]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(journal, "_RETRY_S", 0.001)
    desk = Desk()
    yield desk
    desk.disk.is_full = False
    desk.disk.turns.set()
    await desk.journal.close(DEADLINE_S)


async def wait(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, DEADLINE_S)


# The thread


async def test_a_row_is_kept_once_it_is_on_disk_and_not_before(desk: Desk) -> None:
    desk.disk.turns.clear()
    desk.own(1)
    await wait(desk.disk.tried)
    desk.own(2, 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.kept == []
    desk.disk.turns.set()
    await desk.until(lambda: (5, 3) in desk.kept)
    assert desk.kept == [(5, 1), (5, 3)]
    assert desk.entries() == [(5, 1), (5, 2), (5, 3)]


async def test_what_gathers_while_the_disk_works_is_one_transaction_in_order(desk: Desk) -> None:
    desk.disk.turns.clear()
    desk.own(1)
    await wait(desk.disk.tried)
    desk.journal.stands(HERE, EPOCH)
    desk.journal.came(b"theirs", 7, HERE)
    desk.own(2)
    desk.journal.receipted(5, 1)
    desk.journal.put_aside(((5, 2),), "no place")
    desk.journal.begin_anew(HERE, EPOCH, (), None)
    desk.own(1, client_id=6)
    desk.disk.turns.set()
    await desk.until(lambda: (6, 1) in desk.kept)
    first, second = desk.disk.writes
    assert [type(step) for step in first] == [Own]
    assert [type(step) for step in second] == [Stands, Came, Own, Receipted, PutAside, Anew, Own]
    assert desk.kept == [(5, 1), (5, 2), (6, 1)]


async def test_a_full_disk_is_told_once_and_what_waits_is_written_in_order(desk: Desk) -> None:
    desk.disk.is_full = True
    desk.own(1)
    await desk.until(lambda: bool(desk.troubles))
    desk.own(2)
    tries = desk.disk.tries
    async with asyncio.timeout(DEADLINE_S):
        while desk.disk.tries < tries + 3:
            desk.disk.tried.clear()
            await wait(desk.disk.tried)
    assert desk.troubles == ["the disk is full"]
    assert desk.kept == []
    desk.own(3)
    desk.disk.is_full = False
    await desk.until(lambda: (5, 3) in desk.kept)
    assert desk.troubles == ["the disk is full", ""]
    assert desk.entries() == [(5, 1), (5, 2), (5, 3)]


async def test_closing_brings_everything_to_disk(desk: Desk) -> None:
    desk.disk.turns.clear()
    desk.own(*range(1, 5001))
    closing = asyncio.create_task(desk.journal.close(DEADLINE_S))
    await wait(desk.disk.tried)
    assert not closing.done()
    desk.disk.turns.set()
    assert await closing
    assert desk.disk.is_closed.is_set()
    assert desk.entries() == [(5, n) for n in range(1, 5001)]
    await desk.until(lambda: (5, 5000) in desk.kept)


async def test_closing_an_idle_journal_ends_its_thread(desk: Desk) -> None:
    assert await desk.journal.close(DEADLINE_S)
    assert desk.disk.is_closed.is_set()
    assert not await desk.journal.close(DEADLINE_S)


@pytest.mark.parametrize("rows", [1, 2000, 5000])
async def test_closing_on_a_disk_that_stays_full_ends_and_says_so(desk: Desk, rows: int) -> None:
    desk.disk.is_full = True
    desk.own(*range(1, rows + 1))
    await desk.until(lambda: bool(desk.troubles))
    async with asyncio.timeout(DEADLINE_S):
        assert not await desk.journal.close(DEADLINE_S)
    assert desk.disk.is_closed.is_set()
    assert desk.kept == []


async def test_a_disk_that_has_room_again_when_one_leaves_gets_everything(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_RETRY_S", DEADLINE_S)
    desk.disk.is_full = True
    desk.own(*range(1, 3001))
    await desk.until(lambda: bool(desk.troubles))
    desk.disk.is_full = False
    assert await desk.journal.close(DEADLINE_S)
    assert len(desk.entries()) == 3000


async def test_a_disk_that_hangs_holds_nobody_back(desk: Desk) -> None:
    desk.disk.turns.clear()
    desk.own(1)
    await wait(desk.disk.tried)
    assert not await desk.journal.close(0.01)


async def test_many_rows_are_folded_and_none_of_them_is_lost(desk: Desk) -> None:
    replica = Replica(5)
    made: list[bytes] = []
    replica.on_update = made.append
    desk.disk.turns.clear()
    for n in range(1, 2101):
        replica.edit(0, 0, "x")
        desk.journal.own(5, n, made[-1], None)
    desk.journal.receipted(5, 2000)
    desk.disk.turns.set()
    assert await desk.journal.close(DEADLINE_S)
    assert desk.disk.folds == 1
    contents = desk.disk.load()
    assert contents.base is not None
    assert len(contents.entries) == 2100  # the receipts are young
    copy = Replica(6)
    copy.apply(contents.base)
    assert copy.text() == "x" * 2100
    copy.close()
    replica.close()


async def test_what_earlier_processes_left_counts_for_folding() -> None:
    desk = Desk(entries=2000)
    desk.own(1)
    await desk.journal.close(DEADLINE_S)
    assert desk.disk.folds == 1


async def test_folding_that_fails_costs_nothing(desk: Desk) -> None:
    desk.journal.own(5, 1, b"no update" * 200_000, None)
    desk.own(2)
    await desk.until(lambda: (5, 2) in desk.kept)
    assert await desk.journal.close(DEADLINE_S)
    assert desk.disk.folds == 1
    assert desk.entries() == [(5, 1), (5, 2)]
    assert desk.troubles == []


# Opening


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_path(tmp_path, "ws://host", "notes")


def own(n: int, data: bytes = b"row", *, client_id: int = 5) -> Own:
    return Own(client_id, n, data, 1000.0 + n, HERE)


def fill(path: Path, *steps: Step) -> None:
    with closing(JournalFile(path, ORIGIN)) as file:
        file.write(steps)


def test_each_room_of_each_server_has_a_journal_of_its_own(tmp_path: Path) -> None:
    paths = {
        journal_path(tmp_path, server, room)
        for server in ("ws://one", "ws://two", "/data")
        for room in ("notes", "Notes", "a.b")
    }
    assert len({str(path).lower() for path in paths}) == 9
    assert {path.parent for path in paths} == {tmp_path}
    assert journal_path(tmp_path, "s", "notes") == journal_path(tmp_path, "s", "notes")


async def test_it_opens_with_what_was_left(path: Path) -> None:
    fill(path, Stands(HERE, EPOCH), own(1))
    opened, contents, told = open_journal(path, ORIGIN)
    assert contents == Contents(ORIGIN, HERE, EPOCH, 0, None, (Entry(5, 1, b"row"),))
    assert told == ""
    opened.begin(asyncio.get_running_loop())
    opened.own(6, 1, b"more", HERE)
    assert await opened.close(DEADLINE_S)
    assert [entry.data for entry in open_and_read(path)] == [b"row", b"more"]


def open_and_read(path: Path) -> tuple[Entry, ...]:
    opened, contents, _ = open_journal(path, ORIGIN)
    opened.abandon()
    return contents.entries


def files(path: Path, pattern: str = "*") -> list[Path]:
    """Return the databases in the folder of `path`, without what SQLite keeps beside them."""
    return sorted(
        each for each in path.parent.glob(pattern) if not each.name.endswith(("-wal", "-shm", ".lock"))
    )


def damage(path: Path, row: bytes) -> None:
    whole = path.read_bytes()
    assert whole.count(row) == 1
    path.write_bytes(whole.replace(row, b"#" * len(row)))


def test_a_damaged_one_is_set_aside_and_its_unsent_rows_go_over(path: Path) -> None:
    theirs = Origin("ws://host", "notes", b"another device".ljust(32))
    with closing(JournalFile(path, theirs)) as file:
        file.write([Stands(HERE, EPOCH), Came(b"from the server", 9), own(1, b"saved"), own(2, b"mine")])
        file.write([own(3, b"broken"), own(1, b"of another", client_id=6), Receipted(5, 1, 1.0)])
    damage(path, b"broken")
    damaged = path.read_bytes()
    opened, contents, told = open_journal(path, ORIGIN)
    opened.abandon()
    [kept] = files(path, "*.damaged-*")
    assert told == f"the journal on this machine was damaged: it was set aside as {kept}"
    assert kept.read_bytes() == damaged
    # Its lineage too: the rows must not go into a room that took this one's place.
    rows = (Entry(5, 2, b"mine"), Entry(6, 1, b"of another"))
    assert contents == Contents(theirs, HERE, None, 0, None, rows)
    assert open_and_read(path) == rows
    assert files(path) == [path, kept]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_never_was_a_journal_gives_way_to_an_empty_one(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    opened, contents, told = open_journal(path, ORIGIN)
    opened.abandon()
    assert contents == Contents(ORIGIN)
    assert ".damaged-" in told


def test_rows_that_are_no_text_are_not_taken_over(path: Path) -> None:
    fill(path, own(1, b"no text"))
    opened, contents, told = open_journal(path, ORIGIN, is_no_text=True)
    opened.abandon()
    assert contents.entries == ()
    [kept] = files(path, "*.damaged-*")
    assert str(kept) in told
    with closing(JournalFile(kept, None)) as file:
        assert file.load().entries == (Entry(5, 1, b"no text"),)


def test_damage_found_in_two_ways_within_a_second_loses_neither_file(path: Path) -> None:
    fill(path, own(1, b"no text"), own(2, b"broken"))
    damage(path, b"broken")
    open_journal(path, ORIGIN)[0].abandon()
    open_journal(path, ORIGIN, is_no_text=True)[0].abandon()
    assert len(files(path, "*.damaged-*")) == 2


def test_a_damaged_one_stays_where_it_is_until_its_rows_are_elsewhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, own(1, b"mine"), own(2, b"broken"))
    damage(path, b"broken")
    damaged = path.read_bytes()

    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "write", refuse)
        with pytest.raises(StoreError, match="full"):
            open_journal(path, ORIGIN)
    assert path.read_bytes() == damaged
    assert files(path) == [path]
    assert open_and_read(path) == (Entry(5, 1, b"mine"),)


def test_a_newer_one_is_refused_and_left(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(JournalNewer):
        open_journal(path, ORIGIN)
    assert files(path) == [path]
    assert path.read_bytes() == before


# What is unsent


def test_journals_with_unsent_rows_are_listed_and_unreadable_ones_complained_of(tmp_path: Path) -> None:
    one, two, three, newer = (journal_path(tmp_path, "ws://host", room) for room in ("a", "b", "c", "new"))
    fill(one, own(1), own(2), own(3), Receipted(5, 1, 1.0))
    fill(two, own(1), Receipted(5, 1, 1.0))
    three.write_bytes(b"no database " * 1000)
    with closing(sqlite3.connect(newer)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = {path: path.read_bytes() for path in (three, newer)}
    found, complaints = unsent_journals(tmp_path)
    assert [(path, unsent.origin, unsent.rows, unsent.since) for path, unsent in found] == [
        (one, ORIGIN, 2, 1002.0)
    ]
    assert len(complaints) == 2
    assert complaints[0].startswith(str(three)) and "upgrade collab" in complaints[1]
    assert {path: path.read_bytes() for path in before} == before


def test_a_journal_of_nobody_is_complained_of(tmp_path: Path) -> None:
    path = journal_path(tmp_path, "ws://host", "notes")
    fill(path, own(1))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM journal")
        db.commit()
    assert unsent_journals(tmp_path) == ([], [f"{path} is damaged"])


def test_looking_makes_no_journal_of_a_file_that_was_only_begun(tmp_path: Path) -> None:
    """Else it would belong to nobody, and the one who comes next would go under no device."""
    path = journal_path(tmp_path, "ws://host", "notes")
    path.touch()
    assert unsent_journals(tmp_path) == ([], [])
    opened, contents, _ = open_journal(path, ORIGIN)
    opened.abandon()
    assert contents == Contents(ORIGIN)


def test_looking_where_nothing_is_finds_nothing(tmp_path: Path) -> None:
    assert unsent_journals(tmp_path / "nowhere") == ([], [])
