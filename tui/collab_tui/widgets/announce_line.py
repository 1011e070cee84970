"""A row that says in plain words what has happened last, for screen readers that watch a place."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from collab_tui.palette import Palette, Styles
from collab_tui.safe_text import safe_text
from collab_tui.widgets.field_widget import cropped
from collab_tui.widgets.rows import RowsWidget


class AnnounceLine(RowsWidget):
    """Shows the newest line; nothing is drawn when it is the one that stands there."""

    def __init__(self, palette: Palette, *, is_ascii: bool = False) -> None:
        super().__init__()
        self.palette = palette
        self._styles = Styles()
        self._is_ascii = is_ascii
        self._line = ""

    def show(self, line: str) -> None:
        """Show `line`."""
        line = safe_text(line, ascii_marks=self._is_ascii)
        if line != self._line:
            self._line = line
            self.touch_all()
            self.paint_within_frame()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        words = cropped(f" {self._line}", width, is_ascii=self._is_ascii)
        palette = self.palette
        # Where panels have no colour of their own, the row would look like one of the text.
        style = self._styles[palette.panel if palette.panel.bg != palette.text.bg else palette.panel_title]
        return Strip([Segment(words + " " * (width - cell_len(words)), style)], width)
