"""Which part of the text is on the screen, visual row by visual row, and what makes that change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from collab_client.clusters import previous_boundary
from collab_client.lines import START, Lines, Position
from collab_tui.cells import Layouts, shared_ends
from collab_tui.folding import FoldedRows, Folds
from collab_tui.visual_row import VisualRow
from collab_tui.wrap import WrapIndex

_ASIDE: Final = 4
"""A caret that leaves at the side comes back a quarter of the width inside."""


class View:
    """The window over the text: `height` visual rows from `top` on, `width` cells of each from `left` on.

    `top` is a row of the text and which of its visual rows. Without wrap `left` scrolls; with it, it is 0.
    """

    def __init__(self, lines: Lines, layouts: Layouts, *, is_wrapped: bool) -> None:
        self.top = (0, 0)
        self.left = 0
        self.height = 1
        self.width = 1
        self.is_wrapped = is_wrapped
        self._lines = lines
        self._layouts = layouts
        self.folds = Folds()
        self.wrap = FoldedRows(WrapIndex(lines, None, layouts), self.folds)
        self._top_line = ""
        self._top_column = 0
        self._goals: dict[Position, int] = {}  # cells in which moves by rows began, by where carets are now
        self._rows: list[VisualRow] = []
        self._rows_of: tuple[object, ...] | None = None  # for what top and size these are
        self._changed: set[int] = set()  # rows whose text is another since then

    # -- size

    def resize(self, width: int, height: int) -> None:
        """Fit to the screen; what stood in the first row stays there."""
        width, height = max(1, width), max(1, height)
        if width != self.width:
            self.width = width
            self._wrap_again()
        self.height = height
        self._go(self.top, self.left)

    def set_wrap(self, is_wrapped: bool) -> None:
        """Wrap long lines, or not."""
        if is_wrapped != self.is_wrapped:
            self.is_wrapped = is_wrapped
            self.left = 0
            self._wrap_again()

    def layout_again(self) -> None:
        """Wrap afresh: tabs are as wide as they were not before."""
        self._wrap_again(is_new=True)
        self._rows_of = None

    def _wrap_again(self, *, is_new: bool = False) -> None:
        row, index = self.top
        at = self.wrap.bounds(row, index)[0] if row < self._lines.row_count else 0
        if is_new:
            self.wrap.resize(None)  # so that at the same width, too, nothing is taken to be known
        self.wrap.resize(self.width if self.is_wrapped else None)
        self.top = (row, self.wrap.segment_of(row, at)) if row < self._lines.row_count else (0, 0)
        self._goals.clear()

    # -- what is seen

    def splice(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Take note that rows [first, old last] became [first, new last]."""
        self.wrap.splice(first_row, old_last_row, new_last_row)
        if first_row == old_last_row == new_last_row:
            self._changed.add(first_row)
        else:
            self._rows_of = None

    def rows(self) -> list[VisualRow]:
        """Return the visual rows on the screen, from the first to the last; fewer where the text ends."""
        key = (self.top, self.height, self.wrap.width, self.folds.version)
        if self._rows_of != key or not all(map(self._update_row, self._changed)):
            self._rows_of = key
            self._rows = self._rows_from(*self.top, self.height)
        self._changed.clear()
        return self._rows.copy()

    def _rows_from(self, row: int, index: int, height: int) -> list[VisualRow]:
        found: list[VisualRow] = []
        count = self._lines.row_count
        while len(found) < height and row < count:
            line = self._lines.line(row)
            starts = self.wrap.starts(row)
            for at in range(index, min(len(starts), index + height - len(found))):
                found.append(self._visual_row(row, line, starts, at))
            row, index = self.folds.next_shown(row), 0
        return found

    def _update_row(self, row: int) -> bool:
        """Make the visual rows of a row anew that changed; False when there are not as many as before."""
        was = [y for y, shown in enumerate(self._rows) if shown.row == row]
        if not was:
            return True
        index = self.top[1] if row == self.top[0] else 0
        is_cut = was[-1] + 1 == self.height
        now = self._rows_from(row, index, len(was) + (not is_cut))
        if (
            len(now) < len(was)
            or now[len(was) - 1].row != row
            or (len(now) > len(was) and now[-1].row == row)
        ):
            return False
        self._rows[was[0] : was[-1] + 1] = now[: len(was)]
        return True

    def _visual_row(self, row: int, line: str, starts: Sequence[int], index: int) -> VisualRow:
        start = starts[index]
        is_last = index + 1 == len(starts)
        return VisualRow(
            row=row,
            line=line,
            start=start,
            end=len(line) if is_last else starts[index + 1],
            cell=self._layouts.cell_at(line, start) if start else 0,
            is_last=is_last,
            folded=self.folds.hidden_behind(row) if is_last else 0,
        )

    def row_at(self, position: Position) -> VisualRow:
        """Return the visual row that holds a caret at `position`."""
        line = self._lines.line(position.row)
        starts = self.wrap.starts(position.row)
        return self._visual_row(
            position.row, line, starts, self.wrap.segment_of(position.row, position.column)
        )

    # -- scrolling

    def reveal(self, position: Position, *, centre: bool = False) -> bool:
        """Scroll as little as it takes to show `position`; returns whether that moved anything.

        With `centre`, what was out of sight comes to stand in the middle. A fold that hides it is opened.
        """
        row = position.row
        self.folds.open_at(row)
        here = (row, self.wrap.segment_of(row, position.column))
        top = self.top
        if here < top:
            top = self.wrap.walk(*here, -(self.height // 2)) if centre else here
        elif (row - top[0] >= self.height and not self.folds) or here > self.wrap.walk(*top, self.height - 1):
            top = self.wrap.walk(*here, -(self.height // 2 if centre else self.height - 1))
        left = self.left
        if not self.is_wrapped:
            cell = self._layouts.cell_at(self._lines.line(row), position.column)
            if cell < left:
                left = max(0, cell - self.width // _ASIDE)
            elif cell >= left + self.width:
                left = cell - self.width + max(1, self.width // _ASIDE)
        return self._go(top, left)

    def scroll(self, rows: int) -> bool:
        """Scroll by visual rows, within the text; returns whether that moved anything."""
        return self._go(self.wrap.walk(*self.top, rows), self.left)

    def scroll_to(self, visual_row: int) -> bool:
        """Scroll so that this visual row of the text is the first one, or near to it."""
        return self._go(self.wrap.at(max(0, min(visual_row, self.wrap.total - 1))), self.left)

    def show_from(self, place: Position) -> bool:
        """Scroll so that the visual row that holds `place` is the first one, or near to it."""
        row, column = self._lines.clamp(place)
        return self._go((row, self.wrap.segment_of(row, column)), self.left)

    def settle(self) -> None:
        """Stay within a text that may have become shorter."""
        self._go(self.top, self.left)

    def remember_top(self) -> None:
        """Note what stands in the top row, by which it is known again when others edit around it."""
        row, index = self.top
        if row < self._lines.row_count:
            self._top_line, self._top_column = self._lines.line(row), self.wrap.bounds(row, index)[0]

    def follow_edit(self, first: int, old_last: int, new_last: int) -> None:
        """Keep what is on the screen where it is: rows [first, old_last] became [first, new_last]."""
        row, index = self.top
        line = self._lines.line
        if old_last < row:
            row += new_last - old_last
        elif first <= row:
            below = row + new_last - old_last
            same = [at for at in range(first, new_last + 1) if line(at) == self._top_line]
            if not same and first == old_last == new_last:
                index = self.wrap.segment_of(row, self._column_now(line(row)))
            row = min(same, key=lambda at: abs(at - below)) if same else min(row, new_last)
        self._go((row, index), self.left)

    def _column_now(self, line: str) -> int:
        """Return where in `line`, which was the top line, the text stands with which the screen began."""
        before, _ = shared_ends(self._top_line, line)
        column = self._top_column
        return column if before >= column else max(before, column + len(line) - len(self._top_line))

    def _go(self, top: tuple[int, int], left: int) -> bool:
        count = self._lines.row_count
        row = self.folds.header(max(0, min(top[0], count - 1)))
        index = min(top[1], self.wrap.height(row) - 1) if top[1] else 0
        top = row, index
        if self.folds or row + self.height > count:  # else there are rows enough below
            last = self.folds.header(count - 1)
            top = min(top, self.wrap.walk(last, self.wrap.height(last) - 1, 1 - self.height))
        moved = (top, left) != (self.top, self.left)
        self.top, self.left = top, left
        return moved

    # -- places

    def place(self, x: int, y: int) -> Position:
        """Return the position nearest to cell `x` of visual row `y` of the screen."""
        row, index = self.wrap.walk(*self.top, max(0, min(y, self.height - 1)))
        return self._at(row, index, max(0, x) + self.left)

    def vertical(self, heads: Iterable[Position], delta: int) -> dict[Position, Position]:
        """Return where carets at `heads` come to by `delta` visual rows, each in the cell where it began.

        From the first row up that is the text's start, from the last one down its end.
        """
        places: dict[Position, Position] = {}
        goals: dict[Position, int] = {}
        for head in heads:
            places[head], goal = self._vertical(head, delta)
            goals.setdefault(places[head], goal)
        self._goals = goals
        return places

    def _vertical(self, head: Position, delta: int) -> tuple[Position, int]:
        shown = self.row_at(head)
        goal = self._goals.get(head)
        if goal is None:
            goal = self._layouts.cell_at(shown.line, head.column) - shown.cell
        index = self.wrap.segment_of(head.row, head.column)
        row, index_there = self.wrap.walk(head.row, index, delta)
        if (row, index_there) == (head.row, index) and delta:
            last = self.folds.header(self._lines.row_count - 1)
            place = START if delta < 0 else Position(last, len(self._lines.line(last)))
        else:
            place = self._at(row, index_there, goal)
        return place, goal

    def _at(self, row: int, index: int, cell: int) -> Position:
        """Return the position nearest to `cell` of a visual row."""
        line = self._lines.line(row)
        shown = self._visual_row(row, line, self.wrap.starts(row), index)
        column = max(shown.start, self._layouts.column_at(line, shown.cell + cell))
        if not shown.is_last and column >= shown.end:  # there, it would stand in the next visual row
            column = previous_boundary(line, shown.end)
        return Position(row, min(column, shown.end))
