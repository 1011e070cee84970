"""Grapheme clusters, words and cells of one line: what the cursor steps over and how wide it is.

Clusters (UAX #29) and widths come from wcwidth; plain ASCII never gets there. Columns count code points.
"""

from __future__ import annotations

from typing import Final

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth

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
    """Return where the word at or after `column` ends."""
    end = len(line)
    while column < end and not _is_word(line[column]):
        column += 1
    while column < end and _is_word(line[column]):
        column += 1
    return column if column >= end else _snap(line, column)


def previous_word(line: str, column: int) -> int:
    """Return where the word before `column` begins."""
    while column > 0 and not _is_word(line[column - 1]):
        column -= 1
    while column > 0 and _is_word(line[column - 1]):
        column -= 1
    return column


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


def _is_word(character: str) -> bool:
    # Marks, joiners and signs of a cluster go with its letters; blanks and ASCII signs part words.
    return character == "_" or character.isalnum() or (character > "\x7f" and not character.isspace())


def _snap(line: str, column: int) -> int:
    """Return the cluster boundary at or before `column`."""
    if line.isascii():
        return column
    start = previous_boundary(line, column)
    return column if next_boundary(line, start) == column else start
