"""Limits that are set while the server runs: told, refused where they make no sense, heeded at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from collab_protocol.errors import FaultCode
from collab_protocol.messages import Fault
from collab_server.admission import Admission
from collab_server.allowance import Allowance, Budget, Pace
from collab_server.bucket import Bucket
from collab_server.config import Caps
from collab_server.room_caps import Refused, RoomCaps

from .rooms import hello
from .test_office import ask, asking, folder
from .wire import config, dial, joined, running

__all__ = ["folder"]


async def limits(link: Any, **wanted: Any) -> dict[str, dict[str, Any]]:
    answer = await ask(link, {"do": "limits", "set": wanted})
    found: dict[str, dict[str, Any]] = answer["ok"]["limits"]
    return found


async def test_limits_are_told_with_what_is_in_use_and_set(folder: Path) -> None:
    settings = config(folder, port=0, insecure=True, caps=Caps(connections=40, accepts_per_s=30.0))
    async with (
        running(settings) as endpoints,
        asking(endpoints) as link,
        joined(endpoints, "ana", tcp=True) as ana,
        joined(endpoints, "bo"),
    ):
        await ana.type("some text")
        told = await limits(link)
        assert told["connections"] == {"limit": 40, "in_use": 1, "before": 40}
        assert told["accept_rate"] == {"limit": 30, "in_use": None, "before": 30}
        assert told["connections_per_address"]["in_use"] == told["loaded_rooms"]["in_use"] == 1
        assert told["connections_per_room"]["in_use"] == 2
        changed = await limits(link, connections=50, room_bytes=4096)
        assert changed["connections"] == {"limit": 50, "in_use": 1, "before": 40}
        assert changed["room_bytes"]["limit"] == 4096
        assert changed["accept_rate"]["limit"] == 30


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"conections": 5}, "there is no limit 'conections': there are connections, "),
        ({"connections": 0}, "connections has to be a whole number from 1 to "),
        ({"connections": 1.5}, "connections has to be a whole number"),
        ({"connections": "5"}, "'connections' has to be a number"),
        ({"bytes_per_second": 1000}, "bytes_per_second has to be a whole number from 65536 to "),
        ({"rooms": 5, "room_bytes": 2**30}, "room_bytes has to be a whole number from 1024 to "),
        ([1], "'set' has to be an object"),
    ],
)
async def test_what_makes_no_sense_changes_nothing(folder: Path, wanted: Any, why: str) -> None:
    async with running(config(folder)) as endpoints, asking(endpoints) as link:
        before = await limits(link)
        assert why in (await ask(link, {"do": "limits", "set": wanted}))["error"]
        assert await limits(link) == before


async def test_who_is_in_stays_and_nobody_new_comes(folder: Path) -> None:
    async with (
        running(config(folder, port=0, insecure=True)) as endpoints,
        asking(endpoints) as link,
        joined(endpoints, "ana", tcp=True) as ana,
    ):
        await limits(link, connections_per_address=1)
        with pytest.raises(InvalidStatus):
            async with dial(endpoints, tcp=True):
                pass
        await limits(link, connections_per_address=2)
        async with joined(endpoints, "bo", tcp=True):
            await ana.type("on")
            await limits(link, connections_per_room=2)
            async with dial(endpoints) as third:
                await third.send(hello("third"))
                fault = await third.wait_for(Fault)
                assert (fault.code, "2 connections" in fault.message) == (FaultCode.BUSY, True)


async def test_a_room_that_is_loaded_grows_no_further(folder: Path) -> None:
    async with running(config(folder)) as endpoints, asking(endpoints) as link:
        async with joined(endpoints, "ana") as ana:
            await limits(link, room_bytes=1024)
            await ana.type("a" * 100_000)
            fault = await ana.wait_for(Fault)
            assert (fault.code, fault.message) == (FaultCode.TOO_LARGE, "notes may hold 1024 bytes")
        async with joined(endpoints, "bo") as bo:
            assert bo.welcome is not None
            assert bo.welcome.limits.text_bytes == 1024
            await limits(link, room_bytes=1024**2)
            await bo.type("a" * 100_000)
            await limits(link, rooms=1)
            async with dial(endpoints, "agenda") as other:
                await other.send(hello("other"))
                assert "keeps 1 rooms at most" in (await other.wait_for(Fault)).message


# -- what limits are made of


def test_a_bucket_fills_at_its_new_rate() -> None:
    bucket = Bucket(1.0, 2.0, now=0.0)
    for _ in range(2):
        bucket.take()
    bucket.change(10.0, 5.0, now=0.0)
    for _ in range(3):
        assert bucket.has_one(0.0)
        bucket.take()
    assert not bucket.has_one(0.0)
    assert bucket.has_one(0.1)
    bucket.change(1.0, 1.0, now=100.0)
    bucket.take()
    assert not bucket.has_one(100.5)


def test_a_pace_goes_on_at_its_new_rate() -> None:
    pace = Pace(10, 1000, burst_s=1.0, now=0.0)
    pace.take(3000)
    assert pace.rest_s(0.0) == 2.0
    pace.change(10, 2000)
    assert pace.rest_s(0.0) == 1.0


def test_an_allowance_and_a_budget_grow_and_shrink() -> None:
    allowance = Allowance(burst=1, every_s=1.0)
    assert allowance.take(0.0)
    allowance.change(3, 10.0)
    assert [allowance.take(0.0) for _ in range(3)] == [True, True, False]
    assert not allowance.take(5.0)
    budget = Budget(10)
    assert budget.take(8)
    budget.change(5)
    assert not budget.take(1)
    assert budget.used == 8
    budget.give_back(8)
    assert [budget.take(5), budget.take(1)] == [True, False]


def test_those_who_have_made_rooms_may_make_more_and_addresses_come_faster() -> None:
    made = RoomCaps(Caps(rooms_per_day=1), clock=lambda: 0.0)
    made.take("a", "unix:ana")
    with pytest.raises(Refused):
        made.take("b", "unix:ana")
    made.change(Caps(rooms_per_day=2))
    made.take("b", "unix:ana")
    admission = Admission(Caps(accepts_per_s=1.0, connections_per_address=1), lambda: 0.0)
    admission.change_caps(Caps(accepts_per_s=100.0, connections_per_address=8))
    visits = [admission.knock("192.0.2.1", lambda reason: None) for _ in range(8)]
    for visit in visits:
        assert admission.ask(visit, "192.0.2.1", "") is None
        admission.greeted(visit)
    assert admission.most_of_an_address == admission.people == 8
