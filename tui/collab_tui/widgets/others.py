"""When the editor shows what others do: at once when little comes, on a throttle when much does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.timer import Timer
from textual.widget import Widget

from collab_tui.marks import NAME_SHOWN_S


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
        self._moved_at: list[float] = []
        self.is_due = False

    def changed(self) -> None:
        """Something came: show it soon."""
        if not self.is_due:
            self.is_due = True
            self._widget.call_later(self._show)

    def moved(self, moved_at: Iterable[float]) -> None:
        """People have moved, last at these times: their names stand for a while."""
        self._moved_at = list(moved_at)
        self._expire_names()
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
            self._names_timer = self._widget.set_timer(due - now + 0.01, self._names_expired)

    def _names_expired(self) -> None:
        self._names_timer = None
        self._update()
        self._paint()
        self._expire_names()
