"""Commands on whole lines: duplicate, move, join, delete, indent, change case, sort; each one step of undo.

They work on the lines that the selections touch, each once; one that a selection only reaches the start of
is not touched. What was selected stays selected, and no more text is replaced than changes, so that other
people's carets and edits in it stay where they are.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal

from collab_client import clusters
from collab_client.buffer import Buffer
from collab_client.carets import Span, carried, end_of_text, patches_of
from collab_client.indentation import Indentation
from collab_client.lines import START, Edit, Lines, Position
from collab_client.motions import word_touched

_BLANKS: Final = " \t"
_LETTERS: Final = re.compile(r"[^\W_]+")

_EDITS_MOST: Final = 128
"""As many lines are edited each for itself; of more, neighbours in one selection are replaced together.
What pycrdt takes for so many edits of one step grows with their square: 128 took 5 ms in 1,000 lines,
1,000 ten times as much, 20,000 half a minute."""


def duplicate_lines(buffer: Buffer) -> None:
    """Put the same lines once more below; the selections come to be in the copies. Raises as `edit_all`."""
    lines, spans = buffer.lines, buffer.spans
    edits, shifted = [], []
    added = at = 0
    for rows in _blocks(buffer):
        end = _end_of(lines, rows[-1])
        edits.append(Edit(end, end, "\n" + lines.slice(Position(rows[0], 0), end)))
        added += len(rows)
        while at < len(spans) and spans[at].start.row in rows:
            shifted.append(_down(spans[at], added))
            at += 1
    buffer.edit_all(edits, spans=shifted)


def move_lines(buffer: Buffer, delta: int) -> None:
    """Move the lines one up (-1) or down (1), past the line there. Raises as `edit_all`.

    It is that line which moves, so that everybody's carets in the others stay.
    """
    lines, spans = buffer.lines, buffer.spans
    edits, shifted = [], []
    at = 0
    for rows in _blocks(buffer, joins_neighbours=True):
        passed = rows[0] - 1 if delta < 0 else rows[-1] + 1
        can_move = 0 <= passed < lines.row_count
        if can_move:
            edits += _passing(lines, rows, passed)
        while at < len(spans) and spans[at].start.row in rows:
            shifted.append(_down(spans[at], delta if can_move else 0))
            at += 1
    if edits:
        buffer.edit_all(edits, spans=shifted)


def _passing(lines: Lines, rows: range, passed: int) -> list[Edit]:
    """Return the edits that put line `passed` on the other side of `rows`."""
    line = lines.line(passed)
    last = _end_of(lines, rows[-1])
    if passed < rows[0]:
        return [Edit(Position(passed, 0), Position(rows[0], 0), ""), Edit(last, last, "\n" + line)]
    # Behind the line above, if there is one: carets at the block's start are then moved along.
    above = _end_of(lines, rows[0] - 1) if rows[0] else START
    text = "\n" + line if rows[0] else line + "\n"
    return [Edit(above, above, text), Edit(last, Position(passed, len(line)), "")]


def join_lines(buffer: Buffer) -> None:
    """Join the lines, or one with the next, by one blank where both have text. Raises as `edit_all`."""
    last_row = buffer.lines.row_count - 1
    touched = []
    for span in buffer.spans:
        rows = _rows_of(span)
        touched.append(range(rows[0], 1 + (rows[-1] if len(rows) > 1 else min(rows[0] + 1, last_row))))
    blocks = _united(touched)
    _edit_lines(buffer, blocks, [edit for rows in blocks for edit in _joining(buffer.lines, rows)])


def _joining(lines: Lines, rows: range) -> list[Edit]:
    """Return the edits that make one line of `rows`."""
    line = lines.line(rows[0])
    has_text = bool(line.strip(_BLANKS))
    gap = Position(rows[0], len(line.rstrip(_BLANKS)) if has_text else len(line))
    edits = []
    for row in rows[1:]:
        line = lines.line(row)
        text = line.lstrip(_BLANKS)
        if text:
            edits.append(Edit(gap, Position(row, len(line) - len(text)), " " if has_text else ""))
            gap = Position(row, len(line.rstrip(_BLANKS)))
            has_text = True
    if gap.row < rows[-1]:
        edits.append(Edit(gap, _end_of(lines, rows[-1]), ""))
    return edits


def delete_lines(buffer: Buffer) -> None:
    """Delete the lines; carets keep to their cells in the line that follows. Raises as `edit_all`."""
    _delete_lines(buffer, keeps_cell=True)


def cut_lines(buffer: Buffer) -> str:
    """Delete the lines, and return them with a line break behind each. Raises as `edit_all`."""
    text = lines_at_carets(buffer)
    _delete_lines(buffer, keeps_cell=False)
    return text


def lines_at_carets(buffer: Buffer) -> str:
    """Return the lines with a line break behind each."""
    lines = buffer.lines
    return "".join(
        lines.slice(Position(rows[0], 0), _end_of(lines, rows[-1])) + "\n"
        for rows in _blocks(buffer, joins_neighbours=True)
    )


def _delete_lines(buffer: Buffer, *, keeps_cell: bool) -> None:
    lines, spans, last_row = buffer.lines, buffer.spans, buffer.lines.row_count - 1
    edits, placed = [], []
    deleted = at = 0
    for rows in _blocks(buffer, joins_neighbours=True):
        edits.append(Edit(*_whole(lines, rows), ""))
        following = rows[-1] + 1 if rows[-1] < last_row else rows[0] - 1
        line = lines.line(following) if following >= 0 else ""
        row = max(0, min(rows[0] - deleted, last_row - deleted - len(rows)))
        while at < len(spans) and spans[at].start.row in rows:
            head = spans[at].head
            cells = clusters.cells_before(lines.line(head.row), head.column) if keeps_cell else 0
            place = Position(row, clusters.column_at(line, cells))
            placed.append(Span(place, place))
            at += 1
        deleted += len(rows)
    buffer.edit_all(edits, spans=placed)


def indent(buffer: Buffer, unit: Indentation) -> None:
    """Put one step of `unit` before every line that is not blank. Raises as `edit_all`."""
    lines, blocks = buffer.lines, _blocks(buffer)
    starts = [Position(row, 0) for rows in blocks for row in rows if lines.line(row).strip()]
    # A selection that begins with its line goes on doing so.
    _edit_lines(buffer, blocks, [Edit(start, start, unit.unit) for start in starts], keeps_line_start=True)


def dedent(buffer: Buffer, unit: Indentation) -> None:
    """Take one step of `unit`, or what there is of it, from every line. Raises as `edit_all`."""
    blocks = _blocks(buffer)
    edits = []
    most = clusters.TAB_CELLS if unit.unit == "\t" else len(unit.unit)
    for row in (row for rows in blocks for row in rows):
        line = buffer.lines.line(row)
        size = 1 if line[:1] == "\t" else min(most, len(line) - len(line.lstrip(" ")))
        if size:
            edits.append(Edit(Position(row, 0), Position(row, size), ""))
    _edit_lines(buffer, blocks, edits)


def change_case(buffer: Buffer, case: Literal["upper", "lower", "title"]) -> None:
    """Write each selection, or the word that the caret is in or touches, in another case.

    What was selected stays so, though it may become longer (ß is SS). Raises as `edit_all`.
    """
    lines, change = buffer.lines, _CASES[case]
    edits: list[Edit] = []
    behind = START
    for span in buffer.spans:
        start, end = word_touched(lines, span.head) if span.is_bare else (span.start, span.end)
        if start >= behind:
            edits.append(Edit(start, end, change(lines.slice(start, end))))
            behind = end
    if all(edit.text == lines.slice(edit.start, edit.end) for edit in edits):
        return
    starts, patches = [edit.start for edit in edits], patches_of(edits)

    def moved(place: Position, is_end: bool) -> Position:
        at = bisect_right(starts, place) - 1
        if at > 0 and is_end and place == starts[at]:
            at -= 1  # a selection's end is not in the next one
        if at < 0:
            return place
        start, end, _ = edits[at]
        if place <= end:
            return end_of_text(patches[at].start, change(lines.slice(start, place)))
        return carried(place, end, patches[at].new_end)

    buffer.edit_all(
        [edit for edit in edits if edit.text != lines.slice(edit.start, edit.end)],
        spans=[
            Span(moved(span.head, span.head > span.anchor), moved(span.anchor, span.anchor > span.head))
            for span in buffer.spans
        ],
    )


def sort_lines(buffer: Buffer) -> None:
    """Sort the lines of each selection, or all; upper and lower case stand together. Raises as `edit_all`.

    The selections become the sorted lines; a caret without one goes with its line.
    """
    lines = buffer.lines
    blocks = _united(_rows_of(span) for span in buffer.spans if not span.is_bare)
    if not blocks:
        # Where the text ends with a line break, it goes on doing so.
        ends_with_break = lines.row_count > 1 and not lines.line(lines.row_count - 1)
        blocks = [range(lines.row_count - ends_with_break)]
    edits: list[Edit] = []
    gone: dict[int, int] = {}  # which row of a block went where
    sizes: dict[int, int] = {}  # how long the last line of a block is then
    for rows in blocks:
        before = [lines.line(row) for row in rows]
        order = sorted(range(len(rows)), key=lambda at: (before[at].casefold(), before[at]))
        after = [before[at] for at in order]
        gone.update((rows[at], row) for row, at in zip(rows, order, strict=True))
        sizes[rows[-1]] = len(after[-1])
        changed = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        if changed:
            first, last = changed[0], changed[-1]
            text = "\n".join(after[first : last + 1])
            edits.append(Edit(Position(rows[first], 0), Position(rows[last], len(before[last])), text))
    if not edits:
        return

    def placed(span: Span) -> Span:
        if span.is_bare:
            place = Position(gone.get(span.head.row, span.head.row), span.head.column)
            return Span(place, place)
        start, end = Position(span.start.row, 0), span.end
        if end.row in gone and (end.column or end.row not in sizes):
            end = Position(end.row, sizes.get(end.row, 0))
        return Span(end, start) if span.head > span.anchor else Span(start, end)

    buffer.edit_all(edits, spans=[placed(span) for span in buffer.spans])


def delete_to_line_start(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's start, or the line break before it. Raises as `edit_all`."""

    def before(span: Span) -> tuple[Position, Position]:
        head = span.head
        return Position(head.row, 0) if head.column else clusters.left_of(buffer.lines, head), head

    _delete_each(buffer, before)


