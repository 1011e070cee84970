"""The mouse in the text: clicks that place the caret, drags that select, and scroll beyond the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from textual import events
from textual.timer import Timer
from textual.widget import Widget

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.lines import Position

Unit = Literal["character", "word", "line"]

_UNITS: Final[tuple[Unit, ...]] = ("character", "word", "line")
_CHAIN_S: Final = 0.5
"""Two clicks within so long, on one cell, are a double click (as desktops have it)."""

_DRAG_S: Final = 0.05


class Mouse:
    """What the mouse does to one editor; cells are those of its widget.

    `place(x, y)` returns the position under a cell, `edit(command)` runs a command on the buffer,
    `scroll(rows)` scrolls.
    """

    def __init__(
        self,
        widget: Widget,
        *,
        place: Callable[[int, int], Position],
        edit: Callable[[Callable[[Buffer], object]], object],
        scroll: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        self._widget = widget
        self._place = place
        self._edit = edit
        self._scroll = scroll
        self._clock = clock
        self._is_down = False
        self._at = (0, 0)
        self._unit: Unit = "character"
        self._scroll_rows = 0  # at each tick, while the pointer is beyond the upper or lower edge
        self._pressed_at = float("-inf")
        self._timer: Timer | None = None

    def press(self, event: events.MouseDown) -> None:
        """Place the caret; again on the same cell: select the word, then the line; with Shift: select.

        With Alt or Ctrl, whichever the terminal lets through: one caret more, or one that stands there less.
        """
        from collab_tui.widgets.commands import select_by, toggle_caret  # loads what the buffer has

        at, now = (int(event.x), int(event.y)), self._clock()
        if event.meta or event.ctrl:
            self._pressed_at = float("-inf")
            self._edit(lambda buffer: toggle_caret(buffer, self._place(*at)))
            return
        self._widget.capture_mouse()
        is_again = at == self._at and now - self._pressed_at < _CHAIN_S
        self._unit = _UNITS[(_UNITS.index(self._unit) + 1) % len(_UNITS)] if is_again else "character"
        self._is_down, self._at, self._pressed_at, self._scroll_rows = True, at, now, 0
        place, unit = self._place(*at), self._unit
        if event.shift or unit == "character":
            self._edit(lambda buffer: buffer.move_to(place, extend=event.shift))
        else:
            self._edit(lambda buffer: select_by(buffer, unit, place, place))

    def move(self, event: events.MouseMove, height: int) -> None:
        """Select on to where the pointer is; the further outside, the faster it scrolls."""
        if not self._is_down:
            return
        self._at = x, y = int(event.x), int(event.y)
        self._scroll_rows = min(y, 0) + max(0, y - height + 1)
        if self._scroll_rows and self._timer is None:
            self._timer = self._widget.set_interval(_DRAG_S, self._drag_on)
        self._select_to(self._place(x, y))

    def release(self) -> None:
        """Let go of what was dragged; whoever types has done so, too."""
        if self._is_down:
            self._is_down = False
            self._widget.release_mouse()
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _drag_on(self) -> None:
        """Scroll on while the button is held beyond an edge."""
        if self._is_down and self._scroll_rows:
            self._scroll(self._scroll_rows)
            self._select_to(self._place(*self._at))

    def _select_to(self, place: Position) -> None:
        """Select from where the button was pressed to `place`, by characters, words or lines."""
        from collab_tui.widgets.commands import drag_to

        self._edit(lambda buffer: drag_to(buffer, self._unit, place))
