"""When the editor shows what others do: at once when little comes, on a throttle when much does.

What they type is shown in the next frame. Where their carets go is shown the less often the more people there
are: fifty who all move would else cost a tenth of a core for what no eye can follow (`bench_people`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from textual.timer import Timer
from textual.widget import Widget

from collab_tui.marks import NAME_SHOWN_S

PACE_S: Final = 0.002
"""For each person: the least time between two paintings of where people's carets have gone."""


class Others:
    """The times at which others' doings are shown.

    `update()` lays out what they did, once for all of one turn of the loop, and `paint()` draws it, no more
    than once in `frame_s`; both again when a name has stood long enough.
    """

    def __init__(
        self,
        widget: Widget,
        *,
        update: Callable[[], None],
        paint: Callable[[], None],
        frame_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._widget = widget
        self._update = update
        self._paint = paint
        self._frame_s = frame_s
        self._clock = clock
        self._painted_at = float("-inf")
        self._frame_timer: Timer | None = None
        self._names_timer: Timer | None = None
        self._moves_timer: Timer | None = None
        self._moved_at: Sequence[float] = ()
        self.is_due = False

    def changed(self) -> None:
        """Something came: show it soon."""
        if not self.is_due:
            self.is_due = True
            self._widget.call_later(self._show)

    def moved(self, moved_at: Sequence[float]) -> None:
        """People have moved, each last at one of these times: their names stand for a while."""
        self._moved_at = moved_at
        self._expire_names()
        if self.is_due or self._moves_timer is not None:
            return
        wait_s = self._painted_at + PACE_S * len(moved_at) - self._clock()
        if wait_s <= 0:
            self.changed()
        else:
            self._moves_timer = self._widget.set_timer(wait_s, self._show_moves)

    def _show_moves(self) -> None:
        self._moves_timer = None
        self.changed()

    def _show(self) -> None:
        self._update()
        wait_s = self._painted_at + self._frame_s - self._clock()
        if wait_s <= 0:
            self._paint_now()
        elif self._frame_timer is None:
            self._frame_timer = self._widget.set_timer(wait_s, self._paint_now)

    def _paint_now(self) -> None:
        self._frame_timer = None
        self._painted_at = self._clock()
        self._paint()

    def _expire_names(self) -> None:
        """Come back when the next name has stood long enough."""
        if self._names_timer is not None:
            return
        now = self._clock()
        due = min((at + NAME_SHOWN_S for at in self._moved_at if at + NAME_SHOWN_S > now), default=None)
        if due is not None:
            wait_s = max(due - now + 0.01, PACE_S * len(self._moved_at))
            self._names_timer = self._widget.set_timer(wait_s, self._names_expired)

    def _names_expired(self) -> None:
        self._names_timer = None
        self._update()
        self._paint()
        self._expire_names()
