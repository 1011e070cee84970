from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client.buffer import OWN, Buffer, Change
from collab_client.lines import START, Edit, Position
from collab_client.own_carets import merge_spans
from collab_protocol.errors import EditError, TextTooLarge, UpdateError
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person, Role
from collab_protocol.text import Replica, Splice

FAMILY = "👨‍👩‍👧‍👦"
ALPHABET = "ab \n\té漢🙂\u0301\u200d\r\u2028\x1b"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A buffer, the clock it looks at, and all that it said."""

    def __init__(self, client_id: int, text: str = "") -> None:
        self.clock = Clock()
        replica = Replica(client_id, has_undo=True)
        if text:
            source = Replica(999)
            source.edit(0, 0, text)
            replica.apply(source.update_since())
            source.close()
        self.buffer = Buffer(replica, clock=self.clock)
        self.updates: list[bytes] = []
        self.changes: list[Change] = []
        self.carets = 0
        self.buffer.on_local_update = self.updates.append
        self.buffer.on_change = self.changes.append
        self.buffer.on_carets = self._count_carets

    def _count_carets(self) -> None:
        self.carets += 1

    @property
    def text(self) -> str:
        self.check()
        return self.buffer.lines.text()

    def check(self) -> None:
        lines = self.buffer.lines
        assert lines.text() == self.buffer.replica.text()
        assert lines.size_utf8 == self.buffer.replica.size_utf8
        for span in self.buffer.spans:
            for place in (span.head, span.anchor):
                assert lines.position(lines.offset(place)) == place
        assert merge_spans(self.buffer.spans, self.buffer.primary) == (
            list(self.buffer.spans),
            self.buffer.primary,
        )


@contextmanager
def desk(text: str = "", client_id: int = 11) -> Iterator[Desk]:
    desk = Desk(client_id, text)
    try:
        yield desk
    finally:
        desk.buffer.close()


def presence(session: int, head: int, seen: int = 0, activity: Activity = Activity.ACTIVE) -> Presence:
    person = Person(session, f"unix:{session}", "bo", Role.WRITE, 1)
    return Presence(person, (Caret(head, head),), seen, activity)


def remote(text: str, offset: int, deleted: int, inserted: str) -> bytes:
    """The update of an edit by somebody else to a text that `Desk` was made with."""
    source = Replica(999)
    source.edit(0, 0, text)
    other = Replica(500)
    other.apply(source.update_since())
    updates: list[bytes] = []
    other.on_update = updates.append
    other.edit(offset, deleted, inserted)
    source.close()
    other.close()
    return updates[0]


# Local edits


def test_typing_goes_to_lines_replica_and_whoever_forwards_it() -> None:
    with desk("one\ntwo") as d:
        d.buffer.move_to(Position(1, 1))
        d.buffer.type_text("é\n漢")
        assert d.text == "one\nté\n漢wo"
        assert d.buffer.head == d.buffer.anchor == Position(2, 1)
        assert d.changes == [Change(1, 1, 2, is_local=True)]
        assert len(d.updates) == 1
        other = Replica(12)
        other.apply(d.buffer.replica.update_since())
        assert other.text() == "one\nté\n漢wo"
        other.close()


def test_typing_replaces_the_selection_in_one_row() -> None:
    with desk("one two three") as d:
        d.buffer.move_to(Position(0, 8))
        d.buffer.move_to(Position(0, 4), extend=True)
        assert d.buffer.selection == (Position(0, 4), Position(0, 8))
        assert d.buffer.selected_text == "two "
        d.buffer.type_text("x")
        assert d.text == "one xthree"
        assert (len(d.updates), d.buffer.selection, d.buffer.selected_text) == (1, None, "")


def test_replace_puts_the_caret_behind_it_wherever_it_was() -> None:
    with desk("one\ntwo\nthree") as d:
        d.buffer.select_all()
        d.buffer.replace(Position(0, 1), Position(1, 1), "12\n3")
        assert d.text == "o12\n3wo\nthree"
        assert d.buffer.head == d.buffer.anchor == Position(1, 1)
        assert d.changes == [Change(0, 1, 1, is_local=True)]


def test_nothing_changed_is_no_row() -> None:
    with desk("one") as d:
        d.buffer.replace(START, START, "")
        d.buffer.type_text("")
        d.buffer.backspace()
        d.buffer.document_end()
        d.buffer.delete()
        assert d.buffer.cut() == ""
        assert not d.buffer.undo()
        assert not d.buffer.redo()
        assert (d.updates, d.changes, d.carets) == ([], [], 0)


def test_backspace_and_delete_take_whole_clusters_and_line_breaks() -> None:
    with desk(f"a{FAMILY}\ne\u0301") as d:
        d.buffer.document_end()
        d.buffer.backspace()
        assert d.text == f"a{FAMILY}\n"
        d.buffer.backspace()
        assert d.text == f"a{FAMILY}"
        d.buffer.backspace()
        assert d.text == "a"
    with desk(f"{FAMILY}\ne\u0301b") as d:
        for wanted in ("\ne\u0301b", "e\u0301b", "b", "", ""):
            d.buffer.delete()
            assert d.text == wanted
    with desk("abcd") as d:
        for take in (Buffer.backspace, Buffer.delete):
            d.buffer.move_to(Position(0, 0))
            d.buffer.move_right(extend=True)
            take(d.buffer)
        assert d.text == "cd"


def test_paste_takes_the_line_breaks_of_any_system() -> None:
    with desk() as d:
        d.buffer.paste("a\r\nb\rc\n")
        assert d.text == "a\nb\nc\n"


def test_cut_returns_what_it_deletes() -> None:
    with desk("one two") as d:
        d.buffer.move_word_right(extend=True)
        assert d.buffer.cut() == "one"
        assert d.text == " two"


# What cannot be done changes nothing


@pytest.mark.parametrize("text", ["\ud800", "a\nb\udfff"])
def test_lone_surrogates_are_refused(text: str) -> None:
    with desk("one\ntwo") as d:
        d.buffer.move_to(Position(0, 1), extend=True)
        for put in (d.buffer.type_text, d.buffer.paste):
            with pytest.raises(EditError, match="surrogates"):
                put(text)
        assert d.text == "one\ntwo"
        assert d.buffer.selection == (Position(0, 0), Position(0, 1))
        assert (d.updates, d.changes) == ([], [])


def test_a_text_too_large_is_refused_and_may_still_shrink() -> None:
    with desk("é" * 10) as d:
        d.buffer.max_text_bytes = 21
        d.buffer.select_all()
        with pytest.raises(TextTooLarge, match="at most 21 bytes of text, and this would make it 22 bytes"):
            d.buffer.paste("x" * 22)
        assert (d.text, d.updates, d.changes) == ("é" * 10, [], [])
        assert d.buffer.selection == (START, Position(0, 10))
        d.buffer.type_text("x" * 21)
        assert d.text == "x" * 21
        d.buffer.max_text_bytes = 5
        d.buffer.backspace()
        assert d.text == "x" * 20


@pytest.mark.parametrize(
    ("start", "end"),
    [((0, 4), (0, 4)), ((2, 0), (2, 0)), ((-1, 0), (0, 0)), ((0, -1), (0, 1)), ((0, 2), (0, 1))],
)
def test_a_range_that_is_not_in_the_text_is_refused(start: tuple[int, int], end: tuple[int, int]) -> None:
    with desk("one\ntwo") as d:
        with pytest.raises(EditError):
            d.buffer.replace(Position(*start), Position(*end), "x")
        assert (d.text, d.updates) == ("one\ntwo", [])


def test_a_reader_changes_nothing() -> None:
    with desk("one") as d:
        d.buffer.type_text("x")
        d.buffer.undo()
        d.updates.clear()
        d.buffer.read_only = True
        for change in (d.buffer.undo, d.buffer.redo, d.buffer.newline, d.buffer.delete, d.buffer.cut):
            with pytest.raises(EditError, match="read-only"):
                change()
        assert (d.text, d.updates) == ("one", [])


# Moving


def test_left_and_right_step_over_clusters_and_out_of_selections() -> None:
    with desk(f"a{FAMILY}\nb") as d:
        seen = [d.buffer.head]
        for _ in range(5):
            d.buffer.move_right()
            seen.append(d.buffer.head)
        assert seen == [(0, 0), (0, 1), (0, 8), (1, 0), (1, 1), (1, 1)]
        for _ in range(5):
            d.buffer.move_left()
        assert d.buffer.head == START
        d.buffer.move_to(Position(0, 1))
        d.buffer.document_end(extend=True)
        d.buffer.move_left()
        assert (d.buffer.head, d.buffer.selection) == ((0, 1), None)
        d.buffer.move_to(Position(1, 0), extend=True)
        d.buffer.move_right()
        assert (d.buffer.head, d.buffer.selection) == ((1, 0), None)


def test_rows_keep_the_cell_that_one_came_from() -> None:
    with desk("abcdefgh\n漢字\n\n\tx\nabcdefgh") as d:
        d.buffer.move_to(Position(0, 5))
        seen = []
        for _ in range(5):
            d.buffer.move_rows(1)
            seen.append(d.buffer.head)
        assert seen == [(1, 2), (2, 0), (3, 2), (4, 5), (4, 8)]
        d.buffer.move_rows(-2)
        assert d.buffer.head == (2, 0)
        d.buffer.move_rows(-9)
        assert d.buffer.head == (0, 5)
        d.buffer.move_rows(-9, extend=True)
        assert d.buffer.selection == (START, Position(0, 5))


def test_moving_to_what_is_not_there_goes_to_the_nearest() -> None:
    with desk("one\ntwo") as d:
        d.buffer.move_to(Position(9, 9))
        assert d.buffer.head == (1, 3)
        d.buffer.move_to(Position(0, 9), extend=True)
        assert d.buffer.selection == (Position(0, 3), Position(1, 3))


def test_line_document_and_word_ends() -> None:
    with desk("one two\nthree") as d:
        d.buffer.line_end()
        assert d.buffer.head == (0, 7)
        d.buffer.move_word_left()
        assert d.buffer.head == (0, 4)
        d.buffer.line_start(extend=True)
        assert d.buffer.selected_text == "one "
        d.buffer.document_end()
        assert d.buffer.head == (1, 5)
        d.buffer.document_start(extend=True)
        assert d.buffer.selected_text == "one two\nthree"
        d.buffer.select_all()
        assert (d.buffer.anchor, d.buffer.head) == (START, Position(1, 5))


# Undo


def undo_texts(d: Desk) -> list[str]:
    texts = [d.text]
    while d.buffer.undo():
        texts.append(d.text)
    return texts


def test_typing_is_one_step_until_a_pause() -> None:
    with desk() as d:
        for character in "abc":
            d.buffer.type_text(character)
            d.clock.now += 1.5
        d.clock.now += 0.5
        d.buffer.type_text("d")
        assert undo_texts(d) == ["abcd", "abc", ""]


def test_each_word_is_a_step_with_the_blanks_behind_it() -> None:
    with desk() as d:
        for character in "to  be. Or":
            d.buffer.type_text(character)
        assert undo_texts(d) == ["to  be. Or", "to  be. ", "to  ", ""]


def test_many_edits_are_one_step_and_one_update() -> None:
    with desk("one é two\nthree 漢 four\n") as d:
        d.buffer.move_to(Position(1, 6))
        d.buffer.move_to(Position(1, 7), extend=True)
        d.buffer.type_text("x")
        d.buffer.undo()
        d.updates.clear()
        d.changes.clear()
        edits = [
            Edit(Position(0, 4), Position(0, 5), "E"),
            Edit(Position(0, 9), Position(1, 0), ""),
            Edit(Position(1, 5), Position(1, 5), "\n"),
        ]
        d.buffer.edit_all(edits)
        assert d.text == "one E twothree\n 漢 four\n"
        assert d.buffer.selected_text == "漢"
        assert len(d.updates) == 1
        assert [(c.first_row, c.old_last_row, c.new_last_row) for c in d.changes] == [(0, 1, 1)]
        assert d.buffer.undo()
        assert d.text == "one é two\nthree 漢 four\n"
        assert d.buffer.selected_text == "漢"
        assert d.buffer.redo()
        assert d.text == "one E twothree\n 漢 four\n"
        assert d.buffer.selected_text == "漢"


def test_many_edits_may_say_what_is_selected_then() -> None:
    with desk("b\na\n") as d:
        edits = [Edit(START, START, "a\n"), Edit(Position(1, 0), Position(2, 0), "")]
        d.buffer.edit_all(edits, select=(Position(1, 0), Position(9, 9)))
        assert d.text == "a\nb\n"
        assert (d.buffer.anchor, d.buffer.head) == (Position(1, 0), Position(2, 0))
        d.buffer.undo()
        assert d.buffer.redo()
        assert (d.buffer.anchor, d.buffer.head) == (Position(1, 0), Position(2, 0))


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(Position(0, 1), Position(0, 2), "x"), Edit(Position(0, 0), Position(0, 1), "y")],
        [Edit(Position(0, 0), Position(0, 2), "x"), Edit(Position(0, 1), Position(0, 3), "y")],
        [Edit(Position(0, 0), Position(0, 1), "x"), Edit(Position(7, 0), Position(7, 0), "y")],
        [Edit(Position(0, 0), Position(0, 1), "x"), Edit(Position(0, 1), Position(0, 1), "\ud800")],
    ],
)
def test_many_edits_are_all_refused_when_one_is_wrong(edits: list[Edit]) -> None:
    with desk("abc") as d:
        with pytest.raises(EditError):
            d.buffer.edit_all(edits)
        assert (d.text, d.updates, d.changes) == ("abc", [], [])


def test_a_step_ends_where_the_person_moves_breaks_the_line_or_turns_to_deleting() -> None:
    with desk() as d:
        d.buffer.type_text("ab")
        d.buffer.newline()
        d.buffer.type_text("cd")
        d.buffer.backspace()
        d.buffer.backspace()
        d.buffer.type_text("e")
        d.buffer.line_start()
        d.buffer.type_text("f")
        assert undo_texts(d) == ["ab\nfe", "ab\ne", "ab\n", "ab\ncd", "ab\n", "ab", ""]


def test_paste_and_cut_are_steps_of_their_own() -> None:
    with desk() as d:
        d.buffer.type_text("a")
        d.buffer.paste("b")
        d.buffer.paste("c")
        d.buffer.type_text("d")
        d.buffer.move_left(extend=True)
        d.buffer.cut()
        d.buffer.backspace()
        assert undo_texts(d) == ["ab", "abc", "abcd", "abc", "ab", "a", ""]


def test_what_is_typed_after_undo_is_a_step_of_its_own() -> None:
    with desk() as d:
        d.buffer.type_text("a")
        d.buffer.paste("b")
        d.buffer.undo()
        d.buffer.type_text("c")
        assert not d.buffer.redo()
        assert undo_texts(d) == ["ac", "a", ""]


def test_undo_is_a_row_and_tells_of_its_change() -> None:
    with desk("one\n") as d:
        d.buffer.document_end()
        d.buffer.paste("two\nthree")
        d.changes.clear()
        assert d.buffer.undo()
        assert d.changes == [Change(1, 2, 1, is_local=True)]
        assert len(d.updates) == 2


def test_undo_brings_the_selection_back_where_it_has_gone_meanwhile() -> None:
    text = "one two three"
    with desk(text) as d:
        d.buffer.move_to(Position(0, 7))
        d.buffer.move_to(Position(0, 4), extend=True)
        d.buffer.type_text("é")
        d.buffer.apply_remote(remote(text, 0, 0, "zero\n"), 7, 1)
        d.buffer.document_start()
        d.buffer.undo()
        assert d.text == "zero\none two three"
        assert (d.buffer.head, d.buffer.anchor) == ((1, 4), (1, 7))
        d.buffer.redo()
        assert d.text == "zero\none é three"
        assert d.buffer.head == d.buffer.anchor == (1, 5)


Shown = tuple[str, Position, Position]


@settings(max_examples=150)
@given(st.data())
def test_undo_and_redo_restore_text_caret_and_selection(data: st.DataObject) -> None:
    with desk("one é\ntwo 漢🙂\n") as d:
        buffer = d.buffer

        def shown() -> Shown:
            return d.text, buffer.head, buffer.anchor

        befores: list[Shown] = []
        afters: list[Shown] = []
        for _ in range(data.draw(st.integers(1, 15))):
            d.clock.now += data.draw(st.sampled_from((0.1, 0.1, 2.5)))
            before, depth = shown(), buffer.replica.undo_depth
            if change(buffer, data):
                d.clock.now += 2.5  # or the next one might take back all of it, which leaves no step
            if buffer.replica.undo_depth > depth:
                befores.append(before)
                afters.append(shown())
            elif shown()[0] != before[0]:
                afters[-1] = shown()
        for before in reversed(befores):
            assert buffer.undo()
            assert shown() == before
        assert not buffer.undo()
        for after in afters:
            assert buffer.redo()
            assert shown() == after
        assert not buffer.redo()


def change(buffer: Buffer, data: st.DataObject) -> bool:
    """Let the person do something other than undo; returns whether it was a `replace`."""
    here = st.integers(0, buffer.lines.size_utf8).map(buffer.lines.position)
    match data.draw(st.integers(0, 7)):
        case 0:
            buffer.move_to(data.draw(here), extend=data.draw(st.booleans()))
        case 1:
            buffer.newline()
        case 2:
            buffer.backspace()
        case 3:
            buffer.delete()
        case 4:
            buffer.paste(data.draw(st.text(ALPHABET, max_size=5)))
        case 5:
            start, end = sorted((data.draw(here), data.draw(here)))
            buffer.replace(start, end, data.draw(st.text(ALPHABET, max_size=5)))
            return True
        case _:
            buffer.type_text(data.draw(st.text(ALPHABET, max_size=2)))
    return False


def test_steps_that_left_nothing_are_passed_over() -> None:
    with desk("one") as d:
        d.buffer.move_to(Position(0, 1))
        d.buffer.paste("é")
        d.buffer.replace(START, START, "x")
        d.buffer.replace(START, Position(0, 1), "")
        d.buffer.document_end()
        assert d.buffer.undo()
        assert (d.text, d.buffer.head) == ("one", (0, 1))
        assert not d.buffer.undo()
        assert d.buffer.redo()
        assert (d.text, d.buffer.head) == ("oéne", (0, 2))


def test_a_step_whose_text_others_deleted_is_passed_over() -> None:
    with desk("one") as d:
        other = Replica(500)
        other.apply(d.buffer.replica.update_since())
        d.buffer.move_to(Position(0, 1))
        d.buffer.paste("a")
        d.buffer.move_to(Position(0, 4))
        d.buffer.paste("b")
        before = d.buffer.replica.state_vector()
        other.apply(*d.updates)
        other.edit(4, 1, "")
        d.buffer.apply_remote(other.update_since(before), 7, 3)
        assert d.text == "oane"
        assert d.buffer.undo()
        assert (d.text, d.buffer.head) == ("one", (0, 1))
        other.close()


@settings(max_examples=100)
@given(st.data())
def test_undo_never_touches_what_others_typed(data: st.DataObject) -> None:
    with desk(client_id=11) as mine, desk(client_id=12) as theirs:
        desks = ((mine, "m"), (theirs, "t"))
        for _ in range(data.draw(st.integers(1, 25))):
            here, letter = data.draw(st.sampled_from(desks))
            here.clock.now += data.draw(st.sampled_from((0.1, 0.6)))
            foreign = here.text.replace(letter, "")
            match data.draw(st.integers(0, 3)):
                case 0:
                    here.buffer.undo()
                case 1:
                    here.buffer.redo()
                case _:
                    size = here.buffer.lines.size_utf8
                    here.buffer.move_to(here.buffer.lines.position(data.draw(st.integers(0, size))))
                    here.buffer.type_text(letter * data.draw(st.integers(1, 3)))
            assert here.text.replace(letter, "") == foreign
            if data.draw(st.booleans()):
                swap(mine, theirs)
        swap(mine, theirs)
        assert mine.text == theirs.text
        while mine.buffer.undo():
            pass
        assert mine.text == theirs.text.replace("m", "")


def swap(one: Desk, other: Desk) -> None:
    for here, there in ((one, other), (other, one)):
        for data in here.updates:
            there.buffer.apply_remote(data, 99, 0)
    one.updates.clear()
    other.updates.clear()


# What others do


class Letter(NamedTuple):
    author: int
    data: bytes


@settings(max_examples=150)
@given(st.integers(2, 3), st.data())
def test_buffers_converge_whatever_the_delay(people: int, data: st.DataObject) -> None:
    desks = [Desk(20 + i, "one é\ntwo 漢🙂\n") for i in range(people)]
    waiting: list[list[Letter]] = [[] for _ in desks]
    try:
        for _ in range(data.draw(st.integers(1, 30))):
            i = data.draw(st.integers(0, people - 1))
            here = desks[i]
            here.clock.now += 0.3
            match data.draw(st.integers(0, 5)):
                case 0:
                    here.buffer.undo()
                case 1:
                    here.buffer.redo()
                case 2 | 3:
                    if waiting[i]:
                        letter = waiting[i].pop(0)
                        here.buffer.apply_remote(letter.data, letter.author, 0)
                case _:
                    change(here.buffer, data)
            here.check()
            for j in range(people):
                if j != i:
                    waiting[j] += [Letter(i, update) for update in here.updates]
            here.updates.clear()
        for here, letters in zip(desks, waiting, strict=True):
            for letter in letters:
                here.buffer.apply_remote(letter.data, letter.author, 0)
        assert len({here.text for here in desks}) == 1
    finally:
        for here in desks:
            here.buffer.close()


def test_remote_edits_patch_lines_and_move_the_caret_along() -> None:
    text = "one\ntwo"
    with desk(text) as d:
        d.buffer.move_to(Position(1, 2))
        d.buffer.apply_remote(remote(text, 1, 3, "x\ny\nz"), 7, 1)
        assert d.text == "ox\ny\nztwo"
        assert d.buffer.head == (2, 3)
        assert all(not change.is_local for change in d.changes)
        assert sum(change.new_last_row - change.old_last_row for change in d.changes) == 1
        assert d.carets == 1
        assert d.updates == []


def test_lines_are_as_each_change_left_them_when_it_is_told() -> None:
    text = "".join(f"{i}\n" for i in range(20))
    with desk(text) as d:
        update = remote(text, len(text), 0, "end")
        source = Replica(999)
        source.edit(0, 0, text)
        other = Replica(501)
        other.apply(source.update_since(), update)
        before = other.state_vector()
        other.edit(0, 2, "a\nb\nc\n")
        other.edit(20, 12, "")
        other.edit(other.size_utf8, 0, "\nx")
        rows = [21]

        def told(change: Change) -> None:
            rows.append(rows[-1] + change.new_last_row - change.old_last_row)
            assert d.buffer.lines.row_count == rows[-1]

        d.buffer.document_end()
        d.buffer.on_change = told
        d.buffer.apply_remote(update, 7, 1)
        d.buffer.apply_remote(other.update_since(before), 7, 2)
        assert len(rows) >= 4
        assert d.text == other.text()
        source.close()
        other.close()


def test_bytes_that_are_no_update_leave_lines_and_replica_in_step() -> None:
    with desk("one") as d:
        with pytest.raises(UpdateError):
            d.buffer.apply_remote(b"\x01\xff", 7, 1)
        assert d.text == "one"
        d.buffer.type_text("x")
        assert d.text == "xone"


def test_peers_are_placed_shifted_and_let_go() -> None:
    text = "one\ntwo"
    with desk(text) as d:
        d.buffer.set_roster((presence(1, 0), presence(2, 5)), 1, 3, 10.0)
        assert list(d.buffer.peers) == [2]
        assert d.buffer.peers[2].head == (1, 1)
        d.buffer.type_text("x\n")
        assert d.buffer.peers[2].head == (2, 1)
        d.buffer.apply_remote(remote(text, 0, 0, "yy\n"), 3, 4)
        assert d.buffer.peers[2].head == (3, 1)
        d.buffer.place(presence(2, 5, seen=3), 11.0)
        assert d.buffer.peers[2].head == (3, 1)
        d.buffer.receipted(1, 5)
        d.buffer.place(presence(2, 5, seen=5), 12.0)
        assert d.buffer.peers[2].head == (2, 0)
        d.buffer.place(presence(1, 5), 12.0)
        assert list(d.buffer.peers) == [2]
        d.buffer.place(presence(2, 0, activity=Activity.GONE), 13.0)
        assert not d.buffer.peers
        d.buffer.place(presence(2, 0), 13.0)
        d.buffer.clear_peers()
        assert not d.buffer.peers


def test_own_rows_that_come_back_change_nothing() -> None:
    with desk() as d:
        d.buffer.set_roster((), 1, 0, 0.0)
        d.buffer.type_text("x")
        d.carets = 0
        d.changes.clear()
        d.buffer.apply_remote(d.updates[0], 1, 1)
        assert (d.text, d.changes, d.carets) == ("x", [], 0)


def test_a_caret_that_came_before_its_rows_is_right_after_the_sync() -> None:
    text = "one"
    with desk(text) as d:
        d.buffer.set_roster((), 1, 0, 0.0)
        d.buffer.place(presence(2, 8), 0.0)
        assert d.buffer.peers[2].head == (0, 3)
        d.buffer.apply_sync(remote(text, 0, 0, "hello"), 1)
        assert d.buffer.peers[2].head == (0, 8)


def test_carets_travel_as_utf8_offsets() -> None:
    with desk("é\n漢x") as d:
        d.buffer.move_to(Position(0, 1))
        d.buffer.move_to(Position(1, 1), extend=True)
        assert d.buffer.carets_to_send() == (Caret(head=6, anchor=2),)


def test_a_closed_buffer_is_freed() -> None:
    d = Desk(11, "one")
    d.buffer.type_text("x")
    d.buffer.close()
    buffer, replica = weakref.ref(d.buffer), weakref.ref(d.buffer.replica)
    del d
    gc.collect()
    assert buffer() is None
    assert replica() is None


def test_undo_does_not_take_the_text_past_the_rooms_cap() -> None:
    with desk("x" * 60) as d:
        d.buffer.max_text_bytes = 100
        d.buffer.select_all()
        d.buffer.cut()
        other = Replica(7)
        other.apply(d.buffer.replica.update_since())
        before = other.state_vector()
        other.edit(0, 0, "y" * 60)
        d.buffer.apply_remote(other.update_since(before), 7, 1)
        d.updates.clear()
        with pytest.raises(TextTooLarge, match="at most 100 bytes"):
            d.buffer.undo()
        assert (d.text, d.updates) == ("y" * 60, [])
        d.buffer.max_text_bytes = 200
        assert d.buffer.undo()
        assert len(d.text) == 120


def test_undo_of_a_step_far_from_the_caret_goes_to_the_change_when_others_edited_between() -> None:
    with desk("zero\none\ntwo\nthree foo\n") as d:
        d.buffer.move_to(Position(0, 3))
        d.buffer.edit_all([Edit(Position(3, 6), Position(3, 9), "bar")])
        other = Replica(7)
        other.apply(d.buffer.replica.update_since())
        before = other.state_vector()
        other.edit(9, 0, "new\nlines\n")
        d.buffer.apply_remote(other.update_since(before), 7, 1)
        assert d.buffer.undo()
        assert d.buffer.head == (5, 9)
        assert d.buffer.selection is None


def test_edits_that_touch_are_one() -> None:
    with desk("aaa") as d:
        d.buffer.edit_all([Edit(Position(0, n), Position(0, n + 1), "é") for n in range(3)])
        assert d.text == "ééé"
        assert len(d.changes) == 1


# Who else listens


def test_listeners_hear_of_each_change_before_the_screen_does() -> None:
    with desk("one\ntwo\nthree") as d:
        heard: list[tuple[str, Change]] = []
        for name in ("first", "second"):
            d.buffer.listeners.append(lambda change, name=name: heard.append((name, change)))  # type: ignore[misc]
        d.buffer.on_change = lambda change: heard.append(("screen", change))
        d.buffer.edit_all(
            [Edit(Position(0, 0), Position(0, 0), "x"), Edit(Position(2, 0), Position(2, 0), "y")]
        )
        last, first = Change(2, 2, 2, is_local=True), Change(0, 0, 0, is_local=True)
        names = ("first", "second", "screen")
        assert heard == [(name, change) for change in (last, first) for name in names]
        heard.clear()
        d.buffer.apply_remote(remote("one\ntwo\nthree", 0, 4, ""), 3, 1)
        assert [change.is_local for _, change in heard] == [False] * 3


def test_splice_listeners_hear_whose_each_splice_is() -> None:
    text = "one\ntwo"
    with desk(text) as d:
        d.buffer.set_roster((), 7, 0, 0.0)
        heard: list[tuple[list[Splice], int | None]] = []
        d.buffer.splice_listeners.append(lambda splices, author: heard.append((list(splices), author)))
        d.buffer.replace(Position(1, 0), Position(1, 1), "é")
        assert heard.pop() == ([Splice(4, 1, "é")], OWN)
        d.buffer.undo()
        assert [author for _, author in heard] == [OWN]
        heard.clear()
        row = remote(text, 0, 1, "")
        d.buffer.apply_remote(row, 3, 1)
        assert heard.pop() == ([Splice(0, 1, "")], 3)
        d.buffer.apply_sync(row, 2)
        d.buffer.apply_remote(row, 3, 2)
        assert heard == []
        d.buffer.apply_sync(remote(text, 0, 0, "x"), 3)
        assert heard.pop() == ([Splice(0, 0, "x")], None)
        d.buffer.restart(Replica(30, has_undo=True))
        assert [author for _, author in heard] == [None]


def test_rows_of_ones_own_session_are_ones_own_however_they_come() -> None:
    with desk("one") as d:
        d.buffer.set_roster((), 7, 0, 0.0)
        authors: list[int | None] = []
        d.buffer.splice_listeners.append(lambda splices, author: authors.append(author))
        d.buffer.apply_remote(remote("one", 0, 0, "x"), 7, 1)
        assert authors == [OWN]


def test_splices_are_told_of_before_the_lines_have_them() -> None:
    with desk("one") as d:
        texts: list[str] = []
        d.buffer.splice_listeners.append(lambda splices, author: texts.append(d.buffer.lines.text()))
        d.buffer.replace(START, START, "x")
        d.buffer.apply_sync(remote("one", 3, 0, "y"), 1)
        assert texts == ["one", "xone"]
        assert d.text == "xoney"


def test_closing_lets_go_of_all_who_listen() -> None:
    with desk("one") as d:
        d.buffer.listeners.append(lambda change: None)
        d.buffer.splice_listeners.append(lambda splices, author: None)
    assert (d.buffer.listeners, d.buffer.splice_listeners) == ([], [])
