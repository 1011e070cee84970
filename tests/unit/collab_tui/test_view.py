"""What is on the screen stays there while others edit, and follows the person's own caret."""

from __future__ import annotations

import pytest

from collab_tui.widgets.view import View


def view(top: int, *, height: int = 10, width: int = 20, text: list[str] | None = None) -> View:
    made = View()
    made.resize(width, height)
    made.top = top
    if text is not None:
        made.remember_top(text[top])
    return made


@pytest.mark.parametrize(("row", "top"), [(25, 20), (20, 20), (29, 20), (30, 21), (19, 19), (99, 90), (0, 0)])
def test_it_scrolls_as_little_as_it_takes(row: int, top: int) -> None:
    made = view(20)
    assert made.reveal(row, 0) == (top != 20)
    assert made.top == top


def test_sideways_it_comes_back_a_quarter_inside() -> None:
    made = view(0)
    assert made.reveal(0, 20)
    assert made.left == 5
    assert not made.reveal(0, 5)
    assert made.reveal(0, 4)
    assert made.left == 0


def test_scrolling_stays_in_the_text() -> None:
    made = view(0)
    assert not made.scroll(-3, 100)
    made.scroll(200, 100)
    assert made.top == 90
    made.scroll(-5, 100)
    assert made.top == 85
    assert not view(0).scroll(3, 5)


def follow(made: View, after: list[str], first: int, old_last: int, new_last: int) -> int:
    made.follow_edit(first, old_last, new_last, len(after), after.__getitem__)
    return made.top


ROWS = [f"row {n}" for n in range(100)]


@pytest.mark.parametrize(
    ("change", "after", "top"),
    [
        ("above, a row more", [*ROWS[:5], "new", *ROWS[5:]], 51),
        ("above, two rows less", [*ROWS[:5], *ROWS[7:]], 48),
    ],
)
def test_the_top_line_stays_when_rows_come_and_go_above(change: str, after: list[str], top: int) -> None:
    made = view(50, text=ROWS)
    grew = len(after) - len(ROWS)
    assert follow(made, after, 4, 7, 7 + grew) == top
    assert after[made.top] == "row 50"


def test_the_top_line_stays_when_its_own_row_is_pushed_down() -> None:
    after = [*ROWS[:50], "new", *ROWS[50:]]
    assert follow(view(50, text=ROWS), after, 50, 50, 51) == 51


def test_the_top_line_stays_when_a_line_begins_below_it() -> None:
    after = [*ROWS[:51], "new", *ROWS[51:]]
    assert follow(view(50, text=ROWS), after, 50, 50, 51) == 50


def test_edits_below_change_nothing() -> None:
    assert follow(view(50, text=ROWS), [*ROWS[:55], *ROWS[56:]], 54, 55, 54) == 50


def test_when_the_top_line_goes_what_follows_takes_its_place() -> None:
    after = ["joined", *ROWS[60:]]
    assert follow(view(50, text=ROWS), after, 0, 59, 0) == 0


def test_it_never_looks_past_the_end() -> None:
    assert follow(view(90, text=ROWS), ROWS[:95], 92, 97, 92) == 85
