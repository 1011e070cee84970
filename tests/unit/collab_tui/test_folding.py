"""Folds against a list of rows: what is hidden, where one comes to, and what edits make of it."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from collab_client.lines import Lines, Position
from collab_tui.folding import Fold, FoldedRows, Folds
from collab_tui.wrap import WrapIndex

ROWS = 12
WIDTH = 10

folds = st.lists(
    st.tuples(st.integers(0, ROWS - 2), st.integers(1, 6)).map(
        lambda pair: Fold(pair[0], min(ROWS - 1, sum(pair)))
    ),
    max_size=5,
)
texts = st.lists(
    st.sampled_from(["", "short", "a line that needs four rows of the screen"]), min_size=ROWS, max_size=ROWS
)


def folded(found: list[Fold]) -> Folds:
    made = Folds()
    made.add(found)
    return made


def hidden_rows(found: list[Fold]) -> set[int]:
    return {row for fold in found for row in range(fold.first + 1, fold.last + 1)}


@given(folds)
def test_what_is_hidden_has_the_nearest_shown_row_as_header(found: list[Fold]) -> None:
    made, hidden = folded(found), hidden_rows(found)
    shown = [row for row in range(ROWS) if row not in hidden]
    for row in range(ROWS):
        assert made.header(row) == max(s for s in shown if s <= row)
        if row in shown:
            below = [s for s in shown if s > row]
            assert made.next_shown(row) == (below[0] if below else ROWS)
            assert made.hidden_behind(row) == made.next_shown(row) - row - 1


@given(folds, st.integers(0, ROWS - 1))
def test_opening_shows_the_row_and_keeps_the_folds_that_do_not_hide_it(found: list[Fold], row: int) -> None:
    made = folded(found)
    assert made.open_at(row) == (row in hidden_rows(found))
    assert made.header(row) == row
    left = [fold for fold in found if not fold.first < row <= fold.last]
    assert [made.header(r) for r in range(ROWS)] == [folded(left).header(r) for r in range(ROWS)]


@given(texts, folds, st.one_of(st.none(), st.just(WIDTH)))
def test_visual_rows_are_those_of_the_rows_that_are_shown(
    lines: list[str], found: list[Fold], width: int | None
) -> None:
    text, made = Lines("\n".join(lines)), folded(found)
    wrap = WrapIndex(text, width)
    rows = FoldedRows(wrap, made)
    hidden = hidden_rows(found)
    shown = [(row, at) for row in range(ROWS) if row not in hidden for at in range(len(wrap.starts(row)))]
    while not rows.measure_some(ROWS):
        pass
    assert rows.total == len(shown)
    for visual_row, place in enumerate(shown):
        assert rows.at(visual_row) == place
        assert rows.visual_row(place[0]) + place[1] == visual_row
        for delta in range(-5, 6):
            goal = shown[max(0, min(visual_row + delta, len(shown) - 1))]
            assert rows.walk(*place, delta) == goal
    for row in hidden:
        assert rows.height(row) == 0
        assert rows.visual_row(row) == rows.visual_row(made.header(row))


@given(folds, st.data())
def test_an_edit_shifts_folds_or_opens_those_across_whose_end_it_reaches(
    found: list[Fold], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, ROWS - 1))
    old_last = data.draw(st.integers(first, ROWS - 1))
    new_last = data.draw(st.integers(first, first + 4))
    shift = new_last - old_last
    made = folded(found)
    made.splice(first, old_last, new_last)
    expected = []
    for fold in found:
        if fold.last < first:
            expected.append(fold)
        elif old_last < fold.first:
            expected.append(Fold(fold.first + shift, fold.last + shift))
        elif (fold.first < first and old_last <= fold.last) or (shift == 0 and first == old_last):
            expected.append(Fold(fold.first, fold.last + shift))
    hidden = hidden_rows(expected)
    rows = range(ROWS + 8)
    assert [row for row in rows if made.header(row) != row] == [row for row in rows if row in hidden]


@given(folds, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5))
def test_changes_from_the_end_up_are_as_good_as_one_by_one(
    found: list[Fold], sizes: list[tuple[int, int]]
) -> None:
    together, apart = folded(found), folded(found)
    row = ROWS
    for old, new in sizes:
        row -= old + 1
        if row < 0:
            break
        for made in (together, apart):
            made.splice(row, row + old, row + new)
        assert apart.hidden is not None  # asked after each
    assert list(together.hidden) == list(apart.hidden)


def test_a_thousand_changes_go_through_thousands_of_folds_once() -> None:
    made = folded([Fold(row, row + 3) for row in range(0, 40_000, 4)])
    with patch.object(made, "_set", wraps=made._set) as put:  # each goes through all folds
        for row in range(39_998, 0, -40):
            made.splice(row, row, row + 1)
        assert made.hidden
    assert put.call_count == 1


def test_what_makes_rows_of_a_header_opens_it() -> None:
    made = folded([Fold(1, 4)])
    made.splice(1, 1, 2)  # a line put before or behind it
    assert not made
    made = folded([Fold(1, 4)])
    made.splice(1, 2, 1)  # it was deleted, or the next was joined to it
    assert not made
    made = folded([Fold(1, 4), Fold(6, 8)])
    made.open_around(4, 5)
    assert list(made.hidden) == [Fold(6, 8)]


def test_a_folded_block_of_many_wrapped_lines_is_walked_over() -> None:
    lines = Lines("\n".join(["head", *["x" * 55] * 600, "tail"]))
    made = folded([Fold(0, 600)])
    rows = FoldedRows(WrapIndex(lines, WIDTH), made)
    assert rows.walk(0, 0, 1) == (601, 0)
    assert rows.walk(601, 0, -1) == (0, 0)
    assert rows.total == 2
    assert rows.at(1) == (601, 0)
    lines.replace(Position(3, 0), Position(3, 1), "")
    rows.splice(3, 3, 3)
    assert rows.total == 2
