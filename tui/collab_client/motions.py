"""Where a caret goes by line, paragraph and bracket, and what is a word: functions of the text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from collab_client.clusters import is_word, next_boundary, previous_boundary
from collab_client.lines import START, Lines, Position

_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}
_OPENING: Final = {closing: opening for opening, closing in _PAIRS.items()}
_BRACKET: Final = re.compile(r"[()\[\]{}]")

_BRACKET_ROWS: Final = 20_000
"""How far a bracket's partner is looked for: some 10 ms of a text that has none."""


def smart_line_start(lines: Lines, position: Position) -> Position:
    """Return the first character of the line that is not blank; from there, the line's start."""
    line = lines.line(position.row)
    indent = len(line) - len(line.lstrip(" \t"))
    return Position(position.row, 0 if position.column == indent else indent)


def paragraph_above(lines: Lines, position: Position) -> Position:
    """Return the blank line above the paragraph, or the text's start. Costs 1 us a line on the way."""
    return _paragraph(lines, range(position.row - 1, -1, -1), START)


def paragraph_below(lines: Lines, position: Position) -> Position:
    """Return the blank line below the paragraph, or the text's end. Costs 1 us a line on the way."""
    return _paragraph(lines, range(position.row + 1, lines.row_count), lines.end)


def matching_bracket(lines: Lines, position: Position) -> Position | None:
    """Return the partner of the bracket at the caret or before it, else the one that opens around it.

    None when there is none within 20,000 lines.
    """
    row, column = position
    line = lines.line(row)
    for at in (column, column - 1):
        if 0 <= at < len(line) and (line[at] in _PAIRS or line[at] in _OPENING):
            return _partner(lines, Position(row, at))
    return _find(_before(lines, position), _OPENING)


def word_at(line: str, column: int) -> tuple[int, int]:
    """Return the columns of the word, blanks or sign at `column`; of the last one at the line's end."""
    if not line:
        return 0, 0
    start = previous_boundary(line, min(column, len(line) - 1) + 1)
    end = next_boundary(line, start)
    kind = _kind(line[start])
    if kind is None:
        return start, end
    while start > 0 and _kind(line[previous_boundary(line, start)]) is kind:
        start = previous_boundary(line, start)
    while end < len(line) and _kind(line[end]) is kind:
        end = next_boundary(line, end)
    return start, end


def _kind(character: str) -> bool | None:
    """Whether it is of a word or blank: what goes together with its like; None for a sign, which does not."""
    if is_word(character):
        return True
    return False if character.isspace() else None


def _paragraph(lines: Lines, rows: range, edge: Position) -> Position:
    """Return the first blank line of `rows` that has text before it."""
    has_text = False
    for row in rows:
        if lines.line(row).strip():
            has_text = True
        elif has_text:
            return Position(row, 0)
    return edge


def _partner(lines: Lines, bracket: Position) -> Position | None:
    sign = lines.line(bracket.row)[bracket.column]
    if sign in _PAIRS:
        return _find(_behind(lines, Position(bracket.row, bracket.column + 1)), _PAIRS)
    return _find(_before(lines, bracket), _OPENING)


def _find(brackets: Iterator[tuple[str, Position]], nests: dict[str, str]) -> Position | None:
    """Return the first of `brackets` that closes what was open before them; the keys of `nests` open more."""
    depth = 0
    for sign, place in brackets:
        if sign in nests:
            depth += 1
        elif depth:
            depth -= 1
        else:
            return place
    return None


def _behind(lines: Lines, position: Position) -> Iterator[tuple[str, Position]]:
    last = min(lines.row_count, position.row + _BRACKET_ROWS)
    for row in range(position.row, last):
        for match in _BRACKET.finditer(lines.line(row), position.column if row == position.row else 0):
            yield match[0], Position(row, match.start())


def _before(lines: Lines, position: Position) -> Iterator[tuple[str, Position]]:
    for row in range(position.row, max(-1, position.row - _BRACKET_ROWS), -1):
        line = lines.line(row)
        end = position.column if row == position.row else len(line)
        for match in reversed(list(_BRACKET.finditer(line, 0, end))):
            yield match[0], Position(row, match.start())
