"""Which rows and cells of the text are on the screen, and what makes that change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_ASIDE: Final = 4
"""A caret that leaves at the side comes back a quarter of the width inside."""


class View:
    """The window over the text: `top` row and `left` cell, `height` rows and `width` cells of text."""

    def __init__(self) -> None:
        self.top = 0
        self.left = 0
        self.height = 0
        self.width = 0
        self._top_line = ""

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = max(1, width), max(1, height)

    def reveal(self, row: int, cell: int) -> bool:
        """Scroll as little as it takes to show `row` and `cell`; returns whether that moved anything."""
        top = min(max(self.top, row - self.height + 1), row)
        left = self.left
        if cell < left:
            left = max(0, cell - self.width // _ASIDE)
        elif cell >= left + self.width:
            left = cell - self.width + max(1, self.width // _ASIDE)
        return self._go(top, left)

    def scroll(self, rows: int, row_count: int) -> bool:
        """Scroll by `rows`, within the text; returns whether that moved anything."""
        return self._go(max(0, min(self.top + rows, self._last_top(row_count))), self.left)

    def remember_top(self, line: str) -> None:
        """Note the text of the top row, by which it is known again when others edit around it."""
        self._top_line = line

    def follow_edit(
        self, first: int, old_last: int, new_last: int, row_count: int, line: Callable[[int], str]
    ) -> bool:
        """Keep what is on the screen where it is: rows [first, old_last] became [first, new_last].

        Returns whether `top` moved with the text.
        """
        if old_last < self.top:
            top = self.top + new_last - old_last
        elif first <= self.top:
            rows = range(first, new_last + 1)
            same = [row for row in rows if line(row) == self._top_line]
            below = self.top + new_last - old_last
            top = min(same, key=lambda row: abs(row - below)) if same else min(self.top, new_last)
        else:
            top = self.top
        return self._go(max(0, min(top, self._last_top(row_count))), self.left)

    def _last_top(self, row_count: int) -> int:
        return max(0, row_count - self.height)

    def _go(self, top: int, left: int) -> bool:
        moved = (top, left) != (self.top, self.left)
        self.top, self.left = top, left
        return moved
