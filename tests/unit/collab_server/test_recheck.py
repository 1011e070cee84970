from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable

import pytest

from collab_protocol.presence import Role
from collab_server.access import Grant
from collab_server.recheck import Recheck

from .wire import DEADLINE_S


def grant(expires: float | None) -> Grant:
    return Grant("notes", "token:ana", Role.WRITE, "ana", b"", None, expires)


class Sessions:
    """Those who are in, and how often it was looked whether they may be."""

    def __init__(self, *grants: Grant) -> None:
        self.grants = list(grants)
        self.looks = 0
        self.looked = asyncio.Event()
        self.recheck = Recheck(self.end_those_over, self.next_end, lambda: self.grants)

    def end_those_over(self) -> None:
        self.looks += 1
        self.looked.set()
        now = time.time()
        self.grants = [each for each in self.grants if each.expires is None or each.expires > now]

    def next_end(self, grants: Iterable[Grant]) -> float | None:
        return min((each.expires for each in grants if each.expires is not None), default=None)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.recheck.run())
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def until_gone(self) -> None:
        """Wait until nobody is left; well within the time after which all are looked at anyhow."""
        async with asyncio.timeout(DEADLINE_S):
            while self.grants:
                self.looked.clear()
                await self.looked.wait()


async def test_a_session_ends_when_its_time_comes() -> None:
    sessions = Sessions(grant(time.time() + 0.2))
    async with sessions.running():
        await sessions.until_gone()
    assert sessions.looks < 10, "it sleeps in between"


async def test_one_that_comes_later_and_ends_sooner_is_not_forgotten() -> None:
    sessions = Sessions()
    async with sessions.running():
        async with asyncio.timeout(DEADLINE_S):
            await sessions.looked.wait()
        for late in (None, time.time() + 60.0, time.time() + 0.2):
            sessions.grants = [grant(late)]
            sessions.recheck.came(grant(late))
        await sessions.until_gone()


async def test_one_whose_time_is_over_already_does_not_keep_the_loop_busy() -> None:
    sessions = Sessions()
    over = grant(time.time() - 5.0)
    sessions.next_end = lambda grants: over.expires  # type: ignore[method-assign]
    sessions.recheck = Recheck(sessions.end_those_over, sessions.next_end, lambda: [over])
    async with sessions.running():
        began = time.monotonic()
        while sessions.looks < 4:
            sessions.looked.clear()
            async with asyncio.timeout(DEADLINE_S):
                await sessions.looked.wait()
        assert time.monotonic() - began >= 0.1
