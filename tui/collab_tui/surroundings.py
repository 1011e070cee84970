"""Where the caret and the window are in the text: the position, the scrollbar, and the marks on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from collab_tui.marks import has_place
from collab_tui.widgets.others import PACE_S
from collab_tui.widgets.scrollbar import MarkKind, ScrollMark

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_tui.coding import Coding
    from collab_tui.company import Company
    from collab_tui.finding import Finding
    from collab_tui.palette import Palette
    from collab_tui.room_life import RoomLife
    from collab_tui.toasts import Timer
    from collab_tui.widgets.editor import Editor
    from collab_tui.widgets.scrollbar import ScrollBar
    from collab_tui.widgets.status_line import CaretPosition

_DELAY_S: Final = 0.05
"""They are shown when a burst of keys pauses: a key then repaints its row and no more."""

_LANGUAGE_LEAST_CELLS: Final = 90
"""Below, the status line needs the room."""


class Surroundings:
    """Shows them. `width()` is the screen's in cells; `later(seconds, call)` is a timer."""

    def __init__(
        self,
        editor: Editor,
        scrollbar: ScrollBar,
        position: CaretPosition,
        buffer: Buffer,
        company: Company,
        room_life: RoomLife,
        finding: Finding,
        coding: Coding,
        *,
        palette: Callable[[], Palette],
        width: Callable[[], int],
        later: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        self._editor = editor
        self._scrollbar = scrollbar
        self._position = position
        self._buffer = buffer
        self._company = company
        self._room_life = room_life
        self._finding = finding
        self._coding = coding
        self._palette = palette
        self._width = width
        self._later = later
        self._timer: Timer | None = None

    def show_soon(self) -> None:
        """Show what has changed, together with what changes until then."""
        if self._timer is None:
            wait_s = max(_DELAY_S, PACE_S * len(self._buffer.peers))
            self._timer = self._later(wait_s, self.show)

    def show(self) -> None:
        """Show how things are now."""
        self._timer = None
        view = self._editor.view
        if view is None:
            return
        self._position.show(self._buffer.head, self._note())
        self._company.refresh()
        rows = self._scrollbar.size.height
        total = view.wrap.total
        palette = self._palette()
        change = ScrollMark(MarkKind.CHANGE, palette.scroll_change)
        marks = dict.fromkeys(self._room_life.scroll_marks(rows), change)
        match = ScrollMark(MarkKind.MATCH, palette.scroll_match)
        marks.update(dict.fromkeys(self._finding.marks(rows), match))
        for peer in filter(has_place, self._buffer.peers.values()):
            if peer.head is not None:
                y = view.wrap.visual_row(peer.head.row) * rows // max(total, rows)
                marks[min(y, rows - 1)] = ScrollMark(MarkKind.PERSON, palette.person(peer.person.colour))
        self._scrollbar.show(total, view.wrap.visual_row(view.top[0]) + view.top[1], marks)

    def _note(self) -> str:
        """Return what stands before the position: how many carets there are, or the language."""
        if len(self._buffer.spans) > 1:
            return f"{len(self._buffer.spans)} carets"
        return "" if self._width() < _LANGUAGE_LEAST_CELLS else self._coding.title
