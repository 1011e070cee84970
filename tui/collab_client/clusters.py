"""Grapheme clusters, words and cells: what the cursor steps over, and how wide that is.

Clusters (UAX #29) and widths come from wcwidth; plain ASCII never gets there. Columns count code points.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth

from collab_client.lines import START, Lines, Position

_WORD_MOST: Final = 2000
"""Code points that one move by a word goes over at most; a line may have a million without a blank."""

TAB_CELLS: Final = 4
"""Tabs reach to the next multiple of so many cells."""


def next_boundary(line: str, column: int) -> int:
    """Return where the cluster at `column` ends; the line's end at its end."""
    if column >= len(line):
        return len(line)
    if line.isascii():
        return column + 1
    return column + len(next(iter_graphemes(line, column)))


def previous_boundary(line: str, column: int) -> int:
    """Return where the cluster before `column` begins; 0 at the line's start."""
    if column <= 0:
        return 0
    if line.isascii():
        return column - 1
    return grapheme_boundary_before(line, column)


def next_word(line: str, column: int) -> int:
    """Return where the word at or after `column` ends, or where it has gone on for very long."""
    end, most = column, min(len(line), column + _WORD_MOST)
    while end < most and not is_word(line[end]):
        end += 1
    while end < most and is_word(line[end]):
        end += 1
    return max(_boundary_at_most(line, end), next_boundary(line, column))


def previous_word(line: str, column: int) -> int:
    """Return where the word before `column` begins, or where it has gone on for very long."""
    start, least = column, max(0, column - _WORD_MOST)
    while start > least and not is_word(line[start - 1]):
        start -= 1
    while start > least and is_word(line[start - 1]):
        start -= 1
    return min(_boundary_at_most(line, start), previous_boundary(line, column))


def left_of(lines: Lines, position: Position) -> Position:
    """Return the position one cluster or line break before `position`; the text's start at its start."""
    row, column = position
    if column:
        return Position(row, previous_boundary(lines.line(row), column))
    return Position(row - 1, len(lines.line(row - 1))) if row else START


def right_of(lines: Lines, position: Position) -> Position:
    """Return the position one cluster or line break behind `position`; the text's end at its end."""
    row, column = position
    line = lines.line(row)
    if column < len(line):
        return Position(row, next_boundary(line, column))
    return Position(row + 1, 0) if row + 1 < lines.row_count else position


def word_left_of(lines: Lines, position: Position) -> Position:
    """Return where the word before `position` begins; at a line's start, the end of the one above."""
    row, column = position
    if column:
        return Position(row, previous_word(lines.line(row), column))
    return left_of(lines, position)


def word_right_of(lines: Lines, position: Position) -> Position:
    """Return where the word behind `position` ends; at a line's end, the start of the one below."""
    row, column = position
    line = lines.line(row)
    if column < len(line):
        return Position(row, next_word(line, column))
    return right_of(lines, position)


def rows_from(lines: Lines, row: int, delta: int, goal_cells: int) -> Position:
    """Return the position in cell `goal_cells`, `delta` rows from `row`, or as many as there are.

    From the first row up it is the text's start, from the last one down its end.
    """
    last = lines.row_count - 1
    if row == 0 and delta < 0:
        return START
    if row == last and delta > 0:
        return lines.end
    row = max(0, min(row + delta, last))
    return Position(row, column_at(lines.line(row), goal_cells))


def cells_before(line: str, column: int) -> int:
    """Return how many cells the first `column` code points of `line` take."""
    if line.isascii() and line.isprintable():
        return min(column, len(line))
    cells = 0
    for cluster in iter_graphemes(line[:column]):
        cells += _cells(cluster, cells)
    return cells


def column_at(line: str, cells: int) -> int:
    """Return the column of the cluster that covers cell number `cells`; the line's end beyond it."""
    if line.isascii() and line.isprintable():
        return max(0, min(cells, len(line)))
    column = passed = 0
    for cluster in iter_graphemes(line):
        passed += _cells(cluster, passed)
        if passed > cells:
            return column
        column += len(cluster)
    return column


def _cells(cluster: str, at: int) -> int:
    """Return the width of `cluster` when it begins in cell `at`; what has none is drawn as one mark."""
    if cluster == "\t":
        return TAB_CELLS - at % TAB_CELLS
    return max(1, wcswidth(cluster))


def is_word(character: str) -> bool:
    """Whether `character` is part of a word: a letter, digit, mark or emoji, or what joins them."""
    if character.isascii():
        return character == "_" or character.isalnum()
    return unicodedata.category(character)[0] in "LNMS" or character == "\u200d"


def _boundary_at_most(line: str, column: int) -> int:
    """Return the last cluster boundary that is not behind `column`."""
    if column <= 0 or column >= len(line) or line.isascii():
        return column
    return previous_boundary(line, column + 1)