def delete_to_line_end(buffer: Buffer) -> None:
    """Delete what is selected, or to the line's end, or the line break there. Raises as `edit_all`."""

    def behind(span: Span) -> tuple[Position, Position]:
        head, line_end = span.head, _end_of(buffer.lines, span.head.row)
        return head, line_end if head < line_end else clusters.right_of(buffer.lines, head)

    _delete_each(buffer, behind)


def _delete_each(buffer: Buffer, reach: Callable[[Span], tuple[Position, Position]]) -> None:
    """Delete each selection, or what the caret's `reach` is; that of several may overlap."""
    edits: list[Edit] = []
    for span in buffer.spans:
        start, end = reach(span) if span.is_bare else (span.start, span.end)
        if edits and start < edits[-1].end:
            edits[-1] = Edit(min(start, edits[-1].start), max(end, edits[-1].end), "")
        else:
            edits.append(Edit(start, end, ""))
    buffer.edit_all(edits)


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


def _edit_lines(
    buffer: Buffer, blocks: Sequence[range], edits: Sequence[Edit], *, keeps_line_start: bool = False
) -> None:
    """Make `edits`, which are in `blocks`; carets and selections keep to their text. Raises as `edit_all`.

    `keeps_line_start`: a selection's ends at the start of a line stay there.
    """
    starts, patches = [edit.start for edit in edits], patches_of(edits)

    def moved(place: Position, span: Span) -> Position:
        """Return where the text at `place` is then; in what goes, where that was."""
        at = bisect_right(starts, place) - 1
        if at < 0 or (keeps_line_start and not span.is_bare and not place.column):
            return place
        if place < edits[at].end:
            return patches[at].start
        return carried(place, edits[at].end, patches[at].new_end)

    spans = [Span(moved(span.head, span), moved(span.anchor, span)) for span in buffer.spans]
    buffer.edit_all([_one_edit(buffer.lines, group) for group in _groups(blocks, edits)], spans=spans)


