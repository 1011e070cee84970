"""The list of commands and the help: entries under a field that filters them.

The help shows all in order, with headings, below some lines of introduction; what is chosen there is nothing
until the person moves. As soon as something stands in the field, both show what fits it, the best first.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from collab_tui import fuzzy
from collab_tui.actions import Group, Keymap
from collab_tui.palette import Ink, Palette
from collab_tui.safe_text import safe_text
from collab_tui.widgets.field import Field
from collab_tui.widgets.field_widget import GROUPS, FieldWidget, Part, cropped
from collab_tui.widgets.inbox import Typed

_WHEEL_ROWS: Final = 3
_NEAR_ROWS: Final = 3
"""An entry so far out of view is gone to at once; to one behind more rows of text, one scrolls."""

_TITLE_LEAST: Final = 12
_TITLE_BESIDE: Final = 6
"""Keys that would leave a title less than this, blanks included, are left out."""

_TITLE_BONUS: Final = 4
"""What a title weighs more than keys, when both have what is looked for."""

_MATCHED: Final = Ink(bold=True, underline=True)
_ASCII: Final = str.maketrans({"…": "...", "·": "-", "–": "-", "×": "x"})
_STEPS: Final = {"up": -1, "down": 1}
_PAGES: Final = {"page_up": -1, "page_down": 1}


class Entry(NamedTuple):
    """One action as the list shows it; `keys` as people read them, separated by ", "."""

    id: str
    title: str
    keys: str
    group: str


class _Found(NamedTuple):
    """An entry, and the columns of its words that are what was looked for."""

    entry: Entry
    title: frozenset[int] = frozenset()
    keys: frozenset[int] = frozenset()
    group: frozenset[int] = frozenset()


class _Words(NamedTuple):
    """A row of text between entries."""

    text: str = ""
    is_heading: bool = False


class CommandList(FieldWidget):
    """Lies over the text. `on_choose(id)` is called when the person chooses, and the list is closed."""

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__(palette, keymap, is_ascii=is_ascii)
        self.on_choose: Callable[[str], object] = lambda _: None
        self._field = self._made_field()
        self._entries: tuple[Entry, ...] = ()
        self._intro: tuple[str, ...] = ()
        self._title = ""
        self._is_help = False
        self._is_recent_first = True
        self._recent: list[str] = []
        self._found: list[_Found] = []
        self._rows: list[_Found | _Words] = []
        self._laid_out_cells = 0
        self._places: list[int] = []  # the row of each one found
        self._top = 0
        self._choice: int | None = None  # which of those found

    @property
    def active_field(self) -> Field:
        return self._field

    def open(
        self,
        entries: Sequence[Entry],
        *,
        title: str,
        is_help: bool,
        intro: Sequence[str] = (),
        is_recent_first: bool = True,
        chosen: str | None = None,
    ) -> None:
        """Show `entries`; in the help, below the paragraphs of `intro`.

        Those that were chosen last come first, unless the order says something; `chosen` is where to begin.
        """
        self._entries = tuple(
            Entry(entry.id, self._safe(entry.title), self._safe(entry.keys), self._safe(entry.group))
            for entry in entries
        )
        self._intro = tuple(map(self._safe, intro))
        self._title = self._safe(title)
        self._is_help = is_help
        self._is_recent_first = is_recent_first
        self.set_class(is_help, "-help")
        self._field.set("")
        self.edited(self._field)
        if chosen is not None and self._found:
            self._choice = next((at for at, f in enumerate(self._found) if f.entry.id == chosen), 0)
            self._reveal()
        self.open_rows()

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        if action == "unselect" or action == ("help" if self._is_help else "commands"):
            self.dismiss()
        elif action == "newline":
            self._accept()
        elif action in _STEPS:
            self._step(_STEPS[action])
        elif action in _PAGES:
            self._page(_PAGES[action])
        elif action in ("document_start", "document_end"):
            self._go_to_end(is_start=action == "document_start")
        else:
            is_move = action is not None and GROUPS.get(action) is Group.MOVE and action != "go_to_line"
            return self.take(event, action) or is_move
        return True

    def edited(self, field: Field) -> None:
        query = field.text.split()
        self._found = _ranked(self._entries, query) if query else [_Found(e) for e in self._in_order()]
        self._choice = 0 if self._found and not self._is_whole_help else None
        self._top = 0
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()
        self._scroll(0)
        self._reveal()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(_WHEEL_ROWS)
        self.show_again()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-_WHEEL_ROWS)
        self.show_again()

    # -- what there is

    @property
    def _is_whole_help(self) -> bool:
        return self._is_help and not self._field.text.split()

    @property
    def _height(self) -> int:
        """How many rows the list has on the screen."""
        return max(1, self.size.height - (2 if self._has_frame else 1))

    def _in_order(self) -> list[Entry]:
        """Return all entries; those that were run last come first in the list of commands."""
        if self._is_help or not self._is_recent_first:
            return list(self._entries)
        known = {entry.id: entry for entry in self._entries}
        recent = [known.pop(id_) for id_ in reversed(self._recent) if id_ in known]
        return [*recent, *known.values()]

    def _lay_out(self) -> None:
        """Make the rows of what was found."""
        self._laid_out_cells = self.size.width
        self._rows = []
        self._places = []
        if self._is_whole_help:
            for paragraph in self._intro:
                self._rows += map(_Words, textwrap.wrap(paragraph, max(20, self.size.width - 3)))
                self._rows.append(_Words())
        group = ""
        for found in self._found:
            if self._is_whole_help and found.entry.group != group:
                if group:
                    self._rows.append(_Words())
                group = found.entry.group
                self._rows.append(_Words(group, is_heading=True))
            self._places.append(len(self._rows))
            self._rows.append(found)
        if not self._found:
            self._rows.append(_Words("nothing has these letters"))

    def _safe(self, text: str) -> str:
        return safe_text(text.translate(_ASCII) if self._is_ascii else text, ascii_marks=self._is_ascii)

    # -- what the person does

    def _accept(self) -> None:
        """Run what is chosen; only bring it into view when it is not."""
        if self._choice is None:
            return
        if self._is_in_view(self._places[self._choice]):
            self._choose(self._found[self._choice].entry)
        else:
            self._reveal()
            self.show_again()

    def _choose(self, entry: Entry) -> None:
        if self._is_recent_first:
            self._recent = [*(id_ for id_ in self._recent if id_ != entry.id), entry.id]
        self.close()
        self.on_choose(entry.id)

    def _step(self, way: int) -> None:
        """Choose the next entry; from one that is out of view, the first or last one that is in view."""
        place = None if self._choice is None else self._places[self._choice]
        if place is None or not self._is_in_view(place):
            place = self._top - 1 if way > 0 else self._top + self._height
        ahead = [i for i, at in enumerate(self._places) if (at > place if way > 0 else at < place)]
        target = None if not ahead else ahead[0] if way > 0 else ahead[-1]
        if target is not None and self._is_in_view(self._places[target], _NEAR_ROWS):
            self._choice = target
            self._reveal()
        else:
            self._scroll(way)
        self.show_again()

    def _page(self, way: int) -> None:
        rows = way * max(1, self._height - 1)
        self._scroll(rows)
        if self._choice is not None:
            goal = self._places[self._choice] + rows
            self._choice = min(range(len(self._places)), key=lambda i: abs(self._places[i] - goal))
            self._reveal()
        self.show_again()

    def _go_to_end(self, *, is_start: bool) -> None:
        if self._found:
            self._choice = 0 if is_start else len(self._found) - 1
            self._reveal()
        if is_start:
            self._scroll(-len(self._rows))
        self.show_again()

    def _scroll(self, rows: int) -> None:
        self._top = max(0, min(self._top + rows, len(self._rows) - self._height))

    def _is_in_view(self, row: int, margin: int = 0) -> bool:
        return self._top - margin <= row < self._top + self._height + margin

    def _reveal(self) -> None:
        """Scroll to what is chosen, and to the heading right above it."""
        if self._choice is None:
            return
        place = self._places[self._choice]
        above = self._rows[place - 1] if place else None
        first = place - 1 if isinstance(above, _Words) and above.is_heading else place
        self._top = max(min(self._top, first), place - self._height + 1)

    # -- drawing

    def render_line(self, y: int) -> Strip:
        palette, width = self.palette, self.size.width
        if self._laid_out_cells != width:  # it is drawn before it is told of its size
            self.on_resize()
        edge, corners, line = ("|", "++", "-") if self._is_ascii else ("│", "└┘", "─")
        if not self._has_frame:
            edge = " "
        elif y == self.size.height - 1:
            return Strip(
                [Segment(corners[0] + line * (width - 2) + corners[1], self._styles[palette.panel_muted])]
            )
        if y == 0:
            count = f"{len(self._found)} of {len(self._entries)}" if self._field.text else "Esc closes"
            before = [Part(edge, palette.panel_muted), Part(f"{self._title} ", palette.panel_title)]
            return self.row(0, self._field, before, [Part(f" {count}{edge}", palette.panel_muted)])
        at = self._top + y - 1
        is_chosen = self._choice is not None and at == self._places[self._choice]
        ink = (palette.panel_choice if is_chosen else palette.panel_muted).over(palette.panel)
        words = [(edge, ink), *self._words(y, at, width - 2, is_chosen=is_chosen)]
        words.append((edge if self._height >= len(self._rows) else " ", self._mark(y - 1)))
        return Strip([Segment(text, self._styles[ink]) for text, ink in words], width)

    @property
    def _has_frame(self) -> bool:
        """Whether only a frame tells the list from the text around it."""
        return self.palette.panel.bg in (None, "default") and self.size.width < self.app.size.width

    def _words(self, y: int, at: int, width: int, *, is_chosen: bool) -> list[tuple[str, Ink]]:
        """Return row `at` of what was found, which stands in row `y` of the widget."""
        palette = self.palette
        row = self._rows[at] if at < len(self._rows) else _Words()
        self._zones[y] = []
        if isinstance(row, _Words):
            ink = palette.panel_title.over(palette.panel) if row.is_heading else palette.panel
            text = cropped(row.text, width, is_ascii=self._is_ascii)
            return [(text, ink), (" " * (width - cell_len(text)), palette.panel)]
        self._zones[y] = [(range(self.size.width - 1), lambda _: self._choose(row.entry))]
        return self._entry(
            row, width, is_chosen=self._choice is not None and at == self._places[self._choice]
        )

    def _entry(self, found: _Found, width: int, *, is_chosen: bool) -> list[tuple[str, Ink]]:
        """Return title and group, and at the right as many keys as fit."""
        palette, entry = self.palette, found.entry
        base = palette.panel_choice.over(palette.panel) if is_chosen else palette.panel
        muted, key = (
            (base, base) if is_chosen else (palette.panel_muted.over(base), palette.panel_key.over(base))
        )
        keys = _fitting(entry.keys, width - 3 - max(_TITLE_LEAST, cell_len(entry.title)))
        if cell_len(keys) + _TITLE_BESIDE > width:
            keys = ""
        title = cropped(entry.title, width - 1 - (cell_len(keys) + 2 if keys else 0), is_ascii=self._is_ascii)
        words = _emphasised(title, found.title, base)
        left = width - 1 - cell_len(title) - cell_len(keys)
        if not self._is_whole_help and left >= cell_len(entry.group) + 4:
            words += [("  ", base), *_emphasised(entry.group, found.group, muted)]
            left -= cell_len(entry.group) + 2
        return [*words, (" " * left, base), *_emphasised(keys, found.keys, key), (" ", base)]

    def _mark(self, y: int) -> Ink:
        """Return the ink of row `y` of the scrollbar; there is none while all rows are in view."""
        height, rows = self._height, len(self._rows)
        if rows <= height:
            return self.palette.panel
        size = max(1, height * height // rows)
        at = round((height - size) * self._top / (rows - height))
        return self.palette.scroll_thumb if at <= y < at + size else self.palette.scroll_track


def _ranked(entries: Sequence[Entry], query: Sequence[str]) -> list[_Found]:
    """Return the entries in which each word of `query` is found, the best first."""
    scored: list[tuple[int, _Found]] = []
    for entry in entries:
        score = 0
        columns: dict[str, set[int]] = {"title": set(), "keys": set(), "group": set(), "id": set()}
        for word in query:
            hits = {
                "title": _weighed(fuzzy.find(word, entry.title), _TITLE_BONUS),
                "keys": _weighed(fuzzy.find(word, entry.keys), 0),
                "group": _weighed(fuzzy.find(word, entry.group), -_TITLE_BONUS),
                # What config.toml calls it: "quit" finds Leave.
                "id": _weighed(fuzzy.find(word, entry.id), -_TITLE_BONUS),
            }
            place, hit = max(hits.items(), key=lambda item: item[1].score)
            if not hit.columns:
                break
            score += hit.score
            columns[place].update(hit.columns)
        else:
            found = (frozenset(columns[place]) for place in ("title", "keys", "group"))
            scored.append((score, _Found(entry, *found)))
    # Of two that fit as well, the shorter one is nearer to what was typed.
    scored.sort(key=lambda item: (-item[0], len(item[1].entry.title)))
    return [found for _, found in scored]


def _weighed(hit: fuzzy.Hit | None, bonus: int) -> fuzzy.Hit:
    return fuzzy.Hit(-1000, ()) if hit is None else hit._replace(score=hit.score + bonus)


def _fitting(keys: str, most_cells: int) -> str:
    """Return as many of `keys` as fit, the first one in any case."""
    while ", " in keys and cell_len(keys) > most_cells:
        keys = keys.rpartition(", ")[0]
    return keys


def _emphasised(text: str, columns: frozenset[int], ink: Ink) -> list[tuple[str, Ink]]:
    """Return `text` in pieces, those at `columns` in another ink."""
    return [
        ("".join(character for _, character in piece), _MATCHED.over(ink) if is_matched else ink)
        for is_matched, piece in groupby(enumerate(text), key=lambda item: item[0] in columns)
    ]
