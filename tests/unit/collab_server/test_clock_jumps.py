"""A server's clock is set, ahead and back: what lasts for a time lasts so long all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import unix_connect
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import FaultCode
from collab_protocol.messages import Fault, Hello, Ping, Receipt
from collab_server import recheck
from collab_server.config import HistoryLimits
from collab_server.lock import Endpoints
from collab_server.office.office import Office
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.recheck import Recheck
from collab_server.retention import Retention
from collab_server.store.verifying import verify

from .doors import DAY_S, HOUR_S, Doors, opened
from .rooms import hello
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder

BOTH_WAYS = pytest.mark.parametrize("years", [2, -2])
YEAR_S = 365 * DAY_S


class WallClock:
    """The clock that people see; the one that only passes stays as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = time.time
        self.set_s = 0.0
        monkeypatch.setattr(time, "time", self.now)
        for made in (Office, Recheck, Retention):
            monkeypatch.setitem(made.__init__.__kwdefaults__, "now", self.now)

    def now(self) -> float:
        return self._real() + self.set_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


async def ask(server: Endpoints, **request: Any) -> dict[str, Any]:
    """Ask for something as an operator."""
    uri, spoken = f"ws://localhost{ADMIN_PATH}", [Subprotocol(ADMIN_SUBPROTOCOL)]
    async with asyncio.timeout(DEADLINE_S), unix_connect(server.unix, uri, subprotocols=spoken) as websocket:
        await websocket.send(json.dumps(request))
        answer = json.loads(await websocket.recv())
    assert "error" not in answer, answer
    told: dict[str, Any] = answer["ok"]
    return told


def with_token(name: str, token: str) -> Hello:
    return replace(hello(name), token=token)


@contextlib.asynccontextmanager
async def invited(server: Endpoints, **invite: Any) -> AsyncIterator[Client]:
    """Come over TCP, as whom the server's operator invited."""
    token = (await ask(server, do="invite", room="notes", **invite))["token"]
    async with dial(server, tcp=True) as bo:
        await bo.enter(with_token("bo", token))
        yield bo


async def write(client: Client) -> None:
    await client.type("more ")
    async with asyncio.timeout(DEADLINE_S):
        await client.wait_for(Receipt)


async def until_pinged(client: Client) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not isinstance(client.feed(await client.websocket.recv(decode=False)), Ping):
            pass


@BOTH_WAYS
async def test_people_go_on_and_figures_stay_those_of_what_passed(
    clock: WallClock, years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.02)
    with short_folder() as folder:
        async with (
            running(config(folder, history=HistoryLimits(age_s=DAY_S))) as server,
            joined(server, "ana") as ana,
        ):
            await write(ana)
            before = await ask(server, do="figures")
            clock.set_s = years * YEAR_S
            for _ in range(5):
                await write(ana)
            for _ in range(2):  # at each of which the server looks for how long she has been silent
                await until_pinged(ana)
            await write(ana)
            after = await ask(server, do="figures")
            (seen,) = (await ask(server, do="who", room="notes"))["people"]
            dropped = after["counters"]["collab_dropped_connections_total"]
        rows = verify(folder / "data" / "rooms.sqlite3").rooms[0].rows
    assert abs(after["now"] - before["now"] - years * YEAR_S) < HOUR_S
    assert 0 < after["up_s"] - before["up_s"] < HOUR_S
    assert (after["pid"], after["started"]) == (before["pid"], before["started"]), "it is the same server"
    assert after["counters"]["collab_receipts_total"] == 7
    assert 0 <= after["receipt_s"]["p50"] <= after["receipt_s"]["p99"] < 10.0
    assert 0 <= after["stall_s"]["max"] < HOUR_S
    assert 0 <= after["rooms"][0]["oldest_unsettled_s"] < HOUR_S
    assert 0 <= after["now"] - seen["since"] < HOUR_S
    assert (dropped, rows) == (0, 7)


@BOTH_WAYS
async def test_whose_time_the_clock_says_is_over_leaves_and_the_others_stay(
    clock: WallClock, years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "EVERY_S", 0.05)
    with short_folder() as folder:
        async with (
            running(config(folder, port=0, auth=True)) as server,
            joined(server, "ana") as ana,
            invited(server, expires_s=HOUR_S) as bo,
        ):
            clock.set_s = years * YEAR_S
            if years > 0:
                async with asyncio.timeout(DEADLINE_S):
                    fault = await bo.wait_for(Fault)
                assert fault.code is FaultCode.DENIED
            else:
                await write(bo)
            await write(ana)
            async with invited(server, expires_s=HOUR_S, name="cy") as cy:
                await write(cy)


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with opened(tmp_path / "rooms.sqlite3") as bench:
        yield bench


async def test_a_clock_that_is_set_right_again_has_ended_nothing_for_good(doors: Doors) -> None:
    token, invite = await doors.invite(expires_s=30 * DAY_S)
    credential = await doors.credential("bo", token)
    banned_by, _ = await doors.invite(is_reusable=True)
    eve, _ = await doors.come("eve", banned_by)
    await doors.access.ban(eve, "eve", 30 * DAY_S)
    doors.set_clock(YEAR_S)
    assert await doors.why_not("bo", credential) != ""
    assert doors.access.bans() == []
    another, _ = await doors.invite()  # what ended long ago is forgotten by this
    mallory, _ = await doors.come("mallory", another)
    await doors.access.ban(mallory, "mallory", HOUR_S)
    doors.set_clock(-YEAR_S)
    for _ in range(2):
        assert await doors.why_not("bo", credential) == ""
        assert doors.why_over(eve) != ""
        assert {ban.name for ban in doors.access.bans()} >= {"eve"}
        assert invite.id in {each.id for each in doors.access.invites()}
        await doors.restart()


async def test_what_ends_while_the_clock_is_behind_ends_when_it_is_set_right(doors: Doors) -> None:
    grant, _ = await doors.come("bo", (await doors.invite(expires_s=HOUR_S))[0])
    eve, _ = await doors.come("eve", (await doors.invite(is_reusable=True))[0])
    await doors.access.ban(eve, "eve", HOUR_S)
    doors.set_clock(-YEAR_S)
    doors.now += 2 * HOUR_S
    assert (doors.why_over(grant), doors.why_over(eve) != "") == ("", True)
    doors.set_clock(YEAR_S)
    assert (doors.why_over(grant) != "", doors.why_over(eve)) == (True, "")
