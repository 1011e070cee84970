from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collab_client.buffer import Buffer
from collab_client.carets import Patch, Span, passages, shift_span
from collab_client.lines import START, Lines, Position
from collab_client.own_carets import MOST_CARETS, OwnCarets, merge_spans
from collab_protocol import limits
from collab_protocol.errors import EditError
from collab_protocol.presence import Caret
from tests.unit.collab_client.marked import buffer_of, marked


def span(head: int, anchor: int) -> Span:
    return Span(Position(0, head), Position(0, anchor))


@pytest.mark.parametrize(
    ("spans", "primary", "merged", "where"),
    [
        ([(3, 3), (1, 1)], 0, [(1, 1), (3, 3)], 1),
        ([(1, 1), (1, 1), (2, 2)], 1, [(1, 1), (2, 2)], 0),
        ([(4, 1), (1, 1)], 1, [(4, 1)], 0),
        ([(4, 1), (4, 4), (9, 9)], 2, [(4, 1), (9, 9)], 1),
        ([(4, 1), (6, 4)], 1, [(4, 1), (6, 4)], 1),
        ([(4, 1), (3, 6)], 0, [(6, 1)], 0),
        ([(4, 1), (3, 6)], 1, [(1, 6)], 0),
        ([(1, 9), (4, 2), (6, 5)], 2, [(9, 1)], 0),
        ([(2, 5), (3, 3)], 1, [(2, 5)], 0),
    ],
)
def test_those_that_overlap_or_coincide_are_one(
    spans: list[tuple[int, int]], primary: int, merged: list[tuple[int, int]], where: int
) -> None:
    assert merge_spans([span(*one) for one in spans], primary) == ([span(*one) for one in merged], where)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1), st.data())
def test_merged_ones_lie_apart_and_cover_what_they_did(
    drawn: list[tuple[int, int]], data: st.DataObject
) -> None:
    spans = [span(*one) for one in drawn]
    primary = data.draw(st.integers(0, len(spans) - 1))
    merged, where = merge_spans(spans, primary)
    assert merge_spans(merged, where) == (merged, where)
    for one, other in pairwise(merged):
        assert one.end < other.start or (one.end == other.start and not one.is_bare and not other.is_bare)
    for one in spans:
        assert any(other.start <= one.start and one.end <= other.end for other in merged)
    assert merged[where].start <= spans[primary].start <= spans[primary].end <= merged[where].end
    ends = {place for one in spans for place in (one.head, one.anchor)}
    assert {place for one in merged for place in (one.head, one.anchor)} <= ends


MOVES: dict[str, Callable[[Buffer], None]] = {
    "left": Buffer.move_left,
    "right": Buffer.move_right,
    "up": lambda buffer: buffer.move_rows(-1),
    "down": lambda buffer: buffer.move_rows(1),
    "word": Buffer.move_word_right,
    "word_left": Buffer.move_word_left,
    "start": Buffer.line_start,
    "end": Buffer.line_end,
    "text_start": Buffer.document_start,
    "text_end": Buffer.document_end,
    "extend": lambda buffer: buffer.move_right(extend=True),
    "extend_word": lambda buffer: buffer.move_word_left(extend=True),
    "to": lambda buffer: buffer.move_to(Position(0, 1)),
    "to_extend": lambda buffer: buffer.move_to(Position(1, 9), extend=True),
    "all": Buffer.select_all,
}


@pytest.mark.parametrize(
    ("move", "before", "after"),
    [
        ("left", "a|b|c ‹de›", "|a|bc |de"),
        ("left", "|a|b", "|ab"),
        ("right", "a|b|c «de»", "ab|c| de|"),
        ("up", "ab|c\nd|ef\nghi", "|a|bc\ndef\nghi"),
        ("down", "ab|c\nd|ef\nghi", "abc\nde|f\ng|hi"),
        ("down", "abc|\n\nd|ef", "abc\n|\ndef|"),
        ("word", "|one two |three", "one| two three|"),
        ("word_left", "one| two| x", "|one |two x"),
        ("start", "a|b|c\nd|e", "|abc\n|de"),
        ("end", "a|b|c\nd|e", "abc|\nde|"),
        ("text_start", "a|b|c\nd|e", "|abc\nde"),
        ("text_end", "a|b|c\nd|e", "abc\nde|"),
        ("extend", "|a|b ‹c›d", "‹a›‹b› ‹cd›"),
        ("extend_word", "one| ‹two›|", "«one» |two"),
        ("to", "a|b ‹c›", "a|b c"),
        ("to_extend", "a|b\n‹c›d", "ab\n‹cd›"),
        ("all", "a|b\n‹c›d", "‹ab\ncd›"),
    ],
)
def test_each_caret_moves(move: str, before: str, after: str) -> None:
    buffer = buffer_of(before)
    MOVES[move](buffer)
    assert marked(buffer) == after
    buffer.close()


