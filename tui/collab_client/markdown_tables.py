"""Tables of Markdown: brought into columns.

Only blanks, dashes and pipes are written, never a cell's text, so that other people's carets and edits in
the cells stay where they are. A pipe in a code span is taken as text here; where it is none, write "\\|".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from collab_client.clusters import cells_before
from collab_client.lines import Edit, Lines, Position

_ROWS_MOST: Final = 2000
_COLUMNS_MOST: Final = 100
_LINE_MOST: Final = 2000

_EDITS_MOST: Final = 128
"""Of more than so many edits those of a line are made one: the cost of a step grows with their square."""

_WIDTH_LEAST: Final = 3
"""Cells of a column: room for ":-:"."""

_PREFIX: Final = re.compile(r"[ \t]*(?:>[ \t]*)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+(?=\|))?")
_SIGN: Final = re.compile(r"\\.|`+|\|")
_DELIMITER: Final = re.compile(r":?-+:?")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a table, and where its cells begin and end, blanks around them not counted."""

    line: str
    prefix: int
    """Where the table's own text begins, behind indentation and signs of a quote."""
    end: int
    """Where it ends: blanks behind are the table's, a carriage return is not."""
    cells: tuple[tuple[int, int], ...]

    def texts(self) -> list[str]:
        return [self.line[start:end] for start, end in self.cells]


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows from the line `first` on; the second is the delimiter."""

    first: int
    rows: list[_Row]


def align_table(lines: Lines, row: int) -> list[Edit]:
    """Return the edits, ascending, that pad the table around `row` to columns; [] if there is none.

    Several edits may be of one line. Every row gets its pipes on both sides and as many cells as the
    longest. Left alone are tables of more than 2,000 rows, 100 columns, or 2,000 code points in a line.
    """
    table = _table_at(lines, row)
    if table is None:
        return []
    texts = [found.texts() for found in table.rows]
    columns = max(map(len, texts))
    if columns > _COLUMNS_MOST:
        return []
    texts = [cells + [""] * (columns - len(cells)) for cells in texts]
    signs = [(cell[:1] == ":", cell[-1:] == ":") for cell in texts[1]]
    widths = [
        max(_WIDTH_LEAST, *(_width(cells[column]) for at, cells in enumerate(texts) if at != 1))
        for column in range(columns)
    ]
    edits = []
    for at, found in enumerate(table.rows):
        if at == 1:
            gaps = [(found.prefix, found.end, _delimiter(signs, widths))]
        else:
            gaps = _gaps(found, texts[at], signs, widths)
        edits.append(_edits(table.first + at, found.line, gaps))
    if sum(map(len, edits)) > _EDITS_MOST:
        edits = [_merged(lines, of_line) for of_line in edits]
    return [edit for of_line in edits for edit in of_line]


def _table_at(lines: Lines, row: int) -> _Table | None:
    """Return the table that the line `row` belongs to, unless it is larger than the bounds."""
    first = last = row
    while first > 0 and row - first <= _ROWS_MOST and _has_pipe(lines.line(first - 1)):
        first -= 1
    while last + 1 < lines.row_count and last - row <= _ROWS_MOST and _has_pipe(lines.line(last + 1)):
        last += 1
    if last - first >= _ROWS_MOST or not _has_pipe(lines.line(row)):
        return None
    rows = [_parsed(lines.line(at)) for at in range(first, last + 1)]
    for at, (_, found) in enumerate(pairwise(rows)):
        if found is not None and all(map(_DELIMITER.fullmatch, found.texts())):
            whole = [table_row for table_row in rows[at:] if table_row is not None]
            is_inside = first + at <= row and len(whole) == len(rows) - at
            return _Table(first + at, whole) if is_inside else None
    return None


def _has_pipe(line: str) -> bool:
    return "|" in line[: _LINE_MOST + 1]


def _parsed(line: str) -> _Row | None:
    """Return a line as a row of a table; None if it is too long."""
    if len(line) > _LINE_MOST:
        return None
    match = _PREFIX.match(line)
    prefix = match.end() if match else 0
    end = len(line) - line.endswith("\r")
    text_end = len(line[:end].rstrip(" \t"))
    borders = _pipes(line, prefix, end)
    if not borders or borders[0] != prefix:
        borders.insert(0, prefix - 1)
    if len(borders) == 1 or borders[-1] != text_end - 1:
        borders.append(max(text_end, borders[-1] + 1))
    cells = []
    for before, behind in pairwise(borders):
        text = line[before + 1 : behind]
        stripped = text.strip(" \t")
        blanks = len(text) - len(text.lstrip(" \t")) if stripped else min(1, len(text))
        cells.append((before + 1 + blanks, before + 1 + blanks + len(stripped)))
    return _Row(line, prefix, end, tuple(cells))


def _pipes(line: str, start: int, end: int) -> list[int]:
    """Return where pipes stand that are neither escaped nor in a code span."""
    pipes = []
    while match := _SIGN.search(line, start, end):
        start = match.end()
        if match[0] == "|":
            pipes.append(match.start())
        elif match[0][0] == "`":
            closing = re.compile(f"(?<!`){match[0]}(?!`)").search(line, start, end)
            start = closing.end() if closing else start
    return pipes


def _width(text: str) -> int:
    return cells_before(text, len(text))


_Gap = tuple[int, int, str]
"""What stands between two cells: its columns, and what shall stand there."""


def _gaps(row: _Row, texts: list[str], signs: list[tuple[bool, bool]], widths: list[int]) -> list[_Gap]:
    """Return what stands around the cells of a row; cells that it lacks are behind the last."""
    gaps = []
    start, written = row.prefix, "| "
    for column, (text, sign, width) in enumerate(zip(texts, signs, widths, strict=True)):
        room = width - _width(text)
        before = room // 2 if sign == (True, True) else room if sign == (False, True) else 0
        before = before if text else 0
        if column < len(row.cells):
            gaps.append((start, row.cells[column][0], written + " " * before))
            start, written = row.cells[column][1], " " * (room - before)
        else:
            written += " " * room
        written += " | " if column + 1 < len(texts) else " |"
    return [*gaps, (start, row.end, written)]


def _delimiter(signs: list[tuple[bool, bool]], widths: list[int]) -> str:
    cells = [
        ":" * left + "-" * (width - left - right) + ":" * right
        for (left, right), width in zip(signs, widths, strict=True)
    ]
    return "| " + " | ".join(cells) + " |"


def _edits(row: int, line: str, gaps: list[_Gap]) -> list[Edit]:
    """Return the edits that write the gaps, each no longer than what changes."""
    edits: list[Edit] = []
    for start, end, wanted in gaps:
        old = line[start:end]
        if old == wanted:
            continue
        same = _shared(old, wanted)
        behind = _shared(old[same:][::-1], wanted[same:][::-1])
        place, text = Position(row, start + same), wanted[same : len(wanted) - behind]
        if edits and edits[-1].end == place:  # around an empty cell
            before = edits.pop()
            place, text = before.start, before.text + text
        edits.append(Edit(place, Position(row, end - behind), text))
    return edits


def _shared(first: str, second: str) -> int:
    """Return how many characters both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, pair in pairs if pair[0] != pair[1]), min(len(first), len(second)))


def _merged(lines: Lines, edits: list[Edit]) -> list[Edit]:
    """Return the edits of one line as one."""
    if not edits:
        return []
    at, parts = edits[0].start, []
    for edit in edits:
        parts += [lines.slice(at, edit.start), edit.text]
        at = edit.end
    return [Edit(edits[0].start, at, "".join(parts))]
