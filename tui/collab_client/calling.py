"""Opening one link after another to a server: an attempt, a rest, and "retry now"."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from collab_client.link import Link
from collab_protocol.backoff import Backoff
from collab_protocol.errors import LinkError

_TICK_S: Final = 1.0

_ATTEMPT_LEAST_S: Final = 0.5
"""An attempt to connect gets so long before "retry now" begins another: keys repeat."""


class Caller:
    """Calls a server, again and again, until `leave`."""

    def __init__(self, dice: Callable[[], float], clock: Callable[[], float]) -> None:
        self.is_connecting = False
        self.retry_at: float | None = None
        """When the next attempt begins; None while none is waited for."""
        self._backoff = Backoff(dice)
        self._clock = clock
        self._retry = asyncio.Event()
        self._is_leaving = False

    def retry_now(self) -> None:
        """Try at once instead of resting."""
        self._retry.set()

    def leave(self) -> None:
        """Let go of whatever is waited for, and call no more."""
        self._is_leaving = True
        self._retry.set()

    def was_up(self, for_s: float) -> None:
        """Note that a link has worked for so long."""
        self._backoff.was_up(for_s)

    async def open(self, connect: Callable[[], Awaitable[Link]]) -> Link:
        """Open a link; "retry now" gives up an attempt that hangs and begins another. Raises: LinkError."""
        while True:
            self._retry.clear()
            attempt = asyncio.ensure_future(connect())
            asked = asyncio.create_task(self._asked_again(), name="retry")
            try:
                await asyncio.wait((attempt, asked), return_when=asyncio.FIRST_COMPLETED)
                if attempt.done():
                    return attempt.result()
            finally:
                asked.cancel()
                if not attempt.done():
                    attempt.cancel()
                    with contextlib.suppress(asyncio.CancelledError, LinkError):
                        await (await attempt).close()
                elif not attempt.cancelled():
                    attempt.exception()  # asked for: it is not to be reported when we are cancelled just now
            if self._is_leaving:
                raise LinkError("left")

    async def rest(self, hint_s: float | None, on_tick: Callable[[], None]) -> None:
        """Wait as long as the backoff has it, or `hint_s` of the server; `on_tick()` is called meanwhile."""
        self._retry.clear()
        self.retry_at = self._clock() + self._backoff.next_delay_s(hint_s)
        while not self._is_leaving and (left_s := self.retry_at - self._clock()) > 0:
            on_tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _TICK_S)):
                    await self._retry.wait()
                    return

    async def stay(self) -> None:
        """Wait for `leave`."""
        while not self._is_leaving:
            await self.until_asked()

    async def until_asked(self) -> None:
        """Wait for "retry now", unless it was said since `forget`; or for `leave`."""
        if not self._is_leaving:
            await self._retry.wait()
            self._retry.clear()

    def forget(self) -> None:
        """Take nothing that was asked for so far for an answer to what happens now."""
        if not self._is_leaving:
            self._retry.clear()

    async def _asked_again(self) -> None:
        """Wait for "retry now", or for the person to leave; an attempt gets a moment first."""
        began = self._clock()
        await self._retry.wait()
        while not self._is_leaving and self._clock() - began < _ATTEMPT_LEAST_S:
            self._retry.clear()
            await self._retry.wait()
