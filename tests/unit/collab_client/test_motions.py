"""Where carets go by line, paragraph and bracket, and what is a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client import clusters
from collab_client.lines import Lines, Position
from collab_client.motions import (
    matching_bracket,
    paragraph_above,
    paragraph_below,
    smart_line_start,
    word_at,
)


def test_home_goes_to_the_text_and_then_to_the_line() -> None:
    lines = Lines("  \tword\n\n   ")
    assert smart_line_start(lines, Position(0, 5)) == (0, 3)
    assert smart_line_start(lines, Position(0, 3)) == (0, 0)
    assert smart_line_start(lines, Position(0, 0)) == (0, 3)
    assert smart_line_start(lines, Position(1, 0)) == (1, 0)
    assert smart_line_start(lines, Position(2, 1)) == (2, 3)


def test_paragraphs_end_at_blank_lines() -> None:
    lines = Lines("one\ntwo\n\n \nthree\nfour\n\nfive")
    below, place = [], Position(0, 2)
    for _ in range(4):
        place = paragraph_below(lines, place)
        below.append(tuple(place))
    assert below == [(2, 0), (6, 0), (7, 4), (7, 4)]
    above = []
    for _ in range(4):
        place = paragraph_above(lines, place)
        above.append(tuple(place))
    assert above == [(3, 0), (0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("at", "partner"),
    [
        ((0, 1), (2, 0)),
        ((2, 0), (0, 1)),
        ((0, 2), (2, 0)),
        ((1, 3), (1, 10)),
        ((1, 10), (1, 3)),
        ((1, 5), (1, 6)),
    ],
)
def test_a_bracket_finds_its_partner(at: tuple[int, int], partner: tuple[int, int]) -> None:
    lines = Lines("f{ x\n  a[(i), j]\n}")
    assert matching_bracket(lines, Position(*at)) == partner


def test_between_brackets_it_goes_to_the_one_that_opens() -> None:
    assert matching_bracket(Lines("f(a, bc)"), Position(0, 5)) == (0, 1)
    assert matching_bracket(Lines("no brackets"), Position(0, 5)) is None
    assert matching_bracket(Lines("(open"), Position(0, 0)) is None


@given(st.lists(st.text(alphabet="()[]{}a ", max_size=8), min_size=1, max_size=4), st.data())
def test_going_twice_comes_back(text: list[str], data: st.DataObject) -> None:
    lines = Lines("\n".join(text))
    row = data.draw(st.integers(0, len(text) - 1))
    column = data.draw(st.integers(0, len(text[row])))
    if column < len(text[row]) and text[row][column] in "()[]{}":
        partner = matching_bracket(lines, Position(row, column))
        if partner is not None:
            assert matching_bracket(lines, partner) == (row, column)


@pytest.mark.parametrize(
    ("line", "column", "word"),
    [
        ("two words", 5, "words"),
        ("two words", 9, "words"),
        ("two  words", 3, "  "),
        ("a+=b", 1, "+"),
        ("e\u0301te\u0301 x", 2, "e\u0301te\u0301"),
        ("a 👨‍👩‍👧 b", 4, "👨‍👩‍👧"),
        ("snake_case9!", 0, "snake_case9"),
        ("漢字 かな", 1, "漢字"),
        ("", 0, ""),
    ],
)
def test_words(line: str, column: int, word: str) -> None:
    start, end = word_at(line, column)
    assert line[start:end] == word


@given(st.text(alphabet="ab _-\t\u0301\u200d漢👨👩🇩🇪e", max_size=20), st.data())
def test_a_word_is_made_of_whole_clusters_and_holds_its_column(line: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, len(line)))
    start, end = word_at(line, column)
    edges = {0}
    while (at := max(edges)) < len(line):
        edges.add(clusters.next_boundary(line, at))
    assert {start, end} <= edges
    assert not line or (start <= min(column, len(line) - 1) < end)
