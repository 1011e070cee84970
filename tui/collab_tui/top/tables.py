"""The lower part of the screen: the rooms, who is in one of them, and what keys and words mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from rich.cells import cell_len

from collab_tui.palette import Ink, Palette
from collab_tui.safe_text import safe_text
from collab_tui.top import units
from collab_tui.top.columns import GAP, Column, Sort, fitting
from collab_tui.top.figures import PersonFigures, RoomFigures
from collab_tui.top.lines import Line
from collab_tui.top.state import Look, TopState
from collab_tui.widgets.field_widget import cropped

_HELP: Final = (
    ("u p l m b w n", "sort by updates, people, lagging, text, bytes in, waits, name"),
    ("", "the same key again: the other way round; so does a click on the head"),
    ("↑ ↓ PageUp Home", "choose a room"),
    ("Enter", "who is in it; Esc goes back"),
    ("/", "show only rooms with these letters in their name; Esc shows all"),
    ("Space", "pause, and go on"),
    ("+ -", "ask more often, more seldom"),
    ("q Ctrl-Q Ctrl-C", "leave"),
    ("", ""),
    ("updates", "changes that were taken from people, by the second"),
    ("receipt", "from a change until its author knows that it is on disk: half are faster, and 99 % (p99)"),
    ("commit", "how long the disk takes"),
    ("stalls", "how late the server comes to what it has to do"),
    ("lagging, lag", "readers who cannot keep up, and are sent the whole later"),
    ("refused", "who wanted to come in and was not let in"),
    ("hostile", "changes that no collab makes"),
    ("waits", "how long the oldest change of a room waits for the disk"),
    ("seq", "the number of the room's last change"),
    ("curves", "the last two minutes at least, each stretch at its largest"),
)
_HELP_KEY_CELLS: Final = 16
_HELP_NARROW_CELLS: Final = 56
"""Below, what a key does stands under it."""

_SINCE_CELLS: Final = 10
_ROLE_CELLS: Final = 6
_ROLES: Final = {"read": "reader", "write": "writer"}
_ACTIVITY_CELLS: Final = 6
_ROUND_TRIP_CELLS: Final = 7


class Tables:
    """Draws them for one look of the screen."""

    def __init__(self, palette: Palette, base: Ink, *, is_ascii: bool) -> None:
        """`base` is the ink of plain rows: that of figures that are old is another."""
        self._palette = palette
        self._base = base
        self._is_ascii = is_ascii

    # -- rooms

    def rooms(self, state: TopState, look: Look | None, width: int, height: int) -> list[Line]:
        """Return the head of the table and as many rooms as fit; keeps the chosen one in view."""
        rooms = state.rooms()
        name, columns = fitting(width - 2)
        lines = [self._head(state, name, columns, len(rooms))]
        seen = max(0, height - 1)
        at = state.chosen_at(rooms)
        state.top = max(min(state.top, at, max(0, len(rooms) - seen)), at - seen + 1)
        if look is None:
            return lines
        if not rooms and seen:
            lines.append(self._said(self._why_none(state, look)))
        for n, room in enumerate(rooms[state.top : state.top + seen], state.top):
            lines.append(self._room(room, look, name, columns, is_chosen=n == at))
        return lines

    def _why_none(self, state: TopState, look: Look) -> str:
        if state.filter and look.figures.rooms:
            return f"no room with “{state.filter}”: Esc shows all"
        return "nobody is in any room"

    def _head(self, state: TopState, name_cells: int, columns: list[Column], count: int) -> Line:
        palette = self._palette
        line = Line(palette.panel)
        arrow = "▴" if state.is_reversed != (state.sort is Sort.NAME) else "▾"

        def put(title: str, sort: Sort | None, cells: int, *, is_name: bool = False) -> None:
            is_sorted = sort is not None and sort is state.sort
            words = f"{arrow}{title}" if is_sorted and not is_name else title
            words = f"{title}{arrow}" if is_sorted and is_name else words
            first = line.cells
            if sort is not None:
                line.sorts.append((range(first, first + cells), sort))
            line.put(
                words.ljust(cells) if is_name else words.rjust(cells),
                palette.panel_title if is_sorted else palette.panel_muted,
            )

        line.put(" ")
        title = f"{count} with “{self._safe(state.filter)}”" if state.filter else "room"
        put(cropped(title, name_cells - 1, is_ascii=self._is_ascii), Sort.NAME, name_cells, is_name=True)
        for column in columns:
            line.put(" " * GAP)
            put(column.title, column.sort, column.cells)
        return line

    def _room(
        self, room: RoomFigures, look: Look, name_cells: int, columns: list[Column], *, is_chosen: bool
    ) -> Line:
        palette = self._palette
        ink = palette.panel_choice.over(self._base) if is_chosen else self._base
        line = Line(ink, room=room.room, is_chosen=is_chosen)
        name = cropped(self._safe(room.room), name_cells, is_ascii=self._is_ascii)
        line.put(f" {name}{' ' * (name_cells - cell_len(name))}")
        rates = look.rates.of_room(room.room)
        for column in columns:
            words = self._safe(column.draw(room, rates))
            alarm = palette.field_bad if column.is_alarming(room) and not is_chosen else None
            line.put(" " * GAP)
            line.put(" " * (column.cells - cell_len(words)))
            line.put(cropped(words, column.cells, is_ascii=self._is_ascii), alarm)
        return line

    # -- people

    def people(self, state: TopState, now_utc: float, width: int, height: int) -> list[Line]:
        """Return who is in the room that was chosen."""
        palette = self._palette
        people = state.people
        title = Line(palette.panel)
        count = "" if people is None else f": {len(people)} connected"
        title.put(f" {self._safe(state.room)}{count}", palette.panel_title)
        title.put_right("Esc goes back ", width, palette.panel_muted)
        lines = [title]
        if people is None:
            return [*lines, self._said("asking who is there")]
        if not people:
            return [*lines, self._said("nobody is here any more")]
        seen = max(1, height - 1)
        state.people_top = max(0, min(state.people_top, len(people) - seen))
        shown = people[state.people_top : state.people_top + seen]
        name = min(32, max(8, *(cell_len(self._safe(one.name)) for one in people)))
        return [*lines, *(self._person(one, now_utc, name, width) for one in shown)]

    def _person(self, one: PersonFigures, now_utc: float, name_cells: int, width: int) -> Line:
        line = Line(self._base)
        words = [
            _ROLES.get(one.role, self._safe(one.role)).ljust(_ROLE_CELLS),
            f"for {units.age(now_utc - one.since)}".ljust(_SINCE_CELLS),
            self._safe(one.activity).ljust(_ACTIVITY_CELLS),
            ("" if one.round_trip_s is None else units.latency(one.round_trip_s)).rjust(_ROUND_TRIP_CELLS),
            self._safe(f"{one.principal} {one.address}".strip()),
        ]
        name_cells = min(name_cells, max(8, width - sum(map(len, words[:2])) - 2 * GAP - 1))
        name = cropped(self._safe(one.name), name_cells, is_ascii=self._is_ascii)
        line.put(f" {name}{' ' * (name_cells - cell_len(name))}")
        for word in words:
            left = width - line.cells - GAP - 1
            if left < min(cell_len(word), 8):
                break
            line.put(" " * GAP)
            line.put(cropped(word, left, is_ascii=self._is_ascii), self._palette.hint)
        return line

    # -- help

    def help(self, state: TopState, width: int, height: int) -> list[Line]:
        """Return what keys and words mean, from where one has scrolled to."""
        palette = self._palette
        title = Line(palette.panel)
        title.put(" Keys and words", palette.panel_title)
        title.put_right("Esc goes back ", width, palette.panel_muted)
        rows = list(self._help_rows(width))
        seen = max(1, height - 1)
        state.help_top = max(0, min(state.help_top, len(rows) - seen))
        return [title, *rows[state.help_top : state.help_top + seen]]

    def _help_rows(self, width: int) -> Iterable[Line]:
        key_ink = self._palette.panel_key._replace(bg=None)
        is_narrow = width < _HELP_NARROW_CELLS
        indent = 3 if is_narrow else _HELP_KEY_CELLS + 2
        for key, meaning in _HELP:
            line = Line(self._base)
            if is_narrow and key:
                line.put(f" {key}", key_ink)
                yield line
                line = Line(self._base)
            elif key:
                line.put(f" {key:<{_HELP_KEY_CELLS}} ", key_ink)
            for words in textwrap.wrap(meaning, max(10, width - indent - 1)) or [""]:
                line.put(" " * (indent - line.cells) + words)
                yield line
                line = Line(self._base)

    def _said(self, words: str) -> Line:
        line = Line(self._base)
        line.put(f" {self._safe(words)}", self._palette.hint)
        return line

    def _safe(self, text: str) -> str:
        return safe_text(text, ascii_marks=self._is_ascii)
