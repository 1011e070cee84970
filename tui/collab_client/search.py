"""Search in a text that is edited meanwhile: counted in slices, kept right by each change.

The rows are cut into chunks of about 128, each with what was found in it and how many of its rows were
searched. `run` works from the first chunk to the last; looking for the next match searches chunks on its
way; a change of few rows searches those at once, and one of many leaves chunks to be searched again.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate, groupby
from typing import Final

from collab_client.lines import Edit, Lines, Position
from collab_client.matching import (
    LINE_TIMEOUT_S,
    MOST_MATCHES,
    BadPattern,
    Found,
    Matcher,
    Query,
    SlowPattern,
    compile_query,
)

__all__ = ["MOST_MATCHES", "BadPattern", "Matcher", "Query", "Search", "SlowPattern", "compile_query"]

_CHUNK_ROWS: Final = 128
_AT_ONCE_ROWS: Final = 8
"""A change of no more rows than these is searched at once, so that typing never shows an old count."""

_COUNTING_LINE_S: Final = 0.005
"""What a regular expression may take over one line while the person goes on typing."""

_WALK_S: Final = 0.1
"""How long one step to the next match may look for it."""

_REPLACE_S: Final = 2.0
"""How long a regular expression may take to replace all."""


class _Chunk:
    """Some rows; what was `found` in the first `done` of them, its rows counted from the chunk's first."""

    __slots__ = ("done", "found", "rows")

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.done = 0
        self.found: list[Found] = []


