"""The scrollbar: where in the text one is, where the others are, where something is found or has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple

from rich.segment import Segment
from textual import events
from textual.strip import Strip

from collab_tui.palette import Ink, Palette, Styles
from collab_tui.widgets.rows import RowsWidget


class MarkKind(Enum):
    """What there is at some place of the text."""

    MATCH = auto()
    CHANGE = auto()
    PERSON = auto()


class ScrollMark(NamedTuple):
    """A sign in the scrollbar; a person's has the ink of their caret."""

    kind: MarkKind
    ink: Ink


_SIGNS: Final = {MarkKind.MATCH: "▬", MarkKind.CHANGE: "▎", MarkKind.PERSON: "◆"}
_ASCII_SIGNS: Final = {MarkKind.MATCH: "=", MarkKind.CHANGE: "+", MarkKind.PERSON: "*"}


class ScrollBar(RowsWidget):
    """One column. `on_scroll(share)` is called when the person drags: 0 is the text's start, 1 its end."""

    def __init__(self, palette: Palette, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self.on_scroll: Callable[[float], None] = lambda _: None
        self._styles = Styles()
        self._signs = _ASCII_SIGNS if is_ascii else _SIGNS
        self._is_ascii = is_ascii
        self._thumb = range(0)
        self._marks: Mapping[int, ScrollMark] = {}
        self._border: Ink | None = None
        self._held_at = 0

    def show(self, total: int, top: int, marks: Mapping[int, ScrollMark]) -> None:
        """Show the window at visual row `top` of `total`, with `marks` by row of this widget."""
        height = self.size.height
        thumb = range(0)
        if total > height > 0:
            size = max(1, height * height // total)
            at = round((height - size) * min(1.0, top / (total - height)))
            thumb = range(at, at + size)
        for y in range(height):
            if (y in self._thumb, self._marks.get(y)) != (y in thumb, marks.get(y)):
                self.touch(y, y + 1)
        self._thumb, self._marks = thumb, dict(marks)
        self.paint_within_frame()

    def frame(self, border: Ink | None) -> None:
        """Draw an edge of this ink; None for no edge."""
        if border != self._border:
            self._border = border
            self.touch_all()
            self.paint_within_frame()

    def render_line(self, y: int) -> Strip:
        palette = self.palette
        base = palette.scroll_thumb if y in self._thumb else palette.scroll_track
        mark = self._marks.get(y)
        if mark is not None:
            ink = _on_ground(mark.ink) if mark.kind is MarkKind.PERSON else mark.ink
            return Strip([Segment(self._signs[mark.kind], self._styles[ink.over(base)])], 1)
        if self._border is not None:
            return Strip([Segment(self._edge, self._styles[self._border.over(base)])], 1)
        return Strip([Segment(" ", self._styles[base])], 1)

    @property
    def _edge(self) -> str:
        if self._is_ascii:
            return "|"
        return "▐" if self.palette.background.startswith("#") else "│"

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


def _on_ground(person: Ink) -> Ink:
    """Return the ink in which a sign has a person's colour; theirs is made to be written on."""
    return Ink(fg=person.bg, bold=True) if person.bg else person
