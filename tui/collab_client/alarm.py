"""One timer of the event loop for the next of several things that will be due; none while nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring()` when what `due_at()` names has come, by `clock`, until `stop`.

    What is put off by then rings early, once: keys put it off all the time, and a timer for each would cost
    more than that. So `ring` looks what is due.
    """

    def __init__(
        self, due_at: Callable[[], float | None], ring: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._due_at = due_at
        self._ring = ring
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def look(self) -> None:
        """Note that something may be due earlier than before, or nothing any more."""
        at = self._due_at()
        if at is None:
            self.stop()
        elif self._timer is None or at < self._at:
            self.stop()
            self._at = at
            wait_s = max(0.0, at - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._rings)

    def stop(self) -> None:
        """Forget what was due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rings(self) -> None:
        self._timer = None
        self._ring()
        self.look()
