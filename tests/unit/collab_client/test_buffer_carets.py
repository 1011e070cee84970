"""A buffer with several own carets: what edits do at each of them, and where others' edits leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client.buffer import Buffer, Change
from collab_client.carets import Span
from collab_client.lines import START, Edit, Lines, Position, Replacement
from collab_client.own_carets import MOST_CARETS, merge_spans
from collab_client.undo_steps import Kind
from collab_protocol.errors import EditError, TextTooLarge
from collab_protocol.text import Replica, Splice
from tests.unit.collab_client.marked import buffer_of, index_of, marked

ALPHABET = "ab \né漢🙂\u0301"


@contextmanager
def desk(text: str) -> Iterator[tuple[Buffer, list[bytes]]]:
    """A buffer and its updates."""
    buffer = buffer_of(text)
    updates: list[bytes] = []
    buffer.on_local_update = updates.append
    try:
        yield buffer, updates
    finally:
        buffer.close()


def pairs(lines: Lines, span: Span) -> Replacement | None:
    """Put brackets around a selection; at a caret type over a closing one, or do nothing at a letter."""
    if not span.is_bare:
        text = lines.slice(span.start, span.end)
        return Replacement(span.start, span.end, f"({text})", head=len(text) + 1, anchor=1)
    row, column = span.head
    if lines.line(row)[column : column + 1] == ")":
        return Replacement(span.head, Position(row, column + 1), ")", 1)
    return Replacement(span.head, span.head, "()", 1) if column == len(lines.line(row)) else None


EDITS: dict[str, Callable[[Buffer], object]] = {
    "type": lambda buffer: buffer.type_text("xy"),
    "newline": Buffer.newline,
    "backspace": Buffer.backspace,
    "delete": Buffer.delete,
    "cut": Buffer.cut,
    "paste": lambda buffer: buffer.paste("1\r\n2\n"),
    "pairs": lambda buffer: buffer.edit_each(pairs),
    "replace": lambda buffer: buffer.replace(Position(0, 1), Position(0, 2), "x"),
    "all": lambda buffer: buffer.edit_all([Edit(START, START, "x\n")]),
}


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        ("type", "a|b\n‹cd›|", "axy|b\nxy|"),
        ("type", "‹a›«b»c|", "xy|xy|cxy|"),
        ("newline", "a|b\n«cd»", "a\n|b\n\n|"),
        ("backspace", "a|b|c|", "|"),
        ("backspace", "|ab\n|cd", "|ab|cd"),
        ("backspace", "a‹b›c|d", "a|d"),
        ("backspace", "👨‍👩‍👧|e\u0301|", "|"),
        ("delete", "|a|b|c", "|"),
        ("delete", "ab|\nc|d", "ab|c|"),
        ("cut", "‹a›b|c«d»", "|b|c|"),
        ("paste", "a|b‹c›", "a1|b2|"),
        ("paste", "|a|b|", "1\n2\n|a1\n2\n|b1\n2\n|"),
        ("pairs", "‹a›b |) c|", "(‹a›)b )| c(|)"),
        ("pairs", "a|b", "a|b"),
        ("replace", "|abc|", "ax|c"),
        ("all", "|a‹bc›", "|x\na‹bc›"),
    ],
)
def test_an_edit_is_made_at_each_caret_as_one_update_and_one_step(edit: str, before: str, after: str) -> None:
    with desk(before) as (buffer, updates):
        was = (buffer.lines.text(), buffer.spans, buffer.primary)
        EDITS[edit](buffer)
        assert marked(buffer) == after
        assert buffer.lines.text() == buffer.replica.text()
        assert len(updates) == (buffer.lines.text() != was[0])
        if updates:
            now = (buffer.lines.text(), buffer.spans, buffer.primary)
            assert buffer.undo()
            assert (buffer.lines.text(), buffer.spans, buffer.primary) == was
            assert not buffer.undo()
            assert buffer.redo()
            assert (buffer.lines.text(), buffer.spans, buffer.primary) == now


def test_cut_returns_what_was_selected_one_to_a_line() -> None:
    with desk("‹one› |two «three\nfour»") as (buffer, _):
        assert buffer.selected_texts == ("one", "three\nfour")
        assert buffer.cut() == "one\nthree\nfour"
        assert buffer.cut() == ""


def test_words_are_typed_at_each_caret_in_steps_as_at_one() -> None:
    with desk("|\n|") as (buffer, updates):
        for character in "to be":
            buffer.type_text(character)
        assert marked(buffer) == "to be|\nto be|"
        assert len(updates) == 5
        assert buffer.undo()
        assert marked(buffer) == "to |\nto |"
        assert buffer.undo()
        assert marked(buffer) == "|\n|"


def test_what_is_made_as_typing_joins_its_step() -> None:
    with desk("a|\nb|") as (buffer, _):
        buffer.type_text("x")
        buffer.edit_each(pairs, kind=Kind.TYPING)
        buffer.edit_each(pairs)
        assert marked(buffer) == "ax()|\nbx()|"
        assert buffer.undo()
        assert marked(buffer) == "a|\nb|"


def test_of_replacements_that_overlap_the_later_is_dropped() -> None:
    with desk("a|b|c|d") as (buffer, updates):
        buffer.edit_each(lambda _, span: Replacement(START, Position(0, span.head.column + 1), "xyz", 1, 2))
        assert buffer.lines.text() == "xyzcd"
        assert len(updates) == 1
        behind = Position(0, 4)
        assert buffer.spans == (
            Span(START, START),
            Span(Position(0, 1), Position(0, 2)),
            Span(behind, behind),
        )


def test_spans_may_be_given_in_the_text_as_it_will_be() -> None:
    with desk("a|b") as (buffer, _):
        spans = (Span(Position(1, 1), START), Span(Position(9, 9), Position(9, 9)))
        buffer.edit_all([Edit(START, START, "x\n")], spans=spans, primary=0)
        assert marked(buffer) == "‹x\na›b|"
        assert buffer.primary == 0
        buffer.undo()
        assert marked(buffer) == "a|b"
        buffer.redo()
        assert marked(buffer) == "‹x\na›b|"
        too_many = [Span(Position(0, at), Position(0, at)) for at in range(MOST_CARETS + 1)]
        with pytest.raises(EditError, match="at most 1,000 carets"):
            buffer.edit_all([Edit(START, START, "x\n")], spans=too_many)
        assert marked(buffer) == "‹x\na›b|"


def test_what_cannot_be_done_changes_nothing_anywhere() -> None:
    with desk("a|b\n‹cd›") as (buffer, updates):
        buffer.max_text_bytes = 6
        with pytest.raises(TextTooLarge):
            buffer.type_text("xx")
        with pytest.raises(EditError, match="surrogates"):
            buffer.type_text("\ud800")
        buffer.read_only = True
        with pytest.raises(EditError, match="read-only"):
            buffer.backspace()
        assert (marked(buffer), updates) == ("a|b\n‹cd›", [])


def test_each_change_is_told_and_the_carets_are_right_with_the_last() -> None:
    with desk("a|b\nc|d\n‹e\nf›") as (buffer, _):
        changes: list[Change] = []

        def told(change: Change) -> None:
            changes.append(change)
            if change.first_row == 0:
                assert marked(buffer) == "a\n|b\nc\n|d\n\n|"

        buffer.on_change = told
        buffer.newline()
        assert changes == [
            Change(2, 3, 3, is_local=True),
            Change(1, 1, 2, is_local=True),
            Change(0, 0, 1, is_local=True),
        ]


def test_carets_that_come_to_coincide_by_a_remote_edit_are_one() -> None:
    with desk("a|b|c ‹d›e") as (buffer, _):
        with other_of(buffer) as other:
            other.edit(0, 3, "")
        assert marked(buffer) == "| ‹d›e"
        assert buffer.primary == 1


@contextmanager
def other_of(buffer: Buffer) -> Iterator[Replica]:
    """Another's copy of the buffer's text; what is done to it comes to the buffer at the end."""
    other = Replica(500)
    other.apply(buffer.replica.update_since())
    before = other.state_vector()
    try:
        yield other
        buffer.apply_remote(other.update_since(before), 7, 1)
    finally:
        other.close()


def test_undo_puts_carets_where_their_text_has_gone_though_others_edited_between_them() -> None:
    with desk("one| ‹two›\nthree|") as (buffer, _):
        buffer.type_text("xé")
        assert marked(buffer) == "onexé| xé|\nthreexé|"
        with other_of(buffer) as other:
            other.edit(6, 0, "漢\n")
        assert marked(buffer) == "onexé|漢\n xé|\nthreexé|"
        assert buffer.undo()
        assert marked(buffer) == "one|漢\n ‹two›\nthree|"
        assert buffer.redo()
        assert marked(buffer) == "onexé|漢\n xé|\nthreexé|"


def test_a_step_that_others_edited_within_is_undone_at_every_place() -> None:
    with desk("a|\nb|") as (buffer, _):
        buffer.type_text("x")
        with other_of(buffer) as other:
            other.edit(2, 0, "漢漢")
        assert marked(buffer) == "ax|漢漢\nbx|"
        buffer.type_text("y")
        assert buffer.undo()
        assert marked(buffer) == "a|漢漢\nb|"


@settings(max_examples=200)
@given(st.data())
def test_undo_and_redo_restore_every_caret(data: st.DataObject) -> None:
    with desk("one é\ntwo 漢🙂 three\n\nfour") as (buffer, updates):
        befores, afters = [], []
        for _ in range(data.draw(st.integers(1, 8))):
            buffer.set_spans(data.draw(spans_in(buffer.lines)), 0)
            before = (buffer.lines.text(), buffer.spans, buffer.primary)
            depth = buffer.replica.undo_depth
            updates.clear()
            change(buffer, data)
            check(buffer)
            assert len(updates) <= 1
            if buffer.replica.undo_depth > depth:
                befores.append(before)
                afters.append((buffer.lines.text(), buffer.spans, buffer.primary))
            elif buffer.lines.text() != before[0]:
                afters[-1] = (buffer.lines.text(), buffer.spans, buffer.primary)
        for before in reversed(befores):
            assert buffer.undo()
            assert (buffer.lines.text(), buffer.spans, buffer.primary) == before
        for after in afters:
            assert buffer.redo()
            assert (buffer.lines.text(), buffer.spans, buffer.primary) == after


def spans_in(lines: Lines) -> st.SearchStrategy[list[Span]]:
    here = st.integers(0, lines.size_utf8).map(lines.position)
    bare = here.map(lambda place: Span(place, place))
    return st.lists(st.one_of(bare, st.builds(Span, here, here)), min_size=1, max_size=5)


def change(buffer: Buffer, data: st.DataObject) -> None:
    match data.draw(st.integers(0, 6)):
        case 0:
            buffer.newline()
        case 1:
            buffer.backspace()
        case 2:
            buffer.delete()
        case 3:
            buffer.cut()
        case 4:
            buffer.paste(data.draw(st.text(ALPHABET, max_size=5)))
        case 5:
            buffer.edit_each(pairs)
        case _:
            buffer.type_text(data.draw(st.text(ALPHABET, min_size=1, max_size=2)))


def check(buffer: Buffer) -> None:
    """Lines and CRDT agree; every caret is on a character boundary of the text, apart from the others."""
    lines = buffer.lines
    assert lines.text() == buffer.replica.text()
    for span in buffer.spans:
        for place in (span.head, span.anchor):
            assert lines.position(lines.offset(place)) == place
    assert merge_spans(buffer.spans, buffer.primary) == (list(buffer.spans), buffer.primary)


@settings(max_examples=150)
@given(st.data())
def test_every_caret_stays_where_its_text_went(data: st.DataObject) -> None:
    """Each caret has a sign before it, and what one types comes between; others type there, too."""
    signs = "①②③④⑤"
    with desk("ab\ncd 漢\n\nefg") as (buffer, updates):
        buffer.set_spans(data.draw(spans_in(buffer.lines)))
        buffer.set_spans([Span(span.start, span.start) for span in buffer.spans])
        count = len(buffer.spans)
        buffer.paste("\n".join(signs[:count]))
        other = Replica(500)
        other.apply(buffer.replica.update_since())
        typed = ""
        sent: list[bytes] = []
        other.on_update = sent.append
        try:
            updates.clear()
            for _ in range(data.draw(st.integers(1, 10))):
                match data.draw(st.integers(0, 3)):
                    case 0:
                        text = data.draw(st.text("xy", min_size=1, max_size=2))
                        buffer.type_text(text)
                        typed += text
                    case 1:
                        other.apply(*updates)
                        updates.clear()
                    case 2:
                        for update in sent:
                            buffer.apply_remote(update, 7, 1)
                        sent.clear()
                    case _:
                        edit_elsewhere(other, data)
                check(buffer)
                assert len(buffer.spans) == count
                for span, sign in zip(buffer.spans, signs[:count], strict=True):
                    before = buffer.lines.text()[: index_of(buffer.lines, span.head)]
                    own = before[before.index(sign) + 1 :]
                    assert own.replace("o", "").replace("\n", "") == typed
            other.apply(*updates)
            for update in sent:
                buffer.apply_remote(update, 7, 1)
            assert buffer.lines.text() == other.text()
        finally:
            other.close()


def edit_elsewhere(other: Replica, data: st.DataObject) -> None:
    """Let the other insert anywhere, or delete what is neither a sign nor typed by us."""
    text = other.text()
    at = data.draw(st.integers(0, len(text)))
    offset = len(text[:at].encode())
    if at < len(text) and text[at] in "abcdefg漢\n" and data.draw(st.booleans()):
        other.edit(offset, len(text[at].encode()), "")
    else:
        other.edit(offset, 0, data.draw(st.sampled_from(("o", "o\n"))))


def _in_a_line(marked_text: str) -> tuple[Buffer, list[tuple[int, int, int, str]]]:
    """A buffer, and what it says of its changes: the rows, and how the first of them then reads."""
    buffer = buffer_of(marked_text)
    said: list[tuple[int, int, int, str]] = []
    buffer.on_change = lambda change: said.append(
        (change.first_row, change.old_last_row, change.new_last_row, buffer.lines.line(change.first_row))
    )
    return buffer, said


def test_edits_in_a_row_are_one_change_of_it() -> None:
    buffer, said = _in_a_line("a|é漢|b\nc\nd|e|")
    buffer.type_text("x")
    assert said == [(2, 2, 2, "dxex"), (0, 0, 0, "axé漢xb")]
    said.clear()
    buffer.undo()
    assert said == [(2, 2, 2, "de"), (0, 0, 0, "aé漢b")]
    assert marked(buffer) == "a|é漢|b\nc\nd|e|"
    said.clear()
    buffer.redo()
    assert said == [(2, 2, 2, "dxex"), (0, 0, 0, "axé漢xb")]
    buffer.close()


def test_edits_that_meet_in_a_row_are_one_change_of_all_theirs() -> None:
    buffer, said = _in_a_line("a‹b\nc›d‹e\nf›g\nh|")
    buffer.type_text("x\ny")
    assert said == [(3, 3, 4, "hx"), (0, 2, 2, "ax")]
    assert marked(buffer) == "ax\ny|dx\ny|g\nhx\ny|"
    buffer.close()


def test_many_edits_from_elsewhere_in_a_row_are_one_change_of_it() -> None:
    buffer, said = _in_a_line("a|é漢b\nc\nd|e")
    other = Replica(12)
    other.apply(buffer.replica.update_since())
    before = other.state_vector()
    other.edit_all([Splice(11, 1, "zz"), Splice(6, 0, "y"), Splice(1, 2, "x\n")])
    buffer.apply_remote(other.update_since(before), 7, 1)
    assert said == [(2, 2, 2, "dzz"), (0, 0, 1, "ax")]
    assert marked(buffer) == "a|x\n漢yb\nc\nd|zz"
    other.close()
    buffer.close()


@given(st.data())
def test_what_many_edits_elsewhere_make_is_what_the_replica_holds(data: st.DataObject) -> None:
    buffer = buffer_of(data.draw(st.text(ALPHABET, max_size=30)) + "|")
    others = [Replica(client_id) for client_id in (12, 13)]
    rows = buffer.lines.text().split("\n")
    buffer.on_change = lambda change: rows.__setitem__(
        slice(change.first_row, change.old_last_row + 1),
        [buffer.lines.line(row) for row in range(change.first_row, change.new_last_row + 1)],
    )
    updates = []
    for other in others:
        other.apply(buffer.replica.update_since())
        before = other.state_vector()
        text = other.text()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
        for start, end in reversed(list(zip(cuts[::2], cuts[1::2], strict=False))):
            inserted = data.draw(st.text(ALPHABET, max_size=4))
            other.edit(len(text[:start].encode()), len(text[start:end].encode()), inserted)
        updates.append(other.update_since(before))
    for seq, update in enumerate(updates, 1):
        buffer.apply_remote(update, 7, seq)
        assert "\n".join(rows) == buffer.lines.text() == buffer.replica.text()
    for other in others:
        other.close()
    buffer.close()


def test_parts_are_pasted_one_to_a_caret() -> None:
    with desk("a|\nb|") as (buffer, _):
        buffer.paste("1\n2\n3", ("1\n2", "3"))
        assert marked(buffer) == "a1\n2|\nb3|"
        buffer.paste("4\n5", ("4", "5", ""))
        assert marked(buffer) == "a1\n24\n5|\nb34\n5|"
        buffer.paste("6\n7", ("6\n7",))
        assert marked(buffer) == "a1\n24\n56|\nb34\n57|"


def test_whole_lines_are_cut_with_no_blank_one_between() -> None:
    with desk("‹a\n›b\n‹c\n›‹d›") as (buffer, _):
        assert buffer.cut() == "a\nc\nd"


def test_of_its_own_kind_an_edit_begins_a_step_or_joins_one() -> None:
    with desk("a|") as (buffer, _):
        buffer.type_text("x")
        buffer.edit_each(pairs, kind=Kind.TYPING, begins=True)
        buffer.type_text("y")
        assert buffer.undo()
        assert marked(buffer) == "ax|"
        buffer.edit_each(lambda _, span: Replacement(Position(0, 1), span.head, "", 0), kind=Kind.DELETING)
        buffer.backspace()
        assert marked(buffer) == "|"
        assert buffer.undo()
        assert marked(buffer) == "ax|"
