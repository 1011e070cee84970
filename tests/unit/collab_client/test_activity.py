from __future__ import annotations

import asyncio

import pytest

from collab_client.activity import Attention
from collab_protocol import limits
from collab_protocol.presence import Activity

DEADLINE_S = 4.0


class Person:
    """An attention in real time, and what it became."""

    def __init__(self) -> None:
        self.became: asyncio.Queue[Activity] = asyncio.Queue()
        self.attention = Attention(asyncio.get_running_loop().time)
        self.attention.on_change = lambda: self.became.put_nowait(self.attention.activity)

    async def next(self) -> Activity:
        async with asyncio.timeout(DEADLINE_S):
            return await self.became.get()


async def test_who_touches_nothing_is_idle_and_then_away_until_the_next_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "IDLE_AFTER_S", 0.01)
    monkeypatch.setattr(limits, "AWAY_AFTER_S", 0.03)
    person = Person()
    person.attention.begin()
    for _ in range(2):
        assert await person.next() is Activity.IDLE
        assert await person.next() is Activity.AWAY
        person.attention.touched()
        assert await person.next() is Activity.ACTIVE
    person.attention.end()


async def test_a_key_puts_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_AFTER_S", 0.01)
    now = 0.0
    was_looked_at = asyncio.Event()

    def clock() -> float:
        was_looked_at.set()
        return now

    attention = Attention(clock)
    changes: list[Activity] = []
    attention.on_change = lambda: changes.append(attention.activity)
    attention.begin()
    now = 0.009
    attention.touched()
    now = 0.018
    was_looked_at.clear()
    async with asyncio.timeout(DEADLINE_S):
        await was_looked_at.wait()  # the timer that was set at first has rung
    assert changes == []
    now = 0.02
    was_looked_at.clear()
    async with asyncio.timeout(DEADLINE_S):
        await was_looked_at.wait()
    assert changes == [Activity.IDLE]
    attention.end()


async def test_a_key_behind_the_end_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_AFTER_S", 0.01)
    monkeypatch.setattr(limits, "AWAY_AFTER_S", 0.02)
    person = Person()
    person.attention.begin()
    while await person.next() is not Activity.AWAY:
        pass
    person.attention.end()
    person.attention.touched()
    assert await person.next() is Activity.ACTIVE
    assert person.attention._alarm._timer is None
