"""The text as lines, in blocks, so that finding or changing a place costs the same in any document.

A block holds about 256 lines, the UTF-8 size of each (its newline counted) and their sum. Two lists of
running totals over the blocks, rows and bytes, are kept right up to a mark, and brought up to date
beyond it only when somebody looks there: typing in one place never touches what lies behind it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from collab_protocol.text import utf8_length

_BLOCK_LINES: Final = 256
"""Measured at 100,000 lines: with 128 a newline and a far edit cost a quarter more, with 512 finding an
offset 1.7 times as much."""

_BLOCK_MOST: Final = 2 * _BLOCK_LINES
_BLOCK_LEAST: Final = _BLOCK_LINES // 4


class Position(NamedTuple):
    """A place between two characters: `row` from 0, `column` in code points of the line from 0."""

    row: int
    column: int


START: Final = Position(0, 0)


class Edit(NamedTuple):
    """Put `text` in the place of what stands from `start` to `end`."""

    start: Position
    end: Position
    text: str


class Replacement(NamedTuple):
    """An Edit, and where the caret comes to stand: `head` and `anchor` are code points into `text`.

    Without `anchor` nothing is selected. Where `text` already stands there, only the caret moves.
    """

    start: Position
    end: Position
    text: str
    head: int
    anchor: int | None = None


class _Block:
    """Some lines in a row; `sizes` are theirs in UTF-8 with the newline, `size_utf8` is the sum."""

    __slots__ = ("lines", "size_utf8", "sizes")

    def __init__(self, lines: list[str], sizes: list[int]) -> None:
        self.lines = lines
        self.sizes = sizes
        self.size_utf8 = sum(sizes)


class Lines:
    """A text, split on "\\n" and nothing else; a text without one is one line."""

    def __init__(self, text: str = "") -> None:
        """Take `text`. Costs O(text): 40 ms for 10 MB."""
        lines = text.split("\n")
        self._blocks = list(_blocks(lines, _sizes(lines, is_ascii=text.isascii())))
        self._rows = [0]  # rows before block i
        self._bytes = [0]  # bytes before block i

    @property
    def row_count(self) -> int:
        """The number of lines; at least 1."""
        self._total_rows()
        return self._rows[-1]

    @property
    def size_utf8(self) -> int:
        """The text's length in UTF-8 bytes."""
        self._total_bytes()
        return self._bytes[-1] - 1  # the last line has no newline

    @property
    def end(self) -> Position:
        """The position behind the last character."""
        return Position(self.row_count - 1, len(self._blocks[-1].lines[-1]))

    def line(self, row: int) -> str:
        """Return line `row` without its newline.

        Raises:
            IndexError: there is no such row.
        """
        index, within = self._find_row(row)
        return self._blocks[index].lines[within]

    def text(self) -> str:
        """Return the whole text. Costs O(text)."""
        return "\n".join([line for block in self._blocks for line in block.lines])

    def blocks(self) -> list[tuple[str, ...]]:
        """Return the lines as they are now, some hundred at a time; later changes don't touch them."""
        return [tuple(block.lines) for block in self._blocks]

    def slice(self, start: Position, end: Position) -> str:
        """Return the text between two positions.

        Raises:
            IndexError: a row does not exist.
        """
        if start.row == end.row:
            return self.line(start.row)[start.column : end.column]
        parts = [self.line(start.row)[start.column :]]
        parts += [self.line(row) for row in range(start.row + 1, end.row)]
        parts.append(self.line(end.row)[: end.column])
        return "\n".join(parts)

    def clamp(self, position: Position) -> Position:
        """Return the nearest position that exists."""
        row, column = position
        if row < 0:
            return START
        if row >= self.row_count:
            return self.end
        return Position(row, max(0, min(column, len(self.line(row)))))

    def offset(self, position: Position) -> int:
        """Return the UTF-8 offset of `position`.

        Raises:
            IndexError: there is no such position.
        """
        row, column = position
        index, within = self._find_row(row)
        block = self._blocks[index]
        line = block.lines[within]
        if not 0 <= column <= len(line):
            raise IndexError(f"no column {column} in row {row} of {len(line)} characters")
        if index >= len(self._bytes):
            self._total_bytes()
        before = self._bytes[index] + sum(block.sizes[:within])
        is_ascii = block.sizes[within] == len(line) + 1
        return before + (column if is_ascii else utf8_length(line[:column]))

    def offset_from(self, position: Position, mark: Position, mark_utf8: int) -> int:
        """Return the offset of `position`; `mark`, at `mark_utf8`, is not behind it.

        In one row that costs what lies between them. Raises as `offset`, if the rows differ.
        """
        if position.row != mark.row:
            return self.offset(position)
        return mark_utf8 + utf8_length(self.line(mark.row)[mark.column : position.column])

    def position(self, offset_utf8: int) -> Position:
        """Return the position at `offset_utf8`; inside a character, the one before it.

        Raises:
            IndexError: the offset leaves the text.
        """
        if offset_utf8 >= self._bytes[-1]:
            self._total_bytes()
        if not 0 <= offset_utf8 < self._bytes[-1]:
            raise IndexError(f"offset {offset_utf8} leaves a text of {self._bytes[-1] - 1} bytes")
        index = bisect_right(self._bytes, offset_utf8) - 1
        block = self._blocks[index]
        rest = offset_utf8 - self._bytes[index]
        ends = list(accumulate(block.sizes))
        within = bisect_right(ends, rest)
        if within:
            rest -= ends[within - 1]
        if index >= len(self._rows):
            self._total_rows()
        line = block.lines[within]
        if block.sizes[within] != len(line) + 1:
            rest = len(line.encode()[:rest].decode(errors="ignore"))
        return Position(self._rows[index] + within, rest)

    def positions(self, offsets_utf8: Iterable[int]) -> list[Position]:
        """Return the positions at offsets, which ascend; each line is read once. Raises as `position`."""
        found: list[Position] = []
        line, row = b"", -1
        column = at = start = behind = 0  # `column` is that of byte `at` of `line`, which begins at `start`
        is_ascii = True
        for offset in offsets_utf8:
            if row < 0 or not start <= offset < behind:
                row, column = self.position(offset)
                text = self.line(row)
                is_ascii = text.isascii()
                line = b"" if is_ascii else text.encode()
                at = column if is_ascii else utf8_length(text[:column])
                start = self.offset(Position(row, 0))
                behind = start + (len(text) if is_ascii else len(line)) + 1
            elif is_ascii:
                column = offset - start
            else:
                passed = line[at : offset - start].decode(errors="ignore")
                column, at = column + len(passed), at + utf8_length(passed)
            found.append(Position(row, column))
        return found

    def nearest(self, offset_utf8: int) -> Position:
        """Return the position at `offset_utf8`, or the text's start or end beyond them."""
        return self.position(max(0, min(offset_utf8, self.size_utf8)))

    def replace(self, start: Position, end: Position, text: str) -> Position:
        """Replace the text from `start` to `end` by `text`; return where `text` ends.

        Both must exist, `start` first. Costs O(changed lines), and what its block holds at most.

        Raises:
            IndexError: a row does not exist; nothing was changed.
        """
        index, within = self._find_row(start.row)
        block = self._blocks[index]
        if start.row == end.row and "\n" not in text:
            line = block.lines[within]
            change = utf8_length(text) - utf8_length(line[start.column : end.column])
            block.lines[within] = line[: start.column] + text + line[end.column :]
            block.sizes[within] += change
            block.size_utf8 += change
            del self._bytes[index + 1 :]
            return Position(start.row, start.column + len(text))
        last_index, last_within = self._find_row(end.row)
        last = self._blocks[last_index]
        inserted = text.split("\n")
        new_end = Position(
            start.row + len(inserted) - 1,
            len(inserted[-1]) + (start.column if len(inserted) == 1 else 0),
        )
        inserted[0] = block.lines[within][: start.column] + inserted[0]
        inserted[-1] += last.lines[last_within][end.column :]
        lines = block.lines[:within] + inserted + last.lines[last_within + 1 :]
        sizes = block.sizes[:within] + _sizes(inserted) + last.sizes[last_within + 1 :]
        self._put(index, last_index + 1, lines, sizes)
        return new_end

    def _put(self, first: int, behind: int, lines: list[str], sizes: list[int]) -> None:
        """Put `lines` in the place of blocks `first` to before `behind`."""
        if len(lines) < _BLOCK_LEAST:  # join a neighbour, or deleting would leave crumbs
            if behind < len(self._blocks):
                neighbour = self._blocks[behind]
                lines, sizes = lines + neighbour.lines, sizes + neighbour.sizes
                behind += 1
            elif first:
                first -= 1
                neighbour = self._blocks[first]
                lines, sizes = neighbour.lines + lines, neighbour.sizes + sizes
        self._blocks[first:behind] = _blocks(lines, sizes)
        del self._rows[first + 1 :]
        del self._bytes[first + 1 :]

    def _find_row(self, row: int) -> tuple[int, int]:
        """Return the block that holds `row`, and which of its lines it is."""
        if row >= self._rows[-1]:
            self._total_rows()
        if not 0 <= row < self._rows[-1]:
            raise IndexError(f"no row {row} in a text of {self._rows[-1]} rows")
        index = bisect_right(self._rows, row) - 1
        return index, row - self._rows[index]

    def _total_rows(self) -> None:
        known = len(self._rows) - 1
        if known < len(self._blocks):
            rest = [len(block.lines) for block in self._blocks[known:]]
            self._rows[known:] = accumulate(rest, initial=self._rows[known])

    def _total_bytes(self) -> None:
        known = len(self._bytes) - 1
        if known < len(self._blocks):
            rest = [block.size_utf8 for block in self._blocks[known:]]
            self._bytes[known:] = accumulate(rest, initial=self._bytes[known])


def _sizes(lines: list[str], *, is_ascii: bool = False) -> list[int]:
    if is_ascii:
        return [len(line) + 1 for line in lines]
    return [utf8_length(line) + 1 for line in lines]


def _blocks(lines: list[str], sizes: list[int]) -> Iterator[_Block]:
    if len(lines) <= _BLOCK_MOST:
        yield _Block(lines, sizes)
        return
    for at in range(0, len(lines), _BLOCK_LINES):
        yield _Block(lines[at : at + _BLOCK_LINES], sizes[at : at + _BLOCK_LINES])
