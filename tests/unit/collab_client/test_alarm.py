from __future__ import annotations

import asyncio

from collab_client.alarm import Alarm

DEADLINE_S = 4.0


class Clock:
    """An alarm over one thing that is due, by a clock that stands still."""

    def __init__(self) -> None:
        self.due: float | None = None
        self.rings = 0
        self.rang = asyncio.Event()
        self.alarm = Alarm(lambda: self.due, self._ring, lambda: 100.0)

    def _ring(self) -> None:
        self.rings += 1
        self.due = None
        self.rang.set()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_rings_when_it_is_due_and_not_again() -> None:
    clock = Clock()
    clock.alarm.look()
    await turns()
    assert clock.rings == 0
    clock.due = 100.0
    clock.alarm.look()
    async with asyncio.timeout(DEADLINE_S):
        await clock.rang.wait()
    await turns()
    assert clock.rings == 1


async def test_what_is_due_earlier_rings_first() -> None:
    clock = Clock()
    for due in (2000.0, 100.0):
        clock.due = due
        clock.alarm.look()
    async with asyncio.timeout(DEADLINE_S):
        await clock.rang.wait()


async def test_what_is_due_no_more_does_not_ring() -> None:
    for is_stopped in (False, True):
        clock = Clock()
        clock.due = 100.0
        clock.alarm.look()
        if is_stopped:
            clock.alarm.stop()
        else:
            clock.due = None
            clock.alarm.look()
        await turns()
        assert clock.rings == 0
