"""When more is read from one client: not while it is too fast, nor while much of it is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from collab_server.allowance import Pace
from collab_server.config import Caps
from collab_server.meters import Meters
from collab_server.room_socket import RoomSocket

_BURST_S: Final = 4.0
"""So many seconds' worth of messages and bytes may come at once: a large paste, a long time offline."""


class Reading:
    """Pauses one client's socket and lets it go on."""

    def __init__(
        self,
        websocket: RoomSocket,
        caps: Caps,
        *,
        has_much_under_way: Callable[[], bool],
        is_over: Callable[[], bool],
        meters: Meters,
    ) -> None:
        """`has_much_under_way` says whether so much is not on disk yet that no more is to be read."""
        self.heard_at = now = time.monotonic()
        """When the client was last heard, or listened to again."""
        self.is_unsettled = False
        self._websocket = websocket
        self._has_much_under_way = has_much_under_way
        self._is_over = is_over
        self._meters = meters
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(caps.messages_per_s, caps.bytes_per_s, burst_s=_BURST_S, now=now)
        self._rests_until: asyncio.TimerHandle | None = None
        self._is_busy = False

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read at present, for whatever reason."""
        return self._is_busy or self.is_unsettled or self._rests_until is not None

    def change_caps(self, caps: Caps) -> None:
        """Read as fast as `caps` allow from now on."""
        self._pace.change(caps.messages_per_s, caps.bytes_per_s)

    def count(self, size: int) -> None:
        """Count what came, and read nothing more for a while where that is too much."""
        if not self._pace.take(size):
            self._rest()
        if self._has_much_under_way():
            self.is_unsettled = True
            self._websocket.pause()

    def count_control(self) -> None:
        """Count what is no message; it costs as much."""
        if not self._pace.take(0):
            self._rest()

    def begin_work(self) -> None:
        """Read nothing until `end_work`."""
        self._is_busy = True
        self._websocket.pause()

    def end_work(self) -> None:
        """Note that what came is done, whatever of it is under way to the disk."""
        self._is_busy = False
        self.is_unsettled = True
        self.go_on()

    def go_on(self) -> None:
        """Read on, unless there is another reason not to."""
        self.is_unsettled = self.is_unsettled and self._has_much_under_way()
        if not self.is_paused and not self._is_over():
            self.heard_at = time.monotonic()  # what it said meanwhile was not heard
            self._websocket.resume()

    def end(self) -> None:
        """Let no timer come."""
        if self._rests_until is not None:
            self._rests_until.cancel()

    def _rest(self) -> None:
        rest_s = self._pace.rest_s(time.monotonic())
        if rest_s > 0 and self._rests_until is None and not self._is_over():
            self._meters.slowed += 1
            self._rests_until = self._loop.call_later(rest_s, self._rested)
            self._websocket.pause()

    def _rested(self) -> None:
        self._rests_until = None
        self.go_on()
