"""What an action does to a buffer; those that need the screen are the editor's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from collab_client import clusters, line_edits, motions, multi_carets
from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.code_edits import CodeStyle
from collab_client.edits import instead_of
from collab_client.indentation import Indentation
from collab_client.lines import START, Lines, Position, Replacement
from collab_client.own_carets import MOST_CARETS
from collab_client.undo_steps import Kind
from collab_tui.actions import SELECT
from collab_tui.widgets import typing_code
from collab_tui.widgets.mouse import Unit

Command = Callable[[Buffer], object]

_TARGETS: Final[Mapping[str, Callable[[Lines, Position], Position | None]]] = {
    "word_left": clusters.word_left_of,
    "word_right": clusters.word_right_of,
    "line_start": motions.smart_line_start,
    "line_end": lambda lines, at: Position(at.row, len(lines.line(at.row))),
    "paragraph_up": motions.paragraph_above,
    "paragraph_down": motions.paragraph_below,
    "document_start": lambda lines, at: START,
    "document_end": lambda lines, at: lines.end,
    "bracket": motions.matching_bracket,
}
"""Moves to where the text says."""


def _unselect(buffer: Buffer) -> None:
    """Go back to one caret; when there is one, select nothing."""
    if len(buffer.spans) > 1:
        multi_carets.keep_primary(buffer)
    else:
        buffer.move_to(buffer.head)


def _select_all_alike(buffer: Buffer) -> str | None:
    """Select all places with the primary's text; return what to tell where they are too many."""
    if multi_carets.select_all_occurrences(buffer) <= MOST_CARETS:
        return None
    return f"{MOST_CARETS:,} of more selected; Ctrl-R replaces all"


def _delete_to(buffer: Buffer, move: str) -> None:
    """Delete each selection, or from a caret to where `move` goes."""
    behind = START
    deleted: dict[Span, Replacement | None] = {}
    for span in buffer.spans:
        start, end = span.start, span.end
        if span.is_bare:
            target = _TARGETS[move](buffer.lines, span.head)
            if target is None:
                deleted[span] = None
                continue
            start, end = min(start, target), max(end, target)
        start, end = max(start, behind), max(end, behind)
        deleted[span] = Replacement(start, end, "", 0)
        behind = end
    buffer.edit_each(lambda _, span: deleted[span])


_COMMANDS: Final[Mapping[str, Command]] = {
    "left": lambda buffer: buffer.move_left(),
    "right": lambda buffer: buffer.move_right(),
    "select_left": lambda buffer: buffer.move_left(extend=True),
    "select_right": lambda buffer: buffer.move_right(extend=True),
    "select_all": lambda buffer: buffer.select_all(),
    "select_word": lambda buffer: select_word(buffer, buffer.head),
    "select_line": lambda buffer: select_line(buffer, buffer.head),
    "unselect": _unselect,
    "add_caret_above": lambda buffer: multi_carets.add_caret(buffer, -1),
    "add_caret_below": lambda buffer: multi_carets.add_caret(buffer, 1),
    "add_next_occurrence": multi_carets.add_next_occurrence,
    "select_all_occurrences": _select_all_alike,
    "split_into_lines": multi_carets.split_into_lines,
    "delete": lambda buffer: buffer.delete(),
    "delete_word_left": lambda buffer: _delete_to(buffer, "word_left"),
    "delete_word_right": lambda buffer: _delete_to(buffer, "word_right"),
    "delete_to_line_start": line_edits.delete_to_line_start,
    "delete_to_line_end": line_edits.delete_to_line_end,
    "upper_case": lambda buffer: line_edits.change_case(buffer, "upper"),
    "lower_case": lambda buffer: line_edits.change_case(buffer, "lower"),
    "title_case": lambda buffer: line_edits.change_case(buffer, "title"),
    "undo": lambda buffer: buffer.undo(),
    "redo": lambda buffer: buffer.redo(),
    "duplicate_lines": line_edits.duplicate_lines,
    "move_lines_up": lambda buffer: line_edits.move_lines(buffer, -1),
    "move_lines_down": lambda buffer: line_edits.move_lines(buffer, 1),
    "join_lines": line_edits.join_lines,
    "delete_lines": line_edits.delete_lines,
    "sort_lines": line_edits.sort_lines,
}


