"""What bars and lists with a one-line input have in common: keys, place, clicks, clipboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Offset
from textual.strip import Strip

from collab_tui.actions import ACTIONS, Group, Keymap
from collab_tui.palette import Ink, Palette, Styles
from collab_tui.safe_text import crop_cells
from collab_tui.widgets.field import Field
from collab_tui.widgets.inbox import Typed, text_of
from collab_tui.widgets.rows import RowsWidget

GROUPS: Final = {action.id: action.group for action in ACTIONS}
"""The group of each action."""

_OF_THE_TEXT: Final = (Group.SELECT, Group.CHANGE, Group.LINES, Group.CLIPBOARD)
"""What changes the text must not do so while the keys go elsewhere."""


class Part(NamedTuple):
    """A word beside a field; `does` is called when the person clicks it."""

    text: str
    ink: Ink
    does: Callable[[], None] | None = None


class FieldWidget(RowsWidget):
    """A widget with fields: hidden until it is opened, given its keys by the editor, which stays focused.

    `on_close()` is called when the person closes it. What is copied or cut goes to `on_copy(text)`;
    `on_paste(put)` calls `put(text)` with what is to be pasted.
    """

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self.display = False
        self.on_close: Callable[[], object] = lambda: None
        self.on_copy: Callable[[str], object] = self._keep_copied
        self.on_paste: Callable[[Callable[[str], None]], object] = self._put_copied
        self.is_heard: Callable[[], bool] = lambda: True
        self._keymap = keymap
        self._is_ascii = is_ascii
        self._styles = Styles()
        self._copied = ""
        self._caret = Offset(0, 0)
        self._zones: dict[int, list[tuple[range, Callable[[int], object]]]] = {}

    @property
    def is_open(self) -> bool:
        return self.display

    @property
    def active_field(self) -> Field:
        """The field that gets what is typed."""
        raise NotImplementedError

    @property
    def active_row(self) -> int:
        """The row of this widget in which it stands."""
        return 0

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        raise NotImplementedError

    def edited(self, field: Field) -> None:
        """Take note that `field` has another text."""
        raise NotImplementedError

    def open_rows(self) -> None:
        """Show; when it has been given its place, Textual resizes it, and the cursor goes there."""
        self.display = True
        self.show_again()

    def close(self) -> None:
        """Hide; `on_close` is not called."""
        self.display = False

    def dismiss(self) -> None:
        """Close because the person says so."""
        self.close()
        self.on_close()

    def show_again(self) -> None:
        """Draw all rows anew, and put the terminal's cursor where input methods look for it."""
        if not self.is_open:
            return
        self.touch_all()
        if self._has_place:
            self._place_cursor()
            self.paint()
        else:
            self.paint_soon()

    def on_resize(self) -> None:
        self.show_again()

    def take(self, event: Typed, action: str | None) -> bool:
        """Do in the active field what was typed; False for what may be done elsewhere."""
        field = self.active_field
        before = field.text
        if isinstance(event, events.Paste):
            field.type(event.text)
        elif action == "paste":
            return field.do(action)  # what comes of it is shown when it comes
        elif action is not None:
            if not field.do(action):
                return GROUPS.get(action) in _OF_THE_TEXT
        elif (text := text_of(event)) is not None:
            field.type(text)
        else:
            return False
        if field.text != before:
            self.edited(field)
        self.show_again()
        return True

    def row(
        self,
        y: int,
        field: Field,
        before: Sequence[Part],
        behind: Sequence[Part],
        *,
        placeholder: str = "",
        is_bad: bool = False,
    ) -> Strip:
        """Return row `y`: a field as wide as what stands before and behind it lets it be."""
        width = self.size.width
        drawn: list[Segment] = []
        zones: list[tuple[range, Callable[[int], object]]] = []
        cell = self._put_parts(drawn, zones, before, 0, width)
        cells = max(0, width - cell - parts_cells(behind))
        drawn += field.draw(
            cells,
            self.palette,
            self._styles,
            placeholder,
            is_bad,
            is_active=field is self.active_field,
            column=self.region.x + cell,
        )
        zones.append((range(cell, cell + cells), lambda within: self._clicked(field, within)))
        if field is self.active_field:
            self._caret = Offset(cell + min(field.caret_cell, max(0, cells - 1)), y)
        end = self._put_parts(drawn, zones, behind, cell + cells, width)
        drawn.append(Segment(" " * (width - end), self._styles[self.palette.panel]))
        self._zones[y] = zones
        return Strip(drawn, width)

    def activate(self, field: Field) -> None:
        """Give what is typed to `field`."""

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if not self.is_heard():
            return
        for cells, does in self._zones.get(int(event.y), ()):
            if int(event.x) in cells:
                does(int(event.x) - cells.start)
                return

    def _clicked(self, field: Field, cell: int) -> None:
        self.activate(field)
        field.place(cell)
        self.show_again()

    def _put_parts(
        self,
        drawn: list[Segment],
        zones: list[tuple[range, Callable[[int], object]]],
        parts: Sequence[Part],
        cell: int,
        width: int,
    ) -> int:
        """Draw `parts` from `cell` on as far as they fit; returns the cell behind them."""
        for part in parts:
            text = crop_cells(part.text, width - cell)
            drawn.append(Segment(text, self._styles[part.ink.over(self.palette.panel)]))
            cells = cell_len(text)
            if part.does is not None:
                zones.append((range(cell, cell + cells), _without_cell(part.does)))
            cell += cells
        return cell

    def _made_field(self) -> Field:
        field = Field(is_ascii=self._is_ascii)
        field.on_copy = self._copy
        field.on_paste = lambda _: self.on_paste(lambda text: self._pasted(field, text))
        return field

    def _pasted(self, field: Field, text: str) -> None:
        """Put what the clipboard had into the field that asked for it, maybe a while ago."""
        if not self.is_open:
            return
        before = field.text
        field.type(text)
        if field.text != before:
            self.edited(field)
        self.show_again()

    def _copy(self, text: str) -> None:
        self.on_copy(text)

    def _keep_copied(self, text: str) -> None:
        self._copied = text

    def _put_copied(self, put: Callable[[str], None]) -> None:
        put(self._copied)

    @property
    def _has_place(self) -> bool:
        """Whether it stands on the screen; just opened, it has the size of last time and no place."""
        return bool(self.size) and self.region.size == self.size

    def _place_cursor(self) -> None:
        if self.is_open and self._has_place:
            self._strip(self.active_row)  # only who draws the row knows where in it the caret is
            self.app.cursor_position = self.region.offset + self._caret


def parts_cells(parts: Sequence[Part]) -> int:
    """Return how many cells `parts` take."""
    return sum(cell_len(part.text) for part in parts)


def cropped(text: str, most_cells: int, *, is_ascii: bool) -> str:
    """Return `text` in at most `most_cells` cells, with a sign where something is missing."""
    if cell_len(text) <= most_cells:
        return text
    sign = "~" if is_ascii else "…"
    return crop_cells(text, most_cells - 1) + sign if most_cells > 0 else ""


def _without_cell(does: Callable[[], None]) -> Callable[[int], object]:
    return lambda _: does()
