from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client import multi_carets
from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.lines import Position
from collab_client.own_carets import MOST_CARETS
from collab_protocol.errors import EditError
from tests.unit.collab_client.marked import buffer_of, index_of, marked

COMMANDS: dict[str, Callable[[Buffer], object]] = {
    "above": lambda buffer: multi_carets.add_caret(buffer, -1),
    "below": lambda buffer: multi_carets.add_caret(buffer, 1),
    "next": multi_carets.add_next_occurrence,
    "all": multi_carets.select_all_occurrences,
    "split": multi_carets.split_into_lines,
    "keep": multi_carets.keep_primary,
}


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        ("below", "a|b\ncd", "a|b\nc|d"),
        ("below", "ab\nc|d", "ab\nc|d"),
        ("above", "a|b\ncd", "a|b\ncd"),
        ("above", "ab\ncd\ne|f", "ab\nc|d\ne|f"),
        ("below", "a|b\nc|d\n\nx", "a|b\nc|d\n|\nx"),
        ("below", "‹ab\ncd›\nef", "‹ab\ncd›\nef|"),
        ("below", "«ab\ncd»\nef", "«ab\ncd»\n|ef"),
        ("below", "a漢|b\n\tx", "a漢|b\n|\tx"),
        ("next", "on|e two one", "‹one› two one"),
        ("next", "one| two one", "‹one› two one"),
        ("next", "one +|+ two", "one +|+ two"),
        ("next", "‹one› two one", "‹one› two ‹one›"),
        ("next", "one two ‹one› one", "one two ‹one› ‹one›"),
        ("next", "one two «one»", "«one» two «one»"),
        ("next", "‹one› ones One", "‹one› ‹one›s One"),
        ("next", "a\nb\n‹a\nb›\na\nb", "a\nb\n‹a\nb›\n‹a\nb›"),
        ("next", "‹aa›aaa", "‹aa›‹aa›a"),
        ("next", "e\u0301 ‹e› e\u0301 e", "e\u0301 ‹e› e\u0301 ‹e›"),
        ("all", "‹one› ones\none One", "‹one› ‹one›s\n‹one› One"),
        ("all", "o|ne ones\none", "‹one› ones\n‹one›"),
        ("all", "aaaa‹aa›a", "‹aa›‹aa›‹aa›a"),
        ("all", "a +|+ b", "a +|+ b"),
        ("split", "x‹a\nbc\nd›e", "xa|\nbc|\nd|e"),
        ("split", "«a\nbc\n»d", "a|\nbc|\nd"),
        ("split", "‹ab› ‹cd› e|f", "ab| cd| e|f"),
        ("split", "‹ab\n›‹cd›", "ab|\ncd|"),
        ("keep", "‹a› ‹b›", "a ‹b›"),
        ("keep", "‹a›", "‹a›"),
    ],
)
def test_what_a_command_does(command: str, before: str, after: str) -> None:
    buffer = buffer_of(before)
    COMMANDS[command](buffer)
    assert marked(buffer) == after
    buffer.close()


def test_words_picked_at_a_caret_are_found_as_whole_words_until_one_moves() -> None:
    buffer = buffer_of("o|ne ones none one x one")
    assert multi_carets.add_next_occurrence(buffer)
    assert multi_carets.add_next_occurrence(buffer)
    assert marked(buffer) == "‹one› ones none ‹one› x one"
    assert multi_carets.add_next_occurrence(buffer)
    assert not multi_carets.add_next_occurrence(buffer)
    assert marked(buffer) == "‹one› ones none ‹one› x ‹one›"
    buffer.move_left()
    buffer.move_right(extend=True)
    assert multi_carets.add_next_occurrence(buffer)
    assert marked(buffer) == "‹o›ne ‹o›nes none ‹o›ne x ‹o›ne"
    buffer.close()


def test_the_new_caret_is_the_primary_one() -> None:
    buffer = buffer_of("one\ntwo|\nthree")
    multi_carets.add_caret(buffer, -1)
    assert (buffer.head, buffer.primary) == ((0, 3), 0)
    multi_carets.add_caret(buffer, 1)
    assert (buffer.head, buffer.primary) == ((2, 3), 2)
    assert multi_carets.keep_primary(buffer)
    assert not multi_carets.keep_primary(buffer)
    assert marked(buffer) == "one\ntwo\nthr|ee"
    buffer.close()


