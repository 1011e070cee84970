"""Rows become strips: widths, tabs, clusters, selections, crops, chips."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.strip import Strip

from collab_tui.options import Options
from collab_tui.painting import Chip, Painter, RowMarks, Span
from collab_tui.palette import Ink, Theme, palette_of
from collab_tui.visual_row import VisualRow

PALETTE = palette_of(Theme.DARK)
RED = Ink(bg="#ff0000")
GREEN = Ink(bg="#00ff00")
BLUE = Ink(fg="#ffffff", bg="#0000ff")


def paint(
    line: str,
    spans: Sequence[Span] = (),
    *,
    chips: Sequence[Chip] = (),
    sign: Chip | None = None,
    left: int = 0,
    width: int = 25,
    options: Options = Options(),  # noqa: B008  # a frozen value
) -> Strip:
    marks = RowMarks(tuple(spans), tuple(chips), sign)
    shown = VisualRow(0, line, 0, len(line), 0, is_last=True)
    return Painter(PALETTE, options).row(shown, marks, left=left, width=width, gutter=5)


def body(strip: Strip) -> str:
    """The text of a row without its gutter; blanks at the end are left out."""
    return "".join(s.text for s in strip if not s.control)[5:].rstrip()


def painted(strip: Strip, colour: str) -> str:
    """What is drawn on a background of `colour`."""
    return "".join(
        s.text
        for s in strip
        if s.style is not None and s.style.bgcolor is not None and s.style.bgcolor.name == colour
    )


def cells(strip: Strip) -> int:
    return sum(cell_len(s.text) for s in strip if not s.control)


def test_a_row_has_its_number_and_fills_the_width() -> None:
    strip = paint("hello")
    assert strip.text == "  1  hello" + " " * 15
    assert strip.cell_length == 25


def test_equal_inks_are_one_segment() -> None:
    assert len(list(paint("hello world, 漢字 too", width=40))) == 2
    assert len(list(paint("hello", [Span(1, 2, RED), Span(2, 3, RED)]))) == 4


def test_tabs_reach_to_every_fourth_cell() -> None:
    assert body(paint("a\tb\t\tc")) == "a   b       c"


def test_a_caret_on_a_tab_covers_one_cell_and_a_selection_all() -> None:
    assert painted(paint("\tx", [Span(0, 1, RED, is_caret=True)]), "#ff0000") == " "
    assert painted(paint("\tx", [Span(0, 1, RED)]), "#ff0000") == "    "


def test_a_caret_covers_a_whole_cluster() -> None:
    assert painted(paint("e\u0301x", [Span(0, 1, RED)]), "#ff0000") == "e\u0301"
    assert painted(paint("漢字", [Span(1, 2, RED)]), "#ff0000") == "字"
    assert painted(paint("a👨‍👩‍👧b", [Span(3, 4, RED)]), "#ff0000") == "👨‍👩‍👧"


def test_a_selection_may_hold_the_line_end() -> None:
    assert painted(paint("ab", [Span(1, 3, RED)]), "#ff0000") == "b "
    assert painted(paint("", [Span(0, 1, RED)]), "#ff0000") == " "
    assert painted(paint("ab", [Span(0, 2, RED)]), "#ff0000") == "ab"


def test_later_spans_lie_over_earlier_ones() -> None:
    strip = paint("abcdef", [Span(0, 4, RED), Span(2, 6, GREEN), Span(3, 4, BLUE)])
    assert (painted(strip, "#ff0000"), painted(strip, "#00ff00"), painted(strip, "#0000ff")) == (
        "ab",
        "cef",
        "d",
    )


@pytest.mark.parametrize(
    ("line", "left", "width", "shown"),
    [
        ("abcdefghij", 3, 9, "defg"),
        ("漢字漢字", 1, 9, " 字"),
        ("漢字漢字", 2, 9, "字漢"),
        ("漢字漢字", 0, 10, "漢字"),
        ("漢字漢字", 0, 8, "漢"),
        ("a漢", 0, 7, "a"),
        ("\tabc", 2, 9, "  ab"),
        ("e\u0301e\u0301x", 1, 9, "e\u0301x"),
        ("😀😀", 1, 9, " 😀"),
        ("abc", 10, 9, ""),
    ],
)
def test_crops_leave_a_blank_for_half_a_character(line: str, left: int, width: int, shown: str) -> None:
    strip = paint(line, left=left, width=width)
    assert body(strip) == shown
    assert cells(strip) == width


def test_spans_are_cropped_with_the_text() -> None:
    assert painted(paint("漢字漢字", [Span(0, 2, RED)], left=1, width=9), "#ff0000") == " 字"
    assert painted(paint("abcdef", [Span(0, 2, RED), Span(5, 7, RED)], left=1, width=9), "#ff0000") == "b"


def test_controls_become_marks() -> None:
    assert body(paint("a\x1b[31m\x9bb\u202ec")) == "a␛[31m�b⨯c"


def test_after_an_odd_cluster_the_terminal_is_told_where_it_is() -> None:
    strip = paint("👨‍👩‍👧x")
    assert [s.text for s in strip if s.control] == ["\x1b[8G"]
    assert body(strip) == "👨‍👩‍👧x"
    assert not any(s.control for s in paint("e\u0301漢😀"))


def test_an_odd_cluster_that_might_not_fit_is_left_out() -> None:
    strip = paint("ab👨‍👩‍👧", width=10)
    assert body(strip) == "ab"
    assert cells(strip) == 10


def test_chips_stand_in_the_blank_part() -> None:
    strip = paint("hi", chips=[Chip(5, " ana ", RED), Chip(12, "bo", GREEN)])
    assert body(strip) == "hi    ana   bo"
    assert painted(strip, "#ff0000") == " ana "


def test_a_chip_takes_the_cells_that_its_text_has() -> None:
    strip = paint("hi", chips=[Chip(5, " 川端 ", RED), Chip(12, "bo", GREEN)])
    assert body(strip) == "hi    川端  bo"
    assert cells(strip) == 25


@pytest.mark.parametrize("is_current", [False, True])
def test_a_sign_is_not_as_dim_as_the_number_beside_it(is_current: bool) -> None:
    marks = RowMarks(sign=Chip(0, "|", Ink(bold=True)), is_current=is_current)
    shown = VisualRow(0, "hi", 0, 2, 0, is_last=True)
    strip = Painter(palette_of(Theme.MONO), Options()).row(shown, marks, left=0, width=10, gutter=5)
    [sign] = [segment for segment in strip if "|" in segment.text]
    assert sign.style is not None
    assert (sign.style.bold, sign.style.dim) == (True, None)


def test_a_chip_never_covers_text() -> None:
    assert body(paint("hello", chips=[Chip(3, "XX", RED)])) == "hello"


def test_the_sign_stands_in_the_gutter() -> None:
    strip = paint("x", sign=Chip(0, "A", RED))
    assert strip.text.startswith("  1A x")
    assert painted(strip, "#ff0000") == "A"


@given(
    st.text(st.sampled_from("ab \té漢か\u3099😀👨‍👩🇩🇪e\u0301\x1b\u202e"), max_size=30),
    st.integers(0, 20),
    st.integers(7, 30),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=3),
)
def test_a_row_is_always_as_wide_as_asked(
    line: str, left: int, width: int, ranges: list[tuple[int, int]]
) -> None:
    spans = [Span(min(r), max(r), RED) for r in ranges]
    assert cells(paint(line, spans, left=left, width=width)) == width


def test_the_ruler_goes_through_text_and_blank_alike() -> None:
    options = Options(ruler=4)
    ruler = PALETTE.ruler.bg
    assert ruler is not None
    for line, under in [("abcdef", "d"), ("ab", " "), ("", " "), ("漢字漢", "字"), ("abc", " ")]:
        strip = paint(line, options=options)
        assert painted(strip, ruler) == under, line
        assert body(strip) == line
        assert strip.cell_length == 25


def test_blanks_and_tabs_are_shown_on_demand() -> None:
    options = Options(whitespace=True)
    assert body(paint("a b \tc 漢 \t", options=options)) == "a·b·→   c·漢·→"
    assert body(paint("a b \tc", options=options, left=4)) == "→   c"
    assert body(paint("a b \tc", options=options, left=5)) == "   c"
    assert body(paint("  x", [Span(0, 1, RED)], options=options)) == "··x"
    assert painted(paint("  x", [Span(0, 1, RED)], options=options), "#ff0000") == "·"


def gutter_of(marks: RowMarks, *, folded: int = 0, start: int = 0) -> Strip:
    shown = VisualRow(0, "text", start, 4, 0, is_last=True, folded=folded)
    return Painter(PALETTE, Options()).row(shown, marks, left=0, width=20, gutter=7, authors=2)


def test_the_gutter_says_who_wrote_a_row_and_that_it_has_changed() -> None:
    marks = RowMarks(sign=Chip(0, "B", BLUE), change=Chip(0, "!", RED), author=Chip(0, "A", GREEN))
    strip = gutter_of(marks)
    assert strip.text.startswith("A   1B!text")
    assert (painted(strip, "#00ff00"), painted(strip, "#0000ff")) == ("A", "B")
    assert painted(strip, "#ff0000") == "!"
    assert gutter_of(RowMarks()).text.startswith("    1  text"), "the room for it stays"


def test_a_fold_stands_where_a_change_would() -> None:
    marks = RowMarks(change=Chip(0, "!", RED))
    assert gutter_of(marks, folded=3).text.startswith("    1 ▸text")