def _groups(blocks: Sequence[range], edits: Sequence[Edit]) -> list[list[Edit]]:
    """Return `edits` in groups that are to be one edit each, none of them in two of `blocks`."""
    size = -(-len(edits) // _EDITS_MOST)
    firsts = [rows.start for rows in blocks]
    groups: list[list[Edit]] = []
    last = -1
    for edit in edits:
        block = bisect_right(firsts, edit.start.row)
        if block == last and len(groups[-1]) < size:
            groups[-1].append(edit)
        else:
            groups.append([edit])
        last = block
    return groups


def _one_edit(lines: Lines, edits: Sequence[Edit]) -> Edit:
    """Return the edit that does what `edits` do, and puts what is between them anew."""
    parts = [edits[0].text]
    for one, next_one in pairwise(edits):
        parts += [lines.slice(one.end, next_one.start), next_one.text]
    return Edit(edits[0].start, edits[-1].end, "".join(parts))


def _rows_of(span: Span) -> range:
    """Return the rows that a selection touches; without one, that of the caret."""
    start, end = span.start, span.end
    return range(start.row, end.row + (1 if end.column or start == end else 0))


def _united(touched: Iterable[range], *, joins_neighbours: bool = False) -> list[range]:
    """Return `touched`, in order, those made one that share a row; or, if so wished, follow each other."""
    blocks: list[range] = []
    for rows in touched:
        if blocks and rows.start < blocks[-1].stop + joins_neighbours:
            blocks[-1] = range(blocks[-1].start, max(blocks[-1].stop, rows.stop))
        else:
            blocks.append(rows)
    return blocks


def _blocks(buffer: Buffer, *, joins_neighbours: bool = False) -> list[range]:
    return _united(map(_rows_of, buffer.spans), joins_neighbours=joins_neighbours)


def _whole(lines: Lines, rows: range) -> tuple[Position, Position]:
    """Return where the lines begin and end, with one line break as long as there is one."""
    if rows[-1] + 1 < lines.row_count:
        return Position(rows[0], 0), Position(rows[-1] + 1, 0)
    start = _end_of(lines, rows[0] - 1) if rows[0] else START
    return start, _end_of(lines, rows[-1])


def _end_of(lines: Lines, row: int) -> Position:
    return Position(row, len(lines.line(row)))


def _down(span: Span, rows: int) -> Span:
    """Return `span` so many rows down."""
    (head_row, head_column), (anchor_row, anchor_column) = span.head, span.anchor
    return Span(Position(head_row + rows, head_column), Position(anchor_row + rows, anchor_column))
