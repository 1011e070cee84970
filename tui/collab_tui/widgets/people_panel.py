"""Who is here: a list over the text, of which one goes to somebody or follows them.

What does not fit is left out column by column, the last one first; names and lines always stand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Offset
from textual.strip import Strip

from collab_tui.actions import Group, Keymap
from collab_tui.palette import Ink, Palette, Styles
from collab_tui.safe_text import safe_text
from collab_tui.widgets.field_widget import GROUPS, cropped
from collab_tui.widgets.inbox import Typed
from collab_tui.widgets.rows import RowsWidget

_WHEEL_ROWS: Final = 3
_NAME_LEAST: Final = 12
"""Names give way so far before a column does."""

_SENTENCE_END: Final = re.compile(r"(?<=\.) ")
_SIGN_CELLS: Final = 4
"""A person's sign between blanks, and one more before the name."""

_GAP: Final = 2
_ROWS_BELOW: Final = 2
"""Of the screen, for what is said of whom one chose, and for the hints."""

_LEAST_CELLS: Final = 54
_LEAST_FOR_ADMINS_CELLS: Final = 73
"""So much the hints take."""

_NOTE_CELLS: Final = 74
"""A sentence of the note may make the list so wide: there is a command in it, better not broken."""

_ACCOUNT: Final = Ink(italic=True)
"""No name is in italics."""

_STEPS: Final = {"up": -1, "down": 1}
_PAGES: Final = {"page_up": -1, "page_down": 1}
_ENDS: Final = {"line_start": 0, "document_start": 0, "line_end": -1, "document_end": -1}
_ELSEWHERE: Final = (Group.ROOM, Group.PEOPLE, Group.VIEW, Group.FIND)
"""What may be done while the list is open; the keys of the text do nothing."""


class PersonRow(NamedTuple):
    """One person as the list shows them; `columns` are words, the less important behind.

    `account` is whose account they come by, where the name leaves that open. It stands behind the name in an
    ink of its own, and never gives way to it: nobody writes it into theirs.
    """

    principal: str
    sign: str
    colour: int
    is_faint: bool
    name: str
    columns: tuple[str, ...]
    account: str = ""

    @property
    def account_note(self) -> str:
        return f" (account {self.account})" if self.account else ""


