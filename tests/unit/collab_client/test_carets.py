from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collab_client.carets import (
    Patch,
    Span,
    end_of_text,
    passages,
    patches_of,
    shift,
    shift_caret,
    shift_span,
    shifts,
)
from collab_client.lines import Edit, Lines, Position
from collab_protocol.presence import Caret
from collab_protocol.text import Splice


def moved(offset: int, *splices: Splice, goes_along: bool = False) -> int:
    for step in shifts(splices):
        offset = shift(offset, step, goes_along=goes_along)
    return offset


def test_a_caret_stays_before_what_is_inserted_at_it() -> None:
    assert [moved(offset, Splice(3, 0, "é")) for offset in (2, 3, 4)] == [2, 3, 6]
    assert moved(3, Splice(3, 0, "é"), goes_along=True) == 5


def test_a_caret_inside_what_is_deleted_goes_to_its_start() -> None:
    assert [moved(offset, Splice(3, 4, "")) for offset in (2, 3, 5, 7, 9)] == [2, 3, 3, 3, 5]
    assert [moved(offset, Splice(3, 4, "xy")) for offset in (3, 5, 7, 8)] == [3, 3, 3, 6]


def test_what_was_selected_stays_what_is_selected() -> None:
    for insert, wanted in ((2, (4, 7)), (5, (2, 5)), (3, (2, 7)), (1, (4, 7))):
        steps = shifts([Splice(insert, 0, "xy")])
        assert shift_caret(Caret(*wanted), ()) == Caret(*wanted)
        assert shift_caret(Caret(2, 5), steps) == Caret(*wanted)
        assert shift_caret(Caret(5, 2), steps) == Caret(*wanted[::-1])
    replaced = shifts([Splice(1, 9, "xyz")])
    assert shift_caret(Caret(2, 5), replaced) == Caret(1, 1)


texts = st.text("ab\n\né漢🙂", max_size=15)


@given(texts, texts, st.data())
def test_positions_shift_as_offsets_do(text: str, inserted: str, data: st.DataObject) -> None:
    bounds = st.integers(0, len(text))
    a, b = sorted(data.draw(st.tuples(bounds, bounds)))
    lines = Lines(text)
    offsets = [len(text[:at].encode()) for at in range(len(text) + 1)]
    head, anchor = data.draw(st.tuples(bounds, bounds))
    span = Span(lines.position(offsets[head]), lines.position(offsets[anchor]))
    start, end = lines.position(offsets[a]), lines.position(offsets[b])
    caret = shift_caret(
        Caret(offsets[head], offsets[anchor]), shifts([Splice(offsets[a], offsets[b] - offsets[a], inserted)])
    )
    shifted = shift_span(span, Patch(start, end, lines.replace(start, end, inserted)))
    assert (lines.offset(shifted.head), lines.offset(shifted.anchor)) == (caret.head, caret.anchor)


def test_the_author_goes_along_with_what_it_inserts() -> None:
    here = Span(Position(0, 3), Position(0, 3))
    patch = Patch(here.head, here.head, Position(1, 2))
    assert shift_span(here, patch) == here
    assert shift_span(here, patch, is_author=True) == Span(Position(1, 2), Position(1, 2))


@given(st.text("ab\n漢", max_size=30), st.data())
def test_a_passage_does_what_its_patches_do_one_by_one(text: str, data: st.DataObject) -> None:
    lines = Lines(text)

    def places(lines: Lines) -> st.SearchStrategy[Position]:
        return st.integers(0, lines.size_utf8).map(lines.position)

    spans = [Span(data.draw(places(lines)), data.draw(places(lines))) for _ in range(6)]
    patches = []
    for _ in range(data.draw(st.integers(1, 6))):
        start, end = sorted((data.draw(places(lines)), data.draw(places(lines))))
        new_end = lines.replace(start, end, data.draw(st.text("x\n", max_size=3)))
        patches.append(Patch(start, end, new_end))
    for is_author in (False, True):
        for span in spans:
            one_by_one = at_once = span
            for patch in patches:
                one_by_one = shift_span(one_by_one, patch, is_author=is_author)
            for passage in passages(patches):
                at_once = passage.span(at_once, is_author=is_author)
            assert at_once == one_by_one


def test_patches_in_text_order_are_one_passage() -> None:
    here = [Position(row, 1) for row in (0, 1, 1, 5)]
    patches = [Patch(place, place, Position(place.row + 1, 0)) for place in here]
    assert len(list(passages(patches))) == 1
    assert len(list(passages(patches[::-1]))) == 3


@given(st.text("ab\n漢", max_size=30), st.data())
def test_edits_of_one_text_are_patches_one_after_the_other(text: str, data: st.DataObject) -> None:
    lines, other = Lines(text), Lines(text)
    bounds = sorted(data.draw(st.lists(st.integers(0, lines.size_utf8), min_size=2, max_size=8)))
    places = [lines.position(bound) for bound in bounds]
    edits = [
        Edit(start, end, data.draw(st.text("x\n", max_size=3)))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]
    patches = patches_of(edits)
    for edit in reversed(edits):
        lines.replace(*edit)
    for edit, patch in zip(edits, patches, strict=True):
        assert patch.new_end == end_of_text(patch.start, edit.text)
        assert other.replace(patch.start, patch.end, edit.text) == patch.new_end
    assert lines.text() == other.text()
