"""What became of a text's lines since a moment, kept right with each change.

Lines are compared with those of that moment only at the edges of what has changed: a line that is what it
was counts no more, at the cost of two look-ups a change.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from collab_client.lines import Lines
from collab_client.stretches import Side, Stretch, Stretches


class LineDiff:
    """The stretches of `lines` that are not what they were when this was made; a snapshot of them is kept."""

    def __init__(self, lines: Lines) -> None:
        """Begin. Costs 0.5 ms for 100,000 lines."""
        self._lines = lines
        self._blocks = lines.blocks()
        self._starts = list(accumulate((len(block) for block in self._blocks), initial=0))
        self.stretches = Stretches(lines.row_count)

    def change(self, start: int, end: int, new_end: int, side: Side) -> None:
        """Note that `side` made of the rows from `start` to before `end` those to before `new_end`."""
        stretches = self.stretches
        whole = Stretch(start, end - start, end - start, side)
        before: list[Stretch] = []
        behind: list[Stretch] = []
        for stretch in stretches.take(start, end):
            if _overlaps(stretch, start, end):
                _include(whole, stretch)
            else:
                (before if stretch.end <= start else behind).append(stretch)
        whole.rows += new_end - end
        stretches.grow(new_end - end)
        for stretch in before:
            stretches.put(stretch)
        self._trim(whole)
        if (
            before
            and before[-1].end == whole.first
            and before[-1].side == whole.side
            and not whole.is_nothing
        ):
            stretches.take_back()
            before[-1].join(whole)
            whole = before[-1]
            self._trim(whole)
        for stretch in behind:
            stretch.first += new_end - end
        if behind and behind[0].first == whole.end and behind[0].side == whole.side and not whole.is_nothing:
            whole.join(behind.pop(0))
            self._trim(whole)
        for stretch in (whole, *behind):
            if not stretch.is_nothing:
                stretches.put(stretch)
        stretches.thin()

    def lines_of(self, stretch: Stretch) -> tuple[int, int]:
        """Return how many lines came and how many went; an empty text has none. Only for those iterated."""
        came, went = stretch.rows - stretch.alike, stretch.was - stretch.alike
        if came and self._lines.row_count == 1 and not self._lines.line(0):
            came -= 1
        if went and self._starts[-1] == 1 and not self._blocks[0][0]:
            went -= 1
        return came, went

    def _trim(self, stretch: Stretch) -> None:
        """Leave out what is as it was at either end of `stretch`, which is about to be put in."""
        was_first = stretch.first - self.stretches.growth
        line = self._lines.line
        while stretch.rows and stretch.was and self._line_was(was_first) == line(stretch.first):
            stretch.first += 1
            stretch.rows -= 1
            stretch.was -= 1
            was_first += 1
        while (
            stretch.rows
            and stretch.was
            and self._line_was(was_first + stretch.was - 1) == line(stretch.end - 1)
        ):
            stretch.rows -= 1
            stretch.was -= 1
        stretch.alike = min(stretch.alike, stretch.rows, stretch.was)

    def _line_was(self, row: int) -> str:
        index = bisect_right(self._starts, row) - 1
        return self._blocks[index][row - self._starts[index]]


def _overlaps(stretch: Stretch, start: int, end: int) -> bool:
    """Tell whether they have a row in common, or rows went right in the middle."""
    if stretch.rows:
        return stretch.first < end and stretch.end > start
    return start < stretch.first < end


def _include(whole: Stretch, stretch: Stretch) -> None:
    """Make `whole` reach over `stretch`, too; the rows that it had alone are as they were."""
    end = max(whole.end, stretch.end)
    whole.first = min(whole.first, stretch.first)
    shared = whole.rows + stretch.rows - (end - whole.first)
    whole.rows = end - whole.first
    whole.was += stretch.was - shared
    whole.alike += stretch.alike
    whole.side |= stretch.side
