"""Whether one client is alive: it is pinged, and given up when it says or takes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from collab_protocol import limits
from collab_server.meters import Drop
from collab_server.reading import Reading
from collab_server.sending import Sending


class LifeSigns:
    """Looks after one client: who says nothing is gone, who takes nothing is given up.

    Taking counts as life: one that loads a large text over a slow link has nothing to say, and our pings are
    far behind.
    """

    def __init__(
        self,
        reading: Reading,
        sending: Sending,
        *,
        ping: Callable[[int], None],
        give_up: Callable[[Drop], None],
    ) -> None:
        """`ping` sends a Ping of that number, `give_up` ends the client."""
        self.round_trip_ms: int | None = None
        """How long the last Ping and its Pong took; None while none has come back."""
        self._reading = reading
        self._sending = sending
        self._send_ping = ping
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pings = 0
        self._pinged_at: float | None = None

    def watch_from_now(self) -> None:
        """Look after it each few seconds."""
        self.end()
        self._timer = self._loop.call_later(limits.SERVER_PING_S, self._watch)

    def ping(self) -> None:
        """Ask it for a sign of life."""
        self._pings += 1
        self._pinged_at = time.monotonic()
        self._send_ping(self._pings)

    def ponged(self, number: int) -> None:
        """Note that one came."""
        if number == self._pings and self._pinged_at is not None:
            self.round_trip_ms = round((time.monotonic() - self._pinged_at) * 1000)
            self._pinged_at = None

    def end(self) -> None:
        """Look after it no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        now = time.monotonic()
        is_stuck = self._sending.is_stuck(now)
        heard_at = max(self._reading.heard_at, self._sending.progressed_at)
        if not self._reading.is_paused and now - heard_at >= limits.SERVER_DEAD_S:
            self._give_up(Drop.SILENT)
        elif is_stuck:
            self._give_up(Drop.STUCK)
        else:
            self.ping()
            self.watch_from_now()
