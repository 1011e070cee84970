"""When a room shows what a person does: behind the rows it rests on, and in a crowd less often.

    said ─ end of the turn ─▶ on the way ─ its rows on disk ─▶ Seat.presence ─ its turn ─▶ the others

At each arrow the newest takes the place of what stands there, so the last one always arrives. A row of its
author's takes back all that was not shown: that would come after the row, and what it says was before; the
author says it again. Each person's is passed on at most every `PRESENCE_INTERVAL_S`, and every `_GAP_EACH_S`
for each one in the room: whatever their number, a viewer gets no more than 200 a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from collab_protocol import limits
from collab_server.roster import Roster, Seat

_GAP_EACH_S: Final = 0.005
"""So a crowd of 50 is seen to move four times a second, and costs a viewer 200 small frames, not 1,000."""


class Showing:
    """Shows what the members of one room do to each other."""

    def __init__(
        self, roster: Roster, clock: Callable[[], float], later: Callable[[float, Callable[[], None]], None]
    ) -> None:
        """`clock` gives seconds, monotonic; `later` runs a call after so many of them."""
        self._roster = roster
        self._clock = clock
        self._later = later

    def queue(self, seat: Seat, seq: int) -> bool:
        """Let what `seat` said last wait for row `seq`; returns whether nothing of it waited for that yet.

        Then `show` must be called once that row is on disk.
        """
        if seat.next_presence is None:
            return False
        is_first = seq not in seat.on_the_way
        seat.on_the_way[seq] = seat.next_presence
        seat.next_presence = None
        return is_first

    def show(self, seat: Seat, seq: int, committed: int) -> None:
        """Show what waited for row `seq`, now that everything up to `committed` is on disk."""
        presence = seat.on_the_way.pop(seq, None)
        if presence is None or seat not in self._roster:
            return  # taken back, or its owner left
        newer = next(iter(seat.on_the_way), None)
        if newer is not None and newer <= committed:
            return  # a newer one comes right behind it
        seat.presence = presence
        seat.is_shown = False
        wait_s = seat.shown_at + self._gap_s() - self._clock()
        if wait_s <= 0:
            self.catch_up(seat)
        elif not seat.is_waiting_to_show:
            seat.is_waiting_to_show = True
            self._later(wait_s, lambda: self._turn_of(seat))

    def catch_up(self, seat: Seat) -> None:
        """Tell the others what they have not been told yet, whether its turn has come or not."""
        if seat.is_shown:
            return
        seat.is_shown = True
        seat.shown_at = self._clock()
        self._roster.tell_others(seat, seat.presence)

    def take_back(self, seat: Seat, seq: int) -> None:
        """Forget where `seat` was before an edit of its own; `seq` is where the log stands."""
        seat.next_presence = None
        seat.on_the_way.clear()
        seat.is_shown = True
        if seat.presence.carets or seat.presence.view is not None:
            seat.presence = replace(seat.presence, carets=(), view=None, seen=seq)

    def _turn_of(self, seat: Seat) -> None:
        seat.is_waiting_to_show = False
        if seat in self._roster:
            self.catch_up(seat)

    def _gap_s(self) -> float:
        return max(limits.PRESENCE_INTERVAL_S, _GAP_EACH_S * len(self._roster))
