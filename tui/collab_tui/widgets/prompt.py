"""One question with one line to answer it in: to which line?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from textual.strip import Strip

from collab_tui.actions import Keymap
from collab_tui.palette import Palette
from collab_tui.safe_text import safe_text
from collab_tui.widgets.field import Field
from collab_tui.widgets.field_widget import FieldWidget, Part, cropped, parts_cells
from collab_tui.widgets.inbox import Typed

_FIELD_LEAST: Final = 10


class Prompt(FieldWidget):
    """One row: a label, a field, a hint. `on_change(text)` at every change, `on_accept(text)` at Enter."""

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__(palette, keymap, is_ascii=is_ascii)
        self.styles.height = 1
        self.on_accept: Callable[[str], object] = lambda _: None
        self.on_change: Callable[[str], object] = lambda _: None
        self._field = self._made_field()
        self._label = self._hint = self._error = ""

    @property
    def active_field(self) -> Field:
        return self._field

    def open(self, label: str, *, text: str = "", hint: str = "") -> None:
        """Ask; `text` is there already, all of it selected."""
        self._label = safe_text(label, ascii_marks=self._is_ascii)
        self._hint = safe_text(hint, ascii_marks=self._is_ascii)
        self._error = ""
        self._field.set(text)
        self.open_rows()

    def suggest(self, hint: str) -> None:
        """Say beside the field what is meant so far."""
        hint = safe_text(hint, ascii_marks=self._is_ascii)
        if hint != self._hint:
            self._hint = hint
            self.show_again()

    def show(self, error: str) -> None:
        """Say in the hint's place what is wrong with the answer; empty: nothing is."""
        error = safe_text(error, ascii_marks=self._is_ascii)
        if error != self._error:
            self._error = error
            self.show_again()

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        match action:
            case "unselect":
                self.dismiss()
            case "newline":
                self._field.remember()
                self.on_accept(self._field.text)
            case _:
                return self.take(event, action)
        return True

    def edited(self, field: Field) -> None:
        self.on_change(field.text)

    def render_line(self, y: int) -> Strip:
        palette = self.palette
        before = [Part(f" {self._label} ", palette.panel_title)]
        room = self.size.width - parts_cells(before) - _FIELD_LEAST - 2
        ink = palette.field_bad if self._error else palette.panel_muted
        words = cropped(self._error or self._hint, room, is_ascii=self._is_ascii)
        return self.row(y, self._field, before, [Part(f" {words} ", ink)], is_bad=bool(self._error))
