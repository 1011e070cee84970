"""Commands on whole lines: duplicate, move, join, delete, indent, change case, sort; each one step of undo.

They work on the lines that the selection touches; one that it only reaches the start of is not touched.
What was selected stays selected, and no more text is replaced than changes, so that other people's carets
and edits in it stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from collab_client.buffer import Buffer
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Lines, Position
from collab_client.motions import word_at

_BLANKS: Final = " \t"
_CASES: Final[dict[str, Callable[[str], str]]] = {"upper": str.upper, "lower": str.lower, "title": str.title}


def duplicate_lines(buffer: Buffer) -> None:
    """Put the same lines once more below; the selection comes to be in the copy. Raises as `edit_all`."""
    rows = _rows(buffer)
    lines = buffer.lines
    end = _end_of(lines, rows[-1])
    text = "\n" + lines.slice(Position(rows[0], 0), end)
    buffer.edit_all([Edit(end, end, text)], select=_shifted(buffer, len(rows)))


def move_lines(buffer: Buffer, delta: int) -> None:
    """Move the lines one up (-1) or down (1), past the line there. Raises as `edit_all`.

    It is that line which moves, so that everybody's carets in the others stay.
    """
    rows, lines = _rows(buffer), buffer.lines
    passed = rows[0] - 1 if delta < 0 else rows[-1] + 1
    if not 0 <= passed < lines.row_count:
        return
    line = lines.line(passed)
    if delta < 0:
        end = Position(rows[-1], len(lines.line(rows[-1])))
        edits = [Edit(Position(passed, 0), Position(rows[0], 0), ""), Edit(end, end, "\n" + line)]
    else:
        start = Position(rows[0], 0)
        behind = Position(rows[-1], len(lines.line(rows[-1])))
        edits = [Edit(start, start, line + "\n"), Edit(behind, Position(passed, len(line)), "")]
    buffer.edit_all(edits, select=_shifted(buffer, delta))


def join_lines(buffer: Buffer) -> None:
    """Join the lines, or one with the next, by one blank where both have text. Raises as `edit_all`."""
    rows, lines = _rows(buffer), buffer.lines
    last = rows[-1] if len(rows) > 1 else min(rows[0] + 1, lines.row_count - 1)
    line = lines.line(rows[0])
    has_text = bool(line.strip(_BLANKS))
    gap = Position(rows[0], len(line.rstrip(_BLANKS)) if has_text else len(line))
    edits = []
    for row in range(rows[0] + 1, last + 1):
        line = lines.line(row)
        text = line.lstrip(_BLANKS)
        if text:
            edits.append(Edit(gap, Position(row, len(line) - len(text)), " " if has_text else ""))
            gap = Position(row, len(line.rstrip(_BLANKS)))
            has_text = True
    if gap.row < last:
        edits.append(Edit(gap, _end_of(lines, last), ""))
    buffer.edit_all(edits)


def delete_lines(buffer: Buffer) -> None:
    """Delete the lines; the caret keeps to its column in the one that follows. Raises as `edit_all`."""
    start, end = _whole(buffer)
    place = Position(_row_behind(buffer), buffer.head.column)
    buffer.edit_all([Edit(start, end, "")], select=(place, place))


def cut_lines(buffer: Buffer) -> str:
    """Delete the lines, and return them with a line break behind each. Raises as `edit_all`."""
    rows, lines = _rows(buffer), buffer.lines
    text = lines.slice(Position(rows[0], 0), Position(rows[-1], len(lines.line(rows[-1])))) + "\n"
    start, end = _whole(buffer)
    place = Position(_row_behind(buffer), 0)
    buffer.edit_all([Edit(start, end, "")], select=(place, place))
    return text


def indent(buffer: Buffer, unit: Indentation) -> None:
    """Put one step of `unit` before every line that is not blank. Raises as `edit_all`."""
    starts = [Position(row, 0) for row in _rows(buffer) if buffer.lines.line(row).strip()]
    if not starts:
        return
    size = len(unit.unit)

    def moved(place: Position) -> Position:
        # The start of a selection that begins with its line stays there.
        is_moved = Position(place.row, 0) in starts and (place.column > 0 or buffer.selection is None)
        return Position(place.row, place.column + size) if is_moved else place

    edits = [Edit(start, start, unit.unit) for start in starts]
    buffer.edit_all(edits, select=(moved(buffer.anchor), moved(buffer.head)))


def dedent(buffer: Buffer, unit: Indentation) -> None:
    """Take one step of `unit`, or what there is of it, from every line. Raises as `edit_all`."""
    edits = []
    for row in _rows(buffer):
        line = buffer.lines.line(row)
        most = 4 if unit.unit == "\t" else len(unit.unit)
        size = 1 if line[:1] == "\t" else min(most, len(line) - len(line.lstrip(" ")))
        if size:
            edits.append(Edit(Position(row, 0), Position(row, size), ""))
    buffer.edit_all(edits)


def change_case(buffer: Buffer, case: str) -> None:
    """Write the selection, or the word at the caret, in "upper", "lower" or "title" case.

    What was selected stays so, though it may become longer (ß is SS). Raises as `edit_all`.
    """
    lines, head = buffer.lines, buffer.head
    selection = buffer.selection
    if selection is None:
        start, end = (Position(head.row, column) for column in word_at(lines.line(head.row), head.column))
    else:
        start, end = selection
    before = lines.slice(start, end)
    text = _CASES[case](before)
    if text == before:
        return
    if selection is None:
        place = Position(head.row, start.column + len(_CASES[case](before[: head.column - start.column])))
        select = (place, place)
    else:
        *above, last = text.split("\n")
        new_end = Position(start.row + len(above), len(last) + (0 if above else start.column))
        select = (start, new_end) if buffer.head == end else (new_end, start)
    buffer.edit_all([Edit(start, end, text)], select=select)


def sort_lines(buffer: Buffer) -> None:
    """Sort the selected lines, or all; upper and lower case stand together. Raises as `edit_all`."""
    lines = buffer.lines
    rows = range(lines.row_count) if buffer.selection is None else _rows(buffer)
    if buffer.selection is None and len(rows) > 1 and not lines.line(rows[-1]):
        rows = rows[:-1]  # the text ends with a line break, and goes on doing so
    before = [lines.line(row) for row in rows]
    after = sorted(before, key=lambda line: (line.casefold(), line))
    changed = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    if not changed:
        return
    first, last = changed[0], changed[-1]
    start, end = Position(rows[first], 0), Position(rows[last], len(before[last]))
    text = "\n".join(after[first : last + 1])
    is_selected = buffer.selection is not None
    select = (Position(rows[0], 0), Position(rows[-1], len(after[-1]))) if is_selected else (buffer.head,) * 2
    buffer.edit_all([Edit(start, end, text)], select=(select[0], select[1]))


def delete_to_line_start(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's start, or the line break before it. Raises as `edit_all`."""
    head = buffer.head
    if buffer.selection is not None or not head.column:
        buffer.backspace()
    else:
        buffer.edit_all([Edit(Position(head.row, 0), head, "")])


