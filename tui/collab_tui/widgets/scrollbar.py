"""The scrollbar: where in the text one is, where the others are, where find has found something."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.segment import Segment
from textual import events
from textual.strip import Strip

from collab_tui.palette import Ink, Palette, Styles
from collab_tui.widgets.rows import RowsWidget


class ScrollBar(RowsWidget):
    """One column. `on_scroll(share)` is called when the person drags: 0 is the text's start, 1 its end."""

    def __init__(self, palette: Palette, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self.on_scroll: Callable[[float], None] = lambda _: None
        self._styles = Styles()
        self._match_sign, self._person_sign = ("=", "*") if is_ascii else ("▬", "◆")
        self._thumb = range(0)
        self._marks: Mapping[int, Ink | None] = {}
        self._held_at = 0

    def show(self, total: int, top: int, marks: Mapping[int, Ink | None]) -> None:
        """Show the window at visual row `top` of `total`. `marks` has a person's ink, or None for a match,
        by row of this widget."""
        height = self.size.height
        thumb = range(0)
        if total > height > 0:
            size = max(1, height * height // total)
            at = round((height - size) * min(1.0, top / (total - height)))
            thumb = range(at, at + size)
        for y in range(height):
            before = (y in self._thumb, y in self._marks, self._marks.get(y))
            if before != (y in thumb, y in marks, marks.get(y)):
                self.touch(y, y + 1)
        self._thumb, self._marks = thumb, dict(marks)
        self.paint_within_frame()

    def render_line(self, y: int) -> Strip:
        palette = self.palette
        base = palette.scroll_thumb if y in self._thumb else palette.scroll_track
        if y not in self._marks:
            return Strip([Segment(" ", self._styles[base])], 1)
        person = self._marks[y]
        if person is None:
            return Strip([Segment(self._match_sign, self._styles[palette.scroll_match.over(base)])], 1)
        # A person's ink is made to be written on: here the sign has the colour.
        ink = Ink(fg=person.bg, bold=True).over(base) if person.bg else person
        return Strip([Segment(self._person_sign, self._styles[ink])], 1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()
        y = int(event.y)
        self._held_at = y - self._thumb.start if y in self._thumb else len(self._thumb) // 2
        self._drag(y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            event.stop()
            self._drag(int(event.y))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        self.release_mouse()

    def _drag(self, y: int) -> None:
        room = self.size.height - len(self._thumb)
        if self._thumb and room > 0:
            self.on_scroll(max(0.0, min((y - self._held_at) / room, 1.0)))
