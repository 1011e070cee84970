"""The whole screen of `collab top`: one widget that draws its rows from the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.segment import Segment
from textual import events
from textual.geometry import Offset
from textual.strip import Strip

from collab_tui.palette import Ink, Palette, Styles
from collab_tui.top.columns import Sort
from collab_tui.top.head import facts, gauges, status_bar
from collab_tui.top.lines import Line
from collab_tui.top.state import Page, TopState
from collab_tui.top.tables import Tables
from collab_tui.widgets.field import Field
from collab_tui.widgets.rows import RowsWidget

_WHEEL_ROWS: Final = 3
_FACT_ROWS: Final = 2
_TABLE_SHARE: Final = 3
"""Gauges take one row in so many of what is left for them and the table."""

_ROOMY_ROWS: Final = 18
"""From so many on, there is a blank row between gauges and table."""

_HINTS: Final = {
    Page.ROOMS: (
        ("?", "Help"), ("Enter", "Who"), ("/", "Find"), ("Space", "Pause"), ("q", "Leave"),
    ),
    Page.PEOPLE: (("Esc", "Rooms"), ("?", "Help"), ("Space", "Pause"), ("q", "Leave")),
    Page.HELP: (("Esc", "Back"), ("q", "Leave")),
}  # fmt: skip


class TopView(RowsWidget):
    """Draws `state`. `on_sort` and `on_room` are called for clicks, `on_wheel(rows)` for the wheel."""

    can_focus = False

    def __init__(
        self,
        state: TopState,
        palette: Palette,
        *,
        is_ascii: bool,
        clock: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        super().__init__()
        self.palette = palette
        self.field: Field | None = None
        """Where the filter is typed, while it is."""
        self.on_sort: Callable[[Sort], object] = lambda _: None
        self.on_room: Callable[[str], object] = lambda _: None
        self.on_wheel: Callable[[int], object] = lambda _: None
        self._state = state
        self._is_ascii = is_ascii
        self._clock = clock
        self._utc = utc
        self._styles = Styles()
        self._lines: list[Line] = []
        self._drawn_size = (0, 0)
        self._table_rows = 1

    @property
    def page_rows(self) -> int:
        """How many rows of the table there is room for."""
        return max(1, self._table_rows - 1)

    def show_again(self) -> None:
        """Draw what is different now."""
        self._lines = []
        self.touch_all()
        if self.size and self.region.size == self.size:
            self._place_cursor()
            self.paint()
        else:
            self.paint_soon()

    def on_resize(self) -> None:
        self._lines = []
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        y, x = int(event.y), int(event.x)
        if y >= len(self._lines):
            return
        line = self._lines[y]
        for cells, sort in line.sorts:
            if x in cells:
                self.on_sort(sort)
        if line.room is not None:
            self.on_room(line.room)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.on_wheel(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.on_wheel(-_WHEEL_ROWS)

    # -- drawing

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if not self._lines or self._drawn_size != (width, height):
            self._drawn_size = (width, height)
            self._lines = self._all_lines(width, height)
        if y == height - 1:
            return self._last_row(width)
        line = self._lines[y] if y < len(self._lines) else Line(self.palette.text)
        return line.strip(width, self._styles, is_ascii=self._is_ascii)

    def _all_lines(self, width: int, height: int) -> list[Line]:
        """Return all rows but the last one."""
        state, palette = self._state, self.palette
        now, look = self._clock(), state.shown
        if state.is_old(now):
            palette = _faded(palette)
        base = palette.text
        lines = [status_bar(state, now, width, palette, is_ascii=self._is_ascii)]
        if look is not None and state.page is not Page.HELP:
            lines += facts(look, width, base, palette, most_rows=_FACT_ROWS)
            left = height - 1 - len(lines)
            blank = [Line(base)] if height >= _ROOMY_ROWS else []
            drawn = gauges(
                state, look, width, base, palette, most_rows=left // _TABLE_SHARE, is_ascii=self._is_ascii
            )
            lines += [*blank, *drawn, *blank]
        self._table_rows = height - 1 - len(lines)
        tables = Tables(palette, base, is_ascii=self._is_ascii)
        match state.page:
            case Page.ROOMS:
                lines += tables.rooms(state, look, width, self._table_rows)
            case Page.PEOPLE:
                lines += tables.people(state, self._server_time(now), width, self._table_rows)
            case Page.HELP:
                lines += tables.help(state, width, self._table_rows)
        return lines

    def _server_time(self, now: float) -> float:
        """Return what the server's clock shows."""
        look = self._state.latest
        return self._utc() if look is None else look.figures.now + now - look.at

    def _last_row(self, width: int) -> Strip:
        palette = self.palette
        line = Line(palette.hint)
        if self.field is not None:
            line.put(" Show rooms with ", palette.hint)
            asked = line.strip(line.cells, self._styles, is_ascii=self._is_ascii)
            hint = Segment("  Enter keeps, Esc shows all ", self._styles[palette.hint])
            if width < 64:
                hint = Segment(" ", self._styles[palette.hint])
            cells = width - asked.cell_length - len(hint.text)
            field = self.field.draw(cells, palette, self._styles)
            return Strip([*asked, *field, hint], width)
        for key, does in _HINTS[self._state.page]:
            title = "Go on" if key == "Space" and self._state.is_paused else does
            before = "  " if line.parts else " "
            if line.cells + len(before + key + title) + 1 > width:
                break
            line.put(before)
            line.put(key, palette.hint_key)
            line.put(f" {title}")
        line.put_right(f"every {self._state.interval_s:g} s ", width)
        return line.strip(width, self._styles, is_ascii=self._is_ascii)

    def _place_cursor(self) -> None:
        """Put the terminal's cursor where readers of screens look: the chosen room, or the field."""
        self._strip(0)  # draws all rows
        y = next((at for at, line in enumerate(self._lines) if line.is_chosen), 0)
        if self.field is not None:
            self._strip(self.size.height - 1)
            self.app.cursor_position = Offset(
                len(" Show rooms with ") + self.field.caret_cell, self.size.height - 1
            )
        else:
            self.app.cursor_position = Offset(0, y)


def _faded(palette: Palette) -> Palette:
    """Return the inks of figures that are not those of now."""
    plain = palette.gutter.over(palette.text)
    return replace(palette, text=plain, hint=plain, change=Ink(), field_bad=Ink())
