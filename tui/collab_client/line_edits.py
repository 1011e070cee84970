"""Commands on whole lines: duplicate, move, join, delete, indent, change case, sort; each one step of undo.

They work on the lines that the selection touches; one that it only reaches the start of is not touched.
What was selected stays selected, and no more text is replaced than changes, so that other people's carets
and edits in it stay where they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Literal

from collab_client import clusters
from collab_client.buffer import Buffer
from collab_client.indentation import Indentation
from collab_client.lines import START, Edit, Lines, Position
from collab_client.motions import word_at

_BLANKS: Final = " \t"
_LETTERS: Final = re.compile(r"[^\W_]+")

_EDITS_MOST: Final = 128
"""As many lines are edited each for itself; among more, neighbours are replaced together. What pycrdt
takes for so many edits of one step grows with their square: 128 took 5 ms in 1,000 lines, 1,000 ten times
as much, 20,000 half a minute."""


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
    last = _end_of(lines, rows[-1])
    if delta < 0:
        edits = [Edit(Position(passed, 0), Position(rows[0], 0), ""), Edit(last, last, "\n" + line)]
    else:
        # Behind the line above, if there is one: carets at the block's start are then moved along.
        above = _end_of(lines, rows[0] - 1) if rows[0] else START
        text = "\n" + line if rows[0] else line + "\n"
        edits = [Edit(above, above, text), Edit(last, Position(passed, len(line)), "")]
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
    _edit_lines(buffer, edits)


def delete_lines(buffer: Buffer) -> None:
    """Delete the lines; the caret keeps to its cell in the line that follows. Raises as `edit_all`."""
    rows, lines, head = _rows(buffer), buffer.lines, buffer.head
    start, end = _whole(buffer)
    following = rows[-1] + 1 if rows[-1] + 1 < lines.row_count else rows[0] - 1
    line = lines.line(following) if following >= 0 else ""
    cells = clusters.cells_before(lines.line(head.row), head.column)
    place = Position(_row_behind(buffer), clusters.column_at(line, cells))
    buffer.edit_all([Edit(start, end, "")], select=(place, place))


def cut_lines(buffer: Buffer) -> str:
    """Delete the lines, and return them with a line break behind each. Raises as `edit_all`."""
    rows, lines = _rows(buffer), buffer.lines
    text = lines.slice(Position(rows[0], 0), _end_of(lines, rows[-1])) + "\n"
    start, end = _whole(buffer)
    place = Position(_row_behind(buffer), 0)
    buffer.edit_all([Edit(start, end, "")], select=(place, place))
    return text


def indent(buffer: Buffer, unit: Indentation) -> None:
    """Put one step of `unit` before every line that is not blank. Raises as `edit_all`."""
    starts = [Position(row, 0) for row in _rows(buffer) if buffer.lines.line(row).strip()]
    # A selection that begins with its line goes on doing so.
    _edit_lines(buffer, [Edit(start, start, unit.unit) for start in starts], keeps_line_start=True)


def dedent(buffer: Buffer, unit: Indentation) -> None:
    """Take one step of `unit`, or what there is of it, from every line. Raises as `edit_all`."""
    edits = []
    most = clusters.TAB_CELLS if unit.unit == "\t" else len(unit.unit)
    for row in _rows(buffer):
        line = buffer.lines.line(row)
        size = 1 if line[:1] == "\t" else min(most, len(line) - len(line.lstrip(" ")))
        if size:
            edits.append(Edit(Position(row, 0), Position(row, size), ""))
    _edit_lines(buffer, edits)


def change_case(buffer: Buffer, case: Literal["upper", "lower", "title"]) -> None:
    """Write the selection, or the word that the caret is in or touches, in another case.

    What was selected stays so, though it may become longer (ß is SS). Raises as `edit_all`.
    """
    lines, head, selection = buffer.lines, buffer.head, buffer.selection
    change = _CASES[case]
    start, end = selection or _word_touched(lines, head)
    before = lines.slice(start, end)
    text = change(before)
    if text == before:
        return
    if selection is None:
        place = Position(head.row, start.column + len(change(before[: head.column - start.column])))
        select = (place, place)
    else:
        new_end = _end_of_text(start, text)
        select = (start, new_end) if head == end else (new_end, start)
    buffer.edit_all([Edit(start, end, text)], select=select)


def sort_lines(buffer: Buffer) -> None:
    """Sort the selected lines, or all; upper and lower case stand together. Raises as `edit_all`.

    The selection becomes the sorted lines; without one the caret goes with its line.
    """
    lines, selection = buffer.lines, buffer.selection
    rows = range(lines.row_count) if selection is None else _rows(buffer)
    if selection is None and len(rows) > 1 and not lines.line(rows[-1]):
        rows = rows[:-1]  # the text ends with a line break, and goes on doing so
    before = [lines.line(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda at: (before[at].casefold(), before[at]))
    after = [before[at] for at in order]
    changed = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    if not changed:
        return
    first, last = changed[0], changed[-1]
    edit = Edit(
        Position(rows[first], 0), Position(rows[last], len(before[last])), "\n".join(after[first : last + 1])
    )
    head = buffer.head
    if selection is None:
        place = Position(order.index(head.row), head.column) if head.row in rows else head
        buffer.edit_all([edit], select=(place, place))
        return
    start = Position(rows[0], 0)
    end = Position(rows[-1], len(after[-1])) if selection[1].row in rows else selection[1]
    buffer.edit_all([edit], select=(start, end) if head == selection[1] else (end, start))


def delete_to_line_start(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's start, or the line break before it. Raises as `edit_all`."""
    head = buffer.head
    before = Position(head.row, 0) if head.column else clusters.left_of(buffer.lines, head)
    start, end = buffer.selection or (before, head)
    buffer.edit_all([Edit(start, end, "")])


