"""What is on the screen stays there while others edit, and follows the person's own caret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client.lines import Lines, Position
from collab_tui.cells import Layouts
from collab_tui.folding import Fold
from collab_tui.widgets.view import View

ROWS = [f"row {n}" for n in range(100)]


def view(
    text: list[str], top: int = 0, *, height: int = 10, width: int = 20, is_wrapped: bool = False
) -> View:
    made = View(Lines("\n".join(text)), Layouts(), is_wrapped=is_wrapped)
    made.resize(width, height)
    made.top = (top, 0)
    made.remember_top()
    return made


def shown(made: View) -> list[str]:
    return [row.text for row in made.rows()]


@pytest.mark.parametrize(("row", "top"), [(25, 20), (20, 20), (29, 20), (30, 21), (19, 19), (99, 90), (0, 0)])
def test_it_scrolls_as_little_as_it_takes(row: int, top: int) -> None:
    made = view(ROWS, 20)
    assert made.reveal(Position(row, 0)) == (top != 20)
    assert made.top == (top, 0)


@pytest.mark.parametrize(("row", "top"), [(25, 20), (60, 55), (3, 0), (99, 90)])
def test_a_jump_ends_in_the_middle(row: int, top: int) -> None:
    made = view(ROWS, 20)
    made.reveal(Position(row, 0), centre=True)
    assert made.top == (top, 0)


def test_sideways_it_comes_back_a_quarter_inside() -> None:
    made = view(["x" * 50])
    assert made.reveal(Position(0, 20))
    assert made.left == 5
    assert not made.reveal(Position(0, 5))
    assert made.reveal(Position(0, 4))
    assert made.left == 0


def test_scrolling_stays_in_the_text() -> None:
    made = view(ROWS)
    assert not made.scroll(-3)
    made.scroll(200)
    assert made.top == (90, 0)
    made.scroll(-5)
    assert made.top == (85, 0)
    assert not view(ROWS[:5]).scroll(3)
    made.scroll_to(40)
    assert made.top == (40, 0)
    made.scroll_to(10**6)
    assert made.top == (90, 0)


# While others edit


def follow(made: View, start: tuple[int, int], end: tuple[int, int], text: str) -> str:
    """Replace as somebody else does; return what then stands in the first row of the screen."""
    old_rows = made._lines.row_count
    new_end = made._lines.replace(Position(*start), Position(*end), text)
    made.splice(start[0], end[0], new_end.row)
    made.follow_edit(start[0], end[0], new_end.row)
    assert made._lines.row_count == old_rows + new_end.row - end[0]
    return shown(made)[0]


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "text", "first"),
    [
        ((5, 0), (5, 0), "new\n", "row 50"),
        ((5, 0), (7, 0), "", "row 50"),
        ((50, 0), (50, 0), "new\n", "row 50"),
        ((50, 6), (50, 6), "\nnew", "row 50"),
        ((54, 0), (55, 0), "", "row 50"),
        ((0, 0), (60, 0), "joined\n", "row 60"),
    ],
)
def test_the_top_line_stays_where_it_is(
    start: tuple[int, int], end: tuple[int, int], text: str, first: str, is_wrapped: bool
) -> None:
    assert follow(view(ROWS, 50, is_wrapped=is_wrapped), start, end, text) == first


def test_it_never_looks_past_the_end() -> None:
    made = view(ROWS, 90)
    follow(made, (92, 0), (97, 0), "")
    assert made.top == (85, 0)


# Wrapped

WORDS = ["the quick brown fox jumps over", "a lazy dog", "", "漢字漢字漢字漢字漢字漢字", "\tx"]


def test_long_lines_stand_on_several_rows() -> None:
    made = view(WORDS, is_wrapped=True)
    assert shown(made) == [
        "the quick brown fox ",
        "jumps over",
        "a lazy dog",
        "",
        "漢字漢字漢字漢字漢字",
        "漢字",
        "\tx",
    ]
    made.scroll(1)
    assert made.top == (0, 0)
    made.resize(20, 4)
    made.scroll(1)
    assert made.top == (0, 1)
    assert shown(made)[0] == "jumps over"


def test_without_wrap_they_do_not() -> None:
    made = view(WORDS, is_wrapped=True)
    made.set_wrap(False)
    assert shown(made) == WORDS
    made.set_wrap(True)
    assert len(shown(made)) == 7


def test_the_first_row_stays_the_first_when_the_width_changes() -> None:
    made = view(["word " * 40] * 5, is_wrapped=True, height=5)
    made.scroll(9)
    at = made.rows()[0]
    made.resize(35, 5)
    now = made.rows()[0]
    assert now.row == at.row
    assert now.start <= at.start < now.end
    made.set_wrap(False)
    assert made.rows()[0].row == at.row


def test_up_and_down_go_by_visual_rows_and_keep_to_their_cell() -> None:
    made = view(WORDS, is_wrapped=True)
    place = Position(0, 18)
    seen = []
    for _ in range(7):
        place = made.vertical([place], 1)[place]
        seen.append(tuple(place))
    assert seen == [(0, 30), (1, 10), (2, 0), (3, 9), (3, 12), (4, 2), (4, 2)]
    for _ in range(6):
        place = made.vertical([place], -1)[place]
    assert place == (0, 18)
    assert made.vertical([place], -1)[place] == (0, 0)


def test_a_caret_never_lands_behind_the_end_of_a_row_that_goes_on() -> None:
    made = view(WORDS, is_wrapped=True)
    assert made.place(99, 0) == (0, 19)
    assert made.place(99, 1) == (0, 30)
    assert made.place(99, 4) == (3, 9)
    assert made.place(-3, 1) == (0, 20)


@given(st.data())
def test_every_place_on_the_screen_is_where_it_is_drawn(data: st.DataObject) -> None:
    pieces = st.lists(st.sampled_from(["a", " ", "word ", "漢", "e\u0301", "👨‍👩‍👧", "\t", "é"]), max_size=40)
    text = ["".join(line) for line in data.draw(st.lists(pieces, min_size=1, max_size=6))]
    made = view(text, is_wrapped=data.draw(st.booleans()), width=data.draw(st.integers(8, 30)))
    rows = made.rows()
    y = data.draw(st.integers(0, len(rows) - 1))
    place = made.place(data.draw(st.integers(0, 40)), y)
    assert rows[y].holds(place.row, place.column)
    assert made.row_at(place) == rows[y]
    assert not made.is_wrapped or made.left == 0


@given(
    st.lists(st.tuples(st.integers(-30, 30), st.booleans())),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 8)), max_size=4),
)
def test_whatever_scrolls_it_the_caret_can_be_shown(
    moves: list[tuple[int, bool]], is_wrapped: bool, folded: list[tuple[int, int]]
) -> None:
    made = view(["some words " * (n % 7) for n in range(60)], is_wrapped=is_wrapped, height=7)
    made.folds.add(Fold(first, first + rows) for first, rows in folded)
    hidden = sum(fold.last - fold.first for fold in made.folds.hidden)
    place = Position(0, 0)
    for delta, is_scroll in moves:
        if is_scroll:
            made.scroll(delta)
        else:
            place = made.vertical([place], delta)[place]
            made.reveal(place)
            (row,) = [row for row in made.rows() if row.holds(place.row, place.column)]
            cell = made._layouts.cell_at(row.line, place.column) - row.cell - made.left
            assert 0 <= cell <= made.width
        assert len(made.rows()) == 7
        assert not any(made.folds.header(row.row) != row.row for row in made.rows())
    # By rows one comes to no row that is hidden, so none was opened.
    assert hidden == sum(fold.last - fold.first for fold in made.folds.hidden)


def test_going_to_a_row_that_is_folded_opens_it() -> None:
    made = view(ROWS, height=10)
    made.folds.add([Fold(5, 90)])
    assert [row.row for row in made.rows()] == [0, 1, 2, 3, 4, 5, *range(91, 95)]
    assert made.rows()[5].folded == 85
    made.reveal(Position(50, 0))
    assert not made.folds
    assert made.top == (41, 0)


def test_what_others_do_in_a_fold_stays_out_of_sight() -> None:
    made = view(ROWS, height=10)
    made.folds.add([Fold(5, 90)])
    made._lines.replace(Position(50, 0), Position(52, 0), "one\ntwo\nthree\nfour\n")
    made.splice(50, 52, 54)
    made.follow_edit(50, 52, 54)
    assert [row.row for row in made.rows()] == [0, 1, 2, 3, 4, 5, *range(93, 97)]
    assert shown(made)[6] == "row 91"


@given(st.data())
def test_the_rows_are_those_of_a_fresh_view_after_any_edits(data: st.DataObject) -> None:
    made = view(["some words " * (n % 7) for n in range(20)], is_wrapped=data.draw(st.booleans()), height=7)
    for _ in range(data.draw(st.integers(1, 8))):
        lines = made._lines
        made.scroll(data.draw(st.integers(-3, 3)))
        start = Position(data.draw(st.integers(0, lines.row_count - 1)), 0)
        end = data.draw(st.sampled_from([start, Position(start.row, len(lines.line(start.row))), lines.end]))
        text = data.draw(st.sampled_from(["x", "word " * 9, "a\nb", "", "\n" * 5]))
        new_end = lines.replace(start, end, text)
        made.splice(start.row, end.row, new_end.row)
        if data.draw(st.booleans()):
            made.rows()
        made.settle()
        fresh = view(lines.text().split("\n"), is_wrapped=made.is_wrapped, height=7)
        fresh.top = made.top
        assert made.rows() == fresh.rows()


@pytest.mark.parametrize(
    ("place", "top"), [((30, 2), (30, 0)), ((95, 0), (90, 0)), ((500, 0), (90, 0)), ((0, 0), (0, 0))]
)
def test_it_can_be_shown_from_a_place_on(place: tuple[int, int], top: tuple[int, int]) -> None:
    made = view(ROWS, 20)
    assert made.show_from(Position(*place))
    assert made.top == top
    assert not made.show_from(Position(*place))


def test_a_place_within_a_wrapped_line_comes_to_the_top() -> None:
    made = view(["word " * 40, *ROWS], width=20, is_wrapped=True)
    made.show_from(Position(0, 87))
    assert made.top == (0, 4)