def _tab(buffer: Buffer, unit: Indentation) -> None:
    """Indent the lines of all carets when one selects from row to row; else put a tab at each."""
    if any(span.start.row != span.end.row for span in buffer.spans):
        line_edits.indent(buffer, unit)
        return

    def tab(lines: Lines, span: Span) -> Replacement:
        row, column = span.start
        return instead_of(span, unit.tab_text(lines.line(row), column))

    buffer.edit_each(tab, kind=Kind.TYPING)


_WRITING: Final[Mapping[str, Callable[[Buffer, CodeStyle, Callable[[], Indentation]], object]]] = {
    "newline": typing_code.newline,
    "backspace": typing_code.backspace,
}

_INDENTING: Final[Mapping[str, Callable[[Buffer, Indentation], object]]] = {
    "tab": _tab,
    "indent": line_edits.indent,
    "dedent": line_edits.dedent,
}


def command(
    action: str,
    indentation: Callable[[Lines], Indentation],
    style: Callable[[], CodeStyle] = lambda: typing_code.PLAIN,
) -> Command | None:
    """Return what `action` does to a buffer; None when it is not of this kind."""
    if action in _WRITING:
        return lambda buffer: _WRITING[action](buffer, style(), lambda: indentation(buffer.lines))
    if action in _COMMANDS:
        return _COMMANDS[action]
    if action in _INDENTING:
        return lambda buffer: _INDENTING[action](buffer, indentation(buffer.lines))
    target = _TARGETS.get(action.removeprefix(SELECT))
    return None if target is None else lambda buffer: _move(buffer, target, extend=action.startswith(SELECT))


def go_to(buffer: Buffer, row: int, column: int) -> None:
    """Move to the character that holds this column, or to the nearest there is."""
    place = buffer.lines.clamp(Position(row, max(0, column)))
    line = buffer.lines.line(place.row)
    if place.column < len(line):
        place = place._replace(column=clusters.previous_boundary(line, place.column + 1))
    buffer.move_to(place)


def drag_to(buffer: Buffer, unit: Unit, place: Position) -> None:
    """Select on to `place`. What is selected holds where the drag began, wherever others have moved it."""
    if unit == "character":
        buffer.move_to(place, extend=True)
        return
    anchor = buffer.anchor
    origin = anchor if anchor <= buffer.head else clusters.left_of(buffer.lines, anchor)
    select_by(buffer, unit, origin, place)


def select_by(buffer: Buffer, unit: Unit, origin: Position, place: Position) -> None:
    """Select from `origin` to `place` by characters, or all words or lines from one to the other."""
    if unit == "character":
        buffer.move_to(origin)
        buffer.move_to(place, extend=True)
        return
    spans = [_span(buffer.lines, unit, at) for at in (origin, place)]
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    buffer.move_to(end if place < origin else start)
    buffer.move_to(start if place < origin else end, extend=True)


def _span(lines: Lines, unit: Unit, at: Position) -> tuple[Position, Position]:
    if unit == "word":
        start, end = motions.word_at(lines.line(at.row), at.column)
        return Position(at.row, start), Position(at.row, end)
    is_last = at.row + 1 >= lines.row_count
    return Position(at.row, 0), lines.end if is_last else Position(at.row + 1, 0)


def toggle_caret(buffer: Buffer, place: Position) -> None:
    """Put one more caret at `place`; where one stands, let it go unless it is the only one."""
    left = [span for span in buffer.spans if span != Span(place, place)]
    if len(left) == len(buffer.spans):
        left.append(Span(place, place))
    if left:
        buffer.set_spans(left)


def select_word(buffer: Buffer, at: Position) -> None:
    """Select the word, blanks or sign at `at`."""
    select_by(buffer, "word", at, at)


def select_line(buffer: Buffer, at: Position) -> None:
    """Select the line of `at` with its line break."""
    select_by(buffer, "line", at, at)


def _move(buffer: Buffer, target: Callable[[Lines, Position], Position | None], *, extend: bool) -> None:
    buffer.move_each(lambda span: target(buffer.lines, span.head), extend=extend)
