"""Commands on lines: what they do to text and selection, and that one undo takes each back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client import clusters, line_edits
from collab_client.buffer import Buffer
from collab_client.indentation import Indentation
from collab_client.lines import Lines, Position
from collab_protocol.errors import EditError
from collab_protocol.text import Replica

FOUR = Indentation("    ")
TAB = Indentation("\t")

COMMANDS: dict[str, Callable[[Buffer], object]] = {
    "duplicate_lines": line_edits.duplicate_lines,
    "move_up": lambda buffer: line_edits.move_lines(buffer, -1),
    "move_down": lambda buffer: line_edits.move_lines(buffer, 1),
    "join_lines": line_edits.join_lines,
    "delete_lines": line_edits.delete_lines,
    "cut_lines": line_edits.cut_lines,
    "indent": lambda buffer: line_edits.indent(buffer, FOUR),
    "indent_tab": lambda buffer: line_edits.indent(buffer, TAB),
    "dedent": lambda buffer: line_edits.dedent(buffer, FOUR),
    "dedent_tab": lambda buffer: line_edits.dedent(buffer, TAB),
    "upper": lambda buffer: line_edits.change_case(buffer, "upper"),
    "lower": lambda buffer: line_edits.change_case(buffer, "lower"),
    "title": lambda buffer: line_edits.change_case(buffer, "title"),
    "sort_lines": line_edits.sort_lines,
    "delete_to_line_start": line_edits.delete_to_line_start,
    "delete_to_line_end": line_edits.delete_to_line_end,
}


def buffer_of(marked: str) -> Buffer:
    """Make a buffer of a text in which ‹ stands at the anchor and | at the caret; | alone is both."""
    text = marked.replace("‹", "").replace("|", "")
    replica = Replica(1, has_undo=True)
    if text:
        source = Replica(2)
        source.edit(0, 0, text)
        replica.apply(source.update_since())
    buffer = Buffer(replica)
    head = _place(marked.replace("‹", ""), "|")
    buffer.move_to(_place(marked.replace("|", ""), "‹") if "‹" in marked else head)
    buffer.move_to(head, extend=True)
    return buffer


def marked(buffer: Buffer) -> str:
    text = buffer.lines.text()
    head, anchor = _index(buffer.lines, buffer.head), _index(buffer.lines, buffer.anchor)
    signs = [(head, "|")] if head == anchor else sorted([(head, "|"), (anchor, "‹")], reverse=True)
    for at, sign in signs:
        text = text[:at] + sign + text[at:]
    return text


def _place(text: str, sign: str) -> Position:
    before = text[: text.index(sign)]
    return Position(before.count("\n"), len(before) - before.rfind("\n") - 1)


def _index(lines: Lines, place: Position) -> int:
    return sum(len(lines.line(row)) + 1 for row in range(place.row)) + place.column


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        ("duplicate_lines", "one\nt|wo", "one\ntwo\nt|wo"),
        ("duplicate_lines", "o‹ne\ntw|o\nx", "one\ntwo\no‹ne\ntw|o\nx"),
        ("duplicate_lines", "‹one\n|two", "one\n‹one\n|two"),
        ("move_down", "o|ne\ntwo", "two\no|ne"),
        ("move_down", "one\nt|wo", "one\nt|wo"),
        ("move_down", "|o‹ne\ntwo\n\n", "two\n|o‹ne\n\n"),
        ("move_up", "one\ntw‹o\nth|ree", "tw‹o\nth|ree\none"),
        ("move_up", "o|ne\ntwo", "o|ne\ntwo"),
        ("move_up", "\n|", "|\n"),
        ("join_lines", "o|ne  \n   two\nx", "o|ne two\nx"),
        ("join_lines", "on‹e\n\n\t two\nthr|ee\nx", "on‹e two thr|ee\nx"),
        ("join_lines", "one|\n   \nx", "one|\nx"),
        ("join_lines", "|\n  two", "|two"),
        ("join_lines", "last|", "last|"),
        ("delete_lines", "one\nt|wo\nthree", "one\nt|hree"),
        ("delete_lines", "one\nt|wo", "o|ne"),
        ("delete_lines", "on|ly", "|"),
        ("delete_lines", "o‹ne\ntwo\n|three", "|three"),
        ("cut_lines", "one\nt|wo\nthree", "one\n|three"),
        ("cut_lines", "one\nt|wo", "|one"),
        ("indent", "a‹b\n\n  c|d", "    a‹b\n\n      c|d"),
        ("indent", "‹ab\nc|d", "‹    ab\n    c|d"),
        ("indent", "a|b", "    a|b"),
        ("indent_tab", "|ab", "\t|ab"),
        ("dedent", "      a‹b\n\tc\n d|", "  a‹b\nc\nd|"),
        ("dedent_tab", "\t\ta|", "\ta|"),
        ("dedent", "a|b", "a|b"),
        ("upper", "stra|ße x", "STRA|SSE x"),
        ("upper", "‹straße|", "‹STRASSE|"),
        ("lower", "|A\nB‹C", "|a\nb‹C"),
        ("title", "‹two words|", "‹Two Words|"),
        ("sort_lines", "b‹\na\nB\nA|\nx", "‹A\na\nB\nb|\nx"),
        ("sort_lines", "c\n|b\na\n", "a\n|b\nc\n"),
        ("sort_lines", "a\n|b", "a\n|b"),
        ("delete_to_line_start", "one\ntw|o", "one\n|o"),
        ("delete_to_line_start", "one\n|two", "one|two"),
        ("delete_to_line_end", "tw|o\nx", "tw|\nx"),
        ("delete_to_line_end", "two|\nx", "two|x"),
        ("delete_to_line_end", "t‹w|o", "t|o"),
    ],
)
def test_what_a_command_does(command: str, before: str, after: str) -> None:
    buffer = buffer_of(before)
    COMMANDS[command](buffer)
    assert marked(buffer) == after


def test_what_was_cut_ends_with_a_line_break() -> None:
    assert line_edits.cut_lines(buffer_of("one\nt|wo")) == "two\n"
    assert line_edits.cut_lines(buffer_of("o‹ne\ntw|o\nx")) == "one\ntwo\n"


LINES = st.lists(
    st.lists(
        st.sampled_from(["a", "B", " ", "\t", "é", "e\u0301", "漢", "👨‍👩‍👧", "ß", "(", "z "]), max_size=6
    ).map("".join),
    min_size=1,
    max_size=6,
)


@given(LINES, st.data())
def test_one_undo_takes_each_back_and_nothing_else_differs(text: list[str], data: st.DataObject) -> None:
    buffer = buffer_of("\n".join(text) + "|")
    lines = buffer.lines

    def somewhere() -> Position:
        row = data.draw(st.integers(0, lines.row_count - 1))
        edges = [0]
        while edges[-1] < len(lines.line(row)):
            edges.append(clusters.next_boundary(lines.line(row), edges[-1]))
        return Position(row, data.draw(st.sampled_from(edges)))

    buffer.move_to(somewhere())
    buffer.move_to(somewhere(), extend=data.draw(st.booleans()))
    before = marked(buffer)
    rows = line_edits._rows(buffer)
    name = data.draw(st.sampled_from(sorted(COMMANDS)))
    sent: list[bytes] = []
    buffer.on_local_update = sent.append
    COMMANDS[name](buffer)
    assert lines.text() == buffer.replica.text()
    assert len(sent) <= 1
    line = lines.line(buffer.head.row)
    assert 0 <= buffer.head.column <= len(line)
    expected = model(name, text, rows, is_selection="‹" in before)
    if expected is not None:
        assert lines.text().split("\n") == expected
    if sent:
        buffer.undo()
    assert marked(buffer) == before


def model(name: str, text: list[str], rows: range, *, is_selection: bool) -> list[str] | None:
    """Do a command to a list of lines, the plain way; None for those that work on columns."""
    first, behind = rows[0], rows[-1] + 1
    head, these, tail = text[:first], text[first:behind], text[behind:]
    match name:
        case "duplicate_lines":
            return head + these + these + tail
        case "move_up" if head:
            return [*head[:-1], *these, head[-1], *tail]
        case "move_down" if tail:
            return [*head, tail[0], *these, *tail[1:]]
        case "delete_lines" | "cut_lines":
            return head + tail or [""]
        case "indent":
            return head + ["    " + line if line.strip(" \t") else line for line in these] + tail
        case "sort_lines" if is_selection:
            return head + sorted(these, key=lambda line: (line.casefold(), line)) + tail
        case _:
            return None


@given(LINES)
def test_joined_lines_keep_their_words(text: list[str]) -> None:
    buffer = buffer_of("‹" + "\n".join(text) + "|")
    line_edits.join_lines(buffer)
    assert "\n" not in buffer.lines.text() or len(text) == 1 or not text[-1]
    assert buffer.lines.text().split() == " ".join(text).split()


def test_sorted_lines_that_are_equal_but_for_case_stand_together() -> None:
    buffer = buffer_of("b\nA\nB\na\n|")
    line_edits.sort_lines(buffer)
    assert [key for key, _ in groupby(buffer.lines.text().split(), str.casefold)] == ["a", "b"]


def test_carets_of_others_in_moved_lines_stay_on_their_text() -> None:
    buffer = buffer_of("one\ntw|o\nthree")
    changed: list[tuple[int, int]] = []
    buffer.on_change = lambda change: changed.append((change.first_row, change.new_last_row))
    line_edits.move_lines(buffer, -1)
    assert buffer.lines.text() == "two\none\nthree"
    assert changed == [(1, 2), (0, 0)]


def test_a_read_only_room_refuses_and_changes_nothing() -> None:
    for name, command in COMMANDS.items():
        buffer = buffer_of("top\nzb‹bB\n  A|a\n")
        buffer.read_only = True
        with pytest.raises(EditError):
            command(buffer)
        assert marked(buffer) == "top\nzb‹bB\n  A|a\n", name