@given(st.text("ab\n漢", max_size=30), st.data())
def test_a_change_of_the_text_moves_each_as_if_it_were_alone(text: str, data: st.DataObject) -> None:
    lines = Lines(text)
    here = st.integers(0, lines.size_utf8).map(lines.position)
    own = OwnCarets(lines)
    own.set_spans(data.draw(st.lists(st.builds(Span, here, here), min_size=1, max_size=8)), 0)
    spans = list(own.spans)
    patches = []
    for _ in range(data.draw(st.integers(1, 3))):
        # Carets that have met stay together, whatever comes between: only the last change may bring them.
        assume(len(merge_spans(spans, own.primary)[0]) == len(own.spans))
        places = st.integers(0, lines.size_utf8).map(lines.position)
        start, end = sorted((data.draw(places), data.draw(places)))
        patches.append(Patch(start, end, lines.replace(start, end, data.draw(st.text("x\n", max_size=2)))))
        spans = [shift_span(span, patches[-1]) for span in spans]
    wanted, primary = merge_spans(spans, own.primary)
    for passage in passages(patches):
        own._shift(passage)
    assert [(span.start, span.end) for span in own.spans] == [(span.start, span.end) for span in wanted]
    assert own.primary == primary


def test_each_caret_goes_where_its_target_is() -> None:
    buffer = buffer_of("a|b|c\n‹de›")

    def target(span: Span) -> Position | None:
        return None if span.head.column == 2 and span.is_bare else Position(9, 9)

    buffer.move_each(target, extend=True)
    assert marked(buffer) == "a‹bc\nde›"
    buffer.close()


def test_rows_keep_a_cell_for_each() -> None:
    buffer = buffer_of("abc|de|f\n\nabcdef\nabcdef")
    buffer.move_rows(2)
    buffer.move_rows(1)
    assert marked(buffer) == "abcdef\n\nabcdef\nabc|de|f"
    buffer.close()


def test_places_that_are_not_there_are_the_nearest_ones() -> None:
    buffer = buffer_of("one\ntwo")
    buffer.set_spans([Span(Position(0, 99), Position(-1, 0)), Span(Position(5, 0), Position(5, 0))], 0)
    assert buffer.spans == (Span(Position(0, 3), START), Span(Position(1, 3), Position(1, 3)))
    assert (buffer.primary, buffer.selection) == (0, (START, Position(0, 3)))
    assert (buffer.selected_text, buffer.selected_texts) == ("one", ("one",))
    buffer.close()


def test_more_than_there_may_be_are_refused() -> None:
    buffer = buffer_of("x" * (MOST_CARETS + 1) + "|")
    with pytest.raises(EditError, match="at most 1,000 carets, not 1,001"):
        buffer.set_spans([span(at, at) for at in range(MOST_CARETS + 1)])
    assert len(buffer.spans) == 1
    buffer.set_spans([span(at, at) for at in range(MOST_CARETS)])
    assert len(buffer.spans) == MOST_CARETS
    buffer.close()


@pytest.mark.parametrize("primary", [0, 1, 17, 50, 99])
def test_others_are_shown_the_primary_one_and_those_around_it(primary: int) -> None:
    buffer = buffer_of("é" * 100)
    buffer.set_spans([span(at, at) for at in range(100)], primary)
    sent = buffer.carets_to_send()
    assert sent[0] == Caret(2 * primary, 2 * primary)
    assert len(set(sent)) == len(sent) == limits.CARETS
    heads = sorted(caret.head // 2 for caret in sent)
    assert heads == list(range(heads[0], heads[0] + limits.CARETS))
    buffer.close()


def test_a_few_are_shown_all() -> None:
    buffer = buffer_of("a|b ‹cé›")
    assert buffer.carets_to_send() == (Caret(6, 3), Caret(1, 1))
    buffer.close()
