"""A session whose access is given, changed or taken; links and helpers are those of `test_session`."""

from __future__ import annotations

import asyncio

import pytest

from collab_client.journal_steps import Contents
from collab_client.session import JoinRefused
from collab_client.status import StatusKind
from collab_protocol.errors import FaultCode, LinkError
from collab_protocol.messages import (
    CloseRoom,
    Credential,
    Declined,
    Fault,
    Hello,
    Kick,
    Ping,
    Pong,
    Presence,
    Receipt,
    Setting,
    Update,
)
from collab_protocol.presence import Role
from collab_protocol.text import Replica
from tests.unit.collab_client.test_session import DEADLINE_S, ORIGIN, Stage, running, unsent
from tests.unit.collab_client.test_session_people import a_room

ENDINGS = [FaultCode.DENIED, FaultCode.KICKED, FaultCode.CLOSED, FaultCode.DELETED]


async def test_a_credential_is_handed_on_and_said_from_then_on() -> None:
    stage = Stage()
    granted: list[Credential] = []
    stage.session.on_granted = granted.append
    link, again = stage.link(), stage.link()
    credential = Credential("cc1.k.p.s", 5)
    async with running(stage):
        link.say(credential)
        assert (await link.welcome()).token is None
        await stage.until(StatusKind.SAVED)
        assert granted == [credential]
        link.break_()
        assert (await again.expect(Hello)).token == "cc1.k.p.s"


async def test_the_own_role_is_known_and_stays_known_without_a_link() -> None:
    stage = Stage()
    assert stage.session.role is None
    async with a_room(stage, version=4, role=Role.ADMIN) as (link, _):
        assert stage.session.role is Role.ADMIN
        link.break_()
        await stage.until(StatusKind.OFFLINE)
        assert stage.session.role is Role.ADMIN


async def test_an_admin_sends_people_away_and_closes_the_room() -> None:
    async with a_room(stage := Stage(), version=4, role=Role.ADMIN) as (link, _):
        assert stage.session.kick(8, 600) == ""
        assert await link.expect(Kick) == Kick(8, 600)
        assert stage.session.close_room(True) == ""
        assert await link.expect(CloseRoom) == CloseRoom(True)
        link.say(Declined("bo has left"), Ping(1))
        await link.expect(Pong)
        assert stage.notices == ["bo has left"]


@pytest.mark.parametrize(
    ("version", "role", "why"),
    [
        (4, Role.WRITE, "only admins of the room can do that"),
        (4, Role.READ, "only admins of the room can do that"),
        (3, Role.ADMIN, "the server is older and can "),
    ],
)
async def test_why_nobody_is_sent_away_is_told(version: int, role: Role, why: str) -> None:
    async with a_room(stage := Stage(), version=version, role=role) as (link, _):
        assert stage.session.kick(8, 0).startswith(why)
        assert stage.session.close_room(True).startswith(why)
        link.say(Ping(1))
        await link.expect(Pong)
        link.break_()
        await stage.until(StatusKind.OFFLINE)
        if role is Role.ADMIN:
            assert stage.session.kick(8, 0).startswith("not connected")


@pytest.mark.parametrize("code", ENDINGS)
async def test_who_has_lost_access_keeps_window_and_changes_and_may_try_again(code: FaultCode) -> None:
    stage = Stage(has_journal=True)
    link = stage.link()
    async with running(stage) as task:
        await link.welcome(version=4)
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("x")
        link.say(Fault(code, "the reason", None))
        await stage.until_said("✗ the reason – 1 change kept on this machine")
        assert stage.session.status.is_over
        stage.buffer.type_text("y")
        await stage.until_said("✗ the reason – 2 changes kept on this machine")
        async with asyncio.timeout(DEADLINE_S):  # they are kept, and waiting would not help
            assert not await stage.session.settle(10 * DEADLINE_S)
        assert (stage.tries, task.done()) == (1, False)

        again, third = stage.link(), stage.link()
        stage.session.retry_now()
        await again.expect(Hello)
        assert stage.session.status.text == "! offline – 2 changes kept on this machine"
        again.say(Fault(code, "another reason", None))
        await stage.until_said("✗ another reason – 2 changes kept on this machine")
        assert (stage.tries, task.done()) == (2, False)

        stage.session.retry_now()
        await third.welcome(version=4)
        third.say(Receipt((await third.expect(Update)).n, 1, alone=True))
        await stage.until_said("✓ saved")
        assert stage.buffer.lines.text() == "xy"


@pytest.mark.parametrize("code", ENDINGS)
async def test_who_is_not_let_in_at_all_is_told_why(code: FaultCode) -> None:
    stage = Stage()
    link = stage.link()
    task = asyncio.create_task(stage.session.run())
    await link.expect(Hello)
    link.say(Fault(code, "ask for an invite", None))
    with pytest.raises(JoinRefused, match="ask for an invite") as refused:
        async with asyncio.timeout(DEADLINE_S):
            await task
    assert refused.value.code is code
    stage.document.close()