def delete_to_line_end(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's end, or the line break there. Raises as `edit_all`."""
    head = buffer.head
    end = Position(head.row, len(buffer.lines.line(head.row)))
    if buffer.selection is not None or head == end:
        buffer.delete()
    else:
        buffer.edit_all([Edit(head, end, "")])


def _rows(buffer: Buffer) -> range:
    """Return the rows that the selection touches; without one, that of the caret."""
    if buffer.selection is None:
        return range(buffer.head.row, buffer.head.row + 1)
    start, end = buffer.selection
    return range(start.row, end.row + (1 if end.column or end.row == start.row else 0))


def _whole(buffer: Buffer) -> tuple[Position, Position]:
    """Return where the touched lines begin and end, with one line break as long as there is one."""
    rows, lines = _rows(buffer), buffer.lines
    if rows[-1] + 1 < lines.row_count:
        return Position(rows[0], 0), Position(rows[-1] + 1, 0)
    start = Position(rows[0] - 1, len(lines.line(rows[0] - 1))) if rows[0] else Position(0, 0)
    return start, _end_of(lines, rows[-1])


def _row_behind(buffer: Buffer) -> int:
    """Return the row where the line will stand that follows the touched ones, or else precedes them."""
    rows = _rows(buffer)
    return max(0, min(rows[0], buffer.lines.row_count - len(rows) - 1))


def _end_of(lines: Lines, row: int) -> Position:
    return Position(row, len(lines.line(row)))


def _shifted(buffer: Buffer, rows: int) -> tuple[Position, Position]:
    """Return (anchor, head) so many rows down."""
    anchor, head = buffer.anchor, buffer.head
    return Position(anchor.row + rows, anchor.column), Position(head.row + rows, head.column)
