"""The one-line input: what keys do to it, and how it is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from wcwidth import iter_graphemes

from collab_client import clusters
from collab_tui.palette import Styles, Theme, palette_of
from collab_tui.widgets.field import Field
from tests.unit.collab_tui.keyed import HOSTILE

PALETTE = palette_of(Theme.DARK)
STYLES = Styles()

MOVES = ("left", "right", "word_left", "word_right", "line_start", "line_end")
DELETIONS = {
    "backspace": "left",
    "delete": "right",
    "delete_word_left": "word_left",
    "delete_word_right": "word_right",
    "delete_to_line_start": "line_start",
    "delete_to_line_end": "line_end",
}
ACTIONS = (
    *MOVES,
    *("select_" + move for move in MOVES),
    *DELETIONS,
    "select_all", "undo", "redo", "copy", "cut", "paste", "up", "down",
)  # fmt: skip

PIECES = st.sampled_from(
    ["a", "b ", "_9", "\t", "é", "e\u0301", "\u0301", "漢字", "한", "\u1100", "\u1161", "👩\u200d👩\u200d👧",
     "\u200d", "🇩", "🇪", "\ufe0f", "❤️", "नि", "-", "\x1b", "\u202e", "\x00"]
)  # fmt: skip
STEPS = st.lists(st.one_of(st.sampled_from(ACTIONS), PIECES.map(lambda piece: f"type {piece}")), max_size=25)


def perform(field: Field, step: str) -> None:
    if step.startswith("type "):
        field.type(step.removeprefix("type "))
    else:
        assert field.do(step)


def made(text: str = "", caret: int | None = None, *, is_ascii: bool = False) -> Field:
    field = Field(is_ascii=is_ascii)
    field.type(text)
    if caret is not None:
        field.caret = field.anchor = caret
    return field


def with_clipboard(field: Field) -> Field:
    copied: list[str] = []
    field.on_copy = copied.append
    field.on_paste = lambda put: put(copied[-1] if copied else "")
    return field


def boundaries(text: str) -> set[int]:
    found = {0}
    for cluster in iter_graphemes(text):
        found.add(max(found) + len(cluster))
    return found


def drawn(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments if not segment.control)


def caret_of(segments: list[Segment]) -> tuple[int, str]:
    """Return cell and text of the caret."""
    style = STYLES[PALETTE.field_caret.over(PALETTE.field)]
    cell = 0
    for segment in segments:
        if segment.style == style:
            return cell, segment.text
        cell += segment.cell_length
    raise AssertionError("no caret")


@given(STEPS)
def test_the_caret_stays_between_clusters(steps: list[str]) -> None:
    field = with_clipboard(Field())
    for step in steps:
        perform(field, step)
        assert {field.caret, field.anchor} <= boundaries(field.text), step


class Model:
    """A field without undo: text and two places, every action spelt out."""

    def __init__(self) -> None:
        self.text = ""
        self.caret = self.anchor = 0

    def target(self, move: str) -> int:
        edges = sorted(boundaries(self.text))
        at = edges.index(self.caret)
        match move:
            case "left":
                return edges[max(0, at - 1)]
            case "right":
                return edges[min(len(edges) - 1, at + 1)]
            case "line_start":
                return 0
            case "line_end":
                return len(self.text)
            case "word_left":
                return clusters.previous_word(self.text, self.caret)
            case _:
                return clusters.next_word(self.text, self.caret)

    def put(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.caret = self.anchor = min(b for b in boundaries(self.text) if b >= start + len(text))

    def perform(self, step: str) -> None:
        start, end = sorted((self.caret, self.anchor))
        if step.startswith("type "):
            self.put(start, end, step.removeprefix("type "))
        elif step == "select_all":
            self.anchor, self.caret = 0, len(self.text)
        elif step in DELETIONS:
            if start == end:
                start, end = sorted((self.caret, self.target(DELETIONS[step])))
            self.put(start, end, "")
        elif step.startswith("select_"):
            self.caret = self.target(step.removeprefix("select_"))
        elif step in ("left", "right") and start != end:
            self.caret = self.anchor = start if step == "left" else end
        else:
            self.caret = self.anchor = self.target(step)


MODELLED = [a for a in ACTIONS if a not in ("undo", "redo", "copy", "cut", "paste", "up", "down")]


@given(st.lists(st.one_of(st.sampled_from(MODELLED), PIECES.map(lambda p: f"type {p}")), max_size=25))
def test_a_field_does_what_its_model_does(steps: list[str]) -> None:
    field, model = Field(), Model()
    for step in steps:
        perform(field, step)
        model.perform(step)
        assert (field.text, field.caret, field.anchor) == (model.text, model.caret, model.anchor), step


@given(STEPS)
def test_undo_goes_back_to_the_start_and_redo_to_the_end(steps: list[str]) -> None:
    field = with_clipboard(Field())
    for step in steps:
        perform(field, step)
    while True:
        before = field.text
        field.do("redo")
        if field.text == before:
            break
    end = field.text
    for _ in range(len(steps) + 1):
        field.do("undo")
    assert field.text == ""
    for _ in range(len(steps) + 1):
        field.do("redo")
    assert field.text == end


@given(STEPS, st.integers(1, 30), st.booleans(), st.integers(0, 90))
def test_it_is_drawn_as_wide_as_it_is_with_its_caret_in_it(
    steps: list[str], width: int, is_ascii: bool, column: int
) -> None:
    field = with_clipboard(Field(is_ascii=is_ascii))
    for step in steps:
        perform(field, step)
        segments = field.draw(width, PALETTE, STYLES, "type here", column=column)
        assert sum(segment.cell_length for segment in segments) == width
        assert not set(drawn(segments)) & set("\x1b\x00\t\u202e")
        assert 0 <= field.caret_cell < width
        assert caret_of(segments)[0] == field.caret_cell
        moves = [int(segment.text[2:-1]) for segment in segments if segment.control]
        assert all(column + 1 < to <= column + width + 1 for to in moves)


def test_letters_typed_in_a_row_are_one_step_of_undo() -> None:
    field = Field()
    for letter in "one":
        field.type(letter)
    field.do("left")
    field.type("x")
    field.do("undo")
    assert field.text == "one"
    field.do("undo")
    assert field.text == ""
    field.do("redo")
    assert (field.text, field.caret) == ("one", 2)  # as it was left


def test_what_is_typed_ends_what_can_be_redone() -> None:
    field = made("one")
    field.do("undo")
    field.type("two")
    field.do("redo")
    assert field.text == "two"


@pytest.mark.parametrize(
    ("select", "step", "caret"),
    [
        ("select_left", "left", 2),
        ("select_left", "right", 3),
        ("select_right", "left", 3),
        ("select_right", "right", 4),
    ],
)
def test_a_step_from_a_selection_goes_to_its_end(select: str, step: str, caret: int) -> None:
    field = made("needle", 3)
    field.do(select)
    field.do(step)
    assert (field.caret, field.anchor) == (caret, caret)


def test_what_is_set_is_selected_and_typed_over() -> None:
    field = made("old")
    field.set("needle")
    assert field.selected_text == "needle"
    field.type("x")
    assert field.text == "x"
    field.do("undo")
    field.do("undo")
    assert field.text == "needle"


@pytest.mark.parametrize(
    ("pasted", "taken"),
    [
        ("one\ntwo", "one"),
        ("\r\n\nsecond\r\nthird", "second"),
        ("\n", ""),
        ("a\tb", "a\tb"),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_one_line_of_what_is_pasted(pasted: str, taken: str) -> None:
    assert made(pasted).text == taken


def test_there_is_an_end_to_what_it_holds() -> None:
    field = made("x" * 10_000)
    assert len(field.text) == 2000
    field.type("y")
    assert field.text == "x" * 2000
    field.do("select_all")
    field.type("y")
    assert field.text == "y"


def test_copy_cut_and_paste() -> None:
    field = with_clipboard(made("one two"))
    field.do("select_word_left")
    field.do("cut")
    assert field.text == "one "
    field.do("paste")
    field.do("paste")
    assert field.text == "one twotwo"
    field.do("copy")  # nothing is selected: nothing is copied
    field.do("paste")
    assert field.text == "one twotwotwo"


def test_history_goes_back_to_what_was_typed_last() -> None:
    field = Field()
    for text in ("one", "two", "one"):
        field.set(text)
        field.remember()
    field.set("draft")
    seen = []
    for step in ("up", "up", "up", "down", "down", "down"):
        field.do(step)
        seen.append(field.text)
    assert seen == ["one", "two", "two", "one", "draft", "draft"]


def test_the_first_step_back_is_to_another_text() -> None:
    field = Field()
    for text in ("one", "two"):
        field.set(text)
        field.remember()
    field.do("up")
    assert field.text == "one"


def test_what_is_not_a_fields_is_left() -> None:
    assert not any(map(made("x").do, ("save", "page_up", "newline", "select_up", "select_page_down", "tab")))


@pytest.mark.parametrize(
    ("text", "caret", "width", "shown", "cell"),
    [
        ("needle", 6, 10, "needle    ", 6),
        ("needle", 6, 6, "eedle ", 5),
        ("needle", 0, 4, "need", 0),
        ("a\tb", 1, 8, "a   b   ", 1),
        ("漢字漢字", 4, 5, "漢字 ", 4),
        ("漢字漢字", 4, 6, " 漢字 ", 5),
        ("\x1b[m", 3, 6, "␛[m   ", 3),
    ],
)
def test_drawing(text: str, caret: int, width: int, shown: str, cell: int) -> None:
    field = made(text, caret)
    assert drawn(field.draw(width, PALETTE, STYLES)) == shown
    assert field.caret_cell == cell


def test_deleting_scrolls_back() -> None:
    field = made("0123456789")
    field.draw(5, PALETTE, STYLES)
    for _ in range(3):
        field.do("backspace")
    assert drawn(field.draw(5, PALETTE, STYLES)) == "3456 "


def test_the_caret_covers_the_first_cell_of_a_tab_and_a_selection_all() -> None:
    field = made("\tx", 0)
    assert caret_of(field.draw(8, PALETTE, STYLES)) == (0, " ")
    field.do("select_right")
    selected = STYLES[PALETTE.field_selection.over(PALETTE.field)]
    assert [s.text for s in field.draw(8, PALETTE, STYLES) if s.style == selected] == ["    "]


def test_no_caret_in_a_field_that_is_not_active() -> None:
    styles = {segment.style for segment in made("x").draw(5, PALETTE, STYLES, is_active=False)}
    assert styles == {STYLES[PALETTE.field]}


def test_a_placeholder_stands_in_an_empty_field_only() -> None:
    assert drawn(made().draw(8, PALETTE, STYLES, "anything at all")) == "anything"
    assert drawn(made("x").draw(8, PALETTE, STYLES, "anything")) == "x       "


def test_a_wrong_text_is_told_by_its_ink() -> None:
    bad = STYLES[PALETTE.field_bad.over(PALETTE.field)]
    assert any(s.style == bad and "(" in s.text for s in made("a(").draw(8, PALETTE, STYLES, is_bad=True))


@pytest.mark.parametrize("is_ascii", [False, True])
def test_hostile_text_is_drawn_as_marks(is_ascii: bool) -> None:
    field = made(HOSTILE, is_ascii=is_ascii)
    text = drawn(field.draw(60, PALETTE, STYLES))
    assert text.isprintable()
    assert text.isascii() == is_ascii


def test_what_terminals_measure_differently_is_followed_by_a_move() -> None:
    field = made("❤️x")
    segments = field.draw(8, PALETTE, STYLES, column=10)
    at = next(index for index, segment in enumerate(segments) if segment.control)
    cells = sum(segment.cell_length for segment in segments[:at])
    assert segments[at].text == f"\x1b[{10 + cells + 1}G"


def test_a_click_places_the_caret() -> None:
    field = made("0123456789")
    field.draw(5, PALETTE, STYLES)  # from cell 6 of the text on
    field.place(1)
    assert field.caret == 7
    field.place(0, extend=True)
    assert field.selected_text == "6"
