"""How late the loop is, found out by a timer; and what histograms counted of late."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from collab_server.meters import Histogram, Meters

_EVERY_S: Final = 0.1
_TICKS: Final = 100
"""Ticks of a slot: ten seconds."""

_SLOTS: Final = 6
"""Slots of which the recent past is made: a minute."""


class Recent:
    """What a histogram counted in the last minute."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._marks: deque[list[int]] = deque([list(histogram.counts)], maxlen=_SLOTS)

    def mark(self) -> None:
        """Begin another slot; the oldest one is forgotten."""
        self._marks.append(list(self._histogram.counts))

    def quantile(self, part: float) -> float | None:
        """Return below which value `part` of what was observed lies; None when nothing was.

        Within a bucket values are taken to be spread evenly; beyond the last bound that one is returned.
        """
        counts = [now - then for now, then in zip(self._histogram.counts, self._marks[0], strict=True)]
        return quantile(self._histogram.bounds, counts, part)


class Stalls:
    """Measures every 100 ms how late the loop runs what is due."""

    def __init__(self, meters: Meters, clock: Callable[[], float] = time.monotonic) -> None:
        self._meters = meters
        self._clock = clock
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._worst: deque[float] = deque([0.0], maxlen=_SLOTS)
        self.late = Recent(meters.stall_s)
        self.receipts = Recent(meters.receipt_s)
        self.commits = Recent(meters.commit_s)

    @property
    def worst_s(self) -> float:
        """How late the loop was at most in the last minute."""
        return max(self._worst)

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock() + _EVERY_S
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._tick)

    def close(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.note(max(0.0, self._clock() - self._due))
        self.start()

    def note(self, late_s: float) -> None:
        """Count that the loop was so late; every hundredth time begins a slot."""
        self._meters.stall_s.observe(late_s)
        self._worst[-1] = max(self._worst[-1], late_s)
        self._meters.stall_worst = max(self._meters.stall_worst, late_s)
        self._ticks += 1
        if self._ticks == _TICKS:
            self._ticks = 0
            self._worst.append(0.0)
            for recent in (self.late, self.receipts, self.commits):
                recent.mark()


def quantile(bounds: Sequence[float], counts: Sequence[int], part: float) -> float | None:
    """Return the value below which `part` (0 to 1) of what `counts` has lies; None when it has nothing."""
    rank = part * sum(counts)
    below, least = 0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and below + count >= rank:
            return least + (bound - least) * max(0.0, rank - below) / count
        below, least = below + count, bound
    return bounds[-1] if sum(counts) else None
