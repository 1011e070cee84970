"""Those who are in are looked at again: whether they still may be."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Final

from collab_server.access import Grant

EVERY_S: Final = 30.0
_LEAST_S: Final = 0.05
"""Clocks of computers are set, and timers are early: no oftener than this."""


class Recheck:
    """Ends sessions when their time comes, and now and then whoever else should not be here any more.

    After a revocation, a ban or the closing of a room the office does so at once.
    """

    def __init__(
        self,
        end_those_over: Callable[[], object],
        next_end: Callable[[Iterable[Grant]], float | None],
        grants: Callable[[], Iterable[Grant]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`next_end` says of `grants` when the first of them ends, in UTC seconds as `now` is."""
        self._end_those_over = end_those_over
        self._next_end = next_end
        self._grants = grants
        self._now = now
        self._due = 0.0
        self._is_sooner = asyncio.Event()

    def came(self, grant: Grant) -> None:
        """Take note of somebody new, whose time may end before all others'."""
        if grant.expires is not None and grant.expires < self._due:
            self._due = grant.expires
            self._is_sooner.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._end_those_over()
            now = self._now()
            ends = self._next_end(self._grants())
            self._due = max(now + _LEAST_S, now + EVERY_S if ends is None else min(now + EVERY_S, ends))
            while (rest_s := self._due - self._now()) > 0:
                self._is_sooner.clear()
                with contextlib.suppress(TimeoutError):
                    # A clock that is set back must not keep it asleep.
                    async with asyncio.timeout(min(rest_s, EVERY_S)):
                        await self._is_sooner.wait()
                        continue
                break