class Search:
    """One query in `lines`, in all of it or in the `scope` from one position to another.

    Only matches within the scope count. When the pattern takes too long over a line, the search is
    given up: `is_slow`, and nothing more is found.
    """

    def __init__(
        self,
        lines: Lines,
        matcher: Matcher,
        scope: tuple[Position, Position] | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Make ready to search `lines`; `splice` is to be told of their changes. `clock` gives seconds."""
        self._lines = lines
        self._matcher = matcher
        self._clock = clock
        self._chunks = _chunks(lines.row_count)
        self._firsts: list[int] = []  # the first row of each chunk, and the rows of all; empty: to be made
        self._open = 0  # chunks before this one are done
        self._count = 0
        self._blocks: list[tuple[str, ...]] = []  # the lines as they are; empty: to be fetched
        self._block_firsts: list[int] = []
        self._scope = scope
        self._border_lines = ("", "")  # those in which the scope starts and ends
        self.is_slow = False
        self._changed_row: int | None = None  # not searched again yet
        self._note_border_lines()

    # What there is

    @property
    def scope(self) -> tuple[Position, Position] | None:
        """Where is searched, as it lies now; None for the whole text."""
        return self._scope

    @property
    def total(self) -> int:
        """How many matches were counted, at most MOST_MATCHES: all if `is_complete` and not `is_full`."""
        self._look_again()
        return min(self._count, MOST_MATCHES)

    @property
    def is_full(self) -> bool:
        """Whether so many were counted that counting has stopped: there may be more than `total`."""
        self._look_again()
        return self._count >= MOST_MATCHES

    @property
    def is_complete(self) -> bool:
        """Whether the whole text was searched."""
        self._look_again()
        return self._done_chunks() == len(self._chunks)

    def run(self, has_time: Callable[[], bool]) -> bool:
        """Count on, a step at a time while `has_time()`; return whether there is no more to do.

        One step is made in any case: 128 rows, but of a regular expression 1 ms, and where one line holds
        it up, twice 5.
        """
        self._look_again()
        while not self._is_over() and self._step(self._open) and has_time():
            pass
        return self._is_over()

    def index_of(self, span: tuple[Position, Position]) -> int | None:
        """Return which match, from 1, lies at `span`; None if none does or not all before it are counted."""
        self._look_again()
        start, end = span
        index = self._chunk_of(start.row)
        found = self._chunks[index].found
        wanted = (start.row - self._first_rows()[index], start.column, end.column)
        at = bisect_left(found, wanted)
        if self._done_chunks() < index or start.row != end.row or found[at : at + 1] != [wanted]:
            return None
        return sum(len(chunk.found) for chunk in self._chunks[:index]) + at + 1

    def in_row(self, row: int) -> list[tuple[int, int]]:
        """Return the columns [start, end) of the matches in `row`, counted or not; for drawing."""
        self._look_again()
        index = self._chunk_of(row)
        chunk = self._chunks[index]
        within = row - self._first_rows()[index]
        if within >= chunk.done:
            found, _ = self._found(row, row + 1, LINE_TIMEOUT_S)
        else:
            found = chunk.found[bisect_left(chunk.found, (within,)) : bisect_left(chunk.found, (within + 1,))]
        return [(start, end) for _, start, end in found]

    def marks(self, buckets: int) -> set[int]:
        """Return which of `buckets` equal parts of the text hold counted matches. Costs O(buckets)."""
        self._look_again()
        firsts = self._first_rows()
        rows = firsts[-1]
        held = set()
        index = 0
        for bucket in range(buckets):
            row = -(-bucket * rows // buckets)  # the first row of this part
            while index < len(self._chunks) and firsts[index + 1] <= row:
                index += 1
            while index < len(self._chunks):
                found = self._chunks[index].found
                at = bisect_left(found, (row - firsts[index],))
                if at < len(found):
                    if (firsts[index] + found[at][0]) * buckets // rows == bucket:
                        held.add(bucket)
                    break
                index += 1
        return held

    # From match to match

    def next_after(self, position: Position) -> tuple[Position, Position] | None:
        """Return the first match that starts at `position` or behind it, or else the first of all.

        None: there is none; or, unless `is_complete`, none was found within 0.1 s. What was searched counts
        as searched, so asking again goes on from there.
        """
        self._look_again()
        home = self._chunk_of(position.row)
        until = self._clock() + _WALK_S
        for i in range(len(self._chunks) + 1):
            index = (home + i) % len(self._chunks)
            if not self._finish(index, until):
                return None
            found = self._chunks[index].found
            at = 0
            if i == 0:
                at = bisect_left(found, (position.row - self._first_rows()[index], position.column))
            if at < len(found):
                return self._span(index, found[at])
        return None

    def previous_before(self, position: Position) -> tuple[Position, Position] | None:
        """Return the last match that ends at `position` or before it, or else the last of all.

        None as for `next_after`.
        """
        self._look_again()
        home = self._chunk_of(position.row)
        until = self._clock() + _WALK_S
        for i in range(len(self._chunks) + 1):
            index = (home - i) % len(self._chunks)
            if not self._finish(index, until):
                return None
            found = self._chunks[index].found
            at = len(found)
            if i == 0:
                place = (position.row - self._first_rows()[index], position.column)
                at = bisect_right(found, place, key=lambda match: (match[0], match[2]))
            if at:
                return self._span(index, found[at - 1])
        return None

    def replace_all(self, template: str) -> list[Edit]:
        """Return the edits, ascending, that replace the first MOST_MATCHES matches. Costs O(text).

        Raises:
            BadPattern: the template is wrong.
            SlowPattern: a line takes longer than LINE_TIMEOUT_S, or all together 2 s.
        """
        self._look_again()
        until = self._clock() + _REPLACE_S
        edits: list[Edit] = []
        for index, first in enumerate(self._first_rows()[:-1]):
            is_finished = self._finish(index, until)
            for row, found in groupby(self._chunks[index].found, key=lambda match: first + match[0]):
                columns = {(start, end) for _, start, end in found}
                edits += [
                    Edit(Position(row, start), Position(row, end), text)
                    for start, end, text in self._matcher.replacements(self._lines.line(row), template)
                    if (start, end) in columns
                ]
            if not is_finished or self._clock() > until:
                raise SlowPattern("the pattern takes too long over this text")
            if len(edits) >= MOST_MATCHES:
                break
        return edits[:MOST_MATCHES]

    # While the text is edited

    def splice(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Take note that rows `first_row`..`old_last_row` have become `first_row`..`new_last_row`.

        To be called for each change at once, `lines` being as it left them. The scope moves along, as far as
        its border lines tell: what is put in exactly at a border is in it.
        """
        self._blocks = []
        self._move_scope(first_row, old_last_row, new_last_row)
        if first_row == old_last_row == new_last_row:
            if self._changed_row != first_row:  # many changes of one row are looked at once
                self._look_again()
                self._changed_row = first_row
            return
        self._look_again()
        index, last = self._chunk_of(first_row), self._chunk_of(old_last_row)
        added = new_last_row - old_last_row
        if index == last and new_last_row - first_row < _AT_ONCE_ROWS:
            self._search_anew(index, first_row, old_last_row, new_last_row)
        else:
            gone = self._chunks[index : last + 1]
            self._count -= sum(len(chunk.found) for chunk in gone)
            self._chunks[index : last + 1] = _chunks(sum(chunk.rows for chunk in gone) + added)
            self._open = min(self._open, index)
            self._firsts = []
        if added:
            self._firsts = []

    def _look_again(self) -> None:
        """Search the row that has changed, before anything is asked."""
        row, self._changed_row = self._changed_row, None
        if row is not None:
            self._search_anew(self._chunk_of(row), row, row, row)

    def _search_anew(self, index: int, first_row: int, old_last_row: int, new_last_row: int) -> None:
        """Search the changed rows of one chunk, unless they were still to be searched."""
        chunk = self._chunks[index]
        home = self._first_rows()[index]
        added = new_last_row - old_last_row
        first, behind = first_row - home, old_last_row + 1 - home
        chunk.rows += added
        if chunk.done <= first:
            return
        low, high = bisect_left(chunk.found, (first,)), bisect_left(chunk.found, (behind,))
        was = len(chunk.found)
        found, reached = self._found(first_row, new_last_row + 1, _COUNTING_LINE_S)
        is_whole = chunk.done >= behind and reached > new_last_row
        rest = chunk.found[high:] if is_whole else []
        chunk.done = chunk.done + added if is_whole else reached - home
        chunk.found[low:] = [
            *((row - home, start, end) for row, start, end in found),
            *((row + added, start, end) for row, start, end in rest),
        ]
        self._count += len(chunk.found) - was
        self._open = min(self._open, index)

    def _move_scope(self, first_row: int, old_last_row: int, new_last_row: int) -> None:
        if self._scope is None:
            return
        rows = (first_row, old_last_row, new_last_row)
        start = self._moved(self._scope[0], self._border_lines[0], rows, is_end=False)
        end = self._moved(self._scope[1], self._border_lines[1], rows, is_end=True)
        self._scope = (start, max(start, end))
        self._note_border_lines()

    def _moved(self, border: Position, line: str, rows: tuple[int, int, int], *, is_end: bool) -> Position:
        """Return where `border`, in what was `line`, is now: next to what it stood before or behind.

        Where that was changed too, the scope grows smaller rather than larger.
        """
        row, column = border
        first_row, old_last_row, new_last_row = rows
        if row < first_row:
            return border
        if row > old_last_row:
            return Position(row + new_last_row - old_last_row, column)
        head, tail = self._lines.line(first_row), self._lines.line(new_last_row)
        places = []
        if row == first_row and head.startswith(line[:column]):
            places.append(Position(first_row, column))
        if row == old_last_row and tail.endswith(line[column:]):
            places.append(Position(new_last_row, len(tail) - len(line) + column))
        if places:
            return max(places) if is_end else min(places)
        return Position(first_row, 0) if is_end else Position(new_last_row, len(tail))

    def _note_border_lines(self) -> None:
        if self._scope is not None:
            start, end = self._scope
            self._border_lines = (self._lines.line(start.row), self._lines.line(end.row))

    # Chunks

    def _is_over(self) -> bool:
        return self.is_complete or self.is_slow or self._count >= MOST_MATCHES

    def _done_chunks(self) -> int:
        """Return how many chunks from the first are done."""
        chunks = self._chunks
        while self._open < len(chunks) and chunks[self._open].done == chunks[self._open].rows:
            self._open += 1
        return self._open

    def _first_rows(self) -> list[int]:
        if not self._firsts:
            self._firsts = list(accumulate((chunk.rows for chunk in self._chunks), initial=0))
        return self._firsts

    def _chunk_of(self, row: int) -> int:
        """Return which chunk holds `row`; the nearest one for a row that there isn't."""
        firsts = self._first_rows()
        return bisect_right(firsts, max(0, min(row, firsts[-1] - 1))) - 1

    def _span(self, index: int, match: Found) -> tuple[Position, Position]:
        row, start, end = match
        row += self._first_rows()[index]
        return Position(row, start), Position(row, end)

    def _finish(self, index: int, until: float) -> bool:
        """Search the rest of a chunk; False when the search was given up, or at `until` by the clock."""
        chunk = self._chunks[index]
        while chunk.done < chunk.rows:
            if self._clock() > until or not self._step(index):
                return False
        return not self.is_slow

    def _step(self, index: int) -> bool:
        """Search on in a chunk; False when the search was given up."""
        chunk = self._chunks[index]
        home = self._first_rows()[index]
        found, behind = self._found(home + chunk.done, home + chunk.rows, _COUNTING_LINE_S)
        chunk.found += [(row - home, start, end) for row, start, end in found]
        chunk.done = behind - home
        self._count += len(found)
        return not self.is_slow

    def _found(self, first: int, behind: int, timeout_s: float) -> tuple[list[Found], int]:
        """Return the matches in rows `first` to before `behind` and in the scope, and the row it got to.

        The first row is always searched. Once the search is given up there are none.
        """
        if self.is_slow:
            return [], first
        if self._scope is None:
            return self._matches(first, behind, timeout_s)
        low, high = self._scope
        if behind <= low.row or high.row < first:
            return [], behind
        found, reached = self._matches(max(first, low.row), min(behind, high.row + 1), timeout_s)
        found = [match for match in found if low <= match[:2] and (match[0], match[2]) <= high]
        return found, reached

    def _matches(self, first: int, behind: int, timeout_s: float) -> tuple[list[Found], int]:
        rows = self._rows(first, behind)
        try:
            found, searched = self._matcher.found_in(rows, timeout_s)
        except SlowPattern:
            try:  # once more: the collector or another thread may have had the time
                found, searched = self._matcher.found_in(rows, timeout_s)
            except SlowPattern:
                self.is_slow = True
                return [], first
        return [(first + row, start, end) for row, start, end in found], first + searched

    def _rows(self, first: int, behind: int) -> list[str]:
        """Return some lines; many of them from a copy of all, which is 10 times as fast."""
        if behind - first <= _AT_ONCE_ROWS:
            return [self._lines.line(row) for row in range(first, behind)]
        if not self._blocks:
            self._blocks = self._lines.blocks()
            self._block_firsts = list(accumulate(map(len, self._blocks), initial=0))
        rows: list[str] = []
        index = bisect_right(self._block_firsts, first) - 1
        while len(rows) < behind - first:
            home = self._block_firsts[index]
            rows += self._blocks[index][max(0, first - home) : behind - home]
            index += 1
        return rows


def _chunks(rows: int) -> list[_Chunk]:
    chunks = [_Chunk(_CHUNK_ROWS) for _ in range(rows // _CHUNK_ROWS)]
    rest = rows % _CHUNK_ROWS
    return [*chunks, _Chunk(rest)] if rest else chunks