class PeoplePanel(RowsWidget):
    """Hidden until it is opened; then it gets its keys from the editor, which stays focused.

    `on_go`, `on_follow` and `on_send_away(principal)` are called with who is chosen, `on_close()` when the
    person closes it. `is_heard()` says whether clicks count.
    """

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self.display = False
        self.styles.layer = "above"
        self.styles.max_width = "100%"
        self.styles.max_height = "100%"
        self.styles.margin = (0, 0, _ROWS_BELOW, 0)
        self.on_close: Callable[[], object] = lambda: None
        self.on_go: Callable[[str], object] = lambda _: None
        self.on_follow: Callable[[str], object] = lambda _: None
        self.on_send_away: Callable[[str], object] = lambda _: None
        self.is_heard: Callable[[], bool] = lambda: True
        self._keymap = keymap
        self._is_ascii = is_ascii
        self._styles = Styles()
        self._given: tuple[Sequence[PersonRow], str, bool] | None = None
        self._may_send_away = False
        self._people: Sequence[PersonRow] = ()
        self._note = ""
        self._least_cells: Sequence[int] = ()
        self._widths: list[int] = []  # of name and columns, as they were last shown
        self._chosen = ""
        self._top = 0
        self._fitted_height = 0

    @property
    def is_open(self) -> bool:
        return self.display

    def open(
        self,
        people: Sequence[PersonRow],
        note: str,
        least_cells: Sequence[int],
        chosen: str,
        *,
        may_send_away: bool = False,
    ) -> None:
        """Show `people`, and `note` below; begin at who is `chosen`.

        Columns have at least `least_cells`, so that they do not move when what people do changes.
        """
        self._least_cells = least_cells
        self._widths = []
        self._given = None
        self._chosen = chosen
        self._top = 0
        self.display = True
        self.show(people, note, may_send_away=may_send_away)

    def show(self, people: Sequence[PersonRow], note: str, *, may_send_away: bool = False) -> None:
        """Show what is true now; who was chosen stays so, or whoever is in their place."""
        if (people, note, may_send_away) == self._given:
            return
        self._given = people, note, may_send_away
        self._may_send_away = may_send_away
        at = self._at
        self._people = [
            person._replace(
                name=self._safe(person.name),
                columns=tuple(map(self._safe, person.columns)),
                account=self._safe(person.account),
            )
            for person in people
        ]
        self._note = self._safe(note)
        if self._people and all(person.principal != self._chosen for person in self._people):
            self._chosen = self._people[min(at, len(self._people) - 1)].principal
        self._measure()
        self._show_again()

    def close(self) -> None:
        """Hide; `on_close` is not called."""
        self.display = False

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        if action in ("unselect", "people"):
            self.close()
            self.on_close()
        elif action == "newline":
            self.on_go(self._chosen)
        elif action == "follow":
            self.on_follow(self._chosen)
        elif action == "delete" and self._may_send_away:
            self.on_send_away(self._chosen)
        elif action in _STEPS:
            self._choose(self._at + _STEPS[action])
        elif action in _PAGES:
            self._choose(self._at + _PAGES[action] * max(1, self._height - 1))
        elif action in _ENDS:
            self._choose(_ENDS[action] % max(1, len(self._people)))
        else:
            return GROUPS.get(action or "") not in _ELSEWHERE
        return True

    def on_resize(self) -> None:
        self._show_again()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        at = self._top + int(event.y) - 1
        if self.is_heard() and event.y >= 1 and at < min(len(self._people), self._top + self._height):
            self._choose(at)
            self.on_go(self._chosen)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._choose(self._at + _WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._choose(self._at - _WHEEL_ROWS)

    # -- within

    @property
    def _at(self) -> int:
        """Which of the people is chosen."""
        return next((at for at, one in enumerate(self._people) if one.principal == self._chosen), 0)

    @property
    def _has_frame(self) -> bool:
        """Whether only a frame tells the list from the text around it."""
        return self.palette.panel.bg in (None, "default")

    @property
    def _height(self) -> int:
        """How many people, or rows of the note, there is room for."""
        return max(1, self.size.height - 1 - self._has_frame)

    def _choose(self, at: int) -> None:
        if self._people:
            self._chosen = self._people[max(0, min(at, len(self._people) - 1))].principal
            self._show_again()

    def _measure(self) -> None:
        """Ask for as much room as everything takes; while it is open, columns only become wider."""
        names = [cell_len(person.name + person.account_note) for person in self._people]
        widths = [max(names, default=0), *self._least_cells]
        for person in self._people:
            for at, word in enumerate(person.columns, 1):
                widths[at] = max(widths[at], cell_len(word))
        before = self._widths or widths
        self._widths = [max(pair) for pair in zip(before, widths, strict=True)]
        columns = _SIGN_CELLS + sum(self._widths) + _GAP * sum(map(bool, self._widths[1:]))
        least_cells = _LEAST_FOR_ADMINS_CELLS if self._may_send_away else _LEAST_CELLS
        cells = max(columns, least_cells, min(self._note_cells, _NOTE_CELLS))
        self.styles.width = cells + 3
        notes = self._note_rows(min(cells, self.app.size.width - 3))
        self.styles.height = 1 + len(self._people) + len(notes) + self._has_frame

    @property
    def _note_cells(self) -> int:
        return max(map(cell_len, _SENTENCE_END.split(self._note)))

    def _note_rows(self, cells: int) -> list[str]:
        """Return the note, each sentence in rows of its own, below a blank one."""
        if not self._note:
            return []
        sentences = _SENTENCE_END.split(self._note)
        return ["", *(row for each in sentences for row in textwrap.wrap(each, max(20, cells)))]

    def _show_again(self) -> None:
        if not self.is_open:
            return
        self._bring_into_view()
        self.touch_all()
        if self.size and self.region.size == self.size:
            self.app.cursor_position = self.region.offset + Offset(1, 1 + self._at - self._top)
            self.paint()
        else:
            self.paint_soon()

    def _bring_into_view(self) -> None:
        """Scroll to who is chosen, by the height that there is now: what had no room at first may fit."""
        at, last_top = self._at, max(0, len(self._people) - self._height)
        self._top = max(min(self._top, at, last_top), at - self._height + 1, 0)
        self._fitted_height = self._height

    def _safe(self, text: str) -> str:
        return safe_text(text.replace("×", "x") if self._is_ascii else text, ascii_marks=self._is_ascii)

    # -- drawing

    def render_line(self, y: int) -> Strip:
        if self._fitted_height != self._height:  # drawn before it was told of its size
            self._bring_into_view()
        palette, width = self.palette, self.size.width
        edge, corners, line = ("|", "++", "-") if self._is_ascii else ("│", "└┘", "─")
        if not self._has_frame:
            edge = " "
        elif y == self.size.height - 1 and y > 1:
            words = corners[0] + line * (width - 2) + corners[1]
            return Strip([Segment(words, self._styles[palette.panel_muted])], width)
        room = max(0, width - 2)
        at = self._top + y - 1
        ink = palette.panel
        if y == 0:
            parts = self._title(room)
        elif at < len(self._people):
            person = self._people[at]
            if person.principal == self._chosen:
                ink = palette.panel_choice.over(palette.panel)
            parts = self._person(person, room, ink)
        else:
            notes = self._note_rows(room - 1)
            note = notes[at - len(self._people)] if at - len(self._people) < len(notes) else ""
            parts = [(f" {note}", palette.panel)]
        drawn = self._drawn(parts, room, ink)
        framed = self._styles[palette.panel_muted.over(palette.panel) if ink is palette.panel else ink]
        return Strip([Segment(edge, framed), *drawn, Segment(edge, framed)], width)

    def _drawn(self, parts: Sequence[tuple[str, Ink]], room: int, ink: Ink) -> list[Segment]:
        segments: list[Segment] = []
        for text, own in parts:
            shown = cropped(text, room, is_ascii=self._is_ascii)
            segments.append(Segment(shown, self._styles[own]))
            room -= cell_len(shown)
        return [*segments, Segment(" " * room, self._styles[ink])]

    def _title(self, room: int) -> list[tuple[str, Ink]]:
        palette = self.palette
        title = "Who is here"
        ids = ("newline", "follow", "delete", "unselect")
        go, follow, send, close = (self._keymap.shown(id_) for id_ in ids)
        for_admins = (
            f"{go} goes there  {follow} follows  {send} sends away  {close} closes",
            f"{follow} follows  {send} sends away  {close} closes",
            f"{send} sends away  {close} closes",
        )
        hints = (
            *(for_admins if self._may_send_away and send else ()),
            f"{go} goes there  {follow} follows  {close} closes",
            f"{follow} follows  {close} closes",
            f"{close} closes",
            "",
        )
        hint = next(hint for hint in hints if cell_len(title) + 3 + cell_len(hint) <= room or not hint)
        gap = " " * max(1, room - cell_len(title) - cell_len(hint))
        return [
            (title, palette.panel_title.over(palette.panel)),
            (gap, palette.panel),
            (hint, palette.panel_muted.over(palette.panel)),
        ]

    def _person(self, person: PersonRow, room: int, base: Ink) -> list[tuple[str, Ink]]:
        palette = self.palette
        is_chosen = person.principal == self._chosen
        muted = base if is_chosen else palette.panel_muted.over(palette.panel)
        ink = muted if person.is_faint else base
        name_cells, columns = self._fitting(room)
        account = person.account_note
        name = cropped(person.name, name_cells - cell_len(account), is_ascii=self._is_ascii)
        parts = [
            (f" {person.sign} ", palette.person(person.colour, is_faint=person.is_faint)),
            (" " + name, ink),
            *([(account, _ACCOUNT.over(muted))] if account else []),
            (" " * (name_cells - cell_len(name + account)), ink),
        ]
        for cells, word in zip(columns, person.columns, strict=False):
            if cells:
                parts.append((" " * _GAP + word + " " * (cells - cell_len(word)), muted))
        return parts

    def _fitting(self, room: int) -> tuple[int, list[int]]:
        """Return how wide names are, and each of the columns that there is room for."""
        name, *columns = self._widths
        accounts = max([cell_len(person.account_note) for person in self._people], default=0)
        least_name = min(name, _NAME_LEAST + accounts)
        least = _SIGN_CELLS + least_name
        while len(columns) > 1 and room < least + sum(cells + _GAP for cells in columns if cells):
            columns.pop()
        left = room - _SIGN_CELLS - sum(cells + _GAP for cells in columns if cells)
        return min(name, max(left, least_name)), columns
