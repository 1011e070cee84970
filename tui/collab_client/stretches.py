"""Stretches of rows in a text that is edited: in order, apart, and cheap to shift.

    before the gap: rows from the text's start │ behind the gap: rows from the text's end

The gap lies where the text was changed last. So a change shifts nothing: what lies before it stays where it
is, and what lies behind it keeps its distance from the end. Many changes in a row, as a Sync has them, move
the gap once through the text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import IntFlag
from itertools import pairwise
from typing import Final

MOST: Final = 2_000
"""With more stretches than these, neighbours are made one."""


class Side(IntFlag):
    """Who has changed a stretch."""

    MINE = 1
    THEIRS = 2
    BOTH = MINE | THEIRS


class Stretch:
    """Rows from `first` to before `end`, in the place of `was` rows that stood there.

    `alike` of them are among either: what stands between stretches that were made one.
    """

    __slots__ = ("alike", "first", "rows", "side", "was")

    def __init__(self, first: int, rows: int, was: int, side: Side, alike: int = 0) -> None:
        self.first = first
        self.rows = rows
        self.was = was
        self.side = side
        self.alike = alike

    @property
    def end(self) -> int:
        """The row behind it; `first` where rows only went."""
        return self.first + self.rows

    @property
    def is_nothing(self) -> bool:
        """Whether no lines came or went."""
        return not self.rows and not self.was

    def join(self, later: Stretch) -> None:
        """Reach to the end of `later`, and over what lies between."""
        between = max(0, later.first - self.end)
        shared = max(0, self.end - later.first)
        self.rows = max(self.end, later.end) - self.first
        self.was = max(0, self.was + between + later.was - shared)
        self.alike += between + later.alike
        self.side |= later.side


class Stretches:
    """See the module. What `take` hands out is no longer in it; `put` brings it back."""

    def __init__(self, row_count: int) -> None:
        """Begin without any, in a text of so many rows."""
        self._row_count = row_count
        self._before: list[Stretch] = []
        # From the last one to the one behind the gap; `first` counts from the text's end.
        self._behind: list[Stretch] = []
        self._growth = 0
        self._most = MOST

    def __len__(self) -> int:
        return len(self._before) + len(self._behind)

    def __iter__(self) -> Iterator[Stretch]:
        """All of them, in order; the gap then lies at the end."""
        while self._behind:
            self._to_before()
        return iter(self._before)

    @property
    def growth(self) -> int:
        """How many rows came by those before the gap, less those that went."""
        return self._growth

    def take(self, start: int, end: int) -> list[Stretch]:
        """Take out those that touch the rows from `start` to before `end`; the gap then lies there."""
        while self._behind and self._row_count - self._behind[-1].first <= end:
            self._to_before()
        while self._before and self._before[-1].first > end:
            self._to_behind()
        taken = []
        while self._before and self._before[-1].end >= start:
            stretch = self._before.pop()
            self._growth -= stretch.rows - stretch.was
            taken.append(stretch)
        taken.reverse()
        return taken

    def put(self, stretch: Stretch) -> None:
        """Put in one that comes behind all before the gap, and before all behind it."""
        self._before.append(stretch)
        self._growth += stretch.rows - stretch.was

    def take_back(self) -> None:
        """Take out the one before the gap, which whoever put it in still has."""
        last = self._before.pop()
        self._growth -= last.rows - last.was

    def grow(self, rows: int) -> None:
        """Note that the text got so many rows more, at the gap."""
        self._row_count += rows

    def between(self, start: int, end: int) -> list[tuple[int, Stretch]]:
        """Return those that touch the rows from `start` to before `end`, each with its first row."""
        found: list[tuple[int, Stretch]] = []
        for index in range(bisect_left(self._before, start, key=_end), len(self._before)):
            stretch = self._before[index]
            if stretch.first > end:
                return found
            found.append((stretch.first, stretch))
        last = bisect_right(self._behind, self._row_count - start, key=_distance_of_end) - 1
        for index in range(last, -1, -1):
            stretch = self._behind[index]
            first = self._row_count - stretch.first
            if first > end:
                break
            found.append((first, stretch))
        return found

    def shift(self, start: int, end: int, new_end: int) -> None:
        """Follow a change: the rows from `start` to before `end` now end before `new_end`.

        A stretch keeps what is left of its rows, and one row at least if it had any.
        """
        taken = self.take(start, end)
        self.grow(new_end - end)
        for stretch in taken:
            first, behind = stretch.first, stretch.end
            stretch.first = _shifted(
                first, start, end, new_end, most=new_end if behind == first else new_end - 1
            )
            if behind > first:
                moved = _shifted(behind, start, end, new_end, most=new_end)
                stretch.rows = max(1, moved - stretch.first)
            self.add(stretch)

    def add(self, stretch: Stretch) -> None:
        """Put in one that may reach into the one before the gap: they become one."""
        last = self._before[-1] if self._before else None
        if last is not None and (stretch.first < last.end or (stretch.first == last.first and not last.rows)):
            self._growth -= last.rows - last.was
            last.join(stretch)
            self._growth += last.rows - last.was
        else:
            self.put(stretch)

    def thin(self) -> None:
        """Make neighbours one, the nearest first, when there are too many: half of them stay, or so."""
        if len(self) <= self._most:
            return
        stretches = list(self)
        distances = sorted(later.first - one.end for one, later in pairwise(stretches))
        near = distances[len(distances) // 2]
        self._before.clear()
        self._growth = 0
        for stretch in stretches:
            last = self._before[-1] if self._before else None
            if last is not None and last.side == stretch.side and stretch.first - last.end <= near:
                last.join(stretch)
            else:
                self._before.append(stretch)
        self._growth = sum(stretch.rows - stretch.was for stretch in self._before)
        self._most = max(MOST, 2 * len(self._before))

    def _to_before(self) -> None:
        stretch = self._behind.pop()
        stretch.first = self._row_count - stretch.first
        self.put(stretch)

    def _to_behind(self) -> None:
        stretch = self._before.pop()
        self._growth -= stretch.rows - stretch.was
        stretch.first = self._row_count - stretch.first
        self._behind.append(stretch)


def _end(stretch: Stretch) -> int:
    return stretch.end


def _distance_of_end(stretch: Stretch) -> int:
    """How far the end of one behind the gap lies from the text's end."""
    return stretch.first - stretch.rows


def _shifted(row: int, start: int, end: int, new_end: int, *, most: int) -> int:
    if row <= start:
        return row
    if row >= end:
        return row + new_end - end
    return min(row, most)
