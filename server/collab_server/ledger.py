"""How far a room's rows are applied and on disk, and what waits until they are.

Whatever anyone is to see rests on a row: Welcome and Sync on the state they were built from, Batch and
Receipt on their own rows, a caret on its owner's edits. All of it waits in one queue, ordered by row, and
leaves when the log says that the row is on disk. So nobody ever sees what a crash could take back, and
nothing overtakes what it rests on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from collab_server.store.base import ChatLine, Row


class RoomLog(Protocol):
    """Where rows go. Each `append` is answered by `Room.committed`, or all by `Room.failed`."""

    def append(self, row: Row) -> None:
        """Take a row to disk, in order."""

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        """Take a setting to disk; answered by `Room.setting_committed`."""

    def say(self, line: ChatLine) -> None:
        """Take a line of chat to disk, in order; answered by `Room.said`."""


class Ledger:
    """Where one room stands.

    `seq` is the last row that was applied, `committed` the last one on disk; `trouble` is why nothing goes to
    disk at present, "" while it does; `is_over` once the room object is given up.
    """

    def __init__(self, seq: int, clock: Callable[[], float]) -> None:
        """`seq` is on disk; `clock` gives seconds, monotonic."""
        self.seq = self.committed = seq
        self.trouble = ""
        self.is_over = False
        self._clock = clock
        self._waiting: deque[tuple[int, float, Callable[[], None]]] = deque()

    @property
    def is_settled(self) -> bool:
        """Whether every row that was applied is on disk."""
        return self.committed == self.seq

    @property
    def is_done(self) -> bool:
        """Whether it is settled, and all that waited for it has left."""
        return self.committed == self.seq and not self._waiting

    def when_on_disk(self, seq: int, action: Callable[[], None]) -> None:
        """Run `action` once every row up to `seq` is on disk, which may be now, behind what waits already."""
        self._waiting.append((seq, self._clock(), action))
        self.reached(self.committed)

    def reached(self, seq: int) -> None:
        """Note that every row up to `seq` is on disk."""
        self.committed = max(self.committed, seq)
        while self._waiting and self._waiting[0][0] <= self.committed:
            self._waiting.popleft()[2]()

    def waits_s(self) -> float:
        """Return for how long the oldest has waited; 0 for nothing."""
        return self._clock() - self._waiting[0][1] if self._waiting else 0.0

    def give_up(self) -> None:
        """Let nothing more happen: the room object may be ahead of the disk."""
        self.is_over = True
        self._waiting.clear()
