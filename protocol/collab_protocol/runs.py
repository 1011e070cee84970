"""What passed the gate, run by run: enough to tell which of two items stands to the left.

A run is what one client inserted in one go: its items' clocks follow one another, and so do their places.
Every item was inserted between a left and a right neighbour, its origins, and that order never changes:
within a run, an item's left origin is the item before it, and all have the right origin of the first.
So the order of two neighbours follows nearly always from what was recorded when the later of them came.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Final

from collab_protocol.lib0 import Id, Struct

_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
_NOTHING: Final = -1


class Runs:
    """Runs of one client, ascending; some 28 bytes for each. A run ends where the next one starts."""

    __slots__ = (
        "_left_clients",
        "_left_clocks",
        "_right_clients",
        "_right_clocks",
        "client",
        "lows",
        "starts",
    )

    def __init__(self, client: int) -> None:
        self.client = client
        self.starts = array("I")
        self._left_clients = array("Q")
        self._left_clocks = array("i")
        self._right_clients = array("Q")
        self._right_clocks = array("i")
        self.lows = array("I")
        """Clocks of low surrogates: no cut may fall right before one."""

    def add(self, struct: Struct) -> None:
        """Add what follows; a struct that continues the last run adds none."""
        left, right = struct.left, struct.right
        if struct.astral:
            for count, found in enumerate(_ASTRAL.finditer(struct.astral), 1):
                self.lows.append(struct.clock + found.start() + count)
        if self.starts and left == (self.client, struct.clock - 1) and right == self.right(-1):
            return
        self.starts.append(struct.clock)
        left_client, left_clock = left or (0, _NOTHING)
        right_client, right_clock = right or (0, _NOTHING)
        self._left_clients.append(left_client)
        self._left_clocks.append(left_clock)
        self._right_clients.append(right_client)
        self._right_clocks.append(right_clock)

    def find(self, clock: int) -> int:
        """Return the index of the run with `clock`, or -1 for one before all that is recorded."""
        return bisect_right(self.starts, clock) - 1

    def left(self, index: int) -> Id | None:
        """Return the left origin of a run's first item."""
        clock = self._left_clocks[index]
        return None if clock == _NOTHING else (self._left_clients[index], clock)

    def right(self, index: int) -> Id | None:
        """Return the right origin of all items of a run."""
        clock = self._right_clocks[index]
        return None if clock == _NOTHING else (self._right_clients[index], clock)

    def is_low(self, clock: int) -> bool:
        """Tell whether the unit at `clock` is the second half of a surrogate pair."""
        lows = self.lows
        if not lows:
            return False
        at = bisect_left(lows, clock)
        return at < len(lows) and lows[at] == clock

    def extend(self, later: Runs) -> None:
        """Add `later`, in place of all that is recorded from its first clock on."""
        if not later.starts:
            return
        begin = later.starts[0]
        cut = bisect_left(self.starts, begin)
        del self.lows[bisect_left(self.lows, begin) :]
        self.lows.extend(later.lows)
        for column in self._columns():
            del column[cut:]
        continues = cut > 0 and later.left(0) == (self.client, begin - 1) and later.right(0) == self.right(-1)
        for mine, theirs in zip(self._columns(), later._columns(), strict=True):
            mine.extend(theirs[1:] if continues else theirs)

    def _columns(self) -> tuple[array[int], ...]:
        return (self.starts, self._left_clients, self._left_clocks, self._right_clients, self._right_clocks)


Find = Callable[[Id], tuple[Runs, int] | None]
"""Where an item is recorded: its client's runs and the index of its run; None when it is not."""


def is_recorded_before(left: Id, right: Id, find: Find, steps: int) -> bool:
    """Tell whether what is recorded proves that `left` stands left of `right`.

    Follows left origins up from `right`, then right origins down from `left`, at most `steps` of each.
    """
    at = right
    for _ in range(steps):
        found = find(at)
        if found is None:
            break
        runs, index = found
        if at[0] == left[0] and runs.starts[index] <= left[1] < at[1]:
            return True
        before = runs.left(index)
        if before is None:
            break
        if before == left:
            return True
        at = before
    at, target = left, find(right)
    for _ in range(steps):
        found = find(at)
        if found is None:
            break
        runs, index = found
        if found == target and at[1] < right[1]:
            return True
        after = runs.right(index)
        if after is None:
            break
        if after == right:
            return True
        at = after
    return False
