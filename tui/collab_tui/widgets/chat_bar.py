"""The chat: what was said last, and a line to say something.

14:02  ana  shall we cut the second part? it says the
            same as the first
14:03  bo   yes
Chat  fine with me                                Enter sends
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from collab_protocol import limits
from collab_tui.actions import Keymap
from collab_tui.palette import Palette
from collab_tui.safe_text import crop_cells, safe_name, safe_text
from collab_tui.widgets.field import Field
from collab_tui.widgets.field_widget import FieldWidget, Part, cropped, parts_cells
from collab_tui.widgets.inbox import Typed

if TYPE_CHECKING:
    from collab_client.chat import Line

_ROWS: Final = 6
_ROWS_LOW: Final = 3
_ROWS_LEAST: Final = 1
_LOW: Final = 24
_LEAST: Final = 12
"""Rows of what was said, and the heights of the screen up to which they are fewer."""

_NAME_CELLS: Final = 16
_TIMES_LEAST: Final = 50
"""Below so many cells the text needs the room of the times."""

_FIELD_LEAST: Final = 16
_BESIDE_LEAST: Final = 6
"""With less room than this behind a name the text begins in a row of its own."""

_WHEEL_ROWS: Final = 2
_PAGES: Final = {"page_up": 1, "page_down": -1}
_WORD: Final = re.compile(r"\S+|\s+")


class _Row(NamedTuple):
    """A row of line `n`."""

    n: int
    parts: tuple[Part, ...]


class ChatBar(FieldWidget):
    """Some rows of what was said over one field. `on_send(text)` is called at Enter, `on_seen()` when the
    newest line is in view again."""

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__(palette, keymap, is_ascii=is_ascii)
        self.styles.height = _ROWS + 1
        self.on_send: Callable[[str], object] = lambda _: None
        self.on_seen: Callable[[], object] = lambda: None
        self._field = self._made_field()
        self._error = ""
        self._lines: Sequence[Line] = ()
        self._rows: list[_Row] = []
        self._laid_out: tuple[int, Palette] | None = None  # the width and the inks that the rows are for
        self._back = 0  # rows between the last one that is shown and the newest

    @property
    def active_field(self) -> Field:
        return self._field

    @property
    def active_row(self) -> int:
        return self._said_rows

    @property
    def is_at_end(self) -> bool:
        """Whether the newest line is in view."""
        return self._back == 0

    @property
    def draft(self) -> str:
        """What stands in the field."""
        return self._field.text

    def open(self, lines: Sequence[Line]) -> None:
        """Show `lines`, the newest ones, and the draft of before."""
        self._error = ""
        self._back = 0
        self._take(lines)
        self.fit(self.app.size.height)
        self.open_rows()

    def fit(self, screen_height: int) -> None:
        """Take as many rows as a screen of this height has for it."""
        rows = _ROWS if screen_height > _LOW else _ROWS_LOW if screen_height > _LEAST else _ROWS_LEAST
        self.styles.height = rows + 1

    def show(self, lines: Sequence[Line]) -> None:
        """Show `lines`; who has scrolled back stays where they are."""
        newest = self._lines[-1].n if self._lines else 0
        self._take(lines)
        if self._back:
            self._lay_out()
            came = sum([row.n > newest for row in self._rows])
            self._back = min(self._back + came, self._back_most)
        self.show_again()

    def refuse(self, error: str) -> None:
        """Say why what stands in the field cannot be sent."""
        self._error = safe_text(error, ascii_marks=self._is_ascii)
        self.show_again()

    def put_draft(self, text: str) -> None:
        """Put `text` into the field, in the place of what is there."""
        self._field.set(text)
        self._field.do("line_end")
        self.edited(self._field)
        self.show_again()

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        if action in ("unselect", "chat"):
            self.dismiss()
        elif action == "newline":
            self._send()
        elif action in _PAGES:
            self.scroll_by(_PAGES[action] * max(1, self._said_rows - 1))
        else:
            return self.take(event, action)
        return True

    def edited(self, field: Field) -> None:
        over = len(field.text) - limits.CHAT_CHARACTERS
        self._error = "" if over <= 0 else f"too long by {over:,}"

    def scroll_by(self, rows: int) -> None:
        """Go back by `rows` of what was said; forth, when that is negative."""
        self._lay_out()
        back = max(0, min(self._back + rows, self._back_most))
        if back != self._back:
            self._back = back
            if not back:
                self.on_seen()
            self.show_again()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(-_WHEEL_ROWS)

    def _send(self) -> None:
        text = self._field.text.strip()
        if text and len(text) <= limits.CHAT_CHARACTERS:
            self._field.remember()
            self._back = 0
            self.on_send(text)

    def _take(self, lines: Sequence[Line]) -> None:
        self._lines = tuple(lines)
        self._laid_out = None

    # -- drawing

    @property
    def _said_rows(self) -> int:
        return max(0, self.size.height - 1)

    @property
    def _back_most(self) -> int:
        return max(0, len(self._rows) - self._said_rows)

    def render_line(self, y: int) -> Strip:
        if y == self._said_rows:
            return self._field_row(y)
        self._lay_out()
        at = len(self._rows) - self._back - self._said_rows + y
        if at >= 0:
            return self._drawn(self._rows[at].parts)
        if not self._rows and y == self._said_rows - 1:
            return self._drawn(
                (self._edge(), Part("nothing has been said here yet", self.palette.panel_muted))
            )
        return self._drawn((self._edge(),))

    def _edge(self) -> Part:
        """Return what sets these rows apart from the text, where the colours of panels do not."""
        if self.palette.panel.bg != self.palette.text.bg:
            return Part(" ", self.palette.panel)
        return Part("|" if self._is_ascii else "│", self.palette.panel_muted)

    def _drawn(self, parts: Sequence[Part]) -> Strip:
        width = self.size.width
        segments: list[Segment] = []
        used = 0
        for part in parts:
            text = crop_cells(part.text, width - used)
            segments.append(Segment(text, self._styles[part.ink.over(self.palette.panel)]))
            used += cell_len(text)
        segments.append(Segment(" " * (width - used), self._styles[self.palette.panel]))
        return Strip(segments, width)

    def _field_row(self, y: int) -> Strip:
        palette = self.palette
        before = [Part(" Chat ", palette.panel_title)]
        room = self.size.width - parts_cells(before) - 2 - _FIELD_LEAST
        ink = palette.field_bad if self._error else palette.panel_muted
        words = cropped(self._error or self._hint(), room, is_ascii=self._is_ascii)
        behind = [Part(f" {words} ", ink)] if words else [Part(" ", palette.panel)]
        return self.row(y, self._field, before, behind, is_bad=bool(self._error))

    def _hint(self) -> str:
        if self._back:
            arrow = "v" if self._is_ascii else "↓"
            return f"{arrow} {self._back} more {'row' if self._back == 1 else 'rows'}"
        return "Enter sends"

    def _lay_out(self) -> None:
        """Break what was said into rows, where that is not done yet; what was last in view stays so."""
        wanted = self.size.width, self.palette
        before = self._laid_out
        if before is None or before[0] != wanted[0] or before[1] is not wanted[1]:
            self._laid_out = wanted
            last = self._rows[-self._back - 1].n if self._back < len(self._rows) else 0
            self._rows = [row for line in self._lines for row in self._rows_of(line)]
            if self._back and before is not None and before[0] != wanted[0]:
                self._stay(sum([row.n > last for row in self._rows]))
        if self._back > self._back_most and before is not None:  # there is more room than before
            self._stay(self._back_most)

    def _stay(self, back: int) -> None:
        """Take note that the screen has another size, and so many rows are out of view now."""
        self._back = back
        if not back:
            self.call_later(self.on_seen)

    def _rows_of(self, line: Line) -> Iterator[_Row]:
        palette, width = self.palette, self.size.width
        name = f" {safe_name(line.author.name, _NAME_CELLS)} "
        head = [self._edge()]
        if width >= _TIMES_LEAST:
            head.append(Part(f"{_clock_time(line.at)} ", palette.panel_muted))
        head += [Part(name, palette.person(line.author.colour)), Part(" ", palette.panel)]
        indent = min(parts_cells(head), width // 3)
        text = safe_text(" ".join(line.text.split()), ascii_marks=self._is_ascii)
        # The last cell stays free: some terminals draw a cluster wider than it is measured.
        first, others = width - parts_cells(head) - 1, width - indent - 1
        below = [self._edge(), Part(" " * (indent - 1), palette.panel)]
        if first < min(_BESIDE_LEAST, others):
            yield _Row(line.n, tuple(head))
            head, first = below, others
        for row in wrapped(text, first, others):
            yield _Row(line.n, (*head, Part(row, palette.panel)))
            head = below


def wrapped(text: str, first: int, others: int) -> list[str]:
    """Return `text` in rows of at most `others` cells, the first one `first`, broken at blanks if need be."""
    rows: list[str] = []
    row, room = "", max(1, first)
    for word in _WORD.findall(text):
        if cell_len(row) + cell_len(word) <= room:
            row += word
            continue
        if row and (cell_len(word) <= others or word.isspace()):
            rows.append(row.rstrip())
            row, room = "", max(1, others)
            if word.isspace():
                continue
        while cell_len(row) + cell_len(word) > room:
            part = crop_cells(word, room - cell_len(row)) or (word[:1] if not row else "")
            rows.append(row + part)
            word = word[len(part) :]  # noqa: PLW2901  # what is left of it
            row, room = "", max(1, others)
        row += word
    return [*rows, row.rstrip()] if row.strip() or not rows else rows


def _clock_time(at: float) -> str:
    """Return the time of day here; the server may say anything."""
    try:
        return time.strftime("%H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "--:--"
