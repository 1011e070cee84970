from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from collab_client.buffer import Buffer
from collab_client.link import Link
from collab_client.session import JoinRefused, Session
from collab_client.status import Status, StatusKind
from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.errors import FaultCode, LinkError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Fault,
    Hello,
    Message,
    Presence,
    Receipt,
    Sync,
    Update,
    Welcome,
)
from collab_protocol.presence import Role
from collab_protocol.sync import Identity
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica

_Kind = TypeVar("_Kind")
DEADLINE_S = 5.0


class ScriptedLink:
    """A link whose other end is the test."""

    def __init__(self) -> None:
        self._up: asyncio.Queue[bytes] = asyncio.Queue()
        self._down: asyncio.Queue[bytes | LinkError] = asyncio.Queue()
        self._assembler = Assembler()
        self.takes = asyncio.Event()
        self.takes.set()

    async def send(self, frame: bytes) -> None:
        await self.takes.wait()
        self._up.put_nowait(frame)

    async def receive(self) -> bytes:
        frame = await self._down.get()
        if isinstance(frame, LinkError):
            raise frame
        return frame

    async def close(self) -> None:
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
        self, *, is_new: bool = False, role: Role = Role.WRITE, is_durable: bool = True
    ) -> Hello:
        hello = await self.expect(Hello)
        allowed = RoomLimits(text_bytes=100)
        self.say(
            Welcome(
                1, 7, b"l" * 16, b"e" * 16, 0, role, allowed, is_durable, is_new, (), (), EMPTY_STATE_VECTOR
            ),
            Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE),
        )
        return hello


class Stage:
    """A session, what it said, and the links it was given."""

    def __init__(self, *, read_only: bool = False) -> None:
        self.buffer = Buffer(Replica(11, undo_clock=lambda: 1.0))
        self.buffer.read_only = read_only
        self.links: asyncio.Queue[Link | LinkError] = asyncio.Queue()
        self.statuses: list[Status] = []
        self.notices: list[str] = []
        self._changed = asyncio.Event()
        self.session = Session(
            self.buffer, Identity(b"n" * 16, b"d" * 32, "ana"), connect=self._connect, dice=lambda: 0.0
        )
        self.session.on_status = self._on_status
        self.session.on_notice = self.notices.append

    async def _connect(self) -> Link:
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

    def link(self) -> ScriptedLink:
        link = ScriptedLink()
        self.links.put_nowait(link)
        return link


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(stage.session.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stage.buffer.close()


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
    stage.buffer.close()


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
    stage.buffer.close()


async def test_a_refusal_after_work_keeps_the_window_and_says_why() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("x")
        link.say(Fault(FaultCode.LINEAGE, "the room was made anew", None))
        status = await stage.until(StatusKind.REFUSED)
        assert status.text == "✗ the room was made anew – 1 change only in this window"
        assert not task.done()


async def test_trying_again_does_not_end_a_refused_window() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome()
        await stage.until(StatusKind.SAVED)
        stage.session.retry_now()  # while connected: it must not be remembered either
        stage.buffer.type_text("x")
        link.say(Fault(FaultCode.LINEAGE, "the room was made anew", None))
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
