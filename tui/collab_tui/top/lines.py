"""One row of the screen before it is a strip: words with their inks, and what a click in it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from collab_tui.palette import Ink, Styles
from collab_tui.top.columns import Sort
from collab_tui.widgets.field_widget import cropped

_ASCII: Final = str.maketrans("…·–▾▴✓✗↑↓“”", '~--v^+x^v""')
"""Signs of one cell, so that widths stay."""


@dataclass(slots=True)
class Line:
    """Words from left to right over `base`, which fills the row."""

    base: Ink
    parts: list[tuple[str, Ink]] = field(default_factory=list)
    room: str | None = None
    """What a click chooses."""
    is_chosen: bool = False
    sorts: list[tuple[range, Sort]] = field(default_factory=list)
    """What a click sorts by, by cells."""

    @property
    def cells(self) -> int:
        """How much of the row is taken."""
        return sum(cell_len(text) for text, _ in self.parts)

    def put(self, text: str, ink: Ink | None = None) -> None:
        """Add words; their ink lies over the base."""
        self.parts.append((text, self.base if ink is None else ink.over(self.base)))

    def put_right(self, text: str, width: int, ink: Ink | None = None) -> None:
        """Add words that end at `width`, if there is room for them and a gap."""
        gap = width - self.cells - cell_len(text)
        if gap >= 2:
            self.put(" " * gap)
            self.put(text, ink)

    def strip(self, width: int, styles: Styles, *, is_ascii: bool) -> Strip:
        """Return it as `width` cells; what does not fit is cut, with a sign."""
        return Strip(list(self._segments(width, styles, is_ascii)), width)

    def _segments(self, width: int, styles: Styles, is_ascii: bool) -> Iterable[Segment]:
        left = width
        for text, ink in self.parts:
            words = cropped(text.translate(_ASCII) if is_ascii else text, left, is_ascii=is_ascii)
            if words:
                yield Segment(words, styles[ink])
                left -= cell_len(words)
        if left:
            yield Segment(" " * left, styles[self.base])
