"""Folds: rows that one person has put out of sight, behind the row that they begin with.

    rows    0  1  2  3  4  5          a fold (1, 4): row 1 is shown, 2 to 4 are not
    shown   0  1           5

They are this window's alone. Edits shift them; one that makes rows of the first one, or goes across an end,
opens the fold.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from collab_tui.wrap import WrapIndex

_FOLDS_MOST: Final = 10_000


class Fold(NamedTuple):
    """Rows `first` + 1 to `last` are hidden; `last` is greater than `first`."""

    first: int
    last: int


class Folds:
    """The folds of one text. One may lie in another, and stays folded when that one is opened."""

    def __init__(self) -> None:
        self._folds: list[Fold] = []
        self._changes: list[tuple[int, int, int]] = []  # that the folds have not been shifted through yet
        self._hidden: list[Fold] = []  # the outermost, joined where they meet
        self._firsts: list[int] = []
        self._version = 0

    def __bool__(self) -> bool:
        self._settle()
        return bool(self._folds)

    @property
    def version(self) -> int:
        """Another one when other rows are hidden."""
        self._settle()
        return self._version

    @property
    def hidden(self) -> Sequence[Fold]:
        """What is out of sight: in order, apart from each other."""
        self._settle()
        return self._hidden

    def add(self, folds: Iterable[Fold]) -> None:
        """Fold these, too; past 10,000 no more."""
        self._settle()
        known = set(self._folds)
        known.update(fold for fold in folds if fold.first < fold.last)
        self._set(sorted(known)[:_FOLDS_MOST])

    def open_at(self, row: int) -> bool:
        """Open what hides `row`; returns whether anything does."""
        if self.header(row) == row:
            return False
        self._set([fold for fold in self._folds if not fold.first < row <= fold.last])
        return True

    def unfold(self, row: int) -> bool:
        """Open the folds that begin with `row`; returns whether any does."""
        self._settle()
        kept = [fold for fold in self._folds if fold.first != row]
        if len(kept) == len(self._folds):
            return False
        self._set(kept)
        return True

    def clear(self) -> None:
        """Open all."""
        self._changes.clear()
        self._set([])

    def open_around(self, first_row: int, last_row: int) -> None:
        """Open the folds that have one of these rows, hidden or not."""
        self._settle()
        self._set([fold for fold in self._folds if fold.last < first_row or last_row < fold.first])

    def header(self, row: int) -> int:
        """Return the row that is shown for `row`: itself, or the one with which its fold begins."""
        self._settle()
        at = bisect_left(self._firsts, row) - 1
        return self._hidden[at].first if at >= 0 and row <= self._hidden[at].last else row

    def hidden_behind(self, row: int) -> int:
        """Return how many rows are hidden behind `row`, which is shown."""
        self._settle()
        at = bisect_right(self._firsts, row) - 1
        if at < 0 or self._firsts[at] != row:
            return 0
        return self._hidden[at].last - row

    def next_shown(self, row: int) -> int:
        """Return the row that is shown next behind `row`, which is shown; it may be past the text's end."""
        return row + self.hidden_behind(row) + 1

    def splice(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Take note that rows [first, old last] became [first, new last].

        Costs nothing until somebody asks: an edit may have a thousand such changes, from the text's end up.
        """
        if not self._folds or first_row == old_last_row == new_last_row:
            return
        if self._changes and old_last_row >= self._changes[-1][0]:
            self._settle()
        self._changes.append((first_row, old_last_row, new_last_row))

    def _settle(self) -> None:
        """Shift the folds through what has changed; one across whose header or end a change goes opens."""
        if not self._changes:
            return
        changes, self._changes = self._changes[::-1], []
        firsts = [first for first, _, _ in changes]
        lasts = [last for _, last, _ in changes]
        shifts = list(accumulate((new - old for _, old, new in changes), initial=0))
        kept = []
        for first, last in self._folds:
            above, touching = bisect_left(lasts, first), bisect_right(firsts, last)
            is_inside = above < touching and firsts[above] > first and lasts[touching - 1] <= last
            if is_inside or above == touching:
                fold = Fold(first + shifts[above], last + shifts[touching])
                if fold.first < fold.last:
                    kept.append(fold)
        self._set(kept)

    def _set(self, folds: list[Fold]) -> None:
        if folds == self._folds:
            return
        self._folds = folds
        self._hidden = []
        for first, last in folds:
            if self._hidden and first <= self._hidden[-1].last:
                self._hidden[-1] = Fold(self._hidden[-1].first, max(self._hidden[-1].last, last))
            else:
                self._hidden.append(Fold(first, last))
        self._firsts = [fold.first for fold in self._hidden]
        self._version += 1


class FoldedRows:
    """A `WrapIndex` of which the rows that `folds` hide take no visual rows."""

    def __init__(self, wrap: WrapIndex, folds: Folds) -> None:
        self._wrap = wrap
        self._folds = folds
        self._before = [0]  # visual rows hidden before each fold, and in all
        self._starts: list[int] = []  # the visual row behind each fold's first row, as it is seen
        self._of: tuple[int, int] | None = None  # for which folds, and how many visual rows without them
        self.starts = wrap.starts
        self.bounds = wrap.bounds
        self.segment_of = wrap.segment_of
        self.measure_some = wrap.measure_some

    @property
    def width(self) -> int | None:
        """Cells of a segment, or None without wrap."""
        return self._wrap.width

    def resize(self, width: int | None) -> None:
        """Wrap at `width`; see `WrapIndex.resize`."""
        self._of = None
        self._wrap.resize(width)

    def splice(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Take note that rows [first, old last] became [first, new last]; the folds, too."""
        if not first_row == old_last_row == new_last_row or self._folds.header(first_row) != first_row:
            self._of = None
        self._wrap.splice(first_row, old_last_row, new_last_row)
        self._folds.splice(first_row, old_last_row, new_last_row)

    def height(self, row: int) -> int:
        """Return how many visual rows `row` has; none when it is hidden."""
        return self._wrap.height(row) if self._folds.header(row) == row else 0

    @property
    def total(self) -> int:
        """How many visual rows there are, as far as is known."""
        hidden = self._hidden()[-1]
        return self._wrap.total - hidden

    def visual_row(self, row: int) -> int:
        """Return the visual row of segment 0 of `row`, or of the row that is shown for it."""
        row = self._folds.header(row)
        at = bisect_left(self._folds.hidden, row, key=lambda fold: fold.first)
        hidden = self._hidden()[at]
        return self._wrap.visual_row(row) - hidden

    def at(self, visual_row: int) -> tuple[int, int]:
        """Return the row and segment at `visual_row`, the first or last beyond the text."""
        hidden = self._hidden()
        return self._wrap.at(visual_row + hidden[bisect_right(self._starts, visual_row)])

    def walk(self, row: int, segment: int, delta: int) -> tuple[int, int]:
        """Return what is `delta` visual rows below (row, segment), or above: exact, and within the text."""
        folds, wrap = self._folds, self._wrap
        if not folds:
            return wrap.walk(row, segment, delta)
        header = folds.header(row)
        if header != row:
            row, segment = header, wrap.height(header) - 1
        segment += delta
        while segment < 0 and row > 0:
            row = folds.header(row - 1)
            segment += wrap.height(row)
        last = folds.header(wrap.row_count - 1)
        while segment >= (height := wrap.height(row)):
            if row >= last:
                return row, height - 1
            row = folds.next_shown(row)
            segment -= height
        return row, max(0, segment)

    def _hidden(self) -> list[int]:
        """Return how many visual rows are hidden before each fold, and at last how many in all."""
        while self._of != (key := (self._folds.version, self._wrap.total)):
            sizes, starts, gone = [], [], 0
            for first, last in self._folds.hidden:
                start = self._wrap.visual_row(first) + self._wrap.height(first)
                end = self._wrap.visual_row(last) + self._wrap.height(last)
                starts.append(start - gone)
                sizes.append(end - start)
                gone += end - start
            self._starts, self._before, self._of = starts, list(accumulate(sizes, initial=0)), key
        return self._before  # what was measured for it may have changed the total: then it was done again