def delete_to_line_end(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's end, or the line break there. Raises as `edit_all`."""
    head, line_end = buffer.head, _end_of(buffer.lines, buffer.head.row)
    behind = line_end if head < line_end else clusters.right_of(buffer.lines, head)
    start, end = buffer.selection or (head, behind)
    buffer.edit_all([Edit(start, end, "")])


def _title(text: str) -> str:
    """Return `text` in lower case but for the first letter of each word.

    Other than for `str.title`, marks, digits and an apostrophe within a word do not end it.
    """
    text = text.lower()

    def begun(match: re.Match[str]) -> str:
        at = match.start()
        goes_on = at > 0 and (
            unicodedata.category(text[at - 1])[0] == "M"
            or (text[at - 1] in "'’" and at > 1 and text[at - 2].isalnum())
        )
        return match[0] if goes_on else match[0][0].title() + match[0][1:]

    return _LETTERS.sub(begun, text)


_CASES: Final[dict[str, Callable[[str], str]]] = {"upper": str.upper, "lower": str.lower, "title": _title}


def _word_touched(lines: Lines, place: Position) -> tuple[Position, Position]:
    """Return the word around or behind `place`, else the one before it, else what is there."""
    line = lines.line(place.row)
    start, end = word_at(line, place.column)
    if start == place.column > 0 and not clusters.is_word(line[start]):
        start, end = word_at(line, place.column - 1)
    return Position(place.row, start), Position(place.row, end)


def _edit_lines(buffer: Buffer, edits: Sequence[Edit], *, keeps_line_start: bool = False) -> None:
    """Make `edits`, and keep caret and selection on their text. Raises as `edit_all`.

    `keeps_line_start`: the selection's ends at the start of a line stay there.
    """

    def moved(place: Position) -> Position:
        stays = keeps_line_start and buffer.selection is not None and not place.column
        return place if stays else _through(place, edits)

    size = -(-len(edits) // _EDITS_MOST) or 1
    groups = [edits[at : at + size] for at in range(0, len(edits), size)]
    select = (moved(buffer.anchor), moved(buffer.head))
    buffer.edit_all([_one_edit(buffer.lines, group) for group in groups], select=select)


def _one_edit(lines: Lines, edits: Sequence[Edit]) -> Edit:
    """Return the edit that does what `edits` do, and puts what is between them anew."""
    parts = [edits[0].text]
    for one, next_one in pairwise(edits):
        parts += [lines.slice(one.end, next_one.start), next_one.text]
    return Edit(edits[0].start, edits[-1].end, "".join(parts))


def _through(place: Position, edits: Sequence[Edit]) -> Position:
    """Return where the text at `place` is after `edits`; in what goes, where that was."""
    before = after = START  # the same place, in the text as it was and as it will be
    for start, end, text in edits:
        if place < start:
            break
        new_start = _carried(start, before, after)
        if place < end:
            return new_start
        before, after = end, _end_of_text(new_start, text)
    return _carried(place, before, after)


def _carried(place: Position, before: Position, after: Position) -> Position:
    """Return where `place` is when `before`, not behind it, has gone to `after`."""
    column = place.column + (after.column - before.column if place.row == before.row else 0)
    return Position(place.row + after.row - before.row, column)


def _end_of_text(start: Position, text: str) -> Position:
    """Return where `text` ends that begins at `start`."""
    *above, last = text.split("\n")
    return Position(start.row + len(above), len(last) + (0 if above else start.column))


def _rows(buffer: Buffer) -> range:
    """Return the rows that the selection touches; without one, that of the caret."""
    if buffer.selection is None:
        return range(buffer.head.row, buffer.head.row + 1)
    start, end = buffer.selection
    return range(start.row, end.row + (1 if end.column else 0))


def _whole(buffer: Buffer) -> tuple[Position, Position]:
    """Return where the touched lines begin and end, with one line break as long as there is one."""
    rows, lines = _rows(buffer), buffer.lines
    if rows[-1] + 1 < lines.row_count:
        return Position(rows[0], 0), Position(rows[-1] + 1, 0)
    start = _end_of(lines, rows[0] - 1) if rows[0] else START
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
