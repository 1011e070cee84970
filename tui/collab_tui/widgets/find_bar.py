"""The find bar: what is looked for, how, and what to put in its place.

Find    needle                          [Aa] [W] [.*] [Sel]      3 of 17
Replace thread                                 [This] Enter  [All] Alt-A
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from collab_tui.actions import Keymap, shown_key
from collab_tui.palette import Palette
from collab_tui.safe_text import safe_text
from collab_tui.widgets.field import Field
from collab_tui.widgets.field_widget import FieldWidget, Part, cropped, parts_cells
from collab_tui.widgets.inbox import Typed

if TYPE_CHECKING:
    from collab_client.matching import Query


class _Toggle(NamedTuple):
    sign: str
    title: str
    key: str


_CASE: Final = _Toggle("Aa", "case", "alt+c")
_WORD: Final = _Toggle("W", "word", "alt+w")
_REGEX: Final = _Toggle(".*", "regex", "alt+x")
_SELECTION: Final = _Toggle("Sel", "selection", "alt+s")
_TOGGLES: Final = {toggle.key: toggle for toggle in (_CASE, _WORD, _REGEX, _SELECTION)}

_ALL_KEYS: Final = ("alt+a", "ctrl+enter")

_FIELD_KEYS: Final = 30
_FIELD_BRACKETS: Final = 14
_FIELD_SIGNS: Final = 8
"""Cells that the field has at least beside toggles with their keys, in brackets, and as mere signs."""

_COUNT_CELLS: Final = 12
_COUNT_CELLS_NARROW: Final = 8
"""Kept free for the count, so that the field stays as wide as it is while counting goes on."""

_NARROW: Final = 60


class FindBar(FieldWidget):
    """One row to find, a second one to replace.

    `on_query()` is called when query or toggles changed, `on_step(back)` to go to another match,
    `on_replace()` to replace the one found last and go on, `on_replace_all()` for all of them.
    """

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__(palette, keymap, is_ascii=is_ascii)
        self.styles.height = 1
        self.on_query: Callable[[], object] = lambda: None
        self.on_step: Callable[[bool], object] = lambda _: None
        self.on_replace: Callable[[], object] = lambda: None
        self.on_replace_all: Callable[[], object] = lambda: None
        self._query_field = self._made_field()
        self._replacement_field = self._made_field()
        self._active = self._query_field
        self._has_replace = False
        self._has_replaced = False
        self._on: set[_Toggle] = set()
        self._count = self._error = ""

    @property
    def asked(self) -> Query:
        """What is looked for."""
        from collab_client.matching import Query  # loaded with the buffer, after the first paint

        return Query(
            self._query_field.text,
            match_case=_CASE in self._on,
            whole_word=_WORD in self._on,
            is_regex=_REGEX in self._on,
        )

    @property
    def in_selection(self) -> bool:
        """Whether to look only in what was selected when the bar was opened."""
        return _SELECTION in self._on

    @property
    def replacement(self) -> str:
        """What to put in the place of a match."""
        return self._replacement_field.text

    @property
    def active_field(self) -> Field:
        return self._active

    @property
    def active_row(self) -> int:
        return 0 if self._active is self._query_field else 1

    def open(self, text: str, *, with_replace: bool, in_selection: bool = False) -> None:
        """Show the bar, `text` in it and selected; the other toggles are as they were. Calls nothing back."""
        self._query_field.set(text)
        self._on.discard(_SELECTION)
        if in_selection:
            self._on.add(_SELECTION)
        self._count = self._error = ""
        self._has_replaced = False
        self._active = self._query_field
        self._set_replace(with_replace)
        self.open_rows()

    def close(self) -> None:
        self._query_field.remember()
        super().close()

    def show(self, count: str = "", error: str = "") -> None:
        """Say how many matches there are, or what is wrong with the query."""
        said = safe_text(count, ascii_marks=self._is_ascii), safe_text(error, ascii_marks=self._is_ascii)
        if said != (self._count, self._error):
            self._count, self._error = said
            self.show_again()

    def typed(self, event: Typed, action: str | None) -> bool:
        """Take a key or a paste; False for what may be done elsewhere."""
        key = event.key if isinstance(event, events.Key) else ""
        if key in _TOGGLES:
            self._toggle(_TOGGLES[key])
        elif key in _ALL_KEYS and self._has_replace:
            self._replace_all()
        elif action == "newline":
            self._enter(back=key == "shift+enter")
        elif action in ("tab", "dedent"):
            self._switch()
        elif action in ("find_next", "find_previous"):
            self._step(back=action == "find_previous")
        elif action in ("find", "replace"):
            self._open_again(with_replace=action == "replace")
        elif action == "unselect":
            self.dismiss()
        elif action in ("undo", "redo") and self._has_replaced:
            return False  # it is what was replaced in the text that is to be undone
        else:
            return self.take(event, action)
        return True

    def edited(self, field: Field) -> None:
        self._has_replaced = False
        if field is self._query_field:
            self.on_query()

    def activate(self, field: Field) -> None:
        self._active = field

    # -- what the keys do

    def _toggle(self, toggle: _Toggle) -> None:
        self._on ^= {toggle}
        self.on_query()
        self.show_again()

    def _enter(self, *, back: bool) -> None:
        if self._active is self._replacement_field and not back:
            self._replace()
        else:
            self._step(back=back)

    def _step(self, *, back: bool) -> None:
        self._query_field.remember()
        self.on_step(back)

    def _replace(self) -> None:
        self._remember()
        self.on_replace()

    def _replace_all(self) -> None:
        self._remember()
        self.on_replace_all()

    def _remember(self) -> None:
        self._has_replaced = True
        self._query_field.remember()
        self._replacement_field.remember()

    def _switch(self) -> None:
        """Go to the other field; all of it is selected, as where Tab leads anywhere."""
        if self._has_replace:
            is_query = self._active is self._query_field
            self._active = self._replacement_field if is_query else self._query_field
            self._active.select_all()
            self.show_again()

    def _open_again(self, *, with_replace: bool) -> None:
        """Select the query; or add the row to replace and go there, once there is a query."""
        if with_replace:
            self._set_replace(True)
        to_replacement = with_replace and self._query_field.text
        self._active = self._replacement_field if to_replacement else self._query_field
        self._active.select_all()
        self.show_again()

    def _set_replace(self, has_replace: bool) -> None:
        self._has_replace = has_replace
        self.styles.height = 2 if has_replace else 1

    # -- drawing

    def render_line(self, y: int) -> Strip:
        if y:
            return self._replace_row(y)
        label = self._label("Find")
        message = self._message(self.size.width - cell_len(label.text))
        room = self.size.width - cell_len(label.text) - parts_cells(message)
        toggles, hint = self._toggles(room)
        return self.row(
            y,
            self._query_field,
            [label],
            [*toggles, *message],
            placeholder=hint,
            is_bad=bool(self._error),
        )

    def _label(self, word: str) -> Part:
        ink = self.palette.panel_title
        return Part(f" {word.ljust(len('Replace') if self._has_replace else len('Find'))} ", ink)

    def _message(self, room: int) -> list[Part]:
        """Return the count, or the error, that leaves some of `room` to the field."""
        if self._error:
            words = cropped(self._error, room - _FIELD_SIGNS - 2, is_ascii=self._is_ascii)
            return [Part(f" {words} ", self.palette.field_bad)]
        cells = _COUNT_CELLS if self.size.width >= _NARROW else _COUNT_CELLS_NARROW
        words = cropped(self._count.rjust(cells), room - _FIELD_SIGNS - 2, is_ascii=self._is_ascii)
        return [Part(f" {words} ", self.palette.panel)]

    def _toggles(self, room: int) -> tuple[list[Part], str]:
        """Return the toggles as `room` beside the field allows, and what an empty field says about them."""
        hint = (", " if self._is_ascii else " · ").join(
            f"{shown_key(toggle.key)} {toggle.title}" for toggle in (_CASE, _WORD, _REGEX)
        )
        for parts, least in (
            (self._signs("[{}]", with_keys=True), _FIELD_KEYS),
            (self._signs("[{}]"), _FIELD_BRACKETS),
            (self._signs("{}"), _FIELD_SIGNS),
        ):
            left = room - parts_cells(parts)
            if left >= least:
                return parts, hint if least == _FIELD_BRACKETS and cell_len(hint) <= left else ""
        return [], ""

    def _signs(self, form: str, *, with_keys: bool = False) -> list[Part]:
        palette = self.palette
        parts: list[Part] = []
        for toggle in _TOGGLES.values():
            ink = palette.panel_choice if toggle in self._on else palette.panel_muted
            parts += [Part(" ", palette.panel), Part(form.format(toggle.sign), ink, _toggling(self, toggle))]
            if with_keys:
                parts.append(Part(f" {shown_key(toggle.key)}", palette.panel_key))
        return parts

    def _replace_row(self, y: int) -> Strip:
        palette = self.palette
        label = self._label("Replace")
        for this, all_ in ((" Enter", f" {shown_key(_ALL_KEYS[0])}"), ("", "")):
            behind = [
                Part(" ", palette.panel),
                Part("[This]", palette.panel_title, self._replace),
                Part(this, palette.panel_key),
                Part("  " if this else " ", palette.panel),
                Part("[All]", palette.panel_title, self._replace_all),
                Part(f"{all_} ", palette.panel_key),
            ]
            if self.size.width - cell_len(label.text) - parts_cells(behind) >= _FIELD_BRACKETS:
                break
        return self.row(y, self._replacement_field, [label], behind)


def _toggling(bar: FindBar, toggle: _Toggle) -> Callable[[], None]:
    return lambda: bar._toggle(toggle)
