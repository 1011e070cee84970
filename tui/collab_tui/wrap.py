"""Soft wrap: each row of the text stands on one or more visual rows, its segments.

A segment ends behind the last blank that has room, or beside a wide (CJK) character, else at the cluster
that has none. Blanks that find no room hang: they end the segment that they follow, and none begins with
one. The indent of a line is not parted from what it indents. Cells count from the line's start, so tabs
are as wide as without wrap.

    row 7   `the quick brown `     visual row 9    segment 0
            `fox`                             10   segment 1
    row 8   `jumps`                           11   segment 0

Visual rows are counted as rows are in `collab_client.lines`: in blocks, with running totals that are right
up to a mark. A block that nobody measured counts by an estimate.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from math import inf
from typing import Final, NamedTuple

from collab_client.lines import Lines
from collab_tui.cells import CLUSTER_CELLS, WIDE, Layout, Layouts, is_cells, is_narrow, shared_ends

_BLOCK_ROWS: Final = 256
_BLOCK_MOST: Final = 2 * _BLOCK_ROWS
_BLOCK_LEAST: Final = _BLOCK_ROWS // 4

_WRAPPED_MOST: Final = 256
"""Rows whose segments are remembered; more than a screen has."""

_LONG: Final = 4096
"""Columns of a line from which on an edit wraps only what it changed."""

_TRIED_MOST: Final = 100
"""Segments after an edit in which new and old ones may meet by themselves; some 3 ms."""

_BLANKS: Final = re.compile("[ \t]*")

_NOT_FIRST: Final = frozenset("、。，．：；！？）」』】〕〉》’”,.:;!?)]}%")
_NOT_LAST: Final = frozenset("（「『【〔〈《‘“([{")
"""Punctuation that stays with the wide character before or behind it (UAX #14: CL, EX, IS; OP)."""


@cache
def _break() -> re.Pattern[str]:
    """Compile what finds the last place behind a blank or beside a wide character."""
    return re.compile(f".*(?:[ \t{WIDE}](?=.)|.(?=[{WIDE}]))", re.DOTALL)


class _Wrapped(NamedTuple):
    """A line that was wrapped, and where its segments begin."""

    line: str
    starts: Sequence[int]
    is_forced: bool = False
    """Not as wrapping afresh would have it, so it must not be forgotten while its height counts."""


class _Block:
    """Some rows in a row; `height` is the sum of `heights`, or an estimate while there are none."""

    __slots__ = ("height", "heights", "rows")

    def __init__(self, rows: int, height: int, heights: list[int] | None = None) -> None:
        self.rows = rows
        self.height = height
        self.heights = heights


class WrapIndex:
    """Knows the segments of every row of `lines` at one width."""

    def __init__(self, lines: Lines, width: int | None, layouts: Layouts | None = None) -> None:
        """`width` is in cells; None does not wrap. `layouts` may be shared with who draws the lines."""
        self._lines = lines
        self._layouts = Layouts() if layouts is None else layouts
        self._width: int | None = None
        self._wrapped: dict[int, _Wrapped] = {}
        self._blocks: list[_Block] = []
        self._rows = [0]  # rows before block i
        self._heights = [0]  # visual rows before block i
        self._measured = 0  # all blocks before this one are measured,
        self._part: list[int] = []  # and this much of it
        self.resize(width)

    @property
    def width(self) -> int | None:
        """Cells of a segment, or None without wrap."""
        return self._width

    @property
    def row_count(self) -> int:
        """How many rows the text has."""
        return self._lines.row_count

    def resize(self, width: int | None) -> None:
        """Wrap at `width` cells, or at those of the widest cluster; what was measured is forgotten."""
        width = None if width is None else max(self._widest, width)
        if width == self._width:
            return
        self._width = width
        self._wrapped.clear()
        self._blocks = [] if width is None else list(_blocks(self._lines.row_count))
        self._rows, self._heights, self._measured, self._part = [0], [0], 0, []

    def splice(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Take note that rows [first, old last] became [first, new last]; `lines` has the new text.

        Costs O(changed rows) and one block, or less: very many rows are measured later.
        """
        if self._width is None:
            return
        index, within = self._find(first_row)
        block = self._blocks[index]
        if first_row == old_last_row == new_last_row:
            heights = self._part if block.heights is None and index == self._measured else block.heights
            if heights is not None and within < len(heights):
                height = len(self.starts(first_row))
                block.height += height - heights[within]
                heights[within] = height
                del self._heights[index + 1 :]
            return
        self._shift_wrapped(first_row, old_last_row, new_last_row)
        last_index, last_within = self._find(old_last_row)
        last = self._blocks[last_index]
        changed = new_last_row + 1 - first_row
        rows = within + changed + last.rows - last_within - 1
        heights = None
        if block.heights is not None and last.heights is not None and changed <= _BLOCK_MOST:
            heights = block.heights[:within]
            heights += [len(self.starts(row)) for row in range(first_row, new_last_row + 1)]
            heights += last.heights[last_within + 1 :]
        self._put(index, last_index + 1, rows, heights)

    def starts(self, row: int) -> Sequence[int]:
        """Return the columns at which the segments of `row` begin, the first of them 0."""
        width = self._width
        line = self._lines.line(row)
        if width is None or self._fits(line, width):
            return (0,)
        before = self._wrapped.get(row)
        if before is not None and before.line is line:
            return before.starts
        if before is None and len(self._wrapped) >= _WRAPPED_MOST:
            oldest = next((old for old, wrapped in self._wrapped.items() if not wrapped.is_forced), None)
            if oldest is not None:
                del self._wrapped[oldest]
        starts: Sequence[int]
        is_forced = False
        if is_narrow(line):
            starts = _narrow_starts(line, width)
        elif before is None or len(line) < _LONG:
            starts = [0, *_segments(self._layouts.of(line), width, 0)]
        else:
            starts, is_forced = _starts_like(before, self._layouts.of(line), width, self._layouts)
        self._wrapped[row] = _Wrapped(line, starts, is_forced)
        return starts

    def height(self, row: int) -> int:
        """Return how many segments `row` has."""
        if self._width is None:
            return 1
        index, within = self._find(row)
        heights = self._blocks[index].heights
        return len(self.starts(row)) if heights is None else heights[within]

    def segment_of(self, row: int, column: int) -> int:
        """Return the segment that a caret at `column` stands in: between two, the later one."""
        return bisect_right(self.starts(row), column) - 1

    def bounds(self, row: int, segment: int) -> tuple[int, int]:
        """Return the columns at which a segment begins and ends."""
        starts = self.starts(row)
        is_last = segment + 1 == len(starts)
        return starts[segment], len(self._lines.line(row)) if is_last else starts[segment + 1]

    @property
    def total(self) -> int:
        """How many visual rows there are, as far as is known."""
        if self._width is None:
            return self._lines.row_count
        self._total_heights()
        return self._heights[-1]

    def visual_row(self, row: int) -> int:
        """Return the visual row of segment 0 of `row`; of what is not measured before it, an estimate."""
        if self._width is None:
            return row
        index, within = self._find(row)
        heights = self._measure(index)
        self._total_heights()
        return self._heights[index] + sum(heights[:within])

    def at(self, visual_row: int) -> tuple[int, int]:
        """Return the row and segment at `visual_row`, the first or last beyond the text; see `visual_row`."""
        last = self._lines.row_count - 1
        if self._width is None:
            return max(0, min(visual_row, last)), 0
        visual_row = max(0, visual_row)
        while visual_row < self.total:
            index = bisect_right(self._heights, visual_row) - 1
            if self._blocks[index].heights is None:
                self._measure(index)  # and look again: it may be higher than it seemed, or lower
                continue
            ends = list(accumulate(self._measure(index)))
            rest = visual_row - self._heights[index]
            within = bisect_right(ends, rest)
            self._total_rows()
            return self._rows[index] + within, rest - (ends[within - 1] if within else 0)
        return last, self.height(last) - 1

    def measure_some(self, rows: int) -> bool:
        """Measure about `rows` rows that were not yet; return whether all are measured.

        Costs 2 us a row of a hundred ASCII characters. Of other text, a row counts for as many as it costs.
        """
        left: float = rows
        while self._measured < len(self._blocks):
            left = self._measure_on(self._measured, self._part, left)
            if self._blocks[self._measured].heights is None:
                self._estimate()
                return False
            self._measured, self._part = self._measured + 1, []
        return True

    def walk(self, row: int, segment: int, delta: int) -> tuple[int, int]:
        """Return what is `delta` visual rows below (row, segment), or above: exact, and within the text."""
        if self._width is None:
            return max(0, min(row + delta, self._lines.row_count - 1)), 0
        segment += delta
        while segment < 0 and row > 0:
            row -= 1
            segment += self.height(row)
        while segment >= (height := self.height(row)):
            if row + 1 == self._lines.row_count:
                return row, height - 1
            row += 1
            segment -= height
        return row, max(0, segment)

    def _shift_wrapped(self, first: int, old_last: int, new_last: int) -> None:
        shift = new_last - old_last
        self._wrapped = {
            row + (shift if row > old_last else 0): wrapped
            for row, wrapped in self._wrapped.items()
            if row <= first or row > old_last
        }

    def _put(self, first: int, behind: int, rows: int, heights: list[int] | None) -> None:
        """Put `rows` rows in the place of blocks `first` to before `behind`."""
        if rows < _BLOCK_LEAST and len(self._blocks) > behind - first:  # or deleting would leave crumbs
            is_last = behind == len(self._blocks)
            neighbour = self._blocks[first - 1 if is_last else behind]
            rows += neighbour.rows
            if heights is None or neighbour.heights is None:
                heights = None
            else:
                heights = neighbour.heights + heights if is_last else heights + neighbour.heights
            first, behind = (first - 1, behind) if is_last else (first, behind + 1)
        self._blocks[first:behind] = _blocks(rows, heights)
        del self._rows[first + 1 :]
        del self._heights[first + 1 :]
        if first <= self._measured:
            self._measured, self._part = first, []

    def _find(self, row: int) -> tuple[int, int]:
        """Return the block that holds `row`, and which of its rows it is."""
        if row >= self._rows[-1]:
            self._total_rows()
        if not 0 <= row < self._rows[-1]:
            raise IndexError(f"no row {row} in a text of {self._rows[-1]} rows")
        index = bisect_right(self._rows, row) - 1
        return index, row - self._rows[index]

    def _total_rows(self) -> None:
        known = len(self._rows) - 1
        if known < len(self._blocks):
            rest = [block.rows for block in self._blocks[known:]]
            self._rows[known:] = accumulate(rest, initial=self._rows[known])

    def _total_heights(self) -> None:
        known = len(self._heights) - 1
        if known < len(self._blocks):
            rest = [block.height for block in self._blocks[known:]]
            self._heights[known:] = accumulate(rest, initial=self._heights[known])

    def _measure(self, index: int) -> list[int]:
        """Return the heights of the rows of a block."""
        self._measure_on(index, [], inf)
        return self._blocks[index].heights or []

    def _measure_on(self, index: int, heights: list[int], rows: float) -> float:
        """Add to the first `heights` of a block for about `rows` rows; return what is left of `rows`."""
        block, line, width = self._blocks[index], self._lines.line, self._width
        if block.heights is not None or width is None:
            return rows
        self._total_rows()
        first = self._rows[index]
        while rows > 0 and len(heights) < block.rows:
            row = first + len(heights)
            text, wrapped = line(row), self._wrapped.get(row)
            is_known = wrapped is not None and wrapped.line is text
            heights.append(
                len(wrapped.starts) if wrapped is not None and is_known else self._height(text, width)
            )
            rows -= 1 + (len(text) >> 8 if text.isascii() else len(text) >> 2)
        if len(heights) == block.rows:
            block.height, block.heights = sum(heights), heights
            del self._heights[index + 1 :]
        return rows

    def _fits(self, line: str, width: int) -> bool:
        """Whether `line` surely has room in one segment."""
        return len(line) <= width and (is_cells(line) or self._widest * len(line) <= width)

    def _height(self, line: str, width: int) -> int:
        if self._fits(line, width):
            return 1
        if is_narrow(line):
            return len(_narrow_starts(line, width))
        layout = Layout(line, tab_cells=self._layouts.tab_cells)
        return 1 + sum(1 for _ in _segments(layout, width, 0))

    @property
    def _widest(self) -> int:
        """Cells of one cluster at most."""
        return max(CLUSTER_CELLS, self._layouts.tab_cells)

    def _estimate(self) -> None:
        """Count what is not measured by the mean of what is."""
        measured = [block for block in self._blocks if block.heights is not None]
        if not measured:
            return
        mean = sum(block.height for block in measured) / sum(block.rows for block in measured)
        for block in self._blocks:
            if block.heights is None:
                block.height = round(block.rows * mean)
        del self._heights[1:]


def _blocks(rows: int, heights: list[int] | None = None) -> Iterator[_Block]:
    size = rows if rows <= _BLOCK_MOST else _BLOCK_ROWS
    for at in range(0, rows, size):
        part = None if heights is None else heights[at : at + size]
        count = min(size, rows - at)
        yield _Block(count, count if part is None else sum(part), part)


def _narrow_starts(line: str, width: int) -> Sequence[int]:
    """Return where the segments begin of a line whose columns are cells. Costs 4 ms for a million."""
    size = len(line)
    if " " not in line:
        return range(0, max(1, size), width)
    starts = [0]
    low = _end_of_blanks(line, 0) if line[0] == " " else 0
    fit = width
    while fit < size:
        start = _end_of_blanks(line, fit) if line[fit] == " " else line.rfind(" ", low, fit) + 1 or fit
        if start == size:
            break
        starts.append(start)
        low, fit = start, start + width
    return starts


def _starts_like(before: _Wrapped, layout: Layout, width: int, layouts: Layouts) -> tuple[list[int], bool]:
    """Return where the segments begin, from where they did in a line that was mostly the same.

    The old ones are taken on where an old and a new one meet. Where none do for long, as in a line without
    blanks, a short segment makes them meet: then True is returned, too.
    """
    line, old = layout.line, before.starts
    same_before, same_behind = shared_ends(before.line, line)
    shift = len(line) - len(before.line)
    has_tabs = "\t" in line
    # What decides where a segment ends lies at most a segment's width behind it.
    starts = list(old[: max(1, bisect_right(old, same_before) - 3)])
    for tried, start in enumerate(_segments(layout, width, starts[-1])):
        index = bisect_left(old, start - shift, lo=1)
        if start >= len(line) - same_behind and index < len(old) and old[index] == start - shift:
            moved = layout.cell_at(start) - layouts.cell_at(before.line, start - shift)
            if not has_tabs or moved % layouts.tab_cells == 0:
                return starts + [column + shift for column in old[index:]], before.is_forced
        starts.append(start)
        if tried >= _TRIED_MOST and start >= len(line) - same_behind:
            index = bisect_right(old, start - shift)
            there = old[index] + shift if index < len(old) else len(line)
            moved = layout.cell_at(there) - layouts.cell_at(before.line, there - shift)
            has_room = layout.cell_at(there) - layout.cell_at(start) <= width
            if index < len(old) and has_room and (not has_tabs or moved % layouts.tab_cells == 0):
                return starts + [column + shift for column in old[index:]], True
    return starts, before.is_forced


def _segments(layout: Layout, width: int, start: int) -> Iterator[int]:
    """Yield where the segments behind the one from `start` begin. Costs 5 us each, beside the layout."""
    size = len(layout.line)
    low = max(start, _end_of_blanks(layout.line, 0))
    while (fit := layout.cut_at(layout.cell_at(start) + width)) < size:
        start = low = _cut(layout, low, fit)
        if start == size:
            return
        yield start


def _cut(layout: Layout, low: int, fit: int) -> int:
    """Return where the segment ends that has room up to column `fit`, and may be broken behind `low`."""
    line = layout.line
    if line[fit] in " \t":
        end = _end_of_blanks(line, fit)
        if not layout.is_edge(end):  # the last blank carries a mark
            end -= 1
        if end > fit:
            return end
    limit = fit + 1
    while match := _break().match(line, low, limit):
        cut = match.end()
        behind, ahead = line[cut - 1], line[cut]
        is_break = behind in " \t" or (behind not in _NOT_LAST and ahead not in _NOT_FIRST)
        if is_break and (ahead.isascii() or layout.is_edge(cut)):
            return cut
        limit = cut
    return fit


def _end_of_blanks(line: str, start: int) -> int:
    match = _BLANKS.match(line, start)
    return start if match is None else match.end()
