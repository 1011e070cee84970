"""A visual row: the part of a line that stands in one row of the screen."""

from __future__ import annotations

from typing import NamedTuple


class VisualRow(NamedTuple):
    """Columns `start` to before `end` of `line`, which is row `row` of the text.

    `cell` is the cell of the line at which it begins; `is_last` says that the line ends here, and
    then `folded` rows are hidden behind it.
    """

    row: int
    line: str
    start: int
    end: int
    cell: int
    is_last: bool
    folded: int = 0

    @property
    def text(self) -> str:
        return self.line if self.is_whole else self.line[self.start : self.end]

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.is_last

    def hides(self, row: int) -> bool:
        """Whether `row` is hidden behind this one."""
        return self.row < row <= self.row + self.folded

    def holds(self, row: int, column: int) -> bool:
        """Whether a caret at this place stands in this visual row."""
        return row == self.row and self.start <= column and (column < self.end or self.is_last)
