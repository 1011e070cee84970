"""What a person is doing by what they touch: active, idle after a minute, away after five.

A key costs no more than a look at the clock: the timer that finds out is set anew when it rings.
"""

from __future__ import annotations

from collections.abc import Callable

from collab_client.alarm import Alarm
from collab_protocol import limits
from collab_protocol.presence import Activity


class Attention:
    """Whether the person is at it. `on_change()` is called when `activity` is another."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.activity = Activity.ACTIVE
        self._clock = clock
        self._touched_at = clock()
        self._is_counting = False
        self._alarm = Alarm(self._due_at, self._look, clock)

    def begin(self) -> None:
        """Count from now on; needs a running loop."""
        self._touched_at = self._clock()
        self._is_counting = True
        self._alarm.look()

    def end(self) -> None:
        """Count no more."""
        self._is_counting = False
        self._alarm.stop()

    def touched(self) -> None:
        """Note that the person pressed a key or moved the mouse."""
        self._touched_at = self._clock()
        if self.activity is not Activity.ACTIVE:
            self._become(Activity.ACTIVE)
            self._alarm.look()

    def _due_at(self) -> float | None:
        if not self._is_counting:
            return None
        match self.activity:
            case Activity.ACTIVE:
                return self._touched_at + limits.IDLE_AFTER_S
            case Activity.IDLE:
                return self._touched_at + limits.AWAY_AFTER_S
            case _:
                return None

    def _look(self) -> None:
        rests_s = self._clock() - self._touched_at
        if rests_s >= limits.AWAY_AFTER_S:
            self._become(Activity.AWAY)
        elif rests_s >= limits.IDLE_AFTER_S:
            self._become(Activity.IDLE)

    def _become(self, activity: Activity) -> None:
        if activity is not self.activity:
            self.activity = activity
            self.on_change()