def test_carets_added_past_a_short_line_keep_their_cell() -> None:
    buffer = buffer_of("abcd|\n\nabcdef\n漢漢漢")
    for _ in range(3):
        multi_carets.add_caret(buffer, 1)
    assert marked(buffer) == "abcd|\n|\nabcd|ef\n漢漢|漢"
    buffer.move_rows(1)
    assert marked(buffer) == "abcd\n|\nabcd|ef\n漢漢|漢|"
    buffer.close()


def test_there_are_only_so_many() -> None:
    buffer = buffer_of("x\n" * (MOST_CARETS + 5))
    buffer.select_all()
    with pytest.raises(EditError, match="at most 1,000 carets"):
        multi_carets.split_into_lines(buffer)
    assert len(buffer.spans) == 1
    buffer.set_spans([Span(Position(7, 1), Position(7, 0))])
    assert multi_carets.select_all_occurrences(buffer)
    assert len(buffer.spans) == MOST_CARETS
    assert buffer.head == (7, 1)
    with pytest.raises(EditError, match="at most 1,000 carets"):
        multi_carets.add_next_occurrence(buffer)
    assert len(buffer.spans) == MOST_CARETS
    buffer.close()


@given(st.text("ab\n", max_size=40), st.data())
def test_all_occurrences_are_those_that_one_finds_one_by_one(text: str, data: st.DataObject) -> None:
    buffer = buffer_of(text)
    lines = buffer.lines
    places = st.integers(0, len(text)).map(lines.position)
    start, end = sorted((data.draw(places), data.draw(places)))
    buffer.set_spans([Span(end, start)])
    needle = buffer.selected_text
    if not needle:
        return
    assert multi_carets.select_all_occurrences(buffer)
    of_all = buffer.spans
    low, high = index_of(lines, start), index_of(lines, end)
    taken = [(low, high)]
    at = text.find(needle, high)
    while at >= 0:
        taken.append((at, at + len(needle)))
        at = text.find(needle, at + len(needle))
    at = text.find(needle)
    while 0 <= at < high:
        if at + len(needle) <= low or at >= high:
            taken.append((at, at + len(needle)))
        at = text.find(needle, at + len(needle))
    wanted = sorted(set(taken))
    assert [(index_of(lines, span.start), index_of(lines, span.end)) for span in of_all] == wanted
    buffer.set_spans([Span(end, start)])
    for count in range(2, len(wanted) + 1):
        assert multi_carets.add_next_occurrence(buffer)
        assert len(buffer.spans) == count
    assert not multi_carets.add_next_occurrence(buffer)
    assert buffer.spans == of_all
    buffer.close()


def test_what_is_looked_for_is_found_across_blocks_of_lines() -> None:
    text = "".join(f"{n}\nx\n" for n in range(600))
    buffer = buffer_of("‹x\n›" + text.removeprefix("x\n"))
    assert multi_carets.select_all_occurrences(buffer)
    assert len(buffer.spans) == 601
    buffer.set_spans([Span(Position(0, 1), Position(0, 0))])
    assert multi_carets.select_all_occurrences(buffer)
    assert [span.head.row for span in buffer.spans] == [0, *range(2, 1201, 2)]
    buffer.close()


def test_it_is_told_that_more_are_alike_than_there_may_be_carets() -> None:
    for count in (MOST_CARETS, MOST_CARETS + 1, MOST_CARETS + 5):
        buffer = buffer_of("|" + "x\n" * count)
        assert multi_carets.select_all_occurrences(buffer) == min(count, MOST_CARETS + 1)
        assert len(buffer.spans) == MOST_CARETS
        buffer.close()
    buffer = buffer_of("|")
    assert multi_carets.select_all_occurrences(buffer) == 0
    buffer.close()


def test_a_line_is_counted_through_once_and_given_up_where_nothing_in_it_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = buffer_of("a\nfo|o\n" + "foox " * 20 + "foo\n\nx foo foo")
    assert multi_carets.select_all_occurrences(buffer) == 4
    assert [span.start for span in buffer.spans] == [(1, 0), (2, 100), (4, 2), (4, 6)]
    multi_carets.keep_primary(buffer)
    buffer.set_spans([Span(Position(1, 1), Position(1, 1))])
    monkeypatch.setattr(multi_carets, "_REJECTED_MOST", 20)
    assert multi_carets.select_all_occurrences(buffer) == 1
    buffer.close()
