from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from collab_client import calling, link_watch
from collab_client.document import Document
from collab_client.journal import Journal
from collab_client.journal_file import Contents, Entry, JournalFile, Origin, Step, Written
from collab_client.link import Link
from collab_client.replay import Replayed, replay
from collab_client.session import JoinRefused, Session
from collab_client.status import Status, StatusKind
from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.errors import CloseCode, FaultCode, LinkError, StoreError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Check,
    Fault,
    Hello,
    Message,
    Ping,
    Pong,
    Presence,
    Receipt,
    Sync,
    Trouble,
    Update,
    Welcome,
)
from collab_protocol.presence import Person, Role
from collab_protocol.sync import Identity
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica

_Kind = TypeVar("_Kind")
DEADLINE_S = 4.0
"""Less than it takes a silent link to be given up."""

ORIGIN = Origin("ws://host", "notes", b"d" * 32)
EMPTY = Contents(ORIGIN)
HERE, THERE, EPOCH = b"l" * 16, b"m" * 16, b"e" * 16
FIRST_ID = 11


class ScriptedLink:
    """A link whose other end is the test."""

    def __init__(self) -> None:
        self._up: asyncio.Queue[bytes] = asyncio.Queue()
        self._down: asyncio.Queue[bytes | LinkError] = asyncio.Queue()
        self._assembler = Assembler()
        self.takes = asyncio.Event()
        self.takes.set()
        self.closes: list[int] = []

    async def send(self, frame: bytes) -> None:
        await self.takes.wait()
        self._up.put_nowait(frame)

    async def receive(self) -> bytes:
        frame = await self._down.get()
        if isinstance(frame, LinkError):
            raise frame
        return frame

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        self.closes.append(code)
        self.break_()

    def say(self, *messages: Message) -> None:
        for message in messages:
            for frame in Splitter().frames(message):
                self._down.put_nowait(frame)

    def break_(self, error: LinkError | None = None) -> None:
        self._down.put_nowait(error or LinkError("broken by the test"))

    async def expect(self, kind: type[_Kind]) -> _Kind:
        """Return the next message of `kind`, passing over others."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = self._assembler.feed(await self._up.get())
                if isinstance(message, kind):
                    return message

    async def welcome(
        self,
        *,
        is_new: bool = False,
        role: Role = Role.WRITE,
        is_durable: bool = True,
        lineage: bytes = HERE,
        seq: int = 0,
        text: Replica | None = None,
        version: int = 2,
        roster: tuple[Presence, ...] = (),
        person: Person | None = None,
    ) -> Hello:
        hello = await self.expect(Hello)
        allowed = RoomLimits(text_bytes=100)
        vector = EMPTY_STATE_VECTOR if text is None else text.state_vector()
        self.say(
            Welcome(
                version, 7, lineage, EPOCH, seq, role, allowed, is_durable, is_new, roster, (), vector, person
            ),
            Sync(seq, vector, EMPTY_UPDATE if text is None else text.update_since(hello.state_vector)),
        )
        return hello


class Disk(JournalFile):
    """A journal in memory that writes when the test lets it."""

    def __init__(self) -> None:
        super().__init__(None, ORIGIN)
        # What it holds is looked at after `close`; the connection goes with the object.
        weakref.finalize(self, self._db.close)
        self.turns = threading.Event()
        self.turns.set()
        self.is_full = False
        self.is_closed = threading.Event()

    def write(self, steps: Sequence[Step]) -> Written:
        assert self.turns.wait(DEADLINE_S)
        if self.is_full:
            raise StoreError("no space left here")
        return super().write(steps)

    def close(self) -> None:
        self.is_closed.set()


class Stage:
    """A session, what it said, and the links it was given."""

    def __init__(
        self,
        *,
        read_only: bool = False,
        contents: Contents = EMPTY,
        has_journal: bool = False,
        is_offline: bool = False,
        greeting: str = "",
        dice: float = 0.0,
        read_n: int = 0,
        last_here: float | None = None,
    ) -> None:
        self.links: asyncio.Queue[Link | LinkError] = asyncio.Queue()
        self.tries = 0
        self.statuses: list[Status] = []
        self.notices: list[str] = []
        self.copies: list[str] = []
        self.copies_left = 10
        self.utc = 1_000_000.0
        self.read: list[int] = []
        self.disk = Disk()
        self.journal: Journal | None = None
        if has_journal:
            self.journal = Journal(self.disk, Path("/nowhere"))
        self._ids = itertools.count(FIRST_ID)
        self._changed = asyncio.Event()
        self.document = Document(
            replayed(contents, self._make_replica()),
            contents,
            Identity(b"n" * 16, b"d" * 32, "ana"),
            journal=self.journal,
            make_replica=self._make_replica,
            keep_copy=self._keep_copy,
            now=lambda: 1_000_000.0,
        )
        self.buffer = self.document.buffer
        self.buffer.read_only = read_only
        self.session = Session(
            self.document,
            journal=self.journal,
            connect=None if is_offline else self._connect,
            dice=lambda: dice,
            greeting=greeting,
            read_n=read_n,
            on_read=self.read.append,
            last_here=last_here,
            utc=lambda: self.utc,
        )
        self.session.on_status = self._on_status
        self.session.on_notice = self.notices.append

    def _make_replica(self) -> Replica:
        return Replica(next(self._ids), has_undo=True)

    def _keep_copy(self, text: str) -> str:
        if not self.copies_left:
            raise StoreError("a copy cannot be kept")
        self.copies_left -= 1
        self.copies.append(text)
        return f"copy-{len(self.copies)}"

    async def _connect(self) -> Link:
        self.tries += 1
        link = await self.links.get()
        if isinstance(link, LinkError):
            raise link
        return link

    def _on_status(self, status: Status) -> None:
        self.statuses.append(status)
        self._changed.set()

    async def until(self, kind: StatusKind) -> Status:
        async with asyncio.timeout(DEADLINE_S):
            while self.session.status.kind is not kind:
                self._changed.clear()
                await self._changed.wait()
        return self.session.status

    async def until_said(self, words: str) -> None:
        """Wait until exactly `words` are what the status line says."""
        async with asyncio.timeout(DEADLINE_S):
            while self.session.status.text != words:
                self._changed.clear()
                await self._changed.wait()

    def link(self) -> ScriptedLink:
        link = ScriptedLink()
        self.links.put_nowait(link)
        return link


def replayed(contents: Contents, replica: Replica) -> Replayed:
    replaying = replay(contents, replica)
    while True:
        try:
            next(replaying)
        except StopIteration as done:
            found: Replayed = done.value
            return found


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    if stage.journal is not None:
        stage.journal.begin(asyncio.get_running_loop())
    task = asyncio.create_task(stage.session.run())
    try:
        yield task
    finally:
        stage.disk.turns.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stage.document.close()


async def ended(task: Awaitable[None]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await task


async def test_saved_is_said_after_the_text_is_here_and_after_each_receipt() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.expect(Hello)
        assert stage.session.status.text == "… connecting"
        allowed = RoomLimits()
        link.say(Welcome(1, 7, b"l" * 16, b"e" * 16, 0, Role.WRITE, allowed, True, True, (), (), b"\x00"))
        await stage.until(StatusKind.LOADING)
        link.say(Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
        assert (await stage.until(StatusKind.SAVED)).text == "✓ saved"
        assert stage.notices == ["new room"]
        stage.buffer.type_text("x")
        assert stage.session.unsaved == 1
        update = await link.expect(Update)
        assert (await stage.until(StatusKind.SAVING)).text == "↑ 1 saving"
        link.say(Receipt(update.n, 1, alone=True))
        await stage.until(StatusKind.SAVED)
        assert stage.session.unsaved == 0


async def test_a_broken_link_is_told_with_what_is_at_stake_and_healed() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.break_()
        again = stage.link()
        await again.expect(Hello)
        stage.buffer.type_text("a")
        stage.buffer.type_text("b")
        assert stage.session.status.text == "! offline – 2 changes only in this window"
        again.break_()
        third = stage.link()
        hello = await third.welcome()
        assert hello.lineage == b"l" * 16
        assert (await third.expect(Update)).n == 2
        third.say(Receipt(2, 1, alone=True))
        await stage.until(StatusKind.SAVED)


async def test_nothing_there_at_the_first_try_ends_it_while_nothing_was_typed() -> None:
    stage = Stage()
    stage.links.put_nowait(LinkError("nothing answers"))
    with pytest.raises(LinkError, match="nothing answers"):
        await stage.session.run()
    stage.document.close()


async def test_nothing_there_keeps_what_was_typed_and_goes_on_trying() -> None:
    stage = Stage()
    stage.buffer.type_text("typed before the link")
    stage.links.put_nowait(LinkError("nothing answers"))
    async with running(stage):
        link = stage.link()
        await link.welcome()
        await link.expect(Update)
        assert stage.notices == ["the room already existed; your text was added"]


async def test_a_refusal_ends_a_fresh_join() -> None:
    stage = Stage()
    link = stage.link()
    task = asyncio.create_task(stage.session.run())
    await link.expect(Hello)
    link.say(Fault(FaultCode.VERSION, "upgrade the server", None))
    with pytest.raises(JoinRefused, match="upgrade the server") as refused:
        async with asyncio.timeout(DEADLINE_S):
            await task
    assert refused.value.code is FaultCode.VERSION
    stage.document.close()


async def test_a_refusal_after_work_keeps_the_window_and_says_why() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("x")
        link.say(Fault(FaultCode.BROKEN, "not in this state", None))
        status = await stage.until(StatusKind.REFUSED)
        assert status.text == "✗ not in this state – 1 change only in this window"
        assert not task.done()


async def test_trying_again_does_not_end_a_refused_window() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.session.retry_now()  # while connected: it must not be remembered either
        stage.buffer.type_text("x")
        link.say(Fault(FaultCode.BROKEN, "not in this state", None))
        await stage.until(StatusKind.REFUSED)
        stage.session.retry_now()
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        stage.session.leave()
        async with asyncio.timeout(DEADLINE_S):
            await task


async def test_a_link_that_takes_nothing_is_given_up_even_while_sending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PROBE_AFTER_S", 0.05)
    monkeypatch.setattr(limits, "DEAD_AFTER_S", 0.1)
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.takes.clear()
        stage.buffer.type_text("x")
        assert (await stage.until(StatusKind.OFFLINE)).unsaved == 1


async def test_a_close_that_forbids_to_come_back_is_final() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.break_(LinkError("hostile", is_final=True))
        assert (await stage.until(StatusKind.REFUSED)).text == "✗ hostile"


async def test_a_busy_server_is_named_and_its_wish_honoured() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.say(Fault(FaultCode.BUSY, "full", 20_000))
        assert (await stage.until(StatusKind.BUSY)).text == "⧗ server busy – retry in 20 s"
        again = stage.link()
        stage.session.retry_now()
        await again.welcome()
        await stage.until(StatusKind.SAVED)


async def test_a_memory_server_never_says_saved() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome(is_durable=False)
        assert (await stage.until(StatusKind.NOT_STORED)).text == "✓ shared, not stored"


async def test_rights_and_limits_reach_the_buffer() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome(role=Role.READ)
        await stage.until(StatusKind.SAVED)
        assert stage.buffer.read_only
        assert stage.buffer.max_text_bytes == 100


async def test_who_asked_to_read_only_may_not_write_whatever_the_server_allows() -> None:
    stage = Stage(read_only=True)
    link = stage.link()
    async with running(stage):
        await link.welcome(role=Role.WRITE)
        await stage.until(StatusKind.SAVED)
        assert stage.buffer.read_only


async def test_remote_rows_reach_the_text_and_own_caret_is_told() -> None:
    stage = Stage()
    link = stage.link()
    other = Replica(99)
    rows: list[bytes] = []
    other.on_update = rows.append
    other.edit(0, 0, "theirs")
    async with running(stage):
        await link.welcome()
        await link.expect(Presence)
        link.say(Batch(1, 1, ((8, rows[0]),)))
        told = await link.expect(Presence)
        assert told.seen == 1
        assert stage.buffer.lines.text() == "theirs"
    other.close()


async def test_leaving_says_goodbye() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        assert await stage.session.settle(1)
        stage.session.leave()
        assert (await link.expect(Bye)).retry_ms is None
        async with asyncio.timeout(DEADLINE_S):
            await task


# The journal


def unsent(*rows: str) -> tuple[Entry, ...]:
    """Return own rows that an earlier process left."""
    replica = Replica(5)
    made: list[bytes] = []
    replica.on_update = made.append
    for text in rows:
        replica.edit(replica.size_utf8, 0, text)
    replica.close()
    return tuple(Entry(5, n + 1, data) for n, data in enumerate(made))


async def test_offline_all_is_kept_on_this_machine_and_nobody_is_called() -> None:
    stage = Stage(has_journal=True, is_offline=True)
    async with running(stage) as task:
        await stage.until_said("! offline")
        stage.disk.turns.clear()
        stage.buffer.type_text("a")
        stage.buffer.newline()
        await stage.until_said("! offline – 2 changes only in this window")
        stage.disk.turns.set()
        await stage.until_said("! offline – 2 changes kept on this machine")
        stage.session.retry_now()
        stage.buffer.type_text("b")
        await stage.until_said("! offline – 3 changes kept on this machine")
        assert (stage.session.unsaved, stage.session.kept, stage.tries) == (3, 3, 0)
        stage.session.leave()
        await ended(task)
        assert stage.disk.is_closed.is_set()
        assert [entry.n for entry in stage.disk.load().entries] == [1, 2, 3]


async def test_what_is_to_be_told_at_the_start_is_told() -> None:
    stage = Stage(is_offline=True, greeting="the journal was damaged")
    async with running(stage):
        await stage.until_said("! offline")
        assert stage.notices == ["the journal was damaged"]


async def test_nothing_there_is_no_end_when_the_journal_has_text() -> None:
    stage = Stage(contents=Contents(ORIGIN, HERE, EPOCH, 1, None, unsent("left")), has_journal=True, dice=0.5)
    stage.links.put_nowait(LinkError("nothing answers"))
    async with running(stage) as task:
        status = await stage.until(StatusKind.OFFLINE)
        assert status.text.startswith("! offline – 1 change kept on this machine · retry in ")
        assert not task.done()
        link = stage.link()
        stage.session.retry_now()
        hello = await link.welcome(seq=1)
        assert (hello.lineage, hello.client_ids) == (HERE, (FIRST_ID, 5))
        link.say(Receipt((await link.expect(Update)).n, 2, alone=True))
        await stage.until(StatusKind.SAVED)
        # It was known which room it is: nothing was added to a room that nobody knew of.
        assert stage.notices == []


async def test_a_server_that_forbids_it_at_the_first_try_is_no_end_when_the_journal_has_text() -> None:
    stage = Stage(contents=Contents(ORIGIN, entries=unsent("left")))
    stage.links.put_nowait(LinkError("forbidden", is_final=True))
    async with running(stage) as task:
        await stage.until_said("✗ forbidden – 1 change kept on this machine")
        assert not task.done()
        assert stage.tries == 1


async def test_what_only_a_person_can_answer_is_tried_again_when_one_says_so() -> None:
    stage = Stage(contents=Contents(ORIGIN, HERE, EPOCH, 1, None, unsent("left")), has_journal=True, dice=0.0)
    stage.links.put_nowait(LinkError("who are you?", asks_person=True))
    async with running(stage) as task:
        await stage.until_said("! offline – 1 change kept on this machine · ssh asks: F5")
        stage.buffer.type_text("a")
        await stage.until_said("! offline – 2 changes kept on this machine · ssh asks: F5")
        assert stage.tries == 1, "nobody hammers at a door that asks"
        stage.links.put_nowait(LinkError("nothing answers"))
        link = stage.link()
        stage.session.retry_now()
        await link.welcome(seq=1)
        assert not stage.session.status.asks_person
        assert stage.tries == 3, "a network that is gone asks nobody"
        assert not task.done()


async def test_what_was_asked_for_while_it_was_tried_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_ATTEMPT_LEAST_S", 0.0)
    stage = Stage(contents=Contents(ORIGIN, HERE, EPOCH, 1, None, unsent("left")), has_journal=True, dice=0.0)
    async with running(stage):
        while not stage.tries:
            await asyncio.sleep(0)
        stage.session.retry_now()
        stage.links.put_nowait(LinkError("who are you?", asks_person=True))
        await stage.until_said("! offline – 1 change kept on this machine · ssh asks: F5")
        for _ in range(10):
            await asyncio.sleep(0)
        assert stage.tries == 1


async def test_a_link_that_asks_at_the_first_try_ends_when_there_is_nothing_to_lose() -> None:
    stage = Stage()
    stage.links.put_nowait(LinkError("who are you?", asks_person=True))
    with pytest.raises(LinkError, match="who are you"):
        async with asyncio.timeout(DEADLINE_S):
            await stage.session.run()


async def test_settling_without_a_link_waits_for_the_disk() -> None:
    stage = Stage(has_journal=True, is_offline=True)
    async with running(stage):
        await stage.until_said("! offline")
        stage.disk.turns.clear()
        stage.buffer.type_text("a")
        settling = asyncio.create_task(stage.session.settle(DEADLINE_S))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not settling.done()
        stage.disk.turns.set()
        assert not await settling
        assert (stage.session.unsaved, stage.session.kept) == (1, 1)


async def test_settling_does_not_wait_for_a_disk_in_trouble() -> None:
    stage = Stage(has_journal=True, is_offline=True)
    stage.disk.is_full = True
    async with running(stage):
        await stage.until_said("! offline")
        stage.buffer.type_text("a")
        async with asyncio.timeout(DEADLINE_S):
            assert not await stage.session.settle(10 * DEADLINE_S)
        assert stage.session.journal_trouble == "no space left here"
        assert (stage.session.unsaved, stage.session.kept) == (1, 0)


async def test_settling_with_a_link_waits_for_the_receipt() -> None:
    stage = Stage(has_journal=True)
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("a")
        update = await link.expect(Update)
        await stage.until(StatusKind.SAVING)
        assert not await stage.session.settle(0.01)
        link.say(Receipt(update.n, 1, alone=True))
        assert await stage.session.settle(DEADLINE_S)


async def test_the_journal_is_closed_whatever_ends_the_session() -> None:
    for ending in ("leave", "nothing there", "refused"):
        stage = Stage(has_journal=True)
        async with running(stage) as task:
            match ending:
                case "leave":
                    link = stage.link()
                    await link.welcome()
                    await stage.until(StatusKind.SAVED)
                    stage.session.leave()
                    await ended(task)
                case "nothing there":
                    stage.links.put_nowait(LinkError("nothing answers"))
                    with pytest.raises(LinkError):
                        await ended(task)
                case _:
                    link = stage.link()
                    await link.expect(Hello)
                    link.say(Fault(FaultCode.VERSION, "upgrade the server", None))
                    with pytest.raises(JoinRefused):
                        await ended(task)
            assert stage.disk.is_closed.is_set(), ending


async def test_text_and_receipts_reach_the_journal() -> None:
    stage = Stage(has_journal=True)
    link = stage.link()
    text = Replica(99)
    text.edit(0, 0, "theirs")
    async with running(stage) as task:
        await link.welcome(text=text, seq=1)
        await stage.until(StatusKind.SAVED)
        stage.buffer.document_end()
        stage.buffer.type_text("!")
        link.say(Receipt((await link.expect(Update)).n, 2, alone=True))
        await stage.until(StatusKind.SAVED)
        assert await stage.session.settle(DEADLINE_S)
        stage.session.leave()
        await ended(task)
    contents = stage.disk.load()
    assert (contents.lineage, contents.epoch, contents.seq) == (HERE, EPOCH, 1)
    assert [(entry.client_id, entry.n, entry.receipted_at is None) for entry in contents.entries] == [
        (None, 0, True),
        (FIRST_ID, 1, False),
    ]
    text.close()


# The text begins again


@pytest.mark.parametrize(
    ("code", "lineage"), [(FaultCode.DIVERGED, HERE), (FaultCode.IDENTITY, HERE), (FaultCode.LINEAGE, None)]
)
async def test_a_text_that_has_to_begin_again_does_so_at_once(code: FaultCode, lineage: bytes | None) -> None:
    stage = Stage(has_journal=True, dice=0.9)
    link, again = stage.link(), stage.link()
    text = Replica(99)
    text.edit(0, 0, "another text")
    async with running(stage):
        first = await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("mine")
        update = await link.expect(Update)
        link.say(Receipt(update.n, 1, alone=True))
        assert await stage.session.settle(DEADLINE_S)
        link.say(Fault(code, "begin again", 0))
        hello = await again.welcome(text=text, seq=2, lineage=lineage or THERE)
        assert hello.lineage == lineage
        assert (first.client_ids[0], hello.client_ids[0]) == (FIRST_ID, FIRST_ID + 1)
        assert (hello.last_seq, hello.state_vector) == (0, EMPTY_STATE_VECTOR)
        async with asyncio.timeout(DEADLINE_S):
            while not stage.copies:
                await asyncio.sleep(0)  # nothing is told of it but the copy
        assert stage.copies == ["mine"]
        assert stage.session.copies == ["copy-1"]
        assert "another text" in stage.buffer.lines.text()
        assert not any("retry" in status.text for status in stage.statuses)
        assert len(stage.notices) == 1
        assert "copy-1" in stage.notices[0]
    text.close()


async def test_a_text_that_begins_again_and_again_is_given_up() -> None:
    stage = Stage()
    links = [stage.link() for _ in range(4)]
    async with running(stage) as task:
        await links[0].welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("x")
        links[0].say(Fault(FaultCode.DIVERGED, "another text", 0))
        ids = set()
        for link in links[1:]:
            ids.add((await link.expect(Hello)).client_ids[0])
            link.say(Fault(FaultCode.DIVERGED, "another text", 0))
        await stage.until_said("✗ another text – 1 change only in this window")
        assert len(ids) == 3
        assert stage.tries == 4
        assert not task.done()
        assert stage.buffer.lines.text() == "x"


async def test_a_sync_ends_the_count() -> None:
    stage = Stage()
    async with running(stage):
        for _ in range(6):
            link = stage.link()
            await link.welcome()
            await stage.until(StatusKind.SAVED)
            link.say(Fault(FaultCode.DIVERGED, "another text", 0))
        await stage.link().welcome()
        await stage.until(StatusKind.SAVED)


async def test_a_copy_that_cannot_be_kept_leaves_everything_and_says_so() -> None:
    stage = Stage()
    link, again = stage.link(), stage.link()
    stage.copies_left = 0
    text = Replica(99)
    text.edit(0, 0, "another text")
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("mine")
        link.say(Fault(FaultCode.LINEAGE, "made anew", 0))
        await again.welcome(text=text, lineage=THERE)
        await stage.until_said("✗ a copy cannot be kept – 1 change only in this window")
        assert stage.buffer.lines.text() == "mine"
        assert not task.done()
    text.close()


async def test_a_server_that_goes_down_just_then_is_not_called_without_a_pause() -> None:
    stage = Stage(dice=0.9)
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        for _ in range(20):
            stage.links.put_nowait(LinkError("nothing answers"))
        link.say(Fault(FaultCode.DIVERGED, "another text", 0))
        async with asyncio.timeout(DEADLINE_S):
            while "retry in" not in stage.session.status.text and stage.tries < 22:
                await asyncio.sleep(0)
        assert stage.tries <= 3


async def test_what_is_heard_before_the_welcome_does_not_end_the_next_link() -> None:
    stage = Stage()
    link, again = stage.link(), stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.say(Fault(FaultCode.DIVERGED, "another text", 0))
        await again.expect(Hello)
        again.say(Ping(1))
        await again.expect(Pong)
        assert again.closes == []


# What a server may say


async def test_trouble_of_the_server_is_shown_until_it_is_over() -> None:
    stage = Stage(has_journal=True)
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.say(Trouble("the server's disk is full"))
        await stage.until_said("✗ the server's disk is full")
        stage.buffer.type_text("x")
        await stage.until_said("✗ the server's disk is full – 1 change kept on this machine")
        assert not await stage.session.settle(DEADLINE_S)  # it is kept, and waiting would not help
        link.say(Trouble(""))
        await stage.until_said("↑ 1 saving")
        link.say(Receipt((await link.expect(Update)).n, 1, alone=True))
        await stage.until_said("✓ saved")


@pytest.mark.parametrize("data", [b"no update", b"\x01\x01\x07"])
async def test_what_is_no_text_closes_the_link_as_hostile_for_good(data: bytes) -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("mine")
        link.say(Batch(1, 1, ((8, data),)))
        status = await stage.until(StatusKind.REFUSED)
        assert status.text.startswith("✗ the server sent what is no text: ")
        assert status.text.endswith(" – 1 change only in this window")
        assert link.closes[0] == CloseCode.HOSTILE
        assert stage.buffer.lines.text() == "mine"
        assert stage.tries == 1
        assert not task.done()


async def test_a_first_text_that_is_none_ends_a_fresh_join() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.expect(Hello)
        allowed = RoomLimits()
        link.say(Welcome(2, 7, HERE, EPOCH, 0, Role.WRITE, allowed, True, True, (), (), b"\x00"))
        link.say(Sync(0, EMPTY_STATE_VECTOR, b"no update"))
        with pytest.raises(JoinRefused, match="no text"):
            await ended(task)
        assert link.closes[0] == CloseCode.HOSTILE


async def test_a_machine_that_slept_trusts_no_link(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(limits, "PROBE_AFTER_S", 0.05)
    monkeypatch.setattr(limits, "DEAD_AFTER_S", 0.2)
    woken = False
    real = link_watch.lived_s

    def lived_s() -> float:
        return real() + (3600 if woken else 0)

    monkeypatch.setattr(link_watch, "lived_s", lived_s)
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        await link.expect(Ping)
        assert stage.tries == 1
        woken = True
        await stage.link().expect(Hello)
        assert "link ended: this machine slept for 3600 s" in caplog.text


async def test_the_text_here_is_told_to_the_server_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHECK_AFTER_S", 0.01)
    stage = Stage()
    link = stage.link()
    text = Replica(99)
    text.edit(0, 0, "zürich\n🙂")
    async with running(stage):
        await link.welcome(text=text, seq=3)
        assert await link.expect(Check) == Check(3, hashlib.sha256("zürich\n🙂".encode()).digest())
    text.close()


async def test_asking_to_try_again_gives_up_an_attempt_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_ATTEMPT_LEAST_S", 0.0)
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        link.break_()
        async with asyncio.timeout(DEADLINE_S):
            while stage.tries < 2:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            stage.session.retry_now()
            while stage.tries < 3:
                await asyncio.sleep(0)
        await stage.link().welcome()
        await stage.until(StatusKind.SAVED)


async def test_ending_the_session_is_not_lost_when_the_link_breaks_just_then() -> None:
    for turns in range(8):
        stage = Stage()
        link = stage.link()
        async with running(stage) as task:
            await link.welcome()
            await stage.until(StatusKind.SAVED)
            link.break_()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=0.2)
            assert done, f"{turns} turns later"
