"""Commands on lines: what they do to text and selection, and that one undo takes each back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import clusters, line_edits
from collab_client.buffer import Buffer, Change
from collab_client.indentation import Indentation
from collab_client.lines import Lines, Position
from collab_protocol.errors import EditError
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person, Role
from collab_protocol.text import Replica
from tests.unit.collab_client.marked import buffer_of as several
from tests.unit.collab_client.marked import marked as marked_several

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
        ("join_lines", "one\n‹two\n  th|ree", "one\n‹two th|ree"),
        ("join_lines", "o‹ne\ntwo\n  | three", "o‹ne two| three"),
        ("delete_lines", "one\nt|wo\nthree", "one\nt|hree"),
        ("delete_lines", "one\nt|wo", "o|ne"),
        ("delete_lines", "on|ly", "|"),
        ("delete_lines", "\tx|\n漢漢👨‍👩‍👧y", "漢漢|👨‍👩‍👧y"),
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
        ("upper", "straße| x", "STRASSE| x"),
        ("upper", "‹straße|", "‹STRASSE|"),
        ("upper", "xx‹a\nb|c", "xx‹A\nB|c"),
        ("lower", "|A\nB‹C", "|a\nb‹C"),
        ("title", "‹two WORDS|", "‹Two Words|"),
        ("title", "‹don't e\u0301te\u0301 3rd a_b|", "‹Don't E\u0301te\u0301 3rd A_B|"),
        ("title", "‹'quoted' 'n|", "‹'Quoted' 'N|"),
        ("upper", "one| two", "ONE| two"),
        ("upper", "one |two", "one |TWO"),
        ("upper", "one + | two", "one + | two"),
        ("sort_lines", "b‹\na\nB\nA|\nx", "‹A\na\nB\nb|\nx"),
        ("sort_lines", "c\n|b\na\n", "a\n|b\nc\n"),
        ("sort_lines", "c\nb👨‍👩‍👧|\na", "a\nb👨‍👩‍👧|\nc"),
        ("sort_lines", "c\n|b\na‹", "c\n|a\nb‹"),
        ("sort_lines", "c|\nb\na", "a\nb\nc|"),
        ("sort_lines", "‹b\na\n|x", "‹a\nb\n|x"),
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


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        ("duplicate_lines", "o|n|e\nt‹wo\nthr›ee\nx", "one\no|n|e\ntwo\nthree\nt‹wo\nthr›ee\nx"),
        ("duplicate_lines", "a|\nb|", "a\na|\nb\nb|"),
        ("duplicate_lines", "‹a\n›‹b›", "a\n‹a\n›b\n‹b›"),
        ("move_down", "a|\nb\nc|\nd", "b\na|\nd\nc|"),
        ("move_down", "a|\nb|\nc", "c\na|\nb|"),
        ("move_down", "a|\nb\nc|", "b\na|\nc|"),
        ("move_up", "a|\nb\nc|", "a|\nc|\nb"),
        ("move_up", "a\n‹b\nc›\nd\n«e»", "‹b\nc›\na\n«e»\nd"),
        ("join_lines", "a|\nb|\nc\nd\ne|\nf", "a| b| c\nd\ne| f"),
        ("join_lines", "‹a\nb›\nc\n|d\n  e", "‹a b›\nc\n|d e"),
        ("delete_lines", "a|\nbb\n‹c\nd›\nee", "b|b\ne|e"),
        ("delete_lines", "aa\nb|\ncc\nd|", "aa\nc|c"),
        ("delete_lines", "|a\nb|\nc", "|c|"),
        ("delete_lines", "a|\nb|", "|"),
        ("cut_lines", "a|\nbb\nc|", "|bb"),
        ("indent", "a|a|\nb\n‹c\n\nd›", "    a|a|\nb\n‹    c\n\n    d›"),
        ("dedent", "    a|\n  b|\n    c", "a|\nb|\n    c"),
        ("upper", "o|ne tw|o ‹th›ree ß|", "O|NE TW|O ‹TH›ree SS|"),
        ("upper", "on|e| ‹ß›«ß»", "ON|E| ‹SS›«SS»"),
        ("title", "‹one›two «TWO»", "‹One›two «Two»"),
        ("sort_lines", "‹b\na›\nz\n«d\nc»", "‹a\nb›\nz\n«c\nd»"),
        ("sort_lines", "c|\nb\na|", "a|\nb\nc|"),
        ("sort_lines", "c|\n‹b\na›", "c|\n‹a\nb›"),
        ("delete_to_line_start", "ab|c|d\n|ef", "|d|ef"),
        ("delete_to_line_end", "a|b|c\nd|\ne", "a|\nd|e"),
        ("delete_to_line_end", "‹a›b|c", "|b|"),
    ],
)
def test_what_a_command_does_with_several_carets(command: str, before: str, after: str) -> None:
    buffer = several(before)
    sent: list[bytes] = []
    buffer.on_local_update = sent.append
    text = buffer.lines.text()
    COMMANDS[command](buffer)
    assert marked_several(buffer) == after
    assert buffer.lines.text() == buffer.replica.text()
    assert len(sent) == (buffer.lines.text() != text)
    if sent:
        buffer.undo()
        assert marked_several(buffer) == before


def test_what_was_cut_at_several_carets_is_every_line_once() -> None:
    assert line_edits.cut_lines(several("a|a|\nb\n«c\nd»")) == "aa\nc\nd\n"


def test_lines_between_selections_are_not_put_anew() -> None:
    buffer = several("".join(f"{n}|\n\n" for n in range(300)))
    changes: list[Change] = []
    buffer.on_change = changes.append
    line_edits.indent(buffer, FOUR)
    assert [change.first_row for change in changes] == [*range(598, -1, -2)]


def test_what_was_cut_ends_with_a_line_break() -> None:
    assert line_edits.cut_lines(buffer_of("one\nt|wo")) == "two\n"
    assert line_edits.cut_lines(buffer_of("o‹ne\ntw|o\nx")) == "one\ntwo\n"


CLUSTERS = [
    "a",
    "B",
    "z",
    " ",
    "\t",
    "(",
    "'",
    "_",
    "é",
    "e\u0301",
    "ß",
    "Σ",
    "漢",
    "👨‍👩‍👧",
    "🇩🇪",
    "-\u0301",
    "각",
]
lines_of_clusters = st.lists(
    st.lists(st.sampled_from(CLUSTERS), max_size=6).map("".join), min_size=1, max_size=7
)


def edges(line: str) -> list[int]:
    edges = [0]
    while edges[-1] < len(line):
        edges.append(clusters.next_boundary(line, edges[-1]))
    return edges


@pytest.mark.parametrize("name", COMMANDS)
@given(lines_of_clusters, st.data())
@settings(max_examples=40)
def test_each_is_what_the_model_says_in_one_row_and_one_step_of_undo(
    name: str, text: list[str], data: st.DataObject
) -> None:
    buffer = buffer_of("\n".join(text) + "|")
    lines = buffer.lines

    def somewhere() -> Position:
        row = data.draw(st.integers(0, lines.row_count - 1))
        return Position(row, data.draw(st.sampled_from(edges(lines.line(row)))))

    buffer.move_to(somewhere())
    data.draw(st.sampled_from([lambda: None, lambda: buffer.type_text("b"), buffer.backspace]))()
    if data.draw(st.booleans()):
        buffer.move_to(somewhere())
        buffer.move_to(somewhere(), extend=data.draw(st.booleans()))
    at_boundary = is_on_boundaries(buffer)
    before, was = marked(buffer), lines.text()
    expected = model(name, was, *sorted((_index(lines, buffer.anchor), _index(lines, buffer.head))))
    sent: list[bytes] = []
    buffer.on_local_update = sent.append
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_edits, "_EDITS_MOST", data.draw(st.sampled_from([1, 2, 128])))
        COMMANDS[name](buffer)
    assert lines.text() == buffer.replica.text() == expected
    assert len(sent) == 1 or (not sent and expected == was)
    assert lines.position(lines.offset(buffer.head)) == buffer.head
    assert lines.position(lines.offset(buffer.anchor)) == buffer.anchor
    assert not at_boundary or is_on_boundaries(buffer)
    if sent:
        buffer.undo()
        assert marked(buffer) == before


def is_on_boundaries(buffer: Buffer) -> bool:
    return all(at.column in edges(buffer.lines.line(at.row)) for at in (buffer.head, buffer.anchor))


def model(name: str, text: str, start: int, end: int) -> str:
    """Do a command the plain way: to a list of lines, or to the text between two offsets."""
    lines = text.split("\n")
    is_selection = start < end
    first, last = text.count("\n", 0, start), text.count("\n", 0, end)
    if is_selection and text[end - 1] == "\n":
        last -= 1
    head, these, tail = lines[:first], lines[first : last + 1], lines[last + 1 :]
    line_start = text.rfind("\n", 0, start) + 1
    line_end = (text + "\n").index("\n", start)
    match name:
        case "duplicate_lines":
            lines = head + these + these + tail
        case "move_up":
            lines = head[:-1] + these + head[-1:] + tail
        case "move_down":
            lines = head + tail[:1] + these + tail[1:]
        case "delete_lines" | "cut_lines":
            lines = head + tail
        case "indent" | "indent_tab":
            unit = "    " if name == "indent" else "\t"
            lines = head + [unit + line if line.strip(" \t") else line for line in these] + tail
        case "dedent" | "dedent_tab":
            lines = head + [re.sub("^(\t| {1,4})", "", line) for line in these] + tail
        case "join_lines" if len(these) == 1:
            lines = [*head, joined(these + tail[:1]), *tail[1:]]
        case "join_lines":
            lines = [*head, joined(these), *tail]
        case "sort_lines" if is_selection:
            lines = head + sorted(these, key=lambda line: (line.casefold(), line)) + tail
        case "sort_lines":
            body = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
            lines = sorted(body, key=lambda line: (line.casefold(), line)) + lines[len(body) :]
        case "upper" | "lower" | "title":
            if not is_selection:
                word = word_around(text[line_start:line_end], start - line_start)
                start, end = line_start + word[0], line_start + word[1]
            return text[:start] + recased(name, text[start:end]) + text[end:]
        case "delete_to_line_start" if not is_selection:
            return text[: line_start if line_start < start else max(0, start - 1)] + text[start:]
        case "delete_to_line_end" if not is_selection:
            return text[:start] + text[line_end if start < line_end else start + 1 :]
        case "delete_to_line_start" | "delete_to_line_end":
            return text[:start] + text[end:]
        case _:
            raise AssertionError(name)
    return "\n".join(lines)


def joined(lines: list[str]) -> str:
    line = lines[0]
    for text in (line.lstrip(" \t") for line in lines[1:]):
        if line.strip(" \t"):
            line = line.rstrip(" \t") + (" " + text if text else "")
        else:
            line += text
    return line


def word_around(line: str, column: int) -> tuple[int, int]:
    """Return the columns of the word that holds or touches `column`; nothing when there is none."""
    places = edges(line)
    runs = groupby(pairwise(places), key=lambda cluster: clusters.is_word(line[cluster[0]]))
    words = [(run[0][0], run[-1][1]) for run in (list(run) for is_word, run in runs if is_word)]
    return next((word for word in words if word[0] <= column <= word[1]), (column, column))


def recased(case: str, text: str) -> str:
    """Change the case, and for titles go from letter to letter."""
    if case != "title":
        return text.upper() if case == "upper" else text.lower()
    titled, is_within = "", False
    for character in text.lower():
        begins = character.isalnum() and not is_within
        titled += character.title() if begins else character
        is_mark = unicodedata.category(character) == "Mn"
        is_within = character.isalnum() or is_mark or (character == "'" and titled[-2:-1].isalnum())
    return titled


def test_only_lines_that_change_their_place_are_sorted_anew() -> None:
    buffer = buffer_of("‹a\nc\nb\nd|")
    changes: list[Change] = []
    buffer.on_change = changes.append
    line_edits.sort_lines(buffer)
    assert changes == [Change(1, 2, 2, is_local=True)]


def test_sorted_lines_that_are_equal_but_for_case_stand_together() -> None:
    buffer = buffer_of("b\nA\nB\na\n|")
    line_edits.sort_lines(buffer)
    assert [key for key, _ in groupby(buffer.lines.text().split(), str.casefold)] == ["a", "b"]


@pytest.mark.parametrize("delta", [-1, 1])
def test_carets_of_others_in_moved_lines_stay_on_their_text(delta: int) -> None:
    buffer = buffer_of("top\none\ntw‹o\nth|ree\nfour\nend")
    text = buffer.lines.text()
    session_of = {text.index("two"): 2, text.index("two") + 2: 3, text.index("\nfour"): 4}
    buffer.set_roster((), 1, 0, 0.0)
    for offset, session in session_of.items():
        person = Person(session, f"unix:{session}", "bo", Role.WRITE, 1)
        buffer.place(Presence(person, (Caret(offset, offset),), 0, Activity.ACTIVE), 0.0)
    line_edits.move_lines(buffer, delta)
    heads = [buffer.peers[session].head for session in session_of.values()]
    assert heads == [(2 + delta, 0), (2 + delta, 2), (3 + delta, 5)]


@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("indent", "‹" + "        x\n\n" * 500 + "|"),
        ("dedent", "‹" + "x\n\n" * 500 + "|"),
        ("join_lines", "‹    x" + " x" * 499 + "\n|"),
    ],
)
def test_many_lines_are_few_edits(command: str, after: str) -> None:
    before = "‹" + "    x\n\n" * 500 + "|"
    buffer = buffer_of(before)
    changes: list[Change] = []
    buffer.on_change = changes.append
    COMMANDS[command](buffer)
    assert marked(buffer) == after
    assert len(changes) <= 128
    buffer.undo()
    assert marked(buffer) == before


def test_a_read_only_room_refuses_and_changes_nothing() -> None:
    for name, command in COMMANDS.items():
        buffer = buffer_of("top\nzb‹bB\n  A|a\n")
        buffer.read_only = True
        with pytest.raises(EditError):
            command(buffer)
        assert marked(buffer) == "top\nzb‹bB\n  A|a\n", name
