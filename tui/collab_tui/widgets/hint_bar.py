"""The hint bar: a few actions that matter now, with their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from collab_tui.actions import ACTIONS, Keymap
from collab_tui.palette import Palette, Styles
from collab_tui.widgets.rows import RowsWidget

_WORDS: Final = {
    "commands": "Commands",
    "copy": "Copy",
    "find": "Find",
    "find_next": "Next",
    "find_previous": "Previous",
    "go_to_line": "Go to line",
    "replace": "Replace",
    "retry": "Try again",
    "save": "Saved?",
    "unselect": "Close",
}
"""Shorter than the title, or what the action does while the bar shows it."""

_GAP: Final = "  "


class HintBar(RowsWidget):
    """One row; what does not fit is left out from the right."""

    def __init__(self, palette: Palette, keymap: Keymap, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self._keymap = keymap
        more = "..." if is_ascii else "…"
        self._titles = {action.id: action.title.replace("…", more) for action in ACTIONS}
        self._styles = Styles()
        self._items: tuple[str, ...] = ()

    def show(self, items: Sequence[str]) -> None:
        """Show these actions, but for those that have no key."""
        if tuple(items) != self._items:
            self._items = tuple(items)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        hint = self._styles[self.palette.hint]
        key_style = self._styles[self.palette.hint_key.over(self.palette.hint)]
        segments: list[Segment] = []
        used = 0
        for item in self._items:
            key = self._keymap.shown(item)
            if not key:
                continue
            before = _GAP if segments else " "
            words = f" {_WORDS.get(item, self._titles[item])}"
            cells = cell_len(before + key + words)
            if used + cells > width:
                break
            segments += [Segment(before, hint), Segment(key, key_style), Segment(words, hint)]
            used += cells
        segments.append(Segment(" " * (width - used), hint))
        return Strip(segments, width)