async def test_who_is_not_let_in_and_has_changes_here_keeps_the_window() -> None:
    stage = Stage(contents=Contents(ORIGIN, entries=unsent("left")))
    link, again = stage.link(), stage.link()
    async with running(stage):
        await link.expect(Hello)
        link.say(Fault(FaultCode.DENIED, "this token ended", None))
        await stage.until_said("✗ this token ended – 1 change kept on this machine")
        stage.session.retry_now()
        await again.welcome()
        await again.expect(Update)


async def test_trying_again_may_find_nobody_and_goes_on_by_itself() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome(version=4)
        await stage.until(StatusKind.SAVED)
        link.say(Fault(FaultCode.CLOSED, "the room is closed", None))
        await stage.until_said("✗ the room is closed")
        stage.links.put_nowait(LinkError("nothing answers"))
        stage.session.retry_now()
        await stage.link().welcome(version=4)
        await stage.until_said("✓ saved")
        assert stage.tries == 3


async def test_who_leaves_after_a_refusal_leaves() -> None:
    stage = Stage()
    link = stage.link()
    async with running(stage) as task:
        await link.welcome(version=4)
        await stage.until(StatusKind.SAVED)
        link.say(Fault(FaultCode.KICKED, "ana sent you away", None))
        await stage.until(StatusKind.REFUSED)
        stage.session.leave()
        async with asyncio.timeout(DEADLINE_S):
            await task
        assert stage.tries == 1


async def test_who_may_only_read_keeps_what_was_typed_before_and_reads_on() -> None:
    stage = Stage(has_journal=True, contents=Contents(ORIGIN, entries=unsent("left")))
    link, again = stage.link(), stage.link()
    async with running(stage):
        await link.welcome(version=4, role=Role.READ)
        await stage.until_said("✗ you may only read here – 1 change kept on this machine")
        assert not stage.session.status.is_over
        assert stage.buffer.read_only
        assert (await link.expect(Presence)).carets == ()
        stage.session.settings.set("title", "mine")
        link.say(Ping(1))
        assert await link.expect(Update | Setting | Pong) == Pong(1)
        async with asyncio.timeout(DEADLINE_S):
            assert not await stage.session.settle(10 * DEADLINE_S)
        link.break_()
        await again.welcome(version=4, role=Role.WRITE)
        update = await again.expect(Update)
        again.say(Receipt(update.n, 1, alone=True))
        await stage.until_said("✓ saved")
        assert not stage.buffer.read_only


async def test_who_reads_with_nothing_unsaved_is_told_that_all_is_saved() -> None:
    async with a_room(stage := Stage(), version=4, role=Role.READ):
        assert stage.session.status.text == "✓ saved"
        assert await stage.session.settle(DEADLINE_S)


async def test_whose_role_is_taken_down_comes_back_at_once_to_read() -> None:
    stage = Stage(has_journal=True)
    link, again = stage.link(), stage.link()
    async with running(stage):
        await link.welcome(version=4)
        await stage.until(StatusKind.SAVED)
        stage.buffer.type_text("x")
        await link.expect(Update)
        link.say(Fault(FaultCode.READ_ONLY, "you may read here, not write", None))
        await again.welcome(version=4, role=Role.READ)
        await stage.until_said("✗ you may only read here – 1 change kept on this machine")
        assert not any(status.is_over for status in stage.statuses)
        assert stage.tries == 2


async def test_a_server_that_says_write_and_takes_nothing_is_not_called_for_ever() -> None:
    stage = Stage()
    links = [stage.link() for _ in range(2)]
    async with running(stage):
        for link in links:
            await link.welcome(version=4)
            stage.buffer.type_text("x")
            await link.expect(Update)
            link.say(Fault(FaultCode.READ_ONLY, "you may read here, not write", None))
        await stage.until_said("✗ you may read here, not write – 2 changes only in this window")
        assert stage.tries == 2


async def test_a_role_that_is_taken_down_again_later_is_no_loop() -> None:
    stage = Stage()
    server = Replica(99)
    async with running(stage):
        for seq in range(3):
            link = stage.link()
            await link.welcome(version=4, seq=seq, text=server)
            stage.buffer.type_text("x")
            update = await link.expect(Update)
            server.apply(update.data)
            link.say(Receipt(update.n, seq + 1, alone=True))
            await stage.until(StatusKind.SAVED)
            link.say(Fault(FaultCode.READ_ONLY, "you may read here, not write", None))
        await stage.link().welcome(version=4, seq=3, text=server)
        await stage.until(StatusKind.SAVED)
        assert not any(status.is_over for status in stage.statuses)
    server.close()
